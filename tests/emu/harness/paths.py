"""Where things are, and which programs are used."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BUILD") or ROOT / "build")
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD

QEMU = os.environ.get("QEMU") or "qemu-system-x86_64"
BOCHS = os.environ.get("BOCHS") or "bochs"
BXSHARE = os.environ.get("BXSHARE")
GDB = os.environ.get("GDB") or "gdb"
NASM = os.environ.get("NASM") or "nasm"

# Before a machine's command: the machine ends with the tests, however they end.
LEASH = ["setpriv", "--pdeathsig", "KILL"]

GUEST_SOURCES = ROOT / "tests" / "guest"
SECTOR_SOURCES = ROOT / "tests" / "sector"
EFI_SOURCES = ROOT / "tests" / "efi"
HYPERVISOR = BUILD / "gdbvisor.elf"
APPLICATION = BUILD / "gdbvisor.efi"
IMAGE = BUILD / "gdbvisor.iso"
KERNEL = BUILD / "kernel" / "vmlinuz"
INITRD = BUILD / "kernel" / "initrd.img"
KERNEL_SYMBOLS = BUILD / "kernel" / "vmlinux.sym"
KERNEL_DEBUG = BUILD / "kernel" / "vmlinux"  # with Debian's debug information
KERNEL_SOURCE = BUILD / "kernel" / "source"
