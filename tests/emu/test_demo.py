"""The scripted session of `make demo`."""

import os
import subprocess

import pytest

from harness import paths


@pytest.mark.linux
@pytest.mark.long
@pytest.mark.needs("gdbvisor")
def test_demo_session(machine, tmp_path):
    """make demo: break, step, watch, Ctrl-C, detach on a Debian kernel, each step checked there."""
    folder = tmp_path / "build"
    folder.mkdir()
    for name in ("gdbvisor.elf", "kernel"):
        (folder / name).symlink_to(paths.BUILD / name)
    done = subprocess.run([paths.ROOT / "tools" / "demo"], check=False, capture_output=True,
                          timeout=240 * machine.slowness, stdin=subprocess.DEVNULL, text=True,
                          env={**os.environ, "BUILD": str(folder), "MACHINE": machine.name,
                               "INTERACTIVE": ""})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for said in ("hbreak start_kernel", "Hardware watchpoint", "SIGINT", "detach", "INIT: reached"):
        assert said in done.stdout
