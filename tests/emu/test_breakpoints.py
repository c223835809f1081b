"""Software and hardware breakpoints, ours and the guest's."""

import pytest

NOP = b"\x90"

# Inside f_inner and f_outer, behind their prologues.
INNER_BODY = 4
OUTER_BACK = 9


@pytest.fixture
def bp(boot):
    """The bp guest, gdb stopped at its first 64-bit instruction."""
    vm = boot("bp")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["main"])
    return vm, gdb


@pytest.mark.every_machine
@pytest.mark.parametrize("command", ["break", "hbreak"])
def test_haxm_1_17_breakpoint_hits_every_round(bp, command):
    """HAXM-1, HAXM-17: `break` and `hbreak` stop on the instruction, once per round."""
    vm, gdb = bp
    gdb.run(f"{command} f_soft")
    for expected in range(1, 6):
        stop = gdb.go()
        assert (stop.reason, stop.pc) == ("breakpoint-hit", vm.guest["f_soft"])
        assert gdb.read_int(vm.guest["rounds"]) == expected


def test_haxm_17_software_and_hardware_mix(bp):
    """HAXM-17: both kinds together, each reported where it is, in the order of the code."""
    vm, gdb = bp
    gdb.run("break f_soft")
    gdb.run("hbreak f_hard")
    gdb.run(f"break *f_inner + {INNER_BODY}")
    gdb.run(f"hbreak *f_outer + {OUTER_BACK}")
    places = [vm.guest["f_soft"], vm.guest["f_hard"], vm.guest["f_inner"] + INNER_BODY,
              vm.guest["f_outer"] + OUTER_BACK] * 3
    assert [gdb.go().pc for _ in places] == places


def test_bp_8_removed_breakpoint_never_stops_again(bp):
    """BP-8: no stop after the breakpoint is deleted."""
    vm, gdb = bp
    gdb.run("break f_soft")
    gdb.go()
    gdb.run("delete")
    gdb.cont()
    vm.wait_said("bp: ok")
    assert gdb.still_running()


def test_bp_3_guest_int3_untouched_by_ours(bp):
    """BP-3, HAXM-3, WHPX-8: 100 rounds with our breakpoint, the guest counts its own INT3s."""
    vm, gdb = bp
    gdb.run("break f_soft if *(long *)&rounds == 3")
    assert gdb.go(60).pc == vm.guest["f_soft"]
    gdb.run("delete")
    gdb.run("break own_int3_next if *(long *)&rounds == 6")
    assert gdb.go(60).pc == vm.guest["own_int3_next"]
    assert gdb.read_int(vm.guest["int3_count"]) == 11
    gdb.run("delete")
    gdb.run("hbreak unexpected")
    gdb.cont()
    said = vm.wait_said("bp: ok")
    assert "int3" not in said


def test_bp_17_memory_shows_true_bytes(bp):
    """BP-17, WHPX-15, WHPX-16: reads under an inserted breakpoint show what the guest put there."""
    vm, gdb = bp
    gdb.run("set breakpoint always-inserted on")
    gdb.run("break f_soft")
    gdb.go()
    assert gdb.read(vm.guest["f_soft"], 3) == NOP + NOP + b"\xc3"
    assert b"\xcc" not in gdb.read(vm.guest["f_soft"], 3)


def test_whpx_14_two_breakpoints_at_one_address(bp):
    """WHPX-14, HAXM-17: software and hardware at the same place; each can go first."""
    vm, gdb = bp
    gdb.run("break f_soft")
    gdb.run("hbreak *f_soft")
    assert gdb.go().pc == vm.guest["f_soft"]
    gdb.run("delete 2")  # 1 was the fixture's
    assert gdb.go().pc == vm.guest["f_soft"]
    assert gdb.read_int(vm.guest["rounds"]) == 2


def test_whpx_17_many_breakpoints(bp):
    """WHPX-17: 64 software breakpoints, every one of them hit in order."""
    vm, gdb = bp
    gdb.run("set breakpoint always-inserted on")
    base = vm.guest["f_many"]
    for number in range(64):
        gdb.run(f"break *{base + 4 * number:#x}")
    for number in range(64):
        assert gdb.go().pc == base + 4 * number
    assert gdb.read(base, 256) == NOP * 256


def test_backtrace_and_finish(bp):
    """`bt` through frames of the guest, `finish` back to the caller."""
    vm, gdb = bp
    gdb.run(f"break *f_inner + {INNER_BODY}")
    gdb.go()
    frames = gdb.run("backtrace 3").splitlines()
    assert "f_inner" in frames[0] and "f_outer" in frames[1] and "round" in frames[2]
    assert gdb.execute("finish").pc == vm.guest["f_outer"] + OUTER_BACK


def test_tbreak_and_advance(bp):
    """A temporary breakpoint stops once; `advance` gets where it shall."""
    vm, gdb = bp
    gdb.run("tbreak f_hard")
    assert gdb.go().pc == vm.guest["f_hard"]
    assert gdb.execute("advance *f_hard_second").pc == vm.guest["f_hard_second"]
    gdb.cont()
    vm.wait_said("bp: ok")
    assert gdb.still_running()


def test_conditional_breakpoint(bp):
    """A condition that gdb evaluates: 20 stops and steps, unseen by the guest."""
    vm, gdb = bp
    gdb.run("break f_soft if *(long *)&rounds == 20")
    stop = gdb.go(60)
    assert stop.pc == vm.guest["f_soft"]
    assert gdb.read_int(vm.guest["rounds"]) == 20


def test_next_over_a_call(bp):
    """`nexti` over a call: the breakpoint behind it, not inside it."""
    vm, gdb = bp
    gdb.run("break round")
    gdb.go()
    gdb.stepi()
    before = gdb.pc()
    assert gdb.execute("nexti").pc == before + 5


@pytest.mark.needs("guest_debugger")
def test_haxm_12_register_writes_keep_breakpoints(bp):
    """HAXM-12: writing registers does not disturb armed breakpoints."""
    vm, gdb = bp
    gdb.run("hbreak f_hard")
    gdb.run("break f_soft")
    for _ in range(2):
        assert gdb.go().pc == vm.guest["f_soft"]
        gdb.run("set $r12 = 0x1234567812345678")
        gdb.run("set $rcx = 7")
        gdb.run("set $eflags = $eflags | 1")
        assert gdb.go().pc == vm.guest["f_hard"]
        assert gdb.value("$r12") == 0x1234567812345678


def test_bp_23_detach_leaves_no_breakpoint(bp):
    """BP-23, HAXM-2: after detach the guest runs on with its bytes as they were."""
    vm, gdb = bp
    gdb.run("set breakpoint always-inserted on")
    gdb.run("break f_soft")
    gdb.run("hbreak f_hard")
    gdb.run("watch *(char *)&v1")
    gdb.go()
    gdb.detach()
    vm.wait_said("bp: ok")
