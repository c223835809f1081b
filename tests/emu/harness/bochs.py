"""One Bochs: the same as a Vm, for the processor QEMU does not emulate."""

import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from . import bochs_config
from .paths import LEASH
from .vm import CannotShow, Vm


class _Relay(threading.Thread):
    """The gdb socket, joined to Bochs's UART.

    Bochs connects once, sends each byte by itself and dies of a closed line: this end stays open,
    acknowledges at once (else each byte waits 40 ms for the delayed acknowledgement) and lets one
    client after another in.
    """

    QUICKACK = 12

    def __init__(self, path, copy):
        super().__init__(daemon=True)
        self._clients = socket.socket(socket.AF_UNIX)
        self._clients.bind(str(path))
        self._clients.listen(4)
        self._bochs = socket.create_server(("127.0.0.1", 0))
        self.port = self._bochs.getsockname()[1]
        self._copy = open(copy, "wb", buffering=0)
        self._end, self._waker = os.pipe()

    def run(self):
        if self._bochs in select.select([self._bochs, self._end], [], [])[0]:
            bochs, _ = self._bochs.accept()
            bochs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(bochs)
            bochs.close()
        self._bochs.close()
        self._clients.close()
        self._copy.close()

    def _serve(self, bochs):
        client = None
        while True:
            watched = [s for s in (bochs, client, self._end) if s is not None]
            if client is None:
                watched.append(self._clients)
            ready = select.select(watched, [], [])[0]
            if self._end in ready:
                return
            if self._clients in ready:
                client, _ = self._clients.accept()
            if bochs in ready:
                data = self._receive(bochs)
                if not data:
                    return
                bochs.setsockopt(socket.IPPROTO_TCP, self.QUICKACK, 1)
                self._copy.write(data)
                client = self._pass_on(client, data)
            if client in ready:
                data = self._receive(client)
                if data:
                    bochs.sendall(data)
                else:
                    client.close()
                    client = None

    @staticmethod
    def _receive(line):
        try:
            return line.recv(65536)
        except OSError:
            return b""

    @staticmethod
    def _pass_on(client, data):
        try:
            if client is not None:
                client.sendall(data)
            return client
        except OSError:
            client.close()
            return None

    def end(self):
        """Closes both sides."""
        os.write(self._waker, b"x")
        self.join(5)


class BochsVm(Vm):
    """A running Bochs. What it has no means for is skipped, with the reason."""

    def __init__(self, machine, workdir, *, boot_args, gdb_uart="com2", memory=256, cpu=None,
                 cpus=None, uarts=True, guest=None, disks=(), extra=()):
        # Not Vm's: nothing of how QEMU is started holds here.
        if extra or not uarts or (boot_args and list(boot_args)[:1] != ["-cdrom"]):
            raise CannotShow(f"{machine.name}: starts from a CD or its disks, with two UARTs and "
                             "nothing of QEMU's")
        self.machine = machine
        self.guest = guest
        self.gdb_uart = gdb_uart
        self.workdir = Path(workdir)
        self.sockets = Path(tempfile.mkdtemp(prefix="hvtest"))
        self.gdb_socket = self.sockets / "gdb"
        self._console = self.workdir / "console.log"
        self._debugcon = self.workdir / "debugcon.log"
        self._errors = self.workdir / "bochs.err"
        self._clients = []
        self._relay = _Relay(self.gdb_socket, self.workdir / "gdb-uart.out")
        self._relay.start()
        other = "com1" if gdb_uart == "com2" else "com2"
        command = bochs_config.write(
            self.workdir, machine, cdrom=boot_args[1] if boot_args else None, memory=memory, cpu=cpu, tiny=bool(guest),
            disks=disks, cpus=cpus or machine.cpus,
            serial={other: f"mode=file, dev={self._console}",
                    gdb_uart: f"mode=socket-client, dev=127.0.0.1:{self._relay.port}"})
        environment = {**os.environ, "BXSHARE": str(bochs_config.share())}
        with open(self._errors, "wb") as errors, open(self._debugcon, "wb") as said:
            # Python ignores SIGPIPE; Bochs is to inherit that.
            self.process = subprocess.Popen(
                [*LEASH, *command], stdin=subprocess.DEVNULL, stdout=said, stderr=errors,
                cwd=self.workdir, env=environment, restore_signals=False, start_new_session=True)

    def qmp(self, command, **arguments):
        """There is none."""
        raise CannotShow(f"{self.machine.name}: Bochs has no monitor to ask for {command}")

    def screen(self):
        """Nobody to ask."""
        self.qmp("the screen")

    def wait_exit(self, timeout=30):
        """A guest cannot end Bochs, and a reset of the machine starts it again."""
        raise CannotShow(f"{self.machine.name}: no device by which a guest ends Bochs")

    def stop(self):
        """Ends Bochs and every client started here."""
        for client in self._clients:
            client.close()
        if self.alive():
            os.killpg(self.process.pid, 15)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, 9)
                self.process.wait()
        self._relay.end()
        shutil.rmtree(self.sockets, ignore_errors=True)
