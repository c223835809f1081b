"""The firmware itself: gdbvisor.efi from a stick, then GRUB as its first program."""

from harness import build, paths

from .session import short

GRUB = "EFI/debian/grubx64.efi"
PATH = "\\" + GRUB.replace("/", "\\")
ENTRY = "Debian, from the stick"
CONFIG = f"""\
set timeout=8
menuentry "{ENTRY}" {{
    linux /vmlinuz console=ttyS0 nokaslr quiet
    initrd /initrd.img
}}
"""

FIRST_SCREEN = """\
gdbvisor demo: firmware, boot loader and kernel of a PC with UEFI, debugged by
stock gdb over a serial line. All three are Debian's own.

    {machine}
    +------------------------------------------------------+
    |   {firmware:>7} -> gdbvisor.efi                            |
    |     OVMF <--------'  -> GRUB -> Debian's kernel      |
    |                           |              |           |
    |                          COM2           COM1         |
    +---------------------------|--------------|-----------+
                               gdb        {console}

gdbvisor.efi is the stick's BOOTX64.EFI. It takes the running firmware as its
guest, with all that the firmware starts from then on.
"""

HINT = """\
Stopped at GRUB's first instruction, under the running firmware. Try:
    x/5i $pc, stepi        rdx points to the EFI system table
    Ctrl-C                 while GRUB shows its menu
    hbreak start_kernel    then: continue; the kernel's symbols are loaded
    monitor help           what gdbvisor itself can be asked
Firmware's, GRUB's and the kernel's console, in another terminal:
    tail -f {console}
The machine ends when gdb ends: quit.
"""

COMMANDS = ()


def fits(machine):
    """Whether the machine has UEFI."""
    return machine.firmware == "uefi"


def media(_machine):
    """What the machine boots, as arguments of a Vm."""
    return {"boot_args": [], "disks": [build.fat({
        "EFI/BOOT/BOOTX64.EFI": paths.APPLICATION,
        "EFI/BOOT/gdbvisor.cfg": f"gdb=com2 console=com1\nguest=efi:{PATH}\n".encode(),
        GRUB: build.grub_efi(), "EFI/debian/grub.cfg": CONFIG.encode(),
        "vmlinuz": paths.KERNEL, "initrd.img": paths.INITRD})]}


def at_program(session):
    """The stop at GRUB's entry."""
    session.step("gdb attaches to the serial port. The firmware has loaded GRUB from the stick and is "
                 "about to start it: rdx points to the EFI system table.")
    stop = session.attach(r"(0x[0-9a-f]+) in \?\? \(\)")
    session.do("x/3i $pc", r"=> 0x[0-9a-f]+:")
    session.do("info registers rip rcx rdx rsp cs cr0 cr3 efer", r"efer +0x[0-9a-f]*[4-7d]0\w\b")
    session.do("x/s $rdx", r'"IBI SYST')

    session.step("Two instructions, one by one, and who called: an address in the firmware.")
    session.do("stepi", rf"{short(stop[1])[2:-1]}7 in \?\? \(\)")
    session.do("stepi", rf"{short(stop[1])[2:-1]}e in \?\? \(\)")
    session.do("x/1gx $rsp", r":\s+0x[0-9a-f]{16}")


def in_the_menu(session, machine):
    """Ctrl-C while GRUB waits."""
    session.step("GRUB shows its menu and counts down, by the firmware's services. In the middle of "
                 "that, Ctrl-C.")
    session.do("continue", r"(Program|Thread \d+) received signal SIGINT", what="GRUB's menu",
               press=lambda: ENTRY in machine.console())
    session.do("x/3i $pc", r"=> 0x[0-9a-f]+:")
    session.do("monitor exits", r"(?m)^total +[1-9]\d*")


def at_kernel(session):
    """From here to the kernel, through the end of the boot services."""
    session.step("The same session goes on into the kernel, through the end of the firmware's boot "
                 "services: a hardware breakpoint waits for start_kernel.")
    session.to_start_kernel("GRUB's countdown, and the kernel to unpack itself")
    session.show_kernel()


def script(session, machine):
    """The whole session."""
    at_program(session)
    in_the_menu(session, machine)
    at_kernel(session)
    session.step("gdb detaches, and the kernel goes on to its init.")
    session.do("delete")
    session.let_go(machine)
