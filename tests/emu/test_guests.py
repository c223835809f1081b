"""The tiny guests on the bare machine: what they say there is what the other tests build on."""

import re

import pytest

from harness import build
from harness.vm import Vm
from machines import Machine

BARE = Machine("bare")

WORDS = {
    "hello32": "hello32: ok",
    "hello64": "hello64: ok",
    "spin_cli": "spin_cli: ok",
    "spin_hlt": "spin_hlt: ok",
    "hlt_cli": "hlt_cli: ok",
    "steps": "steps: ok",
    "steps64": "steps64: ok",
    "bp": "bp: ok",
    "drs": "drs: ok",
    "debug_regs": "debug_regs: ok",
    "paging": "paging: ok",
    "hide": "hide: done",
    "irqs": "irqs: running",
    "cost": "cost: ok",
    "probe": "probe: asked",
    "tasks": "tasks: ok",
    "selftest": "self-test: FAILED: the processor shows its virtualisation",
    "smp": "smp: started 00000003",
}


@pytest.fixture
def bare(tmp_path, guest_image):
    """bare("steps"): that guest by QEMU's -kernel, without gdbvisor."""
    started = []

    def run(name):
        vm = Vm(BARE, tmp_path, boot_args=["-kernel", guest_image(name).bin, "-append", "auto"],
                guest=guest_image(name), cpus=4 if name == "smp" else 1)
        started.append(vm)
        return vm
    yield run
    for vm in started:
        vm.stop()


@pytest.mark.parametrize("name", WORDS)
def test_guest_bare(bare, name):
    """Each guest reaches its known-good text."""
    vm = bare(name)
    said = vm.wait_said(WORDS[name])
    assert "unexpected vector" not in said
    assert "wrong" not in said


def test_guest_bare_multiboot2(tmp_path, guest_image):
    """GRUB starts the multiboot2 guest from its ELF file, and tells it what it has to be told: what
    gdbvisor is held to in test_boot.py."""
    elf = guest_image("hello2").elf
    config = "set timeout=0\nmultiboot2 /hello2.elf some words\nboot\n"
    vm = Vm(BARE, tmp_path, boot_args=["-cdrom", build.iso(config, {"hello2.elf": elf})])
    try:
        said = vm.wait_said("hello2: ok")
    finally:
        vm.stop()
    assert "hello2: tag 00000001 00000013 some words\n" in said
    assert re.search(r"tag 00000009 \w+ \w+ \.symtab\n", said)
    assert "wrong" not in said and "bss" not in said


def test_guest_bare_triple(bare):
    """The triple fault resets the machine (-no-reboot: it ends) and nothing is said behind it."""
    vm = bare("triple")
    vm.wait_exit(20)
    assert "triple: now" in vm.said()
    assert "survived" not in vm.said()


def test_guest_bare_hide_sees_svm(bare):
    """The test of hiding can fail: on the bare machine it finds what is there."""
    said = bare("hide").wait_said("hide: done")
    for name in ("cpuid-svm", "efer-svme", "debug-uart"):
        assert f"hide: fail: {name}\n" in said
