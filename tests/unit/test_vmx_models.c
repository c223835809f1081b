/* vmx/controls.c, features.c and hidden.c on the capability values of every Intel model of Bochs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/insn.h"
#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "tests/unit/vmx_capabilities.h"
#include "vmx/controls.h"
#include "vmx/features.h"
#include "vmx/hidden.h"

/* The processor: one of the models. */
static const struct vmx_model *model;
static unsigned faults;
static bool without_true;

struct cpuid_result model_cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    if (leaf == 0x80000008)
        return (struct cpuid_result){36 | 48 << 8, 0, 0, 0};
    assert_int_equal(leaf, 1);
    return (struct cpuid_result){0, 0, model->cpuid.leaf1_ecx, 0};
}

bool model_rdmsr(uint32_t msr, uint64_t *value)
{
    bool vmx = msr >= MSR_VMX_BASIC && msr < MSR_VMX_BASIC + VMX_MODEL_MSRS;

    assert_true(vmx || msr == MSR_FEATURE_CONTROL);
    *value = vmx ? model->msr[msr - MSR_VMX_BASIC] : model->feature_control;
    faults += *value == 0;
    if (without_true && msr == MSR_VMX_BASIC)
        *value &= ~HV_BIT(55);
    return *value != 0;
}

/* What each bit of a control word is to be, from the manual and docs/backends.md, not the code. */
enum word { PIN, CPU, CPU2, EXIT, ENTRY, WORDS };
enum kind { OFF, RESERVED, MUST, MAY, TIMES };
static const struct control {
    enum word word;
    unsigned bit;
    enum kind kind;
    const char *said; /* of its lack */
} controls[] = {
    {PIN, 0, TIMES, "external-interrupt exiting"},
    {PIN, 3, MUST, "NMI exiting"},
    {PIN, 5, MUST, "virtual NMIs"},
    {CPU, 7, TIMES, "HLT exiting"},
    {CPU, 10, TIMES, "MWAIT exiting"},
    {CPU, 15, TIMES, "CR3-load exiting"},
    {CPU, 22, TIMES, "NMI-window exiting"},
    {CPU, 23, MUST, "MOV-DR exiting"},
    {CPU, 25, MUST, "I/O bitmaps"},
    {CPU, 28, MUST, "MSR bitmaps"},
    {CPU, 31, MUST, "secondary controls"},
    {CPU2, 1, MUST, "EPT"},
    {CPU2, 3, MAY, NULL},
    {CPU2, 5, MAY, NULL},
    {CPU2, 7, MUST, "unrestricted guest"},
    {CPU2, 12, MAY, NULL},
    {CPU2, 20, MAY, NULL},
    {CPU2, 26, MAY, NULL},
    {CPU2, 27, MAY, NULL},
    {EXIT, 2, MUST, "save debug controls"},
    {EXIT, 9, MUST, "64-bit host"},
    {EXIT, 18, MUST, "PAT"},
    {EXIT, 19, MUST, "PAT"},
    {EXIT, 20, MUST, "EFER"},
    {EXIT, 21, MUST, "EFER"},
    {ENTRY, 2, MUST, "load debug controls"},
    {ENTRY, 9, TIMES, "64-bit guests"},
    {ENTRY, 14, MUST, "PAT"},
    {ENTRY, 15, MUST, "EFER"},
};
static const uint32_t reserved[WORDS] = {
    [PIN] = 0x16, [CPU] = 0x04006172, [EXIT] = 0x36dfb & ~0x200, [ENTRY] = 0x11fb};

/* What the sentence says when a bit that is off is demanded all the same. */
static const char *const demanded[WORDS] = {"pin-based", "processor-based", "secondary", "VM-exit",
                                            "VM-entry"};

static const struct control *control(enum word word, unsigned bit)
{
    static struct control other;

    for (unsigned i = 0; i < HV_ARRAY_SIZE(controls); i++) {
        if (controls[i].word == word && controls[i].bit == bit)
            return &controls[i];
    }
    other.kind = reserved[word] >> bit & 1 ? RESERVED : OFF;
    return &other;
}

static uint64_t *capability(struct vmx_features *f, enum word word)
{
    uint64_t *const values[WORDS] = {&f->pin, &f->cpu, &f->cpu2, &f->exit, &f->entry};
    return values[word];
}

static uint32_t made(const struct vmx_features *f, enum word word)
{
    struct vmx_controls c = vmx_controls_make(f);
    const uint32_t values[WORDS] = {c.pin, c.cpu, c.cpu2, c.exit, c.entry};
    return values[word];
}

static void refused(const struct vmx_features *f, const char *words)
{
    const char *sentence = vmx_features_refusal(f);

    assert_non_null(sentence);
    assert_non_null(strstr(sentence, words));
}

/* Each bit as its kind says, and within what the capability allows and demands. */
static void check_word(struct vmx_features *f, enum word word)
{
    uint64_t value = *capability(f, word);
    uint32_t bits = made(f, word), may = (uint32_t)(value >> 32), must = (uint32_t)value;

    assert_int_equal(bits & ~may, 0);
    assert_int_equal(must & ~bits, 0);
    for (unsigned bit = 0; bit < 32; bit++) {
        bool set = bits >> bit & 1, allowed = may >> bit & 1;

        switch (control(word, bit)->kind) {
        case OFF:
        case TIMES:
            assert_false(set);
            break;
        case RESERVED:
            assert_int_equal(set, must >> bit & 1);
            break;
        case MUST:
            assert_true(set);
            break;
        case MAY:
            assert_int_equal(set, allowed);
            break;
        }
    }
}

/* Without the bit: refused by its name, or just not used. */
static void check_without(struct vmx_features f, enum word word, unsigned bit)
{
    const struct control *c = control(word, bit);
    uint32_t before = made(&f, word);

    *capability(&f, word) &= ~HV_BIT(bit + 32);
    if (c->kind == MUST || c->kind == TIMES) {
        refused(&f, c->said);
        return;
    }
    assert_null(vmx_features_refusal(&f));
    assert_int_equal(made(&f, word), before & ~HV_BIT(bit));
}

/* With the bit demanded: it is set and no harm, or the processor is refused. */
static void check_demanded(struct vmx_features f, enum word word, unsigned bit)
{
    static const uint32_t cr3_cr8 = 0x198000, left = 0x40001a00, external = 1;
    enum kind kind = control(word, bit)->kind;

    *capability(&f, word) |= HV_BIT(bit) | HV_BIT(bit + 32);
    if (kind == OFF || kind == TIMES) {
        bool cr = word == CPU && (cr3_cr8 >> bit & 1), insn = word == CPU && (left >> bit & 1);
        bool interrupt = word == PIN && (external >> bit & 1);
        refused(&f, cr          ? "CR3 and CR8"
                    : insn      ? "INVLPG, RDPMC, RDTSC and PAUSE"
                    : interrupt ? "leave interrupts"
                                : demanded[word]);
        return;
    }
    assert_null(vmx_features_refusal(&f));
    assert_true(made(&f, word) >> bit & 1);
}

static void test_every_word_of_every_model(void **state)
{
    unsigned good = 0;

    (void)state;
    for (unsigned i = 0; i < vmx_model_count; i++) {
        model = &vmx_models[i];
        struct vmx_features f = vmx_features_read();
        if (model->refusal) {
            refused(&f, model->refusal);
            continue;
        }
        assert_null(vmx_features_refusal(&f));
        assert_int_equal(f.cpu, model->msr[MSR_VMX_TRUE_CPU - MSR_VMX_BASIC]);
        for (enum word word = PIN; word < WORDS; word++)
            check_word(&f, word);
        good++;
    }
    assert_int_equal(good, 21);
}

static void test_each_bit_missing_or_demanded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmx_model_count; i++) {
        model = &vmx_models[i];
        if (model->refusal)
            continue;
        struct vmx_features f = vmx_features_read();
        for (unsigned n = 0; n < WORDS * 32; n++) {
            enum word word = (enum word)(n / 32);
            uint64_t value = *capability(&f, word);
            if ((value >> (n % 32 + 32) & 1) && !(value >> n % 32 & 1))
                check_without(f, word, n % 32);
            if (!(value >> n % 32 & 1))
                check_demanded(f, word, n % 32);
        }
    }
}

/* Without TRUE registers the whole default1 class is demanded, CR3 exits with it. */
static void test_without_true_registers(void **state)
{
    (void)state;
    model = &vmx_models[vmx_model_count - 1];
    without_true = true;
    struct vmx_features f = vmx_features_read();
    without_true = false;
    assert_int_equal(f.cpu, model->msr[MSR_VMX_CPU - MSR_VMX_BASIC]);
    refused(&f, "CR3");
}

static void test_ept(void **state)
{
    static const struct {
        uint64_t bits;
        const char *said;
    } need[] = {{VMX_EPT_FOUR_LEVELS, "four-level"},
                {VMX_EPT_WB, "write-back"},
                {VMX_EPT_2M, "2 MiB"},
                {VMX_EPT_INVEPT, "INVEPT"},
                {VMX_EPT_INVEPT_ALL, "INVEPT"}};

    (void)state;
    for (unsigned i = 0; i < vmx_model_count; i++) {
        model = &vmx_models[i];
        bool ept = model->msr[MSR_VMX_CPU2 - MSR_VMX_BASIC] & HV_BIT(33);
        faults = 0;
        bool gib = vmx_features_gib_pages();
        assert_int_equal(faults, 0); /* asked before there is a trap handler */
        assert_int_equal(gib, ept && (model->msr[0xc] & VMX_EPT_1G));
        if (model->refusal)
            continue;
        for (unsigned n = 0; n < HV_ARRAY_SIZE(need); n++) {
            struct vmx_features f = vmx_features_read();
            f.ept_vpid &= ~need[n].bits;
            refused(&f, need[n].said);
        }
        struct vmx_features f = vmx_features_read();
        f.ept_vpid &= ~(VMX_EPT_1G | VMX_EPT_ACCESSED);
        assert_null(vmx_features_refusal(&f));
    }
}

/* IA32_FEATURE_CONTROL: bit 0 locks; VMXON needs bit 2, bit 1 is for SMX only. */
static void test_feature_control(void **state)
{
    static const struct {
        uint64_t value, written;
        bool good;
    } cases[] = {
        {0, 5, true},               /* unlocked: ours to enable and to lock */
        {2, 7, true},               /* unlocked, on for SMX */
        {4, 5, true},               /* unlocked, on */
        {0x140000, 0x140005, true}, /* SGX and LMCE are kept */
        {5, 5, true},               /* locked, on */
        {7, 7, true},               /* both */
        {1, 1, false},              /* locked, off */
        {3, 3, false},              /* locked, on for SMX only */
        {0xff03, 0xff03, false},
    };

    (void)state;
    model = &vmx_models[vmx_model_count - 1];
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        struct vmx_features f = vmx_features_read();
        f.feature_control = cases[i].value;
        assert_int_equal(vmx_feature_control(cases[i].value), cases[i].written);
        if (cases[i].good)
            assert_null(vmx_features_refusal(&f));
        else
            refused(&f, "firmware's setup");
    }
}

static void test_text(void **state)
{
    struct vmx_features f;
    char text[80];

    (void)state;
    model = &vmx_models[vmx_model_count - 1];
    f = vmx_features_read();
    size_t length = vmx_features_text(&f, text, sizeof(text));
    assert_string_equal(text,
                        "EPT, 1 GiB pages, execute-only pages, accessed and dirty bits, VPID");
    assert_int_equal(length, strlen(text));
    f.ept_vpid = 0;
    f.cpu2 &= ~HV_BIT(5 + 32);
    vmx_features_text(&f, text, sizeof(text));
    assert_string_equal(text, "EPT");
}

/* Each bit of CPUID that needs a control, as the manual has them. */
enum reg { EAX, EBX, ECX, EDX };
static const struct shown {
    uint32_t control, leaf, subleaf;
    enum reg reg;
    unsigned bit;
} shown[] = {
    {1 << 3, 0x80000001, 0, EDX, 27}, /* RDTSCP */
    {1 << 3, 7, 0, ECX, 22},          /* RDPID */
    {1 << 12, 7, 0, EBX, 10},         /* INVPCID */
    {1 << 20, 0xd, 1, EAX, 3},        /* XSAVES */
    {1 << 26, 7, 0, ECX, 5},          /* WAITPKG */
    {1 << 27, 7, 0, EDX, 18},         /* PCONFIG */
    {0, 7, 0, EBX, 25},               /* Intel PT */
    {0, 7, 1, EAX, 17},               /* FRED */
    {0, 7, 1, EAX, 27},               /* MSRLIST */
    {0, 7, 1, ECX, 5},                /* immediate forms of MSR access */
    {0, 7, 1, EDX, 15},               /* user-mode MSR access */
};

static uint32_t seen_word(const struct shown *s, struct cpuid_words real)
{
    struct cpuid_words w = cpuid_policy(s->leaf, s->subleaf, real, 0);
    const uint32_t words[] = {w.eax, w.ebx, w.ecx, w.edx};
    return words[s->reg];
}

static bool sees(const struct shown *s, struct cpuid_words real)
{
    return seen_word(s, real) >> s->bit & 1;
}

static const struct cpuid_words all = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};

static void test_hidden_without_the_control(void **state)
{
    struct cpuid_row rows[VMX_HIDDEN_MAX];

    (void)state;
    for (unsigned off = 0; off <= 32; off++) { /* 32: none is off */
        uint32_t cpu2 = UINT32_MAX & ~(off < 32 ? (uint32_t)HV_BIT(off) : 0);
        cpuid_policy_hide(rows, vmx_hidden_make(cpu2, rows));
        for (unsigned i = 0; i < HV_ARRAY_SIZE(shown); i++)
            assert_int_equal(sees(&shown[i], all), (shown[i].control & cpu2) != 0);
        assert_int_equal(cpuid_policy(0x14, 1, all, 0).ebx, 0);
    }
    /* Nothing else goes: all of leaf 7 but the bits above (and OSPKE, which follows CR4). */
    struct cpuid_words w = cpuid_policy(7, 0, all, 0);
    assert_int_equal(w.eax, UINT32_MAX);
    assert_int_equal(w.ebx, ~(1U << 25));
    assert_int_equal(w.ecx, ~(1U << 4));
    assert_int_equal(w.edx, UINT32_MAX);
    cpuid_policy_hide(rows, vmx_hidden_make(0, rows));
    w = cpuid_policy(7, 0, all, 0);
    assert_int_equal(w.ebx, ~(1U << 25 | 1U << 10));
    assert_int_equal(w.ecx, ~(1U << 4 | 1U << 5 | 1U << 22));
    assert_int_equal(w.edx, ~(1U << 18));
    assert_int_equal(cpuid_policy(0xd, 0, all, 0).eax, UINT32_MAX);
    assert_int_equal(cpuid_policy(0xd, 1, all, 0).ecx, 0);
    cpuid_policy_hide(NULL, 0);
}

/* A guest of a model sees what the model has, but for what it could not execute. */
static void test_hidden_on_models(void **state)
{
    struct cpuid_row rows[VMX_HIDDEN_MAX];
    unsigned visible = 0, lost = 0;

    (void)state;
    for (unsigned i = 0; i < vmx_model_count; i++) {
        model = &vmx_models[i];
        if (model->refusal)
            continue;
        struct vmx_features f = vmx_features_read();
        uint32_t cpu2 = vmx_controls_make(&f).cpu2;
        cpuid_policy_hide(rows, vmx_hidden_make(cpu2, rows));
        for (unsigned n = 0; n < HV_ARRAY_SIZE(shown); n++) {
            const struct shown *s = &shown[n];
            struct cpuid_words real = {0, 0, 0, model->cpuid.ext_edx};
            if (s->leaf == 0xd)
                real = (struct cpuid_words){model->cpuid.xsave_eax, 0, 0, 0};
            else if (s->leaf == 7 && s->subleaf == 0)
                real = (struct cpuid_words){0, model->cpuid.leaf7_ebx, model->cpuid.leaf7_ecx,
                                            model->cpuid.leaf7_edx};
            else if (s->leaf == 7)
                real = (struct cpuid_words){model->cpuid.leaf71_eax, 0, model->cpuid.leaf71_ecx,
                                            model->cpuid.leaf71_edx};
            const uint32_t words[] = {real.eax, real.ebx, real.ecx, real.edx};
            bool has = words[s->reg] >> s->bit & 1;
            assert_int_equal(sees(s, real), has && (s->control & cpu2));
            visible += sees(s, real);
            lost += has && !sees(s, real);
        }
    }
    cpuid_policy_hide(NULL, 0);
    assert_true(visible > 40);
    assert_int_equal(lost, 1); /* MSRLIST of the newest */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_word_of_every_model),
        cmocka_unit_test(test_each_bit_missing_or_demanded),
        cmocka_unit_test(test_without_true_registers),
        cmocka_unit_test(test_ept),
        cmocka_unit_test(test_feature_control),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_hidden_without_the_control),
        cmocka_unit_test(test_hidden_on_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
