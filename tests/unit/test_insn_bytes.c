/* core/insn_bytes.c: what an instruction is about to store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/insn_bytes.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"

struct store {
    const char *bytes;
    unsigned length, bits, size; /* size 0: it is no such instruction */
    uint64_t value;
};

static const struct store stores[] = {
    {"\x89\x10", 2, 64, 4, 0x33332222},                         /* mov [rax], edx */
    {"\x48\x89\x10", 3, 64, 8, 0x5555444433332222},             /* mov [rax], rdx */
    {"\x66\x89\x10", 3, 64, 2, 0x2222},                         /* mov [rax], dx */
    {"\x88\x10", 2, 64, 1, 0x22},                               /* mov [rax], dl */
    {"\x88\x20", 2, 64, 1, 0x77},                               /* mov [rax], ah */
    {"\x40\x88\x20", 3, 64, 1, 0x00},                           /* mov [rax], spl */
    {"\x88\x20", 2, 32, 1, 0x77},                               /* mov [eax], ah */
    {"\x44\x89\x08", 3, 64, 4, 0xcafef00d},                     /* mov [rax], r9d */
    {"\x87\x10", 2, 64, 4, 0x33332222},                         /* xchg [rax], edx */
    {"\x86\x30", 2, 64, 1, 0x22},                               /* xchg [rax], dh */
    {"\xa3\x00\x03\xe0\xfe", 5, 32, 4, 0x99997788},             /* mov [0xfee00300], eax */
    {"\xa2\x00\x03\xe0\xfe", 5, 32, 1, 0x88},                   /* mov [0xfee00300], al */
    {"\xc6\x00\x0f", 3, 64, 1, 0x0f},                           /* mov byte [rax], 15 */
    {"\xc7\x00\x00\x45\x0c\x80", 6, 64, 4, 0x800c4500},         /* mov dword [rax], ... */
    {"\x48\xc7\x00\x00\x45\x0c\x80", 7, 64, 8, -0x7ff3bb00ULL}, /* mov qword [rax], ... */
    {"\x89\xd0", 2, 64, 0, 0},                                  /* mov eax, edx */
    {"\x8b\x10", 2, 64, 0, 0},                                  /* mov edx, [rax] */
    {"\x09\x10", 2, 64, 0, 0},                                  /* or [rax], edx */
    {"\xab", 1, 64, 0, 0},                                      /* stosd */
    {"\x0f\x29\x00", 3, 64, 0, 0},                              /* movaps [rax], xmm0 */
    {"\xff\x30", 2, 64, 0, 0},                                  /* push [rax] */
};

static void test_stores(void **state)
{
    struct vcpu *v = model_backend_reset();

    (void)state;
    v->regs.gpr[GPR_RAX] = 0x1111000099997788;
    v->regs.gpr[GPR_RDX] = 0x5555444433332222;
    v->regs.gpr[GPR_RSP] = 0x8000;
    v->regs.gpr[GPR_R9] = 0xcafef00d;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(stores); i++) {
        const struct store *s = &stores[i];
        struct x86_insn insn;
        uint64_t value = 0;
        unsigned size = 0;

        model_code_bits(v, s->bits);
        memcpy(model_memory(v->regs.rip), s->bytes, s->length);
        assert_int_equal(insn_at_rip(v, &insn), HV_OK);
        assert_int_equal(insn.length, s->length);
        if (insn_stores(v, &insn, &value, &size) != (s->size != 0) || size != s->size ||
            value != s->value)
            fail_msg("row %u: %u bytes %llx", i, size, (unsigned long long)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stores)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
