/* debug/monitor*.c: each command's answer, in lines that fit a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "core/guest_memory.h"
#include "core/handle.h"
#include "debug/breakpoints.h"
#include "debug/catch.h"
#include "debug/monitor.h"
#include "debug/state.h"
#include "debug/watch.h"
#include "lib/log.h"
#include "tests/model/backend.h"
#include "tests/model/memory.h"
#include "tests/unit/ask_monitor.h"
#include "tests/unit/fake_fpu.h"

static struct vcpu *v;
static size_t describe(char *text, size_t size)
{
    strncpy(text, "com1 at 115200 baud", size);
    return strlen(text);
}

static size_t report(unsigned n, char *text, size_t size)
{
    strncpy(text, "a line of the UART's", size);
    return n < 6 ? strlen(text) : 0;
}

static uint64_t errors(void)
{
    return 0;
}

static bool set_baud(uint32_t speed, bool probe)
{
    assert_true(probe);
    return speed != 0 && 1500000 % speed == 0;
}

static const struct debug_link fake_link = {
    .describe = describe, .report = report, .errors = errors, .set_baud = set_baud};
static struct debug_config config = {.link = &fake_link, .about = "gdbvisor 0.1.0, AMD SVM"};

static int setup(void **state)
{
    (void)state;
    v = model_backend_reset();
    memset(&debug, 0, sizeof(debug));
    debug.config = &config;
    core_set_catch(NULL);
    debug.stub.thread_g = 1;
    return 0;
}

static void test_help(void **state)
{
    static const char *const commands[] = {"help", "regs", "exits", "mmio",
                                           "log",  "stop", "reset", "version"};

    (void)state;
    ask("help");
    for (unsigned i = 0; i < 8; i++) {
        char line[24] = "\n";
        strcat(strcat(line, commands[i]), " ");
        assert_true(strstr(out, line) || !strncmp(out, line + 1, strlen(line) - 1));
    }
}

static void test_unknown(void **state)
{
    static const char *const bad[] = {"", " ", "frobnicate", "hel", "helpx", "regs2", "HELP"};

    (void)state;
    length = 0;
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(debug_monitor(bad[i], print), HV_ENOENT);
    assert_int_equal(length, 0);
    ask("  help  ");
}

/* docs/monitor.md has the list as it is, and a section for each command. */
static void test_documented(void **state)
{
    static char text[100000];
    FILE *file = fopen("docs/monitor.md", "r");

    (void)state;
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    fclose(file);
    assert_non_null(strstr(text, ask("help")));
    for (const char *p = out; *p; p += strcspn(p, "\n") + 1) {
        char heading[40];
        snprintf(heading, sizeof(heading), "\n## `monitor %.*s`\n", (int)strcspn(p, " "), p);
        if (!strstr(text, heading))
            fail_msg("docs/monitor.md lacks %s", heading);
    }
}

/* A wrong argument changes nothing and is answered by the usage. */
static void test_usage(void **state)
{
    static const struct {
        const char *command, *usage;
    } wrong[] = {
        {"help me", "usage: monitor help\n"},
        {"regs 2", "usage: monitor regs\n"},
        {"exits rest", "usage: monitor exits [reset]\n"},
        {"exits reset now", "usage: monitor exits [reset]\n"},
        {"mmio perhaps", "usage: monitor mmio [on|off]\n"},
        {"mmio on off", "usage: monitor mmio [on|off]\n"},
        {"log x", "usage: monitor log\n"},
        {"stop ap", "usage: monitor stop [WHAT on|off]\n"},
        {"stop apon", "usage: monitor stop [WHAT on|off]\n"},
        {"stop ap maybe", "usage: monitor stop [WHAT on|off]\n"},
        {"reset it", "usage: monitor reset\n"},
        {"version 1", "usage: monitor version\n"},
        {"arch arm", "usage: monitor arch [auto|i8086|i386|x86-64]\n"},
        {"arch auto i386", "usage: monitor arch [auto|i8086|i386|x86-64]\n"},
    };

    (void)state;
    v->exits[HV_EXIT_CPUID] = 42;
    for (unsigned i = 0; i < HV_ARRAY_SIZE(wrong); i++)
        assert_string_equal(ask(wrong[i].command), wrong[i].usage);
    assert_int_equal(v->exits[HV_EXIT_CPUID], 42);
    assert_false(guest_memory_devices_allowed());
    assert_false(debug.stop_ap);
    assert_false(debug.reset_asked);
}

/* What each form of `catch` becomes, as it is listed; hexadecimal or decimal, any case. */
static void test_catch(void **state)
{
    static const struct {
        const char *typed, *means;
        unsigned traps;
        uint32_t exceptions;
    } forms[] = {
        {"exception pf error 0x10 cr2 0x1000-0x1fff", "exception #PF error 0x10 cr2 0x1000-0x1fff",
         0, 1 << 14},
        {"exception #GP", "exception #GP", 0, 1 << 13},
        {"exception 13 error 0", "exception #GP error 0x0", 0, 1 << 13},
        {"exception 3", "exception #BP", TRAP_BREAKPOINT, 0},
        {"exception DB", "exception #DB", TRAP_DEBUG | TRAP_DR_READS, 0},
        {"exception 30", "exception 30", 0, 1 << 30},
        {"cr0", "cr0 write", TRAP_CR0_WRITES, 0},
        {"cr3 write", "cr3 write", TRAP_CR3_WRITES, 0},
        {"cr4", "cr4 write", TRAP_CR4_WRITES, 0},
        {"efer", "msr 0xc0000080 write", TRAP_WATCHED, 0},
        {"msr 0x10", "msr 0x10 access", TRAP_WATCHED, 0},
        {"msr 0x200-0x20f read", "msr 0x200-0x20f read", TRAP_WATCHED, 0},
        {"io 0xcf8-0xcff out", "io 0xcf8-0xcff out", TRAP_WATCHED, 0},
        {"io 65535", "io 0xffff both", TRAP_WATCHED, 0},
        {"cpuid", "cpuid of any leaf", 0, 0},
        {"cpuid 0x80000001", "cpuid 0x80000001", 0, 0},
    };
    const uint32_t always = 1 << VECTOR_DF;
    char typed[100], means[100];

    (void)state;
    catch_remove_all();
    assert_string_equal(ask("catch"), "nothing is caught\n");
    for (unsigned i = 0; i < HV_ARRAY_SIZE(forms); i++) {
        snprintf(typed, sizeof(typed), "catch %s", forms[i].typed);
        snprintf(means, sizeof(means), "catch 1: %s\n", forms[i].means);
        assert_string_equal(ask(typed), means);
        assert_int_equal(v->traps, forms[i].traps);
        assert_int_equal(v->exceptions, forms[i].exceptions | always);
        assert_string_equal(ask("catch delete all"), "nothing is caught\n");
        assert_int_equal(v->traps, 0);
        assert_int_equal(v->exceptions, always);
    }
    assert_string_equal(ask("catch int 0x10-0x1a"), "catch 1: int 0x10-0x1a\n");
    ask("catch phase long");
    assert_string_equal(ask("catch"), "1   int 0x10-0x1a\n2   phase long\n");
    assert_string_equal(ask("catch delete 1"), "2   phase long\n");
    assert_string_equal(ask("catch delete 1"), "there is no catch 1\n2   phase long\n");
    for (unsigned i = 3; i < 3 + CATCHES - 1; i++)
        ask("catch phase ring3");
    assert_non_null(strstr(ask("catch cr0"), "16 things are caught"));
    catch_remove_all();
}

/* ExitBootServices is found by the firmware's tables, while they are there. */
static void test_catch_door(void **state)
{
    (void)state;
    catch_remove_all();
    watch_remove_all();
    assert_string_equal(ask("catch exitbootservices"),
                        "there are no UEFI boot services, or no more\n");
    config.boot_services = 0x5060;
    assert_string_equal(ask("catch exitbootservices"),
                        "there are no UEFI boot services, or no more\n");
    model_memory_put(0x5060, 0x6000);
    model_memory_put(0x60e8, 0x7abc);
    assert_string_equal(ask("catch exitbootservices"), "catch 1: exitbootservices, at 0x7abc\n");
    assert_true(watch_executes_at(0x7abc));
    assert_int_equal(catch_door_at(0x7abc)->number, 1);
    assert_null(catch_door_at(0x7abd));
    ask("catch delete 1");
    assert_int_equal(watch_count(), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(watch_insert(GDB_BREAK_HARD, 0x100 * i, 1), HV_OK);
    assert_non_null(strstr(ask("catch exitbootservices"), "none is free"));
    watch_remove_all();
    config.boot_services = 0;
}

static void test_catch_usage(void **state)
{
    static const char *const wrong[] = {"what",
                                        "exception",
                                        "exception 2",
                                        "exception 32",
                                        "exception xx",
                                        "exception pf error",
                                        "exception gp cr2 1-2",
                                        "exception pf cr2 9-1",
                                        "cr2",
                                        "cr0 read",
                                        "msr",
                                        "msr 0x100000000",
                                        "msr 1 out",
                                        "io",
                                        "io 0x10000",
                                        "io 5 read",
                                        "cpuid 0x100000000",
                                        "cpuid x",
                                        "int",
                                        "int 256",
                                        "phase",
                                        "phase real",
                                        "delete",
                                        "delete x",
                                        "delete 1 2",
                                        "cr0 cr4"};
    char typed[100];

    (void)state;
    catch_remove_all();
    for (unsigned i = 0; i < HV_ARRAY_SIZE(wrong); i++) {
        snprintf(typed, sizeof(typed), "catch %s", wrong[i]);
        if (strncmp(ask(typed), "usage: monitor catch\n", 21) != 0)
            fail_msg("%s: %s", typed, out);
    }
    assert_string_equal(ask("catch"), "nothing is caught\n");
}

static void test_words(void **state)
{
    const char *s = "  mmio on 12 0x10-0x1f 5 9-3 4- -4 0x offside";
    uint64_t a = 7, b = 8;
    bool on = false;

    (void)state;
    assert_false(monitor_take(&s, "mmi"));
    assert_false(monitor_take(&s, "mmio on"));
    assert_true(monitor_take(&s, "mmio"));
    assert_false(monitor_take_number(&s, &a));
    assert_true(monitor_take_switch(&s, &on) && on);
    assert_false(monitor_take_switch(&s, &on));
    assert_true(monitor_take_number(&s, &a) && a == 12);
    assert_false(monitor_take_number(&s, &a));
    assert_true(monitor_take_range(&s, &a, &b) && a == 0x10 && b == 0x1f);
    assert_true(monitor_take_range(&s, &a, &b) && a == 5 && b == 5);
    assert_false(monitor_take_range(&s, &a, &b));
    assert_true(monitor_take(&s, "9-3"));
    assert_false(monitor_take_range(&s, &a, &b));
    assert_true(monitor_take(&s, "4-"));
    assert_false(monitor_take_range(&s, &a, &b));
    assert_true(monitor_take(&s, "-4"));
    assert_false(monitor_take_number(&s, &a));
    assert_true(monitor_take(&s, "0x"));
    assert_false(monitor_take_switch(&s, &on));
    assert_false(monitor_at_end(s));
    assert_true(monitor_take(&s, "offside"));
    assert_true(monitor_at_end(s) && monitor_at_end("  "));
    assert_false(monitor_take(&s, ""));
    assert_false(monitor_take_number(&s, &a));
    assert_false(monitor_take_range(&s, &a, &b));
    assert_true(on && a == 5 && b == 5);
}

static void test_stop(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("stop"), "ap     off  at the first"));
    assert_non_null(strstr(ask("stop  ap on"), "ap     on   at the first"));
    assert_true(debug.stop_ap);
    ask("stop ap off");
    assert_false(debug.stop_ap);
    debug.stops = DEATH_ALL;
    debug.attached = true;
    assert_non_null(strstr(ask("stop halt off"), "halt   off  when all"));
    assert_int_equal(debug.stops, DEATH_RESET | DEATH_DOUBLE_FAULT);
    assert_int_equal(v->traps, TRAP_WATCHED);
    ask("stop reset off");
    assert_int_equal(v->traps, 0);
    assert_int_equal(debug.stops, DEATH_DOUBLE_FAULT);
    ask("stop halt on");
    assert_int_equal(v->traps, TRAP_HLT);
}

/* USER-5: in each mode, and with the widest values there are. */
static void test_user5_regs(void **state)
{
    (void)state;
    vcpu_change(v, REGS_ALL);
    memset(&v->regs, 0xff, sizeof(v->regs));
    memset(&v->debug_regs, 0xff, sizeof(v->debug_regs));
    v->regs.rflags = 0xffffffff & ~RFLAGS_VM;
    v->interrupt_shadow = v->nmi_blocked = true;
    ask("regs");
    assert_non_null(strstr(out, "64-bit mode, ring 3"));
    assert_non_null(strstr(out, "r15  ffffffffffffffff"));
    assert_non_null(strstr(out, "interrupt shadow"));
    v->regs.rflags = 0xffffffff;
    ask("regs");
    assert_non_null(strstr(out, "virtual-8086 mode"));
    v->regs.rflags = 2;
    v->regs.efer = 0;
    v->regs.seg[SEG_CS].attributes = 0x9b;
    ask("regs");
    assert_non_null(strstr(out, "16-bit protected mode"));
    setup(NULL);
    v->valid = 0; /* everything is fetched first */
    v->changed = 0;
    model_processor.cr3 = 0x1234000;
    model_processor.kernel_gs_base = 5;
    memset(&v->regs.cr0, 0xa5, 48);
    ask("regs");
    assert_non_null(strstr(out, "cr3  0000000001234000"));
}

static void test_exits(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < HV_EXIT_KINDS; kind++)
        v->exits[kind] = UINT64_MAX / HV_EXIT_KINDS;
    v->hidden_accesses = UINT64_MAX;
    ask("exits");
    for (unsigned kind = 0; kind < HV_EXIT_KINDS; kind++)
        assert_non_null(strstr(out, hv_exit_name((enum hv_exit_kind)kind)));
    memset(v->exits, 0, sizeof(v->exits));
    v->exits[HV_EXIT_CPUID] = 42;
    v->hidden_accesses = 3;
    ask("exits");
    assert_non_null(strstr(out, "cpuid"));
    assert_null(strstr(out, "rdmsr"));
    assert_non_null(strstr(out, "42\n"));
    assert_non_null(strstr(out, "3\n"));
    ask("exits reset");
    assert_int_equal(v->exits[HV_EXIT_CPUID], 0);
}

/* USER-9: off until asked for. */
static void test_user9_mmio(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("mmio"), "is off"));
    assert_non_null(strstr(ask("mmio on"), "is on"));
    assert_true(guest_memory_devices_allowed());
    assert_non_null(strstr(ask("mmio"), "is on"));
    assert_non_null(strstr(ask("mmio perhaps"), "usage"));
    assert_true(guest_memory_devices_allowed());
    assert_non_null(strstr(ask("mmio  off"), "is off"));
    assert_false(guest_memory_devices_allowed());
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(breakpoints_insert(v, 0x2000), HV_OK);
    assert_int_equal(watch_insert(GDB_WATCH_WRITE, 0x3000, 4), HV_OK);
    ask("version");
    assert_non_null(strstr(out, "gdbvisor 0.1.0, AMD SVM\n"));
    assert_non_null(strstr(out, "com1 at 115200 baud"));
    assert_non_null(strstr(out, "1 software of 1024, 1 hardware of 4"));
    breakpoints_remove_all();
    watch_remove_all();
}

static void test_uart(void **state)
{
    (void)state;
    memset(&debug.stub.stats, 0xff, sizeof(debug.stub.stats));
    debug.stub.stats = (struct gdbstub_stats){.packets_in = 1000000000,
                                              .packets_out = 1000000001,
                                              .bad_checksums = 1000000002,
                                              .retransmissions = 1000000003,
                                              .oversized = 1000000004,
                                              .junk = 1000000005};
    ask("uart");
    assert_non_null(strstr(out, "a line of the UART's\n"));
    assert_non_null(strstr(out, "1000000000 received, 1000000002 bad checksums, 1000000004 too"));
    assert_non_null(strstr(out, "1000000001 sent, 1000000003 sent again, 1000000005 stray bytes"));
}

static void test_baud(void **state)
{
    (void)state;
    baud_init(&debug.baud, 115200);
    assert_non_null(strstr(ask("baud 115200"), "cannot make 115200 baud"));
    assert_non_null(strstr(ask("baud 0"), "cannot make 0 baud"));
    assert_non_null(strstr(ask("baud 0x10000c350"), "cannot make 4295017296 baud"));
    assert_non_null(strstr(ask("baud"), "usage: monitor baud N"));
    assert_non_null(strstr(ask("baud fast"), "usage: monitor baud N"));
    assert_non_null(strstr(ask("baud 50000 now"), "usage: monitor baud N"));
    assert_int_equal(debug.baud.phase, BAUD_STEADY);
    assert_non_null(strstr(ask("baud 1500000"), "1500000 baud in a moment"));
    assert_int_equal(debug.baud.phase, BAUD_ASKED);
    assert_int_equal(debug.baud.wanted, 1500000);
}

static void test_user5_arch(void **state)
{
    static const char *const names[] = {"auto", "i8086", "i386", "x86-64"};
    char command[16], answer[16];

    (void)state;
    assert_string_equal(ask("arch"), "arch x86-64\n");
    for (unsigned i = 0; i < 4; i++) {
        strcat(strcpy(command, "arch "), names[i]);
        assert_non_null(strstr(ask(command), "unset tdesc filename"));
        strcat(strcat(strcpy(answer, "arch "), names[i]), "\n");
        assert_string_equal(ask("arch"), answer);
    }
}

static void test_log(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        log_print("line %u of the log", i);
    ask("log");
    assert_non_null(strstr(out, "line 0 of the log\n"));
    assert_non_null(strstr(out, "line 19 of the log\n"));
    /* In 80 columns, which ask() checks. */
    log_print("%080u", 1);
    log_print("%079u two", 2);
    log_print("%080u three", 3);
    log_print("%076u     four", 4);
    log_print("%090u", 5);
    log_print("%s", "a sentence that is longer than a line, and whose end stands in the next one, "
                    "or even in the third one, which it is long enough for, or so it seems to be");
    ask("log");
    const char *at = strstr(out, "log\n00000") + 4;
    char wanted[1024];
    snprintf(wanted, sizeof(wanted),
             "%080u\n%079u\n  two\n%080u\n  three\n%076u\n  four\n%080u\n  %010u\n"
             "a sentence that is longer than a line, and whose end stands in the next one, or\n"
             "  even in the third one, which it is long enough for, or so it seems to be\n",
             1, 2, 3, 4, 0, 5);
    assert_string_equal(at, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_help, setup),
        cmocka_unit_test_setup(test_unknown, setup),
        cmocka_unit_test_setup(test_user5_regs, setup),
        cmocka_unit_test_setup(test_exits, setup),
        cmocka_unit_test_setup(test_user9_mmio, setup),
        cmocka_unit_test_setup(test_version, setup),
        cmocka_unit_test_setup(test_log, setup),
        cmocka_unit_test_setup(test_user5_arch, setup),
        cmocka_unit_test_setup(test_documented, setup),
        cmocka_unit_test_setup(test_catch, setup),
        cmocka_unit_test_setup(test_catch_door, setup),
        cmocka_unit_test_setup(test_catch_usage, setup),
        cmocka_unit_test_setup(test_usage, setup),
        cmocka_unit_test_setup(test_words, setup),
        cmocka_unit_test_setup(test_stop, setup),
        cmocka_unit_test_setup(test_uart, setup),
        cmocka_unit_test_setup(test_baud, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
