"""gdb comes and goes: detach, kill, death, and a line that spoils bytes."""

import re
import time

COUNTER = "output *(long*)0x2000"


def counter(stub):
    return int(stub.gdb(COUNTER, "disconnect").split()[-1])


def test_detach_lets_the_target_run_and_a_new_gdb_stops_it(start):
    stub = start()
    out = stub.gdb("stepi 3", "detach")
    assert "[Inferior 1 (Remote target) detached]" in out
    time.sleep(0.2)
    first = counter(stub)
    assert first > 1
    # `disconnect` is the contrary: the target stays as it is.
    assert counter(stub) == first
    stub.gdb("detach")
    time.sleep(0.2)
    assert counter(stub) > first


def test_bp24_attach_is_no_breakpoint(start):
    stub = start()
    stub.gdb("break *0x1010", "continue", "disconnect")
    # A stop at a breakpoint of another gdb's would be resumed at once by this one.
    out = stub.gdb("x/i $pc", "stepi")
    assert "=> 0x1010:\tnop" in out
    assert re.search("^0x0+1011 in", out, re.MULTILINE)
    stub = start()
    stub.gdb("detach")
    out = stub.gdb("x/i $pc", "stepi", "x/i $pc")
    assert "Breakpoint" not in out
    assert len(re.findall("^=> 0x10", out, re.MULTILINE)) == 2


def test_bp23_breakpoints_do_not_outlive_their_gdb(start):
    for ending in ("detach", "kill", "disconnect"):
        stub = start()
        stub.gdb(
            "set breakpoint always-inserted on", "break *0x1010", "watch *(long*)0x2000", ending
        )
        stub.gdb("detach")
        time.sleep(0.1)
        first = counter(stub)
        assert first > 1, ending


def test_kill_lets_the_machine_run(start):
    stub = start()
    assert "Inferior 1 (Remote target) killed" in stub.gdb("kill")
    time.sleep(0.2)
    assert counter(stub) > 1


def test_quit_detaches(start):
    stub = start()
    stub.gdb("stepi")  # gdb's end is a detach, for qAttached says 1
    time.sleep(0.2)
    assert counter(stub) > 1


def test_user8_gdb_killed_while_the_target_runs(start):
    for line in ("tcp", "pty"):
        stub = start(line=line)
        gdb = stub.prompt()
        gdb.do("break *0x3000")
        gdb.run("continue")
        gdb.kill_gdb()
        out = stub.gdb("x/i $pc", "break *0x1010", "continue", "print $rip")
        assert re.search("^=> 0x10", out, re.MULTILINE)
        assert "Breakpoint 1, 0x0000000000001010 in" in out


def test_user8_gdb_killed_at_its_prompt(start):
    stub = start(line="pty")
    gdb = stub.prompt()
    gdb.do("stepi")
    gdb.kill_gdb()
    assert "=> 0x1001:\tnop" in stub.gdb("x/i $pc")


def test_user8_line_that_spoils_bytes(start, values):
    """Every 400th byte each way is wrong: checksums and repetition hide that from gdb."""
    for spoil in (419, 1009):
        out = start("--spoil", spoil).gdb(
            "set remotetimeout 1",
            "stepi",
            "set var *(long*)0x2010=0x1122334455667788",
            "break *0x1010",
            "continue",
            "print/x $rip",
            "print/x *(long*)0x2010",
            "info registers",
            "x/64xg 0x4000",
            timeout=100,
        )
        assert values(out) == ["0x1010", "0x1122334455667788"], out
        assert re.search(r"^0x41f0:", out, re.MULTILINE)
