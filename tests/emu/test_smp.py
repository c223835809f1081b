"""Several CPUs: every one is the guest's, and a thread of gdb's."""

import os
import re
import time
from random import Random

import pytest

from harness import build

pytestmark = [pytest.mark.needs("gdbvisor", "smp")]


def _wait_started(vm):
    vm.wait_said(f"smp: started {vm.machine.smp - 1:08x}")


@pytest.fixture
def guest(boot, machine):
    """guest(options): the tiny guest on all CPUs; with stop=none when all of them run."""
    def run(options="", **kwargs):
        vm = boot("smp", options, cpus=machine.smp, **kwargs)
        assert f"cpu: {machine.smp} of {machine.smp} started" in vm.console()
        if "stop=none" in options:
            _wait_started(vm)
        return vm
    return run


def _threads(gdb):
    """`info threads`: thread number -> what stands behind it."""
    text = gdb.run("info threads")
    found = re.findall(r"^[* ]\s+(\d+)\s+Thread \d+\.?\d* \((.*?)\)", text, re.M)
    assert found, text
    return {int(number): info for number, info in found}


def _counts(gdb, vm):
    return [gdb.read_int(vm.guest["counts"] + 8 * i) for i in range(vm.machine.smp)]


def _thread(stop):
    return int(stop.raw["thread-id"])


def _all_run(gdb, vm):
    """True when a while of running moves every CPU's count."""
    before = _counts(gdb, vm)
    for _ in range(20):
        gdb.cont()
        time.sleep(0.3)
        gdb.interrupt()
        if all(b > a for a, b in zip(before, _counts(gdb, vm))):
            return True
    return False


@pytest.mark.every_machine
def test_bp_14_waiting_cpus(guest):
    """BP-14: before the guest starts them the others wait, and resuming does not change that."""
    vm = guest()
    gdb = vm.gdb()
    threads = _threads(gdb)
    assert len(threads) == vm.machine.smp
    assert "32-bit protected mode, ring 0" in threads[1]
    assert all("waits for its start-up" in threads[n] for n in range(2, vm.machine.smp + 1))
    gdb.run(f"hbreak *{vm.guest['send_startup']:#x}")
    gdb.go()
    assert gdb.read_int(vm.guest["started"], 4) == 0
    assert all("waits for its start-up" in info for n, info in _threads(gdb).items() if n > 1)
    gdb.run("delete")
    gdb.detach()
    _wait_started(vm)


@pytest.mark.needs("init-exits")
def test_way_of_exits(guest):
    """Intel's default: INIT and start-ups are exits, the APIC's page is the guest's."""
    vm = guest("stop=none")
    assert "started; INIT and start-ups are seen by VM exits" in vm.console()
    gdb = vm.gdb()
    assert "stage 2" not in gdb.monitor("exits")


def test_way_of_commands(guest):
    """AMD always, Intel where it is asked for: the APIC's page is trapped, INIT does not exit."""
    vm = guest("stop=none ap=icr")
    assert "started; INIT and start-ups are seen by trapped commands" in vm.console()
    gdb = vm.gdb()
    exits = gdb.monitor("exits")
    assert "stage 2" in exits and not re.search(r"^init ", exits, re.M)
    assert _all_run(gdb, vm)


@pytest.mark.every_machine
def test_all_stop_and_go(guest):
    """BP-11, USER-3: Ctrl-C stops all CPUs, each with its own registers; continue lets all go."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    assert all("64-bit mode, ring 0" in info for info in _threads(gdb).values())
    before = _counts(gdb, vm)
    time.sleep(0.5)
    assert _counts(gdb, vm) == before
    for n in range(1, vm.machine.smp + 1):
        gdb.run(f"thread {n}")
        assert gdb.value("$rdi") == n - 1
    assert _all_run(gdb, vm)
    skew = re.search(r"all stood (\d+) us after .* at most (\d+) us", gdb.monitor("exits"))
    assert 0 <= int(skew[1]) <= int(skew[2]) and int(skew[2]) > 0
    gdb.monitor("exits reset")
    assert "at most 0 us" in gdb.monitor("exits")


def test_stop_ap(guest):
    """BP-13: `monitor stop ap`: each CPU stops at its first instruction, in real mode."""
    vm = guest()
    gdb = vm.gdb()
    assert "on" in gdb.monitor("stop ap on")
    gdb.run("set scheduler-locking step")
    seen = set()
    for _ in range(vm.machine.smp - 1):
        stop = gdb.go()
        assert stop.pc == 0x8000
        assert "real mode" in _threads(gdb)[_thread(stop)]
        gdb.stepi()
        assert gdb.pc() == 0x8001
        seen.add(_thread(stop))
    assert seen == set(range(2, vm.machine.smp + 1))
    assert "off" in gdb.monitor("stop ap off")
    assert _all_run(gdb, vm)


@pytest.mark.every_machine
def test_breakpoint_on_every_cpu(guest):
    """BP-6, BP-7, BP-10, WHPX-19: a breakpoint that all run into: every CPU is told of in its turn,
    none of them runs through it, and without it all go on."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    gdb.run(f"break *{vm.guest['work_done']:#x}")
    seen = set()
    for _ in range(40):
        before = _counts(gdb, vm)
        stop = gdb.go()
        assert stop.reason == "breakpoint-hit" and stop.pc == vm.guest["work_done"]
        seen.add(_thread(stop))
        after = _counts(gdb, vm)
        # Each ran at most up to the breakpoint: twice were through it.
        assert all(b - a <= 1 for a, b in zip(before, after)), (before, after)
    assert len(seen) >= 2
    # BP-8: hits that nobody was told of go with the breakpoint.
    gdb.run("delete")
    gdb.cont()
    assert gdb.still_running(1)
    gdb.interrupt()
    assert _all_run(gdb, vm)


@pytest.mark.needs("qemu")
def test_more_cpus_than_can_be_run(boot):
    """The first 16 are the guest's, and the log says so; what it sends to all reaches no other."""
    vm = boot("smp", "stop=none", cpus=20)
    vm.wait_said("smp: started 0000000f", 90)
    assert "cpu: 16 of 20 started" in vm.console()
    assert "cpu: 16 at most can be run" in vm.console()
    gdb = vm.gdb()
    assert sorted(_threads(gdb)) == list(range(1, 17))
    assert gdb.read_int(vm.guest["started"], 4) == 15


def test_step_one_cpu(guest):
    """`scheduler-locking`: a step moves one CPU alone, or lets the others run with it."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    gdb.run("set scheduler-locking on")
    gdb.run("thread 2")
    gdb.run(f"break *{vm.guest['work_done']:#x} thread 2")
    assert _thread(gdb.go()) == 2
    before = _counts(gdb, vm)
    for _ in range(30):
        gdb.stepi()
    after = _counts(gdb, vm)
    moved = [b - a for a, b in zip(before, after)]
    assert moved.pop(1) in range(4, 8)
    assert not any(moved)
    gdb.run("delete")
    gdb.run("set scheduler-locking off")
    for _ in range(5):
        gdb.stepi()
    gdb.cont()
    assert gdb.still_running(0.3)
    gdb.interrupt()
    assert _all_run(gdb, vm)


def test_watchpoint_on_every_cpu(guest):
    """A watchpoint sees whichever CPU it is."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    for cpu in (vm.machine.smp - 1, 0):
        gdb.run(f"watch *(unsigned long *){vm.guest['counts'] + 8 * cpu:#x}")
        for _ in range(3):
            stop = gdb.go()
            assert stop.reason == "watchpoint-trigger"
            assert _thread(stop) == cpu + 1
        gdb.run("delete")
    assert _all_run(gdb, vm)


def test_nmis_are_neither_lost_nor_invented(guest):
    """The guest's NMIs from CPU to CPU arrive one for one, while gdb stops and lets go."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    asked = 50
    gdb.write(vm.guest["asked_nmis"], asked.to_bytes(4, "little"))
    for i in range(90):
        gdb.cont()
        time.sleep(0.02 if i < 60 else 1)
        gdb.interrupt()
        if not gdb.read_int(vm.guest["asked_nmis"], 4):
            break
    assert gdb.read_int(vm.guest["asked_nmis"], 4) == 0
    nmis = [gdb.read_int(vm.guest["nmis"] + 4 * n, 4) for n in range(vm.machine.smp)]
    assert nmis == [0, asked] + [0] * (vm.machine.smp - 2)


@pytest.mark.parametrize("word, cpus", [("asked_restart", 1), ("asked_restart_all", None)])
def test_restart_of_running_cpus(guest, word, cpus):
    """INIT and start-up to one CPU that runs, and to all but the sender: they begin anew, as often as
    they are asked to, while gdb stops and lets go."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    gdb.write(vm.guest[word], (5).to_bytes(4, "little"))
    for _ in range(50):
        gdb.cont()
        time.sleep(0.2)
        gdb.interrupt()
        if not gdb.read_int(vm.guest[word], 4):
            break
    others = vm.machine.smp - 1
    assert gdb.read_int(vm.guest["started"], 4) == others + 5 * (cpus or others)
    assert _all_run(gdb, vm)


def test_haxm_4_hardware_breakpoint_on_every_cpu(guest):
    """HAXM-4, WHPX-3: a debug register is every CPU's before gdb has its OK: none gets past it once
    more; each is told of in its turn. When it is gone no CPU stops any more."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    before = _counts(gdb, vm)
    gdb.run(f"hbreak *{vm.guest['work']:#x}")
    seen = []
    while set(seen) != set(range(1, vm.machine.smp + 1)):
        stop = gdb.go()
        assert stop.reason == "breakpoint-hit" and stop.pc == vm.guest["work"]
        seen.append(_thread(stop))
        assert len(seen) < 60
        for n, count in enumerate(_counts(gdb, vm)):
            # Once from inside the function, and once for each stop that it went on from.
            assert count - before[n] <= 1 + seen.count(n + 1)
    gdb.run("delete")
    assert _all_run(gdb, vm)


def test_dr_8_watch_what_one_cpu_writes(guest):
    """DR-8, HAXM-4: a watchpoint that gdb sets while another CPU is the current one is hit by the CPU
    that writes there, and told of as that one's."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    for n in range(vm.machine.smp):
        gdb.run(f"watch *(unsigned long *){vm.guest['counts'] + 8 * n:#x}")
        for _ in range(2):
            stop = gdb.go()
            assert stop.reason == "watchpoint-trigger" and _thread(stop) == n + 1
        gdb.run("delete")


def test_bp_15_a_new_gdb(guest):
    """BP-15, BP-25: gdbs that come and go leave the CPUs as they are: each is there with its
    own registers, and what one gdb held runs again when it has gone."""
    vm = guest("stop=none")
    for end in ("detach", "crash", "detach"):
        gdb = vm.gdb()
        assert sorted(_threads(gdb)) == list(range(1, vm.machine.smp + 1))
        for n in range(1, vm.machine.smp + 1):
            gdb.run(f"thread {n}")
            assert gdb.value("$rdi") == n - 1
        gdb.run("set scheduler-locking on")
        gdb.stepi()
        getattr(gdb, end)()
    gdb = vm.gdb()
    assert _all_run(gdb, vm)


def _send_to(gdb, vm, thread, label):
    gdb.run(f"thread {thread}")
    gdb.run(f"set $pc = {vm.guest[label]:#x}")


def test_catch_on_another_cpu(guest):
    """`monitor catch` is every CPU's: told of as that one's that did it, while all others stand, and
    done once."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    gdb.monitor("catch io 0x80 out")
    threads = sorted({1, 2, vm.machine.smp}, reverse=True)  # each once: one that goes on passes it
    for thread in threads:
        _send_to(gdb, vm, thread, "do_out")
        stop = gdb.go()
        assert (stop.pc, stop.signal) == (vm.guest["at_out"], "SIGTRAP")
        assert _thread(stop) == thread
        before = _counts(gdb, vm)
        time.sleep(0.3)
        assert _counts(gdb, vm) == before
    assert gdb.console.count("catch 1: out to port 0x80, 1 byte") == len(threads)
    gdb.cont()
    assert gdb.still_running(0.5)
    gdb.interrupt()
    assert _all_run(gdb, vm)


def test_user_4_all_halted_stops_once(guest):
    """USER-4: HLT with interrupts off is an end when the last CPU does it, and only once; while one
    runs it is none, and that one is not disturbed."""
    vm = guest("stop=none")
    gdb = vm.gdb()
    for thread in range(2, vm.machine.smp + 1):
        _send_to(gdb, vm, thread, "do_halt")
    before = _counts(gdb, vm)
    gdb.cont()
    assert gdb.still_running(1)
    gdb.interrupt()
    after = _counts(gdb, vm)
    assert after[0] > before[0] and after[1:] == before[1:]
    _send_to(gdb, vm, 1, "do_halt")
    stop = gdb.go()
    assert (stop.pc, stop.signal) == (vm.guest["at_halt"], "SIGABRT")
    gdb.cont()
    assert gdb.still_running(1)
    assert gdb.console.count("halts with interrupts off, as all others do") == 1
    assert gdb.interrupt().signal == "SIGINT"


# ---- Debian's kernel -----------------------------------------------------------------------------

@pytest.fixture
def kernel(boot, linux, machine):
    """kernel(options): gdbvisor with Debian's kernel on all CPUs."""
    vmlinuz, initrd, _ = linux

    def run(options, more=""):
        return boot(vmlinuz, options=options, memory=512, cpus=machine.smp, modules=[(initrd, "")],
                    cmdline=f"console=ttyS0 panic=-1 nokaslr {more}".strip())
    return run


@pytest.mark.linux
@pytest.mark.long
@pytest.mark.every_machine
def test_linux_brings_up_all_cpus(kernel, machine):
    """WHPX-25, USER-10: the kernel starts all CPUs, boots to its init and powers off; it says
    nothing of unknown NMIs and of CPUs that do not answer."""
    vm = kernel("stop=none", "hv.off")
    if "ends" in machine.lacks:
        vm.wait_console("INIT: reached", 240)
    else:
        vm.wait_exit(240)
    console = vm.console()
    assert f"smp: Brought up 1 node, {vm.machine.smp} CPUs" in console
    assert "INIT: reached" in console
    assert "unknown reason" not in console
    assert not re.search(r"BUG:|Oops|WARNING: CPU|stall|not responding", console)


@pytest.mark.linux
def test_linux_break_in_on_all_cpus(kernel):
    """USER-3: Ctrl-C into the booting kernel again and again, then detach: it reaches its init,
    with all CPUs, and no NMI was invented for it."""
    vm = kernel("stop=none")
    gdb = vm.gdb()
    for _ in range(15):
        gdb.cont()
        time.sleep(0.3)
        assert gdb.interrupt().signal == "SIGINT"
        assert len(_threads(gdb)) == vm.machine.smp
    gdb.detach()
    console = vm.wait_console("INIT: reached", 200)
    assert f"smp: Brought up 1 node, {vm.machine.smp} CPUs" in console
    assert "unknown reason" not in console


def _nmis(console):
    """The NMI line of /proc/interrupts: each CPU's count."""
    return [int(n) for n in re.search(r"^ *NMI:((?: +\d+)+)", console, re.M)[1].split()]


@pytest.mark.linux
@pytest.mark.needs("ends")
def test_linux_nmis_as_bare(kernel, start, linux, machine):
    """The kernel counts the NMIs that it counts on the bare machine, on every CPU, whatever gdb did."""
    vm = kernel("stop=none", "hv.times")
    gdb = vm.gdb()
    for _ in range(10):
        gdb.cont()
        time.sleep(0.3)
        assert gdb.interrupt().signal == "SIGINT"
    gdb.detach()
    vm.wait_exit(240)
    vmlinuz, initrd, _ = linux
    image = build.iso("set timeout=0\nlinux /vmlinuz console=ttyS0 panic=-1 nokaslr hv.times\n"
                      "initrd /initrd.img\nboot\n", {"vmlinuz": vmlinuz, "initrd.img": initrd})
    bare = start(["-cdrom", image], memory=512, cpus=machine.smp)
    bare.wait_exit(240)
    nmis = _nmis(vm.console())
    assert len(nmis) == machine.smp
    assert nmis == _nmis(bare.console())


# ---- stress --------------------------------------------------------------------------------------

HITS = 10000 if os.environ.get("TEST_FULL") else 300


def _pc_of(rsp, thread):
    assert rsp.ask(f"Hg{thread:x}") == "OK"
    return rsp.pc()


def test_stress_every_hit_exactly_once(guest):
    """BP-6..BP-10, WHPX-19..22: the breakpoint stays in while all CPUs run into it; it is removed
    and planted again, CPUs are stepped off it alone, as gdb does, or with all, and Ctrl-C comes
    in between. Each CPU counts its passes: every one was told exactly once."""
    random = Random(1)
    vm = guest("stop=none")
    rsp = vm.rsp()
    at = vm.guest["work_done"]
    plant, remove = f"Z0,{at:x},1", f"z0,{at:x},1"
    rsp.ask("qSupported:swbreak+")

    def count(n):
        return rsp.read_int(vm.guest["counts"] + 8 * n)

    # A pass is known by the count that the CPU has then. Who is behind the counting instruction
    # already is told of this pass, too.
    cpus = range(vm.machine.smp)
    start = [count(n) - (_pc_of(rsp, n + 1) == at) for n in cpus]
    told, last = [set() for _ in cpus], None
    assert rsp.ask(plant) == "OK"
    while sum(map(len, told)) < HITS:
        way = random.randrange(8)
        if way == 0:
            assert rsp.ask(remove) == "OK" and rsp.ask(plant) == "OK"
        if way == 1 and last:
            # As gdb leaves a breakpoint.
            assert rsp.ask(remove) == "OK"
            stop = rsp.ask(f"vCont;s:{last:x}")
            assert f"thread:{last:x};" in stop and stop.startswith("T05")
            assert rsp.ask(plant) == "OK"
        rsp.resume()
        if way == 2:
            rsp.send(b"\x03")
        stop = rsp.receive(30)
        assert stop is not None, f"no stop after {told}"
        stop = stop.decode()
        last = int(re.search(r"thread:(\w+);", stop)[1], 16)
        if stop.startswith("T02"):
            # Who is told of a stop in front of a breakpoint is not told of that once more.
            if rsp.pc() == at:
                told[last - 1].add(count(last - 1))
            last = None
            continue
        assert stop.startswith("T05") and "swbreak:" in stop, stop
        assert count(last - 1) not in told[last - 1], "told twice"
        told[last - 1].add(count(last - 1))
        if way == 2:
            assert rsp.quiet(0.2)  # one stop for both
    for n in cpus:
        untold = set(range(start[n] + 1, count(n) + 1)) - told[n]
        assert not untold or (untold == {count(n)} and _pc_of(rsp, n + 1) == at), (n, untold)
    assert all(told), told
    assert rsp.ask(remove) == "OK"
