"""A state that no processor enters: refused in words that gdb's user sees, and nothing is lost."""

import pytest

pytestmark = pytest.mark.needs("gdbvisor", "vmx")

PKE = 1 << 22  # a Haswell has no protection keys


def _refused(vm, gdb, name, value, sentences):
    """Puts the value into that register, goes on, and is told what is wrong; puts it right again."""
    old = gdb.value(name)
    before = vm.console().count("VM entry failed")
    pc = gdb.pc()
    gdb.run(f"set {name} = {value:#x}")
    gdb.cont()
    stop = gdb.wait_stop(30)
    assert stop.signal == "SIGABRT"
    assert stop.pc == pc
    text = gdb.monitor("log")
    assert vm.console().count("VM entry failed") == before + 1
    for sentence in ("VM entry failed: reason 33, the guest's state is not valid", *sentences):
        assert sentence in text
        assert sentence in vm.console()
    gdb.run(f"set {name} = {old:#x}")


def test_invalid_state_is_named(boot):
    """Each refusal names its register, its value and the rule; the guest goes on when it is right."""
    vm = boot("hello64")
    gdb = vm.gdb()
    cr4 = gdb.value("$cr4")
    _refused(vm, gdb, "$cr4", cr4 | PKE, [
        f"guest CR4 {cr4 | PKE | 0x2000:x}: bits this processor does not allow ({PKE:x})"])
    _refused(vm, gdb, "$cr0", 0x80000000, [
        "guest CR0 80000020: paging (PG) without protected mode (PE)"])
    _refused(vm, gdb, "$tr_attr", 0, ["guest TR rights 82: not a busy TSS"])
    gdb.cont()
    vm.wait_said("hello64: ok")
