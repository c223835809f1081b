/*
 * The seam: every privileged or machine-touching instruction of the hypervisor is here and nowhere
 * else. Host tests put tests/model/arch/x86/insn.h in its place.
 */
#ifndef ARCH_X86_INSN_H
#define ARCH_X86_INSN_H

#include "hv/types.h"

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* False when the processor raised #GP: there is no such MSR (traps.c repairs). */
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);

#define INSN_REGISTER(name, reg)                                                                   \
    static inline uint64_t read_##name(void)                                                       \
    {                                                                                              \
        uint64_t value;                                                                            \
        __asm__ volatile("mov %%" reg ", %0" : "=r"(value));                                       \
        return value;                                                                              \
    }                                                                                              \
    static inline void write_##name(uint64_t value)                                                \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" reg : : "r"(value) : "memory");                              \
    }

INSN_REGISTER(cr0, "cr0")
INSN_REGISTER(cr2, "cr2")
INSN_REGISTER(cr3, "cr3")
INSN_REGISTER(cr4, "cr4")
INSN_REGISTER(cr8, "cr8")
INSN_REGISTER(dr0, "dr0")
INSN_REGISTER(dr1, "dr1")
INSN_REGISTER(dr2, "dr2")
INSN_REGISTER(dr3, "dr3")
INSN_REGISTER(dr6, "dr6")
INSN_REGISTER(dr7, "dr7")
#undef INSN_REGISTER

/* An operand of lgdt and lidt. */
struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static inline void load_gdt(const struct table_register *gdtr)
{
    __asm__ volatile("lgdt %0" : : "m"(*gdtr) : "memory");
}

static inline void load_idt(const struct table_register *idtr)
{
    __asm__ volatile("lidt %0" : : "m"(*idtr) : "memory");
}

static inline void store_gdt(struct table_register *gdtr)
{
    __asm__ volatile("sgdt %0" : "=m"(*gdtr));
}

static inline void store_idt(struct table_register *idtr)
{
    __asm__ volatile("sidt %0" : "=m"(*idtr));
}

static inline void load_tr(uint16_t selector)
{
    __asm__ volatile("ltr %0" : : "r"(selector));
}

static inline uint16_t store_tr(void)
{
    uint16_t selector;
    __asm__ volatile("str %0" : "=r"(selector));
    return selector;
}

/* Selectors of ES, CS, SS, DS, FS, GS, in this order. */
static inline void store_segments(uint16_t *selectors)
{
    __asm__ volatile("mov %%es, %0" : "=r"(selectors[0]));
    __asm__ volatile("mov %%cs, %0" : "=r"(selectors[1]));
    __asm__ volatile("mov %%ss, %0" : "=r"(selectors[2]));
    __asm__ volatile("mov %%ds, %0" : "=r"(selectors[3]));
    __asm__ volatile("mov %%fs, %0" : "=r"(selectors[4]));
    __asm__ volatile("mov %%gs, %0" : "=r"(selectors[5]));
}

/* The same array; CS and SS stay. The bases of FS and GS are lost. */
static inline void load_data_segments(const uint16_t *selectors)
{
    __asm__ volatile("mov %0, %%es" : : "r"(selectors[0]) : "memory");
    __asm__ volatile("mov %0, %%ds" : : "r"(selectors[3]) : "memory");
    __asm__ volatile("mov %0, %%fs" : : "r"(selectors[4]) : "memory");
    __asm__ volatile("mov %0, %%gs" : : "r"(selectors[5]) : "memory");
}

/* CS and SS, and 0 for the others. */
static inline void load_flat_segments(uint16_t code, uint16_t stack)
{
    uint64_t scratch;
    __asm__ volatile("push %1\n\t"
                     "lea 1f(%%rip), %0\n\t"
                     "push %0\n\t"
                     "lretq\n"
                     "1: mov %k2, %%ss\n\t"
                     "xor %k0, %k0\n\t"
                     "mov %k0, %%ds\n\t"
                     "mov %k0, %%es\n\t"
                     "mov %k0, %%fs\n\t"
                     "mov %k0, %%gs"
                     : "=&r"(scratch)
                     : "r"((uint64_t)code), "r"((uint64_t)stack)
                     : "cc", "memory");
}

static inline uint16_t store_ldt(void)
{
    uint16_t selector;
    __asm__ volatile("sldt %0" : "=r"(selector));
    return selector;
}

static inline void load_ldt(uint16_t selector)
{
    __asm__ volatile("lldt %0" : : "r"(selector));
}

static inline void invlpg(const void *address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause");
}

static inline void cpu_halt(void)
{
    __asm__ volatile("cli; hlt");
}

/* SVM's global interrupt flag: clgi holds NMIs and interrupts back, stgi lets them in. */
static inline void clgi(void)
{
    __asm__ volatile("clgi" : : : "memory");
}

static inline void stgi(void)
{
    __asm__ volatile("stgi" : : : "memory");
}

/* Takes the NMI that is pending, if any, by the host's own handler. */
static inline void take_pending_nmi(void)
{
    __asm__ volatile("stgi; nop; nop; clgi" : : : "memory");
}

static inline void vmload(hpa_t vmcb)
{
    __asm__ volatile("vmload" : : "a"(vmcb) : "memory");
}

static inline void vmsave(hpa_t vmcb)
{
    __asm__ volatile("vmsave" : : "a"(vmcb) : "memory");
}

/* VMX: false when the instruction failed (SDM vol. 3, "Conventions"). */
#define INSN_VMX(name)                                                                             \
    static inline bool name(hpa_t region)                                                          \
    {                                                                                              \
        bool failed;                                                                               \
        __asm__ volatile(#name " %1" : "=@ccbe"(failed) : "m"(region) : "memory");                 \
        return !failed;                                                                            \
    }

INSN_VMX(vmxon)
INSN_VMX(vmclear)
INSN_VMX(vmptrld)
#undef INSN_VMX

static inline void vmxoff(void)
{
    __asm__ volatile("vmxoff" : : : "cc", "memory");
}

/* A field of the current VMCS; 0 when there is no such field. */
static inline uint64_t vmread(uint64_t field)
{
    uint64_t value = 0;
    __asm__ volatile("vmread %1, %0" : "+r"(value) : "r"(field) : "cc");
    return value;
}

static inline void vmwrite(uint64_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc", "memory");
}

/* type: SDM vol. 3, "INVEPT - Invalidate Translations Derived from EPT". */
static inline void invept(uint64_t type, uint64_t ept_pointer)
{
    const uint64_t descriptor[2] = {ept_pointer, 0};
    __asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"(type) : "cc", "memory");
}

/* An IRET to where we are: what an NMI (or an exit by one) holds back comes in now. */
static inline void unblock_nmis(void)
{
    uint64_t scratch;
    __asm__ volatile("mov %%ss, %k0\n\t"
                     "push %0\n\t"
                     "lea 8(%%rsp), %0\n\t"
                     "push %0\n\t"
                     "pushfq\n\t"
                     "mov %%cs, %k0\n\t"
                     "push %0\n\t"
                     "lea 1f(%%rip), %0\n\t"
                     "push %0\n\t"
                     "iretq\n"
                     "1:"
                     : "=&r"(scratch)
                     :
                     : "cc", "memory");
}

static inline void wbinvd(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

/* area: 512 bytes, 16-byte aligned. */
static inline void fx_save(void *area)
{
    __asm__ volatile("fxsaveq (%0)" : : "r"(area) : "memory");
}

static inline void fx_restore(const void *area)
{
    __asm__ volatile("fxrstorq (%0)" : : "r"(area) : "memory");
}

static inline uint64_t xgetbv0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (uint64_t)high << 32;
}

static inline void xsetbv0(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* The state components in mask, standard format; area: 64-byte aligned. */
static inline void xsave_area(void *area, uint64_t mask)
{
    __asm__ volatile("xsaveq (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static inline void xrstor_area(const void *area, uint64_t mask)
{
    __asm__ volatile("xrstorq (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

/* Device memory. */
static inline uint32_t mmio_read32(hpa_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void mmio_write32(hpa_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline uint8_t mmio_read8(hpa_t address)
{
    return *(volatile uint8_t *)address;
}

static inline void mmio_write8(hpa_t address, uint8_t value)
{
    *(volatile uint8_t *)address = value;
}

/* 4096 bytes; fast strings copy them in a fraction of a loop's time. */
static inline void copy_page(void *dst, const void *src)
{
    uint64_t words = 512;
    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
}

#endif
