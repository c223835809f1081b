"""From power-on to the guest: both doors, the console, the options, multiboot guests."""

import re
import struct

import pytest

from harness import build, capabilities

pytestmark = pytest.mark.needs("gdbvisor")


@pytest.mark.every_machine
@pytest.mark.smoke
def test_boot_reports_and_waits(boot):
    """The console says version, CPU, options, guest, UART, in this order, then waits for gdb."""
    vm = boot("hello64")
    lines = [line.strip() for line in vm.console().splitlines()]
    wanted = [r"gdbvisor \d+\.\d+", r"cpu: .*(AMD|Intel)", r"options: .*gdb=com2", r"uart: .*com2",
              r"guest: ", r"gdb: waiting on com2 at 115200"]
    places = []
    for pattern in wanted:
        found = [i for i, line in enumerate(lines) if re.search(pattern, line)]
        assert found, f"no line like {pattern!r}"
        places.append(found[0])
    assert places[0] == min(places) and places[-1] == max(places)
    assert "hello64" not in vm.said()


@pytest.mark.every_machine
def test_boot_entry_state_is_the_loaders(boot):
    """The stop at the entry: the state that multiboot promises, before the first instruction."""
    vm = boot("hello32")
    gdb = vm.gdb()
    assert gdb.pc() == vm.guest["start"]
    assert gdb.value("$eax & 0xffffffff") == 0x2BADB002
    assert gdb.value("$cr0") & 0x80000001 == 1
    assert gdb.value("$eflags") & 0x20300 == 0  # IF, TF, VM
    assert gdb.value("$efer") & 0x1500 == 0
    gdb.cont()
    assert "hello32: ok" in vm.wait_said("hello32: ok")


@pytest.mark.needs("vmx", "bochs")
@pytest.mark.parametrize("cpu", ["corei7_sandy_bridge_2600k", "corei7_skylake_x"])
def test_boot_on_other_intel_processors(boot, cpu):
    """Without 1 GiB pages and accessed bits; with XSAVES."""
    vm = boot("hello64", cpu=cpu)
    gdb = vm.gdb()
    gdb.cont()
    vm.wait_said("hello64: ok")


@pytest.mark.every_machine
def test_boot_runs_without_gdb(boot):
    """USER-10: stop=none: the guest runs and nobody has to attach."""
    vm = boot("hello64", options="stop=none")
    vm.wait_said("hello64: ok")


@pytest.mark.every_machine
def test_boot_multiboot_information(boot, tmp_path):
    """A multiboot1 guest: command line, modules with their text and content, zeroed bss."""
    first, second = tmp_path / "first.mod", tmp_path / "second.mod"
    first.write_bytes(b"ABCD" + bytes(996))
    second.write_bytes(b"WXYZ" * 2000)
    vm = boot("hello32", options="stop=none", cmdline="one two=3",
              modules=[(first, "first module"), (second, "")])
    said = vm.wait_said("hello32: ok")
    assert re.search(r"hello32: cmdline .*one two=3\s*\n", said)
    assert re.search(r"hello32: module 000003e8 44434241 .*first module\s*\n", said)
    assert "hello32: module 00001f40 5a595857" in said
    assert said.count("hello32: module") == 2
    assert "bss" not in said and "magic" not in said


@pytest.mark.every_machine
def test_boot_multiboot2(boot, guest_image, machine, tmp_path):
    """A multiboot2 guest, an ELF file: stopped at the entry of its header in the state that the
    specification promises; then told its command line, a module, its symbols and the ACPI tables."""
    guest = guest_image("hello2")
    module = tmp_path / "first.mod"
    module.write_bytes(b"ABCD" + bytes(996))
    vm = boot(guest.elf, cmdline="one two=3", modules=[(module, "first module")])
    gdb = vm.gdb(symbols=guest.elf)
    assert gdb.pc() == guest["start2"]
    assert gdb.value("$eax & 0xffffffff") == 0x36D76289
    assert gdb.value("$cr0") & 0x80000001 == 1
    assert gdb.value("$eflags") & 0x20300 == 0  # IF, TF, VM
    assert gdb.value("$efer") & 0x1500 == 0
    size, reserved = struct.unpack("<II", gdb.read(gdb.value("$ebx"), 8))
    assert 64 < size < 28 << 10 and reserved == 0
    gdb.cont()
    said = vm.wait_said("hello2: ok")
    assert re.search(r"tag 00000001 \w+ .*one two=3\n", said)
    assert re.search(r"tag 00000002 \w+ gdbvisor \d", said)
    assert re.search(r"tag 00000003 \w+ 000003e8 44434241 .*first module\n", said)
    assert re.search(r"tag 00000009 \w+ \w+ \.symtab\n", said)
    assert re.search(r"tag 00000015 \w+ 00100000 ", said)
    if (machine.emulator, machine.firmware) != ("bochs", "uefi"):  # that one has no ACPI tables
        assert re.search(r"tag 0000000e \w+ 20445352 20525450 ", said)
    assert re.search(r"tag 00000000 00000008\nhello2: ok", said)
    assert "wrong" not in said and "bss" not in said
    rows = _map(said, "hello2")
    assert all(a + size <= b for (a, size, _), (b, _, _) in zip(rows, rows[1:]))
    assert sum(size for _, size, kind in rows if kind == 1) > (256 - 32) << 20


def _map(said, guest="hello32"):
    rows = re.findall(rf"{guest}: map (\w+) (\w+) (\w+)", said)
    return [(int(a, 16), int(b, 16), int(c, 16)) for a, b, c in rows]


@pytest.mark.every_machine
def test_boot_memory_map_has_our_hole(boot):
    """USER-11: the map shown to the guest is sorted, without overlaps, and misses at most 4 MiB
    and the stage-2 tables of the machine's memory."""
    said = boot("hello32", options="stop=none").wait_said("hello32: ok")
    rows = _map(said)
    assert rows
    for (start, size, _), (after, _, _) in zip(rows, rows[1:]):
        assert start + size <= after
    usable = sum(size for _, size, kind in rows if kind == 1)
    assert usable > (256 - 32) << 20
    below = max(start + size for start, size, kind in rows if kind == 1 and start < 1 << 32)
    behind = [row for row in rows if row[0] == below]
    if behind:
        assert behind[0][2] != 1


@pytest.mark.parametrize("option", ["gdb=com2,9600", "gdb=io:0x2f8", "gdb=com2,57600"])
@pytest.mark.neutral
def test_boot_gdb_option(boot, option):
    """Other ways to name the UART, other speeds: gdb talks."""
    vm = boot("hello64", options=option)
    gdb = vm.gdb()
    gdb.run("hbreak count_loop")
    assert gdb.go().pc == vm.guest["count_loop"]


@pytest.mark.parametrize("port", ["com1", "com2"])
def test_boot_either_uart(boot, port):
    """The stub on COM1 as well as on COM2: attach, break in, go on."""
    vm = boot("spin_cli", gdb_uart=port)
    gdb = vm.gdb()
    gdb.cont()
    vm.wait_said("spin_cli: ok")
    stop = gdb.interrupt()
    assert (stop.signal, stop.pc) == ("SIGINT", vm.guest["spin"])


def test_boot_without_a_stub(boot):
    """gdb=none: the guest runs, and the UART is the guest's."""
    vm = boot("hello64", options="gdb=none stop=none")
    vm.wait_said("hello64: ok")


@pytest.mark.every_machine
@pytest.mark.needs("screen")
@pytest.mark.parametrize("mode", ["", "set gfxpayload=text"])
def test_boot_defaults(start, machine, guest_image, mode):
    """No options at all: the stub on COM1, the log on the screen (in the mode that the boot loader
    set, or in text mode), waiting at the entry."""
    if mode and machine.firmware == "uefi":
        pytest.skip("UEFI has no text mode")
    guest = guest_image("hello64")
    mode = mode or "insmod all_video"
    image = build.hypervisor_iso("", [(guest.bin, "")], [mode])
    vm = start(["-cdrom", image], guest=guest, gdb_uart="com1")
    shown = vm.wait_screen("gdb: waiting on com1")
    maker = {"svm": "AuthenticAMD", "vmx": "GenuineIntel"}[capabilities.vendor(machine)]
    assert f"cpu: {maker}" in shown
    gdb = vm.gdb()
    assert gdb.pc() == guest["start"]
