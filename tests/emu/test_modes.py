"""Every mode of the processor: where it is, what memory says, breakpoints and steps there."""

import re

import pytest

from harness import paths

TEXT = b"the page with the known text\0"

# stage: (where the text page is mapped beside its place, an address that is not mapped)
ALIASES = {
    2: (0xC0400000, 0x20000000),
    3: (0x50002000, 0x20000000),
    4: (0xFFFF800000003000, 0xFFFF800000005000),
    5: (None, None),
}


def _stage(vm, gdb, number):
    """Lets the guest go on to a stage's loop and breaks in there."""
    if number > 1:
        place = vm.guest["low_go"] if number > 6 else vm.guest["go"]
        gdb.write(place, bytes([number - 1]))
    gdb.cont()
    assert gdb.still_running(0.3)
    stop = gdb.interrupt()
    loop = vm.guest[f"stage{number}_loop"]
    assert loop <= stop.pc < loop + 16, f"stage {number}: {stop.pc:#x}, not {loop:#x}"
    return stop


def _loop_once(vm, gdb, number, commands=("hbreak", "break")):
    """Steps around a stage's loop, then a breakpoint in it, by each kind."""
    loop = vm.guest[f"stage{number}_loop"]
    for _ in range(4):
        if gdb.stepi().pc == loop:
            break
    assert gdb.pc() == loop
    before = gdb.pc()
    after = gdb.stepi().pc
    assert loop < after < loop + 12
    assert gdb.stepi().pc == before
    for command in commands:
        gdb.run(f"{command} *{loop:#x}")
        for _ in range(2):
            assert gdb.go().pc == loop
        gdb.run("delete")


@pytest.mark.needs("gdbvisor")
@pytest.mark.every_machine
@pytest.mark.smoke
def test_user_5_all_modes(boot):
    """USER-5: one guest through all modes, in one session of gdb, broken into in each."""
    vm = boot("paging")
    gdb = vm.gdb()
    page = vm.guest["text_page"]
    for number in range(1, 8):
        _stage(vm, gdb, number)
        cr0, efer = gdb.value("$cr0"), gdb.value("$efer")
        assert bool(cr0 & 1) == (number < 7)
        assert bool(cr0 >> 31) == (number in (2, 3, 4, 5))
        assert bool(efer & 0x400) == (number in (4, 5))
        assert gdb.read(page, len(TEXT)) == TEXT if number < 7 else True
        alias, unmapped = ALIASES.get(number, (None, None))
        if alias is not None:
            assert gdb.read(alias, len(TEXT)) == TEXT
            with pytest.raises(AssertionError):
                gdb.read(unmapped, 4)
        if number == 2:
            assert gdb.read(0xD0000000 + page, len(TEXT)) == TEXT
        # Hardware breakpoints of the 16-bit stages: the test below.
        _loop_once(vm, gdb, number, ("break",) if number > 5 else ("hbreak", "break"))
    gdb.write(vm.guest["low_go"], b"\x07")
    gdb.cont()
    vm.wait_said("paging: ok")
    stop = gdb.interrupt()
    assert vm.guest["stage7_done"] <= stop.pc < vm.guest["stage7_done"] + 16


# What gdb is to take each stage's code for; 5 is compatibility mode.
ARCHITECTURES = {1: "i386", 2: "i386", 3: "i386", 4: "i386:x86-64", 5: "i386", 6: "i8086",
                 7: "i8086"}


@pytest.mark.needs("gdbvisor")
def test_user_5_layout_by_mode(boot):
    """USER-5: `monitor arch`, and gdb alone disassembles, writes registers and steps in each mode."""
    vm = boot("paging")
    gdb = vm.gdb()
    assert "unset tdesc filename" in gdb.monitor("arch auto")
    for number in range(1, 8):
        _stage(vm, gdb, number)
        gdb.run("unset tdesc filename")
        wanted = ARCHITECTURES[number]
        assert f'(currently "{wanted}")' in gdb.run("show architecture")
        loop = vm.guest[f"stage{number}_loop"]
        # A comparison, then the jump back: in another mode's code they are something else.
        text = gdb.run(f"x/2i {loop:#x}")
        assert "cmpb" in text and "jb " in text.replace("\t", " "), text
        name = "rax" if wanted.endswith("64") else "eax"
        gdb.run(f"set ${name} = 0x12345678")
        gdb.run("maintenance flush register-cache")
        assert gdb.value(f"${name}") == 0x12345678
        assert gdb.value("$cr0") & 1 == (number < 7)
        _loop_once(vm, gdb, number, ("break",))
        if number == 1:  # a caller, by a return address of 4 bytes; ebp 0 would say there is none
            gdb.write(gdb.value("$esp"), (vm.guest["text_page"] + 1).to_bytes(4, "little"))
            gdb.run("set $ebp = $esp + 16")
            assert "in text_page" in gdb.run("backtrace 2")
    # It stays for a gdb that comes back, and goes with a detach.
    gdb.monitor("arch i386")
    gdb.disconnect()
    gdb.connect()
    assert '(currently "i386")' in gdb.run("show architecture")
    assert gdb.value("$eip") == gdb.value("$ip") + gdb.value("$cs_base")
    gdb.detach()
    gdb.connect()
    assert '(currently "i386:x86-64")' in gdb.run("show architecture")
    gdb.detach()


@pytest.mark.needs("gdbvisor")
def test_user_5_disassembly_by_mode(boot):
    """USER-5: with the 64-bit layout, tools/gdbvisor.py has the code of each mode disassembled as
    what it is."""
    vm = boot("paging")
    gdb = vm.gdb(setup=[f"source {paths.ROOT}/tools/gdbvisor.py"])
    for number in range(1, 8):
        _stage(vm, gdb, number)
        loop = vm.guest[f"stage{number}_loop"]
        first, second = gdb.run(f"x/2i {loop:#x}").splitlines()
        assert re.search(r":\tcmpb\s+\$0x", first), first
        assert "(%rip)" not in first, first  # what 32-bit code's addresses are in 64-bit code
        assert re.search(rf":\tjb\s+0x{loop:x}", second), second
    gdb.detach()


@pytest.mark.needs("gdbvisor", "raw")
def test_user_9_reads_end_at_the_unmapped_page(boot):
    """Partial reads are answered short, and writes that do not fit are refused."""
    vm = boot("paging")
    rsp = vm.rsp()
    rsp.ask("qSupported")
    rsp.write(vm.guest["go"], b"\x01")
    assert rsp.ask(f"Z1,{vm.guest['stage2_loop']:x},1") == "OK"
    assert rsp.ask("vCont;c").startswith("T05")
    end = 0xC0401000
    reply = rsp.ask(f"m{end - 8:x},20")
    assert reply == "5a" * 8
    assert rsp.ask(f"m{end:x},4")[:1] == "E"
    assert rsp.ask(f"M{end:x},4:00000000")[:1] == "E"
    assert rsp.ask(f"Z0,{end:x},1") == "OK"  # USER-2: it waits
    rsp.write(0xC0400000, b"The")
    assert rsp.read(vm.guest["text_page"], 8) == b"The page"


@pytest.mark.needs("gdbvisor")
def test_user_5_linear_pc_in_real_mode(boot):
    """USER-5: with a CS base of 0x8000 PC is the linear address, the raw IP stays readable."""
    vm = boot("paging")
    gdb = vm.gdb()
    for number in range(1, 8):
        _stage(vm, gdb, number)
    assert gdb.value("$cs") == 0x800
    assert gdb.pc() >= 0x8000
    assert gdb.value("$cs_base") == 0x8000


@pytest.mark.needs("gdbvisor", "exec-dr-cs-base")
@pytest.mark.parametrize("number", [6, 7])
def test_user_5_hardware_breakpoint_with_a_code_base(boot, number):
    """USER-5: an execution breakpoint is at the linear address, whatever CS.base is."""
    vm = boot("paging")
    gdb = vm.gdb()
    for stage in range(1, number + 1):
        _stage(vm, gdb, stage)
    _loop_once(vm, gdb, number, ("hbreak",))
