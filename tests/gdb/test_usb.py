"""tools/usb, at a terminal: what it refuses, asks and writes; on files, and on loop devices where
the tests may make them."""

import os
import re
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


def _spawn(image, device):
    return pexpect.spawn(sys.executable, [str(USB), str(device), str(image)], encoding="utf-8",
                         timeout=60)


def _typed(image, stick, answer):
    child = _spawn(image, stick)
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


# ---- block devices -------------------------------------------------------------------------------

def _run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False)


@pytest.fixture
def loop(files):
    """loop(content): a block device with this content, and the file behind it."""
    made = []

    def make(content=OLD):
        behind = files[1].with_name(f"behind{len(made)}")
        behind.write_bytes(content)
        done = _run("losetup", "--find", "--show", behind)
        if done.returncode != 0:
            pytest.skip(f"no loop devices here: {done.stderr.strip()}")
        made.append(done.stdout.strip())
        return made[-1], behind
    yield make
    for device in made:
        _run("delpart", device, 1)
        _run("losetup", "--detach", device)


def _refused(image, device):
    done = subprocess.run([USB, device, image], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "Type" not in done.stdout
    return done.stderr, done.stdout


def _twice(image, device, second):
    """Its name typed at the first question; then this. (exit code, what was said)"""
    name = Path(device).name
    child = _spawn(image, device)
    child.expect(rf"Type the device's name to overwrite it \({name}\): ")
    shown = child.before
    child.sendline(name)
    child.expect("It is not removable: rather a disk than a stick. Type the name once more: ")
    child.sendline(second)
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, shown, child.before


def test_usb_device(files, loop):
    """A device that is not removable is asked for twice; then it holds the image, and behind that
    what it did."""
    device, behind = loop()
    status, shown, said = _twice(files[0], device, Path(device).name)
    assert status == 0, said
    assert re.search(rf"{Path(device).name} +14[.,]3M", shown)
    assert "is ready" in said
    assert behind.read_bytes() == CONTENT + OLD[len(CONTENT):]


def test_usb_device_second_thoughts(files, loop):
    """Only once: nothing is written."""
    device, behind = loop()
    status, _, said = _twice(files[0], device, "no")
    assert status == 1 and "nothing was written" in said
    assert behind.read_bytes() == OLD


def test_usb_mounted(files, loop, tmp_path):
    """A device in use is refused, with the place."""
    device, behind = loop()
    place = tmp_path / "a place"
    place.mkdir()
    assert _run("mkfs.ext2", "-q", "-F", "-L", "PHOTOS", device).returncode == 0
    before = behind.read_bytes()
    mounted = _run("mount", "-o", "ro", device, place)
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        errors, shown = _refused(files[0], device)
    finally:
        _run("umount", place)
    assert f"in use at {place}" in errors and str(place) in shown
    assert behind.read_bytes() == before


def _add_partition(device):
    """One of 4 MiB, told to the kernel alone; its name."""
    done = _run("addpart", device, 1, 2048, 8192)
    if done.returncode != 0:
        pytest.skip(f"no partitions of loop devices here: {done.stderr.strip()}")
    return f"{Path(device).name}p1"


def test_usb_shows_what_is_lost(files, loop):
    """All that is on the device, with its partitions, before the question."""
    device, _ = loop()
    part = _add_partition(device)
    child = _spawn(files[0], device)
    child.expect("Type the device's name")
    assert re.search(rf"{part} +4M", child.before)
    assert "FSTYPE LABEL" in child.before
    child.close()


def test_usb_partition(files, loop, tmp_path):
    """A partition is refused: the whole device is what boots."""
    device, behind = loop()
    numbers = Path(f"/sys/class/block/{_add_partition(device)}/dev").read_text().split(":")
    part = tmp_path / "part1"  # there may be no udev that makes the node
    os.mknod(part, 0o60600, os.makedev(*map(int, numbers)))
    errors, _ = _refused(files[0], part)
    assert "a partition; name the whole device" in errors
    assert behind.read_bytes() == OLD


def test_usb_device_too_small(files, loop):
    """Too small a device: both sizes, before any question."""
    device, behind = loop(OLD[:1 << 20])
    errors, _ = _refused(files[0], device)
    assert f"{1 << 20} bytes are too few for {len(CONTENT)}" in errors
    assert behind.read_bytes() == OLD[:1 << 20]


def test_usb_device_in_use(files, loop):
    """What something else has opened for itself, without a mount: refused when writing begins."""
    device, behind = loop()
    handle = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        status, _, said = _twice(files[0], device, Path(device).name)
    finally:
        os.close(handle)
    assert status == 1 and "busy" in said
    assert behind.read_bytes() == OLD
