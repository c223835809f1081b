/* core/string_io.c: INS and OUTS at a hidden port, one element at a time (USER-11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "core/string_io.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

enum { PORT = 0x60, DATA = 0x4000 };

static uint8_t out[16];
static unsigned out_count;

uint8_t model_inb(uint16_t port)
{
    return (uint8_t)(port - PORT + 0xa1);
}

void model_outb(uint16_t port, uint8_t value)
{
    (void)port;
    out[out_count++] = value;
}

static struct vcpu *v;
static uint64_t *gpr;

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    gpr = v->regs.gpr;
    gpr[GPR_RSI] = gpr[GPR_RDI] = DATA;
    memcpy(model_memory(DATA), "abcdefgh", 8);
    out_count = 0;
    return 0;
}

static enum core_result run(const char *bytes, size_t length, bool in, uint8_t size)
{
    const struct hv_exit exit = {.kind = HV_EXIT_IO, .io = {PORT, size, in, true}};

    memcpy(model_memory(v->regs.rip), bytes, length);
    return string_io(v, &exit);
}

static void test_outs(void **state)
{
    (void)state;
    assert_int_equal(run("\x6e", 1, false, 1), CORE_DONE);
    assert_int_equal(out_count, 1);
    assert_int_equal(out[0], 'a');
    assert_int_equal(gpr[GPR_RSI], DATA + 1);
    assert_int_equal(v->regs.rip, 0x1001);
    assert_int_equal(run("\x6f", 1, false, 4), CORE_DONE);
    assert_memory_equal(out, "abcde", 5);
    assert_int_equal(gpr[GPR_RSI], DATA + 5);
    v->regs.rflags |= RFLAGS_DF;
    assert_int_equal(run("\x66\x6f", 2, false, 2), CORE_DONE);
    assert_memory_equal(out + 5, "fg", 2);
    assert_int_equal(gpr[GPR_RSI], DATA + 3);
    assert_int_equal(v->regs.rip, 0x1004);
}

static void test_ins(void **state)
{
    (void)state;
    assert_int_equal(run("\x6d", 1, true, 4), CORE_DONE);
    assert_memory_equal(model_memory(DATA),
                        "\xa1\xa2\xa3\xa4"
                        "efgh",
                        8);
    assert_int_equal(gpr[GPR_RDI], DATA + 4);
    v->regs.rflags |= RFLAGS_DF;
    assert_int_equal(run("\x6c", 1, true, 1), CORE_DONE);
    assert_memory_equal(model_memory(DATA + 4),
                        "\xa1"
                        "fgh",
                        4);
    assert_int_equal(gpr[GPR_RDI], DATA + 3);
}

/* REP: RIP stays until the last one, so that interrupts and steps come in between. */
static void test_rep(void **state)
{
    (void)state;
    gpr[GPR_RCX] = 3;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(v->regs.rip, 0x1000);
        assert_int_equal(run("\xf3\x6e", 2, false, 1), CORE_DONE);
        assert_int_equal(gpr[GPR_RCX], 2 - i);
    }
    assert_int_equal(v->regs.rip, 0x1002);
    assert_memory_equal(out, "abc", 3);
    /* None at all. */
    assert_int_equal(run("\xf3\x6e", 2, false, 1), CORE_DONE);
    assert_int_equal(v->regs.rip, 0x1004);
    assert_int_equal(out_count, 3);
    assert_int_equal(gpr[GPR_RCX], 0);
}

/* The address size says how much of RSI, RDI and RCX there is. */
static void test_address_sizes(void **state)
{
    (void)state;
    gpr[GPR_RSI] = 0xffffffff00000000 | DATA;
    gpr[GPR_RCX] = 0xffffffff00000001;
    assert_int_equal(run("\x67\xf3\x6e", 3, false, 1), CORE_DONE);
    assert_int_equal(out[0], 'a');
    assert_int_equal(gpr[GPR_RSI], DATA + 1); /* a 32-bit write clears the upper half */
    assert_int_equal(gpr[GPR_RCX], 0);
    assert_int_equal(v->regs.rip, 0x1003);

    model_code_bits(v, 16);
    v->regs.rip = 0x1000;
    gpr[GPR_RSI] = 0x1234ffff;
    *model_memory(0xffff) = 'Z';
    assert_int_equal(run("\x6e", 1, false, 1), CORE_DONE);
    assert_int_equal(out[1], 'Z');
    assert_int_equal(gpr[GPR_RSI], 0x12340000); /* wraps, and leaves the rest */
}

static void test_segments(void **state)
{
    static const struct {
        const char *bytes;
        enum hv_segment_name segment;
    } cases[] = {{"\x26\x6e", SEG_ES}, {"\x2e\x6e", SEG_CS}, {"\x36\x6e", SEG_SS},
                 {"\x3e\x6e", SEG_DS}, {"\x64\x6e", SEG_FS}, {"\x65\x6e", SEG_GS}};

    (void)state;
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        for (unsigned i = 0; i < 6; i++) {
            setup(NULL);
            model_code_bits(v, bits);
            gpr[GPR_RSI] = 0x10;
            v->regs.seg[SEG_CS].base = 0x100;
            v->regs.rip = bits == 64 ? 0x1000 : 0xf00; /* the same linear address */
            memcpy(model_memory(0x1000), cases[i].bytes, 2);
            for (unsigned s = 0; s < SEG_LDTR; s++) {
                if (s != SEG_CS)
                    v->regs.seg[s].base = 0x5000 + s * 0x100;
                *model_memory(v->regs.seg[s].base + 0x10) = (uint8_t)('0' + s);
            }
            *model_memory(0x10) = 'n'; /* in 64-bit code only FS and GS have a base */
            const struct hv_exit exit = {.kind = HV_EXIT_IO, .io = {PORT, 1, false, true}};
            assert_int_equal(string_io(v, &exit), CORE_DONE);
            bool based = bits == 32 || cases[i].segment >= SEG_FS;
            assert_int_equal(out[0], based ? '0' + (int)cases[i].segment : 'n');
        }
    }
    /* INS has no override: ES. */
    setup(NULL);
    model_code_bits(v, 32);
    v->regs.seg[SEG_ES].base = 0x6000;
    gpr[GPR_RDI] = 8;
    assert_int_equal(run("\x65\x6c", 2, true, 1), CORE_DONE);
    assert_int_equal(*model_memory(0x6008), 0xa1);
}

static void check_page_fault(gva_t address, uint32_t error)
{
    assert_int_equal(v->event.type, HV_EVENT_EXCEPTION);
    assert_int_equal(v->event.vector, VECTOR_PF);
    assert_true(v->event.has_error);
    assert_int_equal(v->event.error, error);
    assert_int_equal(v->regs.cr2, address);
    assert_true(v->changed & REGS_CONTROL);
    assert_int_equal(v->regs.rip, 0x1000);
}

/* The guest's #PF, with nothing moved and nothing sent. */
static void test_page_fault(void **state)
{
    (void)state;
    gpr[GPR_RSI] = gpr[GPR_RDI] = MODEL_MEMORY_SIZE;
    assert_int_equal(run("\x6f", 1, false, 4), CORE_RAISED);
    check_page_fault(MODEL_MEMORY_SIZE, 1);
    assert_int_equal(out_count, 0);
    assert_int_equal(gpr[GPR_RSI], MODEL_MEMORY_SIZE);
    model_ring(v, 3);
    assert_int_equal(run("\x6d", 1, true, 4), CORE_RAISED);
    check_page_fault(MODEL_MEMORY_SIZE, 7);
    assert_int_equal(gpr[GPR_RDI], MODEL_MEMORY_SIZE);
}

static void test_no_instruction(void **state)
{
    (void)state;
    v->regs.rip = MODEL_MEMORY_SIZE;
    const struct hv_exit exit = {.kind = HV_EXIT_IO, .io = {PORT, 1, false, true}};
    assert_int_equal(string_io(v, &exit), CORE_UP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_outs, setup),
        cmocka_unit_test_setup(test_ins, setup),
        cmocka_unit_test_setup(test_rep, setup),
        cmocka_unit_test_setup(test_address_sizes, setup),
        cmocka_unit_test_setup(test_segments, setup),
        cmocka_unit_test_setup(test_page_fault, setup),
        cmocka_unit_test_setup(test_no_instruction, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
