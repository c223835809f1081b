"""A real gdb against the stub on the fake target (stub_on_tcp, named by STUB_ON_TCP)."""

import os
import re
import signal
import subprocess

import pexpect
import pytest

GDB = os.environ.get("GDB", "gdb")
QUIET = [
    "set confirm off",
    "set pagination off",
    "set width 0",
    "set style enabled off",
    "set architecture i386:x86-64",
]


class Stub:
    """A running stub_on_tcp. `address` is what gdb's `target remote` takes."""

    def __init__(self, *args, line="tcp"):
        program = os.environ.get("STUB_ON_TCP", "build/host/stub_on_tcp")
        self.process = subprocess.Popen(
            [program, *map(str, args), line], stdout=subprocess.PIPE, text=True
        )
        where = self.process.stdout.readline().strip()
        assert where, "stub_on_tcp did not start"
        self.address = f"127.0.0.1:{where}" if line == "tcp" else where

    def connect_commands(self):
        return QUIET + [f"target remote {self.address}"]

    def gdb(self, *commands, timeout=30):
        """Runs a gdb that connects and does these commands; its output."""
        argv = [GDB, "-batch", "-nx"]
        for command in (*self.connect_commands(), *commands):
            argv += ["-ex", command]
        run = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        return run.stdout

    def prompt(self):
        """A gdb that has connected, at its prompt."""
        return Prompt(self)

    def close(self):
        # An end of its own accord is a crash (ASan), or the time limit.
        status = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        assert status is None, f"stub_on_tcp ended with {status}"


class Prompt:
    """gdb at a terminal, for what needs keys."""

    def __init__(self, stub):
        env = dict(os.environ, TERM="dumb", INPUTRC="/dev/null")
        self.child = pexpect.spawn(GDB, ["-nx", "-q"], env=env, encoding="utf-8", timeout=20)
        self.child.expect_exact("(gdb) ")
        for command in stub.connect_commands():
            self.last = self.do(command)

    def do(self, command):
        """Does a command; what it printed."""
        self.child.sendline(command)
        self.child.expect_exact("(gdb) ")
        return self.child.before

    def run(self, command):
        """Begins a command that lets the target run."""
        self.child.sendline(command)
        self.child.expect_exact("Continuing.")

    def interrupt(self):
        self.child.sendintr()
        self.child.expect_exact("(gdb) ")
        return self.child.before

    def kill_gdb(self):
        # Not by closing its terminal: at a hangup gdb still detaches.
        self.child.kill(signal.SIGKILL)
        self.child.expect(pexpect.EOF)
        self.child.close()


@pytest.fixture
def start():
    """start(ARGS…) starts a stub; all are ended, and must not have ended before."""
    stubs = []

    def start_one(*args, **options):
        stubs.append(Stub(*args, **options))
        return stubs[-1]

    yield start_one
    for stub in stubs:
        stub.close()


@pytest.fixture
def values():
    """values(OUTPUT): what the `print` commands printed, in order."""

    def all_values(output):
        return [text.strip() for text in re.findall(r"^\$\d+ = (.*)$", output, re.MULTILINE)]

    return all_values
