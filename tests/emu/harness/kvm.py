"""Whether this host can run gdbvisor nested in its own KVM."""

import os
from pathlib import Path

MODULES = {"GenuineIntel": ("vmx", "kvm_intel", "VT-x"), "AuthenticAMD": ("svm", "kvm_amd", "SVM")}


def _host(root):
    """(vendor, KVM's module for it, the feature's name); None for other makers."""
    try:
        lines = (Path(root) / "proc/cpuinfo").read_text(encoding="ascii",
                                                        errors="replace").splitlines()
    except OSError:
        return None
    maker = next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
    return MODULES.get(maker)


def vendor(root="/"):
    """The backend for this host's processor, "vmx" or "svm"; None for other makers."""
    host = _host(root)
    return host[0] if host else None


def why_not(root="/"):
    """What this host lacks, in a sentence that says what to do; None where nesting is on."""
    root = Path(root)
    host = _host(root)
    if not host:
        return "kvm: this host's processor is neither Intel's nor AMD's."
    _, module, feature = host
    device = root / "dev/kvm"
    nested = root / f"sys/module/{module}/parameters/nested"
    if not device.exists():
        return (f"kvm: there is no /dev/kvm: load the module (modprobe {module} nested=1) on a host "
                f"whose firmware has {feature} enabled.")
    if not nested.exists():
        return (f"kvm: /dev/kvm is not {module}'s, and so offers no nesting: it needs a host with "
                f"{feature} and its module (modprobe {module} nested=1).")
    if nested.read_text(encoding="ascii").strip() not in ("Y", "1"):
        return (f"kvm: nesting is off: end all virtual machines, then modprobe -r {module} && "
                f"modprobe {module} nested=1.")
    if not os.access(device, os.R_OK | os.W_OK):
        return "kvm: no right to open /dev/kvm: add yourself to the group kvm, and log in again."
    return None
