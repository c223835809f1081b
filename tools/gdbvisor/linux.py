"""gdbvisor kaslr: where a Linux kernel has moved itself to. gdbvisor lx-modules: its modules."""

import os
import struct

import gdb

SLIDE_STEP = 2 << 20  # CONFIG_PHYSICAL_ALIGN, and what the kernel moves itself by
SLIDE_MOST = 1 << 30
BANNER = b"Linux version "
FIRST_GATES = ("asm_exc_divide_error", "early_idt_handler_array")  # of interrupt 0, late and early

MOST = 4096  # modules, should the list be broken
SECTIONS = (".data", ".bss", ".rodata", ".init.text", ".exit.text")


def has_field(value, name):
    """Whether a struct has a member."""
    return name in (field.name for field in value.type.fields())


def modules():
    """Every struct module of the kernel's list."""
    try:
        head = gdb.parse_and_eval("&modules")
        kind = gdb.lookup_type("struct module")
    except gdb.error as error:
        raise gdb.GdbError(f"lx-modules needs a vmlinux with debug information: {error}") from error
    offset = next(field.bitpos // 8 for field in kind.fields() if field.name == "list")
    entry = head["next"]
    for _ in range(MOST):
        if entry == head:
            return
        address = int(entry) - offset
        yield gdb.Value(address).cast(kind.pointer()).dereference()
        entry = entry["next"]


def text_of(module):
    """(address, size) of a module's code: Linux 6.4 has an array of areas, older ones a layout."""
    if has_field(module, "mem"):
        area = module["mem"][0]
    else:
        area = module["core_layout"]
    return int(area["base"]), int(area["size"])


def sections_of(module):
    """Addresses by the names of its sections, as far as the kernel keeps them."""
    found = {}
    try:
        table = module["sect_attrs"].dereference()
        for number in range(int(table["nsections"])):
            row = table["attrs"][number]
            found[row["battr"]["attr"]["name"].string()] = int(row["address"])
    except gdb.error:  # another version's struct, or no such table
        pass
    return found


def object_file(folder, name):
    """NAME.ko below a folder, whichever of - and _ it has; None without it."""
    wanted = name.replace("-", "_")
    for path, _, files in os.walk(folder):
        for file in files:
            stem, dot, suffix = file.partition(".ko")
            if dot and suffix in ("", ".debug") and stem.replace("-", "_") == wanted:
                return os.path.join(path, file)
    return None


class LxModules(gdb.Command):
    """The modules of a Linux kernel: gdbvisor lx-modules [FOLDER]

With a folder, such as /usr/lib/debug/lib/modules/VERSION, the symbols of those found below it are
loaded. Needs a vmlinux with debug information, at its place (gdbvisor kaslr)."""

    def __init__(self):
        super().__init__("gdbvisor lx-modules", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, _from_tty):
        arguments = gdb.string_to_argv(argument)
        if len(arguments) > 1:
            raise gdb.GdbError("usage: gdbvisor lx-modules [FOLDER]")
        try:
            for module in modules():
                self._show(module, arguments[0] if arguments else None)
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"lx-modules: the list is not in memory (yet): {error}") from error

    @staticmethod
    def _show(module, folder):
        name = module["name"].string()
        base, size = text_of(module)
        file = object_file(os.path.expanduser(folder), name) if folder else None
        print(f"{base:#018x} {size:#9x}  {name}{'' if file or not folder else '  (no file)'}")
        if not file:
            return
        places = sections_of(module)
        text = places.get(".text", base)
        others = "".join(f" -s {n} {places[n]:#x}" for n in SECTIONS if n in places)
        gdb.execute(f'add-symbol-file "{file}" {text:#x}{others}', to_string=True)


class Kaslr(gdb.Command):
    """Moves a Linux kernel's symbols to where the kernel has moved itself: gdbvisor kaslr [FILE]

FILE has its symbols as they were linked, and is loaded; without it those that are loaded are moved. The kernel must
have its own page tables: at the first instruction of its loader it has not moved yet. `monitor catch cr4`
and `continue` lead to the moment when it has. Breakpoints move with the symbols."""

    def __init__(self):
        super().__init__("gdbvisor kaslr", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    @staticmethod
    def address(symbol):
        """Of a symbol as it is loaded; None when there is none."""
        try:
            return int(gdb.parse_and_eval(f"(unsigned long)&{symbol}"))
        except gdb.error:
            return None

    @staticmethod
    def is_banner(address):
        """Does the kernel's banner stand there?"""
        try:
            return bytes(gdb.selected_inferior().read_memory(address, len(BANNER))) == BANNER
        except gdb.MemoryError:
            return False

    def slides(self):
        """What may have been added, the likely ones first."""
        try:
            base = int(gdb.parse_and_eval("$idtr_base")) & (1 << 64) - 1
            low, _, middle, high = struct.unpack(
                "<HIHI", gdb.selected_inferior().read_memory(base, 12))
            gate = low | middle << 16 | high << 32
        except gdb.MemoryError:
            gate = 0
        for symbol in FIRST_GATES:
            if gate and self.address(symbol):
                yield gate - self.address(symbol)
        yield from range(0, SLIDE_MOST, SLIDE_STEP)

    def invoke(self, argument, _from_tty):
        file = argument.strip() or gdb.current_progspace().filename
        if not file:
            raise gdb.GdbError("usage: gdbvisor kaslr FILE (the kernel's symbols)")
        gdb.execute(f'symbol-file "{file}"', to_string=True)
        banner = self.address("linux_banner")
        if banner is None:
            raise gdb.GdbError(f"{file} has no linux_banner: these are no kernel's symbols")
        slide = next((s for s in self.slides()
                      if s >= 0 and s % SLIDE_STEP == 0 and self.is_banner(banner + s)), None)
        if slide is None:
            raise gdb.GdbError("no kernel of these symbols is mapped here: it has not moved yet, "
                               "or this is another kernel")
        if slide:
            gdb.execute(f'symbol-file "{file}" -o {slide:#x}', to_string=True)
        print(f"the kernel is {slide:#x} above where it was linked")
