"""Guests that the BIOS boots: a disk behind gdbvisor's, in real mode, with the BIOS's services."""

import re

import pytest

from harness import build, paths
from harness.gdbmi import GdbError

pytestmark = pytest.mark.needs("gdbvisor", "bios")

ENTRY = 0x7C00


def _numbers(said, name):
    """The numbers of each line that begins with this name."""
    return [[int(word, 16) for word in line.split(":")[1].split()]
            for line in said.splitlines() if line.startswith(f"{name}:")]


def _maps(said):
    """The two maps that the boot sector was told: by calls of 20 and of 24 bytes.

    Each a list of (size, continuation, start, end, type, attributes)."""
    rows = [(size, more, low | high << 32, (low | high << 32) + (length | length_high << 32),
             kind, attributes)
            for size, more, low, high, length, length_high, kind, attributes
            in _numbers(said, "e820")]
    ends = [i for i, row in enumerate(rows) if row[1] == 0]
    assert len(ends) == 2 and ends[1] == len(rows) - 1
    return rows[:ends[0] + 1], rows[ends[0] + 1:]


@pytest.mark.every_machine
def test_bios_disk_boots(boot_disk):
    """USER-10, USER-11: the boot sector runs without a debugger, and what the BIOS tells it of
    memory has gdbvisor's own as reserved."""
    vm = boot_disk("probe", "guest=disk:0 stop=none")
    said = vm.wait_said("sector: done\n")
    assert _numbers(said, "drive") == [[0x80]]
    assert _numbers(said, "if")[0][0] & 0x200
    size, start = re.search(r"(\d+) KiB reserved at ([0-9a-f]+)", vm.console()).groups()
    piece, = re.findall(r"INT 15h hooked by \d+ bytes at ([0-9a-f]+)", vm.console())
    ours = [(int(start, 16), int(start, 16) + (int(size) << 10)), (int(piece, 16), 0xa0000)]
    short, long = _maps(said)
    assert [row[1:5] for row in short] == [row[1:5] for row in long]
    assert {(row[0], row[5]) for row in short} == {(20, 0xcccccccc)}
    assert {(row[0], row[5]) for row in long} == {(24, 1)}
    at = 0
    for _, _, low, high, kind, _ in short:
        assert at <= low < high
        at = high
        for our_start, our_end in ours:
            if low < our_end and high > our_start:
                assert kind == 2
    for our_start, our_end in ours:
        assert any(row[2] <= our_start and our_end <= row[3] for row in short)
    assert _numbers(said, "base") == [[int(piece, 16) >> 10]]
    ram = [(low, high) for _, _, low, high, kind, _ in short if kind == 1]
    end, = [high for low, high in ram if low == 1 << 20]
    carry, *words = _numbers(said, "e801")[0]
    assert carry == 0 and words == 2 * [15 << 10, (end - (16 << 20)) >> 16]
    assert _numbers(said, "e881")[0] == [0] + words
    assert _numbers(said, "88")[0][:2] == [0, min((end >> 10) - 1024, 63 << 10)]
    # Wrong calls are told so, and the BIOS's other functions are there.
    assert _numbers(said, "wrong") == 3 * [[1]]
    assert _numbers(said, "c0")[0][:2] == [0, 0]


@pytest.mark.every_machine
def test_user_11_bios_a20_gate(boot_disk):
    """USER-11: a guest that closes the A20 gate, by each way, does not take our memory away."""
    vm = boot_disk("probe", "guest=disk:0 stop=none")
    vm.wait_said("a20: port 92\n")
    vm.wait_said("a20: keyboard controller\n")
    vm.wait_said("a20: bios\n")
    vm.wait_said("sector: done\n")


@pytest.mark.every_machine
def test_bios_stops_at_the_boot_sector(boot_disk):
    """USER-5: stop=entry is 0000:7c00, as a BIOS enters it; breakpoints and steps in real mode,
    through INT into the BIOS and over it."""
    vm = boot_disk("probe")
    gdb = vm.gdb()
    assert gdb.pc() == ENTRY == vm.guest["start"]
    assert (gdb.value("$cs"), gdb.value("$ds"), gdb.value("$ss")) == (0, 0, 0)
    assert gdb.value("$rdx") == 0x80
    assert gdb.value("$eflags") & 0x200
    assert gdb.value("$cr0") & 1 == 0
    assert gdb.read(ENTRY, 512) == vm.guest.bin.read_bytes()[:512]
    assert gdb.stepi().pc == ENTRY + 5
    gdb.run("break int13")
    assert gdb.go().pc == vm.guest["int13"]
    gdb.run("delete")
    offset, segment = gdb.read_int(0x13 * 4, 2), gdb.read_int(0x13 * 4 + 2, 2)
    assert gdb.stepi().pc == segment * 16 + offset
    assert gdb.value("$cs") == segment
    for _ in range(20):
        gdb.stepi()
    gdb.run("tbreak after_int13")
    assert gdb.go(60).pc == vm.guest["after_int13"]
    assert gdb.value("$eflags") & 1 == 0
    assert gdb.read(0x7e00, 512) == vm.guest.bin.read_bytes()[512:1024]
    gdb.detach()
    vm.wait_said("sector: done\n")


@pytest.mark.every_machine
def test_bios_breakpoints_in_rom(boot_disk):
    """USER-5: breakpoints in the BIOS's ROM, which cannot be written and whose code has a base: each
    is hit in real mode, and takes no debug register."""
    vm = boot_disk("probe")
    gdb = vm.gdb()
    gdb.run("set breakpoint always-inserted on")
    handlers = [(gdb.read_int(vector * 4 + 2, 2) * 16, gdb.read_int(vector * 4, 2))
                for vector in (0x10, 0x13)]
    for base, offset in handlers:
        gdb.run(f"break *{base + offset:#x}")
    assert gdb.monitor("break").count("armed, seen by nobody") == 2
    for number in (0, 0, 1):
        base, offset = handlers[number]
        before = gdb.read(base + offset, 16)
        if number == 1:
            gdb.run("delete 1")
        assert gdb.go(60).pc == base + offset
        assert (gdb.value("$cs_base"), gdb.value("$ip")) == (base, offset)
        assert base >= 0xa0000 and gdb.read(base + offset, 16) == before
        gdb.stepi()
    gdb.detach()
    vm.wait_said("sector: done\n")


@pytest.mark.every_machine
def test_bios_watch_among_breakpoints(boot_disk):
    """USER-5: a boot sector's code, breakpoints and watched data are in one page: each access is
    told, with no debug register left."""
    vm = boot_disk("probe")
    gdb = vm.gdb()
    for number in range(4):
        gdb.run(f"watch *(int *){0x80000 + 4 * number:#x}")
    gdb.run(f"awatch *(char *){vm.guest['drive']:#x}")
    gdb.run("break int13")
    for reason, place in (("access-watchpoint-trigger", ENTRY + 16),
                          ("access-watchpoint-trigger", vm.guest["int13"] - 3),
                          ("breakpoint-hit", vm.guest["int13"])):
        stop = gdb.go(120)
        assert (stop.reason, stop.pc) == (reason, place)
    assert gdb.read_int(vm.guest["drive"], 1) == 0x80
    gdb.run("delete")
    gdb.detach()
    vm.wait_said("sector: done\n")


@pytest.mark.every_machine
def test_user1_loaded_from_disk(boot_disk):
    """USER-1, HAXM-22: code that the disk's controller writes, DMA where it has that, into a page
    that has breakpoints and was executed before: they are hit in what is there now."""
    vm = boot_disk("probe")
    gdb = vm.gdb()
    gdb.run("set breakpoint always-inserted on")
    loaded = vm.guest.bin.read_bytes()[512:1024]
    more = ENTRY + 512
    gdb.run(f"break *{more:#x}")
    gdb.run("break after_int13")
    for _ in range(2):
        assert gdb.read(more, 512) != loaded
        assert gdb.go(60).pc == vm.guest["after_int13"]
        assert gdb.read(more, 512) == loaded
        assert gdb.go(60).pc == more
        gdb.run("delete")
        gdb.run(f"break *{vm.guest['after_hlt']:#x}")
        assert gdb.go(60).pc == vm.guest["after_hlt"]
        gdb.run("delete")
        gdb.run("break after_int13")
        gdb.run(f"break *{more:#x}")
        gdb.write(more, bytes(64))
        gdb.write(vm.guest["order"], b"\2")


@pytest.mark.neutral
def test_bios_gdb_comfort(boot_disk):
    """USER-5: tools/gdbvisor.py disassembles real-mode code as such, and steps over INT 13h. There
    are no UEFI images to find, and it says so."""
    vm = boot_disk("probe")
    gdb = vm.gdb(setup=[f"source {paths.ROOT}/tools/gdbvisor.py"])
    with pytest.raises(GdbError, match="efi-symbols: no PE image holds 0x7c00"):
        gdb.run("efi-symbols", 60)
    shown = [line.split("\t", 1)[1] for line in gdb.run("x/7i $pc").splitlines()]
    assert shown == ["ljmp\t$0x0,$0x7c05", "xor\t%ax,%ax", "mov\t%ax,%ds", "mov\t%ax,%es", "cld",
                     f"mov\t%dl,{vm.guest['drive']:#x}", "call\t" + hex(vm.guest["say"])]
    gdb.run("tbreak int13")
    assert gdb.go().pc == vm.guest["int13"]
    assert "int\t$0x13" in gdb.run("x/i $pc")
    assert gdb.execute("nexti16", 60).pc == vm.guest["after_int13"]
    assert gdb.read(0x7e00, 512) == vm.guest.bin.read_bytes()[512:1024]
    gdb.execute("nexti16")
    assert gdb.execute("nexti16").pc == 0x7e00


@pytest.mark.every_machine
def test_bios_break_in_and_break_at_7c00(boot_disk):
    """USER-3, USER-5: Ctrl-C while the boot sector waits for interrupts that the BIOS handles;
    `break *0x7c00` and `hbreak *0x7c00` are hit when it begins again."""
    vm = boot_disk("probe", "guest=disk:0 stop=none")
    vm.wait_said("sector: done\n")
    gdb = vm.gdb()
    for command in ("break", "hbreak"):
        gdb.cont()
        assert gdb.still_running(0.5)
        assert gdb.interrupt().signal == "SIGINT"
        gdb.run(f"{command} *0x7c00")
        gdb.write(vm.guest["order"], b"\x02")
        assert gdb.go().pc == ENTRY
        assert gdb.stepi().pc == ENTRY + 5
        gdb.run("delete")
    gdb.detach()


@pytest.mark.needs("triple")
def test_bios_triple_fault_stops(boot_disk):
    """USER-4: a triple fault in real mode stops there, before the machine is reset; before that the
    double fault it grows from, where the emulator has that exit."""
    vm = boot_disk("probe", "guest=disk:0 stop=none")
    vm.wait_said("sector: done\n")
    gdb = vm.gdb()
    gdb.write(vm.guest["order"], b"\x01")
    stop = gdb.go()
    if "has a double fault" in gdb.console:
        assert stop.pc == vm.guest["triple"] and "triple fault" not in vm.console()
        stop = gdb.go()
    assert stop.signal == "SIGSEGV"
    assert stop.pc == vm.guest["triple"]
    assert "triple fault" in vm.console()
    assert "real mode" in vm.console()
    assert "sector: triple fault\n" in vm.said() and "survived" not in vm.said()


def _refused(vm):
    sentence = vm.wait_refusal()
    assert vm.alive()
    assert sentence in vm.gdb_line()
    return sentence


@pytest.mark.neutral
def test_bios_refuse_no_such_drive(boot_disk):
    """guest=disk:1 with one disk: said before anything is changed."""
    vm = boot_disk("probe", "guest=disk:1", wait=False)
    assert _refused(vm) == "guest=disk:1: the BIOS has one hard disk, disk:0."


@pytest.mark.neutral
def test_bios_refuse_no_drive(boot_disk):
    """No disk at all."""
    vm = boot_disk("probe", "guest=next", wait=False, disks=())
    assert _refused(vm) == "the BIOS has no hard disk to boot from."


@pytest.mark.neutral
def test_bios_refuse_not_bootable(boot_disk, tmp_path):
    """A disk without a boot sector, as a BIOS would refuse it."""
    image = tmp_path / "blank.img"
    image.write_bytes(bytes(build.DISK_SIZE))
    vm = boot_disk(image, "guest=disk:0", wait=False)
    assert _refused(vm) == ("drive 0x80 is not bootable: its first sector does not end in 55 aa.")


@pytest.mark.neutral
def test_bios_next_is_the_default(boot_disk, sector_image):
    """Without a module the guest is the next drive; from a CD that is the first disk."""
    vm = boot_disk("spin", "stop=none", disks=[sector_image("spin").disk(),
                                               sector_image("probe").disk()])
    vm.wait_said("spin: ok")
    assert "bios: drive 0x80" in vm.console()


@pytest.mark.needs("qemu")  # the harness starts Bochs from a CD
def test_bios_next_behind_a_disk(start, sector_image):
    """gdbvisor's image on the first disk: the next one is the second."""
    image = build.hypervisor_iso("gdb=com2 console=com1 stop=none", [])
    vm = start([], disks=[image, sector_image("probe").disk()])
    assert _numbers(vm.wait_said("sector: done\n"), "drive") == [[0x81]]
    assert "bios: drive 0x81" in vm.console()


@pytest.mark.needs("screen")
def test_bios_goes_on_below_our_text(boot_disk):
    """The screen stays in text mode, and the BIOS writes on below what gdbvisor has written."""
    vm = boot_disk("probe", "guest=disk:0 stop=none console=vga", wait=False)
    shown = vm.wait_screen("boot sector: hello").splitlines()
    running = shown.index("guest: running")
    assert shown[running + 1] == "boot sector: hello"


@pytest.mark.needs("screen")
def test_bios_leaves_graphics(boot_disk):
    """GRUB has left a graphics mode: the guest gets the text mode that a BIOS starts it in."""
    vm = boot_disk("probe", "guest=disk:0 stop=none console=vga", wait=False,
                   setup=["insmod all_video", "set gfxmode=640x480", "insmod gfxterm",
                          "terminal_output gfxterm", "set gfxpayload=keep"])
    vm.wait_said("sector: done\n")
    shown = vm.wait_screen("boot sector: hello").splitlines()
    assert "guest: running" in shown


@pytest.mark.every_machine
def test_bios_sector_as_a_module(boot, sector_image):
    """guest=module with a file of 512 bytes: entered as from the first drive; no drive is read."""
    sector = sector_image("spin")
    vm = boot(sector.bin)
    gdb = vm.gdb(symbols=sector.elf)
    assert gdb.pc() == ENTRY == sector["start"]
    assert gdb.value("$rdx") == 0x80
    gdb.cont()
    vm.wait_said("spin: ok")
    for _ in range(10):
        pc = gdb.interrupt().pc
        if pc == sector["spin"]:
            break
        assert 0xc0000 <= pc < 0x100000  # the BIOS's timer interrupt came in between
        gdb.cont()
    assert pc == sector["spin"]
