"""A boot loader that the BIOS boots behind gdbvisor: GRUB on a second disk, and what it starts."""

import re
from pathlib import Path

import pytest

from harness import build
from test_linux import COMFORT, go_to_moved_kernel

pytestmark = pytest.mark.needs("gdbvisor", "bios")

KERNEL = "console=ttyS0 panic=-1"


def _grub_disk(lines, files):
    """A disk image whose MBR boots a GRUB that does these lines (grub-mkrescue's is one)."""
    return build.iso("\n".join(["set timeout=0", *lines, "boot", ""]), files)


def _e820(text):
    """The kernel's table of what the BIOS told: (start, end, type)."""
    rows = re.findall(r"BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] (.*)", text)
    return [(int(low, 16), int(high, 16) + 1, kind.strip()) for low, high, kind in rows]


@pytest.fixture
def linux_disk(linux):
    """linux_disk("linux", words): a disk whose GRUB starts Debian's kernel by that command."""
    vmlinuz, initrd, _ = linux

    def make(command, more="nokaslr"):
        load = command.replace("linux", "initrd")
        return _grub_disk([f"{command} /vmlinuz {KERNEL} {more}", f"{load} /initrd"],
                          {"vmlinuz": vmlinuz, "initrd": initrd})
    return make


@pytest.mark.linux
@pytest.mark.long
@pytest.mark.every_machine
@pytest.mark.parametrize("command", ["linux", "linux16"])
def test_bios_grub_boots_linux(boot_disk, linux_disk, command):
    """USER-10: GRUB from the second disk boots Debian's kernel to its init: by the 32-bit protocol,
    where GRUB asks the BIOS for the map, and by the 16-bit one, where the kernel asks."""
    vm = boot_disk(linux_disk(command), "guest=disk:0 stop=none", memory=512)
    console = vm.wait_console("INIT: reached", 240).split("guest: running")[1]
    start = int(re.search(r"KiB reserved at ([0-9a-f]+)", vm.console())[1], 16)
    assert [kind for low, high, kind in _e820(console) if low <= start < high] == ["reserved"]
    assert not re.search(r"BUG:|Oops|WARNING: CPU", console)


@pytest.mark.linux
@pytest.mark.long
@pytest.mark.parametrize("kaslr", [False, True], ids=["nokaslr", "kaslr"])
def test_bios_from_the_boot_sector_to_the_kernel(boot_disk, linux_disk, linux, kaslr):
    """HAXM-1, HAXM-22, USER-1, USER-2, USER-5: one session of gdb, in which all breakpoints are set at
    the boot sector's first instruction: in what the boot sector is about to load, and in the kernel,
    which GRUB loads and which then unpacks itself, and moves itself, which moves the breakpoint; then
    the guest goes on to its init."""
    symbols = linux[2]
    if not symbols.exists():
        pytest.fail(f"{symbols} is missing: run tools/kallsyms")
    disk = linux_disk("linux", "quiet" if kaslr else "quiet nokaslr")
    vm = boot_disk(disk, "guest=disk:0", memory=512)
    gdb = vm.gdb(symbols=symbols, setup=COMFORT)
    assert gdb.pc() == 0x7c00
    gdb.run("tbreak *0x8000")  # what GRUB's boot sector loads
    gdb.run("break start_kernel")
    linked = gdb.value("(unsigned long)&start_kernel")
    assert gdb.go(60).pc == 0x8000
    slide = go_to_moved_kernel(gdb) if kaslr else 0
    stop = gdb.go(240)
    assert "start_kernel" in gdb.run("info symbol $pc")
    assert stop.pc == linked + slide
    gdb.run("delete")
    gdb.detach()
    vm.wait_console("INIT: reached", 240)


def test_bios_hbreak_at_7c00_through_a_chain_loader(boot_disk, sector_image):
    """`hbreak *0x7c00` at the boot sector of GRUB is hit again when GRUB has loaded another one."""
    disk = _grub_disk(["set root=(hd1)", "chainloader +1"], {})
    vm = boot_disk(None, "guest=disk:0", disks=[disk, sector_image("probe").disk()])
    gdb = vm.gdb()
    wanted = sector_image("probe").bin.read_bytes()[:510]
    assert gdb.read(0x7c00, 510) != wanted
    gdb.run("hbreak *0x7c00")
    assert gdb.go(120).pc == 0x7c00
    assert gdb.read(0x7c00, 510) == wanted
    assert gdb.value("$dl") == 0x81
    gdb.detach()
    vm.wait_said("sector: done\n")


@pytest.mark.every_machine
@pytest.mark.needs("screen")
def test_bios_memtest(boot_disk):
    """USER-11: memtest86+ finds its memory without ours, and no error in it."""
    program = Path("/boot/memtest86+x64.bin")
    vm = boot_disk(_grub_disk(["linux16 /memtest"], {"memtest": program}),
                   "guest=disk:0 stop=none", memory=64)
    shown = vm.wait_screen("[Moving inversions", 120)
    assert "Errors: 0" in shown
    memory = int(re.search(r"Memory  : +(\d+)MB", shown)[1])
    assert 58 <= memory <= 60  # of 64: 4 are ours
    assert vm.gdb().exits()["hidden memory touched"] == 0


@pytest.mark.needs("screen")
def test_bios_invaders(boot_disk):
    """A multiboot1 program of GRUB's on the guest's own text screen: it runs, can be broken into, and
    goes on."""
    program = Path("/boot/invaders.exec")
    vm = boot_disk(_grub_disk(["multiboot /invaders"], {"invaders": program}),
                   "guest=disk:0 stop=none")
    vm.wait_screen("-*-")
    gdb = vm.gdb()
    assert 0x100000 <= gdb.pc() < 0x110000
    assert gdb.value("$cr0") & 1 == 1
    gdb.detach()
    before = vm.screen()
    vm.wait_screen("-*-")
    assert vm.screen() != before
