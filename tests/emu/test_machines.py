"""The list of machines, what a run leaves out, and what a machine says it can."""

import pytest

import machines
from harness import bochs_config, capabilities


@pytest.mark.parametrize("name, full", [
    ("qemu-svm", "qemu-svm-bios"), ("bochs-vmx", "bochs-vmx-bios"), ("kvm", "kvm"),
    ("bochs-vmx-uefi", "bochs-vmx-uefi"),
])
def test_machine_names(name, full):
    """-bios may be left out."""
    assert machines.named(name).name == full


def test_machine_names_unknown():
    """An unknown one is named, with those there are."""
    with pytest.raises(ValueError, match="no machine 'vax'; there are .*bochs-vmx-uefi"):
        machines.named("vax")


@pytest.mark.parametrize("name, marks, word", [
    ("qemu-svm-bios", {"long", "neutral"}, None),
    ("bochs-vmx-bios", set(), None),
    ("bochs-vmx-bios", {"every_machine", "smoke"}, None),
    ("bochs-vmx-bios", {"long", "smoke"}, "half a minute"),
    ("bochs-vmx-bios", {"neutral"}, "above the processor"),
    ("bochs-vmx-uefi", {"every_machine"}, "12 s"),
    ("bochs-vmx-uefi", {"long", "smoke"}, None),
    ("qemu-svm-bios-2cpus", set(), "second CPU"),
    ("qemu-svm-bios-2cpus", {"smoke"}, None),
])
def test_left_to_test_full(name, marks, word):
    """Each with its reason; QEMU runs everything."""
    left = machines.named(name).left_out(marks)
    assert left is None if word is None else word in left


@pytest.mark.parametrize("names, full, everything", [
    ("", "", False), ("", "0", False), ("", "1", True), ("bochs-vmx", "", True)])
def test_left_only_without_names(monkeypatch, names, full, everything):
    """MACHINES= and TEST_FULL=1 leave nothing out."""
    monkeypatch.setenv("MACHINES", names)
    monkeypatch.setenv("TEST_FULL", full)
    assert machines.everything() == everything


def test_default_machines(monkeypatch):
    """DR-11: both vendors, each with a machine for every test; both firmwares; nothing that a host
    may not have."""
    monkeypatch.delenv("MACHINES", raising=False)
    assert {m.vendor for m in machines.selected() if m.primary} == {"svm", "vmx"}
    kinds = {(m.vendor, m.firmware) for m in machines.selected()}
    assert kinds == {(v, f) for v in ("svm", "vmx") for f in ("bios", "uefi")}
    assert not any(m.accel == "kvm" or m.oracle for m in machines.selected())


def test_answers():
    """Lines of the probe guest between others; what it did not come to is no."""
    given = capabilities.answers("Bochs\nprobe: icebp yes\nprobe: msr-gp no\nprobe: asked\n"
                                 "probe: mtf\n")
    assert given["icebp"] is True
    assert not any(value for name, value in given.items() if name != "icebp")
    assert set(capabilities.PROBED) <= set(given)


def test_capabilities_unknown():
    """A misspelt capability is an error, not a test that runs everywhere."""
    with pytest.raises(ValueError, match="no capability 'icbp'"):
        capabilities.why_not(machines.named("oracle"), "icbp")


@pytest.mark.parametrize("version, mtf_bit, mtf, init", [
    ((2, 7), True, False, False), ((2, 8), True, True, True), ((3, 0), False, False, True)])
def test_capabilities_by_version(monkeypatch, version, mtf_bit, mtf, init):
    """The monitor trap flag works where it is offered and Bochs is not too old."""
    monkeypatch.setattr(bochs_config, "version", lambda: version)
    monkeypatch.setattr(capabilities, "probed", lambda machine: {"mtf": mtf_bit})
    machine = machines.named("bochs-vmx")
    assert (capabilities.why_not(machine, "mtf") is None) == mtf
    assert (capabilities.why_not(machine, "init-exits") is None) == init
    assert capabilities.why_not(machine, "svm")
    assert capabilities.why_not(machine, "vmx") is None
