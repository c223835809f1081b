"""The scripted sessions of `make demo`."""

import os
import subprocess

import pytest

from harness import paths

pytestmark = [pytest.mark.linux, pytest.mark.long, pytest.mark.needs("gdbvisor")]


@pytest.fixture
def demo(machine, tmp_path):
    """demo(guest, words): the session of a guest passes, and shows these words."""
    def run(guest, words):
        folder = tmp_path / "build"
        folder.mkdir()
        for name in ("gdbvisor.elf", "gdbvisor.efi", "kernel"):
            (folder / name).symlink_to(paths.BUILD / name)
        done = subprocess.run([paths.ROOT / "tools" / "demo"], check=False, capture_output=True,
                              timeout=240 * machine.slowness, stdin=subprocess.DEVNULL, text=True,
                              env={**os.environ, "BUILD": str(folder), "MACHINE": machine.name,
                                   "GUEST": guest, "INTERACTIVE": ""})
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
        for word in words:
            assert word in done.stdout
    return run


def test_demo_session(demo):
    """make demo: break, step, watch, Ctrl-C, detach on a Debian kernel, each step checked there."""
    demo("linux", ("hbreak start_kernel", "Hardware watchpoint", "SIGINT", "detach",
                   "INIT: reached"))


@pytest.mark.needs("bios")
def test_demo_bios(demo):
    """make demo GUEST=bios: a disk's boot sector, a BIOS call stepped over, and on to the kernel."""
    demo("bios", ("=> 0x7c00:", "nexti16", "in start_kernel ()", "INIT: reached"))


@pytest.mark.firmware("uefi")
def test_demo_uefi(demo):
    """make demo GUEST=uefi: GRUB under the firmware, Ctrl-C in its menu, and on to the kernel."""
    demo("uefi", ("IBI SYST", "SIGINT", "in start_kernel ()", "INIT: reached"))


def test_demo_wrong_machine():
    """A session on a machine it cannot have: a sentence that says which it can."""
    done = subprocess.run([paths.ROOT / "tools" / "demo"], check=False, capture_output=True, text=True,
                          env={**os.environ, "MACHINE": "qemu-svm-bios", "GUEST": "uefi"})
    assert done.returncode == 1
    assert "needs one of qemu-svm-uefi, bochs-vmx-uefi" in done.stderr
