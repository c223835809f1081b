#include "arch/x86/walk.h"

#include "arch/x86/registers.h"
#include "hv/compiler.h"

enum {
    ENTRY_PRESENT = 1 << 0,
    ENTRY_WRITE = 1 << 1,
    ENTRY_USER = 1 << 2,
    ENTRY_LARGE = 1 << 7,
};
#define ENTRY_NX HV_BIT(63)

/* Bits first..last, both included. */
#define BITS(last, first) ((~0ULL >> (63 - (last))) & (~0ULL << (first)))

enum mode { MODE_NONE, MODE_32, MODE_PAE, MODE_LONG };

static enum mode mode_of(const struct x86_paging *paging)
{
    if (!(paging->cr0 & CR0_PG))
        return MODE_NONE;
    if (!(paging->cr4 & CR4_PAE))
        return MODE_32;
    return paging->efer & EFER_LMA ? MODE_LONG : MODE_PAE;
}

static unsigned phys_bits_of(const struct x86_paging *paging)
{
    return HV_MIN(HV_MAX(paging->phys_bits, 32U), 52U);
}

/* Bits 51 (or less) down to 12 that an address in an entry or in CR3 may have. */
static uint64_t address_mask(const struct x86_paging *paging)
{
    return BITS(phys_bits_of(paging) - 1, 12);
}

static unsigned index_at(enum mode mode, gva_t linear, unsigned level)
{
    if (mode == MODE_32)
        return (unsigned)(linear >> (12 + 10 * (level - 1))) & 0x3ff;
    return (unsigned)(linear >> (12 + 9 * (level - 1))) & 0x1ff;
}

static uint64_t page_size_at(enum mode mode, unsigned level)
{
    return 0x1000ULL << ((mode == MODE_32 ? 10 : 9) * (level - 1));
}

/* Does this present entry map a page (and not point to the next table)? */
static bool is_leaf(const struct x86_paging *paging, enum mode mode, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (!(entry & ENTRY_LARGE))
        return false;
    if (mode == MODE_32)
        return paging->cr4 & CR4_PSE; /* else the bit is ignored */
    return level == 2 || (level == 3 && mode == MODE_LONG);
}

/* SDM, "32-Bit Paging": figure of the formats; no bit is reserved but in a 4-MiB page's entry. */
static uint64_t reserved_32(const struct x86_paging *paging, bool leaf, unsigned level)
{
    unsigned high = HV_MIN(phys_bits_of(paging), 40U); /* PSE-36: address bits 39:32 in 20:13 */

    if (!leaf || level == 1)
        return 0;
    return BITS(21, high - 32 + 13);
}

/* SDM, "PAE Paging", "4-Level Paging and 5-Level Paging": figures of the formats. */
static uint64_t reserved_64(const struct x86_paging *paging, enum mode mode, bool leaf,
                            unsigned level)
{
    uint64_t reserved = BITS(51, 12) & ~address_mask(paging);

    if (mode == MODE_PAE)
        reserved |= BITS(62, 52);
    if (!(paging->efer & EFER_NXE))
        reserved |= ENTRY_NX;
    /*
     * The processor judges these four entries when CR3 is loaded, not in a walk, and some mark them
     * as accessed in memory: their low bits say nothing about whether the mapping is in use.
     */
    if (mode == MODE_PAE && level == 3)
        return reserved | ENTRY_NX;
    if (leaf && level > 1)
        return reserved | BITS(12 + 9 * (level - 1) - 1, 13); /* bit 12 is PAT */
    if (level > 3)
        reserved |= ENTRY_LARGE;
    return reserved;
}

static uint64_t reserved_bits(const struct x86_paging *paging, enum mode mode, bool leaf,
                              unsigned level)
{
    if (mode == MODE_32)
        return reserved_32(paging, leaf, level);
    return reserved_64(paging, mode, leaf, level);
}

static uint64_t leaf_address(const struct x86_paging *paging, enum mode mode, unsigned level,
                             uint64_t entry)
{
    if (mode == MODE_32 && level == 2)
        return (entry & BITS(31, 22)) | (((entry >> 13) & 0xff) << 32);
    return entry & address_mask(paging) & ~(page_size_at(mode, level) - 1);
}

/* Reads the entry for linear in the table, judges it and adds up the permissions. */
static enum x86_walk_reason look_up(const struct x86_paging *paging, enum mode mode, gva_t linear,
                                    gpa_t table, x86_phys_read_fn read, struct x86_translation *out)
{
    size_t size = mode == MODE_32 ? 4 : 8;
    uint64_t wide = 0;
    uint32_t narrow = 0;

    out->entry = 0;
    out->entry_address = table + size * index_at(mode, linear, out->level);
    if (mode == MODE_32 ? !read(out->entry_address, &narrow, sizeof(narrow))
                        : !read(out->entry_address, &wide, sizeof(wide)))
        return X86_WALK_UNREADABLE;
    out->entry = mode == MODE_32 ? narrow : wide;
    if (!(out->entry & ENTRY_PRESENT))
        return X86_WALK_NOT_PRESENT;
    if (out->entry &
        reserved_bits(paging, mode, is_leaf(paging, mode, out->level, out->entry), out->level))
        return X86_WALK_RESERVED;
    if (mode == MODE_PAE && out->level == 3)
        return X86_WALK_OK; /* carries no permissions */
    out->writable = out->writable && (out->entry & ENTRY_WRITE);
    out->user = out->user && (out->entry & ENTRY_USER);
    out->no_execute = out->no_execute || (out->entry & ENTRY_NX);
    return X86_WALK_OK;
}

static gpa_t root_table(const struct x86_paging *paging, enum mode mode)
{
    if (mode == MODE_32)
        return paging->cr3 & BITS(31, 12);
    if (mode == MODE_PAE)
        return paging->cr3 & BITS(31, 5);
    return paging->cr3 & address_mask(paging);
}

static unsigned top_level(const struct x86_paging *paging, enum mode mode)
{
    if (mode == MODE_LONG)
        return paging->cr4 & CR4_LA57 ? 5 : 4;
    return mode == MODE_PAE ? 3 : 2;
}

static bool is_canonical(gva_t linear, unsigned levels)
{
    unsigned shift = 64 - (12 + 9 * levels);

    return (gva_t)((int64_t)(linear << shift) >> shift) == linear;
}

bool x86_walk(const struct x86_paging *paging, gva_t linear, x86_phys_read_fn read,
              struct x86_translation *out)
{
    enum mode mode = mode_of(paging);
    gpa_t table = root_table(paging, mode);

    *out = (struct x86_translation){.writable = true, .user = true};
    if (mode != MODE_LONG)
        linear &= BITS(31, 0);
    if (mode == MODE_NONE) {
        out->gpa = linear;
        out->page_size = HV_BIT(32);
        return true;
    }
    if (mode == MODE_LONG && !is_canonical(linear, top_level(paging, mode))) {
        out->reason = X86_WALK_NON_CANONICAL;
        return false;
    }
    for (out->level = top_level(paging, mode);; out->level--) {
        out->reason = look_up(paging, mode, linear, table, read, out);
        if (out->reason != X86_WALK_OK)
            return false;
        if (is_leaf(paging, mode, out->level, out->entry))
            break;
        table = mode == MODE_32 ? out->entry & BITS(31, 12) : out->entry & address_mask(paging);
    }
    out->page_size = page_size_at(mode, out->level);
    out->gpa = leaf_address(paging, mode, out->level, out->entry) | (linear & (out->page_size - 1));
    return true;
}

bool x86_walk_allows(const struct x86_paging *paging, const struct x86_translation *translation,
                     enum x86_access access, bool user, bool ac)
{
    if (translation->reason != X86_WALK_OK)
        return false;
    if (!(paging->cr0 & CR0_PG))
        return true;
    if (user && !translation->user)
        return false;
    if (access == X86_FETCH) {
        if (!user && translation->user && (paging->cr4 & CR4_SMEP))
            return false;
        return !translation->no_execute;
    }
    if (!user && translation->user && (paging->cr4 & CR4_SMAP) && !ac)
        return false;
    if (access == X86_WRITE && !translation->writable)
        return !user && !(paging->cr0 & CR0_WP);
    return true;
}

const char *x86_walk_reason_name(enum x86_walk_reason reason)
{
    switch (reason) {
    case X86_WALK_OK:
        return "mapped";
    case X86_WALK_NON_CANONICAL:
        return "not a canonical address";
    case X86_WALK_NOT_PRESENT:
        return "not present";
    case X86_WALK_RESERVED:
        return "reserved bit set";
    case X86_WALK_UNREADABLE:
        return "page table not in memory";
    }
    return "?";
}
