/*
 * gdbstub/agent.c: a million random expressions are compared with another implementation, written
 * from a table of what each bytecode takes, with wide arithmetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gdbstub/agent.h"
#include "tests/unit/agent_machine.h"

static const struct agent_machine bare = {.reg = read_register, .read = read_memory};

typedef __int128 wide;

static wide as_signed(uint64_t value)
{
    return (int64_t)value;
}

/* What an operation takes off the stack, -1: not known; its operand's bytes. */
static const struct shape {
    int takes, operand;
} shapes[0x36] = {
    [0x00] = {-1, 0}, [0x01] = {-1, 0}, [0x02] = {2, 0},  [0x03] = {2, 0},  [0x04] = {2, 0},
    [0x05] = {2, 0},  [0x06] = {2, 0},  [0x07] = {2, 0},  [0x08] = {2, 0},  [0x09] = {2, 0},
    [0x0a] = {2, 0},  [0x0b] = {2, 0},  [0x0c] = {-1, 0}, [0x0d] = {-1, 0}, [0x0e] = {1, 0},
    [0x0f] = {2, 0},  [0x10] = {2, 0},  [0x11] = {2, 0},  [0x12] = {1, 0},  [0x13] = {2, 0},
    [0x14] = {2, 0},  [0x15] = {2, 0},  [0x16] = {1, 1},  [0x17] = {1, 0},  [0x18] = {1, 0},
    [0x19] = {1, 0},  [0x1a] = {1, 0},  [0x1b] = {-1, 0}, [0x1c] = {-1, 0}, [0x1d] = {-1, 0},
    [0x1e] = {-1, 0}, [0x1f] = {-1, 0}, [0x20] = {1, 2},  [0x21] = {0, 2},  [0x22] = {0, 1},
    [0x23] = {0, 2},  [0x24] = {0, 4},  [0x25] = {0, 8},  [0x26] = {0, 2},  [0x27] = {1, 0},
    [0x28] = {1, 0},  [0x29] = {1, 0},  [0x2a] = {1, 1},  [0x2b] = {2, 0},  [0x2c] = {-1, 0},
    [0x2d] = {-1, 0}, [0x2e] = {-1, 0}, [0x2f] = {-1, 0}, [0x30] = {-1, 0}, [0x31] = {-1, 0},
    [0x32] = {0, 1},  [0x33] = {3, 0},  [0x34] = {-1, 0}, [0x35] = {-1, 0},
};

/* a: the top; b: below it; arg: the operand. False: no arithmetic. */
static bool other_arithmetic(unsigned op, uint64_t a, uint64_t b, wide *v)
{
    const unsigned __int128 ua = a, ub = b;
    const wide values[] = {
        [0x02] = (wide)(ub + ua),
        [0x03] = (wide)(ub - ua),
        [0x04] = (wide)(ub * ua),
        [0x05] = a ? as_signed(b) / as_signed(a) : 0,
        [0x06] = a ? (wide)(ub / ua) : 0,
        [0x07] = a ? as_signed(b) % as_signed(a) : 0,
        [0x08] = a ? (wide)(ub % ua) : 0,
        [0x09] = a > 63 ? 0 : (wide)(ub << a),
        [0x0a] = as_signed(b) >> (a > 100 ? 100 : a),
        [0x0b] = (wide)(ub >> (a > 100 ? 100 : a)),
        [0x0e] = !a,
        [0x0f] = (wide)(ub & ua),
        [0x10] = (wide)(ub | ua),
        [0x11] = (wide)(ub ^ ua),
        [0x12] = (wide)~ua,
        [0x13] = a == b,
        [0x14] = as_signed(b) < as_signed(a),
        [0x15] = b < a,
    };

    if (op < 0x02 || op > 0x15 || op == 0x0c || op == 0x0d)
        return false;
    *v = values[op];
    return true;
}

static bool other_value(unsigned op, uint64_t arg, uint64_t a, uint64_t b, uint64_t *value)
{
    wide v;

    if (op == 0x16 || op == 0x2a) {
        const wide one = 1;

        v = arg < 64 ? (wide)(a % (uint64_t)(one << arg)) : (wide)a;
        if (op == 0x16 && arg > 0 && arg < 64 && v >= one << (arg - 1))
            v -= one << arg;
    } else if (!other_arithmetic(op, a, b, &v)) {
        return false;
    }
    *value = (uint64_t)v;
    return true;
}

/* The same question: AGENT_DONE and a value, or that it cannot be answered (any other result). */
static bool other_run(const uint8_t *code, size_t size, uint64_t *value)
{
    uint64_t stack[AGENT_STACK + 8];
    size_t pc = 0, depth = 0;

    for (unsigned steps = 0; steps < AGENT_STEPS && pc < size; steps++) {
        unsigned op = code[pc++];
        uint64_t arg = 0, a, b;

        if (op > 0x34 || shapes[op].takes < 0 || size - pc < (size_t)shapes[op].operand ||
            depth < (size_t)shapes[op].takes)
            return false;
        for (int i = 0; i < shapes[op].operand; i++)
            arg = arg * 256 + code[pc++];
        a = depth > 0 ? stack[depth - 1] : 0;
        b = depth > 1 ? stack[depth - 2] : 0;
        depth -= (size_t)shapes[op].takes;
        if (op >= 0x05 && op <= 0x08 && a == 0)
            return false;
        if (other_value(op, arg, a, b, &stack[depth])) {
            depth++;
        } else if (op >= 0x17 && op <= 0x1a) {
            uint64_t bytes = 1u << (op - 0x17);

            if (a < MEMORY_AT || a > MEMORY_AT + sizeof(memory) - bytes)
                return false;
            stack[depth] = 0;
            for (uint64_t i = bytes; i-- > 0;)
                stack[depth] = stack[depth] << 8 | memory[a - MEMORY_AT + i];
            depth++;
        } else if (op == 0x20 || op == 0x21) {
            if (op == 0x21 || a != 0) {
                if (arg >= size)
                    return false;
                pc = arg;
            }
        } else if (op >= 0x22 && op <= 0x25) {
            stack[depth++] = arg;
        } else if (op == 0x26) {
            if (arg >= 16)
                return false;
            stack[depth++] = 0x1111111111111111ULL * arg;
        } else if (op == 0x27) {
            *value = a;
            return true;
        } else if (op == 0x28) {
            stack[depth] = stack[depth + 1] = a;
            depth += 2;
        } else if (op == 0x2b) {
            stack[depth] = a;
            stack[depth + 1] = b;
            depth += 2;
        } else if (op == 0x32) {
            if (arg >= depth)
                return false;
            stack[depth] = stack[depth - 1 - arg];
            depth++;
        } else if (op == 0x33) {
            uint64_t bottom = stack[depth];

            stack[depth] = a;
            stack[depth + 1] = bottom;
            stack[depth + 2] = b;
            depth += 3;
        }
        if (depth > AGENT_STACK)
            return false;
    }
    return false;
}

static uint32_t random_state = 1;

static uint32_t random_number(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % below;
}

/* Mostly constants, then what uses them, so that many expressions come to an end. */
static size_t random_code(uint8_t *code, size_t room)
{
    static const uint8_t constants[] = {0x22, 0x22, 0x23, 0x24, 0x25, 0x26};
    static const uint8_t uses[] = {0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0e,
                                   0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x2a, 0x28, 0x29,
                                   0x2b, 0x33, 0x32, 0x17, 0x18, 0x19, 0x1a, 0x20, 0x21};
    size_t size = 0, count = 3 + random_number(20);

    for (size_t i = 0; i < count && size + 12 < room; i++) {
        unsigned op = i < 3 || random_number(2) ? constants[random_number(sizeof(constants))]
                                                : uses[random_number(sizeof(uses))];

        if (random_number(200) == 0)
            op = random_number(256);
        code[size++] = (uint8_t)op;
        for (int n = op < 0x35 ? shapes[op].operand : 0; n > 0; n--)
            code[size++] = (uint8_t)(random_number(3) ? random_number(70) : random_number(256));
        if (op == 0x20 || op == 0x21 || op == 0x26)
            code[size - 2] = 0;
        if (op == 0x26)
            code[size - 1] %= 17;
    }
    code[size++] = 0x27;
    return size;
}

static void test_against_another_implementation(void **state)
{
    unsigned done = 0;

    (void)state;
    for (unsigned i = 0; i < 1000000; i++) {
        uint8_t code[128];
        size_t size = random_code(code, sizeof(code));
        uint64_t mine = 0, others = 0;
        bool good = other_run(code, size, &others);
        enum agent_result result = agent_run(&bare, THREAD, code, size, &mine);

        if (good != (result == AGENT_DONE) || (good && mine != others)) {
            for (size_t n = 0; n < size; n++)
                fprintf(stderr, "%02x ", code[n]);
            fail_msg("result %d, %llx; the other: %d, %llx", result, (unsigned long long)mine, good,
                     (unsigned long long)others);
        }
        done += good;
    }
    assert_true(done > 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_another_implementation),
    };

    for (unsigned i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)(0x80 + i);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
