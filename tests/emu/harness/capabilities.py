"""What a machine can show. What can be asked is asked: a tiny guest (tests/guest/probe) tries it on
the bare emulator, once for each emulator and processor; the answers are kept in BUILD/probe."""

import functools
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from . import bochs_config, build, kvm, paths
from .bochs import BochsVm
from .vm import Vm, VmError

# What the probe guest tries: why a machine that says no cannot show a test.
PROBED = {
    "icebp": "INT1 (F1) does not raise #DB here",
    "msr-gp": "an unknown MSR does not raise #GP here",
    "dr-gd": "there is no general-detect fault (DR7.GD) here",
    "sti-step": "a step ends one instruction behind STI here",
    "exec-dr-cs-base": "the emulator ends at an execution breakpoint where CS.base is not 0",
    "nrip": "this processor does not save the next RIP",
    "clean-bits": "this processor has no VMCB clean bits",
    "flush-by-asid": "this processor has no flush by ASID",
    "decode-assists": "this processor has no decode assists",
    "mtf": "there is no working monitor trap flag here",
}

# Bochs before 2.8 has the monitor trap flag in two processors' capabilities but never exits by it,
# and leaves an INIT pending for ever that has caused an exit. Both take a hypervisor to see.
BOCHS_MENDED = (2, 8)

# What follows from the machine alone, and what a machine may have in its `lacks`.
BY_MACHINE = ("svm", "vmx", "qemu", "bochs", "bios", "uefi", "init-exits", "smp")
LISTED = ("gdbvisor", "raw", "triple", "hlt_step", "quiet_step", "guest_debugger", "screen",
          "nmi-button", "ends", "no-uart", "task_switch_step", "df_exit")


def vendor(machine):
    """The backend for a machine's processor: "svm" or "vmx"."""
    return kvm.vendor() if machine.vendor == "host" else machine.vendor


def kind(machine):
    """What runs a machine: a Vm or a BochsVm."""
    return BochsVm if machine.emulator == "bochs" else Vm


def _mended(machine):
    return machine.emulator != "bochs" or bochs_config.version() >= BOCHS_MENDED


def auto_starts_cpus(machine):
    """Whether ap=auto is a way to start CPUs on it."""
    return vendor(machine) != "vmx" or _mended(machine)


def _by_machine(machine, capability):
    if capability in ("qemu", "bochs"):
        if machine.emulator != capability:
            return f"the test names processors or devices of {capability.capitalize()}"
    elif capability in ("bios", "uefi"):
        if machine.firmware != capability:
            return f"this machine is started by {machine.firmware.upper()}"
    elif capability == "init-exits":
        if vendor(machine) != "vmx":
            return "an INIT does not exit on AMD's processors"
        if not _mended(machine):
            return "an INIT that caused an exit stays pending in Bochs 2.7"
    elif capability == "smp":
        if (machine.emulator, machine.firmware) == ("bochs", "uefi") and \
                not bochs_config.gives_uefi_tables():
            return "this Bochs gives UEFI no tables that tell of other CPUs"
    elif vendor(machine) != capability:
        return f"the test is about {'VT-x' if capability == 'vmx' else 'SVM'}"
    return None


def why_not(machine, capability):
    """Why a machine cannot show what needs a capability, or None when it can."""
    if capability in machine.lacks:
        return machine.lacks[capability]
    if capability in BY_MACHINE:
        return _by_machine(machine, capability)
    if capability in PROBED:
        works = probed(machine)[capability] and (capability != "mtf" or _mended(machine))
        return None if works else PROBED[capability]
    if capability not in LISTED:
        raise ValueError(f"there is no capability {capability!r}")
    return None


def probed(machine):
    """{what: bool}: the probe guest's answers on the emulator and processor of a machine."""
    return _probed(replace(machine, name="probe", firmware="bios", oracle=False, lacks=None,
                           board="q35"))


@functools.lru_cache
def _probed(machine):
    guest = build.Guest("probe")
    program = shutil.which(paths.BOCHS if machine.emulator == "bochs" else paths.QEMU)
    if not program:
        raise RuntimeError(f"{machine.emulator}: there is no such program")
    state = os.stat(program)
    key = hashlib.sha256(repr((program, state.st_mtime_ns, state.st_size, machine.accel,
                               machine.cpu, guest.bin.read_bytes())).encode()).hexdigest()[:16]
    kept = paths.BUILD / "probe" / f"{key}.json"
    with build.lock("probe"):
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(_ask(machine, guest), indent=1), encoding="ascii")
        return json.loads(kept.read_text(encoding="ascii"))


def _ask(machine, guest):
    """Runs the probe guest, which the last question may end."""
    with tempfile.TemporaryDirectory(prefix="gdbvisor-probe-") as folder:
        vm = kind(machine)(machine, folder, boot_args=bare(machine, guest), guest=guest)
        try:
            vm.wait_said("probe: exec-dr-cs-base", 20)
        except VmError:
            if "probe: asked" not in vm.said():
                raise
        finally:
            said = vm.said()
            vm.stop()
    return answers(said)


def answers(said):
    """{what: bool} of the probe guest's lines; what it did not come to is no."""
    lines = [line.split() for line in said.splitlines() if line.startswith("probe: ")]
    given = {words[1]: words[2] == "yes" for words in lines if len(words) == 3}
    return {name: given.get(name, False) for name in ("svm", "vmx", *PROBED)}


def bare(machine, guest):
    """How a machine starts a tiny guest without gdbvisor."""
    if machine.emulator == "bochs":
        config = f"set timeout=0\nmultiboot /{guest.name}.bin\nboot\n"
        return ["-cdrom", build.iso(config, {f"{guest.name}.bin": Path(guest.bin)})]
    return ["-kernel", guest.bin]
