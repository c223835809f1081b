#include "boot/load_guest.h"

#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "boot/guest_request.h"
#include "boot/image.h"
#include "boot/linux.h"
#include "boot/multiboot1.h"
#include "boot/refuse_start.h"
#include "hv/compiler.h"
#include "lib/log.h"
#include "lib/string.h"

/* One is used; they are large. */
static union {
    struct linux_plan linux_kernel;
    struct multiboot1_plan multiboot1;
} plan;

static union {
    uint8_t linux_low[LINUX_LOW_MAX];
    uint8_t multiboot1[MULTIBOOT1_INFO_MAX];
} block;

/* memmove between physical places, in parts small enough for the windows above 4 GiB. */
static void move_physical(hpa_t to, hpa_t from, uint64_t size)
{
    static uint8_t buffer[4096];
    bool down = to <= from;

    for (uint64_t done = 0; done < size;) {
        uint64_t n = HV_MIN(size - done, (uint64_t)sizeof(buffer));
        uint64_t offset = down ? done : size - done - n;
        physmem_read(from + offset, buffer, n);
        physmem_write(to + offset, buffer, n);
        done += n;
    }
}

static void zero_physical(hpa_t at, uint64_t size)
{
    static const uint8_t zeros[4096];

    for (uint64_t done = 0; done < size; done += sizeof(zeros))
        physmem_write(at + done, zeros, (size_t)HV_MIN(size - done, (uint64_t)sizeof(zeros)));
}

static void execute(const struct placement *moves)
{
    for (unsigned i = 0; i < moves->count; i++) {
        const struct placement_move *m = &moves->moves[i];
        move_physical(m->to, m->from, m->size);
        zero_physical(m->to + m->size, m->zero_tail);
    }
}

static struct hv_segment flat(uint16_t selector, uint16_t type)
{
    /* Present, S, the type; granular, 32 bit. */
    return (struct hv_segment){selector, (uint16_t)(0xc90 | type), UINT32_MAX, 0};
}

static void enter_flat32(struct vcpu *v, const struct guest_entry *entry)
{
    struct hv_regs *r = &v->regs;
    enum { CODE = 0xb, DATA = 0x3 };

    r->cr0 = CR0_PE | CR0_ET;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        r->seg[i] = flat(GUEST_DS, DATA);
    r->seg[SEG_CS] = flat(GUEST_CS, CODE);
    r->gdtr = (struct hv_table){entry->gdt_base, (uint16_t)entry->gdt_limit};
    r->idtr = (struct hv_table){0, 0};
}

static void enter_real16(struct vcpu *v, const struct guest_entry *entry)
{
    struct hv_regs *r = &v->regs;

    r->cr0 = CR0_ET;
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        r->seg[i].selector = 0;
        r->seg[i].base = 0;
    }
    r->seg[SEG_CS].selector = entry->cs;
    r->seg[SEG_CS].base = (uint64_t)entry->cs << 4;
    r->idtr = (struct hv_table){0, 0x3ff};
}

static void set_entry(struct vcpu *v, const struct guest_entry *entry)
{
    uint64_t *gpr = v->regs.gpr;

    vcpu_reset(v);
    if (entry->mode == GUEST_FLAT32)
        enter_flat32(v, entry);
    else
        enter_real16(v, entry);
    v->regs.rip = entry->rip;
    v->regs.rflags = entry->rflags;
    gpr[GPR_RAX] = entry->rax;
    gpr[GPR_RBX] = entry->rbx;
    gpr[GPR_RCX] = entry->rcx;
    gpr[GPR_RDX] = entry->rdx;
    gpr[GPR_RSI] = entry->rsi;
    gpr[GPR_RDI] = entry->rdi;
    gpr[GPR_RBP] = entry->rbp;
    gpr[GPR_RSP] = entry->rsp;
}

static const struct guest_entry *load_linux(const struct guest_request *request)
{
    struct linux_plan *p = &plan.linux_kernel;
    struct refusal refusal;

    if (!linux_plan(request, p, &refusal))
        refuse_start("%s", refusal.text);
    execute(&p->moves);
    linux_write_low(request, p, block.linux_low);
    physmem_write(p->low, block.linux_low, p->low_size);
    return &p->entry;
}

static const struct guest_entry *load_multiboot1(const struct guest_request *request)
{
    struct multiboot1_plan *p = &plan.multiboot1;
    struct refusal refusal;

    if (!multiboot1_plan(request, p, &refusal))
        refuse_start("%s", refusal.text);
    execute(&p->moves);
    multiboot1_write_info(request, p, block.multiboot1);
    physmem_write(p->info, block.multiboot1, p->info_size);
    return &p->entry;
}

void load_guest(struct vcpu *v, const struct boot_info *info, const struct memory_map *map)
{
    const struct boot_module *kernel = &info->modules[0];
    struct guest_request request = {
        .image = physmem_map(kernel->start),
        .modules = info->modules,
        .module_count = info->module_count,
        .map = map,
        .self = {info->self_start, info->self_start + info->self_size, MEMORY_RESERVED},
        .screen = &info->screen,
        .rsdp = info->rsdp,
        .rsdp_size = info->rsdp_size,
    };
    struct image image;
    struct refusal refusal;

    if (!info->module_count)
        refuse_start("guest=module, but the boot loader gave no module: add a module2 line.");
    if (!image_recognise(request.image, kernel->size, &image, &refusal))
        refuse_start("%s", refusal.text);
    log_print("guest: %s, %llu KiB, %u more module%s", image.name,
              (unsigned long long)(kernel->size >> 10), info->module_count - 1,
              info->module_count == 2 ? "" : "s");
    set_entry(v, image.kind == IMAGE_LINUX ? load_linux(&request) : load_multiboot1(&request));
}
