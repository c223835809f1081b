/* vmx/check_segments.c: each check broken alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hv/compiler.h"
#include "tests/unit/vmx_states.h"

static void test_v8086(void **state)
{
    static const struct broken rows[] = {
        {V8086,
         {SET(guest.seg[SEG_CS].base, 0x12341)},
         "guest CS base 12341: is not 16 times the selector in virtual-8086 mode"},
        {V8086,
         {SET(guest.seg[SEG_SS].selector, 1)},
         "guest SS base 0: is not 16 times the selector in virtual-8086 mode"},
        {V8086,
         {SET(guest.seg[SEG_DS].limit, 0xfffff)},
         "guest DS limit fffff: is not ffff in virtual-8086 mode"},
        {V8086,
         {SET(guest.seg[SEG_ES].rights, 0x93)},
         "guest ES rights 93: is not f3 in virtual-8086 mode"},
        {V8086,
         {SET(guest.seg[SEG_FS].rights, 0x100f3)},
         "guest FS rights 100f3: is not f3 in virtual-8086 mode"},
        {V8086,
         {SET(guest.seg[SEG_GS].rights, 0xfb)},
         "guest GS rights fb: is not f3 in virtual-8086 mode"},
        {V8086, {SET(guest.seg[SEG_TR].rights, 0x83)}, NULL},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

static void test_code(void **state)
{
    static const struct broken rows[] = {
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0xc09a)},
         "guest CS rights c09a: neither accessed code nor writable data"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0xc097)},
         "guest CS rights c097: neither accessed code nor writable data"},
        {FLAT32, {SET(guest.seg[SEG_CS].rights, 0xc099)}, NULL},
        {REAL16, {SET(guest.seg[SEG_CS].rights, 0x93)}, NULL},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0xc0b3)},
         "guest CS rights c0b3: a data segment with a DPL other than 0"},
        {RESTRICTED,
         {SET(guest.seg[SEG_CS].rights, 0xa093)},
         "guest CS rights a093: a data segment"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0xc0bb)},
         "guest CS rights c0bb: its DPL is not that of SS"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0xc0bf)},
         "guest CS rights c0bf: conforming, its DPL is above that of SS"},
        {USER64, {SET(guest.seg[SEG_CS].rights, 0xa0bf)}, NULL},
        {FLAT32, {SET(guest.seg[SEG_CS].rights, 0xc08b)}, "guest CS rights c08b: a system segment"},
        {FLAT32, {SET(guest.seg[SEG_CS].rights, 0xc01b)}, "guest CS rights c01b: is not present"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0xc49b)},
         "guest CS rights c49b: reserved bits (400)"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0x2c09b)},
         "guest CS rights 2c09b: reserved bits (20000)"},
        {LONG64, {SET(guest.seg[SEG_CS].rights, 0xe09b)}, "guest CS rights e09b: both L and D"},
        {FLAT32, {SET(guest.seg[SEG_CS].rights, 0xe09b)}, NULL},
        {FLAT32,
         {SET(guest.seg[SEG_CS].limit, 0xfffffffe)},
         "guest CS limit fffffffe: in pages (G), and its low 12 bits are not all 1"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0x409b)},
         "guest CS limit ffffffff: more than 20 bits, and not in pages (G)"},
        {FLAT32,
         {SET(guest.seg[SEG_CS].rights, 0x409b), SET(guest.seg[SEG_CS].limit, 0xfffff)},
         NULL},
        {FLAT32,
         {SET(guest.seg[SEG_CS].base, 0x100000000)},
         "guest CS base 100000000: more than 32 bits"},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

static void test_stack(void **state)
{
    static const struct broken rows[] = {
        {RESTRICTED,
         {SET(guest.seg[SEG_CS].selector, 8), SET(guest.seg[SEG_SS].selector, 0x10)},
         NULL},
        {RESTRICTED,
         {SET(guest.seg[SEG_CS].selector, 0xb)},
         "guest SS selector 0: its RPL is not that of CS"},
        {RESTRICTED,
         {SET(guest.seg[SEG_CS].selector, 3), SET(guest.seg[SEG_SS].selector, 3)},
         "guest SS rights c093: its DPL is not its selector's RPL"},
        {USER64,
         {SET(guest.seg[SEG_CS].rights, 0xa093)},
         "guest SS rights c0f3: its DPL has to be 0 in real mode, or with data in CS"},
        {REAL16,
         {SET(guest.seg[SEG_SS].rights, 0xf3), SET(guest.seg[SEG_CS].rights, 0xfb)},
         "guest SS rights f3: its DPL has to be 0 in real mode, or with data in CS"},
        {FLAT32,
         {SET(guest.seg[SEG_SS].rights, 0xc091)},
         "guest SS rights c091: not accessed, writable data"},
        {FLAT32, {SET(guest.seg[SEG_SS].rights, 0xc097)}, NULL},
        {FLAT32, {SET(guest.seg[SEG_SS].rights, 0x1c091)}, NULL},
        {FLAT32, {SET(guest.seg[SEG_SS].rights, 0xc083)}, "guest SS rights c083: a system segment"},
        {FLAT32, {SET(guest.seg[SEG_SS].rights, 0xc013)}, "guest SS rights c013: is not present"},
        {FLAT32,
         {SET(guest.seg[SEG_SS].base, 0x100000000)},
         "guest SS base 100000000: more than 32 bits"},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

static void test_data(void **state)
{
    static const struct broken rows[] = {
        {FLAT32, {SET(guest.seg[SEG_ES].rights, 0xc092)}, "guest ES rights c092: not accessed"},
        {FLAT32, {SET(guest.seg[SEG_DS].rights, 0xc091)}, NULL},
        {FLAT32,
         {SET(guest.seg[SEG_FS].rights, 0xc099)},
         "guest FS rights c099: code that is not readable"},
        {FLAT32, {SET(guest.seg[SEG_FS].rights, 0xc09b)}, NULL},
        {FLAT32, {SET(guest.seg[SEG_GS].rights, 0xc083)}, "guest GS rights c083: a system segment"},
        {FLAT32, {SET(guest.seg[SEG_GS].rights, 0xc013)}, "guest GS rights c013: is not present"},
        {FLAT32, {SET(guest.seg[SEG_DS].rights, 0x10000)}, NULL},
        {FLAT32, {SET(guest.seg[SEG_DS].rights, 0x1c193)}, NULL},
        {RESTRICTED,
         {SET(guest.seg[SEG_DS].selector, 3)},
         "guest DS rights c093: its DPL is below its selector's RPL"},
        {RESTRICTED,
         {SET(guest.seg[SEG_DS].selector, 3), SET(guest.seg[SEG_DS].rights, 0xc09f)},
         NULL},
        {LONG64, {SET(guest.seg[SEG_DS].selector, 3)}, NULL},
        {LONG64,
         {SET(guest.seg[SEG_ES].base, 0x100000000)},
         "guest ES base 100000000: more than 32 bits"},
        {LONG64,
         {SET(guest.seg[SEG_DS].base, 0x100000000)},
         "guest DS base 100000000: more than 32 bits"},
        {LONG64, {SET(guest.seg[SEG_FS].base, 0x7f0000000000)}, NULL},
        {LONG64,
         {SET(guest.seg[SEG_FS].base, 0x800000000000)},
         "guest FS base 800000000000: is not canonical"},
        {USER64,
         {SET(guest.seg[SEG_GS].base, 0x800000000000)},
         "guest GS base 800000000000: is not canonical"},
        {LONG64, {SET(guest.seg[SEG_GS].base, 0xffff800000000000)}, NULL},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

static void test_system(void **state)
{
    static const struct broken rows[] = {
        {FLAT32, {SET(guest.seg[SEG_TR].selector, 0x14)}, "guest TR selector 14: in the LDT"},
        {LONG64,
         {SET(guest.seg[SEG_TR].base, 0x800000000000)},
         "guest TR base 800000000000: is not canonical"},
        {FLAT32, {SET(guest.seg[SEG_TR].rights, 0x1008b)}, "guest TR rights 1008b: is unusable"},
        {FLAT32, {SET(guest.seg[SEG_TR].rights, 0x83)}, NULL},
        {LONG64,
         {SET(guest.seg[SEG_TR].rights, 0x83)},
         "guest TR rights 83: not a busy TSS, of 64 bits in IA-32e mode"},
        {FLAT32,
         {SET(guest.seg[SEG_TR].rights, 0x89)},
         "guest TR rights 89: not a busy TSS, of 64 bits in IA-32e mode"},
        {FLAT32, {SET(guest.seg[SEG_TR].rights, 0x9b)}, "guest TR rights 9b: not a system segment"},
        {FLAT32, {SET(guest.seg[SEG_TR].rights, 0x0b)}, "guest TR rights b: is not present"},
        {FLAT32,
         {SET(guest.seg[SEG_TR].rights, 0x18b)},
         "guest TR rights 18b: reserved bits (100)"},
        {FLAT32,
         {SET(guest.seg[SEG_TR].limit, 0x100000)},
         "guest TR limit 100000: more than 20 bits, and not in pages (G)"},
        {FLAT32, {SET(guest.seg[SEG_LDTR].selector, 0x14)}, "guest LDTR selector 14: in the LDT"},
        {LONG64,
         {SET(guest.seg[SEG_LDTR].base, 0x800000000000)},
         "guest LDTR base 800000000000: is not canonical"},
        {FLAT32, {SET(guest.seg[SEG_LDTR].rights, 0x83)}, "guest LDTR rights 83: not an LDT"},
        {FLAT32,
         {SET(guest.seg[SEG_LDTR].rights, 0x92)},
         "guest LDTR rights 92: not a system segment"},
        {FLAT32, {SET(guest.seg[SEG_LDTR].rights, 0x02)}, "guest LDTR rights 2: is not present"},
        {FLAT32,
         {SET(guest.seg[SEG_LDTR].rights, 0x10000), SET(guest.seg[SEG_LDTR].selector, 4)},
         NULL},
    };

    (void)state;
    check_broken(rows, HV_ARRAY_SIZE(rows), &haswell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v8086), cmocka_unit_test(test_code),   cmocka_unit_test(test_stack),
        cmocka_unit_test(test_data),  cmocka_unit_test(test_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
