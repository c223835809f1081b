"""gdb looks: registers, memory, threads, the console."""

import re


def test_connect_shows_where_the_target_stands(start):
    assert re.search(r"^0x0+1000 in \?\?", start().gdb(), re.MULTILINE)


def test_info_registers(start):
    out = start().gdb("info registers")
    assert re.search(r"^rax +0x100 ", out, re.MULTILINE)
    assert re.search(r"^rsp +0x7100 ", out, re.MULTILINE)
    assert re.search(r"^rip +0x1000 ", out, re.MULTILINE)
    assert re.search(r"^cr0 +0x80000011 ", out, re.MULTILINE)
    assert re.search(r"^ghost +<unavailable>", out, re.MULTILINE)


def test_registers_beyond_the_short_g(start, values):
    out = start().gdb("print $fctrl", "print/x $cr3", "print $st0", "info all-registers")
    assert values(out) == ["0", "0x9000", "0"]
    assert re.search(r"^st7 +0 ", out, re.MULTILINE)


def test_set_registers(start, values):
    out = start().gdb(
        "set $rax=0x1122334455667788",
        "set $eflags=0x202",
        "set $st0=1.5",
        "set $cr3=0x7000",
        "maintenance flush register-cache",
        "print/x $rax",
        "print/x (int)$eflags",
        "print $st0",
        "print/x $cr3",
        "print/x $rbx",
    )
    assert values(out) == ["0x1122334455667788", "0x202", "1.5", "0x7000", "0x101"]


def test_register_that_refuses_to_be_written(start, values):
    out = start().gdb("set $fixed=1", "maintenance flush register-cache", "print/x $fixed")
    assert "E22" in out
    assert values(out) == ["0x1234"]


def test_without_a_description_gdb_uses_its_own_amd64(start, values):
    stub = start()
    out = stub.gdb(
        "set tdesc filename",
        "disconnect",
        "set remote target-features-packet off",
        f"target remote {stub.address}",
        "print/x $rip",
        "print $fs_base",
        "set $rbx=5",
        "print $rbx",
    )
    assert values(out)[0] == "0x1000"
    assert values(out)[2] == "5"


def test_examine_memory(start):
    out = start().gdb("x/4xb 0x1000", "x/2i $pc", "x/2xb 0xffffffff80001002")
    assert re.search(r"^0x1000:\t0x90\t0x90\t0x48\t0xff", out, re.MULTILINE)
    assert re.search(r"^=> 0x1000:\tnop", out, re.MULTILINE)
    assert re.search(r"^0xffffffff80001002:\t0x48\t0xff", out, re.MULTILINE)


def test_unmapped_memory_is_an_error_and_what_is_before_it_is_shown(start):
    out = start().gdb("x/xb 0xa000", "x/4xb 0x9ffe", "x/xb 0x20000", "x/2i $pc")
    assert out.count("Cannot access memory at address") == 3
    assert re.search(r"^0x9ffe:\t0x00\t0x00\tCannot", out, re.MULTILINE)
    assert "=> 0x1000:\tnop" in out


def test_set_memory(start, values):
    out = start().gdb(
        "set var *(int*)0x2010=0x12345678",
        "set var *(char*)0x2014=0x7d",
        "set var *(long long*)0xa000=1",
        "print/x *(int*)0x2010",
        "print/x *(char*)0x2014",
    )
    assert values(out) == ["0x12345678", "0x7d"]
    assert "Cannot access memory at address 0xa000" in out


def test_big_binary_transfers_both_ways(start, tmp_path):
    # Every byte value, in every place of a packet, so all that needs escaping.
    data = bytes((i * 7 + i // 256) % 256 for i in range(0x4000)) + b"#$}*" * 64
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(data)
    start().gdb(
        f"restore {source} binary 0x4000",
        f"dump binary memory {copy} 0x4000 {0x4000 + len(data)}",
    )
    assert copy.read_bytes() == data


def test_threads(start, values):
    out = start("--threads", 4).gdb(
        "info threads", "thread 3", "print/x $rip", "print/x $rsp", "thread 1", "print/x $rip"
    )
    assert re.search(r"^\* 1 +Thread 1 \(long mode, thread 1\)", out, re.MULTILINE)
    assert re.search(r"^  2 +Thread 2 \(long mode, thread 2\)", out, re.MULTILINE)
    assert re.search(r"^  3 +Thread 3 \(CPU 2\)", out, re.MULTILINE)
    assert re.search(r"^  4 +Thread 4 ", out, re.MULTILINE)
    assert values(out) == ["0x3000", "0x7300", "0x1000"]


def test_one_thread(start):
    out = start().gdb("stepi", "info threads")
    assert re.search(r"^\* 1 +Thread 1 \(long mode, thread 1\) 0x0+1001 in", out, re.MULTILINE)
    assert "  2 " not in out


def test_monitor(start):
    out = start().gdb("monitor help", "monitor echo # $ } * end", "monitor frob", "monitor big")
    assert "help, echo TEXT, big, refuse, quiet\n" in out
    assert "\n# $ } * end\n" in out
    assert "monitor frob: there is no such command; `monitor help` lists them\n" in out
    assert "".join(f"line {i}\n" for i in range(1000)) in out


def test_monitor_without_a_command(start):
    assert "`monitor help` lists them" in start().gdb("monitor")


def test_find_searches_at_the_other_end(start):
    out = start().gdb(
        "set var *(long*)0x6008 = 0x1122334455667788",
        "set debug remote 1",
        "find /g 0x4000, 0x7000, 0x1122334455667788",
        "find 0x4000, +0x100, (char)1, (char)1, (char)1",
        "find /b 0x9f00, 0xb000, 0xee",
    )
    assert "\n0x6008" in out and "1 pattern found." in out
    assert "Pattern not found." in out
    assert "Unable to access" in out or "E14" in out
    assert "Sending packet: $m4" not in out


def test_memory_as_a_file(start, tmp_path):
    copy = tmp_path / "memory"
    out = start().gdb(f"remote get mem/4000,1000 {copy}", f"remote get mem/a000,10 {tmp_path}/none",
                      f"remote get /etc/passwd {tmp_path}/none")
    expected = bytes((i * 7 + (i >> 8)) & 0xff for i in range(0x1000))
    assert copy.read_bytes() == expected
    assert "Remote I/O error" in out
    assert "No such file" in out


def test_checksum_by_gdb(start):
    out = start().gdb("maintenance packet qCRC:4000,1000")
    assert re.search(r'received: "C[0-9a-f]{1,8}"', out)
