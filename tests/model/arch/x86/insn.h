/*
 * The host's side of the seam: the same names as arch/x86/insn.h, each a call into a model that a
 * test supplies (tests/model/insn_default.c has weak ones that fail the test when reached).
 */
#ifndef ARCH_X86_INSN_H
#define ARCH_X86_INSN_H

#include "hv/types.h"

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf);
uint8_t model_inb(uint16_t port);
uint16_t model_inw(uint16_t port);
uint32_t model_inl(uint16_t port);
void model_outb(uint16_t port, uint8_t value);
void model_outw(uint16_t port, uint16_t value);
void model_outl(uint16_t port, uint32_t value);
bool model_rdmsr(uint32_t msr, uint64_t *value);
bool model_wrmsr(uint32_t msr, uint64_t value);
uint64_t model_read_register(const char *name);
void model_write_register(const char *name, uint64_t value);
uint32_t model_mmio_read(hpa_t address, unsigned size);
void model_mmio_write(hpa_t address, uint32_t value, unsigned size);
/* x87, SSE and AVX state to and from an area. mask: 0 for FXSAVE, else XSAVE's. */
void model_fpu_save(void *area, uint64_t mask);
void model_fpu_restore(const void *area, uint64_t mask);

/* VMX: the current VMCS's fields; the other instructions by name and operand, false: failed. */
uint64_t model_vmread(uint64_t field);
void model_vmwrite(uint64_t field, uint64_t value);
bool model_vmx(const char *name, uint64_t operand);

#define cpuid      model_cpuid
#define inb        model_inb
#define inw        model_inw
#define inl        model_inl
#define outb       model_outb
#define outw       model_outw
#define outl       model_outl
#define rdmsr_safe model_rdmsr
#define wrmsr_safe model_wrmsr
#define vmread     model_vmread
#define vmwrite    model_vmwrite

static inline uint64_t rdmsr(uint32_t msr)
{
    uint64_t value = 0;
    model_rdmsr(msr, &value);
    return value;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    model_wrmsr(msr, value);
}

#define INSN_REGISTER(name)                                                                        \
    static inline uint64_t read_##name(void)                                                       \
    {                                                                                              \
        return model_read_register(#name);                                                         \
    }                                                                                              \
    static inline void write_##name(uint64_t value)                                                \
    {                                                                                              \
        model_write_register(#name, value);                                                        \
    }

INSN_REGISTER(cr0)
INSN_REGISTER(cr2)
INSN_REGISTER(cr3)
INSN_REGISTER(cr4)
INSN_REGISTER(cr8)
INSN_REGISTER(dr0)
INSN_REGISTER(dr1)
INSN_REGISTER(dr2)
INSN_REGISTER(dr3)
INSN_REGISTER(dr6)
INSN_REGISTER(dr7)
#undef INSN_REGISTER

static inline void load_gdt(const struct table_register *gdtr)
{
    (void)gdtr;
}

static inline void load_idt(const struct table_register *idtr)
{
    (void)idtr;
}

static inline void store_gdt(struct table_register *gdtr)
{
    *gdtr = (struct table_register){0, model_read_register("gdtr")};
}

static inline void store_idt(struct table_register *idtr)
{
    *idtr = (struct table_register){0, model_read_register("idtr")};
}

static inline void load_tr(uint16_t selector)
{
    (void)selector;
}

static inline uint16_t store_tr(void)
{
    return 0x18;
}

static inline void store_segments(uint16_t *selectors)
{
    for (unsigned i = 0; i < 6; i++)
        selectors[i] = 0;
}

static inline void load_data_segments(const uint16_t *selectors)
{
    (void)selectors;
}

static inline void load_flat_segments(uint16_t code, uint16_t stack)
{
    (void)code;
    (void)stack;
}

static inline uint16_t store_ldt(void)
{
    return 0;
}

static inline void load_ldt(uint16_t selector)
{
    (void)selector;
}

static inline void invlpg(const void *address)
{
    (void)address;
}

static inline uint64_t rdtsc(void)
{
    return model_read_register("tsc");
}

void model_pause(void);

static inline void cpu_pause(void)
{
    model_pause();
}

static inline void cpu_halt(void)
{
    model_write_register("halt", 1);
}

static inline void clgi(void)
{
}

static inline void stgi(void)
{
}

static inline void take_pending_nmi(void)
{
    model_write_register("take_pending_nmi", 1);
}

static inline void vmload(hpa_t vmcb)
{
    (void)vmcb;
}

static inline void vmsave(hpa_t vmcb)
{
    (void)vmcb;
}

#define INSN_VMX(name)                                                                             \
    static inline bool name(uint64_t operand)                                                      \
    {                                                                                              \
        return model_vmx(#name, operand);                                                          \
    }

INSN_VMX(vmxon)
INSN_VMX(vmclear)
INSN_VMX(vmptrld)
#undef INSN_VMX

static inline void vmxoff(void)
{
    model_vmx("vmxoff", 0);
}

static inline void invept(uint64_t type, uint64_t ept_pointer)
{
    (void)ept_pointer;
    model_vmx("invept", type);
}

static inline void unblock_nmis(void)
{
    model_vmx("unblock_nmis", 0);
}

static inline void wbinvd(void)
{
    model_vmx("wbinvd", 0);
}

static inline void fx_save(void *area)
{
    model_fpu_save(area, 0);
}

static inline void fx_restore(const void *area)
{
    model_fpu_restore(area, 0);
}

static inline uint64_t xgetbv0(void)
{
    return model_read_register("xcr0");
}

static inline void xsetbv0(uint64_t value)
{
    model_write_register("xcr0", value);
}

static inline void xsave_area(void *area, uint64_t mask)
{
    model_fpu_save(area, mask);
}

static inline void xrstor_area(const void *area, uint64_t mask)
{
    model_fpu_restore(area, mask);
}

static inline uint32_t mmio_read32(hpa_t address)
{
    return model_mmio_read(address, 4);
}

static inline void mmio_write32(hpa_t address, uint32_t value)
{
    model_mmio_write(address, value, 4);
}

static inline uint8_t mmio_read8(hpa_t address)
{
    return (uint8_t)model_mmio_read(address, 1);
}

static inline void mmio_write8(hpa_t address, uint8_t value)
{
    model_mmio_write(address, value, 1);
}

static inline void copy_page(void *dst, const void *src)
{
    __builtin_memcpy(dst, src, 4096);
}

#endif
