"""USER-4: what ends the guest stops in gdb first, with the evidence."""

import time

import pytest

pytestmark = pytest.mark.needs("gdbvisor")

SLEEP_PORT = {"qemu": 0x604, "bochs": 0xB004}  # PM1a control, as the firmware's FADT has it

RESETS = {
    "chipset": "by port 0xcf9",
    "port_a": "by port 0x92",
    "keyboard": "by the keyboard controller",
}


@pytest.fixture
def death(boot):
    """death(way, options=""): the death guest about to go that way, with gdb."""
    def start(way, **kwargs):
        vm = boot("death", **kwargs)
        gdb = vm.gdb()
        gdb.run_to(vm.guest["main"])
        gdb.cont()
        vm.wait_said("death: begin")
        gdb.interrupt()
        gdb.run(f"set $pc = &do_{way}")
        return vm, gdb
    return start


def _ends(vm, gdb):
    """Continued: the machine ends (it was started with -no-reboot), or begins anew in Bochs."""
    gdb.cont()
    if vm.machine.emulator == "bochs":
        time.sleep(1)
    else:
        vm.wait_exit(10)
    assert "survived" not in vm.said()


@pytest.mark.parametrize("way", RESETS)
def test_user_4_reset_stops(death, way):
    """USER-4: in front of the write that resets; continue resets."""
    vm, gdb = death(way)
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest[f"at_{way}"], "SIGTERM")
    assert f"the guest's CPU 0 resets the machine {RESETS[way]}, at " in gdb.console
    assert vm.alive()
    _ends(vm, gdb)


@pytest.mark.needs("qemu")
def test_user_4_acpi_reset_stops(death):
    """USER-4: in front of the write that the FADT names, which is the chipset's port here (Bochs's
    FADT is too old to have one)."""
    vm, gdb = death("acpi")
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest["at_acpi"], "SIGTERM")
    assert "the guest's CPU 0 resets the machine by port 0xcf9, at " in gdb.console
    _ends(vm, gdb)


def test_user_4_power_off_stops(death, machine):
    """USER-4: in front of ACPI's power off."""
    vm, gdb = death("sleep")
    gdb.run(f"set $rdx = {SLEEP_PORT[machine.emulator]:#x}")
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest["at_sleep"], "SIGTERM")
    assert "powers off" in gdb.console


def _restarts(vm, gdb, how):
    """Stopped in front of an INIT; then the CPU is in the firmware, behind the reset vector's jump."""
    stop = gdb.go()
    assert stop.signal == "SIGTERM"
    assert f"the guest's CPU 0 {how} by INIT, at " in gdb.console
    assert vm.alive()
    gdb.stepi()
    assert 0xe0000 <= gdb.pc() < 0x100000
    assert "survived" not in vm.said()
    return stop


def test_user_4_init_stops(death):
    """USER-4: in front of the command by which the only CPU would begin at the reset vector."""
    vm, gdb = death("init", options="ap=icr")
    assert _restarts(vm, gdb, "restarts the boot CPU").pc == vm.guest["at_init"]


@pytest.mark.needs("smp")
def test_user_4_init_of_the_last_cpu_stops(death, machine):
    """USER-4: the same where the others wait for their start-up: an INIT to these is no end."""
    vm, gdb = death("init", options="ap=icr", cpus=machine.smp)
    assert _restarts(vm, gdb, "restarts the boot CPU").pc == vm.guest["at_init"]


@pytest.mark.needs("bochs")
def test_user_4_x2apic_init_stops(death):
    """USER-4: the same by the x2APIC's command (QEMU's own emulation has no x2APIC)."""
    vm, gdb = death("x2apic_init")
    assert _restarts(vm, gdb, "restarts the boot CPU").pc == vm.guest["at_x2apic_init"]


@pytest.mark.needs("init-exits")
def test_user_4_init_exit_stops(death):
    """USER-4: where an INIT is an exit, before the CPU takes it."""
    vm, gdb = death("init")
    _restarts(vm, gdb, "is restarted")


@pytest.mark.needs("ends")
@pytest.mark.neutral
def test_user_10_reset_passes_without_gdb(death):
    """USER-10: with gdb gone a reset is a reset."""
    vm, gdb = death("keyboard")
    gdb.detach()
    vm.wait_exit(10)


@pytest.mark.needs("ends")
@pytest.mark.neutral
def test_user_4_reset_passes_when_off(death):
    """`monitor stop reset off`: it resets at once."""
    vm, gdb = death("chipset")
    gdb.monitor("stop reset off")
    gdb.cont()
    vm.wait_exit(10)


def test_pci_configuration_is_no_reset(death):
    """32 bits at 0xcf8 reach 0xcf9 and mean something else: done whole, by the processor."""
    vm, gdb = death("pci")
    gdb.cont()
    vm.wait_said("death: pci")
    assert gdb.still_running()


@pytest.mark.needs("df_exit")
def test_user_4_double_fault_stops(death):
    """USER-4: at the instruction, before the handler; continue runs the handler."""
    vm, gdb = death("df")
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest["at_df"], "SIGSEGV")
    assert "the guest's CPU 0 has a double fault, at " in gdb.console
    assert "handler" not in vm.said()
    gdb.cont()
    vm.wait_said("death: behind #DF")
    assert "handler of #DF" in vm.said()
    assert gdb.still_running()


def test_double_fault_handled_without_gdb(death):
    """Nobody is there: the handler runs."""
    vm, gdb = death("df")
    gdb.detach()
    vm.wait_said("death: behind #DF")


def test_user_4_last_halt_stops(death):
    """USER-4: HLT with interrupts off on the only CPU; continue halts for real, Ctrl-C works."""
    vm, gdb = death("halt")
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest["at_halt"], "SIGABRT")
    assert "halts with interrupts off" in gdb.console
    gdb.cont()
    assert gdb.still_running()
    assert gdb.interrupt().signal == "SIGINT"
    assert gdb.read_int(vm.guest["wakes"]) == 0
    assert gdb.pc() == vm.guest["after_halt"]
    assert gdb.go().pc == vm.guest["at_halt"]  # it has gone round: another halt
    gdb.monitor("stop halt off")
    gdb.cont()
    assert gdb.still_running()
