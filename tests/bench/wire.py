"""The wire section of the bench: bytes and round trips of gdb's actions."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from harness import paths
from tap import Tap
from wire_table import ACTIONS, COLUMNS

SERIAL_GDB = Path(__file__).resolve().parents[2] / "tools" / "serial.gdb"

# What registers and stack contain differs a little between builds.
TOLERANCE = 1.02

# On hello64, which has no debug information: (name, what gdb does before, the action, bytes, round
# trips as measured).
OWN = (
    ("stepi", [], "stepi", 169, 6),
    ("stepi 10", [], "stepi 10", 1535, 38),
    ("info registers", [], "info registers", 984, 47),
    ("print $rip", [], "print $rip", 0, 0),
    ("set var", [], "set var *(long*)COUNTER = 7", 227, 5),
    ("break", [], "break *count_loop", 21, 1),
    ("continue to it", [], "continue", 238, 7),
    ("a condition, 1000 tries",
     ["delete", "break *count_loop if *(long*)COUNTER == 2000", "set var *(long*)COUNTER = 1000"],
     "continue", 294, 8),
    ("watchpoint", ["delete", "watch *(long*)COUNTER"], "continue", 234, 8),
    ("dump 64 KiB", ["delete"], "dump binary memory /dev/null 0x200000 0x210000", 4208, 8),
    ("find over 1 MiB", [], "find /b 0x200000, +0x100000, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10", 50, 1),
)


def _add(table, name, size, trips, limits):
    most, turns = limits or (None, None)
    table.add(f"wire: {name}, bytes", size, "bytes", most and int(most * TOLERANCE) + 2)
    table.add(f"wire: {name}, round trips", trips, "", turns)


def own(bench):
    """A tap of our own between gdb and hello64; no program but what is in this project."""
    vm = bench.tiny("hello64")
    tap = Tap(vm.gdb_socket, vm.sockets / "tap")
    marks = bench.folder / "marks"
    counter = hex(vm.guest["counter"])
    mark = ["-ex", f"shell sleep 0.2; date +%s.%N >> {marks}; sleep 0.1"]
    command = [paths.GDB, "-nx", "-q", "-batch", "-ex", "set remotetimeout 60",
               "-ex", f"symbol-file {vm.guest.elf}", "-ex", f"target remote {tap.path}",
               "-ex", "hbreak *count_loop", "-ex", "continue", "-ex", "delete", "-ex", "stepi"]
    for _, before, action, _, _ in OWN:
        for line in before:
            command += ["-ex", line.replace("COUNTER", counter)]
        command += [*mark, "-ex", action.replace("COUNTER", counter), *mark]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=300)
        times = [float(line) for line in marks.read_text().split()]
        for n, (name, _, _, size, trips) in enumerate(OWN):
            counts = tap.counts(times[2 * n], times[2 * n + 1])
            _add(bench.table, f"hello64, {name}", *counts, (size, trips))
    finally:
        tap.close()
        vm.stop()


def _run(bench, tools, guest, init):
    """rspbench.py's counts: name -> (bytes, round trips)."""
    vm = bench.boot([(guest / "guest-hh-O0.bin", "")], "stop=none")
    result = paths.BUILD / "rspbench.json"
    result.unlink(missing_ok=True)
    try:
        vm.wait_console("bench guest ready")
        done = subprocess.run(
            [sys.executable, tools / "rspbench.py", "--stub", f"unix:{vm.gdb_socket}", "--elf",
             guest / "guest-hh-O0.elf", "--source", guest / "scenes.c", "--gdb", paths.GDB,
             "--json", result, "--label", "gdbvisor", "--work", bench.folder / "rspbench",
             "--timeout", "600", *(["--init", init] if init else [])],
            check=False, capture_output=True, text=True)
        if not result.exists():
            raise RuntimeError(done.stdout + done.stderr)
    finally:
        vm.stop()
    counts = {}
    for action in json.loads(result.read_text())["actions"]:
        if action.get("status") == "ok":
            counts[action["name"]] = (action["bytes_to"] + action["bytes_from"],
                                      action["round_trips"])
        else:
            print(f"   wire: {action['name']}: {action.get('status')}")
    return counts


def _is_above(ours, ideal):
    """More than 5 % of the bytes, or more round trips; docs/protocol.md says why."""
    return bool(ours and ideal) and (ours[0] > 1.05 * ideal[0] or ours[1] > ideal[1])


def rspbench(bench, tools):
    """All actions of rspbench.py, beside what was recorded of other stubs and of ours."""
    guest = bench.folder / "rspguest"
    shutil.copytree(tools / "guest", guest)
    subprocess.run(["make", "-s", "-C", guest, "guest-hh-O0.bin"], check=True)
    settings = {"gdbvisor": None, "gdbvisor, serial.gdb": SERIAL_GDB}
    now = {column: _run(bench, tools, guest, init) for column, init in settings.items()}
    print(f"{'bytes/round trips':16}" + "".join(f" {name:>20}" for name in (*COLUMNS[:4], *settings)))
    for name, row in ACTIONS.items():
        cells = [*row[:4], *(now[column].get(name) for column in settings)]
        texts = (f"{cell[0]}/{cell[1]}" if cell else "-" for cell in cells)
        print(f"{name:16}" + "".join(f" {text:>20}" for text in texts))
    ideal = COLUMNS.index("ideal")
    above = [name for name, row in ACTIONS.items()
             if _is_above(now["gdbvisor"].get(name), row[ideal])]
    print(f"above the ideal: {', '.join(above)}")
    for column, counts in now.items():
        for name, row in ACTIONS.items():
            what = name if column == "gdbvisor" else f"{name}, serial.gdb"
            if name in counts:
                _add(bench.table, what, *counts[name], row[COLUMNS.index(column)])
            elif row[COLUMNS.index(column)]:
                raise RuntimeError(f"wire: {what}: it does not work any more")
