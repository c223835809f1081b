"""tools/gdbvisor.py on a UEFI firmware: its images, and their symbols."""

import re
import time

import pytest

from harness import build, paths
from harness.gdbmi import GdbError

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.firmware("uefi", emulator="qemu")]

COMFORT = [f"source {paths.ROOT}/tools/gdbvisor.py"]


@pytest.fixture
def at_entry(start):
    """at_entry(program): gdb at the first instruction of an application of tests/efi."""
    def run(program):
        files = {"EFI/BOOT/BOOTX64.EFI": paths.APPLICATION, "greeter.efi": program.efi,
                 "EFI/BOOT/gdbvisor.cfg": b"gdb=com2 console=com1 guest=efi:\\greeter.efi\n"}
        vm = start(["-drive", f"format=raw,file={build.fat(files)},snapshot=on"])
        vm.wait_console("gdb: waiting on")
        return vm, vm.gdb(setup=COMFORT)
    return run


def _in_greet(vm, gdb):
    """Its function by name, its variable before and behind the line that sets it; then its end."""
    gdb.run("break greet")
    stop = gdb.go()
    assert stop.raw["frame"]["func"] == "greet"
    assert stop.raw["frame"]["file"].endswith("greeter.c")
    assert gdb.value("greetings") == 41
    assert gdb.value("number") == 42
    gdb.execute("finish")
    assert gdb.value("greetings") == 42
    gdb.run("delete")
    gdb.detach()
    vm.wait_console("greeter: hello")


def test_efi_symbols_of_all_images(at_entry):
    """USER-5: efi-symbols lists the firmware's images, and loads the symbols of the one whose debug
    directory names a file that is here: its function by name, its variable, its source."""
    program = build.EfiProgram("greeter")
    vm, gdb = at_entry(program)
    shown = gdb.run("efi-symbols", 120)
    rows = {name: (int(base, 16), int(size, 16)) for base, size, name
            in re.findall(r"^ *(0x[0-9a-f]+) +(0x[0-9a-f]+)  (\S+)$", shown, re.MULTILINE)}
    assert len(rows) > 40
    base, size = rows["greeter"]
    assert base <= gdb.pc() < base + size
    assert gdb.read(base, 2) == b"MZ"
    assert "BOOTX64" in rows
    assert "d6a2cb7f-6a18-4e2f-b43b-9920a733700a" in rows  # DxeCore, in a firmware volume
    assert f"greeter at {base:#x}: symbols of {program.elf}" in shown
    assert "symbols of" not in shown.replace(f"symbols of {program.elf}", "")
    assert "efi_main" in gdb.run("info symbol efi_main")
    _in_greet(vm, gdb)


def test_efi_symbols_of_a_file(at_entry):
    """USER-5: efi-symbols FILE: symbols of the image at $pc, which names none; then by its name, and
    by an address in it, which changes nothing. Sentences for what is not there."""
    program = build.EfiProgram("greeter", named=False)
    vm, gdb = at_entry(program)
    found = re.search(r"greeter at (0x[0-9a-f]+): symbols of (\S+)",
                      gdb.run(f"efi-symbols {program.elf}", 60).replace("? at", "greeter at"))
    assert found[2] == str(program.elf)
    assert gdb.read(int(found[1], 16), 2) == b"MZ"
    for image in ("greeter.efi", "$pc"):
        assert found[1] in gdb.run(f"efi-symbols {program.elf} {image}", 60)
    for wrong, sentence in (
            ("/none.so", "/none.so: no such file, or no debug information in it"),
            (program.efi, "greeter.efi: no such file, or no debug information in it"),
            (f"{program.elf} DxeNone", "no image DxeNone; efi-symbols lists those there are"),
            (f"{program.elf} 0x1000", "no PE image holds 0x1000: no header lies before it"),
            ("a b c", "usage: efi-symbols")):
        with pytest.raises(GdbError, match=re.escape(sentence)):
            gdb.run(f"efi-symbols {wrong}", 60)
    _in_greet(vm, gdb)


def test_efi_symbols_of_a_driver(start):
    """USER-5: a boot service driver that the shell has loaded and that a timer's event calls, long
    behind its entry: break in it by name, step over its lines, see who called, and let it go on."""
    driver = build.EfiProgram("ticker", kind="bsdrv")
    script = "\r\n".join(["FS0:", "load ticker.efi", "echo load: %lasterror%", ""])
    files = {"EFI/BOOT/BOOTX64.EFI": paths.APPLICATION, "ticker.efi": driver.efi,
             "EFI/BOOT/gdbvisor.cfg": b"gdb=com2 console=com1 guest=next stop=none\n",
             "startup.nsh": script.encode()}
    vm = start([], disks=[build.fat(files)])
    vm.wait_console("load: 0x0", 90)
    gdb = vm.gdb(setup=COMFORT)
    shown = gdb.run("efi-symbols", 120)
    base = int(re.search(rf"ticker at (0x[0-9a-f]+): symbols of {driver.elf}", shown)[1], 16)
    assert gdb.read(base, 2) == b"MZ"
    gdb.run("break count")
    for _ in range(2):
        before = gdb.value("ticks")
        stop = gdb.go()
        assert stop.raw["frame"]["func"] == "count"
        assert stop.raw["frame"]["file"].endswith("ticker.c")
        assert gdb.value("ticks") == before
        assert re.search(r"#0 +count \(more=.*\n#1 +0x\w+ in on_tick \(", gdb.run("bt 2"))
        assert gdb.value("more") == 1
        assert gdb.execute("next").raw["frame"]["func"] == "count"
        assert gdb.value("ticks") == before + 1
        gdb.execute("finish")
    gdb.run("delete")
    gdb.cont()
    time.sleep(1)
    assert gdb.interrupt().signal == "SIGINT"
    assert gdb.value("ticks") > before + 1
    gdb.detach()
