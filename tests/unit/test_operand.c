/* core/operand.c: addresses of operands in every form, and reading them as the processor would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/insn_bytes.h"
#include "core/operand.h"
#include "core/watch_pages.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { PAGE = 0x1000, TABLES = 0x10000, PRESENT_WRITABLE = 3, USER = 4, ACCESSED = 0x20 };

static struct vcpu *v;
static struct x86_insn insn;

/* Each register has a digit of its own in the addresses. */
static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    vcpu_change(v, REGS_ALL);
    v->regs.gpr[GPR_RAX] = 0x1;
    v->regs.gpr[GPR_RCX] = 0x20;
    v->regs.gpr[GPR_RBX] = 0x300;
    v->regs.gpr[GPR_RSP] = 0x4000;
    v->regs.gpr[GPR_RBP] = 0x50000;
    v->regs.gpr[GPR_RSI] = 0x600000;
    v->regs.gpr[GPR_RDI] = 0x7000000;
    v->regs.gpr[13] = 0xd0000000;
    return 0;
}

static void bases(void)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        v->regs.seg[i].base = (i + 1) * 0x100000000ULL / 16;
}

static void decode(const char *bytes, size_t size)
{
    memcpy(model_memory(v->regs.rip), bytes, size);
    assert_int_equal(insn_at_rip(v, &insn), HV_OK);
    assert_int_equal(insn.length, size);
}

static void expect(const char *bytes, size_t size, gva_t wanted)
{
    gva_t address = 0;

    decode(bytes, size);
    assert_true(operand_address(v, &insn, &address));
    if (address != wanted)
        fail_msg("%02x %02x: %llx, not %llx", (uint8_t)bytes[0], (uint8_t)bytes[1],
                 (unsigned long long)address, (unsigned long long)wanted);
}

#define EXPECT(bytes, wanted) expect(bytes, sizeof(bytes) - 1, wanted)

static gva_t in(enum hv_segment_name segment, uint64_t offset)
{
    return (uint32_t)(v->regs.seg[segment].base + offset);
}

static void test_16_bits(void **state)
{
    static const uint32_t offsets[] = {0x0300 + 0x0010, 0x0300 + 0x0007, 0x0050 + 0x0010,
                                       0x0050 + 0x0007, 0x0010,          0x0007,
                                       0x0050,          0x0300};

    (void)state;
    model_code_bits(v, 16);
    bases();
    v->regs.seg[SEG_CS].base = 0;
    v->regs.gpr[GPR_RBP] = 0x12340050;
    v->regs.gpr[GPR_RSI] = 0x56780010;
    v->regs.gpr[GPR_RDI] = 0x07;
    for (unsigned form = 0; form < 8; form++) {
        enum hv_segment_name by = form == 2 || form == 3 || form == 6 ? SEG_SS : SEG_DS;
        char bytes[] = {(char)0x8b, (char)(0x40 | form), (char)0x80};

        expect(bytes, 3, in(by, (uint16_t)(offsets[form] - 0x80)));
    }
    EXPECT("\x8b\x06\x34\x12", in(SEG_DS, 0x1234)); /* no BP there */
    EXPECT("\x8b\x80\xff\xff", in(SEG_DS, 0x30f));
    EXPECT("\x26\x8b\x46\x00", in(SEG_ES, 0x50));
    EXPECT("\x36\x8b\x07", in(SEG_SS, 0x300));
    EXPECT("\x3e\x8b\x46\x00", in(SEG_DS, 0x50));
    EXPECT("\x67\x8b\x04\x24", in(SEG_SS, 0x4000)); /* the 32-bit forms */
}

static void test_32_bits(void **state)
{
    (void)state;
    model_code_bits(v, 32);
    bases();
    v->regs.seg[SEG_CS].base = 0;
    EXPECT("\x8b\x03", in(SEG_DS, 0x300));
    EXPECT("\x8b\x45\xf0", in(SEG_SS, 0x4fff0));
    EXPECT("\x8b\x05\x44\x33\x22\x11", in(SEG_DS, 0x11223344)); /* no EBP there */
    EXPECT("\x8b\x04\x24", in(SEG_SS, 0x4000));
    EXPECT("\x8b\x04\xb3", in(SEG_DS, 0x300 + 4 * 0x600000));
    EXPECT("\x8b\x04\x3d\x10\x00\x00\x00", in(SEG_DS, 0x7000010));
    EXPECT("\x8b\x44\x4d\x01", in(SEG_SS, 0x50041));
    EXPECT("\x64\x8b\x03", in(SEG_FS, 0x300));
    EXPECT("\x67\x8b\x07", in(SEG_DS, 0x300)); /* the 16-bit forms */
    v->regs.gpr[GPR_RBX] = 0xfffffff0;
    EXPECT("\x8b\x43\x20", in(SEG_DS, 0x10));
    decode("\x8b\xc3", 2);
    assert_false(operand_address(v, &insn, &(gva_t){0}));
    decode("\xa1\x00\x00\x00\x00", 5); /* no ModRM */
    assert_false(operand_address(v, &insn, &(gva_t){0}));
}

static void test_64_bits(void **state)
{
    (void)state;
    bases();
    v->regs.gpr[GPR_RBX] = 0xffffffff80000300;
    EXPECT("\x8b\x03", 0xffffffff80000300);
    EXPECT("\x67\x8b\x03", 0x80000300);
    EXPECT("\x8b\x05\xfa\xff\xff\xff", 0x1000); /* rip-relative */
    EXPECT("\x8b\x04\x25\x00\xf0\xff\xff", 0xfffffffffffff000);
    EXPECT("\x41\x8b\x45\x08", 0xd0000008);          /* r13 */
    EXPECT("\x41\x8b\x44\x25\x00", 0xd0000000);      /* r13, no index */
    EXPECT("\x41\x8b\x04\x05\x00\x00\x00\x00", 1);   /* no base: REX.B or not */
    EXPECT("\x42\x8b\x04\x20", 1 + v->regs.gpr[12]); /* r12 is an index */
    EXPECT("\x2e\x8b\x03", 0xffffffff80000300);      /* CS has no base here */
    EXPECT("\x65\x8b\x01", v->regs.seg[SEG_GS].base + 0x20);
}

static bool reads(const char *bytes, size_t size)
{
    uint32_t value = 0;

    decode(bytes, size);
    return operand_read(v, &insn, &value, 4) && value == 0x64636261;
}

#define READS(bytes) reads(bytes, sizeof(bytes) - 1)

/* Segments: beyond the limit, execute-only, expand-down and null ones are the processor's. */
static void test_segments(void **state)
{
    struct hv_segment *ds = &v->regs.seg[SEG_DS];

    (void)state;
    model_code_bits(v, 32);
    memcpy(model_memory(0x9000), "abcd", 4);
    v->regs.gpr[GPR_RBX] = 0x9000;
    assert_true(READS("\x8b\x03"));
    ds->limit = 0x9003;
    assert_true(READS("\x8b\x03"));
    ds->limit = 0x9002;
    assert_false(READS("\x8b\x03"));
    ds->limit = UINT32_MAX;
    ds->attributes |= 1 << 2;
    assert_false(READS("\x8b\x03"));
    ds->attributes = 0xc9b;
    assert_true(READS("\x8b\x03"));
    ds->attributes = 0xc99;
    assert_false(READS("\x8b\x03"));
    ds->attributes = 0xc13;
    assert_false(READS("\x8b\x03"));
    assert_false(READS("\x8b\xc3"));
}

static void page(unsigned number, unsigned bits)
{
    model_memory_put(TABLES + 3 * PAGE + 8 * number, number * PAGE | bits);
}

/* Paging: what would fault or set an accessed bit is the processor's. */
static void test_paging(void **state)
{
    enum { ALL = PRESENT_WRITABLE | USER | ACCESSED };

    (void)state;
    v->regs.cr0 |= CR0_PE | CR0_PG;
    v->regs.cr4 |= CR4_PAE;
    v->regs.efer = EFER_LMA | EFER_LME;
    v->regs.cr3 = TABLES;
    for (unsigned i = 0; i < 3; i++)
        model_memory_put(TABLES + i * PAGE, (TABLES + (i + 1) * PAGE) | ALL);
    page(1, ALL);
    page(9, ALL);
    memcpy(model_memory(0x9000 - 2), "ababcd", 6);
    memcpy(model_memory(0x9100), "abcd", 4);
    v->regs.gpr[GPR_RBX] = 0x9000;
    assert_true(READS("\x8b\x03"));
    page(9, ALL & ~ACCESSED);
    assert_false(READS("\x8b\x03"));
    page(9, ALL & ~(PRESENT_WRITABLE & 1));
    assert_false(READS("\x8b\x03"));
    /* One byte in a page that is not there. */
    page(9, ALL);
    v->regs.gpr[GPR_RBX] = 0x9ffd;
    memcpy(model_memory(0x9ffd), "abcd", 4);
    assert_false(READS("\x8b\x03"));
    page(10, ALL);
    assert_true(READS("\x8b\x03"));
    /* Ring 3 and the page's U bit, SMAP, alignment. */
    v->regs.gpr[GPR_RBX] = 0x9000;
    v->regs.cr4 |= CR4_SMAP;
    assert_false(READS("\x8b\x03"));
    v->regs.rflags |= RFLAGS_AC;
    assert_true(READS("\x8b\x03"));
    model_ring(v, 3);
    assert_true(READS("\x8b\x03"));
    page(9, ALL & ~USER);
    assert_false(READS("\x8b\x03"));
    page(9, ALL);
    memcpy(model_memory(0x9101), "abcd", 4);
    v->regs.gpr[GPR_RBX] = 0x9101;
    assert_false(READS("\x8b\x03"));
    v->regs.rflags &= ~RFLAGS_AC;
    assert_true(READS("\x8b\x03"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_16_bits, setup), cmocka_unit_test_setup(test_32_bits, setup),
        cmocka_unit_test_setup(test_64_bits, setup), cmocka_unit_test_setup(test_segments, setup),
        cmocka_unit_test_setup(test_paging, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
