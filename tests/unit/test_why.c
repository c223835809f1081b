/* `monitor why`, `exceptions` and `int3`: what was seen, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "debug/exceptions.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/ask_monitor.h"
#include "tests/unit/fake_fpu.h"

/* Tables of long mode: one page at LINEAR, one entry at each level. */
enum { PML4 = 0x10000, PDPT = 0x11000, DIRECTORY = 0x12000, TABLE = 0x13000, PAGE = 0x14000 };
enum { IDT = 0x16000, GDT = 0x17000 };
#define LINEAR 0x7f8040201000ULL /* entry 255, 1, 1, 1 */
#define NX     HV_BIT(63)

static struct vcpu *v;
static struct debug_config config;

static void entry(gpa_t table, unsigned index, uint64_t value)
{
    memcpy(model_memory(table + 8 * index), &value, 8);
}

static void gate(unsigned vector, uint64_t handler, uint8_t type)
{
    uint64_t low =
        (handler & 0xffff) | 8 << 16 | (uint64_t)type << 40 | (handler >> 16 & 0xffff) << 48;

    entry(IDT, 2 * vector, low);
    entry(IDT, 2 * vector + 1, handler >> 32);
}

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    memset(&debug, 0, sizeof(debug));
    debug.config = &config;
    debug.stub.thread_g = 1;
    exceptions_clear();
    vcpu_change(v, REGS_ALL);
    v->regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
    v->regs.cr4 = CR4_PAE;
    v->regs.cr3 = PML4;
    v->regs.efer = EFER_LME | EFER_LMA | EFER_NXE;
    entry(PML4, 0, PDPT | 7);
    entry(PDPT, 0, 0x87); /* the first GiB is itself */
    entry(PML4, 255, PDPT | 7);
    entry(PDPT, 1, DIRECTORY | 7);
    entry(DIRECTORY, 1, TABLE | 7);
    entry(TABLE, 1, PAGE | 7);
    v->regs.idtr = (struct hv_table){IDT, 4095};
    v->regs.gdtr = (struct hv_table){GDT, 23};
    entry(GDT, 1, 0x00af9b000000ffff);
    entry(GDT, 2, 0x00cf13000000ffff); /* not present */
    for (unsigned i = 0; i < 32; i++)
        gate(i, 0x3000, 0x8e);
    return 0;
}

static void fault(uint8_t vector, uint32_t error, uint64_t cr2)
{
    struct hv_exit exit = {.kind = HV_EXIT_EXCEPTION, .exception = {vector, true, error, cr2}};

    exceptions_record(v, &exit);
}

static void because(const char *what)
{
    if (!strstr(ask("why"), what))
        fail_msg("not '%s' in:\n%s", what, out);
}

/* USER-4: each level and bit that a page fault can be because of. */
static void test_user4_page_faults(void **state)
{
    (void)state;
    fault(VECTOR_PF, 2, LINEAR + 8);
    because("#PF (vector 14) at f000:1000, ring 0, error 2\nwrite to 7f8040201008 from ring 0\n");
    because("now it is mapped");
    entry(TABLE, 1, PAGE | 6);
    because("because of the page table: not present");
    because("  page table     at 13008: 0000000000014006 not present write user\n");
    entry(DIRECTORY, 1, 0);
    because("because of the page directory: not present");
    entry(PDPT, 1, 0);
    because("because of the level 3: not present");
    entry(PML4, 255, 0);
    because("because of the level 4: not present");
    setup(NULL);
    fault(VECTOR_PF, 3, LINEAR);
    because("now the mapping permits it");
    entry(DIRECTORY, 1, TABLE | 5);
    because("because the page directory entry is read-only (R/W is 0)");
    fault(VECTOR_PF, 5, LINEAR);
    because("read of 7f8040201000 from ring 3");
    because("now the mapping permits it");
    entry(PDPT, 1, DIRECTORY | 3);
    because("because the level 3 entry is not for ring 3 (U/S is 0)");
    fault(VECTOR_PF, 0x11, LINEAR);
    entry(TABLE, 1, PAGE | 3 | NX);
    because("because the page table entry has NX (no execute)");
    setup(NULL);
    fault(VECTOR_PF, 0x11, LINEAR);
    v->regs.cr4 |= CR4_SMEP;
    because("because of SMEP");
    fault(VECTOR_PF, 1, LINEAR);
    v->regs.cr4 |= CR4_SMAP;
    because("because of SMAP");
    v->regs.rflags |= 1 << 18;
    because("now the mapping permits it");
    fault(VECTOR_PF, 0x21, LINEAR);
    entry(TABLE, 1, PAGE | 7 | 5ULL << 59);
    because("because of the page's protection key, 5");
    fault(VECTOR_PF, 9, LINEAR);
    entry(DIRECTORY, 1, TABLE | 7 | HV_BIT(51));
    because("because of the page directory: reserved bit set");
    v->regs.cr3 = PML4 + 8;
    because("(CR3 was 10000 then;");
}

/* Selectors: which, and what its descriptor is. */
static void test_user4_selectors(void **state)
{
    (void)state;
    fault(VECTOR_NP, 0x10, 0);
    because("because of selector 0010 in the GDT, not present:\n"
            "  base 0 limit ffffffff attributes c13\n");
    fault(VECTOR_GP, 0x18, 0);
    because("because of selector 0018: outside the GDT's limit, or not mapped");
    fault(VECTOR_GP, 0x41 * 8 + 2, 0);
    because("because of the IDT's gate of vector 65");
}

/* #GP without a selector: what stands at RIP. */
static void test_protection(void **state)
{
    (void)state;
    memcpy(model_memory(0x1000), "\x48\x8b\x44\x8b\x10", 5); /* mov rax, [rbx + rcx*4 + 0x10] */
    v->regs.gpr[GPR_RBX] = HV_BIT(47);
    v->regs.gpr[GPR_RCX] = 4;
    fault(VECTOR_GP, 0, 0);
    because("because its operand 800000000020 is not a canonical address");
    memcpy(model_memory(0x1000), "\x0f\x30", 2);
    v->regs.gpr[GPR_RCX] = 0x12345;
    because("because of MSR 12345");
    memcpy(model_memory(0x1000), "\x0f\x22\xe0", 3);
    v->regs.gpr[GPR_RAX] = HV_BIT(40);
    because("because CR4 does not take 10000000000");
}

/* What makes the next fault worse. */
static void test_user4_gates(void **state)
{
    (void)state;
    assert_non_null(
        strstr(ask("why"), "no exception was seen; `monitor exceptions on` keeps them\n"));
    because("the gates of #DF, #GP and #PF usable");
    /* Tables in the upper half, as a kernel has them. */
    memcpy(model_memory(PAGE), model_memory(GDT), 24);
    entry(PDPT, 6, DIRECTORY | 7);
    v->regs.gdtr.base = LINEAR + 5 * HV_BIT(30); /* nothing is at its low half */
    because("the gates of #DF, #GP and #PF usable");
    entry(PAGE, 1, 0);
    because("the gate of #PF is one whose code segment is not there");
    v->regs.gdtr.base = GDT;
    gate(VECTOR_GP, 0x3000, 0x0e);
    because("the gate of #GP is not present");
    gate(VECTOR_DF, LINEAR + 0x1000, 0x8e);
    because("the gate of #DF is one whose handler is not mapped");
    gate(VECTOR_PF, 0x3000, 0x89);
    because("the gate of #PF is no gate at all, by its type");
    gate(VECTOR_PF, 0x3000, 0x86); /* of 16 bits: reserved in long mode */
    because("the gate of #PF is no gate at all, by its type");
    gate(VECTOR_PF, 0x3000, 0x8f);
    entry(GDT, 1, 0);
    because("the gate of #PF is one whose code segment is not there");
    v->regs.idtr.limit = 14 * 16 + 14;
    because("the gate of #PF is beyond the IDT's limit");
    v->regs.gpr[GPR_RSP] = LINEAR + 0x1008;
    because("the stack at 7f8040202000: not present");
    v->regs.rip = HV_BIT(47);
    because("the instruction at 800000000000: not a canonical address");
}

static void test_address(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("why 0x7f8040201234"), "7f8040201234: mapped\n"));
    assert_non_null(strstr(out, "physical address 14234\n"));
    assert_non_null(strstr(ask("why 0x7f8040202000"), "7f8040202000: not present\n"));
    assert_null(strstr(out, "physical"));
    assert_string_equal(ask("why me"), "usage: monitor why [ADDRESS]\n");
}

/* The last 64, the newest last; #DB, NMI and #BP are not asked for. */
static void test_ring(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("exceptions"), "none was seen"));
    assert_non_null(strstr(ask("exceptions on"), "is on"));
    assert_int_equal(v->exceptions, 0xfffffff1);
    for (unsigned i = 0; i < 70; i++)
        fault(i % 2 ? VECTOR_PF : VECTOR_UD, i, 0x1000 * i);
    ask("exceptions");
    assert_null(strstr(out, "00000005 at"));
    assert_true(strstr(out, "#UD 00000006 at f000:0000000000001000") == out);
    const char *last = strstr(out, "#PF 00000045 at f000:0000000000001000 cr2 0000000000045000");
    assert_non_null(last);
    assert_null(strchr(strchr(last, '\n') + 1, '\n'));
    ask("exceptions off");
    assert_int_equal(v->exceptions, 0);
    assert_non_null(strstr(ask("exceptions maybe"), "usage"));
}

static void test_user6_int3(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("int3"), "goes to its handler"));
    assert_non_null(strstr(ask("int3 stop"), "stops"));
    assert_int_equal(v->traps, TRAP_BREAKPOINT);
    assert_non_null(strstr(ask("int3 guest"), "goes to its handler"));
    assert_int_equal(v->traps, 0);
    assert_non_null(strstr(ask("int3 both"), "usage"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_user4_page_faults, setup),
        cmocka_unit_test_setup(test_user4_selectors, setup),
        cmocka_unit_test_setup(test_protection, setup),
        cmocka_unit_test_setup(test_user4_gates, setup),
        cmocka_unit_test_setup(test_address, setup),
        cmocka_unit_test_setup(test_ring, setup),
        cmocka_unit_test_setup(test_user6_int3, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
