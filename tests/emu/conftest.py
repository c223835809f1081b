"""Fixtures of the emulator tests: the machines, and booting them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import machines  # noqa: E402
from harness import build, paths  # noqa: E402
from harness.bochs import BochsVm  # noqa: E402
from harness.vm import Vm  # noqa: E402


def pytest_configure(config):
    for line in ("needs(*capabilities): what the machine must be able to show",
                 "every_machine: runs on all machines, not only on each vendor's primary one",
                 "linux: needs the Debian kernel of tools/get-kernel"):
        config.addinivalue_line("markers", line)


def _why_not(machine, item):
    """The reason this machine cannot show this test, or None."""
    for mark in item.iter_markers("needs"):
        for capability in mark.args:
            if capability in machine.lacks:
                return f"{machine.name}: {machine.lacks[capability]}"
    return None


def pytest_generate_tests(metafunc):
    if "machine" not in metafunc.fixturenames:
        return
    every = any(metafunc.definition.iter_markers("every_machine"))
    params = []
    for machine in machines.selected():
        if not (every or machine.primary):
            continue
        why = _why_not(machine, metafunc.definition)
        marks = [pytest.mark.skip(reason=why)] if why else []
        params.append(pytest.param(machine, id=machine.name, marks=marks))
    metafunc.parametrize("machine", params)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for vm in getattr(item, "machines_started", []):
            report.sections.append(("machine", vm.report()))


def pytest_terminal_summary(terminalreporter):
    """The last lines: what was skipped, and why."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    terminalreporter.section("skipped, by name and reason")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")


@pytest.fixture(scope="session")
def guest_image():
    """guest_image("steps"): the built guest."""
    built = {}

    def get(name):
        if name not in built:
            built[name] = build.Guest(name)
        return built[name]
    return get


@pytest.fixture
def start(request, machine, tmp_path):
    """start(boot_args, ...): a machine with any media, ended with the test."""
    request.node.machines_started = []

    def run(boot_args, **kwargs):
        workdir = tmp_path / f"vm{len(request.node.machines_started)}"
        workdir.mkdir()
        kind = BochsVm if machine.emulator == "bochs" else Vm
        vm = kind(machine, workdir, boot_args=boot_args, **kwargs)
        request.node.machines_started.append(vm)
        return vm
    yield run
    for vm in request.node.machines_started:
        vm.stop()


@pytest.fixture
def boot(start, machine, guest_image):
    """boot(guest, options="", cmdline="", modules=(), wait=True, ...): gdbvisor with a guest.

    guest: the name of a tiny guest, or a path. What options do not say of gdb= and console=
    follows from gdb_uart. Waits until the stub waits for gdb (stop=entry) or the guest runs.
    """
    def run(guest, options="", cmdline="", modules=(), wait=True, gdb_uart="com2", setup=(),
            **kwargs):
        tiny = None
        if isinstance(guest, str):
            tiny = guest_image(guest)
            guest = tiny.bin
        if machine.oracle:
            args = ["-kernel", guest, "-append", cmdline]
            return start(args, guest=tiny, **kwargs)
        console = "com1" if gdb_uart == "com2" else "com2"
        line = [f"{name}={uart}" for name, uart in (("gdb", gdb_uart), ("console", console))
                if f"{name}=" not in options]
        line = " ".join(line + options.split())
        image = build.hypervisor_iso(line, [(guest, cmdline), *modules], setup)
        vm = start(["-cdrom", image], guest=tiny, gdb_uart=gdb_uart, **kwargs)
        if wait:
            running = "stop=none" in options
            vm.wait_console("guest: running" if running else "gdb: waiting on")
        return vm
    return run


@pytest.fixture(scope="session")
def linux():
    """The Debian kernel of the build folder: (vmlinuz, initrd, symbols)."""
    for path in (paths.KERNEL, paths.INITRD):
        if not path.exists():
            pytest.fail(f"{path} is missing: run tools/get-kernel")
    return paths.KERNEL, paths.INITRD, paths.KERNEL_SYMBOLS
