/*
 * Memory types from MTRR values. Pure, but for mtrr_read().
 * SDM vol. 3, "Memory Type Range Registers (MTRRs)"; APM vol. 2, "Memory-Type Range Registers".
 */
#ifndef ARCH_X86_MTRR_H
#define ARCH_X86_MTRR_H

#include "hv/types.h"

/* Memory types by their numbers in MTRRs, PAT and EPT entries. */
enum mtrr_type {
    MTRR_UC = 0, /* uncacheable */
    MTRR_WC = 1, /* write combining */
    MTRR_WT = 4, /* write through */
    MTRR_WP = 5, /* write protected */
    MTRR_WB = 6, /* write back */
};

enum { MTRR_FIXED_COUNT = 11, MTRR_VARIABLE_MAX = 32 };

struct mtrr_variable {
    uint64_t base; /* IA32_MTRR_PHYSBASEn as it is */
    uint64_t mask; /* IA32_MTRR_PHYSMASKn as it is */
};

struct mtrr_values {
    uint64_t def_type;                /* IA32_MTRR_DEF_TYPE as it is */
    uint64_t fixed[MTRR_FIXED_COUNT]; /* as they are, in the order of mtrr_fixed_msrs */
    unsigned variable_count;          /* MTRRCAP[7:0] */
    struct mtrr_variable variable[MTRR_VARIABLE_MAX];
    unsigned phys_bits; /* CPUID Fn8000_0008 EAX[7:0] */
    /* AMD: TOM2 when SYSCFG says that the default is WB from 4 GiB up to there; else 0. */
    uint64_t wb_top;
};

/* MSR numbers of the fixed-range registers. */
extern const uint32_t mtrr_fixed_msrs[MTRR_FIXED_COUNT];

/* What this processor has now. All is WB where it has no MTRRs. */
void mtrr_read(struct mtrr_values *values, unsigned phys_bits);

/* Whether each byte of an IA32_PAT value is a memory type (7, UC-, is one there, too). */
bool pat_is_valid(uint64_t pat);

/* The type of the byte at address. Where the manuals leave it undefined: UC. */
enum mtrr_type mtrr_type(const struct mtrr_values *values, hpa_t address);

/*
 * One type for a whole block? size: bytes, a power of two, at least 4 KiB; start a multiple of it.
 * True: all of the block has *type. False: it may have several, look at its halves (4 KiB blocks
 * are never that).
 */
bool mtrr_block_type(const struct mtrr_values *values, hpa_t start, uint64_t size,
                     enum mtrr_type *type);

#endif
