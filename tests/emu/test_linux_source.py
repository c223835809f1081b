"""A Debian kernel with its whole debug information, as its developers see it."""

import os
import re
import subprocess

import pytest

from harness import build, paths
from test_linux import CMDLINE, COMFORT, go_to_moved_kernel

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.linux, pytest.mark.long]


@pytest.fixture(scope="session")
def vmlinux(linux):
    """The kernel with its debug information; only make test-full fetches it."""
    if not paths.KERNEL_DEBUG.exists() and os.environ.get("TEST_FULL", "0") in ("", "0"):
        pytest.skip("make test-full alone fetches the kernel's debug information, 420 MB")
    with build.lock("get-kernel"):
        done = subprocess.run([paths.ROOT / "tools" / "get-kernel", "--debug", paths.BUILD],
                              capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip().splitlines() or ["tools/get-kernel --debug failed"]
        pytest.skip(f"no debug information of the kernel: {why[-1]}")
    return paths.KERNEL_DEBUG


@pytest.mark.parametrize("kaslr", [False, True], ids=["nokaslr", "kaslr"])
def test_source_of_start_kernel(boot, linux, vmlinux, kaslr):
    """USER-1, USER-2: `break start_kernel` by the source, said at the first instruction of the
    kernel's loader: then the lines, the callers, the locals and the structs are there; with KASLR,
    too."""
    vmlinuz, initrd, _ = linux
    cmdline = CMDLINE.replace(" nokaslr", "") if kaslr else CMDLINE
    vm = boot(vmlinuz, cmdline=cmdline, modules=[(initrd, "")], memory=512)
    gdb = vm.gdb(setup=[*COMFORT, f"directory {paths.KERNEL_SOURCE}"])
    gdb.run(f"symbol-file {vmlinux}", 120)
    assert re.search(r"file .*init/main\.c, line \d+", gdb.run("break start_kernel", 60))
    if kaslr:
        assert go_to_moved_kernel(gdb)
    stop = gdb.go(240)
    assert stop.raw["frame"]["func"] == "start_kernel"
    assert stop.raw["frame"]["file"].endswith("init/main.c")
    calls = gdb.run("bt", 60).splitlines()
    assert re.match(r"#0 +start_kernel \(\) at .*init/main\.c:\d+$", calls[0])
    assert re.match(r"#1 .* in secondary_startup_64\w* \(\) at .*/head_64\.S:\d+$", calls[1])
    assert re.search(r"^\d+\tvoid start_kernel\(void\)$", gdb.run("list"), re.M)
    names = [line.split(" = ")[0] for line in gdb.run("info locals").splitlines()]
    assert names == ["command_line", "after_dashes"]
    assert '"swapper' in gdb.run("print init_task.comm")
    gdb.execute("next")
    stop = gdb.execute("next", 60)
    assert stop.reason == "end-stepping-range"
    assert stop.raw["frame"]["func"] == "start_kernel"
    assert int(stop.raw["frame"]["line"]) > int(re.search(r":(\d+)$", calls[0])[1])
