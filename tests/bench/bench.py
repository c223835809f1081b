#!/usr/bin/python3
"""make bench: what gdbvisor costs, as one table and as BUILD/bench.json.

usage: bench.py [--only NAME,...] [--pairs N]

Sections: size, exits, boot (CPU time of QEMU, with and without gdbvisor), latency (break-in,
steps), wire (bytes and round trips of gdb's actions). RSP_TOOLS names a folder with rspbench.py,
whose table then is the wire section; without it a tap of our own counts two actions.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "emu"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import build, paths  # noqa: E402
from harness.vm import Vm  # noqa: E402
from machines import MACHINES  # noqa: E402
from tap import Tap  # noqa: E402

MACHINE = MACHINES[0]
OPTIONS = "gdb=com2 console=com1"
CMDLINE = "console=ttyS0 panic=-1 nokaslr"
FIRST_LINE = "Linux version"
READY = "INIT: reached"
RSP_TOOLS = os.environ.get("RSP_TOOLS")

# Limits that are not kept, and where it is written why. They show as FAIL, and do not fail the run.
KNOWN = {"wire: info-registers, bytes": "docs/protocol.md, Registers, and what they cost"}


class Table:
    """Rows of (name, value, unit, limit); a limit is the most a value may be."""

    def __init__(self):
        self.rows = []

    def add(self, name, value, unit="", limit=None):
        """Prints the row as it comes."""
        passed = None if limit is None else value <= limit
        self.rows.append({"name": name, "value": value, "unit": unit, "limit": limit,
                          "passed": passed})
        shown = f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
        verdict = "" if passed is None else f"   at most {limit}: {'pass' if passed else 'FAIL'}"
        if passed is False and name in KNOWN:
            verdict += f", known: {KNOWN[name]}"
        print(f"{name:46} {shown:>12} {unit:9}{verdict}", flush=True)

    def heading(self, text):
        """A line between sections."""
        print(f"-- {text}", flush=True)


class Bench:
    """Machines in a folder of their own, ended with the bench."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hvbench"))
        self.table = Table()
        self._count = 0

    def vm(self, boot_args, **kwargs):
        """A machine."""
        self._count += 1
        workdir = self.folder / str(self._count)
        workdir.mkdir()
        return Vm(MACHINE, workdir, boot_args=boot_args, **kwargs)

    def boot(self, modules, options="", **kwargs):
        """gdbvisor with modules [(path, command line)]."""
        image = build.hypervisor_iso(f"{OPTIONS} {options}".strip(), modules)
        return self.vm(["-cdrom", image], **kwargs)

    def tiny(self, name, options=""):
        """gdbvisor with a tiny guest, waiting at its entry."""
        guest = build.Guest(name)
        vm = self.boot([(guest.bin, "")], options, guest=guest)
        vm.wait_console("guest: running" if "stop=none" in options else "gdb: waiting on")
        return vm

    def kernel(self, options, more=""):
        """gdbvisor with the Debian kernel."""
        modules = [(paths.KERNEL, f"{CMDLINE} {more}".strip()), (paths.INITRD, "")]
        return self.boot(modules, options, memory=512)

    def kernel_alone(self, more=""):
        """The same kernel by the same boot loader, without gdbvisor."""
        config = "\n".join(["set timeout=0", f"linux /vmlinuz {CMDLINE} {more}".strip(),
                            "initrd /initrd.img", "boot", ""])
        image = build.iso(config, {"vmlinuz": paths.KERNEL, "initrd.img": paths.INITRD})
        return self.vm(["-cdrom", image], memory=512)

    # ---- sections --------------------------------------------------------------------------------

    def size(self, _args):
        """Image and resident memory."""
        self.table.add("image, gdbvisor.elf", paths.HYPERVISOR.stat().st_size / 1024, "KiB")
        stripped = self.folder / "stripped.elf"
        build._run("objcopy", "--strip-all", paths.HYPERVISOR, stripped)
        self.table.add("image, without symbols", stripped.stat().st_size / 1024, "KiB")
        vm = self.tiny("hello64")
        try:
            console = vm.console()
            version = vm.gdb().monitor("version")
        finally:
            vm.stop()
        text = next((line for line in (version + "\n" + console).splitlines()
                     if "memory:" in line), "")
        print(f"   {text.strip()}")
        reserved = re.search(r"(\d+) KiB reserved", text)
        tables = re.search(r"stage-2 tables (\d+) KiB", text)
        if not (reserved and tables):
            raise RuntimeError(f"no sizes in {text!r}")
        self.table.add("memory: stage-2 tables", int(tables[1]), "KiB")
        self.table.add("memory: reservation, tables and all", int(reserved[1]), "KiB",
                       4096 + int(tables[1]))

    def exits(self, _args):
        """Exits by reason of a kernel boot nobody debugged."""
        vm = self.kernel("stop=none")
        try:
            vm.wait_console(READY, 240)
            listing = self._exits(vm)
        finally:
            vm.stop()
        for name, count in re.findall(r"^(\S.*?)\s+(\d+)$", listing, re.MULTILINE):
            self.table.add(f"exits, boot to init: {name}", int(count))

    @staticmethod
    def _exits(vm):
        rsp = vm.rsp()
        rsp.ask("qSupported")
        text = ""
        reply = rsp.ask("qRcmd," + b"exits".hex())
        while reply.startswith("O") and reply != "OK":
            text += bytes.fromhex(reply[1:]).decode()
            reply = rsp.receive().decode()
        return text or bytes.fromhex(reply).decode()

    def _boot_seconds(self, vm):
        """CPU time of QEMU: from power-on to power-off, and from the kernel's first line on."""
        try:
            first = last = None
            deadline = time.monotonic() + 300
            while vm.alive() and time.monotonic() < deadline:
                try:
                    last = vm.cpu_seconds()
                except (FileNotFoundError, ProcessLookupError, IndexError):
                    break
                if first is None and FIRST_LINE in vm.console():
                    first = last
                time.sleep(0.01)
            if vm.alive() or first is None or READY not in vm.console():
                raise RuntimeError("the kernel did not boot:\n" + vm.report())
            return last, last - first
        finally:
            vm.stop()

    def boot_time(self, args):
        """Pairs of boots, in turns, so that a change of the machine's load hits both.

        The second row is the kernel alone: the boot loader takes another (and longer) way to load
        a kernel that it starts itself than to load a module.
        """
        pairs = [(self._boot_seconds(self.kernel("stop=none", "hv.off")),
                  self._boot_seconds(self.kernel_alone("hv.off"))) for _ in range(args.pairs)]
        for part, name in enumerate(("power-on to power-off", "kernel's first line to power-off")):
            with_us = [pair[0][part] for pair in pairs]
            alone = [pair[1][part] for pair in pairs]
            share = [(a / b - 1) * 100 for a, b in zip(with_us, alone)]
            self.table.add(f"{name}: CPU, alone", statistics.median(alone), "s")
            self.table.add(f"{name}: CPU, gdbvisor", statistics.median(with_us), "s")
            self.table.add(f"{name}: gdbvisor's share", statistics.median(share), "%", 10)

    def latency(self, _args):
        """Ctrl-C to the stop reply, and single steps per second."""
        vm = self.tiny("hello64")
        try:
            rsp = vm.rsp()
            rsp.ask("qSupported")
            rsp.resume()
            vm.wait_said("hello64: ok")
            times = []
            for _ in range(20):
                time.sleep(0.02)
                begin = time.monotonic()
                rsp.interrupt()
                times.append((time.monotonic() - begin) * 1000)
                rsp.resume()
            self.table.add("break-in, Ctrl-C to stop reply (median of 20)",
                           statistics.median(times), "ms")
            self.table.add("break-in, the longest of 20", max(times), "ms")
            rsp.interrupt()
            begin, steps = time.monotonic(), 300
            for _ in range(steps):
                rsp.step()
            self.table.add("single steps", steps / (time.monotonic() - begin), "/s")
        finally:
            vm.stop()

    def wire(self, _args):
        """Bytes and round trips of gdb's actions."""
        tools = Path(RSP_TOOLS) if RSP_TOOLS else None
        limits = {}
        if tools and (tools / "rspbench.py").exists():
            counts = self._rspbench(tools)
            limits = {"stepi": (230, 3), "info-registers": (120, None)}
        else:
            # A guest without debug information makes gdb read more: no limits here.
            counts = self._own_tap()
        for name, (size, trips) in counts.items():
            most, turns = limits.get(name, (None, None))
            self.table.add(f"wire: {name}, bytes", size, "bytes", most)
            self.table.add(f"wire: {name}, round trips", trips, "", turns)

    def _own_tap(self):
        vm = self.tiny("hello64")
        tap = Tap(vm.gdb_socket, vm.sockets / "tap")
        marks = self.folder / "marks"
        command = [paths.GDB, "-nx", "-q", "-batch", "-ex", f"target remote {tap.path}",
                   "-ex", f"hbreak *{vm.guest['count_loop']:#x}", "-ex", "continue",
                   "-ex", "delete", "-ex", "stepi"]
        for action in ("stepi", "info registers", "stepi"):
            command += ["-ex", f"shell sleep 0.2; date +%s.%N >> {marks}", "-ex", action]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            times = [float(line) for line in marks.read_text().split()]
            return {name: tap.counts(times[n], times[n + 1])
                    for n, name in enumerate(("stepi", "info-registers"))}
        finally:
            tap.close()
            vm.stop()

    def _rspbench(self, tools):
        guest = self.folder / "rspguest"
        shutil.copytree(tools / "guest", guest)
        subprocess.run(["make", "-s", "-C", guest, "guest-hh-O0.bin"], check=True)
        vm = self.boot([(guest / "guest-hh-O0.bin", "")], "stop=none")
        result = paths.BUILD / "rspbench.json"
        try:
            vm.wait_console("bench guest ready")
            done = subprocess.run(
                [sys.executable, tools / "rspbench.py", "--stub", f"unix:{vm.gdb_socket}", "--elf",
                 guest / "guest-hh-O0.elf", "--source", guest / "scenes.c", "--gdb", paths.GDB,
                 "--json", result, "--label", "gdbvisor", "--work", self.folder / "rspbench",
                 "--timeout", "600"],
                check=False, capture_output=True, text=True)
            if not result.exists():
                raise RuntimeError(done.stdout + done.stderr)
        finally:
            vm.stop()
        counts = {}
        for action in json.loads(result.read_text())["actions"]:
            name = action["name"]
            if action.get("status") != "ok":
                print(f"   wire: {name}: {action.get('status')}")
                continue
            counts[name] = (action["bytes_to"] + action["bytes_from"], action["round_trips"])
        return counts


SECTIONS = {"size": Bench.size, "exits": Bench.exits, "boot": Bench.boot_time,
            "latency": Bench.latency, "wire": Bench.wire}


def main():
    """Runs the sections; the exit code tells whether every limit was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by name")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of boots")
    args = parser.parse_args()
    bench = Bench()
    try:
        for name in args.only.split(","):
            bench.table.heading(name)
            SECTIONS[name](bench, args)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    out = paths.BUILD / "bench.json"
    out.write_text(json.dumps({"machine": MACHINE.name, "rows": bench.table.rows}, indent=1) + "\n")
    over = [row["name"] for row in bench.table.rows if row["passed"] is False]
    print(f"-- {len(bench.table.rows)} rows in {out}"
          + (f"; over the limit: {', '.join(over)}" if over else "; every limit kept"))
    return 1 if any(name not in KNOWN for name in over) else 0


if __name__ == "__main__":
    sys.exit(main())
