#!/usr/bin/python3
"""make bench: what gdbvisor costs, as one table and as BUILD/bench.json.

usage: bench.py [--only NAME,...] [--pairs N]

Sections: size, exits (of a kernel boot), firmware-exits (of a boot by the firmware and its boot
loader), exit-cost (instructions of ours, an exit), smp (both of a kernel boot with several CPUs),
steps (exits of steps and break-ins), boot and firmware-boot (CPU time of QEMU, with and without
gdbvisor), latency (break-in, steps), wire (bytes and round trips of gdb's actions).
A tap of our own counts some actions; RSP_TOOLS names a folder with rspbench.py, whose 57 actions then
are counted too, beside what other stubs need for them (wire_table.py).

One machine of each vendor, and a UEFI one for the firmware's sections, or those that MACHINES=
names; at the end their counts side by side.
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
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "emu"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import wire  # noqa: E402
from harness import build, paths  # noqa: E402
from harness.bochs import BochsVm  # noqa: E402
from harness.capabilities import auto_starts_cpus  # noqa: E402
from harness.vm import Vm  # noqa: E402
from limits import of_exit, of_firmware_exit, of_smp_exit  # noqa: E402
from machines import MACHINES, selected  # noqa: E402
from table import Table  # noqa: E402

PROGRAMS = {"qemu": paths.QEMU, "bochs": paths.BOCHS}
OPTIONS = "gdb=com2 console=com1"
CMDLINE = "console=ttyS0 panic=-1 nokaslr"
KERNEL_FILES = {"vmlinuz": paths.KERNEL, "initrd.img": paths.INITRD}
FIRST_LINE = "Linux version"
READY = "INIT: reached"
RSP_TOOLS = os.environ.get("RSP_TOOLS")
# An exit, what is done for it, and the entry, on a processor: assumed, and rather too much.
EXIT_SECONDS = 5e-6
MOST_INSTRUCTIONS = 3000  # of an exit that comes thousands of times in a boot


def _grub_linux(more):
    """Lines of grub.cfg that boot the kernel."""
    return f"linux /vmlinuz {CMDLINE} {more}\ninitrd /initrd.img\nboot\n"


class Bench:
    """Machines of one kind in a folder of their own, ended with the bench."""

    def __init__(self, machine, table):
        self.folder = Path(tempfile.mkdtemp(prefix="hvbench"))
        self.machine = machine
        self.table = table
        self._count = 0

    def vm(self, boot_args, **kwargs):
        """A machine."""
        self._count += 1
        workdir = self.folder / str(self._count)
        workdir.mkdir()
        kind = BochsVm if self.machine.emulator == "bochs" else Vm
        return kind(self.machine, workdir, boot_args=boot_args, **kwargs)

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

    def kernel(self, options, more="", cpus=None):
        """gdbvisor with the Debian kernel."""
        modules = [(paths.KERNEL, f"{CMDLINE} {more}".strip()), (paths.INITRD, "")]
        if cpus and not auto_starts_cpus(self.machine):
            options += " ap=icr"
        return self.boot(modules, options, memory=512, cpus=cpus)

    def kernel_alone(self, more="", cpus=None):
        """The same kernel by the same boot loader, without gdbvisor."""
        image = build.iso(f"set timeout=0\n{_grub_linux(more)}", KERNEL_FILES)
        return self.vm(["-cdrom", image], memory=512, cpus=cpus)

    def firmware(self, more="", cpus=None):
        """The firmware as the guest: GRUB from a disk, then the kernel."""
        if self.machine.firmware == "bios":
            line = f"{OPTIONS} guest=disk:0 stop=none"
            return self._bios_disk(f"multiboot2 /gdbvisor.elf {line}", more, cpus)
        options = f"{OPTIONS} guest=efi:\\EFI\\debian\\grubx64.efi stop=none"
        return self._efi_disk({"EFI/BOOT/BOOTX64.EFI": paths.APPLICATION,
                               "EFI/debian/grubx64.efi": build.grub_efi(),
                               "EFI/BOOT/gdbvisor.cfg": options.encode()}, more, cpus)

    def firmware_alone(self, more="", cpus=None):
        """The same boot without gdbvisor: where its start has a GRUB in front of it, with that."""
        if self.machine.firmware == "bios":
            return self._bios_disk("set root=(hd0)\nchainloader +1", more, cpus)
        return self._efi_disk({"EFI/BOOT/BOOTX64.EFI": build.grub_efi()}, more, cpus)

    def _bios_disk(self, first, more, cpus):
        """A CD whose GRUB does this, and a disk whose GRUB boots the kernel."""
        cd = build.iso(f"set timeout=0\n{first}\nboot\n", {"gdbvisor.elf": paths.HYPERVISOR})
        disk = build.iso(f"set timeout=0\n{_grub_linux(more)}", KERNEL_FILES)
        return self.vm(["-cdrom", cd, "-boot", "d"], memory=512, disks=[disk], cpus=cpus)

    def _efi_disk(self, files, more, cpus):
        config = {"EFI/debian/grub.cfg": _grub_linux(more).encode()}
        image = build.fat({**files, **config, **KERNEL_FILES})
        return self.vm(["-drive", f"format=raw,file={image},snapshot=on"], memory=512,
                       cpus=cpus)

    # ---- sections --------------------------------------------------------------------------------

    def size(self, _args):
        """Image and resident memory."""
        self.table.add("image, gdbvisor.elf", paths.HYPERVISOR.stat().st_size / 1024, "KiB")
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
        self._exits_to_init(self.kernel("stop=none"), "boot to init",
                            lambda kind: of_exit(self.machine.vendor, kind))

    def firmware_exits(self, _args):
        """The same, of the firmware's, the boot loader's and the kernel's together."""
        door = self.machine.firmware
        self._exits_to_init(self.firmware(), f"{door}, GRUB, init",
                            lambda kind: of_firmware_exit(self.machine.vendor, door, kind))

    def exit_cost(self, _args):
        """What gdbvisor executes for the exits that a kernel makes most, in instructions: in an emulator
        whose time-stamp counter counts those."""
        if self.machine.accel != "tcg":
            return
        guest, rounds = build.Guest("cost"), 1000
        counts = ["-icount", "shift=0"] if self.machine.emulator == "qemu" else []
        image = build.hypervisor_iso(f"{OPTIONS} stop=none ap=icr", [(guest.bin, "")])
        vm = self.vm(["-cdrom", image, *counts], guest=guest)
        try:
            vm.wait_said("cost: ok", 60)
            ticks = {name: int(number, 16) for number, name
                     in re.findall(r"^([0-9a-f]{8}) (.*)$", vm.said(), re.MULTILINE)}
        finally:
            vm.stop()
        if not 3 * rounds <= ticks["nop"] < 3.1 * rounds:
            raise RuntimeError(f"this counter counts no instructions: {ticks}")
        for name in ("cpuid", "apic write"):
            self.table.add(f"an exit: {name}", round((ticks[name] - ticks["nop"]) / rounds),
                           "insns", MOST_INSTRUCTIONS, "gdbvisor's own, from exit to entry")

    def smp(self, args):
        """The same with several CPUs, all together; and the CPU time of both kinds of boots with them.

        QEMU's own emulation runs the CPUs in one thread for that: in threads of their own those
        that wait for another spin, and how long is the host's load. It drops its whole TLB
        at each entry and exit, as no processor with ASIDs does: so only what a user has in front of
        him has a limit there, the kernel's boot from power-on to power-off; what the
        exits would be on a processor is reckoned.
        """
        cpus, machine = self.machine.smp, self.machine
        exits = self._exits_to_init(self.kernel("stop=none", cpus=cpus),
                                    f"{cpus} CPUs, boot to init",
                                    lambda kind: of_smp_exit(self.machine.vendor, kind, cpus))
        if machine.emulator in NO_TIMES:
            return
        hard, why = 10, ""
        if machine.accel == "tcg":
            self.machine = replace(machine, accel="tcg,thread=single")
            hard, why = None, "not judged: the emulator drops its TLB at each exit"
        try:
            seconds = self._pairs(args, f"{cpus} CPUs: ",
                                  lambda: self.kernel("stop=none", "hv.off", cpus),
                                  lambda: self.kernel_alone("hv.off", cpus), (10, hard), why)
            self._pairs(args, f"{cpus} CPUs, {machine.firmware}, GRUB: ",
                        lambda: self.firmware("hv.off", cpus),
                        lambda: self.firmware_alone("hv.off", cpus), (hard, hard), why)
        finally:
            self.machine = machine
        self.table.add(f"{cpus} CPUs: exits, at an assumed {EXIT_SECONDS * 1e6:.0f} us",
                       exits * EXIT_SECONDS / seconds * 100, "%", 10,
                       "of the kernel's CPU time, alone")

    def _exits_to_init(self, vm, what, limit):
        try:
            vm.wait_console(READY, 240)
            rsp = vm.rsp()
            rsp.ask("qSupported")
            counts = rsp.exits()
        finally:
            vm.stop()
        total = counts.pop("total")
        self.table.add(f"exits, {what}: all together", total)
        for name, count in counts.items():
            self.table.add(f"exits, {what}: {name}", count, "", *limit(name))
        return total

    def steps(self, _args):
        """Exits of single steps and of break-ins: counts, whatever the emulator's speed is."""
        vm = self.tiny("hello64")
        try:
            rsp = vm.rsp()
            rsp.ask("qSupported")
            counts = [rsp.exits()["total"]]
            for _ in range(100):
                rsp.step()
            counts.append(rsp.exits()["total"])
            rsp.resume()
            vm.wait_said("hello64: ok")
            rsp.interrupt()
            counts.append(rsp.exits()["total"])
            for _ in range(10):
                rsp.resume()
                time.sleep(0.1)
                rsp.interrupt()
            counts.append(rsp.exits()["total"])
        finally:
            vm.stop()
        self._conditions()
        self._breakpoints()
        self.table.add("single step: exits, each", (counts[1] - counts[0]) / 100, "", 2,
                       "one trap, and one NMI at the most")
        self.table.add("resume and break-in: exits, each", (counts[3] - counts[2]) / 10, "", 4,
                       "an NMI for each byte that finds the guest running")

    def _conditions(self):
        """A breakpoint whose condition does not hold: exits, bytes, and how many in a second."""
        tries = 3000 if self.machine.emulator == "qemu" else 300
        vm = self.tiny("hello64")
        try:
            rsp = vm.rsp()
            rsp.ask("qSupported:swbreak+")
            loop = vm.guest["count_loop"]
            code = f"24{vm.guest['counter']:08x}1a23{tries:04x}1327"  # counter == tries
            for packet in (f"Z1,{loop:x},1", "vCont;c", f"z1,{loop:x},1",
                           f"Z0,{loop:x},1;X{len(code) // 2:x},{code}"):
                rsp.ask(packet, 60)
            exits, received = rsp.exits()["total"], rsp.bytes_received
            begin = time.monotonic()
            rsp.ask("vCont;c", 120)
            seconds = time.monotonic() - begin
            received = rsp.bytes_received - received
            exits = rsp.exits()["total"] - exits
        finally:
            vm.stop()
        self.table.add("false condition: exits, each", exits / tries, "", 2.1,
                       "the breakpoint, and the step over it")
        self.table.add(f"false condition: bytes for {tries} and the stop", received, "bytes", 100)
        if self.machine.emulator not in NO_TIMES:
            self.table.add("false condition: in a second", tries / seconds, "/s")

    def _breakpoints(self):
        """What software breakpoints cost that are not hit: exits in each round of a guest that comes
        to a page once."""
        rounds, target, unused = 20, 0x602000, 0x602D01
        vm = self.tiny("unpack")
        try:
            rsp = vm.rsp()
            rsp.ask("qSupported:swbreak+")
            rsp.ask(f"Z1,{vm.guest['came_back']:x},1")
            rsp.ask("vCont;c", 60)

            def cost():
                before = rsp.exits()["total"]
                for _ in range(rounds):
                    rsp.ask("vCont;c", 60)
                return (rsp.exits()["total"] - before) / rounds

            free = cost()
            for number in range(1000):
                rsp.ask(f"Z0,{vm.guest['quiet'] + number * 1048:x},1")
            many = cost()
            rsp.ask(f"Z0,{unused:x},1")
            visited = cost()
        finally:
            vm.stop()
        assert unused - target < 4096
        self.table.add("1000 breakpoints elsewhere: exits, a round", many - free, "", 0.5,
                       "code that does not come to their pages pays nothing")
        self.table.add("a breakpoint in a page: exits, a visit", visited - many, "",
                       2.5 if self.machine.vendor == "svm" else None,
                       "one to enter its view, one to leave it")

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
        self._pairs(args, "", lambda: self.kernel("stop=none", "hv.off"),
                    lambda: self.kernel_alone("hv.off"))

    def firmware_boot_time(self, args):
        """The same for a boot by the firmware and its boot loader."""
        self._pairs(args, f"{self.machine.firmware}, GRUB: ", lambda: self.firmware("hv.off"),
                    lambda: self.firmware_alone("hv.off"))

    def _pairs(self, args, what, guest, alone, limits=(10, 10), why=""):
        """The rows of two kinds of boots; returns how long the kernel takes alone. limits: of the whole
        boot and of the kernel's part; why: where there is none.

        The host's other work and the luck of a process with its memory only ever add to a boot. So
        each boot of a pair is the lesser of two, all four in turns, behind one of each that is not counted.
        """
        def boots():
            return [self._boot_seconds(kind()) for kind in (guest, alone)]

        def lesser(tries):
            return [min(seconds) for seconds in zip(*tries)]

        boots()
        pairs = []
        for _ in range(args.pairs):
            with_us, by_itself = zip(boots(), boots())
            pairs.append((lesser(with_us), lesser(by_itself)))
        for part, name in enumerate(("power-on to power-off", "kernel's first line to power-off")):
            with_us = [pair[0][part] for pair in pairs]
            by_itself = [pair[1][part] for pair in pairs]
            share = [(a / b - 1) * 100 for a, b in zip(with_us, by_itself)]
            name = what + name
            self.table.add(f"{name}: CPU, alone", statistics.median(by_itself), "s")
            self.table.add(f"{name}: CPU, gdbvisor", statistics.median(with_us), "s")
            self.table.add(f"{name}: gdbvisor's share", statistics.median(share), "%", limits[part],
                           "" if limits[part] else why)
        return statistics.median(pair[1][1] for pair in pairs)

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
        wire.own(self)
        if RSP_TOOLS and (Path(RSP_TOOLS) / "rspbench.py").exists():
            wire.rspbench(self, Path(RSP_TOOLS))


SECTIONS = {"size": Bench.size, "exits": Bench.exits, "firmware-exits": Bench.firmware_exits,
            "exit-cost": Bench.exit_cost, "smp": Bench.smp, "steps": Bench.steps, "boot": Bench.boot_time,
            "firmware-boot": Bench.firmware_boot_time, "latency": Bench.latency,
            "wire": Bench.wire}

# Sections that are times, and where they say nothing.
TIMES = ("boot", "firmware-boot", "latency")
NO_TIMES = {"bochs": "times on Bochs are the emulator's own, nothing like a processor's"}


def _machines():
    """Those of MACHINES=; else the primary one of each vendor, and UEFI's in QEMU."""
    if os.environ.get("MACHINES"):
        return selected()
    return [machine for machine in MACHINES
            if machine.primary and machine.default not in ("none", "smoke")
            or _only_firmware(machine)]


def _only_firmware(machine):
    """Whether it is there for the firmware's sections."""
    return (not os.environ.get("MACHINES") and machine.firmware == "uefi"
            and machine.emulator == "qemu")


def _run(machine, table, args):
    """The sections that this machine can show."""
    if not shutil.which(PROGRAMS[machine.emulator]):
        table.heading(f"{machine.name}: left out, there is no {PROGRAMS[machine.emulator]}")
        return
    table.machine = machine.name
    bench = Bench(machine, table)
    try:
        for name in args.only.split(","):
            if _only_firmware(machine) and not name.startswith("firmware"):
                continue
            if name in TIMES and machine.emulator in NO_TIMES:
                table.heading(f"{machine.name}: {name}: left out, {NO_TIMES[machine.emulator]}")
                continue
            table.heading(f"{machine.name}: {name}")
            SECTIONS[name](bench, args)
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)


def main():
    """Runs the sections; the exit code tells whether every limit was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by name")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of boots")
    args = parser.parse_args()
    table = Table()
    for machine in _machines():
        _run(machine, table, args)
    table.side_by_side()
    out = paths.BUILD / "bench.json"
    out.write_text(json.dumps({"rows": table.rows}, indent=1) + "\n")
    over = [row for row in table.rows if row["passed"] is False]
    names = ", ".join(f"{row['machine']}: {row['name']}" for row in over)
    print(f"-- {len(table.rows)} rows in {out}"
          + (f"; over the limit: {names}" if over else "; every limit kept"))
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
