/*
 * gdbstub/agent.c, agent_print.c: agent expressions, case by case. test_agent_random.c compares
 * with another implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gdbstub/agent.h"
#include "tests/unit/agent_machine.h"

static uint64_t variables[4];
static char text[8192];
static size_t text_size;
static uint64_t collected[64][2];
static unsigned collected_count, collected_variable;

static bool get_variable(unsigned thread, unsigned number, uint64_t *value)
{
    (void)thread;
    if (number < 4)
        *value = variables[number];
    return number < 4;
}

static bool set_variable(unsigned thread, unsigned number, uint64_t value)
{
    (void)thread;
    if (number < 4)
        variables[number] = value;
    return number < 4;
}

static bool collect(unsigned thread, gva_t address, size_t size)
{
    (void)thread;
    if (collected_count == 64)
        return false;
    collected[collected_count][0] = address;
    collected[collected_count++][1] = size;
    return true;
}

static bool collect_variable(unsigned thread, unsigned number)
{
    (void)thread;
    collected_variable = number;
    return number < 4;
}

static void print(unsigned thread, const char *bytes, size_t size)
{
    assert_int_equal(thread, THREAD);
    assert_true(size > 0 && text_size + size < sizeof(text));
    memcpy(text + text_size, bytes, size);
    text[text_size += size] = 0;
}

static const struct agent_machine everything = {
    read_register, read_memory, get_variable, set_variable, collect, collect_variable, print};
static const struct agent_machine bare = {.reg = read_register, .read = read_memory};

static int reset(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)(0x80 + i);
    for (unsigned i = 0; i < 4; i++)
        variables[i] = 100 * i;
    text_size = collected_count = collected_variable = 0;
    text[0] = 0;
    return 0;
}

/* The value of an expression in hexadecimal; how it ended in *result. */
static uint64_t eval(const struct agent_machine *machine, const char *hex,
                     enum agent_result *result)
{
    uint8_t code[256];
    size_t size = 0;
    uint64_t value = 0xdead;
    unsigned byte;
    int used;

    while (sscanf(hex, "%2x%n", &byte, &used) == 1) {
        code[size++] = (uint8_t)byte;
        hex += used;
    }
    *result = agent_run(machine, THREAD, code, size, &value);
    return value;
}

static void test_values(void **state)
{
    static const struct {
        const char *code;
        uint64_t value;
    } rows[] = {
        {"22 05 27", 5},
        {"22 ff 27", 0xff},
        {"23 1234 27", 0x1234},
        {"24 89abcdef 27", 0x89abcdef},
        {"25 0123456789abcdef 27", 0x0123456789abcdef},
        {"22 ff 16 08 27", UINT64_MAX},
        {"22 7f 16 08 27", 0x7f},
        {"25 8000000000000000 16 40 27", 1ULL << 63},
        {"22 ff 16 00 27", 0},
        {"23 1234 2a 08 27", 0x34},
        {"23 1234 2a 40 27", 0x1234},
        {"23 1234 2a ff 27", 0x1234},
        {"22 07 22 09 02 27", 16},
        {"22 07 22 09 03 27", (uint64_t)-2},
        {"22 07 22 09 04 27", 63},
        {"22 f9 16 08 22 02 05 27", (uint64_t)-3}, /* -7 / 2 */
        {"22 f9 16 08 22 02 07 27", (uint64_t)-1},
        {"22 07 22 02 06 27", 3},
        {"22 07 22 02 08 27", 1},
        {"25 8000000000000000 22 ff 16 08 05 27", 1ULL << 63}, /* wraps */
        {"25 8000000000000000 22 ff 16 08 07 27", 0},
        {"22 01 22 3f 09 27", 1ULL << 63},
        {"22 01 22 40 09 27", 0},
        {"25 8000000000000000 22 3f 0a 27", UINT64_MAX},
        {"25 8000000000000000 22 40 0a 27", UINT64_MAX},
        {"25 8000000000000000 22 3f 0b 27", 1},
        {"25 8000000000000000 22 ff 0b 27", 0},
        {"22 00 0e 27", 1},
        {"22 02 0e 27", 0},
        {"22 0c 22 0a 0f 27", 8},
        {"22 0c 22 0a 10 27", 14},
        {"22 0c 22 0a 11 27", 6},
        {"22 00 12 27", UINT64_MAX},
        {"22 05 22 05 13 27", 1},
        {"22 ff 16 08 22 01 14 27", 1}, /* -1 < 1 */
        {"22 ff 16 08 22 01 15 27", 0},
        {"23 1001 17 27", 0x81},
        {"23 1001 18 27", 0x8281},
        {"23 1001 19 27", 0x84838281},
        {"23 1038 1a 27", 0xbfbebdbcbbbab9b8},
        {"26 0002 27", 0x2222222222222222},
        {"22 01 20 0008 22 05 27 22 06 27", 6}, /* if_goto */
        {"22 00 20 0008 22 05 27 22 06 27", 5},
        {"21 0005 22 05 22 06 27", 6},
        {"22 05 28 02 27", 10},
        {"22 05 22 06 29 27", 5},
        {"22 09 22 02 2b 03 27", (uint64_t)-7}, /* swap */
        {"22 05 22 06 22 07 32 02 27", 5},
        {"22 05 22 06 22 07 33 27", 6}, /* rot: c a b */
        {"22 05 22 06 22 07 33 29 27", 5},
        {"22 05 22 06 22 07 33 29 29 27", 7},
        {"2c 0002 27", 200},
        {"22 09 2d 0001 2c 0001 02 27", 18},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum agent_result result;
        uint64_t value = eval(&everything, rows[i].code, &result);

        if (result != AGENT_DONE || value != rows[i].value)
            fail_msg("%s: %d, %llx", rows[i].code, result, (unsigned long long)value);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *code;
        enum agent_result result;
    } rows[] = {
        {"", AGENT_BAD_END},
        {"27", AGENT_UNDERFLOW}, /* no value */
        {"22", AGENT_BAD_END},
        {"22 05", AGENT_BAD_END},
        {"25 01020304050607", AGENT_BAD_END},
        {"26 00", AGENT_BAD_END},
        {"22 01 16", AGENT_BAD_END},
        {"21 0004 27", AGENT_BAD_END},
        {"21 ffff 27", AGENT_BAD_END},
        {"22 01 20 0006 27", AGENT_BAD_END},
        {"00 27", AGENT_BAD_OPCODE},
        {"01 27", AGENT_BAD_OPCODE},
        {"23 1000 1b 27", AGENT_BAD_OPCODE}, /* ref_float */
        {"22 01 1e 27", AGENT_BAD_OPCODE},
        {"31 27", AGENT_BAD_OPCODE},
        {"35 27", AGENT_BAD_OPCODE},
        {"ff 27", AGENT_BAD_OPCODE},
        {"02 27", AGENT_UNDERFLOW},
        {"22 01 02 27", AGENT_UNDERFLOW},
        {"28 27", AGENT_UNDERFLOW},
        {"29 27", AGENT_UNDERFLOW},
        {"22 01 2b 27", AGENT_UNDERFLOW},
        {"22 01 22 02 33 27", AGENT_UNDERFLOW},
        {"22 01 32 01 27", AGENT_UNDERFLOW},
        {"20 0000", AGENT_UNDERFLOW},
        {"0e 27", AGENT_UNDERFLOW},
        {"22 01 28 21 0002", AGENT_OVERFLOW},
        {"21 0000", AGENT_TOO_LONG},
        {"22 01 22 00 05 27", AGENT_DIVISION},
        {"22 01 22 00 06 27", AGENT_DIVISION},
        {"22 01 22 00 07 27", AGENT_DIVISION},
        {"22 01 22 00 08 27", AGENT_DIVISION},
        {"22 00 17 27", AGENT_MEMORY},
        {"23 1040 17 27", AGENT_MEMORY},
        {"23 1039 1a 27", AGENT_MEMORY}, /* the last byte of it is not there */
        {"26 0010 27", AGENT_REGISTER},
        {"2c 0004 27", AGENT_VARIABLE},
        {"22 00 2d 0004 27", AGENT_VARIABLE},
        {"2d 0000 27", AGENT_UNDERFLOW},
        {"2e 0004 27", AGENT_COLLECTS},
        {"22 00 24 00100001 0c 27", AGENT_COLLECTS},
        {"34 00 0000 27", AGENT_UNDERFLOW},
        {"22 00 22 00 34 00 0001 41 27", AGENT_FORMAT},
        {"22 00 22 00 34 00 0000 27", AGENT_FORMAT},
        {"22 00 22 00 34 00 0002 41 27", AGENT_FORMAT},
        {"22 00 22 00 34 00 0009 41 27", AGENT_BAD_END},
        {"22 00 22 00 34 00 0003 25 64 00 27", AGENT_FORMAT}, /* %d of nothing */
        {"22 00 22 00 34 00 0003 25 66 00 27", AGENT_FORMAT}, /* %f */
        {"22 00 22 00 34 00 0002 25 00 27", AGENT_FORMAT},
        {"22 00 22 00 34 01 0001 00 27", AGENT_UNDERFLOW},
        {"22 00 22 00 34 ff 0001 00 27", AGENT_UNDERFLOW},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum agent_result result;

        eval(&everything, rows[i].code, &result);
        if (result != rows[i].result)
            fail_msg("%s: %d, not %d", rows[i].code, result, rows[i].result);
    }
}

static void test_optional_members(void **state)
{
    static const struct {
        const char *code;
        enum agent_result result;
    } rows[] = {
        {"2c 0000 27", AGENT_VARIABLE},       {"22 00 2d 0000 27", AGENT_VARIABLE},
        {"2e 0000 22 00 27", AGENT_COLLECTS}, {"23 1000 22 01 0c 22 01 27", AGENT_COLLECTS},
        {"23 1000 0d 01 27", AGENT_COLLECTS}, {"22 00 22 00 34 00 0001 00 27", AGENT_PRINTS},
    };
    enum agent_result result;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        eval(&bare, rows[i].code, &result);
        assert_int_equal(result, rows[i].result);
    }
}

static void test_stack_and_steps_to_the_last(void **state)
{
    uint8_t code[2 * AGENT_STACK + 3];
    uint8_t loop[] = {0x22, 1, 0x29, 0x26, 0, 1, 0x29, 0x21, 0, 0}; /* 5 bytecodes a round */
    uint64_t value;

    (void)state;
    for (unsigned i = 0; i < AGENT_STACK + 1; i++) {
        code[2 * i] = 0x22;
        code[2 * i + 1] = (uint8_t)i;
    }
    code[2 * AGENT_STACK] = 0x27;
    assert_int_equal(agent_run(&bare, THREAD, code, sizeof(code), &value), AGENT_DONE);
    assert_int_equal(value, AGENT_STACK - 1);
    code[2 * AGENT_STACK] = 0x22;
    assert_int_equal(agent_run(&bare, THREAD, code, sizeof(code), &value), AGENT_OVERFLOW);
    assert_int_equal(agent_run(&bare, THREAD, loop, sizeof(loop), NULL), AGENT_TOO_LONG);
    /* Without a wish for a value none is needed. */
    assert_int_equal(agent_run(&bare, THREAD, (const uint8_t *)"\x27", 1, NULL), AGENT_DONE);
}

static void test_collecting(void **state)
{
    enum agent_result result;

    (void)state;
    /* trace; trace_quick and trace16 leave the address. */
    assert_int_equal(eval(&everything, "22 55 23 1000 22 08 0c 27", &result), 0x55);
    assert_int_equal(eval(&everything, "23 1004 0d 02 27", &result), 0x1004);
    assert_int_equal(eval(&everything, "23 1008 30 0102 27", &result), 0x1008);
    assert_int_equal(result, AGENT_DONE);
    assert_int_equal(collected_count, 3);
    assert_memory_equal(collected[0], ((uint64_t[]){0x1000, 8}), 16);
    assert_memory_equal(collected[1], ((uint64_t[]){0x1004, 2}), 16);
    assert_memory_equal(collected[2], ((uint64_t[]){0x1008, 0x102}), 16);
    /* A string up to its end, the most, or the end of memory. */
    memory[5] = 0;
    eval(&everything, "22 00 23 1002 22 40 2f 27", &result);
    assert_memory_equal(collected[3], ((uint64_t[]){0x1002, 4}), 16);
    eval(&everything, "22 00 23 1002 22 03 2f 27", &result);
    assert_memory_equal(collected[4], ((uint64_t[]){0x1002, 3}), 16);
    eval(&everything, "22 00 23 103e 22 40 2f 27", &result);
    assert_memory_equal(collected[5], ((uint64_t[]){0x103e, 2}), 16);
    eval(&everything, "22 00 2e 0003 27", &result);
    assert_int_equal(collected_variable, 3);
    collected_count = 64;
    eval(&everything, "22 00 23 1000 22 08 0c 27", &result);
    assert_int_equal(result, AGENT_COLLECTS);
}

static void check_print(const char *format, const char *expected, unsigned count, ...)
{
    uint64_t args[8];
    va_list list;

    va_start(list, count);
    for (unsigned i = 0; i < count; i++)
        args[i] = va_arg(list, uint64_t);
    va_end(list);
    text_size = 0;
    text[0] = 0;
    assert_true(agent_print(&everything, THREAD, format, args, count));
    if (expected != NULL)
        assert_string_equal(text, expected);
}

static void test_printing(void **state)
{
    uint64_t minus = (uint64_t)-5;

    (void)state;
    strcpy((char *)memory, "guest");
    check_print("", "", 0);
    check_print("plain", "plain", 0);
    check_print("\\t%d\\n", "\t-5\n", 1, minus);
    check_print("a\\\\b\\\"c\\101\\q\\e", "a\\b\"cAq\033", 0);
    check_print("trailing\\", "trailing\\", 0);
    check_print("%u %x %X", "4294967291 fffffffb FFFFFFFB", 3, minus, minus, minus);
    check_print("%lu %llx %zX", "18446744073709551611 fffffffffffffffb FFFFFFFFFFFFFFFB", 3, minus,
                minus, minus);
    check_print("%hhd %hx", "-5 fffb", 2, minus, minus);
    check_print("[%5d] [%-5d] [%05d] [%3c]", "[   42] [42   ] [00042] [  z]", 4, 42ULL, 42ULL,
                42ULL, (uint64_t)'z');
    check_print("[%20x]", "[                  2a]", 1, 42ULL);
    check_print("%p %%", "0x1000 %", 1, (uint64_t)MEMORY_AT);
    check_print("<%s> <%.2s> <%7s> <%-7s>", "<guest> <gu> <  guest> <guest  >", 4,
                (uint64_t)MEMORY_AT, (uint64_t)MEMORY_AT, (uint64_t)MEMORY_AT, (uint64_t)MEMORY_AT);
    check_print("<%s>", "<>", 1, 0ULL);
    check_print("%d", "1", 2, 1ULL, 2ULL); /* one too many */
    check_print("%-99999c", NULL, 1, (uint64_t)'!');
    assert_int_equal(text_size, 255);
}

/* As gdb makes it: arguments with the first one up, then channel and function. */
static void test_printf_bytecode(void **state)
{
    enum agent_result result;

    (void)state;
    eval(&everything, "22 07 22 05 22 00 22 00 34 02 0008 2564 2d 2575 5c 6e 00 27", &result);
    assert_int_equal(result, AGENT_UNDERFLOW); /* nothing is left: no value was wanted */
    assert_string_equal(text, "5-7\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_values, reset),
        cmocka_unit_test_setup(test_errors, reset),
        cmocka_unit_test_setup(test_optional_members, reset),
        cmocka_unit_test_setup(test_stack_and_steps_to_the_last, reset),
        cmocka_unit_test_setup(test_collecting, reset),
        cmocka_unit_test_setup(test_printing, reset),
        cmocka_unit_test_setup(test_printf_bytecode, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
