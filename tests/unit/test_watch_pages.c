/* core/watch_pages.c and debug/watch_ranges.c: watchpoints by stage 2, on both vendors' tables. */
#include "tests/unit/watch_view.h"

#include "core/run.h"
#include "core/step.h"
#include "core/watch_pages.h"

/* What all CPUs may do meanwhile, and afterwards. */
static void test_closed_while_watched(void **state)
{
    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 5, 3);
    check_shared(OTHER, READABLE);
    check_shared(OTHER + PAGE, STAGE2_ALL);
    watch(GDB_WATCH_ACCESS, OTHER + PAGE - 4, PAGE + 8); /* three pages */
    watch(GDB_WATCH_ACCESS, OTHER + PAGE - 4, PAGE + 8);
    assert_int_equal(watch_ranges_count(), 2);
    assert_int_equal(rights_at(OTHER), 0);
    assert_int_equal(rights_at(OTHER + PAGE), 0);
    assert_int_equal(rights_at(OTHER + 2 * PAGE), 0);
    watch_ranges_remove(GDB_WATCH_ACCESS, OTHER + PAGE - 4, PAGE + 8);
    check_shared(OTHER, READABLE);
    check_shared(OTHER + PAGE, STAGE2_ALL);
    check_shared(OTHER + 2 * PAGE, STAGE2_ALL);
    watch_ranges_remove(GDB_WATCH_WRITE, OTHER + 5, 3);
    check_shared(OTHER, STAGE2_ALL);
}

/* Refused, and nothing of it stays. */
static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(stage2_map(CODE, CODE, STAGE2_READ), HV_OK); /* for another reason */
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, CODE + 5, 3), HV_ENOSPC);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, CODE - 5, 10), HV_ENOSPC);
    check_shared(CODE - PAGE, STAGE2_ALL);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, 0xfee00000, 3), HV_EFAULT);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, OTHER, 0), HV_EINVAL);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, UINT64_MAX, 2), HV_EINVAL);
    assert_int_equal(watch_ranges_insert(v, GDB_BREAK_HARD, OTHER, 1), HV_EINVAL);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, OTHER, 65 * PAGE), HV_ENOSPC);
    check_shared(OTHER, STAGE2_ALL);
    for (unsigned i = 0; i < WATCH_RANGES; i++)
        watch(GDB_WATCH_WRITE, OTHER + i, 3);
    assert_int_equal(watch_ranges_insert(v, GDB_WATCH_WRITE, OTHER + 100, 3), HV_ENOSPC);
}

static void store(struct hv_regs *r)
{
    assert_int_equal(rights_at(OTHER), STAGE2_ALL);
    r->rip += 2;
}

static void load(struct hv_regs *r)
{
    assert_int_equal(rights_at(OTHER), READABLE);
    r->rip += 2;
}

static const char *insn = "\x89\x03\x90\x90\x90"; /* mov [rbx], eax: 4 bytes */

static void run(gpa_t address, bool write, bool hit)
{
    struct model_entry script[] = {
        {RUN_FREE, NULL, {.kind = HV_EXIT_STAGE2, .stage2 = {.address = address, .write = write}}},
        {RUN_STEP, write ? store : load, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
        {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}},
    };

    v->regs.rip = CODE;
    v->watch_hits = 0;
    model_entries = 0;
    memcpy(model_memory(CODE), insn, 5);
    model_script(script, hit ? 2 : 3);
    core_run(v, &out);
    assert_true(model_script_done());
    assert_int_equal(out.kind, hit ? HV_EXIT_DEBUG : HV_EXIT_NMI);
    assert_int_equal(v->regs.rip, CODE + 2);
    assert_int_equal(v->watch_hits != 0, hit);
}

/* The access is done, then it is told; what does not touch the range goes on unseen. */
static void test_hits(void **state)
{
    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    run(OTHER + 0x103, true, true);
    run(OTHER + 0x105, true, true);
    run(OTHER + 0x100, true, true); /* its last byte */
    run(OTHER + 0xff, true, false);
    run(OTHER + 0x106, true, false);
    check_shared(OTHER, READABLE);
    watch_ranges_remove_all();
    watch(GDB_WATCH_READ, OTHER + 0x103, 3);
    run(OTHER + 0x104, true, false);
    run(OTHER + 0x104, false, true);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 7).reason, GDB_STOP_RWATCH);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 7).data_address, OTHER + 0x103);
    assert_int_equal(watch_ranges_stop(v->watch_hits, 7).thread, 7);
    assert_int_equal(watch_ranges_still_set(v->watch_hits), v->watch_hits);
    watch_ranges_remove_all();
    assert_int_equal(watch_ranges_still_set(v->watch_hits), 0);
}

/* The first word of an event has the width of the mode: what lies above it is not touched. */
static void test_word_of_an_event(void **state)
{
    static const struct {
        unsigned bits;
        bool protected;
        unsigned word;
    } cases[] = {{16, false, 2}, {16, true, 4}, {32, true, 4}, {64, true, 8}};

    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x108, 3);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        model_code_bits(v, cases[i].bits);
        if (!cases[i].protected)
            v->regs.cr0 &= ~CR0_PE;
        for (unsigned gap = 0; gap < 2; gap++) {
            struct hv_exit exit = {.kind = HV_EXIT_STAGE2, .stage2 = {.write = true}};

            exit.stage2.address = OTHER + 0x108 - cases[i].word + 1 - gap;
            v->event = (struct hv_event){.type = HV_EVENT_EXTERNAL, .vector = 0x20};
            v->watch_hits = 0;
            assert_true(watch_pages_open(v, &exit));
            watch_pages_finish_step(v, true);
            assert_int_equal(v->watch_hits, gap ? 0 : 1);
        }
    }
    v->event.type = HV_EVENT_NONE;
}

/* An event pushes words one below the other, and only the first one faults. */
static void test_frame_of_an_event(void **state)
{
    static const struct {
        gpa_t first; /* word that is pushed */
        bool hit;
    } cases[] = {{OTHER + 0x108, true}, {OTHER + 0x128, true}, {OTHER + 0x130, false},
                 {OTHER + 0xf8, false}, {OTHER + 0xfc, true},  {OTHER + PAGE + 8, false}};

    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 5);
    watch(GDB_WATCH_WRITE, OTHER + PAGE + 0x800, 5);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        struct hv_exit exit = {.kind = HV_EXIT_STAGE2,
                               .stage2 = {.address = cases[i].first, .write = true}};

        v->watch_hits = 0;
        vcpu_raise(v, VECTOR_UD);
        assert_true(watch_pages_open(v, &exit));
        watch_pages_finish_step(v, true);
        assert_int_equal(v->watch_hits != 0, cases[i].hit);
    }
    v->event.type = HV_EVENT_NONE;
}

/* One that was not carried out has touched nothing. */
static void test_not_done(void **state)
{
    static const struct model_entry script[] = {
        {RUN_FREE,
         NULL,
         {.kind = HV_EXIT_STAGE2, .stage2 = {.address = OTHER + 0x104, .write = true}}},
        {RUN_STEP, NULL, {.kind = HV_EXIT_NMI}},
    };

    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    v->regs.rip = CODE;
    model_script(script, 2);
    core_run(v, &out);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(v->watch_hits, 0);
    check_shared(OTHER, READABLE);
    assert_int_equal(rights_at(OTHER), READABLE);
}

/* Two in one page: the stricter rights, both told, and one that is gone is not. */
static void test_two(void **state)
{
    (void)state;
    watch(GDB_WATCH_ACCESS, OTHER + 0x103, 3);
    watch(GDB_WATCH_WRITE, OTHER + 0x104, 8);
    watch(GDB_WATCH_READ, OTHER + 0x104, 8);
    assert_int_equal(watch_ranges_count(), 3);
    assert_int_equal(rights_at(OTHER), STAGE2_NONE);
    run(OTHER + 0x105, true, true);
    assert_int_equal(v->watch_hits, 3);
    run(OTHER + 0x105, false, true);
    assert_int_equal(v->watch_hits, 5);
    watch_ranges_remove(GDB_WATCH_READ, OTHER + 0x104, 8);
    watch_ranges_remove(GDB_WATCH_READ, OTHER + 0x104, 0);
    assert_int_equal(rights_at(OTHER), STAGE2_NONE);
    run(OTHER + 0x108, false, false);
    run(OTHER + 0x108, true, true);
    assert_int_equal(v->watch_hits, 2);
    watch_ranges_remove(GDB_WATCH_ACCESS, OTHER + 0x103, 3);
    check_shared(OTHER, READABLE);
    run(OTHER + 0x108, true, true);
    run(OTHER + 0xff, true, false); /* four bytes, to 0x102 */
}

/* How far in front of the range an access may begin: by its operand; where that is not known, as
 * much as there can be. */
static void test_reach(void **state)
{
    static const struct {
        const char *bytes;
        unsigned reach;
    } cases[] = {
        {"\x89\x03\x90\x90\x90", 4},  /* mov [rbx], eax */
        {"\x48\x89\x03\x90\x90", 8},  /* mov [rbx], rax */
        {"\x66\x01\x03\x90\x90", 2},  /* add [rbx], ax */
        {"\x88\x03\x90\x90\x90", 1},  /* mov [rbx], al */
        {"\x80\x03\x05\x90\x90", 1},  /* add byte [rbx], 5 */
        {"\xaa\x90\x90\x90\x90", 1},  /* stosb */
        {"\xff\x03\x90\x90\x90", 4},  /* inc dword [rbx] */
        {"\xf7\x13\x90\x90\x90", 4},  /* not dword [rbx] */
        {"\x50\x90\x90\x90\x90", 8},  /* push rax */
        {"\xe8\x00\x00\x00\x00", 8},  /* call */
        {"\xff\x33\x90\x90\x90", 8},  /* push qword [rbx] */
        {"\xff\x1b\x90\x90\x90", 64}, /* call far [rbx] */
        {"\xdb\x3b\x90\x90\x90", 64}, /* fstp tbyte [rbx] */
        {"\x0f\x11\x03\x90\x90", 64}, /* movups [rbx], xmm0 */
        {"\xc5\xf8\x11\x03\x90", 64}, /* vmovups [rbx], xmm0 */
        {"\xc4\xe1\x78\x11\x03", 64}, /* the same, with three bytes of VEX */
        {"\x0f\x00\x03\x90\x90", 64}, /* sldt [rbx]: its last byte is add's */
    };
    const char *usual = insn;

    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    watch(GDB_WATCH_WRITE, OTHER + PAGE, 3);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        insn = cases[i].bytes;
        run(OTHER + 0x103 - cases[i].reach + 1, true, true);
        run(OTHER + 0x103 - cases[i].reach, true, false);
        run(OTHER + PAGE - 1, true, false); /* the next page has a fault of its own */
    }
    insn = usual;
}

/* The same in 16-bit and 32-bit code: what is pushed has the operand's size. */
static void test_reach_of_a_push(void **state)
{
    static const struct {
        unsigned bits;
        const char *bytes;
        unsigned reach;
    } cases[] = {
        {16, "\x50\x90\x90\x90\x90", 2}, /* push ax */
        {16, "\x9c\x90\x90\x90\x90", 2}, /* pushf */
        {16, "\xe8\x00\x00\x90\x90", 2}, /* call */
        {16, "\x66\x50\x90\x90\x90", 4}, /* push eax */
        {32, "\x50\x90\x90\x90\x90", 4}, /* push eax */
        {32, "\x66\x50\x90\x90\x90", 2}, /* push ax */
        {64, "\x50\x90\x90\x90\x90", 8}, /* push rax */
    };
    const char *usual = insn;

    (void)state;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    for (unsigned i = 0; i < HV_ARRAY_SIZE(cases); i++) {
        model_code_bits(v, cases[i].bits);
        v->regs.seg[SEG_CS].limit = UINT32_MAX;
        insn = cases[i].bytes;
        run(OTHER + 0x103 - cases[i].reach + 1, true, true);
        run(OTHER + 0x103 - cases[i].reach, true, false);
    }
    insn = usual;
}

static void execute(struct hv_regs *r)
{
    assert_int_equal(rights_at(OTHER), format == &ept ? STAGE2_EXECUTE : READABLE);
    r->rip += 2;
}

/* Code in a page that cannot be read runs, and is no access. */
static void test_code(void **state)
{
    struct model_entry script[] = {{RUN_FREE, NULL, {0}},
                                   {RUN_STEP, execute, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
                                   {RUN_FREE, NULL, {.kind = HV_EXIT_NMI}}};

    (void)state;
    watch(GDB_WATCH_ACCESS, OTHER + 0x103, 3);
    v->regs.rip = OTHER + 0x104;
    script[0].exit = fetch(OTHER + 0x104);
    model_script(script, 3);
    core_run(v, &out);
    assert_int_equal(out.kind, HV_EXIT_NMI);
    assert_int_equal(v->regs.rip, OTHER + 0x106);
    assert_int_equal(v->watch_hits, 0);
}

static void copy(struct hv_regs *r)
{
    r->rip += 2;
}

/* MOVSB from a watched range to a page that is watched, too, elsewhere: the read counts. */
static void test_two_faults(void **state)
{
    static const struct model_entry script[] = {
        {RUN_FREE, NULL, {.kind = HV_EXIT_STAGE2, .stage2 = {.address = OTHER + 0x104}}},
        {RUN_STEP,
         NULL,
         {.kind = HV_EXIT_STAGE2, .stage2 = {.address = OTHER + PAGE, .write = true}}},
        {RUN_STEP, copy, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}}};

    (void)state;
    watch(GDB_WATCH_READ, OTHER + 0x103, 3);
    watch(GDB_WATCH_WRITE, OTHER + PAGE + 8, 3);
    memcpy(model_memory(CODE), "\xa4\x90", 2);
    v->regs.rip = CODE;
    v->watch_hits = 0x100; /* what was not told yet */
    model_script(script, 3);
    core_run(v, &out);
    assert_int_equal(out.kind, HV_EXIT_DEBUG);
    assert_int_equal(v->watch_hits, 0x101);
}

/* What all share is flushed on all CPUs, what one has opened on that one. */
static void test_flushes(void **state)
{
    (void)state;
    model_flushed = 0;
    watch(GDB_WATCH_WRITE, OTHER + 0x103, 3);
    assert_int_equal(model_flushed, 3);
    unsigned flushes = model_flushes;
    run(OTHER + 0x103, true, true);
    assert_int_equal(model_flushes, flushes + 2); /* opened and closed */
    watch_pages_finish_step(v, true);
    assert_int_equal(model_flushes, flushes + 2);
    model_flushed = 0;
    watch_ranges_remove_all();
    assert_int_equal(model_flushed, 3);
}

/* A page that maps elsewhere, or whose tables there is no room for: refused, and not watched. */
static void test_no_room(void **state)
{
    struct hv_exit write = {.kind = HV_EXIT_STAGE2, .stage2 = {.address = 0, .write = true}};
    gpa_t at = 2 * OTHER;

    (void)state;
    assert_int_equal(stage2_map(OTHER, CODE, STAGE2_ALL), HV_OK);
    assert_int_equal(watch_pages_insert(3, OTHER, 1, WATCH_ON_WRITE), HV_ENOSPC);
    while (stage2_map(at, at, STAGE2_ALL) == HV_OK)
        at += 2 << 20;
    assert_int_equal(watch_pages_insert(3, at, 1, WATCH_ON_WRITE), HV_ENOSPC);
    write.stage2.address = at;
    assert_false(watch_pages_open(v, &write));
}

/* BP-31: a step over MOV SS is done in C, but for a descriptor in a watched page, of both tables.
 */
static void test_descriptor_of_a_step(void **state)
{
    static const struct model_entry script[] = {
        {RUN_STEP,
         NULL,
         {.kind = HV_EXIT_STAGE2, .stage2 = {.address = OTHER + 0x115, .write = true}}},
        {RUN_STEP, NULL, {.kind = HV_EXIT_DEBUG, .debug = {DR6_BS}}},
    };
    static const gpa_t tables[] = {OTHER + 0x100, OTHER - 0x14}; /* the second: on two pages */

    (void)state;
    vcpu_change(v, REGS_ALL);
    v->regs.seg[SEG_LDTR] = (struct hv_segment){.attributes = 0x82, .limit = 0x17};
    memcpy(model_memory(CODE), "\x8e\xd0", 2);
    watch(GDB_WATCH_WRITE, OTHER + 0x115, 3);
    for (unsigned i = 0; i < 4; i++) {
        gpa_t table = tables[i / 2];
        v->regs.gdtr = (struct hv_table){table, 0x17};
        v->regs.seg[SEG_LDTR].base = table;
        v->regs.gpr[GPR_RAX] = i % 2 ? 0x14 : 0x10;
        v->regs.rip = CODE;
        v->watch_hits = 0;
        memcpy(model_memory(table + 0x10), "\xff\xff\x00\x00\x00\x92\xcf\x00", 8);
        model_script(script, 2);
        core_step(v, &out);
        assert_true(model_script_done());
        assert_int_equal(v->watch_hits, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_closed_while_watched),
        BOTH(test_refused),
        BOTH(test_hits),
        BOTH(test_not_done),
        BOTH(test_two),
        BOTH(test_reach),
        BOTH(test_reach_of_a_push),
        BOTH(test_code),
        BOTH(test_two_faults),
        BOTH(test_flushes),
        BOTH(test_no_room),
        BOTH(test_frame_of_an_event),
        BOTH(test_word_of_an_event),
        BOTH(test_descriptor_of_a_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
