"""Stepping a guest from label to label."""


def to(vm, gdb, label):
    """Runs to a label of the guest."""
    gdb.run_to(vm.guest[label])


def walk(vm, gdb, last, most=400):
    """Steps up to the label `last`; returns [(label before, address after)] of all steps."""
    seen = []
    for _ in range(most):
        before = vm.guest.name_of(gdb.pc())
        if before == last:
            return seen
        stop = gdb.stepi()
        assert gdb.value("$eflags") & 0x100 == 0, f"TF shows in eflags behind {before}"
        seen.append((before, stop.pc))
    raise AssertionError(f"{last} not reached in {most} steps; last: {seen[-5:]}")


def check(guest, seen, after):
    """Every step from a label in `after` went to one of those it names."""
    wrong = [f"{before} -> {guest.name_of(place)}, not {' or '.join(after[before])}"
             for before, place in seen
             if before in after and guest.name_of(place) not in after[before]]
    assert not wrong, "\n".join(wrong)


def check_all(guest, seen, after):
    """The same, and each of `after` was come to."""
    check(guest, seen, after)
    missing = sorted(set(after) - {before for before, _ in seen})
    assert not missing, f"never stopped at: {missing}"
