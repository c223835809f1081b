"""gdb's tracepoints: collected by the target, which tells nothing until it is asked."""

import re
import subprocess

from conftest import GDB

# Thread 1's loop comes by 0x1010 once a round; a breakpoint ends the run.
UNTIL_ROUND_20 = ["break *0x1011 if *(long*)0x2000 == 20", "continue", "delete 2"]


def _actions(number, *lines):
    """gdb's `actions` takes its lines from the script: python says them."""
    text = "\\n".join((f"actions {number}", *lines, "end"))
    return ["python import tempfile",
            f"python f = tempfile.NamedTemporaryFile('w', suffix='.gdb'); f.write('{text}\\n'); "
            "f.flush(); gdb.execute('source ' + f.name)"]


def test_trace_collect_find_and_dump(start, values):
    out = start().gdb(
        "trace *0x1010",
        *_actions(1, "collect $regs, *(long*)0x2000", "collect *(long*)0x2008"),
        "tstatus",
        "tstart",
        *UNTIL_ROUND_20,
        "tstop",
        "tstatus",
        "tfind start",
        "print *(long*)0x2000",
        "print/x $rip",
        "tfind 7",
        "print *(long*)0x2000",
        "print *(long*)0x6000",
        "tdump",
        "tfind none",
        "print *(long*)0x2000",
        "info tracepoints",
    )
    assert values(out) == ["1", "0x1010", "8", "<unavailable>", "20"], out
    assert "Trace stopped by a tstop command" in out
    assert "Collected 20 trace frames" in out
    assert "Found trace frame 0, tracepoint 1" in out
    assert re.search(r"Data collected at tracepoint 1, trace frame 7:", out)
    assert "*(long*)0x2000 = 8" in out
    assert "tracepoint already hit 20 times" in out


def test_conditions_passcount_and_while_stepping(start):
    out = start().gdb(
        "trace *0x1002 if *(long*)0x2000 % 5 == 4",
        *_actions(1, "collect $rip", "while-stepping 2", "collect *(long*)0x2000", "end"),
        "passcount 3 1",
        "tstart",
        "break *0x1011 if *(long*)0x2000 == 30",
        "continue",
        "tstatus",
        "tfind start",
        "tfind",
        "output *(long*)0x2000",
        "tfind 3",
        "output/x $rip",
    )
    assert "Trace stopped by tracepoint 1" in out
    assert re.search(r"Found trace frame 1, tracepoint 1.*\n.*5", out)
    assert "0x1002" in out


def test_trace_variables_and_circular_buffer(start, values):
    out = start().gdb(
        "tvariable $seen = 3",
        "set circular-trace-buffer on",
        "set trace-buffer-size 2048",
        "trace *0x1010",
        *_actions(1, "collect $regs", "teval $seen = $seen + 1"),
        "tstart",
        "break *0x1011 if *(long*)0x2000 == 100",
        "continue",
        "tstop",
        "tstatus",
        "info tvariables",
        "tfind start",
        "print/x $rip",
    )
    assert values(out) == ["0x1010"]
    assert re.search(r"\$seen +3 +103", out)
    assert "trace frames (of 100 created total)" in out
    assert "Trace buffer is circular" in out


def test_tsave_writes_a_file_that_gdb_reads(start, values, tmp_path):
    file = tmp_path / "frames.tf"
    stub = start()
    stub.gdb(
        "info registers rip rax",
        "trace *0x1010",
        *_actions(1, "collect $regs, *(long*)0x2000"),
        "tstart",
        *UNTIL_ROUND_20,
        "tstop",
        f"tsave {file}",
    )
    assert file.stat().st_size > 20 * 170
    argv = [GDB, "-batch", "-nx", "-ex", f"target tfile {file}", "-ex", "tfind 6",
            "-ex", "print/x $rip", "-ex", "print *(long*)0x2000"]
    out = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30).stdout
    assert values(out) == ["0x1010", "7"], out


def test_a_new_gdb_finds_the_frames(start, values):
    stub = start()
    stub.gdb("trace *0x1010 if *(long*)0x2000 != 3",
             *_actions(1, "collect $regs, *(long*)0x2000", "while-stepping 2",
                       "collect *(long*)0x2008", "end"),
             "trace *0x1002", "passcount 1000 2",
             "tstart", *UNTIL_ROUND_20, "tstop", "disconnect")
    out = stub.gdb("tfind tracepoint 1", "print/x $rip", "tdump", "tfind none", "tstatus",
                   "info tracepoints")
    assert values(out) == ["0x1010"], out
    assert "Data collected at tracepoint 1, trace frame 1:" in out
    assert "*(long*)0x2000 = 1" in out
    assert "no source" not in out
    # As it was said: place, condition, actions, and how often it was hit.
    assert re.search(r"tracepoint +keep y +0x0*1010", out), out
    assert "trace only if *(long*)0x2000 != 3" in out
    assert re.search(r"collect \$regs, \*\(long\*\)0x2000\n +while-stepping 2\n"
                     r" +collect \*\(long\*\)0x2008", out), out
    assert "tracepoint already hit 19 times" in out
    assert "pass count 1000" in out


def test_reconnecting_doubles_no_tracepoint(start):
    stub = start()
    out = stub.gdb("trace *0x1010 if *(long*)0x2000 != 3", *_actions(1, "collect $regs"),
                   "tstart", *UNTIL_ROUND_20, "tstop", "disconnect", f"target remote {stub.address}",
                   "info tracepoints", "tfind 0", "info tracepoints")
    assert "Found trace frame 0, tracepoint 1" in out
    assert len(re.findall(r"tracepoint +keep", out)) == 2, out  # one, told twice


def test_tracepoints_are_switched_amid_a_run(start):
    out = start().gdb(
        "trace *0x1010",
        "trace *0x1002",
        "disable 1",
        "tstart",
        "break *0x1011 if *(long*)0x2000 == 20",
        "continue",
        "enable 1",
        "disable 2",
        "delete 3",
        "break *0x1011 if *(long*)0x2000 == 30",
        "continue",
        "tstop",
        "tstatus",
        "info tracepoints",
    )
    assert "upport disabling" not in out and "upport enabling" not in out
    one, two = re.findall(r"tracepoint already hit (\d+) times", out)
    assert (one, two) == ("10", "20"), out
