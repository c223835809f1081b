"""What the sessions of the demo are made of: a gdb on a terminal, and commands whose answers are
checked."""

import os
import pty
import re
import select
import signal
import termios
import textwrap
import time

from harness import paths, vm as virtual

FOLDER = paths.BUILD / "demo"
STEP_SECONDS = 90  # until a step has failed; times the slowness of the machine
WIDTH = 80


class DemoError(Exception):
    """A step did not do what it should."""


def say(text=""):
    """A line or more, at once."""
    print(text, flush=True)


class Progress:
    """Says what is waited for once that takes longer than 2 s, and again every 10 s."""

    def __init__(self, what, before=lambda: None):
        self._what = what
        self._before = before
        self._start = time.monotonic()
        self._next = 2

    def tick(self):
        """To be called often."""
        seconds = time.monotonic() - self._start
        if seconds >= self._next:
            self._before()
            say(f"    ... {self._what} ({seconds:.0f} s)")
            self._next += 10


class Terminal:
    """A gdb on a terminal of its own."""

    PROMPT = "\x01ready\x02"

    def __init__(self, machine_runs, slowness):
        self._check = machine_runs  # raises when the machine is no longer well
        self._slowness = slowness
        self._log = open(FOLDER / "gdb.log", "w", encoding="utf-8")
        self._buffer = ""
        self._shown = 0  # characters of it
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            self._become_gdb()
        self.read("gdb's start")

    def _become_gdb(self):
        settings = termios.tcgetattr(0)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(0, termios.TCSANOW, settings)
        os.chdir(FOLDER)
        os.environ.update(TERM="dumb", LC_ALL="C")
        try:
            os.execvp(paths.GDB, gdb_command() + [
                "-ex", "set editing off", "-ex", "set pagination off",
                "-ex", "set style enabled off", "-ex", "set print elements 60",
                "-ex", f"set width {WIDTH}", "-ex", f"set prompt {self.PROMPT}"])
        except OSError as error:
            print(f"{paths.GDB}: {error.strerror}")
        os._exit(127)

    def _pump(self):
        """Takes what gdb says within a moment."""
        if not select.select([self._terminal], [], [], 0.1)[0]:
            return
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # how a terminal says that nobody is left on it
            data = b""
        if not data:
            raise DemoError(f"gdb ended: {self._buffer.strip()}")
        text = data.decode("utf-8", "replace").replace("\r", "")
        self._log.write(text)
        self._log.flush()
        self._buffer += text

    def read(self, what, press=None):
        """Shows and returns all up to the next prompt. Once press() is true, Ctrl-C is pressed."""
        deadline = time.monotonic() + STEP_SECONDS * self._slowness
        progress = Progress(what, self._show)
        while self.PROMPT not in self._buffer:
            self._pump()
            self._check()
            progress.tick()
            if press and press():
                self._show()
                say("^C")
                os.write(self._terminal, b"\x03")
                press = None
            if time.monotonic() > deadline:
                raise DemoError(f"waited {STEP_SECONDS * self._slowness:.0f} s for {what}")
        text = self._buffer.split(self.PROMPT, 1)[0]
        self._show(len(text))
        self._buffer = self._buffer[len(text) + len(self.PROMPT):]
        self._shown = 0
        return text

    def _show(self, end=None):
        """Prints what gdb said and was not shown yet, up to a place in the buffer."""
        text = self._buffer[self._shown:end].strip("\n")
        if text:
            say(text)
        self._shown = len(self._buffer) if end is None else end

    def send(self, command):
        """Types a command."""
        self._log.write(f"(gdb) {command}\n")
        os.write(self._terminal, command.encode() + b"\n")

    def close(self):
        """Ends gdb, however it is."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._terminal)
        self._log.close()


def gdb_command():
    """gdb with what both kinds of session want."""
    return [paths.GDB, "-nx", "-q", "-ex", "set confirm off", "-ex", "set debuginfod enabled off",
            "-ex", "set remotetimeout 20"]


class Session:
    """The script's words: explain, and do a command and check its answer."""

    def __init__(self, gdb):
        self.gdb = gdb
        self.number = 0

    def step(self, title):
        """What comes next, in a line or two."""
        self.number += 1
        say()
        say(textwrap.fill(f"{self.number}. {title}", WIDTH, subsequent_indent="   "))

    def do(self, command, expect="", press=None, what=None):
        """Shows a command with its answer, which must match."""
        say(f"(gdb) {command}")
        self.gdb.send(command)
        text = self.gdb.read(what or f"the answer to: {command}", press=press)
        found = re.search(expect, text)
        if not found:
            raise DemoError(f"`{command}` should have answered something like: {expect}")
        return found

    def attach(self, expect):
        """gdb with the kernel's symbols, on the serial line. The match of the answer."""
        self.do("file ../kernel/vmlinux.sym", r"Reading symbols from \S*vmlinux\.sym")
        return self.do("target remote ./com2", expect)

    def to_start_kernel(self, what):
        """By a hardware breakpoint; what: what is waited for."""
        self.do("hbreak start_kernel", r"Hardware assisted breakpoint \d+ at 0xffffffff\w+")
        self.do("continue", r"Breakpoint \d+, 0x\w+ in start_kernel \(\)", what=what)

    def show_kernel(self):
        """At start_kernel: who called, the registers, and which kernel this is."""
        self.do("bt 2", r"#0 +0x\w+ in start_kernel \(\)")
        self.do("info registers rip rsp cs cr0 cr3 cr4 efer", r"efer +0x[0-9a-f]*[4-7d]01\b")
        self.do("x/s &linux_banner", r'"Linux version \d+\.')

    def let_go(self, machine):
        """gdb detaches, and the kernel goes on."""
        self.do("detach", r"Detaching from program|Inferior 1 .* detached")
        goes_on(machine)


def short(address):
    """An address as `x` writes it."""
    return hex(int(address, 16))


def shown(path):
    """A path as short as it can be said."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def check_machine(machine):
    """Raises when the machine is gone or gdbvisor gave up."""
    console = machine.console()
    for bad in (virtual.PANIC, virtual.REFUSAL):
        if bad in console:
            raise DemoError(console[console.index(bad):].splitlines()[0])
    if not machine.alive():
        raise DemoError(f"the machine ended with code {machine.process.returncode}")


def goes_on(machine):
    """Waits for two more ticks of the kernel's init, nothing complaining, and shows them."""
    ticks = machine.console().count("INIT: tick")
    progress = Progress("ticks of the init")
    deadline = time.monotonic() + STEP_SECONDS * machine.machine.slowness
    while machine.console().count("INIT: tick") < ticks + 2:
        check_machine(machine)
        progress.tick()
        if time.monotonic() > deadline:
            raise DemoError("after the detach the kernel's init prints no more ticks")
        time.sleep(0.1)
    lines = machine.console().replace("\r", "")
    trouble = re.search(r"(?m)^.*(BUG: |Oops|WARNING: CPU|NMI received for unknown reason).*$", lines)
    if trouble:
        raise DemoError(f"the kernel complains: {trouble[0]}")
    say()
    say("The end of the kernel's console:")
    for line in lines[lines.index("INIT: reached"):].splitlines():
        say(f"    {line[:WIDTH - 4]}")
