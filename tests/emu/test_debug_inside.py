"""A program that debugs, inside of a Linux that is debugged."""

import re

import pytest

from harness import build
from test_linux import CMDLINE, _symbols

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.linux, pytest.mark.long]

OFTEN = 1000000  # a breakpoint that gdb passes over so many times

# In the page of the program that its INT3s are in, too (THEIRS in tests/user/debugtest.c). It comes
# there in three loops of 6 rounds; in the last, where the program has an INT3 at the same place, twice.
THEIRS = 0x10000040
COMES_THERE = 6 + 6 + 2 * 6


@pytest.fixture
def program(start, boot, linux):
    """program(options): Linux with the program, under gdbvisor or, with None, on the bare machine."""
    vmlinuz, initrd, _ = linux
    cmdline = f"{CMDLINE} hv.debug"

    def run(options=""):
        if options is not None:
            return boot(vmlinuz, options=options, cmdline=cmdline, modules=[(initrd, "")],
                        memory=512)
        menu = (f"set timeout=0\nlinux /vmlinuz {cmdline}\ninitrd /initrd.img\nboot\n")
        image = build.iso(menu, {"vmlinuz": vmlinuz, "initrd.img": initrd})
        return start(["-cdrom", image], memory=512)
    return run


def _results(vm):
    """What the program found, a line each."""
    console = vm.wait_console("self: done", 400)
    return [line.strip() for line in console.splitlines() if line.startswith("self:")]


def _busy_outside(gdb, symbols, more):
    """From start_kernel on, a breakpoint of each kind, one in the program itself, which is not there
    yet, and a watchpoint that gdb goes on from by itself; and more in the program that are not hit."""
    start_kernel, getpid, getppid, forks = symbols
    gdb.run_to(start_kernel, 120)
    for number, command in enumerate((f"break *{getppid:#x}", f"hbreak *{getpid:#x}",
                                      f"watch *(long *){forks:#x}", f"break *{THEIRS:#x}"), 2):
        gdb.run(command)
        gdb.run(f"ignore {number} {OFTEN}")
    for number in range(more):
        gdb.run(f"break *{THEIRS + 0x100 + number:#x}")
    gdb.cont()


def _check_busy_outside(program, bare, more):
    """The program with all that: its results, and that all was hit."""
    symbols = _symbols("start_kernel", "__x64_sys_getpid", "__x64_sys_getppid", "total_forks")
    vm = program()
    gdb = vm.gdb()
    _busy_outside(gdb, symbols, more)
    assert _results(vm) == bare
    hits = [int(n) for n in re.findall(r"already hit (\d+) times", gdb.run("info breakpoints"))]
    assert len(hits) == 4 and min(hits) >= 2
    assert hits[3] == COMES_THERE
    vm.stop()


@pytest.mark.smoke
def test_debugging_inside_is_the_same(program):
    """HAXM-15, DR-7, DR-8, BP-4, WHPX-8, WHPX-12: steps, debug registers and INT3s by ptrace, TF, INT1
    and INT3 of a program's own: the same bare, under gdbvisor, with gdb there, and with gdb's own
    breakpoints and watchpoints being hit, one in the page of the program's INT3s; then with more of
    those than there are debug registers. With a second CPU, too: while that one starts, it has other
    memory at the program's addresses."""
    vm = program(None)
    bare = _results(vm)
    vm.stop()
    assert len(bare) > 10
    assert sum(", 6 INT3s," in line for line in bare) == 2
    vm = program("stop=none")
    assert _results(vm) == bare
    vm.stop()
    vm = program()
    gdb = vm.gdb()
    gdb.cont()
    assert _results(vm) == bare
    vm.stop()
    _check_busy_outside(program, bare, 0)
    _check_busy_outside(program, bare, 5)
