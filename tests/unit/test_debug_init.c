/* USER-4: an INIT to the CPU that boots, in a whole session. */
#include "tests/unit/death_session.h"

static void init_to_all(struct hv_regs *r)
{
    memcpy(model_memory(PC), "\x89\x08", 2); /* mov [rax], ecx */
    r->gpr[GPR_RCX] = 0x84500;
}

#define ICR_WRITE                                                                                  \
    {                                                                                              \
        .kind = HV_EXIT_STAGE2, .stage2 = { LAPIC + APIC_ICR_LOW, true, false, true }              \
    }

/* What an INIT is seen by: the command's write, or that it has come. */
static const struct model_entry inits[][3] = {
    {{RUN_FREE, init_to_all, ICR_WRITE}, {RUN_STEP, NULL, ICR_WRITE}, FREE(NULL, HV_EXIT_NONE)},
    {FREE(NULL, HV_EXIT_INIT), FREE(NULL, HV_EXIT_NONE)},
};

static const char *const init_words[] = {"the guest's CPU 0 restarts the boot CPU by INIT, at 1000",
                                         "the guest's CPU 0 is restarted by INIT, at 1000 (64"};

/* The CPU that boots stands where it was; when it goes on it begins at the reset vector. */
static void test_user4_init(void **state)
{
    GDB("qSupported c", "g", "c");

    for (unsigned i = 0; i < 2; i++) {
        setup_death(state);
        session(true, true, inits[i], i ? 2 : 3, gdb);
        assert_int_equal(count_sent("$T0f"), 1);
        assert_int_equal(count_sent("$T"), 1);
        assert_non_null(strstr(console(), init_words[i]));
        assert_int_equal(model_records[i ? 1 : 2].rip, 0xfff0);
        core_set_catch(NULL);
    }
}

/* OUT to ACPI's reset register, of the byte that resets. */
static const struct model_entry reset_out = {
    RUN_FREE, NULL, {.kind = HV_EXIT_IO, .insn_length = 1, .io = {0x604, 1, false, false}}};

/* What comes while the CPU waits: an INIT, and a kick or the line. */
static unsigned wait_for_init(struct vcpu *cpu)
{
    ipi_note_init(cpu);
    return 1;
}

static void is_held(struct hv_regs *r)
{
    (void)r;
    debug.cpus[0].action = GDB_HOLD;
}

/*
 * USER-4: where INIT is an exit it may come while the CPU does what the user was told of, or while
 * gdb holds it. It is told all the same, once, and only then done.
 */
static void test_user4_init_unseen(void **state)
{
    const struct model_entry passing[] = {reset_out, ENTRY(RUN_STEP, NULL, .kind = HV_EXIT_INIT),
                                          FREE(NULL, HV_EXIT_NONE)};
    const struct model_entry held[] = {FREE(is_held, HV_EXIT_NMI), FREE(NULL, HV_EXIT_NONE)};
    GDB("qSupported c", "c", "c");
    static const char *const breaks_in[] = {"qSupported c", "", "\3", "vCont;c", "c", NULL};

    setup_death(state);
    ipi_init_by_exits();
    v->regs.gpr[GPR_RAX] = 9;
    session(true, true, passing, 3, gdb);
    assert_int_equal(count_sent("$T0f"), 2);
    assert_non_null(strstr(console(), init_words[1]));
    assert_int_equal(model_records[2].rip, 0xfff0);

    core_set_catch(NULL);
    setup_death(state);
    struct hv_backend waits = *hv_backend;
    waits.wait = wait_for_init;
    hv_backend = &waits;
    session(true, true, held, 2, breaks_in);
    assert_int_equal(count_sent("$T02"), 1);
    assert_int_equal(count_sent("$T0f"), 1);
    assert_int_equal(model_records[1].rip, 0xfff0);
    core_set_catch(NULL);
    ipi_init(0);
}

/* USER-10, and for the other CPUs: nobody is asked. */
static void test_init_passes(void **state)
{
    static const char *const nobody[] = {NULL};
    GDB("qSupported c");

    setup_death(state);
    session(true, false, inits[1], 2, nobody);
    assert_int_equal(model_records[1].rip, 0xfff0);
    assert_int_equal(sent_length, 0);
    setup_death(state);
    ipi_add_cpu(v, AP_RUNS);
    model_script_end = script_end;
    session(true, true, inits[1], 1, gdb);
    assert_true(ipi_waits(0));
    assert_int_equal(count_sent("$T"), 0);
    core_set_catch(NULL);
}

static bool is_sent;

static void begin_sending(struct hv_regs *r)
{
    (void)r;
    is_sent = true;
}

/* While the user talks. */
static void send_init(void)
{
    if (is_sent)
        ipi_note_init(v);
}

/* USER-3: a Ctrl-C right behind `continue` stops a CPU that has got an INIT meanwhile, too. */
static void test_user3_init_and_break(void **state)
{
    GUEST(FREE(begin_sending, HV_EXIT_NMI));
    const char *gdb[] = {"qSupported c", "\3", turn("stop df off", "c \3"), "g", NULL};

    setup_death(state);
    ipi_add_cpu(v, AP_RUNS);
    struct hv_backend sends = *hv_backend;
    sends.remap = send_init;
    hv_backend = &sends;
    session(true, true, guest, 1, gdb);
    assert_int_equal(count_sent("$T02"), 2);
    assert_int_equal(v->regs.rip, 0xfff0);
    core_set_catch(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_user4_init, setup_death),
        cmocka_unit_test_setup(test_user4_init_unseen, setup_death),
        cmocka_unit_test_setup(test_user3_init_and_break, setup_death),
        cmocka_unit_test_setup(test_init_passes, setup_death),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
