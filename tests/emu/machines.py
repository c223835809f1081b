"""The machines the emulator tests run on: one list.

A test says what it needs (`needs("step")`) and how widely it runs (`every_machine`, else only the
primary machine of each vendor). A machine says what it cannot show, and why: such a test is
skipped there by name, and the end of the run lists it with that reason.

Environment: MACHINES=name,name selects; QEMU= names the emulator.
"""

import os
from dataclasses import dataclass, field

FIRMWARE = {
    "uefi": ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
}

# What QEMU 7.2's TCG cannot show, of what tests ask for.
TCG_LACKS = {
    "vmx": "QEMU's own emulation has no Intel VT-x",
    "icebp": "TCG makes INT1 (F1) an invalid opcode",
    "msr-gp": "TCG never raises #GP for an unknown MSR",
    "dr-gd": "TCG has no general-detect fault (DR7.GD)",
    "exec-dr-cs-base": "TCG 7.2 crashes at an execution breakpoint where CS.base is not 0",
    "sti-step": "TCG swallows the trap behind STI as well",
}

# What Bochs 2.7 cannot show.
BOCHS_LACKS = {
    "msr-gp": "Bochs has to be lax about unknown MSRs, or Linux does not boot on it",
}

# The machine that stands in for gdbvisor when the tests themselves are tested.
ORACLE_LACKS = dict(
    TCG_LACKS,
    gdbvisor="QEMU's own stub: there is no gdbvisor",
    smp="QEMU's own stub: nothing to show of ours",
    monitor="QEMU's own stub: other monitor commands",
    raw="QEMU's own stub answers malformed packets in its own way",
    linear_pc="QEMU's own stub reports IP, not the linear address",
    triple="QEMU's own stub does not stop at a triple fault",
    hlt_step="QEMU's own stub runs one instruction more behind HLT",
    quiet_step="QEMU's own stub lets gdb's step off a breakpoint end in an interrupt handler",
    guest_debugger="QEMU's own stub keeps #BP and the debug registers from the guest",
)


@dataclass(frozen=True)
class Machine:
    """How to start one kind of machine, and what it cannot show."""

    name: str
    emulator: str = "qemu"  # or "bochs"
    board: str = "q35"
    cpu: str = "EPYC,+svm,+npt"
    firmware: str = "bios"  # or "uefi"
    cpus: int = 1  # unless a test asks for another number
    smp: int = 4  # what tests of several CPUs ask for
    vendor: str = "svm"
    primary: bool = False  # runs every test; the others only those marked every_machine
    default: bool = True  # part of a run without MACHINES=
    oracle: bool = False  # guests start by -kernel, gdb talks to QEMU
    slowness: float = 1.0  # factor for every time-out
    lacks: dict = field(default_factory=dict)  # capability -> why not


MACHINES = [
    Machine("qemu-svm-bios", primary=True, lacks=TCG_LACKS),
    Machine("qemu-svm-bios-pc", board="pc", lacks=TCG_LACKS),
    Machine("qemu-svm-uefi", firmware="uefi", slowness=2.0, lacks=TCG_LACKS),
    # All the tests once more with a second CPU. Only by MACHINES=qemu-svm-bios-2cpus.
    Machine("qemu-svm-bios-2cpus", primary=True, default=False, cpus=2, lacks=TCG_LACKS),
    # Only by MACHINES=bochs-vmx-bios for now: a whole run takes minutes.
    Machine("bochs-vmx-bios", emulator="bochs", cpu="corei7_haswell_4770", vendor="vmx",
            primary=True, default=False, smp=2, slowness=3.0, lacks=BOCHS_LACKS),
    # Not gdbvisor at all: QEMU's stub under the same tests, to tell a wrong test from a wrong
    # hypervisor. Only by MACHINES=oracle.
    Machine("oracle", primary=True, default=False, oracle=True, lacks=ORACLE_LACKS),
]


def selected():
    """The machines of this run; an unknown name in MACHINES= is an error."""
    names = [n for n in os.environ.get("MACHINES", "").replace(",", " ").split() if n]
    if not names:
        return [m for m in MACHINES if m.default]
    known = {m.name: m for m in MACHINES}
    for name in names:
        if name not in known:
            raise ValueError(f"MACHINES: no machine {name!r}; there are {', '.join(known)}")
    return [known[n] for n in names]
