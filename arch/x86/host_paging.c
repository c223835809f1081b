#include "arch/x86/host_paging.h"

#include "arch/x86/descriptors.h"
#include "arch/x86/insn.h"
#include "arch/x86/physmem.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"

enum {
    ENTRIES = 512,
    LOW_GIB = 4,
    IMAGE_TABLES = 2, /* the image is at most 4 MiB */
    PTE_P = 1,
    PTE_W = 2,
    PTE_PS = 1 << 7,
};

#define PTE_NX      (1ULL << 63)
#define LARGE_PAGE  (2ULL << 20)
#define WINDOW_BASE (1ULL << 39) /* the second PML4 entry */

static uint64_t pml4[ENTRIES] HV_ALIGNED(4096);
static uint64_t low_pdpt[ENTRIES] HV_ALIGNED(4096);
static uint64_t low_pd[LOW_GIB][ENTRIES] HV_ALIGNED(4096);
static uint64_t image_pt[IMAGE_TABLES][ENTRIES] HV_ALIGNED(4096);
static uint64_t window_pdpt[ENTRIES] HV_ALIGNED(4096);
static uint64_t window_pd[ENTRIES] HV_ALIGNED(4096);

static uint64_t image_page_bits(const struct host_image *image, uint64_t offset)
{
    if (offset < image->rodata)
        return PTE_P;
    if (offset < image->data)
        return PTE_P | PTE_NX;
    return PTE_P | PTE_W | PTE_NX;
}

static void map_image(const struct host_image *image)
{
    for (unsigned t = 0; t < IMAGE_TABLES; t++) {
        hpa_t base = image->base + t * LARGE_PAGE;
        for (unsigned i = 0; i < ENTRIES; i++) {
            uint64_t offset = t * LARGE_PAGE + i * 4096ULL;
            image_pt[t][i] = (base + i * 4096ULL) | image_page_bits(image, offset);
        }
        if (base < 4ULL << 30)
            low_pd[base >> 30][base / LARGE_PAGE % ENTRIES] = (uint64_t)image_pt[t] | PTE_P | PTE_W;
    }
}

void host_paging_build(const struct host_image *image)
{
    pml4[0] = (uint64_t)low_pdpt | PTE_P | PTE_W;
    pml4[1] = (uint64_t)window_pdpt | PTE_P | PTE_W;
    window_pdpt[0] = (uint64_t)window_pd | PTE_P | PTE_W;
    for (unsigned gib = 0; gib < LOW_GIB; gib++) {
        low_pdpt[gib] = (uint64_t)low_pd[gib] | PTE_P | PTE_W;
        for (unsigned i = 0; i < ENTRIES; i++)
            low_pd[gib][i] =
                (((uint64_t)gib << 30) + i * LARGE_PAGE) | PTE_P | PTE_W | PTE_PS | PTE_NX;
    }
    map_image(image);
}

void host_paging_run_low(bool allowed)
{
    low_pd[0][0] = allowed ? low_pd[0][0] & ~PTE_NX : low_pd[0][0] | PTE_NX;
}

hpa_t host_paging_root(void)
{
    return (hpa_t)pml4;
}

/*
 * SMEP and SMAP: no page here is a user's, and none shall ever be run or touched. PSE and PGE do
 * nothing for these tables, but kernels have them, and where an exit leaves CR4's paging bits as
 * they are, an emulated processor has one reason less to drop what it has translated.
 */
static uint64_t cr4_bits(void)
{
    const struct cpuid_result basic = cpuid(1, 0);
    uint64_t cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (read_cr4() & CR4_MCE);

    if (basic.ecx & HV_BIT(26))
        cr4 |= CR4_OSXSAVE; /* to read the guest's vector registers */
    if (basic.edx & HV_BIT(3))
        cr4 |= CR4_PSE;
    if (basic.edx & HV_BIT(13))
        cr4 |= CR4_PGE;
    if (cpuid(0, 0).eax < 7)
        return cr4;
    const uint32_t extended = cpuid(7, 0).ebx;
    return cr4 | (extended & HV_BIT(7) ? CR4_SMEP : 0) | (extended & HV_BIT(20) ? CR4_SMAP : 0);
}

void host_paging_load(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    write_cr4(cr4_bits());
    write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
    write_cr3((uint64_t)pml4);
}

void *physmem_map(hpa_t address)
{
    unsigned cpu = cpu_current();

    if (address < (uint64_t)LOW_GIB << 30)
        return (void *)address;

    uint64_t entry = HV_ALIGN_DOWN(address, LARGE_PAGE) | PTE_P | PTE_W | PTE_PS | PTE_NX;
    uint8_t *window = (uint8_t *)(WINDOW_BASE + cpu * LARGE_PAGE);
    if (window_pd[cpu] != entry) {
        window_pd[cpu] = entry;
        invlpg(window);
    }
    return window + address % LARGE_PAGE;
}
