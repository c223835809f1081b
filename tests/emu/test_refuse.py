"""What gdbvisor will not start with: one clear sentence, on the console and on gdb's UART, and the
machine stays as it is for reading."""

import struct
import time

import pytest

from harness import build, capabilities

pytestmark = pytest.mark.needs("gdbvisor")


def _refused(vm, *words):
    """The sentence; it must have these words, be on both lines, and leave the machine alive."""
    sentence = vm.wait_refusal()
    for word in words:
        assert word.lower() in sentence.lower(), sentence
    time.sleep(0.3)
    assert vm.alive()
    assert "gdb: waiting" not in vm.console() and "guest: running" not in vm.console()
    return sentence


@pytest.mark.needs("svm")
@pytest.mark.parametrize("cpu, words", [
    ("EPYC,-svm", ["SVM"]),
    ("EPYC,+svm,-npt", ["nested paging"]),
    ("qemu32", ["long mode"]),
])
def test_refuse_processor(boot, cpu, words):
    """No SVM, no nested paging, no long mode."""
    _refused(boot("hello64", cpu=cpu, wait=False), *words)


@pytest.mark.needs("vmx", "bochs")
@pytest.mark.parametrize("cpu, words", [
    ("core2_penryn_t9600", ["VT-x", "EPT"]),
    ("corei5_lynnfield_750", ["VT-x", "unrestricted guest"]),
])
def test_refuse_intel_processor(boot, cpu, words):
    """No extended page tables, no real mode in a guest."""
    _refused(boot("hello64", cpu=cpu, wait=False), *words)


@pytest.mark.every_machine
@pytest.mark.smoke
def test_refuse_no_virtualisation_everywhere(boot, machine):
    """The same through every door: a processor without SVM, or without VT-x."""
    vendor = capabilities.vendor(machine)
    cpu = "p4_prescott_celeron_336" if machine.emulator == "bochs" else f"{machine.cpu},-{vendor}"
    word = {"svm": "SVM", "vmx": "VT-x"}[vendor]
    _refused(boot("hello64", cpu=cpu, wait=False), word)


@pytest.mark.parametrize("option", ["colour=red", "stop=sometimes", "guest=tape", "gdb=com9",
                                    "gdb=com2,12345678", "nonsense", "gdb=io:zz"])
@pytest.mark.neutral
def test_refuse_option(boot, option):
    """An unknown or malformed option is named."""
    vm = boot("hello64", options=option, wait=False)
    sentence = _refused(vm)
    assert option.split("=")[0] in sentence
    if "=" in option:
        assert option.split("=")[1].split(",")[0] in sentence


@pytest.mark.neutral
def test_refuse_option_on_both_lines(boot):
    """The sentence is on gdb's UART too, where the user looks first."""
    vm = boot("hello64", options="colour=red", wait=False)
    sentence = _refused(vm)
    assert sentence in vm.gdb_line()


@pytest.mark.neutral
def test_refuse_not_with_keep_going(boot):
    """keep-going: the bad option is named and boot goes on."""
    vm = boot("hello64", options="colour=red keep-going")
    assert "colour" in vm.console()
    assert vm.gdb().pc() == vm.guest["start"]


@pytest.mark.neutral
@pytest.mark.every_machine
@pytest.mark.needs("uefi")
@pytest.mark.parametrize("guest", ["next", "disk:0"])
def test_refuse_a_drive_without_a_bios(start, guest):
    """guest=next and guest=disk:N where UEFI has started the machine."""
    image = build.hypervisor_iso(f"gdb=com2 console=com1 guest={guest}", [])
    _refused(start(["-cdrom", image]), "BIOS", "UEFI")


def test_refuse_without_module(start):
    """guest=module, but there is none."""
    image = build.hypervisor_iso("gdb=com2 console=com1 guest=module", [])
    _refused(start(["-cdrom", image]), "module")


@pytest.mark.needs("screen", "no-uart")
def test_refuse_no_uart(boot):
    """No UART answers where gdb= says: said on the screen, for there is nowhere else."""
    vm = boot("hello64", options="console=vga", uarts=False, wait=False)
    shown = vm.wait_screen("gdbvisor: cannot start: ")
    assert "com2" in shown or "UART" in shown


def _multiboot(load, size, entry=None, checksum=None):
    """A multiboot1 image by address fields: header, then padding."""
    flags = 0x10003
    total = (-(0x1BADB002 + flags)) & 0xFFFFFFFF if checksum is None else checksum
    head = struct.pack("<8I", 0x1BADB002, flags, total, load, load, load + size, load + size,
                       load + 64 if entry is None else entry)
    return head + bytes(size - len(head))


def _multiboot2(*tags):
    """A multiboot2 header with these tags, each of 8 bytes: (type, size)."""
    body = b"".join(struct.pack("<HHI", kind, 0, size) for kind, size in tags)
    length = 16 + len(body)
    total = -(0xE85250D6 + length) & 0xFFFFFFFF
    return struct.pack("<4I", 0xE85250D6, 0, length, total) + body


BAD_IMAGES = {
    "text": (b"This is no kernel at all.\n" * 400, ["not recognised"]),
    "empty": (b"\n", ["not recognised"]),
    "wrong-checksum": (_multiboot(0x100000, 4096, checksum=1), ["checksum"]),
    "too-high": (_multiboot(0xE0000000, 4096), ["RAM"]),
    "over-the-end": (_multiboot(0x0FE00000, 0x300000), ["RAM"]),
    "short": (_multiboot(0x100000, 8192)[:2048], ["truncated"]),
    "tag-of-size-0": (_multiboot2((6, 0), (0, 8)) + bytes(4096), ["tag at 0x10", "size of 0"]),
    "tag-unknown": (_multiboot2((77, 8), (0, 8)) + bytes(4096), ["tag of type 77"]),
    "bzimage-cut": (bytes(0x1F1) + b"\xff" + bytes(0x0C) + b"\x55\xaa" + b"\xeb\x66HdrS"
                    + b"\x0f\x02" + bytes(0x200), ["bzImage", "no protected-mode code"]),
    "bzimage-old": (bytes(0x1FE) + b"\x55\xaa\xeb\x66HdrS\x00\x02" + bytes(0x8000), ["too old"]),
    "elf-cut": (b"\x7fELF\x01\x01\x01" + bytes(9) + bytes(100), ["ELF"]),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.neutral
def test_refuse_bad_image(boot, tmp_path, name):
    """An image that is not one, or does not fit: named and refused."""
    content, words = BAD_IMAGES[name]
    path = tmp_path / f"{name}.img"
    path.write_bytes(content)
    _refused(boot(path, wait=False), *words)
