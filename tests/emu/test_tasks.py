"""Hardware task switches: VT-x leaves them to gdbvisor, on SVM only those in a step."""

import pytest

pytestmark = pytest.mark.needs("gdbvisor")


def test_task_switches(boot):
    """Every kind of switch, with paging, is as the manual has it, round after round."""
    vm = boot("tasks", options="stop=none")
    said = vm.wait_said("tasks: ok")
    gdb = vm.gdb()
    gdb.run("hbreak round")
    for _ in range(2):
        assert gdb.go().pc == vm.guest["round"]
    assert gdb.read_int(vm.guest["rounds"]) >= 2
    assert "wrong" not in said + vm.said()


@pytest.mark.needs("task_switch_step")
def test_step_through_tasks(boot):
    """A step over what switches ends at the new task's first instruction, and leaves no TF."""
    vm = boot("tasks")
    gdb = vm.gdb()
    for place, task in (("call_task", "by_call"), ("jmp_task", "by_jmp"), ("int_task", "by_int"),
                        ("bp_task", "by_bp"), ("gp_task", "by_gp"), ("task16", "code16")):
        gdb.run_to(vm.guest[place])
        assert gdb.stepi().pc == vm.guest[task], place
        saved = gdb.read_int(vm.guest["tss_area"] + 36, 4)
        assert not saved & 0x100, place
    vm_said = vm.said()
    gdb.cont()
    assert "wrong" not in vm_said + vm.wait_said("tasks: ok")
