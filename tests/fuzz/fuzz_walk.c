/* The page walker on any registers and memory: it ends, and reads only whole entries. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/registers.h"
#include "arch/x86/walk.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static const uint8_t *memory;
static size_t memory_size;
static unsigned reads;
static uint64_t last_read;

/* Memory repeats every memory_size bytes, so that tables are met; one page in 16 is a hole. */
static bool read_memory(uint64_t address, void *buf, size_t size)
{
    MUST(size == 4 || size == 8);
    MUST(address % size == 0);
    MUST(address < 1ULL << 52);
    MUST(++reads <= 5);
    last_read = address;
    if (memory_size == 0 || ((address >> 12) & 15) == 15)
        return false;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buf)[i] = memory[(address + i) % memory_size];
    return true;
}

static void check_mapped(const struct x86_paging *paging, uint64_t linear,
                         const struct x86_translation *t)
{
    uint64_t size = t->page_size;

    MUST(size == 0x1000 || size == 0x200000 || size == 0x400000 || size == 0x40000000 ||
         size == 0x100000000);
    MUST((t->gpa & (size - 1)) == (linear & (size - 1)));
    MUST(t->gpa < 1ULL << 52);
    MUST((t->level == 0) == !(paging->cr0 & CR0_PG));
    MUST(t->level <= 3);
    if (t->level)
        MUST(t->entry & 1);
    /* Who may write may read; who may as a user may with WP off as a supervisor. */
    for (int user = 0; user < 2; user++) {
        if (x86_walk_allows(paging, t, X86_WRITE, user, true))
            MUST(x86_walk_allows(paging, t, X86_READ, user, true));
    }
    if (x86_walk_allows(paging, t, X86_WRITE, true, false))
        MUST(x86_walk_allows(paging, t, X86_WRITE, false, true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct {
        uint64_t cr0, cr3, cr4, efer, linear;
        uint8_t phys_bits, mode;
    } in;
    struct x86_paging paging;
    struct x86_translation t;
    bool mapped;

    if (size < sizeof(in))
        return 0;
    memcpy(&in, data, sizeof(in));
    memory = data + sizeof(in);
    memory_size = size - sizeof(in);
    paging = (struct x86_paging){in.cr0, in.cr3, in.cr4, in.efer, in.phys_bits};
    if (in.mode & 1) /* rather often a mode with paging, and a canonical address */
        paging.cr0 |= CR0_PG | CR0_PE;
    if (in.mode & 2)
        in.linear = (uint64_t)((int64_t)(in.linear << 16) >> 16);
    reads = 0;
    mapped = x86_walk(&paging, in.linear, read_memory, &t);
    MUST(mapped == (t.reason == X86_WALK_OK));
    MUST(t.level <= 5);
    MUST(reads == 0 || t.entry_address == last_read);
    MUST(x86_walk_reason_name(t.reason)[0] != '?');
    if (mapped)
        check_mapped(&paging, in.linear, &t);
    else
        MUST(!x86_walk_allows(&paging, &t, X86_READ, false, true));
    return 0;
}
