"""A client of gdb's remote protocol that can also say what gdb never would."""

import re
import socket
import time
from collections import Counter


def checksum(data):
    """The two hex digits behind '#'."""
    return b"%02x" % (sum(data) & 0xff)


def frame(data):
    """A packet as it goes over the line; data must be escaped already."""
    return b"$" + data + b"#" + checksum(data)


def expand(data):
    """Undoes run-length encoding and escapes."""
    out = bytearray()
    index = 0
    while index < len(data):
        byte = data[index]
        if byte == ord("*") and out:
            index += 1
            out.extend(out[-1:] * (data[index] - 29))
        elif byte == ord("}"):
            index += 1
            out.append(data[index] ^ 0x20)
        else:
            out.append(byte)
        index += 1
    return bytes(out)


class RawRsp:
    """Bytes in, bytes out. Counts what passes: bytes, acks, naks, bytes outside of packets."""

    def __init__(self, path, log):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(str(path))
        self._log = open(log, "ab")
        self._buffer = bytearray()
        self.acks = self.naks = self.junk = 0
        self.bytes_sent = self.bytes_received = 0
        self.last_raw = b""

    def close(self):
        """Hangs up, without a word."""
        self.link.close()
        self._log.close()

    def send(self, data):
        """Bytes as they are."""
        self._log.write(b"-> " + data + b"\n")
        self._log.flush()
        self.bytes_sent += len(data)
        self.link.sendall(data)

    def _byte(self, deadline):
        while not self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.link.settimeout(left)
            try:
                data = self.link.recv(65536)
            except TimeoutError:
                return None
            if not data:
                raise ConnectionError("the line was closed")
            self._log.write(b"<- " + data + b"\n")
            self._log.flush()
            self.bytes_received += len(data)
            self._buffer += data
        byte = self._buffer[0]
        del self._buffer[0]
        return byte

    def ack(self, timeout=5):
        """Waits for '+' or '-' and returns it as text; None when nothing came."""
        deadline = time.monotonic() + timeout
        while True:
            byte = self._byte(deadline)
            if byte is None:
                return None
            if byte == ord("+"):
                self.acks += 1
                return "+"
            if byte == ord("-"):
                self.naks += 1
                return "-"
            self.junk += 1

    def receive(self, timeout=10, ack=True):
        """The next packet, decoded (bytes); None when none came. Acks on the way are counted."""
        deadline = time.monotonic() + timeout
        while True:
            byte = self._byte(deadline)
            if byte is None:
                return None
            if byte == ord("$"):
                break
            if byte == ord("+"):
                self.acks += 1
            elif byte == ord("-"):
                self.naks += 1
            else:
                self.junk += 1
        data = bytearray()
        while True:
            byte = self._byte(deadline)
            if byte is None:
                raise AssertionError(f"half a packet: {bytes(data)!r}")
            if byte == ord("#"):
                break
            data.append(byte)
        given = bytes([self._byte(deadline), self._byte(deadline)])
        assert given.lower() == checksum(data), f"wrong checksum {given!r} of {bytes(data)!r}"
        self.last_raw = bytes(data)
        if ack:
            self.send(b"+")
        return expand(data)

    def ask(self, data, timeout=10):
        """Sends a packet and returns the reply as text."""
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.send(frame(data))
        reply = self.receive(timeout)
        assert reply is not None, f"no answer to {data!r}"
        return reply.decode("latin-1")

    def quiet(self, seconds=0.5):
        """True when nothing at all comes for a while."""
        byte = self._byte(time.monotonic() + seconds)
        if byte is not None:
            self._buffer.insert(0, byte)
        return byte is None

    # ---- everyday requests -----------------------------------------------------------------------

    def read(self, address, size):
        """Memory; fails on an error reply."""
        reply = self.ask(f"m{address:x},{size:x}")
        assert not reply.startswith("E"), f"m{address:x},{size:x}: {reply}"
        return bytes.fromhex(reply)

    def read_int(self, address, size=8):
        """A little-endian number in memory."""
        return int.from_bytes(self.read(address, size), "little")

    def exits(self):
        """`monitor exits`: kind -> how many, of all CPUs together."""
        text, reply = "", self.ask("qRcmd," + b"exits".hex())
        while reply.startswith("O") and reply != "OK":
            text += bytes.fromhex(reply[1:]).decode()
            reply = self.receive().decode()
        text = text or bytes.fromhex(reply).decode()
        counts = Counter()
        for name, count in re.findall(r"^(\S.*?) {2,}(\d+)$", text, re.MULTILINE):
            counts[name] += int(count)
        return dict(counts)

    def write(self, address, data):
        """Memory by M; fails unless OK."""
        assert self.ask(f"M{address:x},{len(data):x}:{data.hex()}") == "OK"

    def pc(self):
        """Register 16 of the description: the linear RIP."""
        return int.from_bytes(bytes.fromhex(self.ask("p10")), "little")

    def resume(self, data="vCont;c"):
        """Sends a resume request; the reply is the next stop."""
        self.send(frame(data.encode()))
        assert self.ack() == "+"

    def interrupt(self, timeout=10):
        """Ctrl-C; returns the stop reply as text."""
        self.send(b"\x03")
        reply = self.receive(timeout)
        assert reply is not None, "no stop after Ctrl-C"
        return reply.decode("latin-1")

    def step(self):
        """One vCont;s; returns the stop reply."""
        return self.ask("vCont;s:1;c")
