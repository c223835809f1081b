"""lldb on a machine; what all clients can is tested on the host (tests/gdb/test_clients.py)."""

import os
import shutil

import pexpect
import pytest

LLDB = next((name for name in ("lldb", "lldb-14") if shutil.which(name)), None)


@pytest.mark.needs("gdbvisor")
def test_user_5_lldb(boot):
    """lldb connects, reads registers and memory, steps, breaks, and lets the guest go."""
    if LLDB is None:
        pytest.skip("lldb is not installed (Debian package lldb-14)")
    vm = boot("hello64")
    slow = vm.machine.slowness
    child = pexpect.spawn(LLDB, ["--no-lldbinit", "--no-use-colors"], encoding="utf-8",
                          timeout=30 * slow, env=dict(os.environ, TERM="dumb", LC_ALL="C"))

    def do(command, expected):
        child.sendline(command)
        child.expect(expected)
        return child.match

    child.expect_exact("(lldb) ")
    do(f"settings set plugin.process.gdb-remote.packet-timeout {int(20 * slow)}", "settings")
    do(f"process connect --plugin gdb-remote unix-connect://{vm.gdb_socket}", "Process 1 stopped")
    start, main = vm.guest["start"], vm.guest["main"]
    assert int(do("register read rip", r"rip = 0x(\w+)")[1], 16) == start
    do("thread step-inst", "stop reason = instruction step")
    assert start < int(do("register read rip", r"rip = 0x(\w+)")[1], 16) < start + 16
    do(f"breakpoint set -a {main:#x}", "address = ")
    do("process continue", r"stop reason = breakpoint 1\.1")
    assert int(do("register read rip", r"rip = 0x(\w+)")[1], 16) == main
    assert int(do("register read efer", r"efer = 0x(\w+)")[1], 16) & 0x400
    do("breakpoint delete -f", "All breakpoints removed")
    do("detach", "Process 1 detached")
    child.sendline("quit")
    child.expect(pexpect.EOF)
    vm.wait_said("hello64: ok")
