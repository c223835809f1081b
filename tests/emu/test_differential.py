"""Real code, stepped instruction by instruction, against the same code run freely."""

import os
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.linux]

CMDLINE = "console=ttyS0 quiet panic=-1 nokaslr"
STEPS = 100000 if os.environ.get("TEST_FULL", "0") not in ("", "0") else 5000
PIECE = 0x8000  # the page tables are 6 pages; a checksum in Bochs is slow
STARTUP_64 = 0x200  # behind startup_32, by the boot protocol
KERNEL_AREA = (0x1000000, 0x4000000)  # where the kernel is loaded and unpacks itself; not GRUB's


def _hash(places):
    """FNV-1a of the addresses, as `monitor step` has it."""
    value = 0xCBF29CE484222325
    for place in places:
        for byte in place.to_bytes(8, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


class Trace:
    """QEMU's own trace of what a guest executes from a stop on, in the kernel's area."""

    ROW = re.compile(r"^Trace \d+: 0x[0-9a-f]+ \[[0-9a-f]+/([0-9a-f]+)/", re.M)

    def __init__(self, vm):
        self.path = Path(vm.workdir) / "trace.log"
        vm.hmp(f"logfile {self.path}")
        if "unknown command" in vm.hmp("one-insn-per-tb on"):  # before QEMU 8.1
            vm.hmp("singlestep on")
        vm.hmp("log exec,nochain")

    def places(self):
        """The addresses in order; one that stays in its place (REP, an exit) counts once."""
        if not self.path.exists() or self.path.stat().st_size < 60 * STEPS:  # too short to look
            return []
        found = [int(pc, 16) for pc in self.ROW.findall(self.path.read_text(encoding="ascii"))]
        return [pc for number, pc in enumerate(found) if number == 0 or pc != found[number - 1]]


def _state(gdb):
    """All registers, and checksums of the code, of its stack, and of all that CR3 points to."""
    starts = {(gdb.value(register) & ~0xFFF) for register in ("$pc", "$rsp", "$cr3")}
    starts.discard(0)  # no paging yet; and the BIOS's clock is there
    answers = [gdb.run(f"maintenance packet qCRC:{start:x},{PIECE:x}") for start in sorted(starts)]
    return gdb.run("monitor regs"), [re.search(r'received: "(C\w+)"', crc)[1] for crc in answers]


def _at(gdb, address):
    gdb.run_to(address, 120)
    return _state(gdb)


def _counted(gdb):
    """(steps, places, hash) of the last counted step."""
    said = gdb.run("monitor step")
    steps, places, code = re.search(r"(\d+) steps to (\d+) places, hash (\w+)", said).groups()
    return int(steps), int(places), int(code, 16)


def _step_to(gdb, address):
    """As far, stepped: the state there and (steps, places, hash)."""
    gdb.run(f"hbreak *{address:#x}")
    gdb.run("monitor step count 1000000000")
    assert gdb.stepi(600).pc == address
    gdb.run("delete")
    return _state(gdb), _counted(gdb)


@pytest.mark.needs("qemu")
def test_steps_go_where_free_code_goes(boot, linux):
    """HAXM-18, WHPX-5, BP-31: the kernel's first instructions: the same addresses in the same order
    as QEMU's trace of them run freely; the same registers and memory where it came to the last new
    one, which may be long before the end (the kernel fills its page tables in a loop)."""
    vmlinuz, initrd, _ = linux
    area = f"{KERNEL_AREA[0]:#x}+{KERNEL_AREA[1]:#x}"

    def start(**kwargs):
        vm = boot(vmlinuz, cmdline=CMDLINE, modules=[(initrd, "")], memory=512, **kwargs)
        return vm, vm.gdb()

    vm, gdb = start(extra=["-dfilter", area])
    entry = gdb.pc()
    trace = Trace(vm)
    gdb.cont()
    vm.wait("the trace", lambda: len(trace.places()) > STEPS + 1, 300)
    vm.stop()
    places = trace.places()[:STEPS + 1]
    assert places[0] == entry
    last = max({pc: n for n, pc in reversed(list(enumerate(places)))}.values())  # come to first
    vm, gdb = start()
    stepped, (steps, count, code) = _step_to(gdb, places[last])
    assert steps >= count
    assert (count, code) == (last, _hash(places[1:last + 1]))
    gdb.run(f"monitor step count {STEPS - last}")
    gdb.stepi(600)
    steps, count, code = _counted(gdb)
    assert steps == STEPS - last
    assert code == _hash(places[last + 1:last + 1 + count])
    vm.stop()
    vm, gdb = start()
    assert gdb.pc() == entry
    assert _at(gdb, places[last]) == stepped


@pytest.mark.long
def test_steps_end_where_free_code_ends(boot, linux):
    """HAXM-18, WHPX-5, BP-31: on each vendor, from the kernel's 32-bit entry to its 64-bit one,
    through CPUID, MSRs and the way to long mode: registers and memory as run freely."""
    vmlinuz, initrd, _ = linux
    ends = []
    for go in (_at, lambda gdb, address: _step_to(gdb, address)[0]):
        vm = boot(vmlinuz, cmdline=CMDLINE, modules=[(initrd, "")], memory=512)
        gdb = vm.gdb()
        ends.append(go(gdb, gdb.pc() + STARTUP_64))
        assert "64-bit mode" in ends[-1][0]
        vm.stop()
    assert ends[0] == ends[1]
