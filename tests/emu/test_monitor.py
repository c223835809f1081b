"""`monitor` commands on a machine: what they tell against what gdb sees."""

import re

import pytest


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
