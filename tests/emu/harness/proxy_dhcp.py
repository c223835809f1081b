"""A proxy DHCP server on QEMU's network: it gives no addresses, but tells who boots by HTTP what.

QEMU's own network gives the address. This one sits beside it on a hub, and speaks Ethernet frames
over QEMU's socket: RFC 2131, and UEFI Specification, "HTTP Boot".
"""

import socket
import struct
import threading

OWN_IP, OWN_MAC, ANY_MAC = bytes([10, 0, 2, 9]), bytes.fromhex("525400000009"), b"\xff" * 6
COOKIE = bytes.fromhex("63825363")
PAD, TYPE, SERVER, CLASS, FILE, END = 0, 53, 54, 60, 67, 255
DISCOVER, OFFER = b"\1", b"\2"
BOOTP, UDP_HEAD, IP_HEAD, ETHERNET = 236, 8, 20, 14


def _options(packet):
    """{code: value} of a DHCP packet."""
    found, at = {}, BOOTP + len(COOKIE)
    while at < len(packet) and packet[at] != END:
        if packet[at] == PAD:
            at += 1
            continue
        length = packet[at + 1]
        found[packet[at]] = packet[at + 2:at + 2 + length]
        at += 2 + length
    return found


def _checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _frame(packet):
    """A DHCP packet to everybody, as an Ethernet frame."""
    udp = struct.pack(">HHHH", 67, 68, UDP_HEAD + len(packet), 0) + packet
    head = struct.pack(">BBHIBBH", 0x45, 0, IP_HEAD + len(udp), 0, 64, 17, 0) + OWN_IP + b"\xff" * 4
    head = head[:10] + struct.pack(">H", _checksum(head)) + head[12:]
    return ANY_MAC + OWN_MAC + b"\x08\x00" + head + udp


def answer(frame, url):
    """The frame with the offer of this address, if this is who asks for one; else None."""
    packet = frame[ETHERNET + IP_HEAD + UDP_HEAD:]
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != b"\0\x43":
        return None
    asked = _options(packet)
    if asked.get(TYPE) != DISCOVER or not asked.get(CLASS, b"").startswith(b"HTTPClient"):
        return None
    told = {TYPE: OFFER, SERVER: OWN_IP, CLASS: b"HTTPClient", FILE: url.encode()}
    head = b"\2" + packet[1:12] + bytes(16) + packet[28:44] + bytes(BOOTP - 44)
    options = b"".join(bytes([code, len(value)]) + value for code, value in told.items())
    return _frame(head + COOKIE + options + bytes([END]))


class ProxyDhcp:
    """The server; `arguments` are QEMU's for a network with it: its card is to have netdev=net."""

    def __init__(self, url):
        self.url, self.asked = url, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.arguments = ["-netdev", "user,id=user",
                          "-netdev", f"socket,id=dhcp,connect=127.0.0.1:{port}"]
        for netdev in (",netdev=user", ",netdev=dhcp", ""):
            name = f"hub{netdev[8:]}" if netdev else "net"
            self.arguments += ["-netdev", f"hubport,id={name},hubid=0{netdev}"]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with self._listener, self._listener.accept()[0] as line, line.makefile("rb") as frames:
            while size := frames.read(4):
                reply = answer(frames.read(struct.unpack(">I", size)[0]), self.url)
                if reply:
                    self.asked += 1
                    line.sendall(struct.pack(">I", len(reply)) + reply)
