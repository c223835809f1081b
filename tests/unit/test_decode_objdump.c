/* arch/x86/decode.c against objdump: a whole library, and every opcode in every mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arch/x86/decode.h"
#include "hv/compiler.h"

struct bytes {
    uint8_t at[16];
    size_t count;
};

static bool have_objdump(void)
{
    return system("objdump --version >/dev/null 2>&1") == 0;
}

/*
 * One line of objdump -d: "  address:\tbytes\tinstruction". False: another kind of line. The
 * bytes are those of one instruction as objdump sees it, and so *at->count the right length.
 */
static bool parse_line(char *line, unsigned long *address, struct bytes *at, const char **text)
{
    char *first = strchr(line, '\t'), *second = first ? strchr(first + 1, '\t') : NULL;
    char *p = first;
    unsigned byte;
    int used;

    if (!second || sscanf(line, " %lx:", address) != 1)
        return false;
    at->count = 0;
    *second = 0;
    while (sscanf(p, "%2x%n", &byte, &used) == 1) {
        if (at->count == sizeof(at->at))
            return false;
        at->at[at->count++] = (uint8_t)byte;
        p += used;
    }
    *text = second + 1;
    return at->count != 0;
}

static bool is_prefix(uint8_t byte, enum x86_bits bits)
{
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
           (byte >= 0x64 && byte <= 0x67) || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 ||
           (bits == X86_64 && (byte & 0xf0) == 0x40);
}

/*
 * Where objdump means something else than one instruction: undefined ones, prefixes that it cannot
 * fit in and tells alone, FWAIT told as a part of the x87 instruction behind it, and MOV with the
 * 386's test registers.
 */
static bool out_of_scope(const struct bytes *at, const char *text, enum x86_bits bits)
{
    size_t i = 0;

    while (i < at->count && is_prefix(at->at[i], bits))
        i++;
    return i == at->count || at->at[i] == 0x9b || strstr(text, "(bad)") || strstr(text, "%tr");
}

static bool agrees(const struct bytes *at, enum x86_bits bits)
{
    struct x86_insn insn;

    return x86_decode(at->at, at->count, bits, &insn) == HV_OK && insn.length == at->count &&
           x86_decode(at->at, at->count - 1, bits, &insn) == HV_EFAULT;
}

/* Compares every instruction at a multiple of step; returns how many were. */
static unsigned long compare(const char *command, enum x86_bits bits, unsigned long step)
{
    FILE *objdump = popen(command, "r");
    unsigned long compared = 0, address;
    char line[512];

    assert_non_null(objdump);
    while (fgets(line, sizeof(line), objdump)) {
        struct bytes at;
        const char *text;

        if (!parse_line(line, &address, &at, &text) || address % step != 0 ||
            out_of_scope(&at, text, bits))
            continue;
        if (!agrees(&at, bits))
            fail_msg("%d-bit, objdump has %s: %s", 16 << bits, line, text);
        compared++;
    }
    assert_int_equal(pclose(objdump), 0);
    return compared;
}

static void test_agrees_with_objdump_on_real_programs(void **state)
{
    static const char *const files[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6",
                                        "/bin/bash"};
    unsigned long compared = 0;

    (void)state;
    if (!have_objdump())
        skip();
    for (size_t i = 0; i < HV_ARRAY_SIZE(files); i++) {
        char command[160];

        if (access(files[i], R_OK) != 0)
            continue;
        snprintf(command, sizeof(command), "objdump -d -w --insn-width=16 %s", files[i]);
        compared += compare(command, X86_64, 1);
        break; /* one is enough for a quick run, libc is the more colourful */
    }
    assert_true(compared > 100000);
}

enum { SLOT = 32 }; /* bytes each made-up instruction gets, filled with NOPs */

static void put_slot(FILE *file, int prefix, unsigned map, unsigned opcode, unsigned modrm)
{
    uint8_t slot[SLOT];
    size_t n = 0;

    memset(slot, 0x90, sizeof(slot));
    if (prefix)
        slot[n++] = (uint8_t)prefix;
    if (map)
        slot[n++] = 0x0f;
    if (map > 1)
        slot[n++] = (uint8_t)map;
    slot[n++] = (uint8_t)opcode;
    slot[n++] = (uint8_t)modrm;
    assert_int_equal(fwrite(slot, 1, sizeof(slot), file), sizeof(slot));
}

/* Every opcode of four maps with some prefixes and ModRM bytes. */
static void write_slots(FILE *file, enum x86_bits bits)
{
    static const uint8_t prefixes[] = {0, 0x66, 0x67, 0x48};
    static const uint8_t modrms[] = {0x06, 0x44, 0x85, 0xc8};
    static const uint8_t maps[] = {0, 1, 0x38, 0x3a};

    for (size_t p = 0; p < HV_ARRAY_SIZE(prefixes); p++) {
        if (prefixes[p] == 0x48 && bits != X86_64)
            continue;
        for (size_t map = 0; map < HV_ARRAY_SIZE(maps); map++) {
            for (unsigned opcode = 0; opcode < 256; opcode++) {
                if (map == 0 && (opcode == 0x0f || is_prefix((uint8_t)opcode, bits)))
                    continue;
                for (size_t m = 0; m < (map < 2 ? HV_ARRAY_SIZE(modrms) : 1); m++)
                    put_slot(file, prefixes[p], maps[map], opcode, modrms[m]);
            }
        }
    }
}

static void against_slots(enum x86_bits bits, const char *machine, unsigned long least)
{
    char name[] = "/tmp/decode-XXXXXX", command[160];
    int fd;
    FILE *file;
    unsigned long compared;

    if (!have_objdump())
        skip();
    fd = mkstemp(name);
    assert_true(fd >= 0);
    file = fdopen(fd, "wb");
    assert_non_null(file);
    write_slots(file, bits);
    fclose(file);
    snprintf(command, sizeof(command), "objdump -D -w --insn-width=16 -b binary %s %s", machine,
             name);
    compared = compare(command, bits, SLOT);
    unlink(name);
    assert_true(compared > least);
}

static void test_agrees_with_objdump_on_every_opcode_16(void **state)
{
    (void)state;
    against_slots(X86_16, "-m i8086", 5000);
}

static void test_agrees_with_objdump_on_every_opcode_32(void **state)
{
    (void)state;
    against_slots(X86_32, "-m i386", 5000);
}

static void test_agrees_with_objdump_on_every_opcode_64(void **state)
{
    (void)state;
    against_slots(X86_64, "-m i386 -M x86-64", 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_objdump_on_real_programs),
        cmocka_unit_test(test_agrees_with_objdump_on_every_opcode_16),
        cmocka_unit_test(test_agrees_with_objdump_on_every_opcode_32),
        cmocka_unit_test(test_agrees_with_objdump_on_every_opcode_64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
