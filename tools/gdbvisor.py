"""Comfort for gdb 13 and newer on gdbvisor; nothing needs it.

    (gdb) source tools/gdbvisor.py

16-bit and 32-bit code is disassembled as what it is: gdb itself takes all code for 64-bit code. Needs
objdump. `nexti16` is `nexti` for such code: it steps over CALL, INT and REP.
"""

import os
import re
import subprocess
import tempfile

import gdb
import gdb.disassembler

LONGEST = 15  # bytes of an instruction
MACHINES = {16: "i8086", 32: "i386"}
OVER = re.compile(r"(?:data(?:16|32) |addr(?:16|32) )*(?:l?call|int|rep|loop)")


def register(name):
    """A register of the selected thread as a number."""
    return int(gdb.parse_and_eval(f"(unsigned long)${name}"))


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


gdb.disassembler.register_disassembler(ByMode())
NextI16()
