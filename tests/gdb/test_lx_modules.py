"""`gdbvisor lx-modules` of tools/gdbvisor.py: the list in a program that is built as a kernel is."""

import re
import subprocess
from pathlib import Path

import pytest

from conftest import GDB

ROOT = Path(__file__).resolve().parents[2]

COMMON = """
struct list_head { struct list_head *next, *prev; };
struct bin_attribute { struct { const char *name; } attr; };
struct sect { struct bin_attribute battr; unsigned long address; };
struct attrs { unsigned nsections; struct sect attrs[2]; };
extern struct module first, second;
"""

# struct module before Linux 6.4, and from there on.
STRUCTS = {
    "core_layout": "struct { void *base; unsigned size; } core_layout;",
    "mem": "struct { void *base; unsigned size; } mem[7];",
}
PLACES = {"core_layout": ".core_layout = {(void *)%s, 0x3000}", "mem": ".mem = {{(void *)%s, 0x3000}}"}

KERNEL = """
struct attrs sections = {2, {{{{".text"}}, 0xffffffffc0102000}, {{{".data"}}, 0xffffffffc0104000}}};
struct module { int state; struct list_head list; char name[56]; %s struct attrs *sect_attrs; };
struct list_head modules = {&first.list, &second.list};
struct module first = {.list = {&second.list, &modules}, .name = "e1000", .sect_attrs = &sections, %s};
struct module second = {.list = {&modules, &first.list}, .name = "snd_hda", %s};
int main(void) { return 0; }
"""


def _compile(source, out, *flags):
    source_file = out.with_suffix(".c")
    source_file.write_text(source)
    subprocess.run(["gcc", "-g", *flags, "-o", out, source_file], check=True)


def _gdb(*commands):
    argv = [GDB, "-batch", "-nx", "-ex", f"source {ROOT}/tools/gdbvisor.py"]
    for command in commands:
        argv += ["-ex", command]
    run = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                         check=False)
    return run.stdout + run.stderr


@pytest.mark.parametrize("layout", STRUCTS)
def test_lx_modules(tmp_path, layout):
    """Both kinds of struct module; the symbols of the one whose file is there."""
    places = [PLACES[layout] % address for address in ("0xffffffffc0102000", "0xffffffffc0200000")]
    _compile(COMMON + KERNEL % (STRUCTS[layout], *places), tmp_path / "vmlinux", "-no-pie")
    folder = tmp_path / "modules" / "net"
    folder.mkdir(parents=True)
    _compile("int padding(void) { return 1; } int e1000_probe(void) { return 2; } int e1000_up = 1;",
             folder / "e1000.ko.debug", "-c")
    out = _gdb(f"file {tmp_path}/vmlinux", f"gdbvisor lx-modules {tmp_path}/modules",
               "info symbol e1000_probe", "print &e1000_up")
    assert re.search(r"^0xffffffffc0102000 +0x3000  e1000$", out, re.MULTILINE), out
    assert re.search(r"^0xffffffffc0200000 +0x3000  snd_hda  \(no file\)$", out, re.MULTILINE), out
    assert "e1000_probe in section .text of" in out
    assert "0xffffffffc0104000 <e1000_up>" in out


def test_lx_modules_without_symbols(tmp_path):
    _compile("int main(void) { return 0; }", tmp_path / "other")
    out = _gdb(f"file {tmp_path}/other", "gdbvisor lx-modules", "gdbvisor lx-modules a b")
    assert "lx-modules needs a vmlinux with debug information: No symbol" in out
    assert "usage: gdbvisor lx-modules [FOLDER]" in out
