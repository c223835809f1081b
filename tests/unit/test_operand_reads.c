/* core/operand_reads.c: where an instruction may read in each code size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/operand_reads.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"

static struct vcpu *v;

static const struct sample {
    unsigned bits;
    const char *bytes;
    unsigned length;
    unsigned count; /* of reads */
    gva_t reads[OPERAND_READS];
} samples[] = {
    {64, "\x8b\x03", 2, 1, {0x1111000000003000}},              /* mov eax, [rbx] */
    {64, "\x67\x8b\x03", 3, 1, {0x3000}},                      /* [ebx] */
    {64, "\x64\x8b\x03", 3, 1, {0x1111000000503000}},          /* fs:[rbx] */
    {64, "\x2e\x8b\x03", 3, 1, {0x1111000000003000}},          /* cs: says nothing */
    {64, "\x8b\x05\xf0\xff\xff\xff", 6, 1, {0x9000 + 6 - 16}}, /* [rip - 16] */
    {64, "\x41\x8b\x44\x8d\x08", 5, 1, {0xd000 + 4 * 0x1000 + 8}} /* [r13 + rcx * 4 + 8] */,
    {64, "\x8b\x04\x25\x78\x56\x34\x12", 7, 1, {0x12345678}}, /* [0x12345678] */
    {64, "\x42\x8b\x04\x25\x10\x00\x00\x00", 8, 1, {0xc010}}, /* [r12 * 1 + 16] */
    {64, "\x8b\xc3", 2, 0, {0}},                              /* mov eax, ebx */
    {64, "\x8d\x03", 2, 0, {0}},                              /* lea */
    {64, "\x0f\x1f\x03", 3, 0, {0}},                          /* nop [rbx] */
    {64, "\x0f\x01\x3b", 3, 0, {0}},                          /* invlpg */
    {64, "\x0f\x01\x13", 3, 1, {0x1111000000003000}},         /* lgdt */
    {64, "\x0f\xb6\x03", 3, 1, {0x1111000000003000}},         /* movzx */
    {64, "\xc5\xf8\x10\x03", 4, 1, {0x1111000000003000}},     /* vmovups */
    {64, "\x0f\xa3\x03", 3, 1, {0x111100000000300c}},         /* bt [rbx], eax */
    {64, "\x0f\xab\x0b", 3, 1, {0x1111000000003200}},         /* bts [rbx], ecx */
    {64, "\x66\x44\x0f\xa3\x2b", 5, 1, {0x1111000000002a00}}, /* bt [rbx], r13w: negative */
    {64, "\x48\x0f\xa3\x1b", 4, 1, {0x1333200000003600}},     /* bt [rbx], rbx */
    {64, "\x0f\xba\x23\x77", 4, 1, {0x1111000000003000}},     /* bt [rbx], 0x77 */
    {32, "\x66\x0f\xa3\x03", 4, 1, {0x1000300e}},             /* bt [ebx], ax */
    {64, "\x58", 1, 1, {0x8000}},                             /* pop */
    {64, "\x8f\x03", 2, 2, {0x8000, 0x1111000000003000}},     /* pop [rbx] */
    {64, "\xc3", 1, 1, {0x8000}},                             /* ret */
    {64, "\xff\x23", 2, 1, {0x1111000000003000}},             /* jmp [rbx] */
    {64, "\x0f\xa1", 2, 1, {0x8000}},                         /* pop fs */
    {64, "\xc9", 1, 1, {0x5000}},                             /* leave */
    {64, "\x50", 1, 0, {0}},                                  /* push */
    {64, "\x90", 1, 0, {0}},
    {64, "\xa4", 1, 1, {0x6000}},                    /* movs */
    {64, "\xf3\xa6", 2, 2, {0x6000, 0x7000}},        /* cmps */
    {64, "\xae", 1, 1, {0x7000}},                    /* scas */
    {64, "\xaa", 1, 0, {0}},                         /* stos */
    {64, "\xd7", 1, 1, {0x1111000000003000 + 0x77}}, /* xlat */
    {64, "\xa0\x88\x77\x66\x55\x44\x33\x22\x11", 9, 1, {0x1122334455667788}},
    {64, "\xa2\x88\x77\x66\x55\x44\x33\x22\x11", 9, 0, {0}},     /* is only written */
    {32, "\x8b\x45\x08", 3, 1, {0x20005008}},                    /* [ebp + 8]: SS */
    {32, "\x8b\x04\x24", 3, 1, {0x20008000}},                    /* [esp]: SS */
    {32, "\x8b\x44\x85\x08", 4, 1, {0x20005000 + 4 * 0x77 + 8}}, /* [ebp + eax * 4 + 8]: SS */
    {32, "\x3e\x8b\x45\x08", 4, 1, {0x10005008}},                /* ds: */
    {32, "\x8b\x05\x10\x00\x00\x00", 6, 1, {0x10000010}},        /* [16] */
    {32, "\x8b\x05\xf0\xff\xff\xff", 6, 1, {0x0ffffff0}},        /* wraps */
    {32, "\xad", 1, 1, {0x10006000}},                            /* lods */
    {32, "\xae", 1, 1, {0x30007000}},                            /* scas: ES */
    {16, "\x8b\x00", 2, 1, {0x10003000 + 0x6000}},               /* [bx + si] */
    {16, "\x8b\x03", 2, 1, {0x20005000 + 0x7000}},               /* [bp + di]: SS */
    {16, "\x8b\x46\xfe", 3, 1, {0x20004ffe}},                    /* [bp - 2]: SS */
    {16, "\x8b\x0e\x34\x12", 4, 1, {0x10001234}},                /* [0x1234] */
    {16, "\x8b\x87\x00\xf0", 4, 1, {0x10002000}},                /* [bx - 0x1000] */
    {16, "\x8b\x87\x00\xd0", 4, 1, {0x10000000}},                /* wraps at 64 KiB */
    {16, "\xa1\x34\x12", 3, 1, {0x10001234}},
    {16, "\x67\x8b\x03", 3, 1, {0x10003000}}, /* [ebx] */
    {16, "\xc3", 1, 1, {0x20008000}},
};

static int setup(void **state)
{
    static const uint64_t gpr[16] = {
        0x77, 0x1000, 0x2000, 0x1111000000003000, 0x8000, 0x5000, 0x6000, 0x7000, 0, 0, 0,
        0,    0xc000, 0xd000};

    (void)state;
    v = model_backend_reset();
    memcpy(v->regs.gpr, gpr, sizeof(gpr));
    v->regs.rip = 0x9000;
    return 0;
}

static void set_bits(unsigned bits)
{
    model_code_bits(v, bits);
    v->regs.seg[SEG_FS].base = 0x500000;
    v->regs.seg[SEG_DS].base = 0x10000000;
    v->regs.seg[SEG_SS].base = 0x20000000;
    v->regs.seg[SEG_ES].base = 0x30000000;
}

static void decode(const struct sample *s, struct x86_insn *insn)
{
    set_bits(s->bits);
    assert_int_equal(x86_decode((const uint8_t *)s->bytes, s->length,
                                s->bits == 64   ? X86_64
                                : s->bits == 32 ? X86_32
                                                : X86_16,
                                insn),
                     HV_OK);
    assert_int_equal(insn->length, s->length);
}

static void test_reads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(samples); i++) {
        const struct sample *s = &samples[i];
        gva_t reads[OPERAND_READS] = {0};
        struct x86_insn insn;

        decode(s, &insn);
        unsigned n = operand_reads(v, &insn, reads);
        if (n != s->count || memcmp(reads, s->reads, n * sizeof(reads[0])))
            fail_msg("sample %u: %u reads, %llx %llx", i, n, (unsigned long long)reads[0],
                     (unsigned long long)reads[1]);
    }
}

/* A string instruction that has nothing left to do reads nothing. */
static void test_rep_of_none(void **state)
{
    static const struct sample movs = {64, "\xf3\xa4", 2, 0, {0}};
    static const struct sample narrow = {64, "\x67\xf3\xa4", 3, 0, {0}};
    gva_t reads[OPERAND_READS];
    struct x86_insn insn;

    (void)state;
    v->regs.gpr[GPR_RCX] = 1ULL << 32;
    decode(&movs, &insn);
    assert_int_equal(operand_reads(v, &insn, reads), 1);
    decode(&narrow, &insn);
    assert_int_equal(operand_reads(v, &insn, reads), 0);
    v->regs.gpr[GPR_RCX] = 0;
    decode(&movs, &insn);
    assert_int_equal(operand_reads(v, &insn, reads), 0);
}

/* LEAVE takes BP, EBP or RBP by the stack, not by the code. */
static void test_leave(void **state)
{
    static const struct sample leave[] = {{16, "\xc9", 1, 1, {0x20005000}},
                                          {16, "\xc9", 1, 1, {0x32345000}},
                                          {64, "\xc9", 1, 1, {0x7777777712345000}}};

    (void)state;
    v->regs.gpr[GPR_RBP] = 0x7777777712345000;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(leave); i++) {
        gva_t reads[OPERAND_READS];
        struct x86_insn insn;

        decode(&leave[i], &insn);
        v->regs.seg[SEG_SS].attributes = (uint16_t)(0x93 | (i == 1 ? SEG_ATTR_DB : 0));
        assert_int_equal(operand_reads(v, &insn, reads), 1);
        assert_int_equal(reads[0], leave[i].reads[0]);
    }
}

/* Their address is more than the decoder tells. */
static void test_not_told(void **state)
{
    /* vmovups zmm0, [rbx + 64] */
    static const struct sample evex = {64, "\x62\xf1\x7c\x48\x10\x43\x01", 7, 0, {0}};
    gva_t reads[OPERAND_READS];
    struct x86_insn insn;

    (void)state;
    decode(&evex, &insn);
    assert_int_equal(operand_reads(v, &insn, reads), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reads, setup),
        cmocka_unit_test_setup(test_rep_of_none, setup),
        cmocka_unit_test_setup(test_leave, setup),
        cmocka_unit_test_setup(test_not_told, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
