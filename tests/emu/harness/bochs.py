"""One Bochs: the same as a Vm, for the processor QEMU does not emulate."""

import os
import select
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from .paths import BOCHS
from .vm import Vm

SHARE = Path("/usr/share")

# Why each odd line is there: the dummy sound driver keeps Bochs from aborting where there is no
# sound card; rfb is the only display that needs nothing; GRUB's VBE calls overwrite its heap with
# this VGA BIOS, so the card has no VBE; Linux reads MSRs that Bochs does not have.
CONFIG = """\
config_interface: textconfig
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, iodebug=1, gameport=0
sound: driver=dummy, waveout=none
display_library: rfb, options="timeout=0"
memory: guest={memory}, host={memory}
romimage: file={share}/bochs/BIOS-bochs-latest, options=fastboot
vga: extension=none
vgaromimage: file={share}/bochs/VGABIOS-lgpl-latest
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path="{cdrom}", status=inserted
cpu: model={cpu}, count={cpus}, ips={ips}, quantum=16, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none
log: {log}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
magic_break: enabled=0
port_e9_hack: enabled=1
"""

# Emulated instructions a second of emulated time: few make the serial line fast, many keep an
# operating system's timers from eating the run.
IPS_TINY, IPS_SYSTEM = 4_000_000, 50_000_000


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
                 cpus=None, uarts=True, guest=None, extra=()):
        # Not Vm's: nothing of how QEMU is started holds here.
        if extra or (cpu and not cpu.startswith(("core", "bx_", "broadwell", "tigerlake"))):
            pytest.skip(f"{machine.name}: the test names QEMU's own devices or processors")
        if boot_args[0] != "-cdrom" or not uarts:
            pytest.skip(f"{machine.name}: starts from a CD, with two UARTs")
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
        config = CONFIG.format(share=SHARE, memory=memory, cdrom=boot_args[1],
                               cpu=cpu or machine.cpu, log=self.workdir / "bochs.log",
                               cpus=cpus or machine.cpus,
                               ips=IPS_TINY if guest else IPS_SYSTEM)
        other = "com1" if gdb_uart == "com2" else "com2"
        config += f"{other}: enabled=1, mode=file, dev={self._console}\n"
        config += (f"{gdb_uart}: enabled=1, mode=socket-client, "
                   f"dev=127.0.0.1:{self._relay.port}\n")
        (self.workdir / "bochsrc").write_text(config, encoding="ascii")
        (self.workdir / "go.rc").write_text("c\n", encoding="ascii")
        with open(self._errors, "wb") as errors, open(self._debugcon, "wb") as said:
            # Python ignores SIGPIPE; Bochs is to inherit that.
            self.process = subprocess.Popen(
                [BOCHS, "-q", "-f", str(self.workdir / "bochsrc"),
                 "-rc", str(self.workdir / "go.rc")],
                stdin=subprocess.DEVNULL, stdout=said, stderr=errors, cwd=self.workdir,
                restore_signals=False, start_new_session=True)

    def qmp(self, command, **arguments):
        """There is none."""
        pytest.skip(f"{self.machine.name}: Bochs has no monitor to ask for {command}")

    def screen(self):
        """Nobody to ask."""
        self.qmp("the screen")

    def wait_exit(self, timeout=30):
        """A guest cannot end Bochs, and a reset of the machine starts it again."""
        pytest.skip(f"{self.machine.name}: no device by which a guest ends Bochs")

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
