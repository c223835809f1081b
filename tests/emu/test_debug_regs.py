"""What KVM's own self-test of debugging from outside does (debug_regs), as raw packets: INT3, four
execution breakpoints, four watchpoints, steps with an interrupt pending, general detect."""

import re

import pytest

pytestmark = pytest.mark.needs("gdbvisor", "raw")

DR6_RESET = 0xFFFF0FF0
DR6_BD = 1 << 13
DR7_RESET = 0x400
DR7_GD = 1 << 13
LINE = ("ss_start", "ss_xor", "ss_cpuid", "ss_mov", "ss_rdmsr", "ss_cli", "ss_end")


class Wire:
    """The debug_regs guest by raw packets."""

    def __init__(self, vm):
        self.guest = vm.guest
        self.rsp = vm.rsp()
        self.rsp.ask("qSupported:swbreak+;hwbreak+;vContSupported+")
        self.numbers = self._register_numbers()

    def _register_numbers(self):
        text, more = "", True
        while more:
            piece = self.rsp.ask(f"qXfer:features:read:target.xml:{len(text):x},fff")
            text, more = text + piece[1:], piece[0] == "m"
        numbers, number = {}, 0
        for register in re.findall(r"<reg [^>]*>", text):
            given = re.search(r'regnum="(\d+)"', register)
            number = int(given[1]) if given else number
            numbers[re.search(r'name="([^"]+)"', register)[1]] = number
            number += 1
        return numbers

    def register(self, name):
        """A register's value."""
        return int.from_bytes(bytes.fromhex(self.rsp.ask(f"p{self.numbers[name]:x}")), "little")

    def set(self, name, value):
        """Writes a 64-bit register."""
        digits = value.to_bytes(8, "little").hex()
        assert self.rsp.ask(f"P{self.numbers[name]:x}={digits}") == "OK"

    def insert(self, kind, label, size=1):
        """A Z packet."""
        assert self.rsp.ask(f"Z{kind},{self.guest[label]:x},{size}") == "OK"

    def remove(self, kind, label, size=1):
        """A z packet."""
        assert self.rsp.ask(f"z{kind},{self.guest[label]:x},{size}") == "OK"

    def go(self, label):
        """Continues, to a label; returns the stop reply."""
        reply = self.rsp.ask("vCont;c", 60)
        assert self.guest.name_of(self.rsp.pc()) == label, reply
        return reply

    def value(self, label):
        """A variable of the guest's."""
        return self.rsp.read_int(self.guest[label])

    def run_to(self, label):
        """Runs to a label."""
        self.insert(1, label)
        self.go(label)
        self.remove(1, label)


def _breakpoints(wire):
    """INT3 of ours: the stop is on it, and the guest's own INT3 there is still the guest's. Four
    execution breakpoints: each once, in order; the guest's DR6 knows nothing of them."""
    wire.insert(0, "sw_bp")
    assert "swbreak" in wire.go("sw_bp")
    wire.remove(0, "sw_bp")
    assert wire.value("bps") == 0
    for number in range(4):
        wire.insert(1, f"hw_bp{number}")
    for number in range(4):
        assert "hwbreak" in wire.go(f"hw_bp{number}")
        assert wire.register("dr6") == DR6_RESET
    assert wire.value("bps") == 1
    for number in range(4):
        wire.remove(1, f"hw_bp{number}")


def _watchpoints(wire):
    """Four watchpoints of 1, 2, 4 and 8 bytes: each stop is behind the access, with its address."""
    for number in range(4):
        wire.insert(2, f"value{number}", 1 << number)
    for number in range(4):
        reply = wire.go(f"written{number}")
        assert f"watch:{wire.guest[f'value{number}']:x};" in reply
        assert wire.register("dr6") == DR6_RESET
    for number in range(4):
        wire.remove(2, f"value{number}", 1 << number)


def _steps(wire):
    """An interrupt is pending, and IF on from the second step on: no step ends in its handler; it
    comes when the guest runs again."""
    wire.run_to("ss_start")
    before = wire.value("irqs")
    places = []
    for _ in LINE[1:]:
        assert wire.rsp.step().startswith("T05")
        places.append(wire.guest.name_of(wire.rsp.pc()))
        assert wire.register("eflags") & 0x100 == 0
    assert places == list(LINE[1:])
    assert wire.value("irqs") == before
    wire.run_to("gd_access")
    assert (wire.value("irqs_in_line"), wire.value("irqs")) == (before, before + 1)


def _guests_own(wire, dr7, rip, bits):
    """The guest's debug registers, written from outside: its handler gets #DB with exactly these
    bits in DR6, once."""
    before = wire.value("dbs")
    wire.set("dr7", DR7_RESET | dr7)
    wire.run_to("h_db")
    assert wire.register("dr6") == DR6_RESET | bits
    wire.set("dr7", DR7_RESET)
    wire.run_to("h_db_iret")
    assert wire.value("db_rip") == wire.guest[rip]
    assert wire.value("db_dr6") == DR6_RESET | bits
    wire.run_to("gd_after")
    assert wire.value("dbs") == before + 1


@pytest.mark.every_machine
def test_gen_6_debug_regs(boot):
    """GEN-6, HAXM-7, HAXM-14, HAXM-16, GEN-1, DR-6: the whole of it in one session."""
    wire = Wire(boot("debug_regs"))
    wire.run_to("round")
    _breakpoints(wire)
    _watchpoints(wire)
    _steps(wire)
    wire.run_to("round")
    for number in range(4):
        wire.set(f"dr{number}", wire.guest[f"hw_bp{number}"])
        _guests_own(wire, 3 << 2 * number, f"hw_bp{number}", 1 << number)
    for number, size in enumerate((0, 1, 3, 2)):  # DR7.LEN of 1, 2, 4, 8 bytes
        wire.set(f"dr{number}", wire.guest[f"value{number}"])
        dr7 = 3 << 2 * number | (size << 2 | 1) << 16 + 4 * number
        _guests_own(wire, dr7, f"written{number}", 1 << number)
    _guests_own(wire, DR7_GD, "gd_access", DR6_BD)
    assert wire.register("dr7") == DR7_RESET  # GD was cleared on the way to the handler
