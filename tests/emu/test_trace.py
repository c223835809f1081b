"""Tracepoints in the guest: collected by gdbvisor, without a stop and without a byte."""

import re

import pytest

from harness.rsp import frame

pytestmark = pytest.mark.needs("gdbvisor")


def _to_loop(vm, rsp):
    """To the loop of hello64; its address and the counter's."""
    loop, counter = vm.guest["count_loop"], vm.guest["counter"]
    assert rsp.ask(f"Z1,{loop:x},1") == "OK"
    assert rsp.ask("vCont;c", 60).startswith("T05")
    assert rsp.ask(f"z1,{loop:x},1") == "OK"
    return loop, counter


@pytest.mark.needs("raw")
def test_hits_cost_nothing_until_asked(boot):
    """A tracepoint hit never stops the guest, and nothing goes over the line."""
    vm = boot("hello64")
    rsp = vm.rsp()
    rsp.ask("qSupported:swbreak+")
    loop, counter = _to_loop(vm, rsp)
    for packet in ("QTinit", f"QTDP:1:{loop:x}:E:0:c8-", f"QTDP:-1:{loop:x}:R1M-1,{counter:x},8",
                   "QTStart"):
        assert rsp.ask(packet) == "OK"
    code = f"24{counter:08x}1a22fa13" + "27"  # counter == 250: past the pass count of 200
    assert rsp.ask(f"Z0,{loop:x},1;X{len(code) // 2:x},{code}") == "OK"
    received = rsp.bytes_received
    rsp.send(frame(b"vCont;c"))
    assert rsp.receive(120).startswith(b"T05swbreak:;")
    assert rsp.bytes_received - received < 100
    assert rsp.ask("qTStatus").startswith("T0;tpasscount:1;tframes:c8;tcreated:c8;")
    # The first stop at the loop was there: its hit is not told again.
    assert rsp.ask("QTFrame:0") == "F0T1"
    assert rsp.ask(f"m{counter:x},8") == "0100000000000000"
    assert rsp.ask("QTFrame:c7") == "Fc7T1"
    assert rsp.ask(f"m{counter:x},8") == "c800000000000000"
    assert int.from_bytes(bytes.fromhex(rsp.ask("p10")), "little") == loop
    assert rsp.ask("QTFrame:ffffffff") == "OK"
    # Both have a breakpoint there; the user's goes, and then the tracepoint's.
    assert rsp.ask("QTStart") == "OK"
    assert rsp.ask(f"z0,{loop:x},1") == "OK"
    rsp.resume()
    assert rsp.quiet(0.5)
    assert rsp.interrupt().startswith("T02")
    assert "tframes:c8;" in rsp.ask("qTStatus")
    assert rsp.ask("QTStop") == "OK"
    rsp.resume()
    assert rsp.quiet(0.3)
    assert rsp.interrupt().startswith("T02")


@pytest.mark.needs("raw")
def test_tracepoints_are_switched_amid_a_run(boot):
    """QTEnable and QTDisable: what is off is not hit, nor does it cost an exit."""
    vm = boot("hello64")
    rsp = vm.rsp()
    rsp.ask("qSupported:swbreak+")
    loop, counter = _to_loop(vm, rsp)

    def run_to(count):
        code = f"24{counter:08x}1a22{count:02x}1327"  # counter == count
        assert rsp.ask(f"Z0,{loop:x},1;X{len(code) // 2:x},{code}") == "OK"
        assert rsp.ask("vCont;c", 120).startswith("T05swbreak:;")
        assert rsp.ask(f"z0,{loop:x},1") == "OK"

    def hits():
        return [int(rsp.ask(f"qTP:{n}:{loop:x}")[1:].split(":")[0], 16) for n in (1, 2)]

    for packet in ("QTinit", f"QTDP:1:{loop:x}:E:0:0", f"QTDP:2:{loop:x}:D:0:0", "QTStart"):
        assert rsp.ask(packet) == "OK"
    run_to(100)
    assert hits() == [100, 0]  # each round has come by, and the one that stopped, too
    for packet in (f"QTDisable:1:{loop:x}", f"QTEnable:2:{loop:x}"):
        assert rsp.ask(packet) == "OK"
    run_to(150)
    assert hits() == [100, 50]
    assert rsp.ask(f"QTDisable:2:{loop:x}") == "OK"
    before = rsp.exits()["total"]
    rsp.resume()
    assert rsp.quiet(0.3)
    rsp.interrupt()
    assert rsp.exits()["total"] - before < 20
    assert hits() == [100, 50]


@pytest.mark.needs("raw")
def test_room_for_traces(boot):
    """trace=SIZE: so much is there, and hidden from the guest as all of the reservation."""
    vm = boot("hello64", options="trace=3M")
    assert "tracepoints 3072 KiB" in vm.console()
    rsp = vm.rsp()
    rsp.ask("qSupported:swbreak+")
    loop, counter = _to_loop(vm, rsp)
    for packet in ("QTinit", f"QTDP:1:{loop:x}:E:0:3-", f"QTDP:-1:{loop:x}:M-1,100000,f0000",
                   "QTBuffer:circular:1", "QTStart"):
        assert rsp.ask(packet) == "OK"
    code = f"24{counter:08x}1a22051327"  # counter == 5
    assert rsp.ask(f"Z0,{loop:x},1;X{len(code) // 2:x},{code}") == "OK"
    assert rsp.ask("vCont;c", 120).startswith("T05swbreak:;")
    status = rsp.ask("qTStatus")
    assert "tcreated:3;tsize:300000;" in status
    assert rsp.ask("QTFrame:pc:" + f"{loop:x}").endswith("T1")
    assert rsp.ask(f"m{loop:x},2") == "48ff"  # from the frame
    assert rsp.ask("QTBuffer:size:300001") == "E22"


def test_gdb_traces_steps_and_dumps(boot, tmp_path):
    """trace, collect, while-stepping, tfind and tdump by gdb."""
    vm = boot("hello64")
    gdb = vm.gdb()
    loop, counter = vm.guest["count_loop"], vm.guest["counter"]
    gdb.run_to(loop)
    gdb.run(f"exec-file {vm.guest.elf}")  # frames have no code
    gdb.run(f"trace *{loop:#x} if *(long*){counter:#x} >= 10")
    script = tmp_path / "actions.gdb"
    script.write_text(f"actions 2\ncollect $regs, *(long*){counter:#x}\nwhile-stepping 2\n"
                      "collect $rip\nend\nend\n", encoding="utf-8")
    gdb.run(f"source {script}")
    gdb.run("passcount 5 2")
    gdb.run("tstart")
    gdb.run(f"break *{loop:#x} if *(long*){counter:#x} == 40")
    gdb.go(60)
    status = gdb.run("tstatus")
    assert "Trace stopped by tracepoint 2" in status
    assert re.search(r"Collected 1[34] trace frames", status)
    gdb.run("tfind start")
    assert gdb.value(f"*(long*){counter:#x}") == 10
    assert gdb.value("$rip") == loop
    assert gdb.value("$rbx") == 0x1122334455667788
    gdb.run("tfind 1")
    assert loop < gdb.value("$rip") < loop + 16
    gdb.run("tfind 3")
    assert gdb.value(f"*(long*){counter:#x}") == 11
    assert "= 11" in gdb.run("tdump")
    gdb.run("tfind none")
    assert gdb.value(f"*(long*){counter:#x}") == 40
    # The next gdb has it all: tracepoint, condition, actions and frames.
    gdb.disconnect()
    gdb = vm.gdb()
    listed = gdb.run("info tracepoints")
    assert f"trace only if *(long*){counter:#x} >= 10" in listed
    assert "while-stepping 2" in listed
    gdb.run("tfind 3")
    assert "= 11" in gdb.run("tdump")
