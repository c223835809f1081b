"""One cable: the guest's serial console on the debug UART."""

import re
from pathlib import Path

import pytest

from harness import build, gdbmi, paths

pytestmark = [pytest.mark.needs("gdbvisor")]

READY = "INIT: reached"
CMDLINE = "console=ttyS0 panic=-1 nokaslr"


@pytest.fixture
def kernel(boot, linux):
    """kernel(options, more): the Debian kernel, whose console is COM1, as is gdb."""
    vmlinuz, initrd, _ = linux

    def run(options="", more="", **kwargs):
        return boot(vmlinuz, options=f"console=com2,guest {options}",
                    cmdline=f"{CMDLINE} {more}".strip(), modules=[(initrd, "")], memory=512,
                    gdb_uart="com1", **kwargs)
    return run


def _wait_line(vm, text, timeout=180, person=None):
    """Waits for text in the clear on gdb's UART; all of it. person: who types there, and reads, for a
    line that nobody reads stands still."""
    def found():
        try:
            while person and person.link.recv(65536):
                pass
        except BlockingIOError:
            pass
        return vm.gdb_line() if text in vm.gdb_line() else None
    if person:
        person.link.setblocking(False)
    return vm._wait(f"{text!r} on gdb's line", found, timeout)


def _check_lines(text):
    """The kernel's messages are whole: some hundred lines, each with its time, none glued."""
    lines = text[text.index("] Linux version"):text.index(READY)].splitlines()[1:]
    whole = [line for line in lines if re.match(r"\[ *\d+\.\d{6}\] [^\x00-\x1f]*$", line)]
    assert len(whole) > 200 and len(lines) - len(whole) < 10
    assert not [line for line in lines if re.search(r".\[ *\d+\.\d{6}\] ", line)]


@pytest.mark.linux
@pytest.mark.every_machine
@pytest.mark.long
def test_user_7_linux_in_the_clear(kernel):
    """USER-7: without a gdb the kernel's console passes through, whole lines in order."""
    vm = kernel("stop=none")
    text = _wait_line(vm, READY)
    assert re.search(r"Linux version .*\r\n", text)
    assert re.search(r"ttyS0 at I/O 0x3f8 \(irq = 4, base_baud = 115200\) is a 16550A", text)
    assert not re.search(r"BUG:|Oops|too much work|nobody cared", text)
    _check_lines(text)


def _shown(vm, gdb, text, timeout=60):
    """Waits for text of the guest's console in gdb; all of it. gdb must be running the guest."""
    def console():
        gdb.still_running(0.2)
        lines = Path(gdb._log.name).read_text(encoding="utf-8").splitlines()
        said = "".join(gdbmi._c_string(line, 1)[0] for line in lines if line.startswith('@"'))
        return said if text in said else None
    return vm._wait(f"{text!r} in gdb", console, timeout)


@pytest.mark.linux
@pytest.mark.every_machine
@pytest.mark.long
def test_user_7_linux_in_gdb(kernel):
    """USER-7: the kernel's console in gdb, what is typed there and without it, and both ways of
    handing over."""
    vm = kernel(more="hv.echo")
    gdb = vm.gdb()
    gdb.cont()
    text = _shown(vm, gdb, "INIT: echo", 240)
    assert "Linux version" in text and "is a 16550A" in text
    _check_lines(text)
    gdb.interrupt()
    assert "12 characters typed" in gdb.monitor(r"type from gdb $1\n")
    gdb.cont()
    _shown(vm, gdb, "INIT: heard from gdb $1")
    gdb.interrupt()
    assert " 0 wait, 12 typed, 0 dropped" in gdb.monitor("console")
    gdb.detach()
    gdb.close()
    person = vm.rsp()
    person.send(b"in $ the + clear\r")
    _wait_line(vm, "INIT: heard in $ the + clear\r\n", 60, person)
    person.send(b"interrupts\r")
    line = re.search(r" 4:((?: +\d+)+) .*ttyS0", _wait_line(vm, "ttyS0\r\n", 60, person))
    assert sum(map(int, line[1].split())) > 20  # on whichever CPU
    person.close()
    again = vm.gdb()
    again.run("monitor console timestamp on")
    again.monitor(r"type stamped\r")
    again.cont()
    again.still_running(1)
    again.interrupt()
    assert re.search(r"\[ *\d+\.\d{3}\] INIT: heard stamped",
                     Path(again._log.name).read_text(encoding="utf-8"))


@pytest.mark.linux
@pytest.mark.long
@pytest.mark.needs("smp")
def test_user_7_linux_several_cpus(kernel):
    """USER-7: CPUs other than the line's have something to say, too; and a Ctrl-C amid it."""
    vm = kernel(more="hv.echo", cpus=2)
    gdb = vm.gdb()
    gdb.cont()
    for _ in range(3):
        gdb.still_running(0.7)
        assert gdb.interrupt().signal == "SIGINT"
        gdb.cont()
    text = _shown(vm, gdb, "INIT: echo", 240)
    _check_lines(text)
    assert "smp: Brought up 1 node, 2 CPUs" in text


@pytest.mark.every_machine
def test_user_7_debug_port(boot):
    """Other output on request, without console=guest: the debug port that guests of the tests have."""
    vm = boot("hello64")
    gdb = vm.gdb()
    assert "boot with console=guest" in gdb.monitor("console debug on")
    gdb.cont()
    assert "hello64: ok\n" in _shown(vm, gdb, "hello64: ok\n")
    assert "hello64: ok" in vm.said()  # it went to the port, too
    gdb.interrupt()
    gdb.monitor("console debug off")


@pytest.mark.needs("bios")
def test_user_7_boot_loader(boot_disk):
    """USER-7: a boot loader that polls its UART, in the clear: its prompt, and the answer to it."""
    lines = ["serial --unit=1 --speed=115200", "terminal_input serial", "terminal_output serial",
             "echo -n 'grub: what? '", "read answer", "echo grub: heard $answer", "sleep 100"]
    vm = boot_disk(build.iso("\n".join([*lines, ""]), {}), "console=com1,guest guest=disk:0 stop=none")
    _wait_line(vm, "grub: what? ", 60)
    person = vm.rsp()
    person.send(b"a + b $ c\r")
    _wait_line(vm, "grub: heard a + b $ c", 60, person)
    person.close()
    gdb = vm.gdb()
    assert gdb.value("$cr0") is not None
    assert "0 dropped" in gdb.monitor("console")


@pytest.mark.firmware("uefi", emulator="qemu")
def test_user_7_uefi_shell(start, machine):
    """USER-7: the firmware's own console, which its driver had before gdbvisor came: in the clear, then
    in gdb."""
    config = b"gdb=com1 console=com2,guest guest=next stop=none\n"
    files = {"EFI/BOOT/BOOTX64.EFI": paths.APPLICATION, "EFI/BOOT/gdbvisor.cfg": config}
    vm = start([], disks=[build.fat(files)], gdb_uart="com1")
    vm.wait_console("guest: running")
    _wait_line(vm, "Shell>", 120)
    person = vm.rsp()
    person.send(b"set said in-the-clear\recho *%said%*\r")
    _wait_line(vm, "*in-the-clear*", 60, person)
    person.close()
    gdb = vm.gdb()
    gdb.monitor(r"type echo $%said%$\r")
    gdb.cont()
    _shown(vm, gdb, "$in-the-clear$", 60)
