"""`monitor` commands on a machine: what they tell against what gdb sees."""

import re

import pytest

from harness import paths


def _answer(gdb, command):
    """The answer to a command; its lines fit a terminal."""
    text = gdb.monitor(command)
    assert text and not text.startswith("usage:"), text
    for line in text.splitlines():
        assert len(line) <= 80, line
    return text


@pytest.mark.needs("gdbvisor")
def test_monitor_tables(boot):
    """pt, gdt, idt and tss in 64-bit mode."""
    vm = boot("hello64")
    gdb = vm.gdb()
    gdb.run(f"break *{vm.guest['main']:#x}")
    pc = gdb.go().pc
    text = _answer(gdb, f"pt {pc:#x}")
    assert f"by 4-level paging, cr3 {gdb.value('$cr3'):x}" in text
    assert f"-> physical {pc:x}, a page of" in text
    for name, address, entry in re.findall(r"^(\w+) +at +(\w+): (\w+)", text, re.MULTILINE):
        # The guest maps its tables one to one.
        assert gdb.read(int(address, 16), 8) == int(entry, 16).to_bytes(8, "little"), name
    assert "not a canonical address" in _answer(gdb, "pt 0x8000000000000000")
    text = _answer(gdb, "gdt")
    selector = gdb.value("$cs") & 0xfff8
    assert re.search(rf"^{selector:04x}  64-bit code ", text, re.MULTILINE), text
    assert f"idt at {gdb.value('$idtr_base'):x}, limit" in _answer(gdb, "idt")
    assert f"selector {gdb.value('$tr'):04x}" in _answer(gdb, "tss")


@pytest.mark.needs("gdbvisor")
def test_monitor_machine(boot):
    """cpu, msr, in, out, phys, and gdb's own memory commands made physical."""
    vm = boot("paging")
    gdb = vm.gdb()
    gdb.write(vm.guest["go"], b"\x01")
    gdb.run(f"hbreak *{vm.guest['stage2_loop']:#x}")
    pc = gdb.go().pc
    assert f"CPU 0: 32-bit protected mode, ring 0, 32-bit paging, at {pc:x}" in _answer(gdb, "cpu")
    # The guest's, not the host's; what the guest must not see is not there. (Neither emulator faults
    # on an unknown MSR.)
    assert _answer(gdb, "msr 0xc0000080") == "msr c0000080 = 0000000000000000\n"
    assert _answer(gdb, "msr 0x176 0x1234") == "msr 176 = 0000000000001234\n"
    assert re.search(r"msr 1b = 0+fee00[d9]00", _answer(gdb, "msr 0x1b"))
    assert _answer(gdb, "msr 0x480") == "msr 480: there is none\n"
    # The clock's register 10: a 32 kHz divider.
    _answer(gdb, "out 0x70 0x0a")
    assert re.match(r"port 71: [2a]6\n", _answer(gdb, "in 0x71"))
    assert "debug UART" in _answer(gdb, "out 0x2f8 0")
    # An alias is known to linear addresses alone; the text behind it to both.
    page, alias = vm.guest["text_page"], 0xC0400000
    assert "the page with th" in _answer(gdb, f"phys {page:#x} 16")
    assert gdb.read(alias, 8) == b"the page"
    gdb.run("maintenance packet Qqemu.PhyMemMode:1")
    with pytest.raises(AssertionError):
        gdb.read(alias, 8)
    assert gdb.read(page, 8) == b"the page"
    assert "linear" in _answer(gdb, "phys off")
    assert gdb.read(alias, 8) == b"the page"


@pytest.mark.needs("gdbvisor")
def test_monitor_platform(boot):
    """e820, mtrr, acpi, pci, apic and selftest against what the machine is known to have."""
    vm = boot("paging")
    gdb = vm.gdb()
    text = _answer(gdb, "e820")
    ranges = [(int(a, 16), int(b, 16), kind) for a, b, kind in
              re.findall(r"^(\w{13})-(\w{13})  (.+)$", text, re.MULTILINE)]
    assert ranges == sorted(ranges) and ranges[0][::2] == (0, "RAM")
    assert any(kind == "reserved" and end >= 0xfffff for _, end, kind in ranges)
    text = _answer(gdb, "mtrr")
    assert re.search(r"^0{13}-000000009ffff  write back$", text, re.MULTILINE), text
    text = _answer(gdb, "acpi")
    assert {"FACP", "APIC"} <= set(re.findall(r"^(\w{4})  at ", text, re.MULTILINE)), text
    gdb.monitor("mmio on")  # some firmwares have them where no RAM is listed
    for name, address in re.findall(r"^(\w{4})  at (\w+), ", text, re.MULTILINE):
        assert gdb.read(int(address, 16), 4).decode() == name
    text = _answer(gdb, "pci")
    assert re.search(r"^00:00\.0  8086:\w{4}  class 060000  bridge$", text, re.MULTILINE), text
    text = _answer(gdb, "apic")
    assert "local APIC of CPU 0 at fee00000, xAPIC mode" in text
    assert "(the line to gdb)" in text
    assert _answer(gdb, "selftest").endswith("selftest: ok\n")


@pytest.mark.needs("gdbvisor", "smp")
def test_monitor_of_another_cpu(boot, machine):
    """What is in the registers is told of any CPU, what is in the processor only of the one that
    stopped."""
    vm = boot("smp", cpus=machine.smp)
    gdb = vm.gdb()
    text = _answer(gdb, "cpu")
    assert re.search(r"^CPU 0: 32-bit protected mode, ring 0, no paging", text, re.MULTILINE), text
    assert text.count("waits for its start-up interrupt\n") == machine.smp - 1, text
    gdb.run("thread 2")
    assert _answer(gdb, "msr 0xc0000080") == "msr c0000080 = 0000000000000000\n"
    assert "choose its thread" in _answer(gdb, "msr 0x1b")
    assert "idt at 0, limit ffff, of real mode" in _answer(gdb, "idt 0")
    gdb.run("thread 1")
    assert "msr 1b = " in _answer(gdb, "msr 0x1b")


@pytest.mark.needs("gdbvisor", "ends")
def test_monitor_poweroff(boot):
    """The machine is off."""
    vm = boot("hello64")
    gdb = vm.gdb()
    assert "switched off" in _answer(gdb, "poweroff")
    vm.wait_exit()


@pytest.mark.needs("gdbvisor")
@pytest.mark.neutral
def test_gdbvisor_commands(boot):
    """`gdbvisor pt`, `idt` and `arch` of tools/gdbvisor.py: the same with symbols and expressions."""
    vm = boot("hello64")
    gdb = vm.gdb(setup=[f"source {paths.ROOT}/tools/gdbvisor.py"])
    gdb.run(f"break *{vm.guest['main']:#x}")
    pc = gdb.go().pc
    text = gdb.run("gdbvisor pt $pc + 1")
    assert f"{pc + 1:x} <main+1> by 4-level paging" in text
    assert re.search(r"^PML4E\[0\] for 0-7fffffffff: ", text, re.MULTILINE), text
    assert re.search(r"^  PDE\[0\] for 0-1fffff: \w{16} W U A", text, re.MULTILINE), text
    assert f"-> physical {pc + 1:x}," in text
    text = gdb.run("gdbvisor idt 14-32")
    assert re.search(r"^0e #PF  interrupt gate +0010:\w{16} <\S+>  ring 0$", text, re.MULTILINE), text
    assert re.search(r"^20      interrupt gate", text, re.MULTILINE), text
    assert 'currently "i8086"' in gdb.run("gdbvisor arch i8086")
    assert gdb.value("$eip") == pc
    assert 'currently "i386:x86-64"' in gdb.run("gdbvisor arch")
    assert gdb.value("$rip") == pc
    for wrong in ("gdbvisor pt", "gdbvisor idt x", "gdbvisor arch arm"):
        with pytest.raises(AssertionError, match="usage: "):
            gdb.run(wrong)
