"""The real gdb, driven through its machine interface (MI)."""

import os
import queue
import re
import subprocess
import threading
import time
from dataclasses import dataclass

from .paths import GDB


class GdbError(AssertionError):
    """gdb answered with an error, or not at all."""


@dataclass
class Stop:
    """Why and where the target stopped."""

    reason: str  # "breakpoint-hit", "end-stepping-range", "signal-received", ...
    signal: str  # "SIGINT", "SIGTRAP", ... or ""
    pc: int
    raw: dict


def _c_string(text, at):
    """A C string that begins at text[at] == '"': (value, index behind it)."""
    out = bytearray()
    at += 1
    plain = {"n": 10, "t": 9, "r": 13, '"': 34, "\\": 92, "e": 27, "f": 12, "v": 11, "a": 7, "b": 8}
    while text[at] != '"':
        if text[at] != "\\":
            out += text[at].encode("utf-8")
            at += 1
        elif text[at + 1] in "01234567":
            out.append(int(text[at + 1:at + 4], 8) & 0xff)
            at += 4
        else:
            out.append(plain.get(text[at + 1], ord("?")))
            at += 2
    return out.decode("utf-8", "replace"), at + 1


def _value(text, at):
    """An MI value: constant, tuple or list (of values or of results)."""
    if text[at] == '"':
        return _c_string(text, at)
    close = {"{": "}", "[": "]"}[text[at]]
    items, named = [], {}
    at += 1
    while text[at] != close:
        if text[at] == ",":
            at += 1
        match = re.compile(r"([\w-]+)=").match(text, at)
        if match:
            value, at = _value(text, match.end())
            named[match[1]] = value
            items.append(value)
        else:
            value, at = _value(text, at)
            items.append(value)
    return (named if close == "}" else items), at + 1


def parse_results(text):
    """`,name=value,...` as a dictionary."""
    results, at = {}, 0
    while at < len(text) and text[at] == ",":
        match = re.compile(r",([\w-]+)=").match(text, at)
        if not match:
            break
        results[match[1]], at = _value(text, match.end())
    return results


class Gdb:
    """One gdb. Time-outs are in seconds and multiplied by the machine's slowness."""

    def __init__(self, socket_path, symbols, log, slowness=1.0, setup=()):
        self.socket_path = socket_path
        self.slowness = slowness
        self._lines = queue.Queue()
        self._stops = []
        self._token = 0
        self.console = ""  # what the target has said while it ran
        self._log = open(log, "w", encoding="utf-8")
        env = dict(os.environ, LC_ALL="C", TERM="dumb")
        self.process = subprocess.Popen(
            [GDB, "-nx", "-q", "--interpreter=mi3"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        for setting in ("mi-async on", "confirm off", "pagination off", "width 0", "height 0",
                        "remotetimeout 20", "debuginfod enabled off", "breakpoint pending on",
                        f"remotelogfile {log}.rsp"):
            self._mi(f"-gdb-set {setting}")
        for line in setup:
            self.run(line)
        if symbols is not None:
            self.run(f"symbol-file {symbols}")

    # ---- the pipe --------------------------------------------------------------------------------

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        self._lines.put(None)

    def _next(self, deadline):
        """The next line, None at the deadline; keeps stops as they pass."""
        left = deadline - time.monotonic()
        try:
            line = self._lines.get(timeout=max(left, 0))
        except queue.Empty:
            return None
        if line is None:
            raise GdbError("gdb ended")
        self._log.write(f"{line}\n")
        self._log.flush()
        if line.startswith('@"'):
            self.console += _c_string(line, 1)[0]
        if line.startswith("*stopped"):
            self._stops.append(parse_results(line[len("*stopped"):]))
        return line

    def _mi(self, command, timeout=30):
        """One MI command: (results, text it printed). A resume is done at ^running."""
        self._token += 1
        self._log.write(f"> {command}\n")
        self.process.stdin.write(f"{self._token}{command}\n".encode())
        self.process.stdin.flush()
        text = []
        deadline = time.monotonic() + timeout * self.slowness
        while True:
            line = self._next(deadline)
            if line is None:
                raise GdbError(f"no answer to {command!r} in {timeout * self.slowness:.0f} s")
            if line[:1] in "~@" and line[1:2] == '"':
                text.append(_c_string(line, 1)[0])
            match = re.match(rf"{self._token}\^(\w+)(.*)", line)
            if match:
                results = parse_results(match[2])
                if match[1] == "error":
                    raise GdbError(f"{command}: {results.get('msg')}")
                return results, "".join(text)

    # ---- session ---------------------------------------------------------------------------------

    def connect(self, timeout=60):
        """target remote; returns gdb's text."""
        text = self.run(f"target remote {self.socket_path}", timeout)
        self._drain()
        return text

    def run_to(self, address, timeout=60):
        """Goes on to an address, by a hardware breakpoint that is gone afterwards."""
        self.run(f"hbreak *{address:#x}")
        stop = self.go(timeout)
        assert stop.pc == address, stop
        self.run("delete")

    def _drain(self, seconds=0.2):
        deadline = time.monotonic() + seconds
        while self._next(deadline) is not None:
            pass
        self._stops.clear()

    def run(self, command, timeout=30):
        """A command of gdb's command line; returns what it printed."""
        quoted = command.replace("\\", "\\\\").replace('"', '\\"')
        return self._mi(f'-interpreter-exec console "{quoted}"', timeout)[1]

    def monitor(self, text, timeout=30):
        """`monitor TEXT`'s answer."""
        return self.run(f"monitor {text}", timeout)

    def exits(self):
        """`monitor exits` as {reason: count}."""
        rows = re.findall(r"^(\S.*?)\s+(\d+)$", self.monitor("exits"), re.MULTILINE)
        return {name: int(count) for name, count in rows}

    def detach(self):
        """Lets the guest go."""
        self.run("detach")

    def disconnect(self):
        """Hangs up without a word to the stub."""
        self.run("disconnect")

    def kill(self):
        """The packet `k`."""
        self.run("kill")

    def crash(self):
        """gdb is gone in the middle of whatever it did."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """Ends gdb without a word to the stub."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(2)
        if not self._log.closed:
            self._log.close()

    # ---- running ---------------------------------------------------------------------------------

    def cont(self):
        """Resumes; wait_stop() or interrupt() comes next."""
        self._stops.clear()
        self._mi("-exec-continue")

    def wait_stop(self, timeout=20):
        """The next stop."""
        deadline = time.monotonic() + timeout * self.slowness
        while not self._stops:
            if self._next(deadline) is None and not self._stops:
                raise GdbError(f"no stop in {timeout * self.slowness:.0f} s")
        raw = self._stops.pop(0)
        pc = int(raw.get("frame", {}).get("addr", "0"), 16)
        return Stop(raw.get("reason", ""), raw.get("signal-name", ""), pc, raw)

    def still_running(self, seconds=0.5):
        """True when no stop comes for a while."""
        deadline = time.monotonic() + seconds
        while self._next(deadline) is not None:
            pass
        return not self._stops

    def go(self, timeout=20):
        """Continues to the next stop."""
        self.cont()
        return self.wait_stop(timeout)

    def interrupt(self, timeout=20):
        """Ctrl-C."""
        self._mi("-exec-interrupt")
        return self.wait_stop(timeout)

    def stepi(self, timeout=20):
        """One instruction."""
        self._stops.clear()
        self._mi("-exec-step-instruction")
        return self.wait_stop(timeout)

    def execute(self, command, timeout=20):
        """A resuming command of the command line (`finish`, `nexti 3`) to its stop."""
        self._stops.clear()
        self.run(command)
        return self.wait_stop(timeout)

    # ---- looking ---------------------------------------------------------------------------------

    def value(self, expression):
        """An expression as a number."""
        text = self.run(f"output/x {expression}")
        match = re.search(r"0x[0-9a-f]+", text)
        if not match:
            raise GdbError(f"{expression} is {text!r}")
        return int(match[0], 16)

    def pc(self):
        """$pc."""
        return self.value("$pc")

    def read(self, address, size):
        """Memory as bytes."""
        results, _ = self._mi(f"-data-read-memory-bytes {address:#x} {size}")
        return b"".join(bytes.fromhex(block["contents"]) for block in results["memory"])

    def read_int(self, address, size=8):
        """A little-endian number in memory."""
        return int.from_bytes(self.read(address, size), "little")

    def write(self, address, data):
        """Memory."""
        self._mi(f"-data-write-memory-bytes {address:#x} {data.hex()}")

    def wire(self):
        """The packets so far, as gdb's remotelogfile has them."""
        try:
            with open(f"{self._log.name}.rsp", encoding="latin-1") as log:
                return log.read()
        except FileNotFoundError:
            return ""
