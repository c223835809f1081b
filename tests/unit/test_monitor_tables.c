/* debug/monitor_tables.c: page tables, IDT, GDT and TSS, decoded, in each mode (USER-5). */
#include "arch/x86/registers.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/ask_monitor.h"
#include "tests/unit/fake_fpu.h"

enum { TABLES = 0x10000, IDT = 0x20000, GDT = 0x30000, TSS = 0x40000, PAGE = 0x1000 };
#define KERNEL 0xffffffff81000000ULL

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    memset(&debug, 0, sizeof(debug));
    debug.stub.thread_g = 1;
    vcpu_change(v, REGS_ALL);
    v->regs.idtr = (struct hv_table){IDT, 0xfff};
    v->regs.gdtr = (struct hv_table){GDT, 0x3f};
    return 0;
}

static void expect(const char *text)
{
    if (!strstr(out, text))
        fail_msg("no \"%s\" in:\n%s", text, out);
}

static void paging(uint64_t cr4, uint64_t efer)
{
    v->regs.cr0 = CR0_PG | CR0_PE;
    v->regs.cr3 = TABLES;
    v->regs.cr4 = cr4;
    v->regs.efer = efer;
}

static void test_pt_4_level(void **state)
{
    (void)state;
    paging(CR4_PAE, EFER_LMA | EFER_LME | EFER_NXE);
    model_memory_put(TABLES + 8 * 511, (TABLES + PAGE) | 0x67);
    model_memory_put(TABLES + PAGE + 8 * 510, (TABLES + 2 * PAGE) | 0x63);
    model_memory_put(TABLES + 2 * PAGE + 8 * 8, 0x1000000 | 0x1e3 | 1ULL << 63);
    ask("pt 0xffffffff81001234");
    expect("ffffffff81001234 by 4-level paging, cr3 10000\n");
    expect("PML4E at         10ff8: 0000000000011067  W U A D\n");
    expect("PDPTE at         11ff0: 0000000000012063  W A D\n");
    expect("PDE   at         12040: 80000000010001e3  W A D PS G NX\n");
    expect("-> physical 1001234, a page of 2 MiB, writable, supervisor, no execute\n");
    ask("pt 0xffffffff81200000");
    expect("PDE   at         12048: 0000000000000000  not present\n");
    expect("-> not present\n");
    assert_null(strstr(out, "PTE   at"));
    ask("pt 0x800000000000");
    expect("-> not a canonical address\n");
}

static void test_pt_other_paging(void **state)
{
    (void)state;
    v->regs.cr0 = CR0_PE;
    assert_string_equal(ask("pt 0x1234"), "1234 is physical: no paging\n");
    paging(CR4_PSE, 0);
    model_memory_put(TABLES, 0x00400087);
    ask("pt 4660");
    expect("1234 by 32-bit paging, cr3 10000\n");
    expect("PDE   at         10000: 0000000000400087  W U PS\n");
    expect("-> physical 401234, a page of 4 MiB, writable, user\n");
    paging(CR4_PAE, 0);
    model_memory_put(TABLES, (TABLES + PAGE) | 1);
    model_memory_put(TABLES + PAGE, (TABLES + 2 * PAGE) | 7);
    model_memory_put(TABLES + 2 * PAGE + 8, 0x5085); /* bit 7: PAT */
    ask("pt 0x1234");
    expect("by PAE paging");
    expect("PTE   at         12008: 0000000000005085  U\n");
    expect("-> physical 5234, a page of 4 KiB, read-only, user\n");
    /* A table where there is no memory: what was read so far, and why not more. */
    model_memory_put(TABLES + PAGE, 0xfee00007);
    ask("pt 0x1234");
    expect("-> page table not in memory\n");
    paging(CR4_PAE | CR4_LA57, EFER_LMA | EFER_LME);
    model_memory_put(TABLES, 0);
    ask("pt 0x1234");
    expect("by 5-level paging");
    expect("PML5E at         10000: 0000000000000000  not present\n");
}

static void test_idt(void **state)
{
    (void)state;
    v->regs.efer = EFER_LMA | EFER_LME;
    v->regs.cr0 |= CR0_PE;
    model_memory_put(IDT + 16 * 3, 0x8100ee0000101234);
    model_memory_put(IDT + 16 * 3 + 8, 0xffffffff);
    model_memory_put(IDT + 16 * 8, 0x82008e0100105678);
    model_memory_put(IDT + 16 * 8 + 8, 0xffffffff);
    ask("idt");
    expect("idt at 20000, limit fff\n");
    expect("03  interrupt gate        0010:ffffffff81001234  ring 3\n");
    expect("08  interrupt gate        0010:ffffffff82005678  ring 0 IST 1\n");
    assert_null(strstr(out, "absent"));
    ask("idt 2-3");
    expect("02  no gate               0000:0000000000000000  ring 0  absent\n");
    assert_null(strstr(out, "08  "));
    v->regs.efer = 0;
    model_memory_put(IDT + 8 * 2, 0x00108f0000081000);
    v->regs.idtr.limit = 23;
    ask("idt");
    expect("02  trap gate             0008:00101000  ring 0\n");
    expect("03  outside of the table");
    v->regs.cr0 &= ~CR0_PE;
    v->regs.idtr = (struct hv_table){0, 0x3ff};
    model_memory_put(4 * 0x10, 0xf000e987c0001234);
    ask("idt 0x10-0x11");
    expect("idt at 0, limit 3ff, of real mode\n");
    expect("10  c000:1234\n");
    expect("11  f000:e987\n");
}

/* `catch int` where there is no interception of it: the handlers, as far as they can be told. */
static void test_catch_int(void **state)
{
    struct hv_backend without = *hv_backend;

    (void)state;
    without.lacks = TRAP_SOFT_INT;
    hv_backend = &without;
    v->regs.efer = EFER_LMA | EFER_LME;
    v->regs.cr0 |= CR0_PE;
    model_memory_put(GDT + 8, 0x00cf9b008000ffff); /* base 0x8000 */
    model_memory_put(GDT + 16, 0x00af9b000000ffff);
    model_memory_put(IDT + 16 * 0x80, 0x8100ee0000101234);
    model_memory_put(IDT + 16 * 0x80 + 8, 0xffffffff);
    assert_string_equal(ask("catch int 0x80-0x81"),
                        "this processor cannot intercept INT n: break where its handler begins\n"
                        "int 0x80: break *0xffffffff81001234\n"
                        "int 0x81 has no handler now\n");
    ask("catch int 0x78-0x80"); /* nine */
    expect("int 0x7f has no handler now\n`monitor idt` has the others\n");
    assert_null(strstr(out, "int 0x80"));
    assert_string_equal(ask("catch"), "nothing is caught\n");

    v->regs.efer = 0;
    model_memory_put(IDT + 8 * 2, 0x00108f0000081000); /* a trap gate */
    model_memory_put(IDT + 8 * 3, 0x0000e50000380000); /* a task gate */
    model_memory_put(IDT + 8 * 4, 0x00108f0000481000); /* a selector beyond the GDT */
    model_memory_put(IDT + 8 * 5, 0x00100f0000081000); /* absent */
    model_memory_put(IDT + 8 * 6, 0xdead860000081000); /* of 16 bits, and no more count */
    v->regs.idtr.limit = 8 * 7 - 1;
    ask("catch int 2-7");
    expect("int 0x02: break *0x109000\n");
    expect("int 0x06: break *0x9000\n");
    for (char n = '3'; n <= '7'; n += n == '5' ? 2 : 1) {
        char text[] = "int 0x0? has no handler now\n";
        text[7] = n;
        expect(text);
    }
    v->regs.cr0 &= ~CR0_PE;
    v->regs.idtr = (struct hv_table){0, 0x3ff};
    model_memory_put(4 * 0x10, 0xf000e987c0001234);
    ask("catch int 0x10");
    expect("int 0x10: break *0xc1234\n");
}

static void test_gdt(void **state)
{
    (void)state;
    v->regs.efer = EFER_LMA | EFER_LME;
    model_memory_put(GDT + 0x08, 0x00cf9b000000ffff);
    model_memory_put(GDT + 0x10, 0x00af9b000000ffff);
    model_memory_put(GDT + 0x18, 0x00cff3000000ffff);
    model_memory_put(GDT + 0x20, 0x00008b040000206f);
    model_memory_put(GDT + 0x28, 0xfffffe00);
    ask("gdt");
    expect("gdt at 30000, limit 3f\n");
    expect("0008  32-bit code       base 0000000000000000  limit ffffffff  ring 0\n");
    expect("0010  64-bit code ");
    expect("0018  data              base 0000000000000000  limit ffffffff  ring 3\n");
    expect("0020  TSS, busy         base fffffe0000040000  limit 0000206f  ring 0\n");
    assert_null(strstr(out, "0028"));
    v->regs.efer = 0;
    model_memory_put(GDT + 0x28, 0x0000120000000000);
    model_memory_put(GDT + 0x30, 0x00108c0000081234);
    ask("gdt");
    expect("0028  data              base 0000000000000000  limit 00000000  ring 0  absent\n");
    expect("0030  call gate         0008:00101234\n");
    v->regs.gdtr.base = 0xfee00000;
    ask("gdt");
    expect("0008  not in memory\n");
}

static void test_tss(void **state)
{
    struct hv_segment *tr = &v->regs.seg[SEG_TR];

    (void)state;
    tr->selector = 0;
    expect(strstr(ask("tss"), "none is loaded"));
    *tr = (struct hv_segment){.selector = 0x40, .attributes = 0x8b, .limit = 0x67, .base = TSS};
    model_memory_put(TSS + 4, 0xffffc90000014000);
    model_memory_put(TSS + 36, 0xfffffe0000002000);
    *model_memory(TSS + 102) = 0x68;
    v->regs.efer = EFER_LMA | EFER_LME;
    ask("tss");
    expect("tss at 40000, limit 67, selector 0040\n");
    expect("rsp0 ffffc90000014000\n");
    expect("ist1 fffffe0000002000\n");
    expect("I/O permission map at offset 68\n");
    v->regs.efer = 0;
    model_memory_put(TSS + 4, 0x0010000081234567);
    ask("tss");
    expect("esp0 0000:81234567\n");
    expect("task: eip ");
    tr->attributes = 0x83;
    model_memory_put(TSS + 2, 0x00185000);
    ask("tss");
    expect("sp0  0018:5000\n");
    tr->base = 0xfee00000;
    ask("tss");
    expect("it is not in memory\n");
}

static void test_usage(void **state)
{
    static const char *const wrong[][2] = {
        {"pt", "usage: monitor pt ADDR\n"},          {"pt x", "usage: monitor pt ADDR\n"},
        {"pt 1 2", "usage: monitor pt ADDR\n"},      {"idt 256", "usage: monitor idt [N|N-M]\n"},
        {"idt 5-4", "usage: monitor idt [N|N-M]\n"}, {"gdt 1", "usage: monitor gdt\n"},
        {"tss 1", "usage: monitor tss\n"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_string_equal(ask(wrong[i][0]), wrong[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_pt_4_level, setup),
        cmocka_unit_test_setup(test_pt_other_paging, setup),
        cmocka_unit_test_setup(test_idt, setup),
        cmocka_unit_test_setup(test_catch_int, setup),
        cmocka_unit_test_setup(test_gdt, setup),
        cmocka_unit_test_setup(test_tss, setup),
        cmocka_unit_test_setup(test_usage, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
