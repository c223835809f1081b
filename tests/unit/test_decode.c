/* arch/x86/decode.c: hard cases by hand; test_decode_objdump.c has the many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/decode.h"
#include "hv/compiler.h"

struct bytes {
    uint8_t at[16];
    size_t count;
};

static struct bytes from_hex(const char *hex)
{
    struct bytes b = {.count = 0};
    unsigned byte;
    int used;

    while (sscanf(hex, "%2x%n", &byte, &used) == 1) {
        assert_true(b.count < sizeof(b.at));
        b.at[b.count++] = (uint8_t)byte;
        hex += used;
    }
    return b;
}

/* Decodes from an exact heap copy, so that ASan sees a read behind count. */
static enum hv_status decode(const uint8_t *bytes, size_t count, enum x86_bits bits,
                             struct x86_insn *insn)
{
    uint8_t *copy = malloc(count ? count : 1);
    enum hv_status status;

    memcpy(copy, bytes, count);
    status = x86_decode(copy, count, bits, insn);
    free(copy);
    return status;
}

static struct x86_insn must(const char *hex, enum x86_bits bits)
{
    struct bytes b = from_hex(hex);
    struct x86_insn insn;

    assert_int_equal(decode(b.at, b.count, bits, &insn), HV_OK);
    return insn;
}

/* Each is exactly one instruction: the length is the number of bytes. */
static const struct {
    enum x86_bits bits;
    const char *hex;
} whole[] = {
    {X86_64, "90"},
    {X86_64, "0f05"},
    {X86_64, "48b8 0102030405060708"}, /* movabs */
    {X86_64, "66b8 0102"},
    {X86_64, "6648b8 0102030405060708"}, /* REX.W beats 66 */
    {X86_64, "4866b8 0102"},             /* a REX not next to the opcode does not count */
    {X86_64, "a1 0102030405060708"},     /* moffs goes by address size */
    {X86_64, "67a1 01020304"},
    {X86_32, "a1 01020304"},
    {X86_32, "67a1 0102"},
    {X86_16, "a0 0102"},
    {X86_16, "67a3 01020304"},
    {X86_64, "c8 001000"}, /* enter */
    {X86_16, "c8 001000"},
    {X86_16, "9a 01020304"}, /* far call, jump */
    {X86_16, "66ea 010203040506"},
    {X86_32, "ea 010203040506"},
    {X86_32, "669a 01020304"},
    {X86_64, "0f20c0"}, /* mov cr: ModRM without memory forms, whatever mod says */
    {X86_64, "0f2005"},
    {X86_64, "440f20c0"},
    {X86_64, "f00f22c0"}, /* AMD's other way to CR8 */
    {X86_64, "0f2344"},
    {X86_32, "0f2384"},
    {X86_64, "f6c0 01"}, /* test has an immediate, not has none */
    {X86_64, "f6c8 01"},
    {X86_64, "f6d0"},
    {X86_64, "f7c0 01020304"},
    {X86_64, "66f7c0 0102"},
    {X86_64, "48f7c0 01020304"},
    {X86_64, "f7d8"},
    {X86_16, "f706 3412 0100"},
    {X86_64, "c705 01020304 05060708"},
    {X86_64, "66c705 01020304 0506"},
    {X86_64, "c7f8 01020304"}, /* xbegin */
    {X86_64, "c6f8 01"},       /* xabort */
    {X86_64, "e8 01020304"},
    {X86_64, "66e8 0102"}, /* AMD */
    {X86_64, "66480f84 01020304"},
    {X86_64, "660f84 0102"},
    {X86_32, "66e9 0102"},
    {X86_16, "e8 0102"},
    {X86_16, "66e8 01020304"},
    {X86_64, "68 01020304"},
    {X86_64, "6668 0102"},
    {X86_64, "c2 0400"},
    {X86_64, "f3c3"},
    {X86_64, "8b0425 01020304"}, /* SIB without base */
    {X86_64, "8b44 24 08"},
    {X86_64, "8b84 24 01020304"},
    {X86_64, "678b05 01020304"},
    {X86_16, "8b06 0102"}, /* 16-bit addresses */
    {X86_16, "8b46 01"},
    {X86_16, "8b86 0102"},
    {X86_16, "8b07"},
    {X86_16, "8b04"},
    {X86_16, "678b0424"}, /* SIB only with 67 */
    {X86_16, "66678b05 01020304"},
    {X86_32, "678b06 0102"},
    {X86_32, "678b04"},
    {X86_64, "f30f78c0"}, /* vmread, and SSE4a in its place */
    {X86_64, "0f78c0"},
    {X86_64, "660f78c0 0102"},
    {X86_64, "f20f78c0 0102"},
    {X86_64, "660f79c0"},
    {X86_64, "f20f79c0"},
    {X86_64, "0f0fc1 9e"}, /* 3DNow! */
    {X86_64, "0f0f05 01020304 b4"},
    {X86_64, "0f0e"},
    {X86_64, "f30fb8c1"},
    {X86_64, "0fb9c0"}, /* ud1, ud0, ud2 */
    {X86_64, "0fff05 01020304"},
    {X86_64, "0f0b"},
    {X86_64, "f2480f38f005 01020304"}, /* crc32, pshufb, palignr */
    {X86_64, "660f3800c1"},
    {X86_64, "660f3a0fc1 08"},
    {X86_64, "c5f877"}, /* VEX */
    {X86_64, "c5fd6f05 01020304"},
    {X86_64, "c5f970c1 1b"},
    {X86_64, "c5fac2c1 00"},
    {X86_64, "c4e27d5a05 01020304"},
    {X86_64, "c4e37d06c1 20"},
    {X86_64, "c4e3fbf0c1 08"},
    {X86_64, "c4c17a6f47 10"},
    {X86_32, "c5f877"},
    {X86_16, "c5f877"},
    {X86_16, "c4e27958 c0"},
    {X86_32, "c4e27958 05 01020304"},
    {X86_32, "c405 01020304"}, /* les, lds, bound: memory operands */
    {X86_32, "c500"},
    {X86_32, "c44424 08"},
    {X86_32, "c58424 01020304"},
    {X86_16, "6247 08"},
    {X86_16, "c506 0102"},
    {X86_32, "6205 01020304"},
    {X86_64, "62f17c4828 c1"}, /* EVEX */
    {X86_64, "62f17c48 2805 01020304"},
    {X86_64, "62f37d48 25c1 ff"},
    {X86_64, "62f57c48 58c1"},
    {X86_64, "62f17d48 7249 01 02"},
    {X86_32, "62f17c48 2844 24 01"},
    {X86_64, "8fe9789b c1"}, /* XOP */
    {X86_64, "8fe878c0c1 05"},
    {X86_64, "8fea7810c1 01020304"},
    {X86_32, "8fe9f812c0"},
    {X86_64, "8fc0"}, /* pop */
    {X86_64, "8f05 01020304"},
    {X86_64, "418fc0"},
    {X86_16, "8f06 0102"},
    {X86_64, "9b"}, /* fwait is an instruction of its own */
    {X86_64, "0f01f8"},
    {X86_64, "0f01c9"},
    {X86_64, "f3480fc7 f8"},
    {X86_64, "6690"},
    {X86_64, "66666666662e0f1f84 0000000000"},
    {X86_64, "f0480fc70e"},
    {X86_64, "2e6548 8b0425 28000000"},
    {X86_64, "48"
             "48"
             "89c0"}, /* the last REX counts */
    {X86_32, "48"},   /* dec eax */
    {X86_16, "4f"},
    {X86_32, "0fa2"},
    {X86_32, "82c0 01"},
    {X86_32, "d40a"},
    {X86_32, "d6"},
    {X86_64, "e440"},
    {X86_64, "ec"},
    {X86_64, "e3fe"},
    {X86_64, "cd80"},
    {X86_64, "cc"},
    {X86_64, "f1"},
    {X86_64, "63c0"},
    {X86_32, "63c0"},
    {X86_64, "69c0 01020304"},
    {X86_64, "6669c0 0102"},
    {X86_64, "6bc0 01"},
    {X86_64, "0fa4c0 01"},
    {X86_64, "0fbae0 01"},
    {X86_64, "0fc3 00"},
    {X86_64, "660fc4c0 01"},
    {X86_64, "660f72d0 01"},
    {X86_64, "0fc8"},
    {X86_64, "2e2e2e2e2e2e2e2e2e2e2e2e2e2e90"}, /* 15 bytes, no more */
};

static void test_length_of_hard_cases_and_every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(whole); i++) {
        char hex[80];
        size_t n = 0;
        struct bytes b;
        struct x86_insn insn;

        for (const char *p = whole[i].hex; *p; p++) {
            if (*p != ' ')
                hex[n++] = *p;
        }
        hex[n] = 0;
        b = from_hex(hex);
        if (decode(b.at, b.count, whole[i].bits, &insn) != HV_OK || insn.length != b.count)
            fail_msg("%s in %d-bit: length %u", hex, 16 << whole[i].bits, insn.length);
        for (size_t cut = 0; cut < b.count; cut++) {
            if (decode(b.at, cut, whole[i].bits, &insn) != HV_EFAULT)
                fail_msg("%s cut to %zu does not ask for more", hex, cut);
        }
        /* What follows has no say, at least where 15 bytes are not at stake. */
        memset(b.at + b.count, 0xff, sizeof(b.at) - b.count);
        assert_int_equal(decode(b.at, sizeof(b.at), whole[i].bits, &insn), HV_OK);
        assert_int_equal(insn.length, b.count);
    }
}

static void test_refuses_what_the_processor_refuses(void **state)
{
    static const struct {
        enum x86_bits bits;
        const char *hex;
    } bad[] = {
        {X86_64, "2e2e2e2e2e2e2e2e2e2e2e2e2e2e2e90"}, /* 16 bytes */
        {X86_64, "2e2e2e2e2e2e2e2e2e2e2e48b8010203"}, /* 21 of them would be needed */
        {X86_64, "06"},
        {X86_64, "60"},
        {X86_64, "82c001"},
        {X86_64, "9a010203040506"},
        {X86_64, "ea010203040506"},
        {X86_64, "ce"},
        {X86_64, "d40a"},
        {X86_64, "d6"},
        {X86_64, "0f04"},
        {X86_64, "0f0a"},
        {X86_64, "0f24c0"},
        {X86_64, "0f36"},
        {X86_64, "0f3f"},
        {X86_64, "0f7ac0"},
        {X86_64, "0fb8c0"},
        {X86_64, "8fe0"}, /* neither pop nor XOP */
        {X86_32, "8f20"},
        {X86_64, "8feb789bc1"},   /* XOP map 11 */
        {X86_64, "c4e078 9bc1"},  /* VEX map 0 */
        {X86_64, "62f47c4858c1"}, /* EVEX map 4: APX */
        {X86_64, "66c5f877"},     /* prefixes that must not stand before VEX */
        {X86_64, "48c5f877"},
        {X86_64, "f3c5f877"},
        {X86_64, "f0c5f877"},
    };

    (void)state;
    for (size_t i = 0; i < HV_ARRAY_SIZE(bad); i++) {
        struct bytes b = from_hex(bad[i].hex);
        struct x86_insn insn;

        if (decode(b.at, b.count, bad[i].bits, &insn) != HV_EINVAL)
            fail_msg("%s is taken", bad[i].hex);
    }
}

static void test_prefixes(void **state)
{
    struct x86_insn insn = must("f3f266672e6548a5", X86_64);

    (void)state;
    assert_int_equal(insn.rep, 0xf2);
    assert_true(insn.operand_prefix && insn.address_prefix && !insn.lock);
    assert_int_equal(insn.segment, 0x65);
    assert_int_equal(insn.rex, 0x48);
    assert_int_equal(insn.operand_size, 8);
    assert_int_equal(insn.address_size, 4);

    assert_int_equal(must("642e8b00", X86_64).segment, 0x64); /* CS does not count there */
    assert_int_equal(must("642e8b00", X86_32).segment, 0x2e);
    assert_true(must("f00fb10f", X86_64).lock);
    assert_int_equal(must("4866b80102", X86_64).rex, 0);
    assert_int_equal(must("90", X86_16).operand_size, 2);
    assert_int_equal(must("6690", X86_16).operand_size, 4);
    assert_int_equal(must("6690", X86_32).operand_size, 2);
    assert_int_equal(must("90", X86_64).operand_size, 4);
    assert_int_equal(must("6790", X86_16).address_size, 4);
    assert_int_equal(must("6790", X86_32).address_size, 2);
}

static void test_near_branch_with_66_is_marked(void **state)
{
    (void)state;
    assert_true(must("66e80102", X86_64).near16);
    assert_true(must("660f840102", X86_64).near16);
    assert_false(must("e801020304", X86_64).near16);
    assert_false(must("6648e801020304", X86_64).near16);
    assert_false(must("66e80102", X86_32).near16);
    assert_false(must("66680102", X86_64).near16);
}

static void test_modrm_and_sib(void **state)
{
    struct x86_insn insn = must("4f8b548d80", X86_64); /* mov -0x80(%r13,%r9,4),%r10 */

    (void)state;
    assert_true(insn.has_modrm && insn.has_sib);
    assert_int_equal(insn.mod, 1);
    assert_int_equal(insn.reg, 10);
    assert_int_equal(insn.base, 13);
    assert_int_equal(insn.index, 9);
    assert_int_equal(insn.scale, 4);
    assert_int_equal(insn.disp_size, 1);
    assert_int_equal(insn.disp, -0x80);

    insn = must("8b05fcffffff", X86_64);
    assert_true(insn.rip_relative);
    assert_int_equal(insn.disp, -4);
    assert_false(must("8b05fcffffff", X86_32).rip_relative);
    assert_false(must("8b042501020304", X86_64).rip_relative);

    insn = must("410f22c0", X86_64); /* mov %r8,%cr0 */
    assert_int_equal(insn.mod, 3);
    assert_int_equal(insn.reg, 0);
    assert_int_equal(insn.rm, 8);
    insn = must("0f2005", X86_64);
    assert_int_equal(insn.mod, 3);
    assert_int_equal(insn.rm, 5);

    insn = must("6201fc4828c1", X86_64); /* vmovapd-like: R, X, B, R' all set */
    assert_int_equal(insn.encoding, X86_EVEX);
    assert_int_equal(insn.reg, 24);
    assert_int_equal(insn.rm, 25);
    assert_int_equal(must("62f1fc4828c1", X86_64).rm, 1);
    assert_int_equal(must("c4417a6f4710", X86_64).rm, 15);
    assert_int_equal(must("c4c17a6f4710", X86_32).rm, 7); /* B is ignored there */
}

static void test_maps(void **state)
{
    struct x86_insn insn = must("0f0fc19e", X86_64);

    (void)state;
    assert_int_equal(insn.map, X86_MAP_0F);
    assert_int_equal(insn.opcode, 0x0f);
    assert_int_equal(insn.imm, 0x9e);
    insn = must("660f3a0fc108", X86_64);
    assert_int_equal(insn.map, X86_MAP_0F3A);
    assert_int_equal(insn.opcode, 0x0f);
    assert_int_equal(insn.encoding, X86_LEGACY);
    insn = must("8fea7810c101020304", X86_64);
    assert_int_equal(insn.encoding, X86_XOP);
    assert_int_equal(insn.map, X86_MAP_XOPA);
    assert_int_equal(insn.imm, 0x04030201);
    assert_int_equal(must("c4e3fbf0c108", X86_64).map, X86_MAP_0F3A);
    assert_int_equal(must("c4e3fbf0c108", X86_64).operand_size, 8);
    assert_int_equal(must("c500", X86_32).encoding, X86_LEGACY);
    assert_int_equal(must("c5f877", X86_32).encoding, X86_VEX);
}

static void test_immediates(void **state)
{
    struct x86_insn insn = must("48b80102030405060788", X86_64);

    (void)state;
    assert_int_equal(insn.imm_size, 8);
    assert_true(insn.imm == 0x8807060504030201ULL);
    assert_true(x86_insn_imm_signed(&insn) == (int64_t)0x8807060504030201ULL);
    insn = must("ebfe", X86_64);
    assert_true(insn.imm == 0xfe);
    assert_int_equal(x86_insn_imm_signed(&insn), -2);
    insn = must("66e8fcff", X86_32);
    assert_int_equal(x86_insn_imm_signed(&insn), -4);
    insn = must("e8fcffffff", X86_32);
    assert_int_equal(x86_insn_imm_signed(&insn), -4);
    insn = must("c8341205", X86_64);
    assert_int_equal(insn.imm_size, 3);
    assert_int_equal(insn.imm, 0x051234);
    insn = must("ea007c0010", X86_16);
    assert_int_equal(insn.imm_size, 4);
    assert_int_equal(insn.imm, 0x10007c00);
    insn = must("a1f0ffffffffffffff", X86_64);
    assert_int_equal(insn.disp_size, 8);
    assert_int_equal(insn.disp, -16);
    assert_int_equal(insn.imm_size, 0);
    insn = must("660f78c00108", X86_64);
    assert_int_equal(insn.imm_size, 2);
    assert_int_equal(insn.imm, 0x0801);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_length_of_hard_cases_and_every_cut),
        cmocka_unit_test(test_refuses_what_the_processor_refuses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_near_branch_with_66_is_marked),
        cmocka_unit_test(test_modrm_and_sib),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_immediates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
