"""Breakpoints in code that a loader unpacks, and that looks at itself."""

import pytest

pytestmark = pytest.mark.needs("gdbvisor")

TARGET = 0x600000
ALIAS = 0x8000000000
PAGE = 4096
ROUNDS = 20


@pytest.fixture
def unpack(boot):
    """The unpack guest before its loader has run: (machine, gdb, address of an unpacked label)."""
    vm = boot("unpack")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["round"])

    def at(label, base=TARGET):
        return base + vm.guest[label] - vm.guest["payload"]
    return vm, gdb, at


def _image(vm):
    """The bytes that are unpacked, from the guest's file."""
    start = vm.guest["payload"] - vm.guest["image_start"]
    return vm.guest.bin.read_bytes()[start:start + 3 * PAGE]


@pytest.mark.every_machine
def test_guest_by_itself(boot):
    """The guest finds all of its own checks right."""
    vm = boot("unpack", "stop=none")
    vm.wait_said("unpack: ok")


@pytest.mark.every_machine
def test_user1_before_it_is_unpacked(unpack):
    """USER-1, HAXM-22: set before the code is there: it stops in every round, by both addresses of
    the code, although each round writes over it; and what is read there is the guest's."""
    vm, gdb, at = unpack
    gdb.run("set breakpoint always-inserted on")
    for base in (TARGET, TARGET + ALIAS):  # gdb goes on where it knows of no breakpoint
        gdb.run(f"break *{at('p_first', base):#x}")
        gdb.run(f"break *{at('p_many', base) + 5:#x}")
    assert gdb.read(TARGET, 64) != _image(vm)[:64]  # not there yet
    for number in range(1, 5):
        base = TARGET if number % 2 else TARGET + ALIAS
        for label, offset in (("p_first", 0), ("p_many", 5)):
            assert gdb.go(60).pc == at(label, base) + offset
            assert gdb.read_int(vm.guest["rounds"], 4) == number
        assert gdb.read(at("p_first"), 64) == _image(vm)[:64]
        assert gdb.read(at("p_many"), 64) == _image(vm)[at("p_many") - TARGET:][:64]


@pytest.mark.parametrize("count", [1, 2])
def test_user1_code_that_looks_at_itself(unpack, count):
    """USER-1, WHPX-16: with breakpoints in each of its pages the guest finds the same sums, data,
    changed instructions, tables."""
    vm, gdb, at = unpack
    gdb.run("set breakpoint always-inserted on")
    for page in range(3):
        for number in range(count):  # where nothing runs
            gdb.run(f"break *{TARGET + page * PAGE + [0xd01, 0xd02][number]:#x}")
    gdb.cont()
    assert "wrong" not in vm.wait_said("unpack: ok", 120)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["errors"], 4) == 0


def test_whpx_17_many_in_one_page(unpack):
    """WHPX-17: more than there are debug registers, one behind the other: each is hit once a round,
    by both addresses."""
    vm, gdb, at = unpack
    gdb.run("set breakpoint always-inserted on")
    for base in (TARGET, TARGET + ALIAS):
        for number in range(32):
            gdb.run(f"break *{at('p_many', base) + number:#x}")
    for base in (TARGET, TARGET + ALIAS):
        for number in range(32):
            assert gdb.go(60).pc == at("p_many", base) + number
    assert gdb.read(at("p_many"), 32) == b"\x90" * 32


@pytest.mark.needs("raw")
def test_whpx_17_a_thousand_elsewhere(boot):
    """WHPX-17: code that does not come to their pages takes the same exits with none, one and a
    thousand breakpoints."""
    vm = boot("unpack")
    rsp = vm.rsp()
    rsp.ask("qSupported:swbreak+")
    assert rsp.ask(f"Z1,{vm.guest['came_back']:x},1") == "OK"
    assert rsp.ask("vCont;c", 60).startswith("T05")
    costs = []
    for breakpoints in (range(0), range(1), range(1, 1000)):
        for number in breakpoints:
            assert rsp.ask(f"Z0,{vm.guest['quiet'] + number * 1048:x},1") == "OK"
        before = rsp.exits()["total"]
        for _ in range(10):
            assert rsp.ask("vCont;c", 60).startswith("T05")
        costs.append(rsp.exits()["total"] - before)
    assert max(costs) - min(costs) <= 5, costs  # not one more in each round


def test_whpx_16_condition_reads_true_bytes(unpack):
    """WHPX-16: what a condition reads are the guest's bytes, at breakpoints too, though it is
    evaluated while the guest runs; with more of them than there are debug registers."""
    vm, gdb, at = unpack
    gdb.run("set breakpoint condition-evaluation target")
    place = at("p_many")
    for number in range(8):
        test = "*(long *)$pc == 0x9090909090909090"
        if number == 3:
            test += f" && *(int *){vm.guest['rounds']:#x} >= 5"
        gdb.run(f"break *{place + number:#x} if " + (test if number == 3 else f"!({test})"))
    assert gdb.go(60).pc == place + 3
    assert gdb.read_int(vm.guest["rounds"], 4) == 5


def test_step_on_two_pages(unpack):
    """An instruction on two pages: stepped, and continued over, from breakpoints on both sides."""
    vm, gdb, at = unpack
    gdb.run(f"tbreak *{at('p_before_edge'):#x}")
    gdb.go(60)
    places = [at("p_before_edge") + 1, at("p_edge"), at("p_behind_edge"), at("p_behind_edge") + 5]
    for place in places:
        assert gdb.stepi().pc == place
    for label in ("p_edge", "p_behind_edge"):
        gdb.run(f"break *{at(label):#x}")
        gdb.run(f"break *{at(label, TARGET + ALIAS):#x}")
    for base in (TARGET + ALIAS, TARGET):
        assert gdb.go(60).pc == at("p_edge", base)
        assert gdb.go(60).pc == at("p_behind_edge", base)
    assert gdb.value("$eax") == 0x11223344
    assert gdb.read_int(vm.guest["errors"], 4) == 0


def test_step_through(unpack):
    """Steps from breakpoint to breakpoint through code that changes itself, uses data of its own
    page and tables there."""
    vm, gdb, at = unpack
    for label in ("p_data", "p_patch", "p_patched", "p_tables"):
        gdb.run(f"break *{at(label):#x}")
    for label, steps in (("p_data", 8), ("p_patch", 1), ("p_tables", 30)):
        while gdb.pc() != at(label):
            gdb.go(60)
        for _ in range(steps):
            gdb.stepi()
    assert gdb.read_int(vm.guest["errors"], 4) == 0
    gdb.run("delete")
    gdb.cont()
    assert "wrong" not in vm.wait_said("unpack: ok", 60)


def _watch_without_registers(vm, gdb, *watchpoints):
    """Sets them where all debug registers are taken by others: by stage 2."""
    for number in range(4):
        gdb.run(f"watch *(long *){vm.guest['quiet'] + 8 * number:#x}")
    for kind, what in watchpoints:
        gdb.run(f"{kind} {what}")


def test_watch_among_breakpoints(unpack):
    """Code with breakpoints writes what is watched in its own page, by both addresses, as does an
    interrupt handler from outside: each is told behind the instruction, and the breakpoints hit."""
    vm, gdb, at = unpack
    for base in (TARGET, TARGET + ALIAS):
        gdb.run("hbreak go")
        gdb.go(60)
        gdb.run("delete")
        _watch_without_registers(vm, gdb, *(
            ("watch", f"*({kind} *){at(label) + offset:#x}") for kind, label, offset in
            (("int", "p_count", 0), ("char", "p_text", 15), ("int", "p_patched", 1),
             ("int", "p_in_next", 1), ("int", "p_flag", 0))))
        gdb.run("set $flag = $bpnum")
        breakpoints = [at("p_before_edge", base), at("p_many", base)]  # none where the code sums
        for place in breakpoints:
            gdb.run(f"break *{place:#x}")
        places = []
        while not places or places[-1] != breakpoints[-1]:
            stop = gdb.go(60)
            places.append(stop.pc)
            assert (stop.reason == "breakpoint-hit") == (stop.pc in breakpoints)
            if stop.pc == vm.guest["h_timer_set"]:  # or the timer's next interrupt is always first
                gdb.run("delete $flag")
        copied = at("p_copied", base)
        if places[2] == copied - 2:  # QEMU from 10 on traps once more at a REP, when it is done
            places[2] = copied
        assert places == [
            at("p_data", base) + 10, at("p_data", base) + 16, copied,
            vm.guest["h_timer_set"], at("p_patched", base), at("p_in_next_set", base),
            *breakpoints], [hex(place) for place in places]
        gdb.run("delete")
    assert gdb.read_int(vm.guest["errors"], 4) == 0


def test_read_watch_among_breakpoints(unpack):
    """Code with breakpoints reads what is watched in its own page: told behind the instruction,
    and what it only writes is not told as read."""
    vm, gdb, at = unpack
    gdb.run(f"break *{at('p_copied'):#x}")
    assert gdb.go(60).pc == at("p_copied")
    _watch_without_registers(vm, gdb, ("rwatch", f"*(long *){at('p_text') + 8:#x}"),
                             ("awatch", f"*(int *){at('p_flag'):#x}"))
    stop = gdb.go(60)
    assert (stop.reason, stop.pc) == ("read-watchpoint-trigger", at("p_copied") + 14)
    stops = [gdb.go(60) for _ in range(2)]
    assert {s.reason for s in stops} == {"access-watchpoint-trigger"}
    places = [s.pc for s in stops]
    assert places[0] == at("p_spin") + 10
    assert places[1] in (at("p_spin") + 18, vm.guest["h_timer_set"])  # if the timer was first
    gdb.run("delete")
    gdb.run(f"break *{at('p_patch'):#x}")
    assert gdb.go(60).pc == at("p_patch")
    assert gdb.read_int(vm.guest["errors"], 4) == 0
