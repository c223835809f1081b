"""tools/usb, at a terminal: what it refuses, asks and writes."""

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

USB = Path(__file__).resolve().parents[2] / "tools" / "usb"
CONTENT = bytes(range(256)) * 40000
OLD = b"old" * 5000000


@pytest.fixture
def files(tmp_path):
    """(image, stick)"""
    image, stick = tmp_path / "image.iso", tmp_path / "stick.img"
    image.write_bytes(CONTENT)
    stick.write_bytes(OLD)
    return image, stick


def _typed(image, stick, answer):
    child = pexpect.spawn(sys.executable, [str(USB), str(stick), str(image)], encoding="utf-8",
                          timeout=30)
    child.expect(rf"{stick.name}: a file of {len(OLD)} bytes")
    child.expect(r"All on it is lost. Type the device's name to overwrite it \(stick.img\): ")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before


def test_usb_writes(files):
    """The name typed: the image's bytes, then what was there."""
    image, stick = files
    status, said = _typed(image, stick, "stick.img")
    assert status == 0 and "is ready" in said and "written: 9 of 9 MiB" in said
    assert stick.read_bytes() == CONTENT + OLD[len(CONTENT):]


@pytest.mark.parametrize("answer", ["", "yes", "stick", "\x03", "\x04"])
def test_usb_wrong_answer(files, answer):
    """Anything but the name: nothing is written."""
    image, stick = files
    status, said = _typed(image, stick, answer)
    assert status == 1 and "nothing was written" in said
    assert stick.read_bytes() == OLD


@pytest.mark.parametrize("device, words", [
    ("", "which device?"), ("/dev/null", "neither a block device nor a file"),
    ("/none", "No such file"), ("/dev", "neither a block device nor a file")])
def test_usb_refuses(files, device, words):
    """What is no stick is refused by name, before any question."""
    done = subprocess.run([USB, device, files[0]], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and words in done.stderr and "Type" not in done.stdout


def test_usb_no_image(files):
    """No image: what to do."""
    done = subprocess.run([USB, files[1], "/none.iso"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "run make" in done.stderr
