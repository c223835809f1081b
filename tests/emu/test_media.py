"""gdbvisor.iso as a person boots it: as a CD and as a stick, by its menu."""

import pytest

from harness import build, paths

pytestmark = [pytest.mark.needs("gdbvisor", "qemu"), pytest.mark.every_machine]

MENU = "Self-test: gdbvisor"
NEXT_COM1, NEXT_COM2, IMAGE, SELF_TEST = range(4)
MEDIA = {"cd": ["-cdrom", paths.IMAGE],
         "stick": ["-drive", f"format=raw,file={paths.IMAGE},snapshot=on"]}


@pytest.fixture
def menu(start):
    """menu(media, entry, ...): the machine, once this entry was chosen by keys."""
    def run(media, entry, disks=(), **kwargs):
        extra = [word for image in disks
                 for word in ("-drive", f"format=raw,file={image},snapshot=on")]
        vm = start([*MEDIA[media], *extra, "-boot", "d" if media == "cd" else "c"], **kwargs)
        vm.wait_console(MENU)
        vm.press(*["down"] * entry, "ret")
        return vm
    return run


@pytest.mark.parametrize("media", MEDIA)
def test_media_self_test(menu, media):
    """The self-test says ok on COM1, under gdbvisor; on a BIOS machine on the text screen too."""
    vm = menu(media, SELF_TEST)
    vm.wait_console("self-test: ok\n")
    if vm.machine.firmware == "bios":
        assert vm.wait_screen("self-test: ok").splitlines()[24] == "self-test: ok"


@pytest.mark.firmware("bios", emulator="qemu")
@pytest.mark.parametrize("media", MEDIA)
def test_media_next_bios(menu, sector_image, media):
    """What the BIOS boots next: the disk behind the stick, the first one behind a CD; gdb on COM2."""
    vm = menu(media, NEXT_COM2, disks=[sector_image("probe").disk()])
    vm.wait_screen("gdb: waiting on com2")
    gdb = vm.gdb()
    assert gdb.pc() == 0x7c00
    assert gdb.value("$dl") == (0x80 if media == "cd" else 0x81)
    gdb.detach()
    vm.wait_said("sector: done\n")


@pytest.mark.firmware("uefi", emulator="qemu")
@pytest.mark.parametrize("media", MEDIA)
def test_media_next_uefi(menu, media):
    """What the firmware boots next, by gdbvisor.efi from the image's menu, which ends then with an
    error, as the firmware sees it: it boots its next entry, another stick. gdb on COM2."""
    other = build.fat({"EFI/BOOT/BOOTX64.EFI": build.EfiProgram("greeter").efi})
    vm = menu(media, NEXT_COM2, disks=[other])
    vm.wait_screen("gdb: waiting on com2")
    gdb = vm.gdb()
    assert gdb.value("$efer") & 0x500 == 0x500
    gdb.detach()
    vm.wait_console("greeter: hello")


@pytest.mark.parametrize("media", MEDIA)
def test_media_default_entry(start, media, sector_image):
    """Nobody presses a key: what the firmware boots next, with gdb on COM1."""
    disk = sector_image("probe").disk()
    vm = start([*MEDIA[media], "-drive", f"format=raw,file={disk},snapshot=on",
                "-boot", "d" if media == "cd" else "c"], gdb_uart="com1")
    vm.wait_screen("gdb: waiting on com1")
    gdb = vm.gdb()
    if vm.machine.firmware == "bios":
        assert gdb.pc() == 0x7c00
    gdb.detach()


def test_media_image_of_a_disk(menu, guest_image):
    """/guest/kernel of another stick, with what its options.cfg says."""
    options = b'set gdbvisor_options="gdb=com2 console=com1"\nset kernel_options="hello there"\n'
    disk = build.fat({"guest/kernel": guest_image("hello64").bin, "guest/options.cfg": options})
    vm = menu("cd", IMAGE, disks=[disk], guest=guest_image("hello64"))
    vm.wait_console("gdb: waiting on com2")
    gdb = vm.gdb()
    assert gdb.pc() == vm.guest["start"]
    gdb.cont()
    vm.wait_said("hello64: ok")


def test_media_no_image(menu):
    """No disk has one: the menu says what is missing, and comes back."""
    vm = menu("cd", IMAGE)
    vm.wait_console("No disk has a file /guest/kernel")
    vm.press("ret", *["down"] * SELF_TEST, "ret")
    vm.wait_console("self-test: ok\n")
