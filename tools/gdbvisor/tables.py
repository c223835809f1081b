"""gdbvisor pt, gdbvisor idt, gdbvisor arch: what `monitor` tells, with symbols."""

import re

import gdb

EXCEPTIONS = ("DE DB NMI BP OF BR UD NM DF CSO TS NP SS GP PF . MF AC MC XM VE CP . . . . . . HV VC SX"
              .split())
LEVELS = {"PTE": 1, "PDE": 2, "PDPTE": 3, "PML4E": 4, "PML5E": 5}


def monitor(text):
    """The answer of gdbvisor's; GdbError with its sentence when that is the usage."""
    answer = gdb.execute(f"monitor {text}", to_string=True)
    if answer.startswith("usage:"):
        raise gdb.GdbError(answer.strip())
    return answer


def symbol(address):
    """" <name+offset>", or "" without one."""
    text = gdb.execute(f"info symbol {address:#x}", to_string=True)
    match = re.match(r"(\S+)(?: \+ (\d+))? in section", text)
    if not match:
        return ""
    return f" <{match[1]}+{match[2]}>" if match[2] else f" <{match[1]}>"


def number_of(expression):
    """An expression's value as an address."""
    return int(gdb.parse_and_eval(f"(unsigned long)({expression})"))


class PageTables(gdb.Command):
    """The page-table entries that an address goes through: gdbvisor pt EXPRESSION

Each entry with its index in its table and the addresses that it is for."""

    def __init__(self):
        super().__init__("gdbvisor pt", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, _from_tty):
        if not argument:
            raise gdb.GdbError("usage: gdbvisor pt EXPRESSION")
        address = number_of(argument)
        head, *lines = monitor(f"pt {address:#x}").splitlines()
        print(head.replace(" ", f"{symbol(address)} ", 1))
        width = 10 if "32-bit" in head else 9
        for depth, line in enumerate(lines):
            match = re.match(r"(\w+) +at +(\w+): (\w+) +(.*)", line)
            if not match:
                print(" " * depth + line)
                continue
            shift = 12 + width * (LEVELS[match[1]] - 1)
            index = address >> shift & (1 << width) - 1
            start = address >> shift << shift
            print(f"{' ' * depth}{match[1]}[{index}] for {start:x}-{start + (1 << shift) - 1:x}: "
                  f"{match[3]} {match[4]}")


class Idt(gdb.Command):
    """The interrupt descriptor table with the handlers' names: gdbvisor idt [N|N-M]"""

    def __init__(self):
        super().__init__("gdbvisor idt", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, argument, _from_tty):
        for line in monitor(f"idt {argument}".rstrip()).splitlines():
            match = re.match(r"([0-9a-f]{2})  (.* \w{4}:)(\w{8,16})(.*)", line)
            if not match:
                print(line)
                continue
            vector = int(match[1], 16)
            name = EXCEPTIONS[vector] if vector < len(EXCEPTIONS) else "."
            print(f"{match[1]} {'' if name == '.' else '#' + name:4} "
                  f"{match[2]}{match[3]}{symbol(int(match[3], 16))}{match[4]}")


class Arch(gdb.Command):
    """Registers and disassembly for other code than 64-bit: gdbvisor arch [auto|i8086|i386|x86-64]

auto takes what suits the mode of the selected CPU, now: say it again when that has changed. Breakpoints
stay."""

    NAMES = ("auto", "i8086", "i386", "x86-64")

    def __init__(self):
        super().__init__("gdbvisor arch", gdb.COMMAND_DATA)

    def complete(self, _text, word):
        """The names that begin so."""
        return [name for name in self.NAMES if name.startswith(word)]

    def invoke(self, argument, _from_tty):
        monitor(f"arch {argument or 'auto'}")
        gdb.execute("unset tdesc filename", to_string=True)
        gdb.execute("show architecture")
