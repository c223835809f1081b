"""The protocol on the wire, good and bad packets, byte by byte on the emulated UART."""

import random
import re

import pytest

from harness.rsp import RawRsp, frame

pytestmark = pytest.mark.needs("gdbvisor", "raw")


@pytest.fixture
def wire(boot):
    """The bp guest at its entry, and a raw client that has said hello."""
    vm = boot("bp")
    rsp = vm.rsp()
    assert "PacketSize=" in rsp.ask("qSupported:swbreak+;hwbreak+;vContSupported+")
    return vm, rsp


def _to_main(vm, rsp):
    """On to 64-bit code."""
    assert rsp.ask(f"Z1,{vm.guest['main']:x},1") == "OK"
    assert rsp.ask("vCont;c", 30).startswith("T05")
    assert rsp.ask(f"z1,{vm.guest['main']:x},1") == "OK"
    assert rsp.pc() == vm.guest["main"]


def _alive(rsp):
    assert rsp.ask("?").startswith("T05")


@pytest.mark.neutral
def test_protocol_supported(wire):
    """What is offered: packets of 4 KiB or more, breakpoint reasons, vCont, the description."""
    _, rsp = wire
    features = rsp.ask("qSupported:swbreak+;hwbreak+").split(";")
    assert int(features[0].removeprefix("PacketSize="), 16) >= 4096
    for wanted in ("swbreak+", "hwbreak+", "vContSupported+",
                   "qXfer:features:read+"):
        assert wanted in features
    assert not any(f.startswith("QStartNoAckMode") for f in features)
    actions = rsp.ask("vCont?").split(";")
    assert actions[0] == "vCont" and {"c", "C", "s", "S"} <= set(actions)
    assert rsp.ask("vMustReplyEmpty") == ""


@pytest.mark.neutral
def test_protocol_stop_reply_expedites(wire):
    """A stop reply has thread: and the three registers gdb asks for at every stop."""
    _, rsp = wire
    reply = rsp.ask("?")
    assert reply.startswith("T05")
    pairs = dict(p.split(":", 1) for p in reply[3:].split(";") if ":" in p)
    assert int(pairs.pop("thread"), 16) == 1
    registers = {int(number, 16): value for number, value in pairs.items()}
    assert {6, 7, 16} <= set(registers)
    assert all(len(registers[number]) == 16 for number in (6, 7, 16))
    assert int.from_bytes(bytes.fromhex(registers[16]), "little") == rsp.pc()


@pytest.mark.neutral
def test_protocol_description_in_pieces(wire):
    """qXfer in small pieces gives what one piece gives; offsets behind the end give `l`."""
    _, rsp = wire
    whole = rsp.ask("qXfer:features:read:target.xml:0,fff")
    text = whole[1:]
    while whole[0] == "m":
        whole = rsp.ask(f"qXfer:features:read:target.xml:{len(text):x},fff")
        text += whole[1:]
    assert text.endswith("</target>") and "i386:x86-64" in text
    assert rsp.ask("qXfer:features:read:target.xml:10,20") == "m" + text[0x10:0x30]
    assert rsp.ask(f"qXfer:features:read:target.xml:{len(text):x},20") == "l"
    assert rsp.ask("qXfer:features:read:other.xml:0,20")[:1] == "E"


@pytest.mark.neutral
def test_bp_26_bad_checksum_is_nakked(wire):
    """BP-26: a broken checksum gets '-' and nothing else; the repeat is answered."""
    _, rsp = wire
    rsp.send(b"$?#00")
    assert rsp.ack() == "-"
    assert rsp.quiet(0.3)
    rsp.send(b"$?#zz")
    assert rsp.ack() == "-"
    _alive(rsp)


@pytest.mark.neutral
def test_bp_26_nak_retransmits(wire):
    """BP-26: '-' sends the last reply once more."""
    _, rsp = wire
    rsp.send(frame(b"qSupported"))
    first = rsp.receive(ack=False)
    rsp.send(b"-")
    assert rsp.receive(ack=False) == first
    rsp.send(b"-")
    assert rsp.receive() == first
    _alive(rsp)


@pytest.mark.neutral
def test_bp_26_new_packet_discards_unacked_reply(wire):
    """BP-26: a new packet instead of an ack is answered itself."""
    _, rsp = wire
    rsp.send(frame(b"qSupported"))
    assert rsp.receive(ack=False) is not None
    assert rsp.ask("vMustReplyEmpty") == ""
    _alive(rsp)


@pytest.mark.neutral
def test_bp_26_garbage_between_packets(wire):
    """BP-26, USER-8: noise between packets is skipped; a new $ begins a new packet."""
    _, rsp = wire
    rsp.send(b"noise+++ \r\n\x00\xff\x80#12")
    _alive(rsp)
    rsp.send(b"$m1000,10" + frame(b"vMustReplyEmpty"))
    assert rsp.receive() == b""
    _alive(rsp)


@pytest.mark.neutral
def test_bp_26_sequence_ids_are_rejected(wire):
    """BP-26: `$01:?#..` is not taken for `?`."""
    _, rsp = wire
    reply = rsp.ask("01:?")
    assert reply == "" or reply.startswith("E")
    _alive(rsp)


@pytest.mark.parametrize("size", [16384, 16385, 20000])
@pytest.mark.neutral
def test_oversized_packet(wire, size):
    """A packet longer than PacketSize: no answer that pretends it was understood."""
    _, rsp = wire
    rsp.send(frame(b"M100000," + b"1" * (size - 8)))
    reply = rsp.receive(10)
    assert reply in (None, b"") or reply.startswith(b"E")
    _alive(rsp)


MALFORMED = [
    "m", "m,", "mzz,4", "m100000", "m100000,", "m100000,zz", "m100000,4;", "m,4",
    "m11112222333344445,4", "M", "M100000,4", "M100000,4:12", "M100000,4:123456789a",
    "M100000,2:zzzz", "X", "X100000,4:ab", "X100000,4", "p", "pzz", "P", "P0", "P0=",
    "P0=zz", "P0=00", "G", "G00", "Gzz", "g0", "H", "Hg", "Hgzz",
    "Hg99", "Hx1", "T", "Tzz", "T99", "Z", "Z0", "Z0,", "Z0,zz,1", "Z0,100000", "Z0,100000,",
    "Z0,100000,zz", "Z9,100000,1", "Z1,100000,2", "Z2,100000,0", "Z2,fee00000,3", "Z2,ffffffffffffff00,1000",
    "z", "z0", "z0,100000", "z9,100000,1", "vCont", "vCont;", "vCont;x", "vCont;s:99",
    "vCont;c:zz", "vCont;C", "vCont;S", "vCont;S5", "vCont?x", "vRun", "vAttach;1", "vFlashDone",
    "qRcmd", "qRcmd,6", "qRcmd,zz", "qXfer", "qXfer:features:read:target.xml",
    "qXfer:features:read:target.xml:", "qXfer:features:read:target.xml:0",
    "qXfer:features:read:target.xml:zz,10", "qXfer:features:write:target.xml:0:00",
    "qThreadExtraInfo", "qThreadExtraInfo,", "qThreadExtraInfo,99", "qC1", "Q", "q", "v", "!",
    "_x", "szz", "czz", "S", "C", "Szz", "C5;zz", "i", "t", "A", "b", "B", "d", "r", "\x7f", "}",
]


@pytest.mark.neutral
def test_malformed_packets(wire):
    """Each gets an error or an empty reply as the protocol says, never OK, and changes nothing."""
    vm, rsp = wire
    before = rsp.ask("g")
    memory = rsp.read(vm.guest["image_start"], 256)
    bad = []
    for packet in MALFORMED:
        reply = rsp.ask(packet)
        if packet == "qC1":
            continue
        if not (reply == "" or (reply.startswith("E") and len(reply) >= 3)):
            bad.append(f"{packet!r} -> {reply!r}")
    assert not bad, "\n".join(bad)
    assert rsp.ask("g") == before
    assert rsp.read(vm.guest["image_start"], 256) == memory
    _alive(rsp)


@pytest.mark.neutral
def test_user_8_random_packets(wire):
    """USER-8: 300 random packets with right checksums, then noise; the stub answers on."""
    _, rsp = wire
    rng = random.Random(7)
    letters = b"mMXpPgGHTzZqQv?!0123456789abcdef,;:=-+#$}*" + bytes(range(128, 140))
    for _ in range(300):
        body = bytes(rng.choice(letters) for _ in range(rng.randrange(1, 30)))
        if body[:1] in b"csCSkDRrbi" or b"#" in body or b"$" in body or body[:1] == b"v":
            continue
        rsp.send(frame(body))
        reply = rsp.receive(5)
        assert reply is not None or b"}" in body, body
    rsp.send(bytes(rng.choice(range(256)) for _ in range(4000)).replace(b"$", b" "))
    while not rsp.quiet(0.3):
        rsp.receive(0.3)
    _alive(rsp)


@pytest.mark.neutral
def test_user_8_hang_up_in_the_middle_of_a_packet(wire):
    """USER-8: the line is cut inside a packet and inside a reply; the next client works."""
    vm, rsp = wire
    rsp.send(b"$m100000,80")
    rsp.close()
    second = vm.rsp()
    _alive(second)
    second.send(frame(b"m100000,400"))
    second.close()
    third = vm.rsp()
    while not third.quiet(0.5):
        third.receive(1)
    _alive(third)


@pytest.mark.neutral
def test_write_and_read_binary(wire):
    """X with escapes and M: what went in comes out; escapes at a packet's end are refused."""
    vm, rsp = wire
    place = vm.guest["stack_top"] - 4096
    data = bytes(range(256))
    escaped = b"".join(b"}" + bytes([b ^ 0x20]) if b in b"#$}*" else bytes([b]) for b in data)
    assert rsp.ask(b"X%x,%x:" % (place, len(data)) + escaped) == "OK"
    assert rsp.read(place, 256) == data
    assert rsp.ask(b"X%x,0:" % place) == "OK"
    rsp.write(place, b"\x55\xaa" * 8)
    assert rsp.read(place, 16) == b"\x55\xaa" * 8
    assert rsp.ask(b"X%x,1:}" % place)[:1] == "E"
    assert rsp.read(place, 16) == b"\x55\xaa" * 8


def test_range_of_steps(boot):
    """vCont;r: one stop reply for all steps, and Ctrl-C ends a range that is never left."""
    vm = boot("hello64")
    rsp = vm.rsp()
    rsp.ask("qSupported")
    loop = vm.guest["count_loop"]
    assert rsp.ask(f"Z1,{loop:x},1") == "OK"
    rsp.resume()
    assert rsp.receive(30).startswith(b"T05")
    rsp.send(frame(b"vCont;r%x,%x:1;c" % (loop, loop + 64)))
    assert rsp.receive(30).startswith(b"T05")  # comes by the breakpoint
    assert rsp.read_int(vm.guest["counter"]) == 1
    assert rsp.ask(f"z1,{loop:x},1") == "OK"
    rsp.send(frame(b"vCont;r%x,%x:1;c" % (loop, loop + 64)))
    assert rsp.ack() == "+" and rsp.quiet(1)
    rsp.send(b"\x03")
    assert rsp.receive(10).startswith(b"T02")
    assert rsp.read_int(vm.guest["counter"]) > 20
    assert loop <= rsp.pc() < loop + 64
    rsp.send(frame(b"vCont;r%x,%x:1;c" % (rsp.pc(), rsp.pc() + 1)))
    assert rsp.receive(10).startswith(b"T05")


def test_much_memory_by_few_bytes(wire):
    """Search, checksum, binary and file reads agree with plain reads."""
    vm, rsp = wire
    place = vm.guest["stack_top"] - 4096
    data = bytes(range(256)) * 4
    for part in range(0, len(data), 256):
        rsp.write(place + part, data[part:part + 256])
    assert rsp.ask(f"qSearch:memory:{place - 64:x};800;\x7f\x80\x81") == f"1,{place + 0x7f:x}"
    assert rsp.ask(f"qSearch:memory:{place:x};7f;\x7f\x80\x81") == "0"
    crc = 0xffffffff
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x104c11db7 if crc & 0x80000000 else 0))
    assert rsp.ask(f"qCRC:{place:x},400") == f"C{crc:x}"
    assert rsp.ask(f"x{place:x},400").encode("latin-1") == b"b" + data
    name = f"mem/{place:x},400".encode().hex()
    assert rsp.ask(f"vFile:open:{name},0,0") == "F1"
    assert rsp.ask("vFile:pread:1,400,100").encode("latin-1") == b"F300;" + data[:0x300]
    assert rsp.ask("vFile:close:1") == "F0"


@pytest.mark.neutral
def test_run_length_encoding(wire):
    """A block of zeros costs a fraction of its size."""
    vm, rsp = wire
    place = vm.guest["stack_top"] - 4096
    rsp.write(place, bytes(1024))
    assert rsp.read(place, 1024) == bytes(1024)
    assert len(rsp.last_raw) < 100
    assert b"*" in rsp.last_raw


def test_registers_p_and_g(wire):
    """P then p and g agree; a register nobody has is an error or empty, not a crash."""
    _, rsp = wire
    assert rsp.ask("Pc=8877665544332211") == "OK"
    assert rsp.ask("pc") == "8877665544332211"
    everything = rsp.ask("g")
    assert everything[12 * 16:13 * 16] == "8877665544332211"
    assert rsp.ask("G" + everything) == "OK"
    assert rsp.ask("g") == everything


@pytest.mark.neutral
def test_threads(wire):
    """CPUs are the threads from 1 on; others are not alive."""
    vm, rsp = wire
    cpus = vm.machine.cpus
    assert all(rsp.ask(f"T{n}") == "OK" for n in range(1, cpus + 1))
    assert rsp.ask(f"T{cpus + 1}")[:1] == "E"
    assert rsp.ask("Hg1") == "OK" and rsp.ask("Hc-1") == "OK" and rsp.ask("Hg0") == "OK"
    assert rsp.ask("qC") in ("QC1", "QC01")
    info = bytes.fromhex(rsp.ask("qThreadExtraInfo,1")).decode()
    assert info.strip()


def test_bp_17_insert_and_remove_are_idempotent(wire):
    """BP-17, BP-18, WHPX-15: twice in, twice out; the byte beneath is never lost."""
    vm, rsp = wire
    _to_main(vm, rsp)
    place = vm.guest["f_soft"]
    for _ in range(2):
        assert rsp.ask(f"Z0,{place:x},1") == "OK"
        assert rsp.read(place, 3) == b"\x90\x90\xc3"
    assert rsp.ask("vCont;c").startswith("T05")
    assert rsp.pc() == place
    for _ in range(2):
        assert rsp.ask(f"z0,{place:x},1") == "OK"
        assert rsp.read(place, 3) == b"\x90\x90\xc3"
    rsp.resume()
    vm.wait_said("bp: ok")
    assert rsp.quiet(0.3)


def test_whpx_15_write_under_a_breakpoint(wire):
    """WHPX-15: bytes written under a breakpoint stay when it goes, and it stays meanwhile."""
    vm, rsp = wire
    _to_main(vm, rsp)
    place = vm.guest["f_soft"]
    assert rsp.ask(f"Z0,{place:x},1") == "OK"
    rsp.write(place, b"\xf8\xf9")  # clc, stc
    assert rsp.read(place, 2) == b"\xf8\xf9"
    assert rsp.ask("vCont;c").startswith("T05")
    assert rsp.pc() == place
    assert rsp.ask(f"z0,{place:x},1") == "OK"
    assert rsp.read(place, 2) == b"\xf8\xf9"
    assert rsp.step().startswith("T05")
    assert rsp.pc() == place + 1


@pytest.mark.parametrize("kind", [0, 1])
def test_whpx_19_haxm_19_continue_from_an_inserted_breakpoint(wire, kind):
    """WHPX-19, -22, HAXM-19: plain `c` with the breakpoint left in goes once around, and a step
    from it is one step, reported once."""
    vm, rsp = wire
    _to_main(vm, rsp)
    place = vm.guest["f_soft"]
    assert rsp.ask(f"Z{kind},{place:x},1") == "OK"
    for number in range(1, 6):
        assert rsp.ask("vCont;c").startswith("T05")
        assert rsp.pc() == place
        assert rsp.read_int(vm.guest["rounds"]) == number
    assert rsp.step().startswith("T05")
    assert rsp.pc() == place + 1
    assert rsp.read_int(vm.guest["rounds"]) == 5
    assert rsp.ask("vCont;c").startswith("T05")
    assert rsp.read_int(vm.guest["rounds"]) == 6


def test_bp_3_ours_on_top_of_the_guests_int3(wire):
    """BP-3: our breakpoint on the guest's own INT3 stops there first, then the guest gets its #BP.

    (gdb itself would jump over it: it takes an INT3 that is there already for its own.)"""
    vm, rsp = wire
    _to_main(vm, rsp)
    place = vm.guest["own_int3"]
    assert rsp.ask(f"Z0,{place:x},1") == "OK"
    for number in range(1, 5):
        assert "swbreak:" in rsp.ask("vCont;c")
        assert rsp.pc() == place
        assert rsp.read_int(vm.guest["int3_count"]) == 2 * (number - 1)
        assert rsp.read_int(vm.guest["rounds"]) == number
    assert rsp.step().startswith("T05")
    assert rsp.pc() == vm.guest["h_bp"]
    assert rsp.ask(f"z0,{place:x},1") == "OK"
    assert rsp.read(place, 1) == b"\xcc"
    rsp.resume()
    assert "int3" not in vm.wait_said("bp: ok")


def test_stop_reasons_on_the_wire(wire):
    """HAXM-16: swbreak, hwbreak, watch with its address."""
    vm, rsp = wire
    _to_main(vm, rsp)
    assert rsp.ask(f"Z0,{vm.guest['f_soft']:x},1") == "OK"
    assert "swbreak:" in rsp.ask("vCont;c")
    assert rsp.ask(f"z0,{vm.guest['f_soft']:x},1") == "OK"
    assert rsp.ask(f"Z1,{vm.guest['f_hard']:x},1") == "OK"
    assert "hwbreak:" in rsp.ask("vCont;c")
    assert rsp.ask(f"z1,{vm.guest['f_hard']:x},1") == "OK"
    for kind, word, size in ((2, "watch", 8), (3, "rwatch", 4), (4, "awatch", 2)):
        place = vm.guest[f"v{size}"]
        answer = rsp.ask(f"Z{kind},{place:x},{size}")
        if kind == 3 and answer == "":
            continue  # x86 has none; gdb then takes Z4 and leaves out the writes itself
        assert answer == "OK"
        found = re.search(rf"(?:^T05|;){word}:([0-9a-f]+);", rsp.ask("vCont;c"))
        assert found and int(found[1], 16) == place
        assert rsp.ask(f"z{kind},{place:x},{size}") == "OK"


def test_bp_22_four_slots_and_no_more(wire):
    """BP-22: the fifth hardware breakpoint is refused and nothing of it stays."""
    vm, rsp = wire
    _to_main(vm, rsp)
    names = ["f_soft", "f_hard", "f_outer", "f_inner"]
    for name in names:
        assert rsp.ask(f"Z1,{vm.guest[name]:x},1") == "OK"
    assert rsp.ask(f"Z1,{vm.guest['f_many']:x},1")[:1] == "E"
    assert rsp.ask(f"Z1,{vm.guest['f_soft']:x},1") == "OK"  # again: no fifth
    assert rsp.ask(f"z1,{vm.guest['f_soft']:x},1") == "OK"
    assert rsp.ask(f"Z1,{vm.guest['f_many']:x},1") == "OK"
    for name in ("f_hard", "f_outer", "f_inner", "f_many", "f_hard"):
        assert rsp.ask("vCont;c").startswith("T05")
        assert rsp.pc() == vm.guest[name]


def test_bp_19_20_kinds_and_conditions(wire):
    """BP-19: a wrong kind is an error. BP-20: conditions nobody offered: an empty reply."""
    vm, rsp = wire
    place = vm.guest["f_soft"]
    assert rsp.ask(f"Z0,{place:x},0")[:1] == "E"
    assert rsp.ask(f"Z0,{place:x},9")[:1] == "E"
    features = rsp.ask("qSupported")
    if "ConditionalBreakpoints+" not in features:
        assert rsp.ask(f"Z0,{place:x},1;X3,220027") == ""
    if "BreakpointCommands+" not in features:
        assert rsp.ask(f"Z0,{place:x},1;cmds:0,X3,220027") == ""
    _to_main(vm, rsp)
    rsp.resume()
    vm.wait_said("bp: ok")
    assert rsp.quiet(0.3)


def test_bp_21_breakpoint_outside_of_ram(wire):
    """BP-21, USER-2: in the local APIC's page there is nothing to plant a breakpoint in: it waits."""
    _, rsp = wire
    assert rsp.ask("Z0,fee00000,1") == "OK"
    assert rsp.ask("z0,fee00000,1") == "OK"
    _alive(rsp)


def test_user_9_mmio_only_when_asked(wire):
    """USER-9: device memory is not read unless `monitor mmio on`."""
    _, rsp = wire
    assert rsp.ask("mfee00030,4")[:1] == "E"
    assert rsp.ask("Mfee00380,4:00000000")[:1] == "E"
    rsp.ask("qRcmd," + b"mmio on".hex())
    while rsp.quiet(0.1) is False:
        rsp.receive(1)
    version = rsp.read_int(0xFEE00030, 4)
    assert version & 0xFF >= 0x10


def test_user_9_nowhere(wire):
    """USER-9: addresses that do not exist: errors, no fault."""
    vm, rsp = wire
    _to_main(vm, rsp)
    assert rsp.ask("mfffffffffffffff0,20")[:1] == "E"
    assert rsp.ask("m8000000000000000,8")[:1] == "E"
    _alive(rsp)


@pytest.mark.neutral
def test_bp_12_signals_are_advice(wire):
    """C and S with a signal resume as c and s do."""
    vm, rsp = wire
    _to_main(vm, rsp)
    pc = rsp.pc()
    assert rsp.ask("vCont;S05:1").startswith("T05")
    assert rsp.pc() != pc
    assert rsp.ask(f"Z0,{vm.guest['f_soft']:x},1") == "OK"
    assert rsp.ask("C05").startswith("T05")
    assert rsp.pc() == vm.guest["f_soft"]
    assert rsp.ask("S05").startswith("T05")
    assert rsp.pc() == vm.guest["f_soft"] + 1


def test_plain_c_and_s_with_address(wire):
    """`s ADDR` and `c ADDR` go on from there."""
    vm, rsp = wire
    _to_main(vm, rsp)
    assert rsp.ask(f"s{vm.guest['f_many']:x}").startswith("T05")
    assert rsp.pc() == vm.guest["f_many"] + 1


@pytest.mark.neutral
def test_raw_client_type(wire):
    """The client itself notices a wrong checksum (the tests above rely on it)."""
    _, rsp = wire
    assert isinstance(rsp, RawRsp)
    assert rsp.junk == 0 and rsp.naks == 0
