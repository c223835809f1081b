"""Fixtures of the emulator tests: the machines, and booting them."""

import os
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import machines  # noqa: E402
from harness import build, capabilities, paths  # noqa: E402

NO_MACHINE = machines.Machine("none")
LEFT = pytest.StashKey()  # the tests left to make test-full: [(test, reason)]


def pytest_configure(config):
    for line in ("needs(*capabilities): what the machine must be able to show",
                 "firmware(kind, emulator=...): of all machines with this firmware, and of no others",
                 "every_machine: runs on all machines, not only on each vendor's primary one",
                 "smoke: of these, the few for machines that take long to start",
                 "long: takes half a minute and more in the slowest emulator",
                 "neutral: about what lies above the processor; one emulator is enough",
                 "linux: needs the Debian kernel of tools/get-kernel"):
        config.addinivalue_line("markers", line)
    config.stash[LEFT] = []
    try:
        wanted = machines.selected()
    except ValueError as error:
        pytest.exit(f"MACHINES: {error}", returncode=2)
    why = machines.why_not(wanted)
    if why:
        pytest.exit(why, returncode=2)


def _is_for(machine, marks):
    """Whether a test with these marks is one of a machine's."""
    if "firmware" in marks:
        wanted = marks["firmware"]
        return (machine.firmware == wanted.args[0] and not machine.oracle
                and machine.emulator == wanted.kwargs.get("emulator", machine.emulator))
    return machine.primary or "every_machine" in marks


def pytest_generate_tests(metafunc):
    if "machine" not in metafunc.fixturenames:
        return
    marks = {mark.name: mark for mark in reversed(list(metafunc.definition.iter_markers()))}
    chosen = []
    for machine in machines.selected():
        if not _is_for(machine, marks):
            continue
        left = None if machines.everything() else machine.left_out(marks)
        if left:
            metafunc.config.stash[LEFT].append(
                (f"{metafunc.definition.nodeid.split('::')[-1]}", f"{machine.name}: {left}"))
        else:
            chosen.append(machine)
    metafunc.parametrize("machine", chosen or [NO_MACHINE], ids=lambda machine: machine.name)


def _machine(item):
    return item.callspec.params.get("machine") if hasattr(item, "callspec") else None


def pytest_collection_modifyitems(config, items):
    """Without those that none of this run's machines is for. Long ones first, and spread, so that
    parallel processes get like shares."""
    def cost(item):
        machine = _machine(item)
        weight = 5 if item.get_closest_marker("linux") else 1
        return weight * (machine.slowness if machine else 1)

    here = [item for item in items if _machine(item) is not NO_MACHINE]
    config.hook.pytest_deselected(items=[item for item in items if item not in here])
    by_cost = sorted(here, key=lambda item: -cost(item))
    items[:] = [item for first in range(8) for item in by_cost[first::8]]


def pytest_runtest_setup(item):
    machine = _machine(item)
    for mark in item.iter_markers("needs") if machine else ():
        for capability in mark.args:
            why = capabilities.why_not(machine, capability)
            if why:
                pytest.skip(f"{machine.name}: {why}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for vm in getattr(item, "machines_started", []):
            report.sections.append(("machine", vm.report()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A parallel process ends: each has seen all tests."""
    node.config.stash[LEFT] = getattr(node, "workeroutput", {}).get("left", [])


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash[LEFT]


def _left_lines(left):
    """What was left to make test-full, a paragraph for each reason."""
    for reason, count in Counter(why for _, why in left).items():
        yield f"left to make test-full ({count}), {reason}:"
        names = ", ".join(test.removeprefix("test_") for test, why in left if why == reason)
        yield textwrap.fill(names, 96, initial_indent="    ", subsequent_indent="    ")


def pytest_terminal_summary(terminalreporter, config):
    """The last lines: what was skipped or left out, and why. TEST_LEFT= names a file for the
    latter."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("skipped, by name and reason")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        terminalreporter.write_line(f"{report.nodeid}: {str(reason).removeprefix('Skipped: ')}")
    lines = list(_left_lines(config.stash[LEFT]))
    for line in lines:
        terminalreporter.write_line(line)
    if os.environ.get("TEST_LEFT") and not hasattr(config, "workerinput"):
        Path(os.environ["TEST_LEFT"]).write_text("".join(f"{line}\n" for line in lines),
                                                 encoding="ascii")


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
        vm = capabilities.kind(machine)(machine, workdir, boot_args=boot_args, **kwargs)
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
        cpus = kwargs.get("cpus", machine.cpus)
        if cpus > 1 and "ap=" not in options and not capabilities.auto_starts_cpus(machine):
            line += " ap=icr"
        image = build.hypervisor_iso(line, [(guest, cmdline), *modules], setup)
        vm = start(["-cdrom", image], guest=tiny, gdb_uart=gdb_uart, **kwargs)
        if wait:
            running = "stop=none" in options
            vm.wait_console("guest: running" if running else "gdb: waiting on")
        return vm
    return run


@pytest.fixture(scope="session")
def sector_image():
    """sector_image("probe"): the built boot sector."""
    return build.Sector


@pytest.fixture
def boot_disk(start, sector_image):
    """boot_disk(sector, options): gdbvisor from a CD, then the disk with this boot sector.

    sector: the name of one in tests/sector, or the path of a disk image."""
    def run(sector, options="guest=disk:0", wait=True, disks=None, setup=(), **kwargs):
        tiny = sector_image(sector) if isinstance(sector, str) else None
        console = "" if "console=" in options else "console=com1"
        image = build.hypervisor_iso(f"gdb=com2 {console} {options}", [], setup)
        vm = start(["-cdrom", image, "-boot", "d"], guest=tiny, gdb_uart="com2",
                   disks=[tiny.disk() if tiny else sector] if disks is None else disks,
                   **kwargs)
        if wait:
            vm.wait_console("guest: running" if "stop=none" in options else "gdb: waiting on")
        return vm
    return run


@pytest.fixture(scope="session")
def linux():
    """The Debian kernel of the build folder: (vmlinuz, initrd, symbols)."""
    for path in (paths.KERNEL, paths.INITRD):
        if not path.exists():
            pytest.fail(f"{path} is missing: run tools/get-kernel")
    return paths.KERNEL, paths.INITRD, paths.KERNEL_SYMBOLS
