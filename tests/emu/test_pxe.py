"""gdbvisor from the network: by GRUB's network image, and gdbvisor.efi by itself."""

import re
import shutil
import subprocess
import time

import pytest

from harness import paths

pytestmark = [pytest.mark.needs("gdbvisor", "qemu"), pytest.mark.every_machine]

GRUB = {"bios": "boot/grub/i386-pc/core.0", "uefi": "menu.efi"}


@pytest.fixture
def served(tmp_path):
    """The folder of files that docs/boot.md tells to serve by TFTP."""
    folder = tmp_path / "tftp"
    shutil.copytree(paths.BUILD / "iso", folder)
    shutil.copy(paths.BUILD / "menu.efi", folder)
    subprocess.run(["grub-mknetdir", f"--net-directory={folder}", "--subdir=boot/grub"], check=True,
                   capture_output=True)
    return folder


@pytest.fixture
def net(start, served):
    """net(file): the machine, whose network says that this file is to be booted."""
    def run(file, **kwargs):
        card = ["-device", "virtio-net-pci,netdev=net,bootindex=0"]
        return start(["-netdev", f"user,id=net,tftp={served},bootfile={file}", *card], **kwargs)
    return run


def _press(vm, entry):
    vm.wait_console("Self-test: gdbvisor", 90)
    vm.press(*["down"] * entry, "ret")


def test_pxe_grub(net, machine):
    """GRUB by PXE, its menu's self-test from the same server: it says ok."""
    vm = net(GRUB[machine.firmware])
    _press(vm, 3)
    vm.wait_console("self-test: ok\n")


@pytest.mark.parametrize("initrd", [False, True])
def test_pxe_image(net, machine, served, guest_image, initrd):
    """/guest/kernel of the same server, with what lies beside it."""
    guest = guest_image("hello32")
    folder = served / "guest"
    folder.mkdir()
    folder.joinpath("kernel").write_bytes(guest.bin.read_bytes())
    folder.joinpath("options.cfg").write_text('set gdbvisor_options="gdb=com2 console=com1"\n'
                                              'set kernel_options="from the server"\n')
    if initrd:
        folder.joinpath("initrd").write_bytes(b"ABCD" * 1000)
    vm = net(GRUB[machine.firmware], guest=guest)
    _press(vm, 2)
    vm.wait_console("gdb: waiting on com2")
    gdb = vm.gdb()
    assert gdb.pc() == guest["start"]
    gdb.cont()
    said = vm.wait_said("hello32: ok")
    assert "hello32: cmdline from the server\n" in said
    assert ("hello32: module 00000fa0 44434241" in said) == initrd


def test_pxe_no_image(net, machine):
    """The server has none: the menu says so, and comes back."""
    vm = net(GRUB[machine.firmware])
    _press(vm, 2)
    vm.wait_console("No disk has a file /guest/kernel")
    vm.press("ret")
    _press(vm, 3)
    vm.wait_console("self-test: ok\n")


@pytest.mark.firmware("uefi", emulator="qemu")
def test_pxe_efi(net):
    """gdbvisor.efi by PXE: there is no folder with a gdbvisor.cfg, so the defaults count; back in
    the firmware, the machine goes on."""
    vm = net("gdbvisor.efi", gdb_uart="com1")
    vm.wait_screen("gdb: waiting on com1", 90)
    gdb = vm.gdb()
    assert gdb.value("$rax") == 0
    assert gdb.read(gdb.pc() - 5, 1) == b"\xe8"
    gdb.cont()
    time.sleep(8)
    assert gdb.interrupt().signal == "SIGINT"
    assert gdb.value("$cs") == 0x38
    assert gdb.exits()["port i/o"] > 0


@pytest.mark.firmware("uefi", emulator="qemu")
def test_pxe_next(net):
    """The menu's "what the firmware boots next": GRUB from the server ends, its starter tells the
    firmware of an error, and that goes on with its next boot entry, as a guest."""
    vm = net(GRUB["uefi"])
    _press(vm, 1)
    vm.wait_screen("gdb: waiting on com2", 90)
    gdb = vm.gdb()
    assert gdb.value("$efer") & 0x500 == 0x500
    gdb.detach()
    console = vm.wait_console("Start PXE over IPv6")
    assert re.search(r'failed to start Boot\w+ "UEFI PXEv4 .*: Not Found', console)
