"""`monitor catch`: each thing that can be caught, on each vendor."""

import re

import pytest

from harness import capabilities, walk

pytestmark = pytest.mark.needs("gdbvisor")

LSTAR = 0xC0000082

# What is caught, where, and what gdb's console says of it.
CASES = {
    "cpuid": ("cpuid 0x80000000", "at_cpuid", r"CPUID leaf 0x80000000, subleaf 0x0"),
    "wrmsr": (f"msr {LSTAR:#x} write", "at_wrmsr", r"write of MSR 0xc0000082 0xffff8000[0-9a-f]{8}"),
    "rdmsr": (f"msr {LSTAR:#x} read", "at_rdmsr", r"read of MSR 0xc0000082"),
    "efer": ("efer write", "at_efer", r"write of MSR 0xc0000080 0x[0-9a-f]*501"),
    "out": ("io 0x80 out", "at_out", r"out to port 0x80, 1 byte: 0x5a"),
    "in": ("io 0x60-0x61 in", "at_in", r"in from port 0x61, 1 byte"),
    "cr3": ("cr3", "at_cr3", r"write of CR3 0x([0-9a-f]+), was 0x\1"),
    "cr4": ("cr4 write", "at_cr4", r"write of CR4 0x[0-9a-f]+, was 0x[0-9a-f]+"),
    "pf": ("exception pf error 2 cr2 0x600000-0x600fff", "at_pf",
           r"#PF at 0x[0-9a-f]+, error 0x2, cr2 0x600123"),
    "ud": ("exception #UD", "at_ud", r"#UD at 0x[0-9a-f]+"),
    "bp": ("exception 3", "at_int3", r"#BP at 0x[0-9a-f]+"),
}


@pytest.fixture
def catches(boot):
    """The catches guest, gdb stopped at the beginning of its first round."""
    vm = boot("catches")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["round"])
    return vm, gdb


@pytest.mark.every_machine
@pytest.mark.parametrize("name", CASES)
def test_catch_stops_in_front(catches, name):
    """Stops in front of it, says which catch with the values; it is done once, also under stepi."""
    vm, gdb = catches
    what, label, words = CASES[name]
    assert gdb.monitor(f"catch {what}").startswith("catch 1: ")
    for expected in (0, 1):
        stop = gdb.go()
        assert (stop.pc, stop.signal) == (vm.guest[label], "SIGTRAP")
        assert gdb.read_int(vm.guest["rounds"], 4) == expected
        assert re.search(rf"catch 1: {words}\n", gdb.console)
    after = gdb.stepi().pc
    handlers = {"pf": "h_pf", "ud": "h_ud", "bp": "h_count"}
    assert after == vm.guest[handlers.get(name, label.replace("at_", "after_"))]
    assert gdb.go().pc == vm.guest[label]
    assert "nothing is caught" in gdb.monitor("catch delete 1")
    gdb.cont()
    vm.wait_said("catches: ok")
    assert gdb.still_running()


def test_catch_cr0_and_string_once(catches):
    """MOV to CR0 and CLTS; a string instruction with REP stops once; all in one round."""
    vm, gdb = catches
    gdb.monitor("catch cr0")
    gdb.monitor("catch io 0x80-0x84")
    assert gdb.monitor("catch").splitlines() == ["1   cr0 write", "2   io 0x80-0x84 both"]
    for label in ("at_out", "at_outs", "at_cr0", "at_clts") * 2:
        assert gdb.go().pc == vm.guest[label]
    assert re.search(r"catch 1: write of CR0 0x[0-9a-f]+9, was 0x[0-9a-f]+1\n", gdb.console)
    assert re.search(r"catch 1: write of CR0 0x[0-9a-f]+1, was 0x[0-9a-f]+9\n", gdb.console)
    assert re.search(r"catch 2: out to port 0x84, 1 byte\n", gdb.console)
    gdb.detach()
    vm.wait_said("catches: ok")


def test_catch_int(boot, machine):
    """INT n: stops in front of it; where the processor has no interception of it, the answer is the
    `break` that stops where its handler begins."""
    vm = boot("steps")
    gdb = vm.gdb()
    walk.to(vm, gdb, "steps_begin")
    answer = gdb.monitor("catch int 0x31").splitlines()
    if capabilities.vendor(machine) == "svm":
        assert answer == ["catch 1: int 0x31"]
        assert gdb.go().pc == vm.guest["s_int31"]
    else:
        way = f"break *{vm.guest['h_int31']:#x}"
        assert answer[1:] == [f"int 0x31: {way}"]
        gdb.run(way)
        assert gdb.go().pc == vm.guest["h_int31"]
    gdb.detach()
    vm.wait_said("steps: ok")


def test_user_10_catch_costs_nothing_when_off(catches, machine):
    """USER-10: what was caught and is no more does not exit."""
    vm, gdb = catches
    gdb.monitor("catch io 0x80")
    gdb.monitor("catch msr 0xc0000082")
    gdb.monitor("catch exception pf")
    gdb.go()
    gdb.monitor("catch delete all")
    gdb.run("hbreak round")
    gdb.go()
    gdb.monitor("exits reset")
    gdb.go()
    exits = gdb.exits()
    efer = 1 if machine.vendor == "svm" else 0  # its accesses exit there, always
    assert exits.get("rdmsr", 0) == exits.get("wrmsr", 0) == efer
    for kind in ("port i/o", "exception", "mov cr"):
        assert not exits.get(kind), exits


def test_user_4_why(catches):
    """USER-4: a page fault explained by level and bit; a ring of what was raised."""
    vm, gdb = catches
    assert "is on" in gdb.monitor("exceptions on")
    gdb.monitor("catch exception pf")
    assert gdb.go().pc == vm.guest["at_pf"]
    why = gdb.monitor("why")
    assert f"#PF (vector 14) at 0010:{vm.guest['at_pf']:x}, ring 0, error 2\n" in why
    assert "write to 600123 from ring 0\n" in why
    assert "because of the page directory: not present\n" in why
    assert "the gates of #DF, #GP and #PF usable" in why
    gdb.go()
    ring = gdb.monitor("exceptions").splitlines()
    assert [line[:3] for line in ring] == ["#PF", "#UD", "#PF"]
    assert ring[1].startswith(f"#UD 00000000 at 0010:{vm.guest['at_ud']:016x} cr2 ")
    gdb.monitor("exceptions off")
    gdb.monitor("catch delete all")
    gdb.cont()
    vm.wait_said("catches: ok")


def test_user_6_int3(catches):
    """USER-6: an INT3 of the guest's own stops in gdb, behind it, and its handler is not run; or it
    goes to the handler."""
    vm, gdb = catches
    assert "stops" in gdb.monitor("int3 stop")
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest["after_int3"], "SIGTRAP")
    assert "goes to its handler" in gdb.monitor("int3 guest")
    gdb.run("hbreak wrong")  # which is how the guest complains of an INT3 that was lost
    assert gdb.go().pc == vm.guest["wrong"]


@pytest.mark.parametrize("phase, bits", [("paging", 32), ("long", 32), ("protected", None)])
def test_catch_phase(boot, phase, bits):
    """The first instruction with paging and in long mode; one that has begun does not begin."""
    vm = boot("catches")
    gdb = vm.gdb()
    gdb.monitor(f"catch phase {phase}")
    if bits is None:
        gdb.cont()
        vm.wait_said("catches: ok", 60)
        assert gdb.still_running()
        return
    stop = gdb.go(60)
    assert f"catch 1: phase {phase} begins, compatibility mode, ring 0\n" in gdb.console
    assert gdb.value("$cr0") >> 31 == 1 and gdb.value("$efer") & 0x400
    assert gdb.read(stop.pc - 3, 3) == b"\x0f\x22\xc0"
    assert "nothing is caught" in gdb.monitor("catch")
    gdb.cont()
    vm.wait_said("catches: ok", 60)
