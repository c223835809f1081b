"""The line itself: what is told of it, and another speed."""

import re
import time

import pytest

from harness import paths

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.neutral]

TRIAL = 20  # BAUD_TRIAL_SECONDS


def _speed(gdb):
    return int(re.search(r"speed +(\d+) baud", gdb.monitor("uart"))[1])


def test_monitor_uart(boot):
    """The UART is described and its bytes are counted, in lines that fit a terminal."""
    vm = boot("spin_cli")
    gdb = vm.gdb()
    text = gdb.monitor("uart")
    assert "com2: 16550A at port 2f8, interrupt 3\n" in text
    assert "speed     115200 baud, 8N1; at most 115200, from a clock of 1843200 Hz\n" in text
    assert "FIFO      16 bytes; flow control: none\n" in text
    assert re.search(r"0 overruns, 0 framing, 0 parity, 0 dropped", text)
    assert max(map(len, text.splitlines())) <= 80
    first = int(re.search(r"received +(\d+) bytes", text)[1])
    packets = int(re.search(r"packets +(\d+) received, 0 bad", text)[1])
    gdb.run("x/16xb $pc")
    again = gdb.monitor("uart")
    assert int(re.search(r"received +(\d+) bytes", again)[1]) > first
    assert int(re.search(r"packets +(\d+) received", again)[1]) > packets


def test_flow_control(boot):
    """rtscts: with both wires there, as here, all works as without."""
    vm = boot("hello64", options="gdb=com2,57600,rtscts")
    gdb = vm.gdb()
    text = gdb.monitor("uart")
    assert "speed     57600 baud" in text
    assert "FIFO      16 bytes; flow control: RTS/CTS\n" in text
    assert "0 dropped, 0 time-outs" in text
    gdb.cont()
    vm.wait_said("hello64: ok")
    assert gdb.interrupt().signal == "SIGINT"


def test_another_speed(boot):
    """monitor baud: set once the answer is out; a gdb that comes in time proves it. What the UART
    cannot make is refused. Breakpoints survive."""
    vm = boot("hello64")
    gdb = vm.gdb()
    assert "cannot make 1500000 baud" in gdb.monitor("baud 1500000")
    gdb.run("break count_loop")
    gdb.run(f"source {paths.ROOT}/tools/gdbvisor.py")
    gdb.run("gdbvisor baud 57600")
    assert _speed(gdb) == 57600
    assert gdb.go().pc == vm.guest["count_loop"]
    gdb.run("delete")
    gdb.cont()
    time.sleep(TRIAL + 2)
    gdb.interrupt()
    assert _speed(gdb) == 57600  # proved: it stays


def test_user_8_a_speed_that_nobody_comes_with(boot):
    """USER-8: the new speed is given up by itself, and the old one serves again."""
    vm = boot("spin_cli")
    gdb = vm.gdb()
    assert "in a moment" in gdb.monitor("baud 9600")
    gdb.disconnect()
    time.sleep((TRIAL + 3) * vm.machine.slowness)
    gdb.connect()
    assert _speed(gdb) == 115200
    assert "uart: the line is at 9600 baud" in gdb.monitor("log")
