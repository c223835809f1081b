"""UEFI boot entries, written to the file of a firmware's variables before the machine starts."""

import struct
import uuid

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c").bytes_le  # EFI_GLOBAL_VARIABLE
STORE = uuid.UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le  # authenticated variables
STORE_HEADER, STARTED, ADDED, ACTIVE = 28, 0x55AA, 0x3F, 1
KEPT = 7  # non-volatile, for boot and runtime services


def _variable(name, data):
    """As the firmware's store holds it (EDK2's AUTHENTICATED_VARIABLE_HEADER), padded."""
    text = name.encode("utf-16-le") + b"\0\0"
    header = struct.pack("<HBBIQ16xIII", STARTED, ADDED, 0, KEPT, 0, 0, len(text), len(data))
    record = header + GLOBAL + text + data
    return record + b"\xff" * (-len(record) % 4)


def _node(kind, subtype, data=b""):
    return struct.pack("<BBH", kind, subtype, 4 + len(data)) + data


END = _node(0x7F, 0xFF)


def uri(address):
    """The device path of what a firmware is to fetch from a server, by whatever card it can."""
    return _node(3, 24, address.encode()) + END


def firmware_file(volume, name):
    """The device path of a program in the firmware itself."""
    return (_node(4, 7, uuid.UUID(volume).bytes_le) + _node(4, 6, uuid.UUID(name).bytes_le) + END)


SHELL = firmware_file("7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1", "7c04a583-9e3e-4f1c-ad65-e05268d0b4d1")


def add_boot_entries(path, entries):
    """Makes them the boot order. entries: (description, device path, options)."""
    store = bytearray(path.read_bytes())
    at = store.index(STORE) + STORE_HEADER
    if store[at:at + 4] != b"\xff" * 4:
        raise ValueError(f"{path} has variables already")
    records = b""
    for number, (description, device, options) in enumerate(entries):
        option = (struct.pack("<IH", ACTIVE, len(device)) + description.encode("utf-16-le")
                  + b"\0\0" + device + options.encode("utf-16-le"))
        records += _variable(f"Boot{number:04X}", option)
    records += _variable("BootOrder", struct.pack(f"<{len(entries)}H", *range(len(entries))))
    store[at:at + len(records)] = records
    path.write_bytes(store)
