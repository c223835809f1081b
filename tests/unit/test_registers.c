/* debug/registers.c: the layout gdb is told, and the values behind it (USER-5, DR-6, GEN-4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "debug/registers.h"
#include "tests/model/backend.h"
#include "tests/unit/fake_fpu.h"

static struct vcpu *v;

static int setup(void **state)
{
    (void)state;
    if (v)
        registers_flush(v);
    memset(&fpu, 0, sizeof(fpu));
    fpu.avx = true;
    fpu.xcr0 = 7;
    registers_use_arch(REGISTERS_X86_64);
    v = model_backend_reset();
    v->valid = 0; /* everything has to be fetched */
    return 0;
}

/* The description, read back: names and sizes by number; a number that it leaves out has neither.
 */
static struct {
    char name[16], type[16], feature[40];
    unsigned bits;
} described[200];
static unsigned described_count; /* the last number + 1 */

static void attribute(const char *tag, const char *name, char *value, size_t size)
{
    char key[24];
    const char *end = strchr(tag, '>'), *at;

    snprintf(key, sizeof(key), " %s=\"", name);
    at = strstr(tag, key);
    *value = 0;
    if (!at || at > end)
        return;
    at += strlen(key);
    size_t length = strcspn(at, "\"");
    assert_true(length < size);
    memcpy(value, at, length);
    value[length] = 0;
}

/* Well-formed enough: every tag closes, quotes pair up, no stray '<' or '&'. */
static void check_well_formed(const char *xml)
{
    char stack[8][24];
    unsigned depth = 0;

    for (const char *p = xml; *p;) {
        if (*p != '<') {
            assert_true(*p != '>' && *p != '&');
            p++;
            continue;
        }
        const char *end = strchr(p, '>');
        unsigned quotes = 0;
        assert_non_null(end);
        for (const char *q = p + 1; q < end; q++) {
            quotes += *q == '"';
            assert_true(*q != '<' && *q != '&');
        }
        assert_int_equal(quotes % 2, 0);
        size_t length = strcspn(p + 1, " />");
        if (p[1] == '/') {
            assert_true(depth > 0);
            depth--;
            length = strlen(stack[depth]);
            assert_memory_equal(p + 2, stack[depth], length);
            assert_int_equal(p[2 + length], '>');
        } else if (end[-1] != '/') {
            assert_true(depth < 8 && length < sizeof(stack[0]));
            memcpy(stack[depth], p + 1, length);
            stack[depth++][length] = 0;
        }
        p = end + 1;
    }
    assert_int_equal(depth, 0);
}

static void read_description(void)
{
    char bits[8], number[8], feature[40] = "";

    described_count = 0;
    memset(described, 0, sizeof(described));
    for (const char *p = registers_description(); (p = strchr(p, '<')); p++) {
        if (!strncmp(p, "<feature ", 9))
            attribute(p, "name", feature, sizeof(feature));
        if (strncmp(p, "<reg ", 5) != 0)
            continue;
        attribute(p, "regnum", number, sizeof(number));
        if (*number) {
            assert_true((unsigned)atoi(number) > described_count);
            described_count = (unsigned)atoi(number);
        }
        assert_true(described_count < 200);
        attribute(p, "name", described[described_count].name, 16);
        attribute(p, "type", described[described_count].type, 16);
        attribute(p, "bitsize", bits, sizeof(bits));
        memcpy(described[described_count].feature, feature, sizeof(feature));
        described[described_count++].bits = (unsigned)atoi(bits);
    }
}

static unsigned number_of(const char *name)
{
    read_description();
    for (unsigned i = 0; i < described_count; i++) {
        if (!strcmp(described[i].name, name))
            return i;
    }
    fail_msg("no register %s", name);
    return 0;
}

static uint64_t get(const char *name)
{
    uint8_t bytes[64] = {0};
    uint64_t value;
    unsigned n = number_of(name);

    assert_true(registers_size(n) <= 8);
    assert_true(registers_read(v, n, bytes));
    memcpy(&value, bytes, 8);
    return value;
}

static enum hv_status set(const char *name, uint64_t value)
{
    uint8_t bytes[64];

    memcpy(bytes, &value, 8);
    return registers_write(v, number_of(name), bytes);
}

static void test_description(void **state)
{
    const char *xml = registers_description();

    (void)state;
    assert_true(strlen(xml) < 8191);
    assert_memory_equal(xml, "<target>", 8);
    assert_string_equal(xml + strlen(xml) - 9, "</target>");
    check_well_formed(xml);
    assert_non_null(strstr(xml, "<architecture>i386:x86-64</architecture>"));
    read_description();
    assert_int_equal(described_count, registers_count());
    for (unsigned i = 0; i < described_count; i++) {
        assert_int_equal(described[i].bits, 8 * registers_size(i));
        assert_true(registers_size(i) > 0 && registers_size(i) <= 16);
        assert_null(strchr(described[i].name, '%'));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(described[i].name, described[k].name);
    }
    assert_int_equal(registers_size(described_count), 0);
    assert_int_equal(registers_size(UINT32_MAX), 0);
    assert_ptr_equal(registers_description(), xml);
}

/* gdb's own numbers for what it knows, and the names that the design fixes. */
static void test_names(void **state)
{
    static const char *const fixed[] = {
        "fs_base", "gs_base", "k_gs_base", "cr0",        "cr2",       "cr3",
        "cr4",     "cr8",     "efer",      "dr0",        "dr3",       "dr6",
        "dr7",     "ldtr",    "gdtr_base", "gdtr_limit", "idtr_base", "idtr_limit",
        "tr",      "cs_base", "ss_limit",  "tr_attr",    "ip"};

    (void)state;
    assert_int_equal(number_of("rax"), 0);
    assert_int_equal(number_of("rbx"), 1);
    assert_int_equal(number_of("rbp"), REGISTER_RBP);
    assert_int_equal(number_of("rsp"), REGISTER_RSP);
    assert_int_equal(number_of("r15"), 15);
    assert_int_equal(number_of("rip"), REGISTER_RIP);
    assert_int_equal(number_of("eflags"), 17);
    assert_int_equal(number_of("gs"), 23);
    assert_int_equal(number_of("st0"), REGISTERS_G);
    assert_int_equal(number_of("st7"), 31);
    assert_int_equal(number_of("fop"), 39);
    assert_int_equal(number_of("xmm0"), 40);
    assert_int_equal(number_of("mxcsr"), 56);
    for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        unsigned n = number_of(fixed[i]);
        assert_in_range(n, 57, registers_count() - 17);
        assert_string_equal(described[n].feature, "gdbvisor.system");
    }
    assert_int_equal(number_of("ymm15h"), registers_count() - 1);
    assert_string_equal(described[number_of("ymm0h")].feature, "org.gnu.gdb.i386.avx");
}

/* USER-5: of 32 and 16 bits; the numbers are the same, what is not there has none. */
static void test_user5_narrow(void **state)
{
    static const char *const heads[] = {[REGISTERS_I386] = "<architecture>i386</architecture>",
                                        [REGISTERS_I8086] = "<architecture>i8086</architecture>"};
    unsigned mxcsr = number_of("mxcsr"), cr3 = number_of("cr3"), ymm7h = number_of("ymm7h");
    uint8_t value[64] = {0x11, 0x22, 0x33, 0x44};

    (void)state;
    for (unsigned arch = REGISTERS_I386; arch <= REGISTERS_I8086; arch++) {
        registers_use_arch((enum registers_arch)arch);
        assert_non_null(strstr(registers_description(), heads[arch]));
        check_well_formed(registers_description());
        read_description();
        for (unsigned i = 0; i < described_count; i++)
            assert_int_equal(described[i].bits, 8 * registers_size(i));
        assert_int_equal(described_count, ymm7h + 1);
        assert_string_equal(described[0].name, "eax");
        assert_int_equal(described[0].bits, 32);
        assert_string_equal(described[REGISTER_RIP].name, "eip");
        assert_int_equal(described[REGISTER_RIP].bits, 32);
        assert_string_equal(described[REGISTER_RSP].name, "esp");
        assert_string_equal(described[mxcsr].name, "mxcsr");
        assert_string_equal(described[cr3].name, "cr3");
        assert_int_equal(described[cr3].bits, 64);
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(registers_size(8 + i), 0);         /* r8 .. */
            assert_int_equal(registers_size(48 + i), 0);        /* xmm8 .. */
            assert_int_equal(registers_size(ymm7h + 1 + i), 0); /* ymm8h .. */
        }
        assert_false(registers_read(v, 8, value));
        assert_int_equal(registers_write(v, 8, value), HV_ENOENT);
    }
    /* The upper half is not gdb's. */
    v->regs.gpr[GPR_RAX] = 0xfedcba9876543210;
    assert_int_equal(registers_write(v, 0, value), HV_OK);
    assert_int_equal(v->regs.gpr[GPR_RAX], 0xfedcba9844332211);
    assert_int_equal(get("eax"), 0x44332211);
    registers_use_arch(REGISTERS_X86_64);
    assert_int_equal(get("rax"), 0xfedcba9844332211);
}

/* Every register keeps what is written to it, and no other changes by that. HAXM-12, HAXM-8. */
static void test_haxm12_each_its_own(void **state)
{
    uint8_t before[200][64], after[64], value[64];
    unsigned count = registers_count();

    (void)state;
    for (unsigned n = 0; n < count; n++) {
        for (unsigned i = 0; i < count; i++)
            assert_true(registers_read(v, i, before[i]));
        /* A bit that no register refuses and that changes it. */
        memcpy(value, before[n], sizeof(value));
        value[0] ^= 1;
        assert_int_equal(registers_write(v, n, value), HV_OK);
        v->valid = 0; /* as the processor would have it after an entry */
        struct hv_regs regs = v->regs;
        model_processor = regs;
        for (unsigned i = 0; i < count; i++) {
            assert_true(registers_read(v, i, after));
            /* rip and ip are one; so are dr4 and dr6, dr5 and dr7; ftag follows st and ftag. */
            if (i == n)
                continue;
            bool twin = (!strcmp(described[i].name, "ip") && n == REGISTER_RIP) ||
                        (i == REGISTER_RIP && !strcmp(described[n].name, "ip")) ||
                        (i == REGISTER_RIP && !strcmp(described[n].name, "cs_base")) ||
                        !strcmp(described[i].name, "ftag") ||
                        (described[i].name[0] == 'd' && described[n].name[0] == 'd');
            if (!twin)
                assert_memory_equal(after, before[i], registers_size(i));
        }
        setup(NULL);
    }
}

static void test_read_back(void **state)
{
    static const char *const wide[] = {"rax", "rsp", "r15", "fs_base",   "k_gs_base",
                                       "cr2", "cr3", "dr0", "gdtr_base", "ss_base"};

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(set(wide[i], 0x1122334455667788 + i), HV_OK);
        assert_int_equal(get(wide[i]), 0x1122334455667788 + i);
    }
    assert_int_equal(v->regs.kernel_gs_base, 0x1122334455667788 + 4);
    assert_true(v->changed & REGS_SYSCALL);
    assert_int_equal(set("cs", 0x12345), HV_OK);
    assert_int_equal(get("cs"), 0x2345);
    assert_int_equal(set("cs_attr", 0xfffff), HV_OK);
    assert_int_equal(v->regs.seg[SEG_CS].attributes, 0xfff);
    assert_int_equal(set("idtr_limit", 0x13fff), HV_OK);
    assert_int_equal(get("idtr_limit"), 0x3fff);
    assert_int_equal(set("ds_limit", 0xffffffff), HV_OK);
    assert_int_equal(get("ds_limit"), 0xffffffff);
    /* The bits of EFLAGS that exist; bit 1 always. */
    assert_int_equal(set("eflags", 0xffffffff), HV_OK);
    assert_int_equal(get("eflags"), 0x3f7fd7);
    assert_int_equal(set("eflags", 0), HV_OK);
    assert_int_equal(get("eflags"), 2);
}

/* USER-5: rip is linear, ip is not. */
static void test_user5_linear_rip(void **state)
{
    (void)state;
    model_code_bits(v, 16);
    vcpu_change(v, REGS_ALL);
    v->regs.cr0 &= ~CR0_PE;
    v->regs.seg[SEG_CS].base = 0xf0000;
    v->regs.rip = 0xfff0;
    assert_int_equal(get("rip"), 0xffff0);
    assert_int_equal(get("ip"), 0xfff0);
    assert_int_equal(set("rip", 0xf1234), HV_OK);
    assert_int_equal(v->regs.rip, 0x1234);
    v->regs.seg[SEG_CS].base = 0xffff0000; /* after reset */
    v->regs.rip = 0xfff0;
    assert_int_equal(get("rip"), 0xfffffff0);
    assert_int_equal(set("ip", 0x10), HV_OK);
    assert_int_equal(get("rip"), 0xffff0010);

    setup(NULL); /* 64-bit: no base */
    vcpu_change(v, REGS_SEGMENTS);
    v->regs.seg[SEG_CS].base = 0x1000;
    v->interrupt_shadow = true;
    assert_int_equal(set("rip", 0xffffffff81000000), HV_OK);
    assert_int_equal(v->regs.rip, 0xffffffff81000000);
    assert_int_equal(get("rip"), 0xffffffff81000000);
    assert_false(v->interrupt_shadow);
}

/* DR-6, HAXM-14 */
static void test_dr6_debug_registers(void **state)
{
    (void)state;
    assert_int_equal(get("dr6"), DR6_RESET);
    assert_int_equal(get("dr7"), DR7_RESET);
    assert_int_equal(set("dr6", 0xffffffff), HV_OK);
    assert_int_equal(get("dr6"), 0xffffefff);
    assert_int_equal(get("dr4"), get("dr6"));
    assert_int_equal(set("dr7", 0x402), HV_OK);
    assert_int_equal(get("dr5"), 0x402);
    assert_int_equal(v->live_dr7, 0x402);
    assert_int_equal(set("dr2", UINT64_MAX), HV_OK);
    assert_int_equal(v->live_dr[2], UINT64_MAX);
}

/* What the processor would not take is refused, and nothing changes. */
static void test_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t value;
    } bad[] = {{"dr6", 1ULL << 32},  {"dr7", 1ULL << 63},
               {"cr8", 16},          {"efer", EFER_SVME | EFER_LME | EFER_LMA},
               {"efer", EFER_LME},   {"efer", 0},
               {"mxcsr", 0x80000000}};
    uint8_t value[64] = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t before = get(bad[i].name);
        assert_int_equal(set(bad[i].name, bad[i].value), HV_EINVAL);
        assert_int_equal(get(bad[i].name), before);
    }
    assert_int_equal(set("efer", EFER_LME | EFER_LMA | EFER_SCE), HV_OK);
    assert_int_equal(set("cr8", 15), HV_OK);
    assert_int_equal(registers_write(v, registers_count(), value), HV_ENOENT);
    assert_false(registers_read(v, registers_count(), value));
}

/* The vector registers as the processor has them; they go back before the CPU runs. */
static void test_vectors(void **state)
{
    uint8_t value[16], back[64];

    (void)state;
    memset(value, 0x42, sizeof(value));
    assert_int_equal(registers_write(v, number_of("xmm15"), value), HV_OK);
    assert_int_equal(registers_write(v, number_of("ymm15h"), value), HV_OK);
    assert_int_equal(registers_write(v, number_of("st3"), value), HV_OK);
    assert_int_equal(set("fctrl", 0x27f), HV_OK);
    assert_int_equal(set("mxcsr", 0x1fa0), HV_OK);
    registers_flush(v);
    assert_memory_equal(fpu.bytes + 160 + 240, value, 16);
    assert_memory_equal(fpu.bytes + 576 + 240, value, 16);
    assert_memory_equal(fpu.bytes + 32 + 48, value, 10);
    assert_int_equal(get("fctrl"), 0x27f);
    assert_int_equal(get("mxcsr"), 0x1fa0);
    assert_true(registers_read(v, number_of("xmm15"), back));
    assert_memory_equal(back, value, 16);
    /* Not enabled by the guest: not to be had, and not to be written. */
    registers_flush(v);
    fpu.xcr0 = 3;
    assert_false(registers_read(v, number_of("ymm0h"), back));
    assert_int_equal(registers_write(v, number_of("ymm0h"), value), HV_EINVAL);
    assert_true(registers_read(v, number_of("xmm0"), back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_description, setup),
        cmocka_unit_test_setup(test_names, setup),
        cmocka_unit_test_setup(test_user5_narrow, setup),
        cmocka_unit_test_setup(test_haxm12_each_its_own, setup),
        cmocka_unit_test_setup(test_read_back, setup),
        cmocka_unit_test_setup(test_user5_linear_rip, setup),
        cmocka_unit_test_setup(test_dr6_debug_registers, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_vectors, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
