"""Attach, detach, kill, a gdb that dies, the next one; monitor commands; triple faults."""

import time

import pytest

from harness.rsp import frame

pytestmark = pytest.mark.needs("gdbvisor")


def _runs(vm, gdb, label):
    """The counter at a label grows between two looks."""
    first = gdb.read_int(vm.guest[label])
    gdb.cont()
    time.sleep(0.2)
    gdb.interrupt()
    return gdb.read_int(vm.guest[label]) > first


@pytest.mark.every_machine
@pytest.mark.smoke
def test_bp_23_detach_and_attach_again(boot):
    """BP-23, BP-24: detach lets the guest run; the next gdb finds it further on."""
    vm = boot("hello64")
    gdb = vm.gdb()
    gdb.run("break count_loop")
    gdb.go()
    gdb.detach()
    vm.wait_said("hello64: ok")
    time.sleep(0.3)
    again = vm.gdb()
    count = again.read_int(vm.guest["counter"])
    assert count > 1000
    assert again.read(vm.guest["count_loop"], 1) != b"\xcc"
    assert _runs(vm, again, "counter")


def test_bp_23_kill_leaves_a_running_guest(boot):
    """BP-23: `kill` is the user's word for leaving: the guest runs on without a trace of us."""
    vm = boot("hello64")
    gdb = vm.gdb()
    gdb.run("set breakpoint always-inserted on")
    gdb.run("break count_loop")
    gdb.go()
    gdb.kill()
    time.sleep(0.3)
    again = vm.gdb()
    assert again.read_int(vm.guest["counter"]) > 1000
    assert again.read(vm.guest["count_loop"], 1) != b"\xcc"


@pytest.mark.parametrize("running", [False, True])
def test_user_8_gdb_dies(boot, running):
    """USER-8, BP-25: gdb is killed with breakpoints in, stopped or running; the next one works."""
    vm = boot("bp")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["main"])
    gdb.run("set breakpoint always-inserted on")
    gdb.run("break f_soft")
    gdb.go()
    if running:
        gdb.run("delete")
        gdb.cont()
    gdb.crash()
    time.sleep(0.3)
    again = vm.gdb()
    assert again.read(vm.guest["f_soft"], 2) == b"\x90\x90"
    again.run("hbreak f_hard")
    assert again.go().pc == vm.guest["f_hard"]
    again.run("delete")
    again.detach()
    vm.wait_said("bp: ok")


@pytest.mark.neutral
def test_user_8_detach_ten_times(boot):
    """Sessions one after another, each with breakpoints of its own."""
    vm = boot("bp", options="stop=none")
    vm.wait_said("bp: ok")
    for number in range(10):
        gdb = vm.gdb()
        gdb.run("break f_soft" if number % 2 else "hbreak f_hard")
        assert gdb.go().pc == vm.guest["f_soft" if number % 2 else "f_hard"]
        gdb.detach()
        gdb.close()
    time.sleep(0.2)
    last = vm.gdb()
    assert last.read_int(vm.guest["int3_count"]) in (
        2 * last.read_int(vm.guest["rounds"]) - n for n in (0, 1, 2))


def test_raw_detach_and_kill(boot):
    """`D` is answered OK and the guest runs; `k` has no answer and the guest runs."""
    vm = boot("hello64")
    rsp = vm.rsp()
    rsp.ask("qSupported")
    assert rsp.ask("D") == "OK"
    vm.wait_said("hello64: ok")
    assert rsp.ask("?").startswith("T")
    first = rsp.read_int(vm.guest["counter"])
    rsp.send(frame(b"k"))
    time.sleep(0.3)
    while not rsp.quiet(0.2):
        rsp.ack(0.2)
    assert rsp.ask("?").startswith("T")
    assert rsp.read_int(vm.guest["counter"]) > first


@pytest.mark.neutral
def test_monitor_commands(boot):
    """help lists what there is; version, regs, exits answer; nonsense is named."""
    vm = boot("hello64")
    gdb = vm.gdb()
    listing = gdb.monitor("help")
    for name in ("help", "regs", "exits", "reset", "version"):
        assert name in listing
    assert "gdbvisor" in gdb.monitor("version")
    registers = gdb.monitor("regs").lower()
    for name in ("rip", "cr0", "cr3", "efer"):
        assert name in registers
    assert gdb.monitor("exits").strip()
    try:
        answer = gdb.monitor("frobnicate")
    except AssertionError as error:
        answer = str(error)
    assert answer.strip()
    assert gdb.pc() == vm.guest["start"]


@pytest.mark.needs("ends")
def test_monitor_reset(boot):
    """`monitor reset` resets the machine (started with -no-reboot: it ends)."""
    vm = boot("hello64")
    gdb = vm.gdb()
    try:
        gdb.monitor("reset", 5)
    except AssertionError:
        pass
    vm.wait_exit(10)


def test_registers_through_gdb(boot):
    """General, vector and system registers by gdb's names, read and written."""
    vm = boot("hello64")
    gdb = vm.gdb()
    gdb.run("hbreak count_loop")
    gdb.go()
    assert gdb.value("$rbx") == 0x1122334455667788
    assert gdb.value("$r8") == 0x8877665544332211
    assert gdb.value("$r15") == 0xFEDCBA9876543210
    assert gdb.value("$xmm3.v2_int64[0]") == 0x0123456789ABCDEF
    assert gdb.value("$cs") == 0x10 and gdb.value("$ss") == 0x18
    assert gdb.value("$cr0") & 0x80000011 == 0x80000011
    assert gdb.value("$cr3") == vm.guest["pml4"]
    assert gdb.value("$cr4") & 0x20
    assert gdb.value("$efer") & 0x1500 == 0x500
    assert gdb.value("$idtr_base") == vm.guest["idt"]
    assert gdb.value("$idtr_limit") == 4095
    assert gdb.value("$gdtr_base") == vm.guest["gdt"]
    gdb.run("set $rbx = 0xdeadbeefcafe")
    gdb.run("set $xmm3.v2_int64[1] = 0x5555666677778888")
    gdb.stepi()
    assert gdb.value("$rbx") == 0xDEADBEEFCAFE
    assert gdb.value("$xmm3.v2_int64[1]") == 0x5555666677778888
    assert gdb.value("$xmm3.v2_int64[0]") == 0x0123456789ABCDEF
    text = gdb.run("info registers")
    assert "rip" in text and "fs_base" in text
    assert "error" not in gdb.run("info all-registers").lower()


def test_jump_by_writing_pc(boot):
    """$pc written: the guest goes on from there."""
    vm = boot("bp")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["main"])
    gdb.run("set $pc = &f_many")
    assert gdb.stepi().pc == vm.guest["f_many"] + 1


@pytest.mark.needs("triple")
@pytest.mark.every_machine
def test_user_4_triple_fault_stops(boot):
    """USER-4: the triple fault stops in gdb, at the faulting instruction, with its registers."""
    vm = boot("triple")
    gdb = vm.gdb()
    gdb.cont()
    stop = gdb.wait_stop()
    assert stop.reason == "signal-received"
    assert stop.pc == vm.guest["fault_here"]
    assert gdb.value("$rbx") == 0x7472697065666C74
    assert gdb.value("$idtr_limit") == 0
    assert "triple: now" in vm.said() and "survived" not in vm.said()


@pytest.mark.needs("triple")
def test_user_4_triple_fault_without_gdb_waits(boot):
    """USER-4: nobody attached: a report in plain text, and the machine waits for gdb."""
    vm = boot("triple", options="stop=none")
    vm.wait_said("triple: now")
    time.sleep(1)
    assert vm.alive()
    gdb = vm.gdb()
    assert gdb.pc() == vm.guest["fault_here"]
    assert gdb.value("$rbx") == 0x7472697065666C74


@pytest.mark.neutral
def test_user_9_reading_anywhere(boot):
    """USER-9: wild addresses give errors, and the guest runs on."""
    vm = boot("hello64")
    gdb = vm.gdb()
    gdb.run_to(vm.guest["count_loop"])
    for address in (0x100000000, 0xFFFFFFFFFFFFF000, 0x8000000000000000, 0x7FFFFFFFF000):
        with pytest.raises(AssertionError):
            gdb.read(address, 16)
    assert _runs(vm, gdb, "counter")
