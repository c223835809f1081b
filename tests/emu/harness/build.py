"""Makes what a machine boots: guests from their sources, and ISO images, kept by their content."""

import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from .paths import BUILD, EFI_SOURCES, GUEST_SOURCES, HYPERVISOR, NASM, ROOT, SECTOR_SOURCES

DISK_SIZE = 2 << 20
FAT_SIZE = 63 << 20  # whole cylinders of 16 heads and 63 sectors
ISO_DIR = BUILD / "isos"


@contextmanager
def lock(name):
    """One at a time, across the processes of a parallel run."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / f".{name}.lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


MULTIBOOT2_MAGIC = 0xE85250D6.to_bytes(4, "little")


class Guest:
    """A tiny guest: its flat image, its ELF with symbols, and where its labels are."""

    sources, kind = GUEST_SOURCES, "guest"

    def __init__(self, name):
        self.name = name
        self.bin = BUILD / self.kind / f"{name}.bin"
        self.elf = BUILD / self.kind / f"{name}.elf"
        self._build()
        self.symbols = {}
        for line in _run("nm", self.elf).splitlines():
            value, _kind, label = line.split()
            self.symbols[label] = int(value, 16)

    def __getitem__(self, label):
        return self.symbols[label]

    @property
    def image(self):
        """What a boot loader starts: the flat image, but the ELF file of a multiboot2 guest."""
        return self.elf if MULTIBOOT2_MAGIC in self.bin.read_bytes()[:32768] else self.bin

    def ordered(self, prefix):
        """Labels with this prefix, by address."""
        names = [n for n in self.symbols if n.startswith(prefix)]
        return sorted(names, key=self.symbols.get)

    def name_of(self, address):
        """The label at an address, or the address as text."""
        for label, value in self.symbols.items():
            if value == address and not label.startswith("."):
                return label
        return hex(address)

    def _build(self):
        source = self.sources / self.name / f"{self.kind}.asm"
        script = self.sources / f"{self.kind}.ld"
        inputs = [source, script, *self.sources.glob("*.inc")]
        with lock(self.kind):
            newest = max(p.stat().st_mtime for p in inputs)
            if self.bin.exists() and self.bin.stat().st_mtime >= newest:
                return
            self.bin.parent.mkdir(parents=True, exist_ok=True)
            obj = self.elf.with_suffix(".o")
            _run(NASM, "-f", "elf64", "-I", f"{self.sources}/", "-o", obj, source)
            _run("ld", "-nostdlib", "-static", "--no-warn-rwx-segments", "-z", "noexecstack",
                 "-T", script, "-o", self.elf, obj)
            _run("objcopy", "-O", "binary", self.elf, self.bin)


class Sector(Guest):
    """A boot sector, and what it loads of the disk behind it."""

    sources, kind = SECTOR_SOURCES, "sector"

    def disk(self):
        """A disk image that begins with it; too small a disk is none to a BIOS."""
        image = self.bin.with_suffix(".img")
        content = self.bin.read_bytes().ljust(DISK_SIZE, b"\0")
        with lock(self.kind):
            if not image.exists() or image.read_bytes() != content:
                part = image.with_suffix(".part")
                part.write_bytes(content)
                part.rename(image)
        return image


def grub_config(options, modules, setup=()):
    """A configuration that boots gdbvisor at once. modules: (name in the image, command line);
    setup: lines before."""
    lines = ["set timeout=0", *setup, f"multiboot2 /gdbvisor.elf {options}"]
    lines += [f"module2 /{name} {text}".rstrip() for name, text in modules]
    return "\n".join(lines + ["boot", ""])


def _forget_old_isos():
    """Images not asked for in an hour go: each build of gdbvisor makes others."""
    for old in [*ISO_DIR.glob("*.iso"), *ISO_DIR.glob("*.fat")]:
        if time.time() - old.stat().st_mtime > 3600:
            old.unlink()


def _made_once(image, make):
    """The path of an image; make(tree, part) builds it from an empty folder unless it is there."""
    with lock("iso"):
        if image.exists():
            os.utime(image)
            return image
        _forget_old_isos()
        tree = ISO_DIR / f"{image.stem}.tree"
        part = image.with_suffix(".part")
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        make(tree, part)
        shutil.rmtree(tree)
        part.rename(image)
    return image


def _named(first, contents, suffix):
    """The place of the image with this content ({name in it: bytes})."""
    digest = hashlib.sha256(first.encode())
    for name, data in sorted(contents.items()):
        digest.update(name.encode() + b"\0" + data)
    return ISO_DIR / f"{digest.hexdigest()[:20]}{suffix}"


def iso(config, files):
    """The path of an ISO with this grub.cfg and these files ({name in the image: path})."""
    def make(tree, part):
        (tree / "boot" / "grub").mkdir(parents=True)
        (tree / "boot" / "grub" / "grub.cfg").write_text(config, encoding="ascii")
        for name, path in files.items():
            shutil.copy(path, tree / name)
        _run("grub-mkrescue", "--fonts=", "--locales=", "--themes=", "-o", part, tree)

    contents = {name: Path(path).read_bytes() for name, path in files.items()}
    return _made_once(_named(config, contents, ".iso"), make)


def fat(files):
    """The path of a FAT image without partitions, which UEFI boots as a stick. files:
    {"EFI/BOOT/X.EFI": path or bytes}."""
    contents = {name: content if isinstance(content, bytes) else Path(content).read_bytes()
                for name, content in files.items()}

    def make(tree, part):
        with open(part, "wb") as handle:
            handle.truncate(FAT_SIZE)
        _run("mformat", "-i", part, "::")
        folders = {parent for name in files for parent in Path(name).parents if parent.name}
        for folder in sorted(folders):
            _run("mmd", "-i", part, f"::/{folder}")
        for number, (name, data) in enumerate(contents.items()):
            (tree / str(number)).write_bytes(data)
            _run("mcopy", "-i", part, tree / str(number), f"::/{name}")

    return _made_once(_named("", contents, ".fat"), make)


def grub_efi():
    """GRUB as an EFI program; it reads /EFI/debian/grub.cfg of the volume it was loaded from."""
    image = BUILD / "grubx64.efi"
    with lock("grub"):
        if not image.exists():
            _run("grub-mkimage", "-O", "x86_64-efi", "-p", "/EFI/debian", "-o", image, "fat",
                 "part_gpt", "part_msdos", "normal", "configfile", "linux", "boot", "echo",
                 "chain", "serial", "terminal")
    return image


EFI_FLAGS = ("-std=gnu17 -O1 -g -fpic -ffreestanding -fno-stack-protector -mno-red-zone "
             "-fcf-protection=none -Wall -Wextra -Werror -DGNU_EFI_USE_MS_ABI -DHAVE_USE_MS_ABI "
             "-isystem /usr/include/efi -isystem /usr/include/efi/x86_64 "
             f"-I{ROOT}").split()
EFI_SECTIONS = (".text", ".data", ".dynamic", ".dynsym", ".rela", ".reloc")


class EfiProgram:
    """A UEFI program of tests/efi: its PE file, and the ELF file with its symbols. `named`: its
    debug directory names that file. kind: "app", or "bsdrv" for a boot service driver."""

    def __init__(self, name, named=True, kind="app"):
        folder = BUILD / "efi" / ("named" if named else "unnamed")
        self.efi, self.elf = folder / f"{name}.efi", folder / f"{name}.so"
        obj = self.elf.with_suffix(".o")
        with lock("efi"):
            folder.mkdir(parents=True, exist_ok=True)
            _run("gcc", *EFI_FLAGS, f'-DSYMBOLS="{self.elf}"', "-c", "-o", obj,
                 EFI_SOURCES / name / f"{name}.c")
            _run("ld", "-nostdlib", "-shared", "-Bsymbolic", "-T", "/usr/lib/elf_x86_64_efi.lds",
                 "-o", self.elf, "/usr/lib/crt0-efi-x86_64.o", obj, "/usr/lib/libgnuefi.a")
            _run("objcopy", *(f"--only-section={s}" for s in EFI_SECTIONS),
                 f"--output-target=efi-{kind}-x86_64", self.elf, self.efi)
            if named:
                self._add_debug_directory()

    def _add_debug_directory(self):
        """What objcopy does not make: where the program's debug directory is."""
        rva = next(int(line.split()[0], 16) for line in _run("nm", self.elf).splitlines()
                   if line.endswith(" debug_directory"))
        program = bytearray(self.efi.read_bytes())
        entry = program.index(b"NB10") - 28
        struct.pack_into("<II", program, entry + 20, rva + 28, entry + 28)
        optional = struct.unpack_from("<I", program, 0x3C)[0] + 24
        struct.pack_into("<II", program, optional + 112 + 6 * 8, rva, 28)
        self.efi.write_bytes(program)


def signed(program):
    """An EFI program with a signature that the Secure Boot variables of the tests take."""
    image = BUILD / f"{Path(program).stem}.signed.efi"
    key = BUILD / "snakeoil.key"
    ours = Path("/usr/share/ovmf/PkKek-1-snakeoil")  # its passphrase is no secret
    with lock("sign"):
        if not image.exists() or image.stat().st_mtime < Path(program).stat().st_mtime:
            _run("openssl", "rsa", "-in", ours.with_suffix(".key"), "-passin", "pass:snakeoil",
                 "-out", key)
            _run("sbsign", "--key", key, "--cert", ours.with_suffix(".pem"), "--output", image,
                 program)
    return image


def hypervisor_iso(options, modules, setup=()):
    """An ISO that boots gdbvisor. modules: (path, command line), the guest first; setup: lines of
    grub.cfg before that."""
    if not HYPERVISOR.exists():
        raise RuntimeError(f"{HYPERVISOR} is missing: run make")
    files = {"gdbvisor.elf": HYPERVISOR}
    listed = []
    for number, (path, text) in enumerate(modules):
        name = f"{number}-{Path(path).name}"
        files[name] = path
        listed.append((name, text))
    return iso(grub_config(options, listed, setup), files)
