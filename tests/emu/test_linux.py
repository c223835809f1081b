"""A Debian kernel as the guest."""

import re
import time

import pytest

from harness import build, paths
from harness.gdbmi import GdbError

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.linux]

CMDLINE = "console=ttyS0 quiet panic=-1 nokaslr"
READY = "INIT: reached"
COMFORT = [f"source {paths.ROOT}/tools/gdbvisor.py"]


@pytest.fixture
def kernel(boot, linux):
    """kernel(options, more on the command line): gdbvisor with the Debian kernel."""
    vmlinuz, initrd, _ = linux

    def run(options="", more="", kaslr=False):
        line = CMDLINE.replace(" nokaslr", "") if kaslr else CMDLINE
        return boot(vmlinuz, options=options, cmdline=f"{line} {more}".strip(),
                    modules=[(initrd, "")], memory=512)
    return run


def _symbols(*names):
    """Addresses of kernel symbols, from the table made by tools/kallsyms."""
    done = build._run("nm", paths.KERNEL_SYMBOLS)
    table = {line.split()[-1]: int(line.split()[0], 16) for line in done.splitlines()}
    return [table[name] for name in names]


def go_to_moved_kernel(gdb):
    """From the kernel's loader, or before, on to the kernel's first write of CR4 at its new place; its
    symbols, which gdb has, are moved there. Returns by how much."""
    linked = gdb.value("(unsigned long)&start_kernel")
    gdb.monitor("catch cr4")
    while gdb.pc() < 0xFFFFFFFF80000000:
        gdb.go(240)
    assert "above where it was linked" in gdb.run("gdbvisor kaslr", timeout=120)
    gdb.monitor("catch delete all")
    slide = gdb.value("(unsigned long)&start_kernel") - linked
    assert 0 < slide < 1 << 30 and slide % (2 << 20) == 0
    return slide


@pytest.mark.every_machine
def test_linux_boots(kernel):
    """USER-10: without a debugger the kernel boots to its init and back to power-off, and says
    nothing of unknown NMIs."""
    vm = kernel("stop=none")
    console = vm.wait_console(READY, 180).split("guest: running")[1]
    assert "unknown reason" not in console
    assert not re.search(r"BUG:|Oops|WARNING:", console)


@pytest.mark.every_machine
@pytest.mark.smoke
@pytest.mark.long
def test_linux_break_in_and_detach(kernel):
    """USER-3: Ctrl-C into the booting kernel, five times, then detach: it reaches its init."""
    vm = kernel("stop=none")
    gdb = vm.gdb()
    for _ in range(5):
        gdb.cont()
        time.sleep(0.4)
        stop = gdb.interrupt()
        assert stop.signal == "SIGINT"
    gdb.detach()
    console = vm.wait_console(READY, 180)
    assert "unknown reason" not in console


def test_linux_has_the_map_that_the_monitor_shows(kernel):
    """`monitor e820` is what the kernel got, with the pieces that loading it took."""
    names = {"usable": "RAM", "ACPI data": "ACPI tables"}
    vm = kernel("stop=none", "loglevel=7")
    console = vm.wait_console("PM-Timer", 120)
    rows = re.findall(r"BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] (.*)", console)
    assert len(rows) > 4
    kernels = [(int(low, 16), int(high, 16), names.get(what.strip(), what.strip()))
               for low, high, what in rows]
    shown = re.findall(r"^([0-9a-f]+)-([0-9a-f]+)  (.*)$", vm.gdb().monitor("e820"), re.MULTILINE)
    assert [(int(low, 16), int(high, 16), what) for low, high, what in shown] == kernels


@pytest.mark.long
def test_linux_entry_start_kernel_watch(kernel, linux):
    """The session of `make demo`: entry, start_kernel, step, watchpoint, Ctrl-C, detach.

    HAXM-1, HAXM-17, HAXM-22, USER-5."""
    symbols = linux[2]
    if not symbols.exists():
        pytest.fail(f"{symbols} is missing: run tools/kallsyms")
    start_kernel, jiffies = _symbols("start_kernel", "jiffies")
    vm = kernel()
    gdb = vm.gdb(symbols=symbols)
    entry = gdb.pc()
    assert gdb.read(entry, 1) in (b"\xfc", b"\xfa")  # startup_32 and _64 begin so
    gdb.stepi()
    assert gdb.pc() == entry + 1
    gdb.run("hbreak start_kernel")
    stop = gdb.go(120)
    assert stop.pc == start_kernel
    assert "start_kernel" in gdb.run("info symbol $pc")
    gdb.run("delete")
    for _ in range(10):
        gdb.stepi()
    gdb.run("watch *(unsigned long *)&jiffies")
    stop = gdb.go(120)
    assert stop.reason == "watchpoint-trigger"
    before = gdb.read_int(jiffies)
    assert gdb.go(60).reason == "watchpoint-trigger"
    assert gdb.read_int(jiffies) != before
    gdb.run("delete")
    gdb.cont()
    time.sleep(1)
    assert gdb.interrupt().signal == "SIGINT"
    gdb.detach()
    vm.wait_console(READY, 180)


@pytest.mark.parametrize("others", [0, 5])
def test_user1_break_before_the_kernel_is_unpacked(kernel, linux, others):
    """USER-1, USER-2, HAXM-22, WHPX-13: at the first instruction of the kernel's own loader, in 32-bit
    code without paging, `break start_kernel`: it waits, through decompression and the way to long
    mode, and stops there. With more breakpoints than debug registers it is armed when paging
    changes."""
    symbols = linux[2]
    start_kernel, rest_init = _symbols("start_kernel", "rest_init")
    vm = kernel()
    gdb = vm.gdb(symbols=symbols)
    gdb.run("set breakpoint always-inserted on")
    for number in range(others):
        gdb.run(f"break *{start_kernel - 0x10000 - number:#x}")
    gdb.run("break start_kernel")
    said = gdb.monitor("break").splitlines()
    assert len(said) == others + 1
    for number, line in enumerate(said):
        assert line.endswith("not in long mode yet")
        assert line.split("  ")[1].startswith("armed" if number < 4 else "waits")
    assert gdb.go(120).pc == start_kernel
    assert "start_kernel" in gdb.run("info symbol $pc")
    lines = gdb.monitor("break").splitlines()
    assert [line.split("  ")[-1] for line in lines] == ["armed, seen by nobody"] * (others + 1)
    assert f"{start_kernel:016x}  at " in lines[-1]
    assert b"\xcc" not in gdb.read(start_kernel, 16)
    gdb.run("break rest_init")
    assert gdb.go(120).pc == rest_init
    gdb.run("delete")
    gdb.detach()
    console = vm.wait_console(READY, 180)
    assert not re.search(r"BUG:|Oops|WARNING:", console.split("guest: running")[-1])


def test_user1_break_with_kaslr(kernel, linux):
    """USER-1, USER-2: a kernel that moves itself: `gdbvisor kaslr` says when it has not yet; as soon as it runs
    where it is now, `break start_kernel` stops there; and later it is told from the IDT."""
    symbols = linux[2]
    start_kernel, rest_init = _symbols("start_kernel", "rest_init")
    vm = kernel(kaslr=True)
    gdb = vm.gdb(symbols=symbols, setup=COMFORT)
    with pytest.raises(GdbError, match="has not moved yet"):
        gdb.run(f"gdbvisor kaslr {symbols}", timeout=120)
    slide = go_to_moved_kernel(gdb)
    gdb.run("break start_kernel")
    assert gdb.go(120).pc == start_kernel + slide
    gdb.run("break rest_init")
    gdb.run(f"gdbvisor kaslr {symbols}")
    assert gdb.go(120).pc == rest_init + slide


@pytest.mark.long
def test_bp_4_linux_int3_selftest_with_breakpoints(kernel, linux):
    """BP-4, WHPX-12, WHPX-16: software breakpoints from the kernel's first instruction on, in the
    very functions that test INT3, patch alternatives and convert the entry of every function:
    each stops, and the kernel, which looks at the bytes it patches, finds nothing."""
    names = ["ftrace_init", "alternative_instructions", "int3_selftest", "rest_init"]
    vm = kernel()
    gdb = vm.gdb(symbols=linux[2])
    gdb.run("set breakpoint always-inserted on")
    gdb.run("break start_kernel")
    gdb.go(120)
    for name in names:
        gdb.run(f"break {name}")
    for name, address in zip(names, _symbols(*names)):
        assert gdb.go(120).pc == address, name
    gdb.cont()
    console = vm.wait_console(READY, 180)
    assert not re.search(r"BUG:|Oops|WARNING|int3", console.split("guest: running")[-1])


@pytest.mark.needs("ends")
def test_linux_powers_off(kernel):
    """The guest's power-off through ACPI ends the machine, as without us."""
    vm = kernel("stop=none", "hv.off")
    vm.wait_exit(240)
    assert READY in vm.console()


@pytest.mark.long
def test_linux_catches(kernel, linux):
    """The kernel's SYSCALL entry as it is set, its page tables, and its first program."""
    entry, = _symbols("entry_SYSCALL_64")
    vm = kernel()
    gdb = vm.gdb(symbols=linux[2])
    gdb.monitor("catch msr 0xc0000082 write")
    gdb.monitor("catch phase paging")
    gdb.go(60)
    assert "catch 2: phase paging begins, compatibility mode" in gdb.console
    gdb.go(120)
    assert f"catch 1: write of MSR 0xc0000082 {entry:#x}\n" in gdb.console
    gdb.monitor("catch delete 1")
    gdb.monitor("catch cr3")
    before = gdb.value("$cr3")
    gdb.go(60)
    assert f", was {before:#x}\n" in gdb.console
    gdb.monitor("catch delete all")
    gdb.monitor("catch phase ring3")
    gdb.go(180)
    assert "phase ring3 begins, 64-bit mode, ring 3\n" in gdb.console
    assert gdb.pc() < 1 << 47
    assert "ring 3" in gdb.monitor("why")
    gdb.detach()
    console = vm.wait_console(READY, 180)
    assert not re.search(r"BUG:|Oops|WARNING:", console)
