/*
 * core/park.c under every interleaving: three CPUs, each with a small program, switched between at
 * operations on shared words (tests/model/lib/atomic.h), wherever a CPU waits and at one to three
 * other places of a schedule: all places are tried. Each schedule is a list of choices;
 * the program is run again and again, the last choice that has an alternative changed, until there
 * is none. docs/smp.md explains the rules that this shows to hold.
 */
#include "tests/unit/park_machine.h"

/* Nobody else touches anything while one holds. */
static void check_alone(const struct vcpu *v)
{
    for (unsigned i = 0; i < count; i++) {
        if (i != v->number)
            assert_false(cpus[i].touched);
    }
}

/* In the guest, for two moments, or until an NMI. */
static void guest(struct vcpu *v)
{
    cpus[v->number].touched = true;
    for (unsigned i = 0; i < 2 && !cpus[v->number].nmis; i++)
        yield(READY);
    if (cpus[v->number].nmis)
        cpus[v->number].guest_nmis += park_other_nmis(v, take_nmi());
    cpus[v->number].touched = false;
}

/* Who may go on works on its own things at once. */
static void stand(struct vcpu *v)
{
    park_stand(v);
    cpus[v->number].touched = true;
    yield(READY);
    cpus[v->number].touched = false;
}

static void stand_or_guest(struct vcpu *v)
{
    if (park_wanted(v))
        stand(v);
    else
        guest(v);
}

static void holds(struct vcpu *v)
{
    while (!park_claim(v))
        stand(v);
    park_gather(v);
    check_alone(v);
    yield(READY);
    check_alone(v);
    park_release(v);
}

static void program_hold(struct vcpu *v)
{
    holds(v);
    guest(v);
}

static void program_hold_twice(struct vcpu *v)
{
    holds(v);
    holds(v);
}

/* Only claims: the line's bytes are heard so. */
static void program_claim(struct vcpu *v)
{
    if (park_claim(v))
        park_release(v);
    else
        stand(v);
}

/* Only its guest. */
static void program_guest(struct vcpu *v)
{
    stand_or_guest(v);
}

/* Waits for a start-up, and then works on its own things: never while another holds. */
static void program_sleep(struct vcpu *v)
{
    cpus[v->number].asleep = true;
    while (cpus[v->number].asleep) {
        while (park_wanted(v))
            stand(v);
        if (cpus[v->number].asleep)
            park_rest(v);
    }
    cpus[v->number].touched = true;
    yield(READY);
    cpus[v->number].touched = false;
}

/* A guest CPU: it can start the last one while it is let run. */
static void program_start_last(struct vcpu *v)
{
    while (park_wanted(v))
        stand(v);
    cpus[count - 1].startup = true;
    guest(v);
}

static void program_hold_and_start(struct vcpu *v)
{
    holds(v);
    program_start_last(v);
}

/* Sends its own NMI for the guest to CPU 0, as another device would, at any time. */
static void program_nmi(struct vcpu *v)
{
    (void)v;
    yield(READY);
    raise_nmi(0, true);
}

/* A guest CPU that has something for CPU 0 to look at. */
static void program_kick(struct vcpu *v)
{
    park_kick(0);
    guest(v);
}

static void program_nmi_and_kick(struct vcpu *v)
{
    program_nmi(v);
    program_kick(v);
}

/* Which some device can do while all stand. */
static void program_hold_and_start_within(struct vcpu *v)
{
    while (!park_claim(v))
        stand(v);
    park_gather(v);
    check_alone(v);
    cpus[count - 1].startup = true;
    yield(READY);
    check_alone(v);
    park_release(v);
}

static void enter(unsigned cpu)
{
    struct vcpu *v = vcpu_get(cpu);

    cpus[cpu].program(v);
    for (;;) {
        while (park_wanted(v))
            stand(v);
        yield(DONE);
        guest(v);
    }
}

static bool all_done(void)
{
    for (unsigned i = 0; i < count; i++) {
        if (cpus[i].where != DONE)
            return false;
    }
    return true;
}

static void prepare(unsigned i, void (*program)(struct vcpu *))
{
    cpus[i].where = READY;
    cpus[i].is_guests = cpus[i].touched = cpus[i].asleep = cpus[i].startup = false;
    cpus[i].nmis = cpus[i].guest_nmis = 0;
    cpus[i].program = program;
    vcpu_get(i)->nmi_pending = false;
    park_other_nmis(vcpu_get(i), 1);
    getcontext(&cpus[i].context);
    cpus[i].context.uc_stack.ss_sp = stacks[i];
    cpus[i].context.uc_stack.ss_size = STACK;
    cpus[i].context.uc_link = NULL;
    makecontext(&cpus[i].context, (void (*)(void))enter, 1, i);
}

static void run_one_schedule(void (*const *programs)(struct vcpu *), unsigned n)
{
    count = 0;
    for (unsigned i = 0; i < n; i++)
        prepare(i, programs[i]);
    count = n;
    choice_at = running = preempted = 0;
    overflow = nmi_sent = false;
    while (!all_done() && !overflow) {
        unsigned next = pick();
        if (next == CPUS)
            fail_msg("nobody can go on (schedule %llu)", (unsigned long long)schedules);
        running = next;
        swapcontext(&scheduler, &cpus[next].context);
    }
    count = 0;
}

/* The last choice with an alternative takes the next one. */
static bool next_schedule(void)
{
    while (choice_count && choices[choice_count - 1].chosen + 1 == choices[choice_count - 1].of)
        choice_count--;
    if (!choice_count)
        return false;
    choices[choice_count - 1].chosen++;
    return true;
}

/*
 * None was invented for the guest, and none lost but where two were one. What is still pending
 * behind a last kick is asked for here.
 */
static void check_nmis(unsigned n)
{
    unsigned guests = 0;

    for (unsigned i = 0; i < n; i++) {
        guests += cpus[i].guest_nmis + vcpu_get(i)->nmi_pending;
        running = i;
        if (cpus[i].nmis)
            guests += park_other_nmis(vcpu_get(i), take_nmi());
    }
    if (nmi_sent)
        assert_int_equal(guests, 1);
    else
        assert_int_equal(guests, 0);
}

static void explore(void (*const *programs)(struct vcpu *), unsigned n, unsigned interruptions)
{
    model_backend_reset();
    vcpu_set_count(n);
    hv_backend = &backend;
    for (unsigned i = 0; i < n; i++)
        park_set_apic_id(i, i);
    preemptions = interruptions;
    choice_count = 0;
    schedules = cut = 0;
    do {
        run_one_schedule(programs, n);
        schedules++;
        cut += overflow;
        if (overflow)
            continue;
        check_nmis(n);
    } while (next_schedule());
    print_message("%llu schedules, %llu cut\n", (unsigned long long)schedules,
                  (unsigned long long)cut);
    vcpu_set_count(1);
}

#define EXPLORE(interruptions, ...)                                                                \
    do {                                                                                           \
        void (*const programs[])(struct vcpu *) = {__VA_ARGS__};                                   \
        explore(programs, HV_ARRAY_SIZE(programs), interruptions);                                 \
    } while (0)

/* WHPX-19, BP-6: two CPUs, both hold, twice: always one at a time, and nobody waits for ever. */
static void test_two(void **state)
{
    (void)state;
    EXPLORE(3, program_hold, program_hold);
    EXPLORE(3, program_hold_twice, program_hold);
    EXPLORE(3, program_hold_twice, program_guest);
    EXPLORE(3, program_hold, program_claim);
}

/* How long the gathering took: of the last time, and the longest. */
static void test_skew(void **state)
{
    struct park_skew skew;

    (void)state;
    park_skew_reset();
    EXPLORE(0, program_hold, program_guest);
    skew = park_skew();
    assert_int_equal(skew.last, 1); /* between two looks */
    assert_int_equal(skew.max, 1);
    park_skew_reset();
    skew = park_skew();
    assert_int_equal(skew.last + skew.max, 0);
    /* Alone there is nobody to wait for. */
    assert_true(park_claim(vcpu_get(0)));
    park_gather(vcpu_get(0));
    park_release(vcpu_get(0));
    skew = park_skew();
    assert_int_equal(skew.max, 0);
}

/* BP-7: three. */
static void test_three(void **state)
{
    (void)state;
    EXPLORE(2, program_hold, program_guest, program_guest);
    EXPLORE(1, program_hold, program_hold, program_guest);
}

/*
 * A CPU that waits for its start-up where no kick reaches it: nobody waits for it, it waits for
 * whoever holds when it is started, and no NMI is invented for it.
 */
static void test_waiting_for_startup(void **state)
{
    (void)state;
    EXPLORE(3, program_hold_and_start, program_sleep);
    EXPLORE(3, program_hold_and_start_within, program_sleep);
    EXPLORE(1, program_hold, program_hold_and_start, program_sleep);
    EXPLORE(2, program_hold, program_start_last, program_sleep);
}

/* An NMI of the guest's in the middle of it all is neither lost nor doubled. */
static void test_guests_nmi(void **state)
{
    (void)state;
    EXPLORE(2, program_guest, program_hold, program_nmi);
    EXPLORE(1, program_hold, program_hold, program_nmi);
    EXPLORE(3, program_guest, program_kick, program_nmi_and_kick);
}

/* Where the host takes each NMI as it comes not even one that comes with a kick is lost. */
static void test_guests_nmi_counted(void **state)
{
    (void)state;
    host_counts = true;
    EXPLORE(2, program_guest, program_hold, program_nmi);
    EXPLORE(1, program_hold, program_hold, program_nmi);
    EXPLORE(3, program_guest, program_kick, program_nmi_and_kick);
    host_counts = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two),        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_three),      cmocka_unit_test(test_waiting_for_startup),
        cmocka_unit_test(test_guests_nmi), cmocka_unit_test(test_guests_nmi_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
