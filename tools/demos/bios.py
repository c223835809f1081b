"""What a BIOS boots from a disk, from its boot sector on."""

import os

from harness import build, paths

from .session import FOLDER, DemoError

CMDLINE = "console=ttyS0 nokaslr quiet"
PROBE = b"\xbb\xaa\x55\xcd\x13"  # mov $0x55aa,%bx; int $0x13: does the drive have EDD?

FIRST_SCREEN = """\
gdbvisor demo: a disk, debugged from its boot sector by stock gdb over a serial
line. Boot sector, GRUB, kernel and BIOS are Debian's own.

    {machine}
    +------------------------------------------------------+
    |   {firmware:>7} -> CD: GRUB -> gdbvisor                    |
    |              disk: boot sector -> GRUB -> kernel     |
    |                           |              |           |
    |                          COM2           COM1         |
    +---------------------------|--------------|-----------+
                               gdb        {console}

gdbvisor comes from a CD, takes the machine as its guest and reads the first
sector of the disk, as a BIOS does. From there on all is debugged.
"""

HINT = """\
Stopped at the boot sector's first instruction, in real mode. Try:
    x/5i $pc               16-bit code, by tools/gdbvisor.py
    stepi, nexti16         nexti16 steps over a CALL or an INT
    hbreak start_kernel    then: continue; the kernel's symbols are loaded
    monitor help           what gdbvisor itself can be asked
Loaders overwrite breakpoints with what they load: use hbreak, not break.
The kernel's console, in another terminal:
    tail -f {console}
The machine ends when gdb ends: quit.
"""

COMMANDS = (f"source {os.path.relpath(paths.ROOT / 'tools' / 'gdbvisor.py', FOLDER)}",)


def disk():
    """A disk with Debian's kernel, booted by GRUB."""
    lines = ["set timeout=0", f"linux /vmlinuz {CMDLINE}", "initrd /initrd.img", "boot", ""]
    return build.iso("\n".join(lines), {"vmlinuz": paths.KERNEL, "initrd.img": paths.INITRD})


def fits(machine):
    """Whether the machine has a BIOS."""
    return machine.firmware == "bios"


def media(_machine):
    """What the machine boots, as arguments of a Vm."""
    cd = build.hypervisor_iso("gdb=com2 console=com1 guest=disk:0", [])
    return {"boot_args": ["-cdrom", cd, "-boot", "d"], "disks": [disk()]}


def probe_address():
    """Where the boot sector asks the BIOS for EDD."""
    with open(disk(), "rb") as file:
        at = file.read(512).find(PROBE)
    if at < 0:
        raise DemoError("GRUB's boot sector asks the BIOS otherwise than it did")
    return 0x7c00 + at + len(PROBE) - 2


def at_boot_sector(session):
    """The stop at 0000:7c00."""
    session.step("gdb attaches to the serial port. The CPU is in real mode at 0000:7c00, where a BIOS "
                 "puts the first sector of a disk, and dl is the disk's number.")
    session.attach(r"0x0*7c00 in ")
    session.do("info registers rip cs rdx rsp cr0", r"rdx +0x80\b")
    session.do("x/1hx 0x7dfe", r"0xaa55")

    session.step("16-bit code is disassembled with some help of tools/gdbvisor.py. GRUB's image is for "
                 "CDs as well: its first bytes are a mark, and as code do no harm. Two steps.")
    session.do(COMMANDS[0])
    session.do("x/4i $pc", r"=> 0x7c00:\s+inc\s+%bp\s+0x7c01:\s+push\s+%dx")
    session.do("stepi", r"0x0*7c01 in ")
    session.do("stepi", r"0x0*7c02 in ")
    session.do("info registers rip rsp", r"rsp +0x7bfe\b")


def over_the_bios(session):
    """A step over a whole BIOS call."""
    address = probe_address()
    session.step("GRUB's boot sector asks the BIOS for what the disk can do. nexti16 steps over the "
                 "whole call; bx comes back as 0xaa55.")
    session.do(f"hbreak *{address:#x}", r"Hardware assisted breakpoint 1 at")
    session.do("continue", rf"Breakpoint 1, 0x0*{address:x} in")
    session.do("x/2i $pc", rf"=> {address:#x}:\s+int\s+\$?0x13")
    session.do("nexti16", rf"0x0*{address + 2:x} in")
    session.do("p/x $rbx & 0xffff", r"= 0xaa55")
    session.do("delete")


def at_kernel(session):
    """From here to the kernel, through GRUB."""
    session.step("The same session goes on into the kernel: a hardware breakpoint waits in a debug "
                 "register while GRUB comes, reads the disk by the BIOS and starts it.")
    session.to_start_kernel("GRUB, and the kernel to unpack itself")
    session.show_kernel()
    session.do("monitor exits", r"(?m)^total +[1-9]\d*")


def script(session, machine):
    """The whole session."""
    at_boot_sector(session)
    over_the_bios(session)
    at_kernel(session)
    session.step("gdb detaches, and the kernel goes on to its init.")
    session.do("delete")
    session.let_go(machine)
