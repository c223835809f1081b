"""Watchpoints by the debug registers, ours beside the guest's own."""

import pytest


@pytest.fixture
def bp(boot):
    """The bp guest, gdb at its main."""
    vm = boot("bp")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["main"])
    return vm, gdb


@pytest.mark.parametrize("size, kind", [(1, "char"), (2, "short"), (4, "int"), (8, "long")])
def test_gen_6_write_watchpoint(bp, size, kind):
    """GEN-6: a write of 1, 2, 4, 8 bytes stops behind the writing instruction, with old and new."""
    vm, gdb = bp
    gdb.run(f"watch *({kind} *)&v{size}")
    stop = gdb.go()
    assert stop.reason == "watchpoint-trigger"
    assert stop.pc == vm.guest[f"w{size}_written"]
    assert int(stop.raw["value"]["new"].split()[0], 0) == (0x11 if size == 1 else 1)
    if size != 1:
        assert gdb.go().pc == vm.guest[f"w{size}_written"]
        assert gdb.read_int(vm.guest["rounds"]) == 2


@pytest.mark.every_machine
def test_gen_6_read_and_access_watchpoints(bp):
    """GEN-6: rwatch stops at reads of unchanged values, awatch at both."""
    vm, gdb = bp
    gdb.run("awatch *(int *)&v4")
    assert gdb.go().pc == vm.guest["w4_written"]
    stop = gdb.go()
    assert (stop.reason, stop.pc) == ("access-watchpoint-trigger", vm.guest["w4_read"])
    gdb.run("delete")
    gdb.run("rwatch *(long *)&v8")
    stop = gdb.go()
    assert (stop.reason, stop.pc) == ("read-watchpoint-trigger", vm.guest["w8_read"])


def test_gen_6_four_watchpoints_at_once(bp):
    """GEN-6, DR-7: all four slots, each reported as itself."""
    vm, gdb = bp
    for size, kind in ((1, "char"), (2, "short"), (4, "int"), (8, "long")):
        gdb.run(f"watch *({kind} *)&v{size}")
    wanted = ["w1_written", "w2_written", "w4_written", "w8_written",
              "w2_written", "w4_written", "w8_written"]
    assert [vm.guest.name_of(gdb.go().pc) for _ in wanted] == wanted


def test_more_watchpoints_than_registers(bp):
    """Six watchpoints: what does not fit in debug registers is watched by stage 2."""
    vm, gdb = bp
    for size, kind in ((1, "char"), (2, "short"), (4, "int"), (8, "long")):
        gdb.run(f"watch *({kind} *)&v{size}")
    gdb.run("watch *(long *)&int3_count")
    gdb.run("watch *(long *)&rounds")
    places = []
    while places.count("w8_written") < 3:
        stop = gdb.go(60)
        assert stop.reason == "watchpoint-trigger"
        places.append(vm.guest.name_of(stop.pc))
    seen = [p for p in places if p.startswith("w")]
    assert seen == ["w1_written"] + ["w2_written", "w4_written", "w8_written"] * 3
    assert len(places) - len(seen) == 3 + 2 * 2  # rounds, and two INT3s in each


def test_watch_of_any_length(bp):
    """One watchpoint of 32 bytes: each write into it stops behind the instruction."""
    vm, gdb = bp
    gdb.run("watch *(char (*)[32])&v1")
    wanted = ["w1_written", "w2_written", "w4_written", "w8_written",
              "w2_written", "w4_written", "w8_written"]
    for name in wanted:
        stop = gdb.go(60)
        assert (stop.reason, vm.guest.name_of(stop.pc)) == ("watchpoint-trigger", name)
    gdb.run("delete")
    gdb.cont()
    vm.wait_said("bp: ok")


def test_watch_unaligned(bp):
    """Two bytes at an odd address, of which an access of four touches the first: reads and writes
    are told apart, their neighbours do not stop."""
    vm, gdb = bp
    gdb.run("awatch *(short *)((char *)&v4 + 3)")
    for name in ("w4_written", "w4_read", "w4_written"):
        stop = gdb.go(60)
        assert (stop.reason, vm.guest.name_of(stop.pc)) == ("access-watchpoint-trigger", name)
    gdb.run("delete")
    gdb.run("rwatch *(short *)((char *)&v8 + 1)")
    for _ in range(2):
        stop = gdb.go(60)
        assert (stop.reason, vm.guest.name_of(stop.pc)) == ("read-watchpoint-trigger", "w8_read")


def test_watchpoint_removed(bp):
    """A deleted watchpoint is gone from the processor."""
    vm, gdb = bp
    gdb.run("watch *(int *)&v4")
    gdb.go()
    gdb.run("delete")
    gdb.cont()
    vm.wait_said("bp: ok")
    assert gdb.still_running()


@pytest.mark.needs("guest_debugger")
def test_dr_7_8_guest_and_gdb_at_the_same_time(boot):
    """DR-7, DR-8, BP-32, HAXM-10, HAXM-15: the guest's two debug registers and gdb's two, which
    were there first."""
    vm = boot("drs")
    gdb = vm.gdb()
    guest = vm.guest
    gdb.run("hbreak gdb_target")
    gdb.run("watch *(int *)&gdb_variable")
    wanted = ["gdb_target", "gdb_written"] * 5
    assert [guest.name_of(gdb.go(60).pc) for _ in wanted] == wanted
    assert gdb.read_int(guest["exec_hits"]) == 5
    assert gdb.read_int(guest["write_hits"]) == 5
    gdb.run("delete")
    gdb.cont()
    said = vm.wait_said("drs: ok", 60)
    assert "fail" not in said


@pytest.mark.needs("guest_debugger")
def test_dr_7_polled_from_outside(boot):
    """DR-7, DR-6: gdb breaks in and reads the debug registers while the guest uses them: they are
    the guest's each time, and each of its own breakpoints and watchpoints fires."""
    vm = boot("drs")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["gdb_target"])
    for _ in range(8):
        gdb.cont()
        gdb.interrupt()
        assert gdb.value("$dr0") == vm.guest["own_target"]
        assert gdb.value("$dr2") == 0x0000111122223333
        assert gdb.value("$dr6") & 0xFFFF0FF0 == 0xFFFF0FF0
        assert gdb.value("$dr7") & 0xFFFF03FF == 0x00D00005
    gdb.cont()
    assert "fail" not in vm.wait_said("drs: ok", 60)


@pytest.mark.needs("guest_debugger")
def test_dr_6_gdb_sees_the_guests_registers(boot):
    """DR-6, HAXM-8, HAXM-13: $dr0..$dr7 are the guest's, whatever gdb has armed."""
    vm = boot("drs")
    gdb = vm.gdb()
    gdb.run("hbreak gdb_target")
    gdb.go(60)
    assert gdb.value("$dr0") == vm.guest["own_target"]
    assert gdb.value("$dr1") == vm.guest["own_variable"]
    assert gdb.value("$dr2") == 0x0000111122223333
    assert gdb.value("$dr3") == 0x0000444455556666
    assert gdb.value("$dr7") == 0x00D00405
    assert gdb.value("$dr6") & 0xFFFFFFFF == 0xFFFF0FF0


@pytest.mark.needs("guest_debugger")
def test_dr_1_guest_registers_hold_without_gdb(boot):
    """DR-1, HAXM-2, HAXM-8: 1000 rounds of a guest that checks its own debug registers, no gdb."""
    vm = boot("drs", options="stop=none")
    assert "fail" not in vm.wait_said("drs: ok", 60)


@pytest.mark.needs("guest_debugger")
def test_whpx_8_guests_single_step_is_its_own(boot):
    """WHPX-8: the guest's own TF trap arrives with a debugger attached (checked by the guest)."""
    vm = boot("steps")
    gdb = vm.gdb()
    gdb.run("hbreak main")
    gdb.go(60)
    gdb.cont()
    assert "TF seen" not in vm.wait_said("steps: ok")
    assert gdb.still_running()
