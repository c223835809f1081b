"""gdbvisor.efi: the running firmware becomes the guest, and goes on."""

import re
import struct
import time

import pytest

from harness import build, paths

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.firmware("uefi", emulator="qemu")]

OPTIONS = "gdb=com2 console=com1"
SHELL = "UEFI Interactive Shell"


@pytest.fixture
def stick(start):
    """stick(options, files, ...): a stick with gdbvisor as its default program, and gdbvisor.cfg.
    options: text, or the file's bytes."""
    def run(options, files=(), wait="gdb: waiting on", **kwargs):
        config = options if isinstance(options, bytes) else f"{OPTIONS} {options}\n".encode()
        content = {"EFI/BOOT/BOOTX64.EFI": paths.APPLICATION, "EFI/BOOT/gdbvisor.cfg": config,
                   **dict(files)}
        vm = start([], disks=[build.fat(content)], **kwargs)
        if wait:
            vm.wait_console(wait)
        return vm
    return run


def _pe_entry(program):
    """Where a PE file begins to run, from its first byte on."""
    header = struct.unpack_from("<I", program, 0x3C)[0]
    return struct.unpack_from("<I", program, header + 0x28)[0]


def _stop_in_firmware(gdb):
    """Ctrl-C; the stop is in the firmware's own 64-bit code."""
    stop = gdb.interrupt()
    assert stop.signal == "SIGINT"
    assert gdb.value("$efer") & 0x1D00 == 0xD00  # long mode, NX; no SVM
    assert gdb.value("$cr0") & 0x80000001 == 0x80000001
    assert gdb.value("$cs") == 0x38
    return stop


@pytest.mark.smoke
@pytest.mark.firmware("uefi")
def test_efi_next(stick):
    """USER-5: started as the stick's BOOTX64.EFI, with a configuration as Windows writes it. The
    guest stands behind the call that made it one, and goes on into the firmware, which boots the
    next entry: its shell. Break-in and steps there, while the firmware polls its console."""
    vm = stick(b"\xff\xfe" + "# where\r\ngdb=com2 console=com1\r\nguest=next # on".encode("utf-16-le"))
    gdb = vm.gdb()
    pc = gdb.pc()
    assert gdb.value("$rax") == 0
    assert gdb.read(pc - 5, 1) == b"\xe8"
    assert gdb.value("$eflags") & 0x200
    gdb.cont()
    console = vm.wait_console(SHELL)
    assert "options: gdb=com2 console=com1 guest=next" in console
    assert "BdsDxe: failed to start" in console  # not a success: the next entry is booted
    _stop_in_firmware(gdb)
    for _ in range(20):
        before = gdb.pc()
        stop = gdb.stepi()
        assert stop.reason == "end-stepping-range"
        assert gdb.pc() != before or gdb.read(before, 1) in (b"\xf3", b"\xf2")
    gdb.cont()
    vm.wait_console("Shell>")


def test_efi_next_without_gdb(stick):
    """USER-10: stop=none: the firmware goes on to its shell and nobody has to attach."""
    vm = stick("stop=none", wait="guest: running")
    vm.wait_console("Shell>")


SCRIPT = "\r\n".join(["FS0:", "\\tools\\gdbvisor.efi {}", "echo back with %lasterror%", ""])


@pytest.mark.parametrize("options, said", [
    (f"{OPTIONS} stop=none", "options: gdb=com2 console=com1 stop=none"),
    ("", "options: gdb=com2 console=com1 stop=none gdb=com2,57600"),
])
def test_efi_from_the_shell(start, options, said):
    """From the UEFI shell: its command line, else the configuration beside the program; then the
    script goes on, as a guest."""
    files = {"startup.nsh": SCRIPT.format(options).encode(),
             "tools/gdbvisor.efi": paths.APPLICATION,
             "tools/gdbvisor.cfg": f"{OPTIONS}\nstop=none\ngdb=com2,57600".encode()}
    vm = start([], disks=[build.fat(files)])
    console = vm.wait_console("back with 0x")
    assert "guest: running" in console and said in console
    assert "back with 0xE" in console.replace("0x800000000000000E", "0xE")


@pytest.mark.firmware("uefi")
def test_efi_image_entry(stick):
    """guest=efi:PATH with stop=entry: the image's first instruction, with the firmware's arguments."""
    program = build.grub_efi()
    vm = stick("guest=efi:\\EFI\\debian\\grubx64.efi",
               {"EFI/debian/grubx64.efi": program})
    gdb = vm.gdb()
    data = program.read_bytes()
    base = gdb.pc() - _pe_entry(data)
    assert gdb.read(base, 64) == data[:64]
    assert gdb.read(gdb.pc(), 16) == data[_pe_entry(data):][:16] or gdb.read(base, 2) == b"MZ"
    assert gdb.read(gdb.value("$rdx"), 8) == b"IBI SYST"  # EFI_SYSTEM_TABLE
    gdb.cont()
    vm.wait_console("Welcome to GRUB!")
    vm.wait_console("grub>")
    _stop_in_firmware(gdb)


def test_efi_from_grub(start):
    """By GRUB's chainloader, with its words as load options; behind guest=next GRUB goes on, as a
    guest."""
    config = f"chainloader /gdbvisor.efi {OPTIONS} stop=none\nboot\necho grub: goes on\n"
    files = {"EFI/BOOT/BOOTX64.EFI": build.grub_efi(), "EFI/debian/grub.cfg": config.encode(),
             "gdbvisor.efi": paths.APPLICATION}
    vm = start([], disks=[build.fat(files)])
    console = vm.wait_console("grub: goes on")
    assert f"options: {OPTIONS} stop=none" in console
    assert "guest: running" in console
    assert vm.gdb().value("$efer") & 0x1D00 == 0xD00


ENTRY_SCRIPT = """
FS0:
if exist done then
  echo the next entry
  goto END
endif
bcfg boot add 0 FS0:\\tools\\gdbvisor.efi "gdbvisor"
bcfg boot -opt 0x0 FS0:\\options
echo > done
reset
:END
"""


def test_efi_from_a_boot_entry(start):
    """From a boot entry of the firmware's variables, whose optional data are the options; behind
    guest=next the firmware goes on to the entry behind it."""
    options = f"{OPTIONS} guest=next stop=none"
    files = {"startup.nsh": ENTRY_SCRIPT.replace("\n", "\r\n").encode(),
             "tools/gdbvisor.efi": paths.APPLICATION, "options": options.encode("utf-16-le")}
    vm = start([], disks=[build.fat(files)], extra=("-action", "reboot=reset"))
    console = vm.wait_console("the next entry\r\n", 90)
    assert re.search(r'starting Boot[0-9A-F]{4} "gdbvisor"', console)
    assert f"options: {options}" in console
    assert "guest: running" in console


def test_efi_ipxe(stick):
    """Another boot loader as guest=efi: iPXE, to its banner, and a break-in there."""
    vm = stick("guest=efi:\\ipxe.efi stop=none",
               {"ipxe.efi": "/usr/lib/ipxe/ipxe.efi"}, wait="guest: running")
    vm.wait_console("Open Source Network Boot Firmware")
    gdb = vm.gdb()
    assert gdb.value("$cs") == 0x38
    gdb.detach()


LINUX_CONFIG = """
linux /vmlinuz console=ttyS0 panic=-1 nokaslr reboot=efi {more}
initrd /initrd.img
boot
"""


def _linux_stick(stick, linux, more, options, **kwargs):
    vmlinuz, initrd, _ = linux
    files = {"EFI/debian/grubx64.efi": build.grub_efi(),
             "EFI/debian/grub.cfg": LINUX_CONFIG.format(more=more).encode(),
             "vmlinuz": vmlinuz, "initrd.img": initrd}
    return stick(f"guest=efi:\\EFI\\debian\\grubx64.efi {options}", files, memory=512, **kwargs)


@pytest.mark.linux
@pytest.mark.parametrize("cpus", ["1", "4"])
def test_efi_grub_linux(stick, linux, cpus):
    """GRUB, then Debian's kernel to its init, with the firmware's runtime services: the kernel takes
    them over (SetVirtualAddressMap) and resets the machine by one. With four CPUs the firmware wakes
    the others when it hands over, and waits for them; then the kernel starts them anew."""
    vm = _linux_stick(stick, linux, "hv.reboot", "stop=none", wait="guest: running",
                      extra=("-smp", cpus))
    assert vm.wait_exit(240) == 0
    console = vm.console()
    assert "INIT: reached" in console
    assert re.search(r"efi: EFI v2\.\d+ by ", console)
    assert "efi: Freeing EFI boot services memory" in console  # behind SetVirtualAddressMap
    assert "Registered efivars operations" in console
    assert not re.search(r"BUG:|Oops|cut here|unknown reason|Firmware Bug", console)
    assert "reboot: Restarting system" in console
    assert f"smp: Brought up 1 node, {cpus} CPU" in console
    if cpus == "4":
        assert "cpu: 4 of 4 taken over" in console


@pytest.mark.linux
def test_efi_smm_grub_linux(stick, linux):
    """The same on a firmware that keeps its variables in SMM: its SMIs come in the guest's mode."""
    vm = _linux_stick(stick, linux, "hv.reboot", "stop=none", wait="guest: running",
                      firmware="uefi-smm")
    assert vm.wait_exit(240) == 0
    assert "INIT: reached" in vm.console()
    assert "Registered efivars operations" in vm.console()


@pytest.mark.linux
def test_efi_linux_break_in(stick, linux):
    """USER-3: Ctrl-C into the kernel that GRUB started, and on to its init."""
    vm = _linux_stick(stick, linux, "quiet", "stop=none", wait="guest: running")
    gdb = vm.gdb()
    for _ in range(4):
        gdb.cont()
        time.sleep(1)
        assert gdb.interrupt().signal == "SIGINT"
    gdb.detach()
    vm.wait_console("INIT: reached", 180)


def test_efi_without_mp_services(start):
    """A firmware without MP services: the other CPU stays where it is, and the rest goes on."""
    script = "\r\n".join(["FS0:", "nomp.efi", "echo nomp: %lasterror%",
                          f"gdbvisor.efi {OPTIONS} stop=none", "echo back with %lasterror%", ""])
    files = {"startup.nsh": script.encode(), "gdbvisor.efi": paths.APPLICATION,
             "nomp.efi": build.EfiProgram("nomp", named=False).efi}
    vm = start([], disks=[build.fat(files)], cpus=2)
    console = vm.wait_console("back with 0x")
    assert "nomp: 0x0" in console
    assert "guest: running" in console
    assert "cpu: 1 more, left to the firmware" in console


def test_efi_exit_boot_services(stick, linux):
    """`monitor catch exitbootservices`: in front of it, with the firmware still whole."""
    vm = _linux_stick(stick, linux, "quiet", "")
    gdb = vm.gdb()
    assert "catch 1: exitbootservices, at 0x" in gdb.monitor("catch exitbootservices")
    stop = gdb.go(120)
    assert stop.signal == "SIGTRAP"
    assert f"catch 1: ExitBootServices is called, image {gdb.value('$rcx'):x}, map key " in gdb.console
    assert gdb.value("$cs") == 0x38
    gdb.detach()
    vm.wait_console("INIT: reached", 180)


def _refused(vm, *words):
    """The sentence with these words, on both lines; then the firmware goes on to its shell."""
    sentence = vm.wait_refusal()
    for word in words:
        assert word.lower() in sentence.lower(), sentence
    console = vm.wait_console(SHELL, refused=True)
    assert "guest: running" not in console and "gdb: waiting" not in console
    return sentence


@pytest.mark.parametrize("options, words", [
    ("guest=efi:\\none.efi", ["none.efi", "no such file"]),
    ("guest=efi:\\EFI\\BOOT\\gdbvisor.cfg", ["gdbvisor.cfg", "no EFI program"]),
    ("colour=red", ["colour"]),
    ("guest=disk:1", ["disk", "BIOS"]),
    ("guest=module", ["module"]),
])
def test_efi_refuse(stick, options, words):
    """Not started: one sentence, and the firmware boots on as if nothing had been."""
    _refused(stick(options, wait=None), *words)


BAD_CONFIGS = {
    "long": (b"gdb=com2 " * 2000, "gdbvisor.cfg holds more options than"),
    "mark": ("gdb=com2".encode("utf-16-le"), "gdbvisor.cfg is neither UTF-8 nor UTF-16"),
    "word": (b"\xef\xbb\xbfgdb=com2\r\nconsole=com1\r\ncolour=red # ?",
             "1 bad option, first: colour=red: unknown option"),
}


def test_efi_refuse_configs(start):
    """Bad gdbvisor.cfg, one after the other: each is named, and the shell goes on."""
    files, script = {}, ["FS0:"]
    for name, (content, _) in BAD_CONFIGS.items():
        files |= {f"{name}/gdbvisor.efi": paths.APPLICATION, f"{name}/gdbvisor.cfg": content}
        script += [f"\\{name}\\gdbvisor.efi", f"echo {name}: %lasterror%"]
    files["startup.nsh"] = "\r\n".join([*script, "echo the end", ""]).encode()
    vm = start([], disks=[build.fat(files)])
    console = vm.wait_console("the end\r\n", 90, refused=True)
    for name, (_, sentence) in BAD_CONFIGS.items():
        before, _, console = console.partition(f"\n{name}: 0x")
        assert f"cannot start: {sentence}" in before
        assert console.startswith(("8000000000000003", "3"))  # EFI_UNSUPPORTED
    assert "guest: running" not in vm.console()


def test_efi_refuse_memory(start):
    """No memory for the reservation: a sentence, and back to the shell, which goes on."""
    script = "\r\n".join(["FS0:", "hog.efi", f"gdbvisor.efi {OPTIONS}", "echo back with %lasterror%",
                          ""])
    files = {"startup.nsh": script.encode(), "hog.efi": build.EfiProgram("hog", named=False).efi,
             "gdbvisor.efi": paths.APPLICATION}
    vm = start([], disks=[build.fat(files)])
    assert re.match(r"no \d+ KiB of free memory below 4 GiB", vm.wait_refusal())
    console = vm.wait_console("back with 0x", refused=True)
    assert "back with 0x8000000000000003" in console or "back with 0x3" in console
    assert "guest: running" not in console and "gdb: waiting" not in console


@pytest.mark.firmware("uefi")
def test_efi_refuse_processor(stick, machine):
    """No SVM, no VT-x: the same, said on gdb's line too; the other CPU goes back to the firmware as
    well."""
    cpu, word = {"qemu": ("EPYC,-svm", "SVM"),
                 "bochs": ("p4_prescott_celeron_336", "VT-x")}[machine.emulator]
    vm = stick("", wait=None, cpu=cpu, cpus=2)
    assert _refused(vm, word) in vm.gdb_line()


@pytest.mark.firmware("uefi", emulator="bochs")
def test_efi_refuse_vtx_off(start):
    """The firmware's setup has VT-x off: a sentence, and the shell goes on."""
    script = "\r\n".join(["FS0:", "vtlock.efi", f"gdbvisor.efi {OPTIONS}",
                          "echo back with %lasterror%", ""])
    files = {"startup.nsh": script.encode(),
             "vtlock.efi": build.EfiProgram("vtlock", named=False).efi,
             "gdbvisor.efi": paths.APPLICATION}
    vm = start([], disks=[build.fat(files)])
    assert "VT-x is disabled and locked" in vm.wait_refusal()
    console = vm.wait_console("back with 0x", refused=True)
    assert "back with 0x8000000000000003" in console or "back with 0x3" in console
    assert "guest: running" not in console


GDBVISOR, GRUB = "EFI/BOOT/BOOTX64.EFI", "EFI/debian/grubx64.efi"


@pytest.mark.parametrize("signed", [(GDBVISOR, GRUB), (GDBVISOR,), ()],
                         ids=["both", "gdbvisor", "none"])
def test_efi_secure_boot(stick, signed):
    """Secure Boot: gdbvisor has to be signed, and what it starts as well; else the firmware refuses
    the one or the other, and goes on with the next boot entry."""
    files = {GDBVISOR: paths.APPLICATION, GRUB: build.grub_efi()}
    files |= {name: build.signed(files[name]) for name in signed}
    files["EFI/debian/grub.cfg"] = b"echo grub: here\n"
    greeter = build.signed(build.EfiProgram("greeter").efi)
    other = build.fat({"EFI/BOOT/BOOTX64.EFI": greeter})
    vm = stick("guest=efi:\\EFI\\debian\\grubx64.efi stop=none", files, wait=None,
               firmware="uefi-secure-boot",
               extra=("-drive", f"format=raw,file={other},snapshot=on"))
    if GRUB in signed:
        vm.wait_console("grub: here")
        return
    if signed:
        assert "Secure Boot" in vm.wait_refusal()
    console = vm.wait_console("greeter: hello", refused=True)
    assert "guest: running" not in console
    if not signed:
        assert "Access Denied" in console and "gdbvisor 0." not in console


def test_efi_refuse_twice(start):
    """A second gdbvisor in the guest finds no SVM, says so, and gives everything back: the shell
    shows as much free memory as before. Both get the other CPU from the firmware; the second one is
    a guest's."""
    script = "\r\n".join(["FS0:", "memmap", f"gdbvisor.efi {OPTIONS} stop=none", "memmap",
                          "gdbvisor.efi gdb=none console=none", "memmap", "echo the end", ""])
    files = {"startup.nsh": script.encode(), "gdbvisor.efi": paths.APPLICATION}
    vm = start([], disks=[build.fat(files)], cpus=2)
    console = vm.wait_console("the end\r\n", 90, refused=True)
    reserved = [int(n.replace(",", "")) for n in re.findall(r"Reserved *: *([\d,]+) Pages", console)]
    assert len(reserved) == 3
    taken = int(re.search(r"memory: (\d+) KiB reserved", console)[1])
    assert taken <= 4096 and reserved[1] - reserved[0] == taken // 4
    assert reserved[2] == reserved[1]
    assert "cannot start" in console


def test_efi_more_cpus_than_can_be_run(stick):
    """The firmware keeps them all, the log says so, and it boots on."""
    vm = stick("stop=none", wait="guest: running", extra=("-smp", "20"))
    vm.wait_console(SHELL, 120)
    assert "cpu: 19 more, left to the firmware: there are more than can be run" in vm.console()
    gdb = vm.gdb()
    assert "CPU 0" in gdb.run("info threads") and "CPU 1" not in gdb.run("info threads")


def test_efi_cpus(stick):
    """USER-5, BP-14: the firmware's other CPUs are the guest's from where they were, and stand with it
    at its first instruction. They go back into the firmware's loop, halted, and stop with all."""
    vm = stick("guest=next", extra=("-smp", "4"))
    assert "cpu: 4 of 4 taken over" in vm.console()
    gdb = vm.gdb()
    first = re.findall(r"Thread \d+ \((CPU \d, 64-bit mode, ring 0.*?)\)", gdb.run("info threads"))
    assert len(first) == 4
    places = set()
    for n in range(2, 5):
        gdb.run(f"thread {n}")
        assert gdb.value("$rax") == 0
        places.add(gdb.pc())
    assert len(places) == 1  # behind the call that made them guests
    gdb.cont()
    vm.wait_console(SHELL, 90)
    gdb.interrupt()
    for n in range(2, 5):
        gdb.run(f"thread {n}")
        assert gdb.pc() not in places
    assert gdb.run("info threads").count("ring 0, halted") >= 3
