"""UEFI's HTTP boot: a program or an image on a web server, named by a boot entry or by DHCP."""

import functools
import http.server
import shutil
import threading

import pytest

from harness import build, efi_variables, paths
from harness.proxy_dhcp import ProxyDhcp

pytestmark = [pytest.mark.needs("gdbvisor"), pytest.mark.firmware("uefi", emulator="qemu")]

HOST = "10.0.2.2"  # this machine, to a guest of QEMU


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        self.server.seen.append(self.path)


@pytest.fixture
def server(tmp_path):
    """A web server of a folder: .url, .folder, and .seen, the paths it was asked for."""
    folder = tmp_path / "http"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        httpd.seen, httpd.folder = [], folder
        httpd.url = f"http://{HOST}:{httpd.server_port}"
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd
        httpd.shutdown()


@pytest.fixture
def http_boot(start, server):
    """http_boot(entries): the machine with a card and these boot entries."""
    def run(entries, net=("-netdev", "user,id=net"), **kwargs):
        return start([*net, "-device", "virtio-net-pci,netdev=net"], boot_entries=entries, **kwargs)
    return run


def test_http_next(http_boot, server):
    """gdbvisor.efi by HTTP, with the boot entry's options; behind guest=next the firmware, now the
    guest, fetches the next entry's program over the network, and runs it."""
    shutil.copy(paths.APPLICATION, server.folder / "gdbvisor.efi")
    shutil.copy(build.EfiProgram("greeter").efi, server.folder / "greeter.efi")
    options = "gdb=com2 console=com1 guest=next"
    vm = http_boot([("gdbvisor", efi_variables.uri(f"{server.url}/gdbvisor.efi"), options),
                    ("greeter", efi_variables.uri(f"{server.url}/greeter.efi"), "")])
    console = vm.wait_console("gdb: waiting on com2", 90)
    assert f"options: {options}" in console
    assert "/gdbvisor.efi" in server.seen and "/greeter.efi" not in server.seen
    gdb = vm.gdb()
    assert gdb.value("$efer") & 0x1D00 == 0xD00
    gdb.cont()
    vm.wait_console("greeter: hello", 90)
    assert "/greeter.efi" in server.seen


def test_http_image(http_boot, server):
    """The whole gdbvisor.iso by HTTP: the firmware makes a disk in RAM of it, and its menu comes."""
    shutil.copy(paths.IMAGE, server.folder / "gdbvisor.iso")
    vm = http_boot([("image", efi_variables.uri(f"{server.url}/gdbvisor.iso"), "")], memory=512)
    vm.wait_console("Self-test: gdbvisor", 120)
    vm.press("down", "down", "down", "ret")
    vm.wait_console("self-test: ok\n")


def test_http_by_dhcp(http_boot, server):
    """A boot entry that names no address: DHCP tells it to a client of the class HTTPClient."""
    shutil.copy(paths.IMAGE, server.folder / "gdbvisor.iso")
    dhcp = ProxyDhcp(f"{server.url}/gdbvisor.iso")
    vm = http_boot([("http", efi_variables.uri(""), "")], dhcp.arguments, memory=512)
    vm.wait_console("Self-test: gdbvisor", 120)
    assert dhcp.asked and "/gdbvisor.iso" in server.seen
    vm.press("down", "down", "down", "ret")
    vm.wait_console("self-test: ok\n")
