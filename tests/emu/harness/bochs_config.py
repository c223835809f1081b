"""How a Bochs is started: its options, and what differs between one Bochs and another."""

import functools
import shutil
import subprocess
from pathlib import Path

from machines import FIRMWARE

from .paths import BOCHS, BXSHARE

# Why each odd line is there: GRUB's VBE calls overwrite its heap with this VGA BIOS, so the card has
# no VBE; Linux reads MSRs that Bochs does not have.
CONFIG = """\
config_interface: textconfig
memory: guest={memory}, host={memory}
romimage: file={rom}
vga: extension=none
vgaromimage: file={vga_rom}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
cpu: model={cpu}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none
log: {log}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
port_e9_hack: enabled=1
"""

# Lines for what may not have been built into this Bochs. The dummy sound driver keeps it from
# aborting where there is no sound card.
OPTIONAL = (
    "plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, iodebug=1, "
    "gameport=0",
    "sound: driver=dummy, waveout=none",
    "magic_break: enabled=0",
)

# By this a UEFI firmware is given ACPI tables; Bochs has it since 3.0.
UEFI_OPTIONAL = "fw_cfg: enabled=1"

# Displays that need no screen; rfb waits for nobody to look.
DISPLAYS = ('rfb, options="timeout=0"', "nogui", "term")

# Where drives go; the CD, where there is one, is the first of them.
DRIVE_PLACES = ("ata0-master", "ata0-slave", "ata1-master", "ata1-slave")

# Emulated instructions a second of emulated time: few make the serial line fast, many keep an
# operating system's timers from eating the run.
IPS_TINY, IPS_SYSTEM = 4_000_000, 50_000_000

def _said_by(*arguments):
    """What Bochs prints for a question."""
    done = subprocess.run([BOCHS, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=False)
    return (done.stdout + done.stderr).decode("latin-1")


@functools.lru_cache
def help_text():
    """Bochs's own help: its version, and its arguments."""
    return _said_by("--help")


@functools.lru_cache
def version():
    """Bochs's version: (2, 7)."""
    words = help_text().split("x86 Emulator ", 1)[1].split()[0].split(".")
    return tuple(int(word) for word in words[:2])


def has_debugger():
    """Whether its own debugger is built in, which waits for a command before it starts."""
    return "-rc filename" in help_text()


@functools.lru_cache
def _takes(line):
    """Whether this Bochs knows a line of configuration (it ends when nobody answers its menu)."""
    return "PANIC" not in _said_by("-n", line)


def gives_uefi_tables():
    """Whether a UEFI firmware finds ACPI tables in it."""
    return _takes(UEFI_OPTIONAL)


@functools.lru_cache
def own_lines():
    """The lines that depend on how this Bochs was built."""
    lines = [line for line in OPTIONAL if _takes(line)]
    displays = (f"display_library: {name}" for name in DISPLAYS)
    lines.append(next(filter(_takes, displays), ""))
    if not lines[-1]:
        raise RuntimeError(f"{BOCHS} has no display of {', '.join(DISPLAYS)}")
    return lines


def share():
    """The folder of its firmware files: BXSHARE, or what was installed with it."""
    if BXSHARE:
        return Path(BXSHARE)
    program = shutil.which(BOCHS)
    if not program:
        raise RuntimeError(f"{BOCHS}: there is no such program")
    return Path(program).resolve().parents[1] / "share" / "bochs"


def _vga_rom():
    names = ("VGABIOS-lgpl-latest", "VGABIOS-lgpl-latest.bin")
    return next((share() / n for n in names if (share() / n).exists()), share() / names[0])


def write(folder, machine, *, cdrom=None, memory, tiny, serial, cpu=None, cpus=1, disks=()):
    """Writes bochsrc (and what the debugger is to do) to a folder; returns the command line.

    tiny: not an operating system; serial: {"com1": what Bochs is told about it, ...}; cdrom: the
    image of what it boots, the first disk where there is none; disks: images, in the BIOS's order;
    what is written to them is lost.
    """
    rom = FIRMWARE["uefi-2m"] if machine.firmware == "uefi" else (
        f"{share()}/BIOS-bochs-latest, options=fastboot")
    text = CONFIG.format(memory=memory, rom=rom, vga_rom=_vga_rom(), cpu=cpu or machine.cpu, cpus=cpus,
                         ips=IPS_TINY if tiny else IPS_SYSTEM, log=folder / "bochs.log")
    lines = own_lines()
    if machine.firmware == "uefi" and gives_uefi_tables():
        lines = [*lines, UEFI_OPTIONAL]
    text += "".join(f"{line}\n" for line in lines)
    text += "".join(f"{port}: enabled=1, {what}\n" for port, what in serial.items())
    drives = [f'type=cdrom, path="{cdrom}", status=inserted'] if cdrom else []
    drives += [f'type=disk, mode=volatile, path="{image}", cylinders=0' for image in disks]
    text += "".join(f"{place}: {drive}\n" for place, drive in zip(DRIVE_PLACES, drives))
    text += f"boot: {'cdrom' if cdrom else 'disk'}\n"
    (folder / "bochsrc").write_text(text, encoding="ascii")
    command = [BOCHS, "-q", "-f", str(folder / "bochsrc")]
    if has_debugger():
        (folder / "go.rc").write_text("c\n", encoding="ascii")
        command += ["-rc", str(folder / "go.rc")]
    return command
