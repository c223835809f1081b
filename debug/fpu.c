#include "debug/fpu.h"

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "lib/string.h"

/* SDM vol. 1, "FXSAVE Area", 64-bit format; with XSAVE the header and AVX's part behind it. */
struct fpu_area {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved1;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t reserved2[96];
    uint64_t xstate_bv, xcomp_bv;
    uint8_t reserved3[48];
    uint8_t ymm_high[16][16];
} HV_ALIGNED(64);
HV_ASSERT_OFFSET(struct fpu_area, mxcsr, 24);
HV_ASSERT_OFFSET(struct fpu_area, st, 32);
HV_ASSERT_OFFSET(struct fpu_area, xmm, 160);
HV_ASSERT_OFFSET(struct fpu_area, xstate_bv, 512);
HV_ASSERT_OFFSET(struct fpu_area, ymm_high, 576);

enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4, MXCSR_DEFAULT_MASK = 0xffbf };
enum { FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP };
enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static struct fpu_cpu {
    struct fpu_area area;
    bool loaded, dirty;
    bool avx; /* as it was enabled when it was loaded */
} cpus[HV_MAX_CPUS];

static struct fpu_cpu *chosen = &cpus[0];

/* CPUID Fn1: XSAVE, AVX. */
bool fpu_has_avx(void)
{
    uint32_t ecx = cpuid(1, 0).ecx;
    return (ecx & HV_BIT(26)) && (ecx & HV_BIT(28));
}

/* The guest's XCR0 is live; AVX's part can be had when the guest has enabled it. */
static bool avx_enabled(void)
{
    return fpu_has_avx() && (xgetbv0() & XCR0_AVX);
}

static void load_on(struct fpu_cpu *cpu)
{
    if (cpu->loaded)
        return;
    memset(&cpu->area, 0, sizeof(cpu->area));
    cpu->avx = avx_enabled();
    if (cpu->avx)
        xsave_area(&cpu->area, XCR0_X87 | XCR0_SSE | XCR0_AVX);
    else
        fx_save(&cpu->area);
    cpu->loaded = true;
    cpu->dirty = false;
}

static struct fpu_area *load(void)
{
    load_on(chosen);
    return &chosen->area;
}

static struct fpu_area *change(void)
{
    load();
    chosen->dirty = true;
    chosen->area.xstate_bv |= XCR0_X87 | XCR0_SSE;
    return &chosen->area;
}

void fpu_choose(unsigned cpu)
{
    chosen = &cpus[cpu];
}

void fpu_keep(unsigned cpu)
{
    load_on(&cpus[cpu]);
}

void fpu_flush(unsigned cpu)
{
    struct fpu_cpu *own = &cpus[cpu];

    if (own->loaded && own->dirty) {
        if (own->avx)
            xrstor_area(&own->area, XCR0_X87 | XCR0_SSE | XCR0_AVX);
        else
            fx_restore(&own->area);
    }
    own->loaded = own->dirty = false;
}

void fpu_read_st(unsigned n, uint8_t *value)
{
    memcpy(value, load()->st[n], 10);
}

void fpu_write_st(unsigned n, const uint8_t *value)
{
    memcpy(change()->st[n], value, 10);
}

/* The two-bit tag of a register that is not empty: SDM vol. 1, "x87 FPU Tag Word". */
static unsigned tag_of(const uint8_t *st)
{
    uint64_t fraction;
    unsigned exponent = (st[8] | st[9] << 8) & 0x7fff;

    memcpy(&fraction, st, 8);
    if (exponent == 0 && fraction == 0)
        return TAG_ZERO;
    if (exponent == 0 || exponent == 0x7fff || !(fraction >> 63))
        return TAG_SPECIAL;
    return TAG_VALID;
}

/* The area tells only empty or not, by physical register; st[] is by stack position. */
static uint32_t full_tags(const struct fpu_area *area)
{
    uint32_t tags = 0;
    unsigned top = area->fsw >> 11 & 7;

    for (unsigned i = 0; i < 8; i++) {
        unsigned tag = area->ftw & HV_BIT(i) ? tag_of(area->st[(i - top) & 7]) : TAG_EMPTY;
        tags |= tag << (2 * i);
    }
    return tags;
}

static uint8_t short_tags(uint32_t tags)
{
    uint8_t ftw = 0;

    for (unsigned i = 0; i < 8; i++) {
        if ((tags >> (2 * i) & 3) != TAG_EMPTY)
            ftw |= (uint8_t)HV_BIT(i);
    }
    return ftw;
}

uint32_t fpu_read_control(unsigned n)
{
    const struct fpu_area *area = load();

    switch (n) {
    case FCTRL:
        return area->fcw;
    case FSTAT:
        return area->fsw;
    case FTAG:
        return full_tags(area);
    case FISEG:
        return (uint16_t)(area->fip >> 32);
    case FIOFF:
        return (uint32_t)area->fip;
    case FOSEG:
        return (uint16_t)(area->fdp >> 32);
    case FOOFF:
        return (uint32_t)area->fdp;
    case FOP:
        return area->fop & 0x7ff;
    default:
        return 0;
    }
}

static uint64_t set_high(uint64_t pointer, uint32_t segment)
{
    return (uint32_t)pointer | (uint64_t)(uint16_t)segment << 32;
}

void fpu_write_control(unsigned n, uint32_t value)
{
    struct fpu_area *area = change();

    switch (n) {
    case FCTRL:
        area->fcw = (uint16_t)value;
        break;
    case FSTAT:
        area->fsw = (uint16_t)value;
        break;
    case FTAG:
        area->ftw = short_tags(value);
        break;
    case FISEG:
        area->fip = set_high(area->fip, value);
        break;
    case FIOFF:
        area->fip = (area->fip & ~(uint64_t)UINT32_MAX) | value;
        break;
    case FOSEG:
        area->fdp = set_high(area->fdp, value);
        break;
    case FOOFF:
        area->fdp = (area->fdp & ~(uint64_t)UINT32_MAX) | value;
        break;
    case FOP:
        area->fop = value & 0x7ff;
        break;
    default:
        break;
    }
}

void fpu_read_xmm(unsigned n, uint8_t *value)
{
    memcpy(value, load()->xmm[n], 16);
}

void fpu_write_xmm(unsigned n, const uint8_t *value)
{
    memcpy(change()->xmm[n], value, 16);
}

bool fpu_read_ymm_high(unsigned n, uint8_t *value)
{
    memcpy(value, load()->ymm_high[n], 16);
    return chosen->avx;
}

bool fpu_write_ymm_high(unsigned n, const uint8_t *value)
{
    load();
    if (!chosen->avx)
        return false;
    struct fpu_area *area = change();
    area->xstate_bv |= XCR0_AVX;
    memcpy(area->ymm_high[n], value, 16);
    return true;
}

uint32_t fpu_read_mxcsr(void)
{
    return load()->mxcsr;
}

bool fpu_write_mxcsr(uint32_t value)
{
    struct fpu_area *area = load();

    if (value & ~(area->mxcsr_mask ? area->mxcsr_mask : MXCSR_DEFAULT_MASK))
        return false; /* restoring it would fault */
    change();
    area->mxcsr = value;
    return true;
}
