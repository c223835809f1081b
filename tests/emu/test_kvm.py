"""Whether nesting is there, on made-up hosts; and how a machine with it is started."""

import os
import subprocess
import sys

import pytest

import machines
from harness import kvm, paths, vm


def _host(root, maker="GenuineIntel", device=True, module="kvm_intel", nested="Y\n"):
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(f"processor\t: 0\nvendor_id\t: {maker}\nflags\t\t: fpu\n")
    (root / "dev").mkdir()
    if device:
        (root / "dev/kvm").touch()
    if module:
        folder = root / "sys/module" / module / "parameters"
        folder.mkdir(parents=True)
        (folder / "nested").write_text(nested)
    return root


@pytest.mark.parametrize("maker, module, nested, vendor", [
    ("GenuineIntel", "kvm_intel", "Y\n", "vmx"),
    ("GenuineIntel", "kvm_intel", "1\n", "vmx"),
    ("AuthenticAMD", "kvm_amd", "1\n", "svm"),
])
def test_kvm_nesting_is_on(tmp_path, maker, module, nested, vendor):
    """Both makers, both ways to write yes."""
    root = _host(tmp_path, maker, module=module, nested=nested)
    assert kvm.why_not(root) is None
    assert kvm.vendor(root) == vendor


@pytest.mark.parametrize("host, words", [
    ({"nested": "N\n"}, ["nesting is off", "modprobe kvm_intel nested=1"]),
    ({"nested": "0\n"}, ["nesting is off"]),
    ({"maker": "AuthenticAMD", "module": "kvm_amd", "nested": "0\n"},
     ["nesting is off", "modprobe kvm_amd nested=1"]),
    ({"device": False}, ["no /dev/kvm", "kvm_intel", "VT-x"]),
    ({"maker": "AuthenticAMD", "device": False}, ["no /dev/kvm", "kvm_amd", "SVM"]),
    ({"module": None}, ["not kvm_intel's"]),
    ({"module": "kvm_amd"}, ["not kvm_intel's"]),
    ({"maker": "CentaurHauls"}, ["neither Intel's nor AMD's"]),
])
def test_kvm_why_not(tmp_path, host, words):
    """What is missing, and what to do about it."""
    why = kvm.why_not(_host(tmp_path, **host))
    for word in words:
        assert word in why


def test_kvm_no_right(tmp_path, monkeypatch):
    """A device that is another's."""
    root = _host(tmp_path)
    monkeypatch.setattr(kvm.os, "access", lambda path, mode: False)
    assert "group kvm" in kvm.why_not(root)


def test_kvm_empty_host(tmp_path):
    """Nothing is known of the host."""
    assert "neither" in kvm.why_not(tmp_path)
    assert kvm.vendor(tmp_path) is None


def test_kvm_command_line(tmp_path):
    """The host's processor, under the host's KVM."""
    command = vm.machine_command(machines.named("kvm"), tmp_path, 256)
    for pair in (("-accel", "kvm"), ("-cpu", "host"), ("-machine", "q35")):
        assert pair in zip(command, command[1:])
    command = vm.machine_command(machines.named("qemu-svm-bios"), tmp_path, 256)
    assert ("-accel", "tcg") in zip(command, command[1:])


@pytest.mark.skipif(kvm.why_not() is None, reason="nesting is on here")
@pytest.mark.parametrize("command", [
    [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/emu"],
    ["tools/run-pytest", "tests/gdb", "tests/emu"],
    ["tools/run"],
    ["tools/demo"],
])
def test_kvm_without_nesting_runs_nothing(command):
    """MACHINE=kvm and MACHINES=kvm: the sentence, and exit code 2."""
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False,
                          timeout=60, stdin=subprocess.DEVNULL,
                          env={**os.environ, "MACHINES": "kvm", "MACHINE": "kvm"})
    assert done.returncode == 2
    assert kvm.why_not() in done.stdout + done.stderr
    assert "passed" not in done.stdout
