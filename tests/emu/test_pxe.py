"""gdbvisor from the network: by GRUB's network image, and gdbvisor.efi by itself."""

import shutil
import subprocess
import time

import pytest

from harness import paths

pytestmark = [pytest.mark.needs("gdbvisor", "qemu"), pytest.mark.every_machine]

GRUB = {"bios": "boot/grub/i386-pc/core.0", "uefi": "boot/grub/x86_64-efi/core.efi"}


@pytest.fixture
def served(tmp_path):
    """The folder of files that docs/boot.md tells to serve by TFTP."""
    folder = tmp_path / "tftp"
    shutil.copytree(paths.BUILD / "iso", folder)
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


def test_pxe_grub(net, machine):
    """GRUB by PXE, its menu's self-test from the same server: it says ok."""
    vm = net(GRUB[machine.firmware])
    vm.wait_console("Self-test: gdbvisor", 90)
    vm.press("down", "down", "down", "ret")
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
