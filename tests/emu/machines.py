"""The machines the emulator tests run on: one list.

A test says what it needs (`needs("icebp")`) and how widely it runs (`every_machine`, else only on
the primary machine of each vendor). `smoke`, `long` and `neutral` decide what the slow machines
leave to `make test-full`. What a machine cannot show is asked of it (`harness/capabilities.py`) or
stands in its `lacks`: such a test is skipped there by name, and the end of the run lists it with
that reason.

Environment: MACHINES=name,name selects; QEMU= and BOCHS= name the emulators; TEST_FULL=1 leaves
nothing out.
"""

import os
import sys
from dataclasses import dataclass, field

from harness import kvm

# Code and variables. Two are of the build that keeps its variables in SMM: without and with Secure
# Boot on.
FIRMWARE = {
    "uefi": ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "uefi-smm": ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    "uefi-secure-boot": ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
                         "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"),
    "uefi-2m": "/usr/share/ovmf/OVMF.fd",  # code and variables; Bochs 2.7 takes no more than 2 MiB
}

# What QEMU 7.2's own emulation cannot show, and a guest cannot find out.
TCG_LACKS = {
    "df_exit": "TCG asks for the intercept of the second exception before it makes a #DF of the two",
    "task_switch_step": "TCG has no task-switch intercept, and keeps TF in the old task",
}

BOCHS_LACKS = {
    "screen": "Bochs has no monitor that shows the screen",
    "nmi-button": "Bochs has no monitor with an NMI button",
    "ends": "Bochs starts a machine again that resets, and has no device by which a guest ends it",
    "no-uart": "the tests start Bochs with two UARTs",
}

# The machine that stands in for gdbvisor when the tests themselves are tested.
ORACLE_LACKS = {
    "gdbvisor": "QEMU's own stub: there is no gdbvisor",
    "smp": "QEMU's own stub: nothing to show of ours",
    "raw": "QEMU's own stub answers malformed packets in its own way",
    "triple": "QEMU's own stub does not stop at a triple fault",
    "hlt_step": "QEMU's own stub runs one instruction more behind HLT",
    "quiet_step": "QEMU's own stub lets gdb's step off a breakpoint end in an interrupt handler",
    "guest_debugger": "QEMU's own stub keeps #BP and the debug registers from the guest",
}


@dataclass(frozen=True)
class Machine:
    """How to start one kind of machine, and what it cannot show."""

    name: str
    emulator: str = "qemu"  # or "bochs"
    accel: str = "tcg"  # or "kvm"; QEMU's
    board: str = "q35"
    cpu: str = "EPYC,+svm,+npt"
    firmware: str = "bios"  # or "uefi"
    cpus: int = 1  # unless a test asks for another number
    smp: int = 4  # what tests of several CPUs ask for
    vendor: str = "svm"  # or "vmx", or "host": the host's
    primary: bool = False  # runs every test; the others only those marked every_machine
    default: str = "none"  # of its tests, in a run without MACHINES=: all, short, smoke or none
    oracle: bool = False  # guests start by -kernel, gdb talks to QEMU
    slowness: float = 1.0  # factor for every time-out
    lacks: dict = field(default_factory=dict)  # capability -> why not
    few: str = ""  # why no more than a few of its tests run, where default is smoke

    def left_out(self, marks):
        """Why a run without MACHINES= leaves a test with these marks to make test-full, or None."""
        if self.default == "short" and "long" in marks:
            return "takes half a minute and more in Bochs"
        if self.default == "short" and "neutral" in marks:
            return "is above the processor, and shown in QEMU"
        if self.default == "smoke" and "smoke" not in marks:
            return self.few
        return None


HASWELL = "corei7_haswell_4770"

MACHINES = [
    Machine("qemu-svm-bios", primary=True, default="all", lacks=TCG_LACKS),
    Machine("qemu-svm-bios-pc", board="pc", default="all", lacks=TCG_LACKS),
    Machine("qemu-svm-uefi", firmware="uefi", default="all", slowness=2.0, lacks=TCG_LACKS),
    Machine("bochs-vmx-bios", emulator="bochs", cpu=HASWELL, vendor="vmx", primary=True, smp=2,
            default="short", slowness=3.0, lacks=BOCHS_LACKS),
    # Bochs gives this firmware no ACPI tables, and leaves IA32_FEATURE_CONTROL unlocked.
    Machine("bochs-vmx-uefi", emulator="bochs", cpu=HASWELL, vendor="vmx", firmware="uefi",
            smp=2, default="smoke", slowness=4.0, lacks=BOCHS_LACKS,
            few="starting UEFI takes 12 s in Bochs"),
    # All the tests once more with a second CPU.
    Machine("qemu-svm-bios-2cpus", primary=True, cpus=2, default="smoke", lacks=TCG_LACKS,
            few="all of them with a second CPU take seven minutes"),
    # Nested: where the host's KVM offers it, with the host's processor.
    Machine("kvm", accel="kvm", cpu="host", vendor="host", primary=True),
    # Not gdbvisor at all: QEMU's stub under the same tests, to tell a wrong test from a wrong
    # hypervisor.
    Machine("oracle", primary=True, oracle=True, lacks=ORACLE_LACKS),
]


def named(name, among=tuple(MACHINES)):
    """The machine of a name, which may leave out -bios, or -uefi where only that one is to be had;
    an unknown one is an error."""
    known = {m.name: m for m in among}
    for full in (name, f"{name}-bios", f"{name}-uefi"):
        if full in known:
            return known[full]
    raise ValueError(f"no machine {name!r}; there are {', '.join(known)}")


def names_of_this_run():
    """What MACHINES= says, as a list."""
    return [n for n in os.environ.get("MACHINES", "").replace(",", " ").split() if n]


def selected():
    """The machines of this run."""
    names = names_of_this_run()
    return [named(n) for n in names] or [m for m in MACHINES if m.default != "none"]


def everything():
    """Whether this run leaves nothing to make test-full."""
    return bool(names_of_this_run()) or os.environ.get("TEST_FULL", "0") not in ("", "0")


def why_not(wanted):
    """Why this host cannot start one of these machines, in a sentence; else None."""
    return kvm.why_not() if any(m.accel == "kvm" for m in wanted) else None


def main():
    """Before anything is built: are the machines of MACHINES= and MACHINE= there? 2 if not."""
    try:
        one = os.environ.get("MACHINE")
        why = why_not(selected() + ([named(one)] if one else []))
    except ValueError as error:
        why = error
    if why:
        print(why, file=sys.stderr)
    return 2 if why else 0


if __name__ == "__main__":
    sys.exit(main())
