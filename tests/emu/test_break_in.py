"""Ctrl-C into a guest in any state, and what the guest does not notice of it."""

import time

import pytest

PLACES = {
    "hello64": ("hello64: ok", None),
    "hello32": ("hello32: ok", None),
    "spin_cli": ("spin_cli: ok", ["spin"]),
    "spin_hlt": ("spin_hlt: ok", None),
    "hlt_cli": ("hlt_cli: ok", ["halt", "after_halt"]),
}


def _let_it_halt(vm, gdb):
    """The last CPU's halt with interrupts off is no stop of its own."""
    if not vm.machine.oracle:
        gdb.monitor("stop halt off")


@pytest.mark.every_machine
@pytest.mark.parametrize("name", PLACES)
def test_user_3_break_in(boot, name):
    """USER-3, HAXM-21, WHPX-24: a tight loop with and without interrupts, halted with and without;
    again and again."""
    text, labels = PLACES[name]
    vm = boot(name)
    gdb = vm.gdb()
    _let_it_halt(vm, gdb)
    gdb.cont()
    vm.wait_said(text)
    for _ in range(3):
        stop = gdb.interrupt()
        assert (stop.reason, stop.signal) == ("signal-received", "SIGINT")
        assert stop.pc == gdb.pc()
        if labels:
            assert vm.guest.name_of(stop.pc) in labels
        gdb.cont()
        assert gdb.still_running(0.2)


def test_user_3_halted_guest_halts_again(boot):
    """Breaking into `cli; hlt` ends that HLT at most (as any NMI would): no more than one wake-up
    for a break-in, and the guest's loop halts again."""
    vm = boot("hlt_cli")
    gdb = vm.gdb()
    _let_it_halt(vm, gdb)
    gdb.cont()
    vm.wait_said("hlt_cli: ok")
    for _ in range(3):
        gdb.interrupt()
        gdb.cont()
        time.sleep(0.2)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["wakes"]) <= 4


@pytest.mark.needs("gdbvisor")
def test_user_3_nothing_is_polled(boot):
    """USER-3, USER-10: an idle guest without a gdb takes no exits at all while time passes."""
    vm = boot("spin_cli", options="stop=none")
    vm.wait_said("spin_cli: ok")
    time.sleep(0.5)
    gdb = vm.gdb()
    first = gdb.exits()
    gdb.cont()
    time.sleep(2)
    gdb.interrupt()
    second = gdb.exits()
    assert second["total"] - first["total"] < 10, (first, second)


@pytest.mark.needs("guest_debugger")
@pytest.mark.every_machine
@pytest.mark.smoke
def test_bp_30_guest_sees_no_nmi_of_ours(boot):
    """USER-3: 30 break-ins beside three kinds of timer interrupts: the guest counts no NMI."""
    vm = boot("irqs")
    gdb = vm.gdb()
    gdb.cont()
    vm.wait_said("irqs: running", 60)
    for _ in range(30):
        gdb.interrupt()
        gdb.cont()
        time.sleep(0.02)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["nmi_count"]) == 0
    counted = gdb.read_int(vm.guest["lapic_count"])
    gdb.cont()
    time.sleep(0.3)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["lapic_count"]) > counted
    gdb.write(vm.guest["finish"], b"\x01")
    gdb.cont()
    assert "irqs: nmi 00000000\n" in vm.wait_said("irqs: done")


@pytest.mark.needs("guest_debugger", "nmi-button")
@pytest.mark.parametrize("attached", [True, False])
def test_bp_30_a_real_nmi_is_the_guests(boot, attached):
    """An NMI that is not ours reaches the guest, once, with and without a gdb."""
    vm = boot("irqs", options="" if attached else "stop=none")
    gdb = vm.gdb() if attached else None
    if attached:
        gdb.cont()
    vm.wait_said("irqs: running", 60)
    vm.nmi()
    time.sleep(0.3)
    if attached:
        gdb.interrupt()
    else:
        gdb = vm.gdb()
    assert gdb.read_int(vm.guest["nmi_count"]) == 1
    gdb.cont()
    time.sleep(0.1)
    vm.nmi()
    time.sleep(0.3)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["nmi_count"]) == 2


@pytest.mark.every_machine
@pytest.mark.needs("gdbvisor")
def test_bp_24_attach_stops_a_running_guest(boot):
    """BP-24, HAXM-1: a gdb that comes late stops the guest, and not at a breakpoint."""
    vm = boot("hello64", options="stop=none")
    vm.wait_said("hello64: ok")
    gdb = vm.gdb()
    first = gdb.read_int(vm.guest["counter"])
    assert first > 0
    assert gdb.read_int(vm.guest["counter"]) == first
    assert vm.guest["count_loop"] <= gdb.pc() < vm.guest["count_loop"] + 16
    gdb.cont()
    time.sleep(0.2)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["counter"]) > first


@pytest.mark.needs("gdbvisor", "raw")
def test_break_in_is_one_stop(boot):
    """Ctrl-C three times in a row: one stop, and the line is usable."""
    vm = boot("spin_cli")
    rsp = vm.rsp()
    rsp.ask("qSupported")
    rsp.resume()
    vm.wait_said("spin_cli: ok")
    rsp.send(b"\x03\x03\x03")
    assert rsp.receive().decode().startswith("T02")
    assert rsp.quiet(0.3)
    assert rsp.ask("?").startswith("T02")
    assert rsp.pc() == vm.guest["spin"]


@pytest.mark.needs("gdbvisor", "raw")
def test_user_8_noise_while_running(boot):
    """USER-8: bytes that are neither Ctrl-C nor a packet do not stop the guest."""
    vm = boot("hello64")
    rsp = vm.rsp()
    rsp.ask("qSupported")
    rsp.resume()
    vm.wait_said("hello64: ok")
    rsp.send(b"+ noise \x00\xff" * 50)
    assert rsp.quiet(0.5)
    assert rsp.interrupt().startswith("T02")
