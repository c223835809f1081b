"""What a kernel boot without a debugger may exit for: by kind, the most, and why.

The kinds are those of `monitor exits`. A kind that is not here has no reason to be, and may not be.
How often a kernel executes CPUID or programs its I/O APIC is its own affair; the numbers are a
Debian kernel's, doubled.
"""

TABLE = "table-listed: "
NO_BITMAP = "table-listed, or an MSR that no bitmap covers"

_BOTH = {
    "nmi": (40, "gdb's own first bytes, when the counts are read"),
    "rdmsr": (10, NO_BITMAP),
    "wrmsr": (10, NO_BITMAP),
    "port i/o": (12, TABLE + "the ports of the debug UART"),
    "mov dr": (12, TABLE + "the guest reads back its own debug registers"),
    "stage 2": (1000, TABLE + "the page of the I/O APIC with the UART's entry"),
    "hidden memory touched": (0, "the guest knows that it is not there"),
}

# By vendor (machines.py).
EXITS = {
    "svm": dict(_BOTH, cpuid=(1700, TABLE + "hides SVM")),
    "vmx": dict(_BOTH, cpuid=(1700, "forced by VT-x"), **{
        "none": (2, "forced by VT-x: CR0.NE is fixed to 1"),
        "xsetbv": (6, "forced by VT-x"),
    }),
}


def of_exit(vendor, kind):
    """(the most, why) of a kind of exit."""
    return EXITS[vendor].get(kind, (0, "nothing explains it"))


# What a boot has to exit for more often, or besides, when the firmware and its boot loader are
# guests too.
FIRMWARE = {
    "bios": {
        "breakpoint": (1, "the INT3 behind the piece that loads the boot sector"),
        "int n": (10, "its calls of the BIOS, while that INT3 is waited for"),
        "port i/o": (16000, TABLE + "the A20 gate: SeaBIOS reads port 92 with every call that it "
                                    "does in 32-bit code; the ports of the debug UART"),
    },
    "uefi": {
        "cpuid": (2400, TABLE + "hides SVM; the firmware and GRUB execute it too"),
        "rdmsr": (26, TABLE + "EFER, which the firmware reads when it changes its page tables"),
        "port i/o": (600, TABLE + "the ports of the debug UART, where the firmware has a console"),
    },
}


def of_firmware_exit(vendor, firmware, kind):
    """The same for a boot by a firmware ("bios", "uefi") and its boot loader."""
    return FIRMWARE[firmware].get(kind) or of_exit(vendor, kind)


# What becomes of a boot of several CPUs.
SMP = {
    "apic writes": (2000, "how the start of other CPUs is seen without exits for it"),
    "stage 2": (2000, TABLE + "the local APICs' page, and the I/O APIC's"),
}


def of_smp_exit(vendor, kind, cpus):
    """The same for a boot with several CPUs, all CPUs' together."""
    most, why = SMP.get(kind) or of_exit(vendor, kind)
    return most * cpus, why
