"""Conditions and commands of breakpoints that the target evaluates (agent expressions)."""

import re
import time


def _sent(out):
    return re.findall(r"Sending packet: \$(.*)#[0-9a-f]{2}$", out, re.MULTILINE)


def test_a_condition_is_tried_by_the_target(start, values):
    out = start().gdb(
        "break *0x1010 if *(long*)0x2000 == 500",
        "set debug remote 1",
        "continue",
        "set debug remote 0",
        "print *(long*)0x2000",
        "info breakpoints",
        timeout=60,
    )
    assert values(out) == ["500"]
    assert "breakpoint already hit 1 time" in out
    assert "target evals" not in out or "host evals" not in out
    assert sum(packet.startswith("vCont;") for packet in _sent(out)) <= 2
    assert any(packet.startswith("Z0,1010,1;X") for packet in _sent(out))


def test_conditions_of_registers_signs_and_pointers(start, values):
    for condition, count in (
        ("$rip == 0x1010 && *(long*)0x2000 > 3 && (char)*(long*)0x2000 < 100", "4"),
        ("*(int*)0x2000 * 3 - 1 >= 20 || 0", "7"),
        ("(*(unsigned char*)0x2000 & 0xf) == 0xf", "15"),
        ("*(long*)0x2000 / -2 == -9", "18"),
        ("*(long*)($rsp - $rsp + 0x2000) % 10 == 0 && !($rax & 1)", "10"),
    ):
        out = start().gdb(f"break *0x1010 if {condition}", "continue", "print *(long*)0x2000")
        assert values(out) == [count], out


def test_a_condition_that_cannot_be_tried_stops(start):
    out = start().gdb("break *0x1010 if *(long*)0xa000 == 1", "continue")
    assert "Error in testing" in out and "0xa000" in out


def test_changed_and_removed_conditions(start, values):
    out = start().gdb(
        "set breakpoint always-inserted on",
        "break *0x1010 if *(long*)0x2000 == 5",
        "continue",
        "print *(long*)0x2000",
        "condition 1 *(long*)0x2000 == 9",
        "continue",
        "print *(long*)0x2000",
        "condition 1",
        "continue",
        "print *(long*)0x2000",
        "hbreak *0x1011 if *(long*)0x2000 == 20",
        "delete 1",
        "continue",
        "print *(long*)0x2000",
    )
    assert values(out) == ["5", "9", "10", "20"]


def test_dprintf_by_the_target(start):
    """The text comes without a stop."""
    stub = start()
    gdb = stub.prompt()
    gdb.do("set dprintf-style agent")
    gdb.do(r'dprintf *0x1010,"count %d at %#lx, %s\n", *(int*)0x2000, (long)$rip, (char*)0x6000')
    gdb.do("set var {char[6]}0x6000 = \"hello\"")
    gdb.do("tbreak *0x1011 if *(long*)0x2000 == 3")
    out = gdb.do("continue")
    assert "Temporary breakpoint" in out
    for count in (1, 2, 3):
        assert f"count {count} at " in out and "hello" in out
    assert "count 4" not in out


def test_ctrl_c_amid_conditions(start):
    gdb = start().prompt()
    gdb.do("break *0x1010 if *(long*)0x2000 == -1")
    gdb.run("continue")
    time.sleep(0.3)
    assert "received signal SIGINT" in gdb.interrupt()
