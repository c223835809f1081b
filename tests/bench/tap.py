"""A relay between gdb and the stub that counts bytes and round trips."""

import selectors
import socket
import threading
import time


class Tap:
    """Listens at `path` for one gdb and passes every byte on to the socket `stub`."""

    def __init__(self, stub, path):
        self.path = path
        self._lock = threading.Lock()
        self._events = []  # (when, bytes, whether a round trip ended)
        self._gdb_spoke = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._stub = socket.socket(socket.AF_UNIX)
        self._stub.connect(str(stub))
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def _relay(self):
        gdb, _ = self._listener.accept()
        with selectors.DefaultSelector() as ready, gdb:
            ready.register(gdb, selectors.EVENT_READ)
            ready.register(self._stub, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    try:
                        data = key.fileobj.recv(65536)
                    except OSError:
                        return
                    if not data:
                        return
                    self._count(data, key.fileobj is gdb)
                    (self._stub if key.fileobj is gdb else gdb).sendall(data)

    def _count(self, data, from_gdb):
        """A round trip: the stub speaks (more than an ack) after gdb did."""
        speaks = data.strip(b"+") != b""
        trip = speaks and not from_gdb and self._gdb_spoke
        if speaks:
            self._gdb_spoke = from_gdb
        with self._lock:
            self._events.append((time.time(), len(data), trip))

    def counts(self, begin, end):
        """(bytes both ways, round trips) between two times of time.time()."""
        with self._lock:
            events = [event for event in self._events if begin <= event[0] < end]
        return sum(event[1] for event in events), sum(event[2] for event in events)

    def close(self):
        """Hangs up."""
        self._listener.close()
        self._stub.close()
