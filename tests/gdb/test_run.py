"""gdb acts: steps, breakpoints, watchpoints, Ctrl-C, and what each costs on the line."""

import re
import time

LOOP = [0x1000, 0x1001, 0x1002, 0x1009, 0x1010, 0x1011]


def test_stepi_walks_the_loop(start, values):
    commands = []
    for _ in range(12):
        commands += ["stepi", "print/x $rip"]
    out = start().gdb(*commands)
    assert [int(v, 16) for v in values(out)] == (LOOP + LOOP)[1:] + [0x1000]


def test_stepi_count_and_jump(start, values):
    out = start().gdb("stepi 7", "print/x $rip", "set $rip=0x1011", "stepi", "print/x $rip")
    assert values(out) == ["0x1001", "0x1000"]


def test_breakpoint_is_hit_again_and_again(start, values):
    out = start().gdb(
        "break *0x1010",
        "continue",
        "print *(long*)0x2000",
        "continue",
        "continue",
        "print *(long*)0x2000",
        "x/xb 0x1010",
        "info breakpoints",
    )
    assert out.count("Breakpoint 1, 0x0000000000001010 in") == 3
    assert values(out) == ["1", "3"]
    assert "0x1010:\t0x90" in out
    assert "already hit 3 times" in out


def test_breakpoint_always_inserted(start):
    out = start().gdb(
        "set breakpoint always-inserted on", "break *0x1010", "continue", "continue", "delete"
    )
    assert out.count("Breakpoint 1, 0x0000000000001010 in") == 2


def test_hardware_breakpoint(start):
    out = start().gdb("hbreak *0x1009", "continue", "continue")
    assert out.count("Breakpoint 1, 0x0000000000001009 in") == 2


def test_temporary_and_conditional_breakpoints(start, values):
    out = start().gdb(
        "tbreak *0x1002",
        "continue",
        "break *0x1010 if *(long*)0x2000 == 5",
        "continue",
        "print *(long*)0x2000",
    )
    assert "Temporary breakpoint 1, 0x0000000000001002 in" in out
    assert values(out) == ["5"]


def test_breakpoint_where_nothing_is(start):
    out = start().gdb("break *0xa000", "continue", "delete", "stepi", "x/i $pc")
    assert "Cannot insert breakpoint 1" in out
    assert "=> 0x1001:\tnop" in out


def test_more_hardware_breakpoints_than_slots(start):
    out = start().gdb(
        "hbreak *0x1002",
        "hbreak *0x1009",
        "hbreak *0x1010",
        "hbreak *0x1011",
        "hbreak *0x3000",
        "continue",
        "delete 5",
        "continue",
    )
    assert "Could not insert hardware breakpoint" in out
    assert "Breakpoint 1, 0x0000000000001002 in" in out


def test_watch(start):
    out = start().gdb("watch *(long*)0x2000", "continue", "continue")
    assert "Hardware watchpoint 1: *(long*)0x2000\n\nOld value = 0\nNew value = 1\n" in out
    assert "Old value = 1\nNew value = 2\n" in out


def test_rwatch_and_awatch(start):
    out = start().gdb(
        "rwatch *(int*)0x2008", "continue", "delete", "awatch *(short*)0x2000", "continue"
    )
    assert "Hardware read watchpoint 1: *(int*)0x2008\n\nValue = 0\n0x0000000000001010 in" in out
    hit = out[out.index("Hardware access (read/write) watchpoint 2: *(short*)0x2000\n\n") :]
    assert "\n\nOld value = 1\nNew value = 2\n" in hit


def test_threads_step_alone_or_with_the_others(start, values):
    out = start("--threads", 2).gdb(
        "set scheduler-locking on",
        "thread 1",
        "stepi",
        "print/x $rip",
        "thread 2",
        "stepi",
        "print/x $rip",
        "thread 1",
        "print/x $rip",
        "set scheduler-locking off",
        "break *0x1010",
        "continue",
        "print/x $rip",
    )
    assert values(out) == ["0x1001", "0x3000", "0x1001", "0x1010"]
    assert "Thread 1 hit Breakpoint 1, " in out


def test_old_resume_packets(start, values):
    """gdb told to do without vCont: H, c and s."""
    stub = start("--threads", 2)
    out = stub.gdb(
        "disconnect",
        "set remote verbose-resume-packet off",
        f"target remote {stub.address}",
        "stepi",
        "print/x $rip",
        "break *0x1010",
        "continue",
        "print/x $rip",
        "delete",
        "thread 2",
        "stepi",
        "print/x $rip",
    )
    assert values(out) == ["0x1001", "0x1010", "0x3000"]


def test_jump_uses_the_new_pc(start, values):
    out = start().gdb("break *0x1011", "jump *0x1010", "print/x $rip", "print *(long*)0x2000")
    assert values(out) == ["0x1011", "0"]


def test_fault_is_a_signal(start):
    out = start().gdb("set $rip=0xa000", "continue")
    assert "received signal SIGSEGV" in out


def test_signals_are_ignored(start, values):
    out = start().gdb("break *0x1010", "signal SIGUSR1", "print/x $rip", "queue-signal 2",
                      "stepi", "print/x $rip")
    assert values(out) == ["0x1010", "0x1011"]


def test_haxm21_ctrl_c_and_the_registers_after_it(start):
    for line in ("tcp", "pty"):
        gdb = start(line=line).prompt()
        for _ in range(3):
            gdb.run("continue")
            time.sleep(0.1)
            assert "received signal SIGINT" in gdb.interrupt()
            assert int(gdb.do("output (long)$rip").split()[-1]) in LOOP
        count = int(gdb.do("output *(long*)0x2000").split()[-1])
        assert count > 0
        gdb.run("continue")
        gdb.interrupt()
        assert int(gdb.do("output *(long*)0x2000").split()[-1]) > count
        gdb.kill_gdb()


def test_a_step_needs_no_registers_beyond_the_stop_reply(start):
    """No g, no p; memory is what gdb's guess at the caller costs without a symbol file."""
    out = start().gdb("stepi", "set debug remote 1", "stepi", "set debug remote 0")
    sent = re.findall(r"Sending packet: \$([^#]*)#", out)
    assert [packet for packet in sent if packet[0] != "m"] == ["vCont;s:1;c", "qfThreadInfo"]
