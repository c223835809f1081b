"""Other clients than gdb at its prompt: lldb, gdb-multiarch, gdb's TUI, and its debug adapter."""

import json
import os
import re
import shutil
import subprocess
import time

import pexpect
import pytest

from conftest import GDB, Stub

LLDB = next((name for name in ("lldb", "lldb-14") if shutil.which(name)), None)
ENV = dict(os.environ, TERM="dumb", LC_ALL="C")


class Lldb:
    """lldb at a terminal, on a line."""

    def __init__(self, stub):
        if LLDB is None:
            pytest.skip("lldb is not installed (Debian package lldb-14)")
        self.child = pexpect.spawn(LLDB, ["--no-lldbinit", "--no-use-colors"], env=ENV,
                                   encoding="utf-8", timeout=30)
        self.child.expect_exact("(lldb) ")
        self.do(f"process connect --plugin gdb-remote file://{stub.address}", "Process 1 stopped")

    def do(self, command, expected):
        """Types a command; what came up to a text it leads to."""
        self.child.sendline(command)
        self.child.expect(expected)
        return self.child.before + self.child.after

    def close(self):
        self.child.sendline("quit")
        self.child.expect(pexpect.EOF)
        self.child.close()


def test_lldb(start):
    """Connects, reads, steps, breaks, watches, writes, is interrupted, and detaches."""
    stub = start(line="pty")
    lldb = Lldb(stub)
    assert "0x0000000000001000" in lldb.do("register read rip", r"rip = 0x\w+")
    lldb.do("thread step-inst", "stop reason = instruction step into")
    assert "0x0000000000001001" in lldb.do("register read rip", r"rip = 0x\w+")
    assert "nop" in lldb.do("disassemble -s 0x1010 -c 1", r"0x1010: \w+")
    lldb.do("breakpoint set -a 0x1010", r"address = 0x0000000000001010")
    for _ in range(2):
        lldb.do("process continue", r"stop reason = breakpoint 1\.1")
    lldb.do("breakpoint delete -f", "All breakpoints removed")
    lldb.do("watchpoint set expression -w write -s 8 -- 0x2000", "Watchpoint created")
    lldb.do("process continue", "stop reason = watchpoint 1")
    lldb.do("watchpoint delete -f", "All watchpoints removed")
    lldb.do("memory write 0x2100 0x61 0x62 0x63", "memory write")
    lldb.do("memory read -c 4 0x2100", "61 62 63 00")
    assert "0x0000000080000011" in lldb.do("register read cr0", r"cr0 = 0x\w+")
    lldb.do("process plugin packet monitor echo hello", "hello")
    lldb.do("process continue", "resuming")
    time.sleep(0.5)
    lldb.child.sendintr()
    lldb.child.expect("stop reason = signal SIGINT")
    lldb.do("detach", "Process 1 detached")
    lldb.close()
    assert "=> 0x10" in Stub.gdb(stub, "x/i $pc")


def test_lldb_sees_all_threads(start):
    stub = start("--threads", 3, line="pty")
    lldb = Lldb(stub)
    assert "thread #3" in lldb.do("thread list", "thread #3")
    lldb.do("thread select 2", r"thread #2")
    assert "0x0000000000003000" in lldb.do("register read rip", r"rip = 0x\w+")
    lldb.do("detach", "Process 1 detached")
    lldb.close()


def test_gdb_multiarch(start):
    """The gdb of all architectures, told nothing, takes that of the description."""
    program = shutil.which("gdb-multiarch")
    if program is None:
        pytest.skip("gdb-multiarch is not installed (Debian package gdb-multiarch)")
    stub = start()
    run = subprocess.run(
        [program, "-batch", "-nx", "-ex", f"target remote {stub.address}",
         "-ex", "show architecture", "-ex", "stepi", "-ex", "break *0x1010", "-ex", "continue",
         "-ex", "print/x $cr0"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True)
    assert '(currently "i386:x86-64")' in run.stdout
    assert "Breakpoint 1, 0x0000000000001010 in" in run.stdout
    assert "$1 = 0x80000011" in run.stdout


def test_tui(start):
    """gdb's full-screen interface: registers and disassembly follow the steps."""
    stub = start()
    child = pexpect.spawn(GDB, ["-nx", "-q", "-tui", "-ex", "set confirm off"],
                          env=dict(ENV, TERM="xterm", COLUMNS="100", LINES="40"),
                          dimensions=(40, 100), encoding="utf-8", timeout=30)
    child.expect_exact("(gdb) ")
    child.sendline(f"target remote {stub.address}")
    child.expect_exact("(gdb) ")
    child.sendline("layout asm")
    child.expect("0x1010.*nop.*0x1011.*jmp.*0x1000")
    child.expect_exact("(gdb) ")
    child.sendline("layout regs")
    child.expect_exact("(gdb) ")
    for place in ("1001", "1002", "1009"):
        child.sendline("stepi")
        child.expect(f"0x0*{place}")
        child.expect_exact("(gdb) ")
    # Only the registers' window says this.
    child.sendline("stepi")
    child.expect(r"rip\b.*0x1010")
    child.sendline("quit")
    child.expect(pexpect.EOF)
    child.close()


class Dap:
    """A client of the debug adapter protocol."""

    def __init__(self):
        self.process = subprocess.Popen([GDB, "-nx", "-q", "-i", "dap"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.sequence = 0
        self.answers = {}

    def send(self, command, **arguments):
        self.sequence += 1
        body = json.dumps({"seq": self.sequence, "type": "request", "command": command,
                           "arguments": arguments}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()
        return self.sequence

    def answer(self, sequence):
        """The response to a request; others are kept."""
        while sequence not in self.answers:
            size = 0
            while (line := self.process.stdout.readline().strip()) or not size:
                assert line or not self.process.poll(), "gdb ended"
                size = int(line.split(b":")[1]) if b"Content-Length" in line else size
            message = json.loads(self.process.stdout.read(size))
            if message["type"] == "response":
                self.answers[message["request_seq"]] = message
        return self.answers[sequence]


def test_dap(start):
    """The debug adapter that gdb has from version 14 on, as editors use it."""
    version = subprocess.run([GDB, "--version"], capture_output=True, text=True, check=True).stdout
    number = int(re.search(r" (\d+)\.\d+", version)[1])
    if number < 14:
        pytest.skip(f"gdb {number} has no debug adapter (gdb -i dap comes with 14)")
    stub = start()
    dap = Dap()
    try:
        assert dap.answer(dap.send("initialize", adapterID="test"))["success"]
        attach = dap.send("attach", target=stub.address)
        done = dap.send("configurationDone")
        assert dap.answer(done)["success"]
        assert dap.answer(attach)["success"]
        threads = dap.answer(dap.send("threads"))["body"]["threads"]
        assert [thread["id"] for thread in threads] == [1]
        dap.answer(dap.send("disconnect"))
    finally:
        dap.process.kill()
        dap.process.wait()
