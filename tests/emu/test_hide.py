"""What the guest can see of us: nothing."""

import re

import pytest

from harness import capabilities

pytestmark = pytest.mark.needs("gdbvisor")


@pytest.mark.every_machine
@pytest.mark.parametrize("attached", [False, True])
def test_user_11_nothing_shows(boot, machine, attached):
    """USER-11, USER-10: SVM hidden, our memory a hole, the UART gone, its IOAPIC entry virtual, the
    timer intact; the same with a gdb attached that has breakpoints in."""
    vm = boot("hide", options="" if attached else "stop=none")
    if attached:
        gdb = vm.gdb()
        gdb.run("hbreak main")
        gdb.go()
        # Not in the page of the descriptors: an access to them for each interrupt is slow there.
        gdb.run("break enter_long")
        gdb.cont()
    said = vm.wait_said("hide: done")
    failures = set(re.findall(r"hide: fail: (\S+)", said))
    if machine.firmware == "uefi":
        # The guest guesses where we are as SeaBIOS's map has it; elsewhere the guess may be wrong.
        failures -= {"hole", "hole-found"}
    assert not failures


@pytest.mark.needs("guest_debugger")
@pytest.mark.parametrize("attached", [False, True])
def test_user_11_processor_is_the_bare_ones(boot, machine, attached):
    """USER-11, GEN-3: what the processor does with INT1, with an unknown MSR, with DR7.GD and
    with a step over STI is what it does without gdbvisor; it has no virtualisation."""
    vm = boot("probe", options="" if attached else "stop=none")
    if attached:
        vm.gdb().cont()
    here = capabilities.answers(vm.wait_said("probe: asked"))
    bare = capabilities.probed(machine)
    for name in ("icebp", "msr-gp", "dr-gd", "sti-step"):
        assert here[name] == bare[name], name
    assert capabilities.vendor(machine) in [name for name in ("svm", "vmx") if bare[name]]
    for name in ("svm", "nrip", "clean-bits", "flush-by-asid", "decode-assists", "vmx", "mtf"):
        assert not here[name], name


def test_haxm_2_no_debug_exits_without_a_debugger(boot):
    """HAXM-2, WHPX-1, USER-10: the bp guest's INT3s cause no exit while no gdb is attached."""
    vm = boot("bp", options="stop=none")
    vm.wait_said("bp: ok")
    gdb = vm.gdb()
    assert gdb.read_int(vm.guest["int3_count"]) >= 198
    exits = gdb.exits()
    assert exits["total"] - exits["nmi"] < 20, exits  # an NMI for each byte of gdb's first packet
    for name in exits:
        assert not re.search(r"debug exception|breakpoint|int n|int1|step", name), exits


def test_user_10_exits_of_a_quiet_guest(boot):
    """USER-10: the counting guest causes next to no exits."""
    vm = boot("hello64", options="stop=none")
    vm.wait_said("hello64: ok")
    gdb = vm.gdb()
    gdb.detach()
    exits = vm.gdb().exits()
    assert exits["total"] - exits["nmi"] < 20, exits
    assert exits["hidden memory touched"] == 0
