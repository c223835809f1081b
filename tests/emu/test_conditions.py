"""Conditions and commands of breakpoints, evaluated by gdbvisor."""

import re

import pytest

from harness.rsp import frame

pytestmark = pytest.mark.needs("gdbvisor")

TRIES = 3000


def _counter_is(vm, value):
    """Bytecode of `counter == value`."""
    code = bytes.fromhex(f"24{vm.guest['counter']:08x}1a23{value:04x}1327")
    return f"X{len(code):x},{code.hex()}"


@pytest.mark.needs("raw")
def test_a_false_condition_costs_an_exit_and_a_step(boot, machine):
    """BP-20: nothing on the wire, and no more than two exits for each try."""
    tries = TRIES if machine.emulator == "qemu" else 300
    vm = boot("hello64")
    rsp = vm.rsp()
    rsp.ask("qSupported:swbreak+")
    loop = vm.guest["count_loop"]
    # The breakpoint where the code is mapped by paging: in the loop itself.
    assert rsp.ask(f"Z1,{loop:x},1") == "OK"
    assert rsp.ask("vCont;c", 30).startswith("T05")
    assert rsp.ask(f"z1,{loop:x},1") == "OK"
    assert rsp.ask(f"Z0,{loop:x},1;{_counter_is(vm, tries)}") == "OK"
    exits, received = rsp.exits()["total"], rsp.bytes_received
    rsp.send(frame(b"vCont;c"))
    reply = rsp.receive(120)
    assert reply.startswith(b"T05swbreak:;")
    assert rsp.bytes_received - received < 100
    assert rsp.read_int(vm.guest["counter"]) == tries
    assert rsp.exits()["total"] - exits <= 2 * tries + 20
    # The same of a hardware breakpoint: one exit each, for RF gets it off.
    assert rsp.ask(f"z0,{loop:x},1") == "OK"
    assert rsp.ask(f"Z1,{loop:x},1;{_counter_is(vm, 2 * tries)}") == "OK"
    exits = rsp.exits()["total"]
    rsp.send(frame(b"vCont;c"))
    assert rsp.receive(120).startswith(b"T05")
    assert rsp.read_int(vm.guest["counter"]) == 2 * tries
    assert rsp.exits()["total"] - exits <= tries + 20


def test_conditions_and_dprintf_of_gdb(boot):
    """What gdb compiles works, and dprintf prints without a stop."""
    vm = boot("hello64")
    gdb = vm.gdb()
    counter = vm.guest["counter"]
    gdb.run_to(vm.guest["count_loop"])
    gdb.run(f"break *{vm.guest['count_loop']:#x} if *(long*){counter:#x} == 50 && $rbx != 0")
    gdb.go(60)
    assert gdb.value(f"*(long*){counter:#x}") == 50
    gdb.run("delete")
    gdb.run("set dprintf-style agent")
    second = int(re.findall(r"^ *(0x[0-9a-f]+)", gdb.run("x/2i $pc").replace("=>", ""),
                            re.MULTILINE)[1], 16)
    gdb.run(f'dprintf *{second:#x},"count %d at %lx\\n",*(int*){counter:#x},(long)$rip')
    gdb.run(f"tbreak *{vm.guest['count_loop']:#x} if *(long*){counter:#x} == 55")
    gdb.go(60)
    assert gdb.value(f"*(long*){counter:#x}") == 55
    # gdb's step off the breakpoint before ends where the first would be.
    for count in range(52, 56):
        assert f"count {count} at {second:x}" in gdb.console
