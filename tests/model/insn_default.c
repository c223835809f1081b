/* Weak models: a test that reaches one without supplying its own has found something; it ends. */
#include <stdio.h>
#include <stdlib.h>

#include "arch/x86/insn.h"

#define WEAK __attribute__((weak))

static void unexpected(const char *what)
{
    fprintf(stderr, "model: %s was reached, and the test supplies no model of it\n", what);
    abort();
}

WEAK void model_pause(void)
{
}

WEAK struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)leaf;
    (void)subleaf;
    unexpected("cpuid");
    return (struct cpuid_result){0, 0, 0, 0};
}

WEAK uint8_t model_inb(uint16_t port)
{
    (void)port;
    unexpected("inb");
    return 0;
}

WEAK uint16_t model_inw(uint16_t port)
{
    (void)port;
    unexpected("inw");
    return 0;
}

WEAK uint32_t model_inl(uint16_t port)
{
    (void)port;
    unexpected("inl");
    return 0;
}

WEAK void model_outb(uint16_t port, uint8_t value)
{
    (void)port;
    (void)value;
    unexpected("outb");
}

WEAK void model_outw(uint16_t port, uint16_t value)
{
    (void)port;
    (void)value;
    unexpected("outw");
}

WEAK void model_outl(uint16_t port, uint32_t value)
{
    (void)port;
    (void)value;
    unexpected("outl");
}

WEAK bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    (void)msr;
    (void)value;
    unexpected("rdmsr");
    return false;
}

WEAK bool model_wrmsr(uint32_t msr, uint64_t value)
{
    (void)msr;
    (void)value;
    unexpected("wrmsr");
    return false;
}

WEAK uint64_t model_read_register(const char *name)
{
    unexpected(name);
    return 0;
}

WEAK void model_write_register(const char *name, uint64_t value)
{
    (void)value;
    unexpected(name);
}

WEAK uint32_t model_mmio_read(hpa_t address, unsigned size)
{
    (void)address;
    (void)size;
    unexpected("mmio read");
    return 0;
}

WEAK void model_mmio_write(hpa_t address, uint32_t value, unsigned size)
{
    (void)address;
    (void)value;
    (void)size;
    unexpected("mmio write");
}

WEAK uint64_t model_vmread(uint64_t field)
{
    (void)field;
    unexpected("vmread");
    return 0;
}

WEAK void model_vmwrite(uint64_t field, uint64_t value)
{
    (void)field;
    (void)value;
    unexpected("vmwrite");
}

WEAK bool model_vmx(const char *name, uint64_t operand)
{
    (void)operand;
    unexpected(name);
    return false;
}

WEAK void model_fpu_save(void *area, uint64_t mask)
{
    (void)area;
    (void)mask;
    unexpected("fpu save");
}

WEAK void model_fpu_restore(const void *area, uint64_t mask)
{
    (void)area;
    (void)mask;
    unexpected("fpu restore");
}
