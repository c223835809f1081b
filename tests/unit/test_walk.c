/* arch/x86/walk.c: page tables of every mode in a small memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "arch/x86/walk.h"
#include "hv/compiler.h"

enum { MEMORY = 0x10000, P = 1, W = 2, U = 4, LARGE = 0x80 };
#define NX HV_BIT(63)

static uint8_t memory[MEMORY];
static unsigned reads;

static bool read_memory(uint64_t address, void *buf, size_t size)
{
    reads++;
    assert_true(size == 4 || size == 8);
    assert_int_equal(address % size, 0);
    if (address > MEMORY - size)
        return false;
    memcpy(buf, memory + address, size);
    return true;
}

static void put32(uint32_t table, unsigned index, uint32_t entry)
{
    memcpy(memory + table + 4 * index, &entry, 4);
}

static void put64(uint32_t table, unsigned index, uint64_t entry)
{
    memcpy(memory + table + 8 * index, &entry, 8);
}

static int clear(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    reads = 0;
    return 0;
}

static struct x86_paging paging_32(uint64_t cr4)
{
    return (struct x86_paging){
        .cr0 = CR0_PG | CR0_PE | CR0_WP, .cr3 = 0x1000, .cr4 = cr4, .phys_bits = 40};
}

static struct x86_paging paging_long(void)
{
    return (struct x86_paging){.cr0 = CR0_PG | CR0_PE | CR0_WP,
                               .cr3 = 0x1000,
                               .cr4 = CR4_PAE,
                               .efer = EFER_LMA | EFER_LME | EFER_NXE,
                               .phys_bits = 40};
}

/* PML4 1000, PDPT 2000, PD 3000, PT 4000. Maps linear 0xffff8000_00000000 + 0x40201000 + x. */
#define LINEAR 0xffff800040201000ULL
static void long_tables(void)
{
    put64(0x1000, 256, 0x2000 | P | W | U);
    put64(0x2000, 1, 0x3000 | P | W | U);
    put64(0x3000, 1, 0x4000 | P | W | U);
    put64(0x4000, 1, 0x1234567000 | P | W | U);
}

static struct x86_translation must(const struct x86_paging *paging, gva_t linear)
{
    struct x86_translation t;

    assert_true(x86_walk(paging, linear, read_memory, &t));
    assert_int_equal(t.reason, X86_WALK_OK);
    return t;
}

static struct x86_translation must_fail(const struct x86_paging *paging, gva_t linear,
                                        enum x86_walk_reason reason, unsigned level)
{
    struct x86_translation t;

    assert_false(x86_walk(paging, linear, read_memory, &t));
    assert_int_equal(t.reason, reason);
    assert_int_equal(t.level, level);
    return t;
}

static void test_no_paging(void **state)
{
    struct x86_paging paging = {.cr0 = CR0_PE, .cr3 = 0xdead000, .cr4 = CR4_PAE, .phys_bits = 40};
    struct x86_translation t = must(&paging, 0xffff0);

    (void)state;
    assert_true(t.gpa == 0xffff0);
    assert_true(t.page_size == HV_BIT(32));
    assert_int_equal(t.level, 0);
    assert_true(t.writable && t.user && !t.no_execute);
    assert_true(must(&paging, 0x100000010ULL).gpa == 0x10);
    assert_int_equal(reads, 0);
}

static void test_32_bit(void **state)
{
    struct x86_paging paging = paging_32(0);
    struct x86_translation t;

    (void)state;
    put32(0x1000, 0x300, 0x2000 | P | W);
    put32(0x2000, 0x3ff, 0xfedcb000 | P | U);
    t = must(&paging, 0xc03ff123);
    assert_true(t.gpa == 0xfedcb123);
    assert_true(t.page_size == 0x1000);
    assert_int_equal(t.level, 1);
    assert_true(t.entry_address == 0x2ffc);
    assert_true(t.entry == (0xfedcb000 | P | U));
    assert_false(t.writable); /* the PTE says no */
    assert_false(t.user);     /* the PDE says no */
    assert_int_equal(reads, 2);
    /* gdb sign-extends addresses of 32-bit code. */
    assert_true(must(&paging, 0xffffffffc03ff123ULL).gpa == 0xfedcb123);
    paging.cr3 = 0x1018; /* PCD and PWT are no address bits */
    assert_true(must(&paging, 0xc03ff123).gpa == 0xfedcb123);
    paging.cr3 = 0x1000;
    must_fail(&paging, 0xc03fe000, X86_WALK_NOT_PRESENT, 1);
    must_fail(&paging, 0xbfffffff, X86_WALK_NOT_PRESENT, 2);
}

static void test_4m_pages_and_pse36(void **state)
{
    struct x86_paging paging = paging_32(CR4_PSE);
    struct x86_translation t;

    (void)state;
    put32(0x1000, 1, 0x00800000 | (0xabu << 13) | LARGE | P | W | U);
    t = must(&paging, 0x00512345);
    assert_true(t.gpa == 0xab00912345ULL);
    assert_true(t.page_size == 0x400000);
    assert_int_equal(t.level, 2);
    put32(0x1000, 1, 0x00800000 | 1u << 21 | LARGE | P);
    must_fail(&paging, 0x00512345, X86_WALK_RESERVED, 2);
    paging.phys_bits = 36;
    put32(0x1000, 1, 0x00800000 | (0xfu << 13) | LARGE | P);
    assert_true(must(&paging, 0x00400000).gpa == 0xf00800000ULL);
    put32(0x1000, 1, 0x00800000 | (0x10u << 13) | LARGE | P);
    must_fail(&paging, 0x00400000, X86_WALK_RESERVED, 2);
    paging.phys_bits = 32;
    put32(0x1000, 1, 0x00800000 | (1u << 13) | LARGE | P);
    must_fail(&paging, 0x00400000, X86_WALK_RESERVED, 2);
    /* Without CR4.PSE the bit means nothing. */
    paging.cr4 = 0;
    put32(0x1000, 1, 0x2000 | LARGE | P);
    put32(0x2000, 0, 0x5000 | P);
    assert_true(must(&paging, 0x00400000).gpa == 0x5000);
}

static void test_pae(void **state)
{
    struct x86_paging paging = paging_32(CR4_PAE);
    struct x86_translation t;

    (void)state;
    paging.cr3 = 0x1020; /* 32-byte aligned */
    put64(0x1020, 3, 0x2000 | P);
    put64(0x2000, 1, 0x3000 | P | W | U);
    put64(0x3000, 5, 0xff12345000ULL | P | W | U);
    t = must(&paging, 0xc0205678);
    assert_true(t.gpa == 0xff12345678ULL);
    assert_true(t.writable && t.user); /* the PDPTE has no such bits */
    assert_int_equal(t.level, 1);
    put64(0x2000, 2, 0xff00200000ULL | LARGE | P | W);
    t = must(&paging, 0xc0412345);
    assert_true(t.gpa == 0xff00212345ULL);
    assert_true(t.page_size == 0x200000);
    must_fail(&paging, 0x00000000, X86_WALK_NOT_PRESENT, 3);

    /* A PDPTE's low bits were judged when CR3 was loaded; some processors mark it as accessed. */
    put64(0x1020, 0, 0x2000 | P | W | HV_BIT(5) | LARGE);
    assert_true(must(&paging, 0x00205678).gpa == must(&paging, 0xc0205678).gpa);

    /* Reserved: address bits, bits 62:52, NX without NXE, low bits of a large page. */
    put64(0x1020, 0, 0x2000 | P | HV_BIT(40));
    must_fail(&paging, 0x00200000, X86_WALK_RESERVED, 3);
    put64(0x3000, 5, 0x5000 | P | HV_BIT(52));
    must_fail(&paging, 0xc0205678, X86_WALK_RESERVED, 1);
    put64(0x3000, 5, 0x5000 | P | NX);
    must_fail(&paging, 0xc0205678, X86_WALK_RESERVED, 1);
    paging.efer = EFER_NXE;
    assert_true(must(&paging, 0xc0205678).no_execute);
    put64(0x2000, 2, 0x202000 | LARGE | P);
    must_fail(&paging, 0xc0412345, X86_WALK_RESERVED, 2);
    put64(0x1020, 3, 0x2000 | P | NX); /* never in a PDPTE */
    must_fail(&paging, 0xc0205678, X86_WALK_RESERVED, 3);
}

static void test_4_level(void **state)
{
    struct x86_paging paging = paging_long();
    struct x86_translation t;

    (void)state;
    long_tables();
    t = must(&paging, LINEAR + 0xabc);
    assert_true(t.gpa == 0x1234567abcULL);
    assert_true(t.page_size == 0x1000);
    assert_true(t.entry_address == 0x4008);
    assert_true(t.writable && t.user && !t.no_execute);
    assert_int_equal(reads, 4);

    put64(0x3000, 1, 0x1234600000 | LARGE | P | W | U | HV_BIT(12)); /* PAT is no address bit */
    t = must(&paging, LINEAR + 0xabc);
    assert_true(t.gpa == 0x1234601abcULL);
    assert_true(t.page_size == 0x200000);
    assert_int_equal(t.level, 2);
    put64(0x2000, 1, 0x1240000000 | LARGE | P | W | U);
    t = must(&paging, LINEAR + 0xabc);
    assert_true(t.gpa == 0x1240201abcULL);
    assert_true(t.page_size == 0x40000000);
    assert_int_equal(t.level, 3);
    paging.cr3 |= 0xfff; /* PCID */
    assert_true(must(&paging, LINEAR).gpa == 0x1240201000ULL);
}

static void test_non_canonical(void **state)
{
    struct x86_paging paging = paging_long();

    (void)state;
    must_fail(&paging, 0x0000800000000000ULL, X86_WALK_NON_CANONICAL, 0);
    must_fail(&paging, 0xffff7fffffffffffULL, X86_WALK_NON_CANONICAL, 0);
    assert_int_equal(reads, 0);
    must_fail(&paging, 0x00007fffffffffffULL, X86_WALK_NOT_PRESENT, 4);
    must_fail(&paging, 0xffff800000000000ULL, X86_WALK_NOT_PRESENT, 4);
    paging.cr4 |= CR4_LA57;
    must_fail(&paging, 0x0000800000000000ULL, X86_WALK_NOT_PRESENT, 5);
    must_fail(&paging, 0x0100000000000000ULL, X86_WALK_NON_CANONICAL, 0);
    must_fail(&paging, 0xff00000000000000ULL, X86_WALK_NOT_PRESENT, 5);
}

static void test_5_level(void **state)
{
    struct x86_paging paging = paging_long();
    struct x86_translation t;

    (void)state;
    long_tables();
    paging.cr4 |= CR4_LA57;
    paging.cr3 = 0x5000;
    put64(0x5000, 0x1a3, 0x1000 | P | W | U);
    t = must(&paging, 0xffa3800040201def);
    assert_true(t.gpa == 0x1234567defULL);
    assert_int_equal(reads, 5);
    put64(0x5000, 0x1a3, 0x1000 | P | LARGE);
    must_fail(&paging, 0xffa3800040201def, X86_WALK_RESERVED, 5);
}

static void test_long_mode_permissions_add_up(void **state)
{
    static const uint32_t tables[] = {0x1000, 0x2000, 0x3000, 0x4000};
    static const unsigned indices[] = {256, 1, 1, 1};
    struct x86_paging paging = paging_long();

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(tables); i++) {
        uint64_t next = i < 3 ? tables[i + 1] : 0x9000;
        struct x86_translation t;

        long_tables();
        put64(tables[i], indices[i], next | P | U);
        t = must(&paging, LINEAR);
        assert_true(!t.writable && t.user && !t.no_execute);
        put64(tables[i], indices[i], next | P | W);
        t = must(&paging, LINEAR);
        assert_true(t.writable && !t.user && !t.no_execute);
        put64(tables[i], indices[i], next | P | W | U | NX);
        t = must(&paging, LINEAR);
        assert_true(t.writable && t.user && t.no_execute);
        put64(tables[i], indices[i], next | W | U);
        must_fail(&paging, LINEAR, X86_WALK_NOT_PRESENT, 4 - (unsigned)i);
        put64(tables[i], indices[i], next | P | HV_BIT(40)); /* beyond phys_bits */
        must_fail(&paging, LINEAR, X86_WALK_RESERVED, 4 - (unsigned)i);
        put64(tables[i], indices[i], next | P | HV_BIT(62) | HV_BIT(52)); /* ignored bits */
        must(&paging, LINEAR);
        put64(tables[i], indices[i], next | P | NX);
        paging.efer &= ~EFER_NXE;
        must_fail(&paging, LINEAR, X86_WALK_RESERVED, 4 - (unsigned)i);
        paging.efer |= EFER_NXE;
    }
}

static void test_long_mode_reserved_low_bits(void **state)
{
    struct x86_paging paging = paging_long();

    (void)state;
    long_tables();
    put64(0x3000, 1, 0x1234602000 | LARGE | P);
    must_fail(&paging, LINEAR, X86_WALK_RESERVED, 2);
    put64(0x2000, 1, 0x1240200000 | LARGE | P);
    must_fail(&paging, LINEAR, X86_WALK_RESERVED, 3);
    put64(0x1000, 256, 0x2000 | LARGE | P);
    must_fail(&paging, LINEAR, X86_WALK_RESERVED, 4);
}

/* A table outside of memory ends the walk, and says where. */
static void test_unreadable_tables(void **state)
{
    struct x86_paging paging = paging_long();
    struct x86_translation t;

    (void)state;
    long_tables();
    put64(0x2000, 1, 0x7ffff000 | P | W | U);
    t = must_fail(&paging, LINEAR, X86_WALK_UNREADABLE, 2);
    assert_true(t.entry_address == 0x7ffff008);
    assert_true(t.entry == 0);
    paging.cr3 = 0xfffffff000ULL;
    must_fail(&paging, LINEAR, X86_WALK_UNREADABLE, 4);
    paging = paging_32(0);
    paging.cr3 = 0xfffff000;
    must_fail(&paging, 0xffffffff, X86_WALK_UNREADABLE, 2);
}

/* Tables that point to themselves end at the lowest level like any others. */
static void test_self_map_ends(void **state)
{
    struct x86_paging paging = paging_long();

    (void)state;
    put64(0x1000, 511, 0x1000 | P | W);
    assert_true(must(&paging, ~0ULL).gpa == 0x1fff);
    assert_int_equal(reads, 4);
}

static void test_allows(void **state)
{
    struct x86_paging paging = paging_long();
    struct x86_translation user = {.user = true, .writable = true};
    struct x86_translation kernel = {.writable = true};
    struct x86_translation fixed = {.user = false, .writable = false, .no_execute = true};
    struct x86_translation bad = {.reason = X86_WALK_NOT_PRESENT, .writable = true, .user = true};

    (void)state;
    assert_true(x86_walk_allows(&paging, &user, X86_WRITE, true, false));
    assert_true(x86_walk_allows(&paging, &user, X86_FETCH, false, false));
    assert_true(x86_walk_allows(&paging, &user, X86_READ, false, false));
    assert_false(x86_walk_allows(&paging, &kernel, X86_READ, true, false));
    assert_false(x86_walk_allows(&paging, &kernel, X86_FETCH, true, false));
    assert_true(x86_walk_allows(&paging, &kernel, X86_WRITE, false, false));
    assert_true(x86_walk_allows(&paging, &fixed, X86_READ, false, false));
    assert_false(x86_walk_allows(&paging, &fixed, X86_FETCH, false, false));
    assert_false(x86_walk_allows(&paging, &fixed, X86_WRITE, false, false));
    assert_false(x86_walk_allows(&paging, &bad, X86_READ, false, false));

    paging.cr4 |= CR4_SMEP | CR4_SMAP;
    assert_false(x86_walk_allows(&paging, &user, X86_FETCH, false, true));
    assert_true(x86_walk_allows(&paging, &user, X86_FETCH, true, false));
    assert_false(x86_walk_allows(&paging, &user, X86_READ, false, false));
    assert_false(x86_walk_allows(&paging, &user, X86_WRITE, false, false));
    assert_true(x86_walk_allows(&paging, &user, X86_READ, false, true));
    assert_true(x86_walk_allows(&paging, &user, X86_READ, true, false));

    paging.cr0 &= ~CR0_WP;
    assert_true(x86_walk_allows(&paging, &fixed, X86_WRITE, false, false));
    user.writable = false;
    assert_false(x86_walk_allows(&paging, &user, X86_WRITE, true, false));
    paging.cr0 = CR0_PE;
    assert_true(x86_walk_allows(&paging, &kernel, X86_FETCH, true, false));
}

/* Accessed and dirty bits stay as they are: the walker has no way to write, and memory shows it. */
static void test_memory_is_untouched(void **state)
{
    static uint8_t copy[MEMORY];
    struct x86_paging paging = paging_long();

    (void)state;
    long_tables();
    memcpy(copy, memory, MEMORY);
    must(&paging, LINEAR);
    assert_memory_equal(copy, memory, MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_no_paging, clear),
        cmocka_unit_test_setup(test_32_bit, clear),
        cmocka_unit_test_setup(test_4m_pages_and_pse36, clear),
        cmocka_unit_test_setup(test_pae, clear),
        cmocka_unit_test_setup(test_4_level, clear),
        cmocka_unit_test_setup(test_non_canonical, clear),
        cmocka_unit_test_setup(test_5_level, clear),
        cmocka_unit_test_setup(test_long_mode_permissions_add_up, clear),
        cmocka_unit_test_setup(test_long_mode_reserved_low_bits, clear),
        cmocka_unit_test_setup(test_unreadable_tables, clear),
        cmocka_unit_test_setup(test_self_map_ends, clear),
        cmocka_unit_test_setup(test_allows, clear),
        cmocka_unit_test_setup(test_memory_is_untouched, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
