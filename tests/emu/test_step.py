"""Single-stepping: one instruction at a time, and the guest never sees how."""

import re

import pytest

from harness import bochs_config, capabilities, walk

# What may come after a label when it is stepped, where it is not simply the next label. A list is
# a choice: the trap behind MOV SS comes one instruction late.
AFTER = {
    "s_iretq": ["s_iret_target"],
    "s_int31": ["h_int31"],
    "h_int31_iret": ["s_int3"],
    "s_int3": ["h_bp"],
    "s_cd03": ["h_bp"],
    "s_ud2": ["h_ud"],
    "s_pf": ["h_pf"],
    "s_syscall": ["h_syscall"],
    "s_sysret": ["u_begin"],
    "u_int32": ["h_int32"],
    "s_mov_ss": ["s_after_mov_ss", "s_after_mov_ss2"],
    "s_syscall2": ["h_syscall2"],
    "s_rep": ["s_rep", "s_after_rep"],
    "s_hlt": ["s_after_hlt", "h_timer"],
}


def _after(machine):
    """AFTER, with what depends on the machine: INT1, and the trap behind STI."""
    asked = capabilities.probed(machine)
    return {**AFTER,
            "s_icebp": ["h_db" if asked["icebp"] else "h_ud"],
            "s_sti": ["s_after_sti"] + ["s_after_sti2"] * (not asked["sti-step"])}


def test_step_walk(boot, machine):
    """HAXM-18, HAXM-20, WHPX-4, -5, -6, -10, -11, BP-9, BP-27, BP-31, GEN-4: through everything.

    Each step ends where it must, no image of the flags the guest gets to see has TF set, and the
    guest then runs on as if nothing had been.
    """
    vm = boot("steps")
    gdb = vm.gdb()
    guest = vm.guest
    walk.to(vm, gdb, "steps_begin")
    seen = walk.walk(vm, gdb, "steps_end")
    ends = _after(machine)
    if "hlt_step" in machine.lacks:
        del ends["s_hlt"]
    walk.check(guest, seen, ends)
    passed = {before for before, _ in seen}
    late = {"s_after_mov_ss", "s_after_sti"}
    if "hlt_step" in machine.lacks:
        late.add("s_after_hlt")
    missing = [n for n in guest.ordered("s_") if n not in passed and n not in late]
    assert not missing, f"never stopped at: {missing}"
    assert sum(1 for before, _ in seen if before == "s_rep") in (1, 5, 6)
    gdb.cont()
    said = vm.wait_said("steps: ok")
    assert "TF seen" not in said


# The same for steps32. Where the trap of a shadow is late by one, a list has both.
AFTER32 = {
    "s_into": ["h_of"],
    "s_int31": ["h_int31"],
    "h_int31_iret": ["s_int3", "v_int3"],
    "s_int3": ["h_int3"],
    "s_cd03": ["h_int3"],
    "s_vmmcall": ["h_ud"],
    "s_vmcall": ["h_ud"],
    "s_pop_ss": ["s_after_pop_ss", "s_after_pop_ss2"],
    "s_call_far": ["f_far"],
    "f_retf": ["s_call_gate"],
    "s_call_gate": ["h_gate"],
    "s_to_16": ["p_begin"],
    "p_int31": ["h_int31"],
    "p_jump": ["s_from_16"],
    "s_iretd": ["u_begin"],
    "u_call_gate": ["h_gate"],
    "h_gate_retf": ["u_int32"],
    "u_int32": ["h_int32"],
    "u_int3": ["h_int3"],
    "u_into": ["h_of"],
    "u_sysenter": ["h_sysenter"],
    "h_sysexit": ["u_after_sysenter"],
    "u_gp": ["h_gp"],
    "u_leave": ["h_leave"],
    "s_iret_v86": ["v_start"],
    "v_int31": ["h_int31"],
    "v_int3": ["h_int3"],
    "v_iret": ["v_after_iret"],
    "v_leave": ["h_leave"],
    "s_jmp_16": ["r_first"],
    "r_jump": ["r_begin"],
    "r_mov_ss": ["r_after_mov_ss", "r_after_mov_ss2"],
    "r_int60": ["h_real_int"],
    "r_int3": ["h_real_int3"],
    "r_into": ["h_real_of"],
    "r_iret": ["r_after_iret"],
    "r_rep": ["r_rep", "r_after_rep"],
    "r_back": ["s_back"],
}

RF = 0x10000
FAULTS32 = (6, 7, 17)  # images of #UD and #GP
# A software interrupt's, to which a fault's handler has returned: RF is 0 in it, as it is cleared at
# the start of the instruction (SDM vol. 3, "Instruction-Breakpoint Exception Condition"). QEMU from
# 8 on leaves it, run freely.
AFTER_FAULT32 = 18


def test_step_older_modes(boot, start, machine):
    """HAXM-18, HAXM-20, WHPX-4, -5, -6, BP-31, GEN-4: protected mode with 32 and 16 bits in rings
    0 and 3, virtual-8086 and real mode: what is stepped goes where it must, and the flags images
    that the guest gets to see are those of a run on the bare machine."""
    vm = boot("steps32")
    gdb = vm.gdb()
    guest = vm.guest
    walk.to(vm, gdb, "steps_begin")
    walk.check_all(guest, walk.walk(vm, gdb, "steps_end", 1000), AFTER32)
    gdb.cont()
    stepped = _images(vm.wait_said("steps32: ok"))
    if machine.oracle:
        return
    bare = start(capabilities.bare(machine, guest), guest=guest)
    bare = _images(bare.wait_said("steps32: ok"))
    assert all(stepped[image] & RF for image in FAULTS32)
    assert not stepped[AFTER_FAULT32] & RF
    bare[AFTER_FAULT32] &= ~RF
    if not any(bare[image] & RF for image in FAULTS32):  # TCG has it nowhere
        stepped = [image & ~RF for image in stepped]
    assert stepped == bare


def _images(said):
    return [int(image, 16) for image in re.findall(r"steps32: image \w+ (\w+)", said)]


# The same for steps64. What has no SYSENTER in long mode, as AMD's processors, raises #UD.
AFTER64 = {
    "s_call_gate": ["h_gate"],
    "h_gate_retf": ["s_after_gate", "c_after_gate", "u_after_gate"],
    "s_call_far": ["f_far"],
    "f_retf": ["s_after_far"],
    "s_retf_32": ["c_begin"],
    "c_call_gate": ["h_gate"],
    "c_jump": ["s_from_32"],
    "s_iretq": ["u_begin"],
    "u_call_gate": ["h_gate"],
    "s_out": ["s_in"],
    "s_in": ["s_after_in"],
    "s_outs": ["s_outs", "s_after_outs"],
    "s_xsetbv": ["s_after_xsetbv", "h_ud"],
    "s_invd": ["s_after_invd"],
    "s_vmsave": ["h_ud"],
    "s_bad_cr3": ["h_gp"],
    "s_bad_efer": ["h_gp"],
}
SYSENTER64 = {
    True: {"u_sysenter": ["h_sysenter"], "h_sysexit": ["u_after_sysenter"],
           "u_sysenter_32": ["h_sysenter"], "h_sysexit_32": ["c_user"],
           "c_sysenter": ["h_sysenter"]},
    False: {"u_sysenter": ["h_ud"], "u_sysenter_32": ["h_ud"], "u_leave": ["h_leave"]},
}
MWAIT = {
    True: {"s_monitor": ["s_after_monitor"], "s_mwait": ["s_after_mwait", "h_timer"]},
    False: {"s_monitor": ["h_ud"], "s_mwait": ["h_ud"]},
}


@pytest.mark.needs("gdbvisor")
@pytest.mark.parametrize("caught", [False, True])
def test_step_gates_faults_mwait(boot, machine, caught):
    """HAXM-18, HAXM-20, WHPX-4, -5, -6, BP-31, GEN-4, GEN-7: 64-bit mode: call gates and far returns
    between rings and modes, SYSENTER, MWAIT; what exits; MOV CR3 and WRMSR that exit and fault: the
    step is at the first instruction of the handler, once. With `monitor catch cr3` the user is told
    first."""
    vm = boot("steps64")
    gdb = vm.gdb()
    walk.to(vm, gdb, "steps_begin")
    gdb.write(vm.guest["try_faults"], b"\x01")
    intel = capabilities.vendor(machine) == "vmx"
    monitor = gdb.read_int(vm.guest["has_monitor"], 4) == 1
    ends = {**AFTER64, **SYSENTER64[intel], **MWAIT[monitor]}
    if caught:
        gdb.monitor("catch cr3")
        ends["s_bad_cr3"] = ["s_bad_cr3", "h_gp"]
    seen = walk.walk(vm, gdb, "steps_end")
    walk.check_all(vm.guest, seen, ends)
    passed = [before for before, _ in seen]
    assert (passed.count("s_outs"), passed.count("s_bad_cr3")) == (3, 1 + caught)
    assert gdb.read_int(vm.guest["gp_count"], 4) == 2
    gdb.cont()
    assert "TF seen" not in vm.wait_said("steps64: ok")


@pytest.mark.needs("guest_debugger")
def test_step_iret_that_unblocks_nmis(boot):
    """BP-30: through the handler of an NMI, in which a second one comes: it waits for the IRET, the
    step of which ends where it returns to."""
    vm = boot("steps64")
    gdb = vm.gdb()
    count = vm.guest["nmi_count"]
    walk.to(vm, gdb, "h_nmi")
    assert gdb.read_int(count, 4) == 0
    walk.to(vm, gdb, "h_nmi_iret")
    assert gdb.read_int(count, 4) == 1
    assert vm.guest["n_send"] < gdb.stepi().pc < vm.guest["n_end"]
    walk.to(vm, gdb, "h_nmi")
    assert gdb.read_int(count, 4) == 1
    walk.walk(vm, gdb, "h_nmi_iret")
    assert vm.guest["n_send"] < gdb.stepi().pc < vm.guest["n_end"]
    gdb.cont()
    assert "TF seen" not in vm.wait_said("steps64: ok")


def test_gen_6_every_plain_step_is_one_instruction(boot):
    """GEN-6: stepping the counting loop counts once every two steps."""
    vm = boot("hello64")
    gdb = vm.gdb()
    walk.to(vm, gdb, "count_loop")
    start = gdb.read_int(vm.guest["counter"])
    for _ in range(20):
        gdb.stepi()
    assert gdb.read_int(vm.guest["counter"]) == start + 10
    assert gdb.pc() == vm.guest["count_loop"]


@pytest.mark.needs("guest_debugger")
def test_gen_7_step_of_the_guests_own_trap(boot):
    """GEN-7, WHPX-8: a step while the guest has TF set itself is one instruction, the next one the
    delivery of the guest's trap, with BS in its DR6; TF shows where it is the guest's."""
    vm = boot("steps")
    gdb = vm.gdb()
    walk.to(vm, gdb, "own_tf")
    assert gdb.value("$eflags") & 0x100
    assert gdb.stepi().pc == vm.guest["own_tf_trap"]
    assert gdb.stepi().pc == vm.guest["h_db"]
    assert gdb.value("$eflags") & 0x100 == 0
    assert gdb.value("$dr6") & 0xE00F == 0x4000
    assert gdb.read_int(gdb.value("$rsp") + 16) & 0x100  # in the frame
    gdb.cont()
    assert "wrong" not in vm.wait_said("steps: ok")


def test_step_a_jump_to_itself(boot):
    """A step that leaves PC where it was is still a step, and ends."""
    vm = boot("spin_cli")
    gdb = vm.gdb()
    walk.to(vm, gdb, "spin")
    for _ in range(3):
        stop = gdb.stepi()
        assert (stop.reason, stop.pc) == ("end-stepping-range", vm.guest["spin"])


@pytest.mark.needs("guest_debugger")
def test_bp_28_whpx_9_timer_does_not_starve_steps(boot):
    """BP-28, WHPX-9, GEN-6: with a 1.6 ms timer pending, steps stay in the loop; the interrupts
    come when the guest runs on."""
    vm = boot("irqs")
    gdb = vm.gdb()
    walk.to(vm, gdb, "busy")
    top, end = vm.guest["busy"], vm.guest["h_nmi"]
    before = gdb.read_int(vm.guest["lapic_count"])
    for _ in range(40):
        assert top <= gdb.stepi().pc < end
    assert gdb.read_int(vm.guest["lapic_count"]) == before
    gdb.cont()
    assert gdb.still_running(0.3)
    gdb.interrupt()
    assert gdb.read_int(vm.guest["lapic_count"]) > before + 3


@pytest.mark.needs("gdbvisor")
def test_step_interrupts_delivered(boot):
    """BP-28: `monitor step interrupts deliver` lets a step end in the handler of a device interrupt
    that is due; QEMU's packet holds them again."""
    vm = boot("irqs")
    gdb = vm.gdb()
    walk.to(vm, gdb, "busy")
    assert "in a step: held" in gdb.run("monitor step")
    assert "in a step: delivered" in gdb.run("monitor step interrupts deliver")
    assert any(gdb.stepi().pc == vm.guest["h_lapic"] for _ in range(100))
    assert gdb.read_int(gdb.value("$rsp") + 16) & 0x300 == 0x200  # the frame has IF, and no TF
    assert "OK" in gdb.run("maintenance packet Qqemu.sstep=0x7")
    assert "in a step: held" in gdb.run("monitor step")
    walk.to(vm, gdb, "busy")
    top, end = vm.guest["busy"], vm.guest["h_nmi"]
    assert all(top <= gdb.stepi().pc < end for _ in range(10))


@pytest.mark.needs("gdbvisor")
def test_step_count(boot):
    """Many steps as one, with a trace; a watchpoint (GEN-2) ends them, told as itself."""
    vm = boot("hello64")
    gdb = vm.gdb()
    walk.to(vm, gdb, "count_loop")
    start = gdb.read_int(vm.guest["counter"])
    gdb.run("monitor step count 2000")
    assert gdb.stepi().pc == vm.guest["count_loop"]
    assert gdb.read_int(vm.guest["counter"]) == start + 1000
    said = gdb.run("monitor step")
    assert "2000 steps to 2000 places" in said
    assert said.count(f"  {vm.guest['count_loop']:x}") == 8
    assert gdb.stepi().pc != vm.guest["count_loop"]  # one by one again
    gdb.run("monitor step count 1000000000")
    gdb.run("watch *(long *)&counter")
    assert gdb.stepi().reason == "watchpoint-trigger"


@pytest.mark.needs("quiet_step")
def test_bp_28_continue_from_breakpoint_with_timer(boot):
    """BP-28: continuing from a breakpoint with an interrupt pending makes progress each time."""
    vm = boot("irqs")
    gdb = vm.gdb()
    walk.to(vm, gdb, "busy")
    gdb.run("break busy")
    spins = gdb.read_int(vm.guest["spins"])
    for number in range(1, 21):
        assert gdb.go().pc == vm.guest["busy"]
        assert gdb.read_int(vm.guest["spins"]) == spins + number


@pytest.mark.needs("hlt_step")
def test_whpx_24_step_hlt(boot):
    """WHPX-24, HAXM-20: a step on HLT with interrupts on ends behind it or in the handler."""
    vm = boot("spin_hlt")
    gdb = vm.gdb()
    walk.to(vm, gdb, "idle")
    stop = gdb.stepi()
    assert vm.guest.name_of(stop.pc) in ("after_hlt", "tick")
    gdb.cont()
    vm.wait_said("spin_hlt: ok")


def test_bp_12_step_onto_a_breakpoint_reports_once(boot):
    """BP-12: a step that arrives at a breakpoint stops once, and the next continue moves on."""
    vm = boot("bp")
    gdb = vm.gdb()
    walk.to(vm, gdb, "f_soft")
    rounds = gdb.read_int(vm.guest["rounds"])
    gdb.run("break f_soft_second")
    assert gdb.stepi().pc == vm.guest["f_soft_second"]
    assert gdb.go().pc == vm.guest["f_soft_second"]
    assert gdb.read_int(vm.guest["rounds"]) == rounds + 1


def test_step_from_the_entry(boot):
    """The first instructions of the guest, in 32-bit mode: stepped from the entry stop."""
    vm = boot("hello64")
    gdb = vm.gdb()
    assert gdb.pc() == vm.guest["start"]
    places = [gdb.stepi().pc for _ in range(4)]
    assert places[0] == vm.guest["start"] + 1  # behind cld
    assert places == sorted(places) and len(set(places)) == 4
    assert gdb.read_int(vm.guest["boot_magic"], 4) == 0x2BADB002


@pytest.mark.needs("vmx")
def test_step_by_what(boot, machine):
    """BP-27: the monitor trap flag steps where it works, and nowhere else; the log says so."""
    console = boot("hello64").console()
    said = re.search(r"step: by (.*)", console)[1]
    if capabilities.why_not(machine, "mtf") is None:
        assert said.startswith("monitor trap flag")
    else:
        assert said.startswith("TF (this processor has no monitor trap flag)")


@pytest.mark.needs("bochs")
def test_step_by_a_dead_flag(boot, machine):
    """BP-27: a processor that offers the monitor trap flag, which Bochs 2.7 then ignores."""
    vm = boot("steps", cpu="corei7_icelake_u")
    works = bochs_config.version() >= capabilities.BOCHS_MENDED
    assert ("step: by monitor trap flag" if works else
            "step: by TF (this processor offers the monitor trap flag, but it does not fire)"
            ) in vm.console()
    gdb = vm.gdb()
    entry = gdb.pc()
    gdb.stepi()
    assert gdb.pc() == entry + 1
