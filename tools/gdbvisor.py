"""Comfort for gdb 13 and newer on gdbvisor; nothing needs it.

    (gdb) source tools/gdbvisor.py

16-bit and 32-bit code is disassembled as what it is: gdb itself takes all code for 64-bit code. Needs
objdump. `nexti16` is `nexti` for such code: it steps over CALL, INT and REP.

`gdbvisor baud N` changes the speed of the serial line, and goes back when it does not work.

`gdbvisor kaslr [FILE]` finds where a Linux kernel has moved itself to, and moves its symbols there.

`efi-symbols` lists the images that a UEFI firmware has loaded, and loads their symbols.

`gdbvisor pt EXPRESSION`, `gdbvisor idt`: page tables and interrupt handlers, with symbols. `gdbvisor arch`:
gdb's own idea of 16-bit and 32-bit code. `gdbvisor lx-modules`: the modules of a Linux kernel. Their code
is in the folder gdbvisor beside this file.
"""

import os
import re
import select
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty

import gdb
import gdb.disassembler

LONGEST = 15  # bytes of an instruction
MACHINES = {16: "i8086", 32: "i386"}
OVER = re.compile(r"(?:data(?:16|32) |addr(?:16|32) )*(?:l?call|int|rep|loop)")


def register(name):
    """A register of the selected thread as a number."""
    value = gdb.parse_and_eval(f"${name}")  # gdb casts no flags, such as eflags
    return int(value) & (1 << 8 * value.type.sizeof) - 1


def code_bits():
    """16, 32 or 64: the width of the code that the selected CPU runs."""
    if not register("cr0") & 1 or register("eflags") & 1 << 17:
        return 16
    attributes = register("cs_attr")
    if register("efer") & 1 << 10 and attributes & 1 << 9:
        return 64
    return 32 if attributes & 1 << 10 else 16


def decode(code, address, bits):
    """The first instruction of these bytes: (its length, its text); None when it is none."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        done = subprocess.run(
            ["objdump", "-D", "-b", "binary", "-m", MACHINES[bits], "--insn-width=15",
             f"--adjust-vma={address:#x}", file.name],
            capture_output=True, text=True, check=True, env=dict(os.environ, LC_ALL="C"))
    match = re.search(r"^ *[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t(.*)$", done.stdout, re.MULTILINE)
    if not match:
        return None
    return len(match[1].split()), re.sub(r"\s+", " ", match[2].split("#")[0].strip())


def memory(read):
    """As many bytes as read(count) can give, up to an instruction's."""
    for count in range(LONGEST, 0, -1):
        try:
            return bytes(read(count))
        except gdb.MemoryError:
            pass
    return b""


class ByMode(gdb.disassembler.Disassembler):
    """Code is disassembled by the mode of the selected CPU."""

    def __init__(self):
        super().__init__("gdbvisor")

    def __call__(self, info):
        try:
            bits = code_bits()
        except gdb.error:  # another target
            return None
        if bits == 64:
            return None
        found = decode(memory(info.read_memory), info.address, bits)
        if found is None:
            return None
        length, text = found
        mnemonic, _, operands = text.partition(" ")
        return gdb.disassembler.DisassemblerResult(length, f"{mnemonic}\t{operands}".rstrip())


class NextI16(gdb.Command):
    """One instruction of 16-bit or 32-bit code; CALL, INT and REP with all they do.

gdb's own nexti does not see that an INT in real mode comes back. A breakpoint behind the instruction
ends it: what never comes back there (INT 19h) runs on until Ctrl-C."""

    def __init__(self):
        super().__init__("nexti16", gdb.COMMAND_RUNNING)

    def invoke(self, _argument, _from_tty):
        pc = register("pc")
        bits = code_bits()
        inferior = gdb.selected_inferior()
        found = None
        if bits != 64:
            found = decode(memory(lambda count: inferior.read_memory(pc, count)), pc, bits)
        if found is None or not OVER.match(found[1]):
            gdb.execute("nexti")
            return
        gdb.execute(f"tbreak *{pc + found[0]:#x}")
        gdb.execute("continue")


# ---- the line ------------------------------------------------------------------------------------

TRIAL = 20  # seconds after which gdbvisor goes back to the old speed
PATTERN = bytes(c for c in range(0x20, 0x7f) if c not in b"#$}*") + b"UU" * 64  # what a packet may hold


def packet(body):
    """A packet as it goes over the line."""
    return b"$" + body + b"#%02x" % (sum(body) & 0xff)


def line_exchange(line, body, seconds=2):
    """Sends a packet: True when it was acknowledged and a reply came, both unbroken."""
    os.write(line, packet(body))
    got, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        match = re.search(rb"\+\$([^#]*)#([0-9a-f]{2})", got)
        if match:
            os.write(line, b"+")
            return int(match[2], 16) == sum(match[1]) & 0xff
        if select.select([line], [], [], 0.1)[0]:
            got += os.read(line, 4096)
    return False


def line_works(device, speed):
    """Sends a test pattern and reads a long answer, some times."""
    constant = getattr(termios, f"B{speed}", None)
    if constant is None:
        return False
    line = os.open(device, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(line)
        attributes = termios.tcgetattr(line)
        attributes[2] |= termios.CLOCAL | termios.CREAD
        attributes[4] = attributes[5] = constant
        termios.tcsetattr(line, termios.TCSAFLUSH, attributes)
        return all(line_exchange(line, b"vTestPattern" + PATTERN)
                   and line_exchange(line, b"qXfer:features:read:target.xml:0,400")
                   for _ in range(4))
    finally:
        os.close(line)


class Baud(gdb.Command):
    """Changes the speed of the serial line to gdbvisor: gdbvisor baud N

gdbvisor is asked for it, the line is tried with a test pattern, and gdb connects anew; when that fails
both go back to the old speed. Breakpoints stay."""

    def __init__(self):
        super().__init__("gdbvisor baud", gdb.COMMAND_SUPPORT)

    @staticmethod
    def connect(device, speed):
        """Connects at a speed."""
        gdb.execute(f"set serial baud {speed}")
        gdb.execute(f"target remote {device}")

    def invoke(self, argument, _from_tty):
        if not re.fullmatch(r"[0-9]+", argument.strip()):
            raise gdb.GdbError("usage: gdbvisor baud N")
        speed, old = int(argument), gdb.parameter("serial baud") or 115200
        connection = gdb.selected_inferior().connection
        if connection is None or connection.type != "remote":
            raise gdb.GdbError("no `target remote` connection")
        device = connection.details
        answer = gdb.execute(f"monitor baud {speed}", to_string=True)
        if "in a moment" not in answer:
            raise gdb.GdbError(answer.strip())
        gdb.execute("disconnect", to_string=True)
        time.sleep(0.5)
        if not os.path.exists(device) or not stat.S_ISCHR(os.stat(device).st_mode) \
                or line_works(device, speed):
            self.connect(device, speed)
            return
        print(f"{speed} baud does not work; back to {old} in {TRIAL} seconds")
        time.sleep(TRIAL)
        self.connect(device, old)


# ---- images of a UEFI firmware -------------------------------------------------------------------

PAGE = 4096
FOUR_GIB = 1 << 32
POINTER_ALIGN = 4 << 20  # of EFI_SYSTEM_TABLE_POINTER
SIGNATURE = b"IBI SYST"  # of that, and of the system table
DEBUG_TABLE = bytes.fromhex("772e1549da1a6447b7a27afefed95e8b")  # its GUID
LARGEST = 32 << 20  # how far an image's code may be from its header, when we have to search
MOST = 1024  # images and configuration tables
CODEVIEW_PATH = {b"NB10": 16, b"RSDS": 24}  # where the path is in a CodeView record
SUFFIXES = (".debug", ".dll", ".so", ".efi")  # of files with symbols, beside the one named

pointer_seen = []  # where EFI_SYSTEM_TABLE_POINTER was the last time


def read(address, count):
    """Memory of the guest."""
    return bytes(gdb.selected_inferior().read_memory(address, count))


def fields(address, layout):
    """Memory as a little-endian struct; a single field is not wrapped."""
    values = struct.unpack("<" + layout, read(address, struct.calcsize("<" + layout)))
    return values if len(values) > 1 else values[0]


def text_at(address, most=512):
    """A string in the guest."""
    out = b""
    while len(out) < most and b"\0" not in out:
        out += read(address + len(out), 32)
    return out.split(b"\0")[0].decode("latin-1")


def stem(path):
    """The name of a file without folders and suffix."""
    return re.sub(r"\.\w+$", "", re.split(r"[/\\]", path)[-1])


class Image:
    """A PE image in the guest's memory; ValueError when there is none at that address."""

    def __init__(self, base, path=""):
        self.base = base
        magic, at = fields(base, "2s58xI")
        if magic != b"MZ" or at > PAGE:
            raise ValueError
        header = read(base + at, 24 + 112 + 7 * 8)  # up to the debug directory's place
        signature, self._sections, length, kind = struct.unpack_from("<4s2xH12xH2xH", header)
        if signature != b"PE\0\0" or kind != 0x20B:  # PE32+
            raise ValueError
        self._table = base + at + 24 + length
        self.size, directories = struct.unpack_from("<I48xI", header, 24 + 56)
        debug_path = ""
        if directories > 6:
            debug_path = self._codeview(*struct.unpack_from("<II", header, 24 + 112 + 6 * 8))
        self.name = stem(debug_path) or stem(path) or "?"
        self.file = symbols_here(debug_path)

    def _codeview(self, start, size):
        """The path of a file with debug information in the debug directory, or ""."""
        for entry in range(start, start + min(size, 10 * 28), 28):
            kind, rva = fields(self.base + entry + 12, "I4xI")
            if kind == 2 and 0 < rva < self.size:
                behind = CODEVIEW_PATH.get(read(self.base + rva, 4))
                return text_at(self.base + rva + behind) if behind else ""
        return ""

    def text(self):
        """The address of the section .text."""
        for number in range(self._sections):
            name, rva = fields(self._table + 40 * number, "8s4xI")
            if name.rstrip(b"\0") == b".text":
                return self.base + rva
        raise gdb.GdbError(f"efi-symbols: {self.name} has no section .text to go by")


def text_of_file(path):
    """The link address of .text in a file with debug information (ELF or PE); None without it."""
    done = subprocess.run(["objdump", "-h", path], capture_output=True, text=True, check=False,
                          env=dict(os.environ, LC_ALL="C"))
    found = dict(re.findall(r"^ *\d+ (\S+) +[0-9a-f]+ +([0-9a-f]+)", done.stdout, re.MULTILINE))
    return int(found[".text"], 16) if ".text" in found and ".debug_info" in found else None


def symbols_here(path):
    """The file with debug information that an image names, or one beside it; None when it is not
    on this machine."""
    names = [path] + [os.path.splitext(path)[0] + suffix for suffix in SUFFIXES] if path else []
    return next((n for n in names if os.path.isfile(n) and text_of_file(n) is not None), None)


def file_of_device_path(address):
    """What a device path ends with: a file's path, a GUID in a firmware volume, or ""."""
    found = ""
    for _ in range(32):
        kind, subtype, length = fields(address, "BBH")
        if kind == 0x7F or length < 4:
            break
        if (kind, subtype) == (4, 4):
            name = read(address + 4, min(length - 4, 1024))
            found = name.decode("utf-16-le", "replace").rstrip("\0")
        elif (kind, subtype) == (4, 6):
            a, b, c, d = fields(address + 4, "IHH8s")
            found = f"{a:08x}-{b:04x}-{c:04x}-{d[:2].hex()}-{d[2:].hex()}"
        address += length
    return found


def system_table():
    """The UEFI system table's address, or None. (UEFI, EFI System Table Pointer.) The search takes
    seconds: where the pointer was the last time is asked first."""
    for address in [*pointer_seen, *range(FOUR_GIB - POINTER_ALIGN, 0, -POINTER_ALIGN)]:
        try:
            signature, table = fields(address, "8sQ")
            if signature == SIGNATURE and read(table, 8) == SIGNATURE:
                pointer_seen[:] = [address]
                return table
        except gdb.MemoryError:  # no memory, or a device's
            continue
    return None


def images_of_firmware():
    """The images that the firmware tells debuggers of; None when it tells nothing. (UEFI, EFI
    Debug Support Table.)"""
    system = system_table()
    count, tables = fields(system + 104, "QQ") if system else (0, 0)
    for number in range(min(count, MOST)):
        guid, table = fields(tables + 24 * number, "16sQ")
        if guid == DEBUG_TABLE:
            break
    else:
        return None
    count, rows = fields(table, "4xIQ")
    count = min(count, MOST)
    found = []
    for row in struct.unpack(f"<{count}Q", read(rows, 8 * count)):
        try:
            kind, loaded = fields(row, "I4xQ") if row else (0, 0)
            if kind == 1:  # EFI_LOADED_IMAGE_PROTOCOL
                path, base = fields(loaded + 32, "Q24xQ")
                found.append(Image(base, file_of_device_path(path) if path else ""))
        except (gdb.MemoryError, ValueError):  # unloaded meanwhile, or not a PE32+ image
            continue
    return sorted(found, key=lambda image: image.base)


def image_around(address):
    """The image that holds an address, by its PE header in the pages before."""
    for base in range(address & -PAGE, max(address - LARGEST, 0), -PAGE):
        try:
            if read(base, 2) == b"MZ":
                image = Image(base)
                if address < base + image.size:
                    return image
        except ValueError:
            continue
        except gdb.MemoryError:
            break
    raise gdb.GdbError(f"efi-symbols: no PE image holds {address:#x}: no header lies before it")


def image_called(wanted):
    """The image with a name, or at the address that an expression gives."""
    named = [i for i in images_of_firmware() or [] if i.name.lower() == stem(wanted).lower()]
    if len(named) > 1:
        places = ", ".join(f"{image.base:#x}" for image in named)
        raise gdb.GdbError(f"efi-symbols: {wanted} is loaded at {places}: say which")
    if named:
        return named[0]
    try:
        address = int(gdb.parse_and_eval(f"(unsigned long)({wanted})"))
    except gdb.error as error:
        raise gdb.GdbError(
            f"efi-symbols: no image {wanted}; efi-symbols lists those there are") from error
    return image_around(address)


class EfiSymbols(gdb.Command):
    """efi-symbols: lists the images that the UEFI firmware has loaded, and loads the symbols of
those that name a file which is on this machine and has some.
efi-symbols FILE: loads the symbols of the image at $pc from FILE (ELF or PE, with DWARF).
efi-symbols FILE IMAGE: the same for the image with this name, or at this address.

Images are found by the firmware's debug table, else by searching back from $pc for a PE header. Say
it again when more has been loaded."""

    def __init__(self):
        super().__init__("efi-symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)
        self._offsets = {}  # of files with symbols

    def invoke(self, argument, _from_tty):
        file, wanted, *more = gdb.string_to_argv(argument) + [None] * 2
        if any(more):
            raise gdb.GdbError("usage: efi-symbols [FILE [IMAGE]]")
        try:
            if file:
                image = image_called(wanted) if wanted else image_around(register("pc"))
                self._load(image, os.path.abspath(os.path.expanduser(file)))
            else:
                self._list()
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"efi-symbols: the firmware's tables: {error}") from error

    def _list(self):
        images = images_of_firmware()
        if images is None:
            print("The firmware tells of no images; this one is around $pc:")
            images = [image_around(register("pc"))]
        for image in images:
            print(f"{image.base:#12x} {image.size:#9x}  {image.name}")
        for image in images:
            if image.file:
                self._load(image, image.file)
        if not any(image.file for image in images):
            print("None of them names a file with symbols that is here: efi-symbols FILE IMAGE")

    def _load(self, image, file):
        """Symbols of an image, once."""
        text = text_of_file(file)
        if text is None:
            raise gdb.GdbError(f"efi-symbols: {file}: no such file, or no debug information in it")
        offset = image.text() - text
        if self._offsets.get(file) != offset:
            if file in self._offsets:
                gdb.execute(f'remove-symbol-file "{file}"', to_string=True)
            gdb.execute(f'add-symbol-file "{file}" -o {offset:#x}', to_string=True)
            self._offsets[file] = offset
        print(f"{image.name} at {image.base:#x}: symbols of {file}")


gdb.disassembler.register_disassembler(ByMode())


class EfiSymbolsToo(gdb.Command):
    """efi-symbols under the name that it shares with the others: gdbvisor efi-symbols [FILE [IMAGE]]"""

    def __init__(self):
        super().__init__("gdbvisor efi-symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, _from_tty):
        gdb.execute(f"efi-symbols {argument}")


class Prefix(gdb.Command):
    """Commands for machines under gdbvisor."""

    def __init__(self):
        super().__init__("gdbvisor", gdb.COMMAND_SUPPORT, prefix=True)

    def invoke(self, _argument, _from_tty):
        gdb.execute("help gdbvisor")


sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gdbvisor import linux, tables  # noqa: E402  (the folder beside this file)

NextI16()
EfiSymbols()
Prefix()
Baud()
EfiSymbolsToo()
tables.PageTables()
tables.Idt()
tables.Arch()
linux.Kaslr()
linux.LxModules()
