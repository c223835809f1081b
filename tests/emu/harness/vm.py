"""One QEMU: started without a display, watched through its logs, and ended."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from machines import FIRMWARE

from . import efi_variables, screen
from .gdbmi import Gdb
from .paths import LEASH, QEMU
from .rsp import RawRsp

PANIC = "gdbvisor: panic: "
REFUSAL = "gdbvisor: cannot start: "


class VmError(AssertionError):
    """The machine did not do what was waited for."""


class CannotShow(unittest.SkipTest):
    """This machine has no means for what is asked of it. pytest takes it for a skip."""


def machine_command(machine, folder, memory, cpu=None, firmware=None, cpus=None):
    """QEMU's command line for a machine: processors, memory (MiB) and firmware (or another one of
    FIRMWARE), whose variables are kept in a folder; without displays, lines and media."""
    command = [QEMU, "-machine", machine.board, "-accel", machine.accel,
               "-cpu", cpu or machine.cpu, "-m", str(memory),
               "-smp", str(cpus or machine.cpus), "-no-reboot", "-net", "none"]
    if machine.firmware != "bios":
        code, variables = FIRMWARE[firmware or machine.firmware]
        own = Path(folder) / "vars.fd"
        shutil.copy(variables, own)
        command += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
                    "-drive", f"if=pflash,format=raw,unit=1,file={own}"]
        if "secboot" in code:  # only SMM may write to the flash
            command += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return command


class Vm:
    """A running machine.

    The UART that gdb uses (`gdb_uart`, "com1" or "com2") is a unix socket, the other one a file
    with what was said on it (`console()`); the debug console of guests is a file (`said()`). `disks`
    are images of hard disks, in the BIOS's order; what is written to them is lost. `firmware`: another
    one of machines.FIRMWARE than the machine's. `boot_entries`: the boot order of its variables, as of
    efi_variables.add_boot_entries().
    """

    def __init__(self, machine, workdir, *, boot_args, gdb_uart="com2", memory=256, cpu=None,
                 cpus=None, uarts=True, guest=None, disks=(), firmware=None, boot_entries=(),
                 extra=()):
        self.machine = machine
        self.guest = guest
        self.gdb_uart = gdb_uart
        self.workdir = Path(workdir)
        self.sockets = Path(tempfile.mkdtemp(prefix="hvtest"))  # short: socket paths are limited
        self.gdb_socket = self.sockets / "gdb"
        self._console = self.workdir / "console.log"
        self._debugcon = self.workdir / "debugcon.log"
        self._errors = self.workdir / "qemu.log"
        self._clients = []
        command = machine_command(machine, self.workdir, memory, cpu, firmware, cpus)
        if boot_entries:
            efi_variables.add_boot_entries(self.workdir / "vars.fd", boot_entries)
        command += ["-display", "none", "-debugcon", f"file:{self._debugcon}",
                    "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                    "-qmp", f"unix:{self.sockets}/qmp,server=on,wait=off"]
        command += self._serial_args(uarts)
        for number, image in enumerate(disks):
            command += ["-drive", f"file={image},format=raw,index={number},snapshot=on"]
        command += list(boot_args) + list(extra)
        (self.workdir / "qemu.cmd").write_text(" ".join(map(str, command)) + "\n")
        with open(self._errors, "wb") as errors:
            self.process = subprocess.Popen([*LEASH, *map(str, command)], stdin=subprocess.DEVNULL,
                                            stdout=errors, stderr=errors)
        wanted = [self.sockets / "qmp"] + ([self.gdb_socket] if uarts else [])
        self._wait("QEMU's sockets", lambda: all(path.exists() for path in wanted), 20)

    def _serial_args(self, uarts):
        if not uarts:
            return ["-serial", "none"]
        gdb = ["-chardev", f"socket,id=gdb,path={self.gdb_socket},server=on,wait=off,"
                           f"logfile={self.workdir}/gdb-uart.out"]
        if self.machine.oracle:
            return ["-serial", f"file:{self._console}", "-gdb", f"unix:{self.gdb_socket},"
                    "server=on,wait=off", "-S"]
        console = ["-serial", f"file:{self._console}"]
        stub = ["-serial", "chardev:gdb"]
        return gdb + (console + stub if self.gdb_uart == "com2" else stub + console)

    # ---- what it says ----------------------------------------------------------------------------

    @staticmethod
    def _text(path):
        try:
            return path.read_bytes().replace(b"\0", b"").decode("latin-1")
        except FileNotFoundError:
            return ""

    def console(self):
        """All that came out of the UART that is not gdb's."""
        return self._text(self._console)

    def said(self):
        """All that the guest wrote on its debug console, from its first own line on."""
        return self._text(self._debugcon)

    def alive(self):
        """Whether QEMU runs."""
        return self.process.poll() is None

    def _wait(self, what, ready, timeout, dead_is_fine=False, fatal=(PANIC, REFUSAL)):
        """Waits until ready() returns something; fails at once on a panic or when QEMU ends."""
        deadline = time.monotonic() + timeout * self.machine.slowness
        while True:
            running = self.alive()
            found = ready()
            if found:
                return found
            console = self.console()
            for bad in fatal:
                if bad in console:
                    raise VmError(f"waiting for {what}, but: "
                                  f"{console[console.index(bad):].splitlines()[0]}")
            if not running and not dead_is_fine:
                raise VmError(f"the emulator ended ({self.process.returncode}), waiting for {what}")
            if time.monotonic() > deadline:
                raise VmError(f"waited {timeout * self.machine.slowness:.0f} s for {what}")
            time.sleep(0.05)

    def wait_console(self, text, timeout=60, refused=False):
        """Waits for text on the console and returns the console's text. refused: a refusal there
        is no reason to end."""
        return self._wait(f"{text!r} on the console",
                          lambda: self.console() if text in self.console() else None, timeout,
                          fatal=(PANIC,) if refused else (PANIC, REFUSAL))

    def wait_said(self, text, timeout=30):
        """Waits for text of the guest's and returns all it said."""
        return self._wait(f"{text!r} from the guest",
                          lambda: self.said() if text in self.said() else None, timeout)

    def wait_refusal(self, timeout=60):
        """Waits for gdbvisor to refuse, and returns its sentence."""
        def sentence():
            console = self.console()
            if REFUSAL not in console:
                return None
            rest = console[console.index(REFUSAL) + len(REFUSAL):]
            return rest.splitlines()[0].strip() if "\n" in rest else None
        return self._wait("a refusal", sentence, timeout, fatal=(PANIC,))

    def wait_exit(self, timeout=30):
        """Waits for QEMU to end by itself, and returns its code."""
        return self._wait("QEMU's end", lambda: None if self.alive() else (True,), timeout,
                          dead_is_fine=True) and self.process.returncode

    def cpu_seconds(self):
        """User and system time of QEMU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100.0

    # ---- who talks to it -------------------------------------------------------------------------

    def gdb(self, symbols=None, connect=True, **kwargs):
        """A gdb on the debug UART; with the guest's symbols unless told otherwise."""
        if symbols is None and self.guest is not None:
            symbols = self.guest.elf
        number = len(self._clients)
        client = Gdb(self.gdb_socket, symbols, self.workdir / f"gdb-{number}.log",
                     slowness=self.machine.slowness, **kwargs)
        self._clients.append(client)
        if connect:
            client.connect()
            if self.machine.oracle and number == 0:
                client.run_to(self.guest["start"])  # it stops at reset
        return client

    def rsp(self):
        """A raw protocol client on the debug UART."""
        client = RawRsp(self.gdb_socket, self.workdir / f"rsp-{len(self._clients)}.log")
        self._clients.append(client)
        return client

    def qmp(self, command, **arguments):
        """One QMP command; returns its result."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(str(self.sockets / "qmp"))
            stream = link.makefile("rw")
            stream.readline()
            for request in ({"execute": "qmp_capabilities"},
                            {"execute": command, "arguments": arguments}):
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                while True:
                    reply = json.loads(stream.readline())
                    if "error" in reply:
                        raise VmError(f"QMP {command}: {reply['error']}")
                    if "return" in reply:
                        break
            return reply["return"]

    def hmp(self, line):
        """One line of QEMU's monitor for people; returns what it printed."""
        return self.qmp("human-monitor-command", **{"command-line": line})

    def wait(self, what, ready, timeout):
        """Waits until ready() returns something."""
        return self._wait(what, ready, timeout)

    def screen(self):
        """What stands on the screen, in text or graphics mode, a line each."""
        dump = self.sockets / "screen"
        self.qmp("pmemsave", val=0xb8000, size=4000, filename=str(dump))
        text = screen.text_mode(dump.read_bytes())
        if text.strip() and self.machine.firmware == "bios":
            return text
        self.qmp("screendump", filename=str(dump))
        return screen.picture(dump.read_bytes())

    def wait_screen(self, text, timeout=60):
        """Waits for text on the screen and returns all that stands there."""
        def found():
            time.sleep(0.5)
            shown = self.screen()
            return shown if text in shown else None
        return self._wait(f"{text!r} on the screen", found, timeout)

    def gdb_line(self):
        """Everything gdbvisor has sent on gdb's UART, listened to or not."""
        return self._text(self.workdir / "gdb-uart.out")

    def nmi(self):
        """The machine's NMI button."""
        self.qmp("inject-nmi")

    def press(self, *keys):
        """Presses keys, each by its QMP name ("down", "ret")."""
        for key in keys:
            self.qmp("send-key", keys=[{"type": "qcode", "data": key}])
            time.sleep(0.3)

    # ---- the end ---------------------------------------------------------------------------------

    def stop(self):
        """Ends QEMU and every client started here."""
        for client in self._clients:
            client.close()
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def report(self):
        """The tails of all logs, for a failed test."""
        parts = [f"(logs in {self.workdir})"]
        for path in sorted(self.workdir.glob("*.log")) + [self.workdir / "gdb-uart.out"]:
            lines = [line for line in self._text(path).splitlines()
                     if "TCG doesn't support requested feature" not in line]
            if lines:
                tail = "\n".join(line[:300] for line in lines[-25:])
                parts.append(f"---- {path.name}\n{tail}")
        return "\n".join(parts)
