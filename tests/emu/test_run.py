"""tools/run, which is `make run`."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from harness import paths

pytestmark = pytest.mark.needs("gdbvisor", "qemu")

RUN = paths.ROOT / "tools" / "run"


@pytest.mark.parametrize("guest", ["hello64", "hello2"])
def test_run_guest(machine, tmp_path, guest):
    """A tiny guest, flat or an ELF file, runs, and its own line is where the text says."""
    shown = tmp_path / "shown"
    with open(shown, "w", encoding="utf-8") as out:
        process = subprocess.Popen([RUN, "--guest", guest, "--options", "stop=none"], stdout=out,
                                   stderr=out, stdin=subprocess.DEVNULL,
                                   env={**os.environ, "MACHINE": machine.name})
        try:
            deadline, said = time.monotonic() + 60 * machine.slowness, ""
            while f"{guest}: ok" not in said and time.monotonic() < deadline:
                time.sleep(0.2)
                log = re.search(r"Debug console of tiny guests: (\S+/debugcon\.log)\.  To end",
                                shown.read_text(encoding="utf-8"))
                said = Path(log[1]).read_text("utf-8") if log and Path(log[1]).exists() else ""
        finally:
            process.terminate()
            process.wait(20)
    text = shown.read_text(encoding="utf-8")
    assert f"{guest}: ok" in said, text
    assert "guest: running" in text
    assert not Path(log[1]).exists()  # nothing is left behind


def test_run_wrong_guest():
    """A guest that is none: a sentence that says which there are."""
    done = subprocess.run([RUN, "--guest", "hello46"], check=False, capture_output=True, text=True,
                          env={**os.environ, "MACHINE": "qemu-svm-bios"})
    assert done.returncode == 1
    assert done.stderr.startswith("run: no guest 'hello46'; there are ")
    assert "hello64" in done.stderr
