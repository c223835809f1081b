#include "boot/efi/cpu.h"

#include "arch/x86/registers.h"
#include "core/segment.h"
#include "lib/bytes.h"
#include "lib/string.h"

enum {
    SELECTOR_RPL = 3,
    SELECTOR_LOCAL = 4,
    DESCRIPTOR_SIZE = 8,
    DESCRIPTOR_SIZE_64 = 16, /* LDT and TSS in long mode */
    TYPE_BUSY = 2,
    TSS_BUSY = 0x8b, /* present, busy 32- or 64-bit TSS */
};
#define DESCRIPTOR_BUSY (1ULL << 41)

void efi_cpu_capture(struct efi_cpu *cpu)
{
    store_segments(cpu->selector);
    cpu->selector[SEG_LDTR] = store_ldt();
    cpu->selector[SEG_TR] = store_tr();
    store_gdt(&cpu->gdtr);
    store_idt(&cpu->idtr);
    cpu->cr0 = read_cr0();
    cpu->cr2 = read_cr2();
    cpu->cr3 = read_cr3();
    cpu->cr4 = read_cr4();
    cpu->cr8 = read_cr8();
    cpu->efer = rdmsr(MSR_EFER);
    cpu->fs_base = rdmsr(MSR_FS_BASE);
    cpu->gs_base = rdmsr(MSR_GS_BASE);
    cpu->star = rdmsr(MSR_STAR);
    cpu->lstar = rdmsr(MSR_LSTAR);
    cpu->cstar = rdmsr(MSR_CSTAR);
    cpu->sfmask = rdmsr(MSR_SFMASK);
    cpu->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
    cpu->sysenter_cs = rdmsr(MSR_SYSENTER_CS);
    cpu->sysenter_esp = rdmsr(MSR_SYSENTER_ESP);
    cpu->sysenter_eip = rdmsr(MSR_SYSENTER_EIP);
    cpu->debug_regs = (struct hv_debug_regs){
        {read_dr0(), read_dr1(), read_dr2(), read_dr3()}, read_dr6(), read_dr7(), 0};
    rdmsr_safe(MSR_DEBUGCTL, &cpu->debug_regs.debugctl);
}

/* What the processor took from the descriptor when the selector was loaded. */
static void read_descriptor(const struct efi_cpu *cpu, const uint8_t *gdt,
                            enum hv_segment_name name, struct hv_segment *segment)
{
    bool is_system = name == SEG_LDTR || name == SEG_TR;
    unsigned offset = cpu->selector[name] & ~(unsigned)(SELECTOR_RPL | SELECTOR_LOCAL);
    unsigned size = is_system ? DESCRIPTOR_SIZE_64 : DESCRIPTOR_SIZE;

    *segment = (struct hv_segment){.selector = cpu->selector[name]};
    if (offset == 0 || (cpu->selector[name] & SELECTOR_LOCAL) ||
        offset + size > (unsigned)cpu->gdtr.limit + 1)
        return;

    segment_decode(get64(gdt + offset), segment);
    if (is_system)
        segment->base |= get64(gdt + offset + 8) << 32;
}

static void make_segments(const struct efi_cpu *cpu, const uint8_t *gdt, struct hv_regs *r)
{
    for (unsigned i = 0; i < SEG_COUNT; i++)
        read_descriptor(cpu, gdt, (enum hv_segment_name)i, &r->seg[i]);
    r->seg[SEG_FS].base = cpu->fs_base;
    r->seg[SEG_GS].base = cpu->gs_base;
    if (r->seg[SEG_TR].attributes & SEG_ATTR_PRESENT) {
        r->seg[SEG_TR].attributes |= TYPE_BUSY;
    } else {
        r->seg[SEG_TR].attributes = TSS_BUSY;
        r->seg[SEG_TR].limit = 0xffff;
    }
}

void efi_cpu_registers(const struct efi_cpu *cpu, const uint8_t *gdt, struct hv_regs *r)
{
    const struct efi_context *c = &cpu->context;

    memset(r, 0, sizeof(*r));
    r->gpr[GPR_RBX] = c->rbx;
    r->gpr[GPR_RBP] = c->rbp;
    r->gpr[GPR_R12] = c->r12;
    r->gpr[GPR_R13] = c->r13;
    r->gpr[GPR_R14] = c->r14;
    r->gpr[GPR_R15] = c->r15;
    r->gpr[GPR_RSP] = c->rsp;
    r->rip = c->rip;
    r->rflags = c->rflags;
    make_segments(cpu, gdt, r);
    r->gdtr = (struct hv_table){cpu->gdtr.base, cpu->gdtr.limit};
    r->idtr = (struct hv_table){cpu->idtr.base, cpu->idtr.limit};
    r->cr0 = cpu->cr0;
    r->cr2 = cpu->cr2;
    r->cr3 = cpu->cr3;
    r->cr4 = cpu->cr4;
    r->cr8 = cpu->cr8;
    r->efer = cpu->efer & ~EFER_SVME;
    r->star = cpu->star;
    r->lstar = cpu->lstar;
    r->cstar = cpu->cstar;
    r->sfmask = cpu->sfmask;
    r->kernel_gs_base = cpu->kernel_gs_base;
    r->sysenter_cs = cpu->sysenter_cs;
    r->sysenter_esp = cpu->sysenter_esp;
    r->sysenter_eip = cpu->sysenter_eip;
}

/* A task that is busy cannot be loaded (SDM vol. 2, "LTR"), and it is busy because it was. */
static void restore_task(const struct efi_cpu *cpu)
{
    unsigned offset = cpu->selector[SEG_TR] & ~(unsigned)SELECTOR_RPL;
    uint8_t *descriptor = (uint8_t *)cpu->gdtr.base + offset;

    if (!offset || cpu->selector[SEG_TR] == store_tr())
        return;
    put64(descriptor, get64(descriptor) & ~DESCRIPTOR_BUSY);
    load_tr(cpu->selector[SEG_TR]);
}

void efi_cpu_restore(const struct efi_cpu *cpu)
{
    write_cr3(cpu->cr3);
    write_cr4(cpu->cr4);
    write_cr0(cpu->cr0);
    wrmsr(MSR_EFER, cpu->efer);
    load_gdt(&cpu->gdtr);
    load_idt(&cpu->idtr);
    restore_task(cpu);
    load_data_segments(cpu->selector);
    load_ldt(cpu->selector[SEG_LDTR]);
    wrmsr(MSR_FS_BASE, cpu->fs_base);
    wrmsr(MSR_GS_BASE, cpu->gs_base);
}
