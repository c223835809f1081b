"""A program that debugs, inside of a Linux that is debugged."""

import re

import pytest

from harness import build
from test_linux import CMDLINE, _symbols

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.linux, pytest.mark.long]

OFTEN = 1000000  # a breakpoint that gdb passes over so many times


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


def _busy_outside(gdb, symbols):
    """From start_kernel on, a breakpoint of each kind and a watchpoint that gdb goes on from by
    itself."""
    start_kernel, getpid, getppid, forks = symbols
    gdb.run_to(start_kernel, 120)
    for number, command in enumerate((f"break *{getppid:#x}", f"hbreak *{getpid:#x}",
                                      f"watch *(long *){forks:#x}"), 2):
        gdb.run(command)
        gdb.run(f"ignore {number} {OFTEN}")
    gdb.cont()


def test_debugging_inside_is_the_same(program):
    """HAXM-15, DR-7, DR-8, BP-4, WHPX-8, WHPX-12: steps and debug registers by ptrace, TF, INT1 and
    INT3 of a program's own: the same bare, under gdbvisor, with gdb there, and with gdb's own
    breakpoints and watchpoints being hit."""
    symbols = _symbols("start_kernel", "__x64_sys_getpid", "__x64_sys_getppid", "total_forks")
    vm = program(None)
    bare = _results(vm)
    vm.stop()
    assert len(bare) > 10
    vm = program("stop=none")
    assert _results(vm) == bare
    vm.stop()
    vm = program()
    gdb = vm.gdb()
    gdb.cont()
    assert _results(vm) == bare
    vm.stop()
    vm = program()
    gdb = vm.gdb()
    _busy_outside(gdb, symbols)
    assert _results(vm) == bare
    hits = re.findall(r"already hit (\d+) times", gdb.run("info breakpoints"))
    assert len(hits) == 3 and all(int(count) >= 2 for count in hits)
