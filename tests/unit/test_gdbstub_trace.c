/* Tracepoints: the packets, the run, and what is collected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gdbstub/trace.h"
#include "tests/unit/fake_line.h"

static int attach(void **state)
{
    (void)state;
    start_session(1);
    assert_string_equal(ask("QTinit"), "OK");
    return 0;
}

/* Each packet must be answered OK. */
static void all_ok(const char *const *packets)
{
    for (; *packets != NULL; packets++) {
        if (strcmp(ask(*packets), "OK") != 0)
            fail_msg("%s: %s", *packets, reply.text);
    }
}

#define OK(...) all_ok((const char *const[]){__VA_ARGS__, NULL})

/* Runs so many instructions, and a Ctrl-C. */
static void run_and_stop(unsigned count)
{
    assert_null(ask("c"));
    assert_null(run(count));
    line_feed("\3", 1);
    assert_memory_equal(run(1), "T02", 3);
}

static void a_run_collects_and_tells_nothing(void **state)
{
    (void)state;
    assert_string_equal(ask("qTStatus"), "T0;tnotrun:0");
    OK("QTDP:1:1010:E:0:0-", "QTDP:-1:1010:R03M-1,2000,8", "QTStart");
    run_and_stop(6 * 10); /* ten rounds of the loop */
    assert_string_equal(ask("qTP:1:1010"), "Va:76c");
    assert_memory_equal(ask("qTStatus"), "T1;tnotrun:0;tframes:a;tcreated:a;tsize:4000;tfree:", 49);
    OK("QTStop");
    assert_memory_equal(ask("qTStatus"), "T0;tstop::0;tframes:a;", 22);
    assert_string_equal(ask("QTFrame:0"), "F0T1");
    assert_string_equal(ask("m2000,8"), "0100000000000000");
    assert_string_equal(ask("p10"), "1010000000000000");
    assert_string_equal(ask("QTFrame:9"), "F9T1");
    assert_string_equal(ask("m2000,8"), "0a00000000000000");
    assert_string_equal(ask("m2000,9"), "0a00000000000000"); /* short: no more was collected */
    assert_string_equal(ask("x2004,4"), ask("x2004,4"));
    assert_string_equal(ask("m2008,8"), "E14");
    assert_string_equal(ask("p28"), "xxxxxxxxxxxxxxxx"); /* cr0 is none of a g reply */
    assert_string_equal(ask("QTFrame:a"), "F-1");
    assert_string_equal(ask("m2000,8"), "0a00000000000000"); /* gdb stays at the last frame, too */
    assert_string_equal(ask("m2008,1"), "E14");
    assert_string_equal(ask("QTFrame:ffffffff"), "OK");
    assert_string_equal(ask("m2008,1"), "00"); /* the target again */
}

static void frames_are_found(void **state)
{
    (void)state;
    OK("QTDP:1:1010:E:0:0-", "QTDP:-1:1010:R03", "QTDP:2:1002:E:0:0", "QTStart");
    run_and_stop(12);
    /* 1002, 1010, 1002, 1010 */
    assert_string_equal(ask("QTFrame:pc:1010"), "F1T1");
    assert_string_equal(ask("QTFrame:pc:1010"), "F3T1");
    assert_string_equal(ask("QTFrame:pc:1010"), "F-1");
    assert_string_equal(ask("QTFrame:0"), "F0T2");
    assert_string_equal(ask("p10"), "0210000000000000"); /* known without registers */
    assert_string_equal(ask("p0"), "xxxxxxxxxxxxxxxx");
    assert_string_equal(ask("QTFrame:tdp:2"), "F2T2");
    assert_string_equal(ask("QTFrame:range:1003:1010"), "F3T1");
    assert_string_equal(ask("QTFrame:0"), "F0T2");
    assert_string_equal(ask("QTFrame:outside:1000:1008"), "F1T1");
    assert_string_equal(ask("QTFrame:outside:1000:2000"), "F-1");
    assert_string_equal(ask("QTFrame:range:1003"), "E22");
    assert_string_equal(ask("QTFrame:"), "E22");
}

/* The pc stands where the layout has it: behind registers that may be shorter, or not there. */
static size_t narrow(unsigned number)
{
    return number < 8 ? 4 : number < FAKE_RIP ? 0 : fake_target.reg_size(number);
}

static void frames_are_found_in_any_layout(void **state)
{
    struct gdb_target target = fake_target;
    uint64_t values[5] = {0, 0, 0, 0, 0x123456789};

    (void)state;
    OK("QTDP:1:1010:E:0:0-", "QTDP:-1:1010:R03", "QTStart");
    for (unsigned i = 0; i < 5; i++)
        memcpy(fake.registers[1][i], &values[i], 8);
    run_and_stop(6);
    target.reg_size = narrow;
    stub.target = &target;
    assert_string_equal(ask("QTFrame:pc:123456789"), "F0T1");
    stub.target = &fake_target;
}

static void conditions_passes_and_variables(void **state)
{
    (void)state;
    /* counter % 4 == 0; ends after 3 hits; $n = $n + 1 */
    OK("QTDV:1:5:0:6e", "QTDP:7:1010:E:0:3:X9,2320001a2204080e27-",
       "QTDP:-7:1010:Xe,2c00012201022d0001292e000127", "QTStart");
    run_and_stop(6 * 30);
    assert_string_equal(ask("qTP:7:1010"), "V3:39");
    assert_memory_equal(ask("qTStatus"), "T0;tpasscount:7;tframes:3;", 26);
    assert_string_equal(ask("qTV:1"), "V8");
    assert_string_equal(ask("qTV:2"), "U");
    assert_string_equal(ask("QTFrame:1"), "F1T7");
    assert_string_equal(ask("qTV:1"), "V7");
    assert_string_equal(ask("qTfP"), "T7:1010:E:0:3");
    assert_string_equal(ask("qTsP"), "l");
    assert_string_equal(ask("qTfV"), "1:5:0:6e");
    assert_string_equal(ask("qTsV"), "l");
    /* A new run begins with the variable's first value. */
    OK("QTStart");
    assert_string_equal(ask("qTV:1"), "V5");
    assert_string_equal(ask("qTP:7:1010"), "V0:0");
}

static void while_stepping(void **state)
{
    (void)state;
    OK("QTDP:1:1002:E:3:1-", "QTDP:-1:1002:M-1,2000,8-", "QTDP:-1:1002:SR03", "QTStart");
    run_and_stop(6);
    assert_string_equal(ask("QTFrame:0"), "F0T1");
    assert_string_equal(ask("m2000,1"), "00");
    /* The run ended with the first pass: then its steps are not collected. */
    assert_string_equal(ask("QTFrame:1"), "F-1");
    OK("QTinit", "QTDP:1:1002:E:3:0-", "QTDP:-1:1002:M-1,2000,8-", "QTDP:-1:1002:SR03", "QTStart");
    fake_set(1, FAKE_RIP, FAKE_CODE);
    run_and_stop(6);
    assert_string_equal(ask("QTFrame:1"), "F1T1");
    assert_string_equal(ask("p10"), "0910000000000000");
    assert_string_equal(ask("QTFrame:3"), "F3T1");
    assert_string_equal(ask("p10"), "1110000000000000");
    assert_string_equal(ask("QTFrame:4"), "F-1");
}

static void a_full_buffer_ends_the_run_or_forgets(void **state)
{
    (void)state;
    OK("QTDP:1:1010:E:0:0-", "QTDP:-1:1010:M-1,2000,100", "QTBuffer:size:1000", "QTStart");
    run_and_stop(6 * 50);
    /* 6 + 11 + 256 bytes each */
    assert_memory_equal(ask("qTStatus"), "T0;tfull:0;tframes:f;tcreated:f;tsize:1000;tfree:1;", 51);
    OK("QTBuffer:circular:1", "QTStart");
    run_and_stop(6 * 100);
    assert_memory_equal(ask("qTStatus"), "T1;", 3);
    assert_non_null(strstr(reply.text, ";tcreated:64;"));
    OK("QTStop");
    assert_string_equal(ask("QTFrame:0"), "F0T1");
    assert_non_null(strstr(ask("qTStatus"), ";circular:1"));
    /* The last one there is is the last one there was. */
    for (unsigned n = 0; ask("QTFrame:tdp:1")[1] != '-'; n++)
        assert_true(n < 16);
    ask("QTFrame:0");
    ask("m2000,8");
    assert_true(fake.memory[FAKE_COUNTER] - strtoul(reply.text, NULL, 16) % 256 < 256);
    assert_string_equal(ask("QTBuffer:size:4001"), "E22");
    OK("QTBuffer:size:-1", "QTBuffer:size:4000");
    assert_string_equal(ask("QTBuffer:shape:1"), "E22");
}

static void errors_end_the_run(void **state)
{
    (void)state;
    OK("QTDP:3:1010:E:0:0-", "QTDP:-3:1010:X5,23a0001a27", "QTStart");
    run_and_stop(6);
    assert_memory_equal(ask("qTStatus"), "T0;terror:6d656d6f7279206973206e6f74206d6170706564:3;",
                        53);
    OK("QTinit", "QTDP:3:1010:E:0:0:X1,02", "QTStart");
    run_and_stop(6);
    assert_memory_equal(ask("qTStatus"), "T0;terror:", 10);
    /* Memory that is not there is left out. */
    OK("QTinit", "QTDP:3:1010:E:0:0-", "QTDP:-3:1010:M-1,9ffc,8M7,10,8R0", "QTStart");
    run_and_stop(6);
    OK("QTStop");
    assert_string_equal(ask("QTFrame:0"), "F0T3");
    assert_string_equal(ask("m9ffc,8"), "00000000");
    assert_int_equal(strlen(ask("m7110,8")), 16); /* $rsp + 16 */
    assert_int_equal(strlen(ask("g")), 2 * TRACE_REGISTERS);
}

static void read_only_memory_is_as_it_is(void **state)
{
    (void)state;
    OK("QTro:1000,1100:4000,5000", "QTDP:3:1010:E:0:0", "QTStart");
    run_and_stop(6);
    assert_string_equal(ask("QTFrame:0"), "F0T3");
    assert_string_equal(ask("m1000,2"), "9090");
    assert_string_equal(ask("m10fe,10"), "0000");
    assert_string_equal(ask("m2000,8"), "E14");
    /* The guest goes on: the frame is not chosen any more. */
    assert_null(ask("s"));
    assert_non_null(run(1));
    assert_string_equal(ask("m2000,1"), "01");
}

/* A gdb that comes later gets what the user of the first one said, in its order. */
static void what_was_said_is_uploaded(void **state)
{
    (void)state;
    OK("QTDP:7:1010:E:0:0:X9,2320001a2204080e27-", "QTDP:-7:1010:R03",
       "QTDPsrc:7:1010:at:0:7:2a307831303130", "QTDPsrc:7:1010:cond:0:3:613d34",
       "QTDPsrc:7:1010:cmd:0:d:636f6c6c6563742024726567", "QTDP:8:1002:D:3:5",
       "QTDPsrc:8:1002:at:0:1:61");
    assert_string_equal(ask("qTfP"), "T8:1002:D:3:5"); /* the last first */
    assert_string_equal(ask("qTsP"), "Z8:1002:at:0:1:61");
    assert_string_equal(ask("qTsP"), "T7:1010:E:0:0");
    assert_string_equal(ask("qTsP"), "Z7:1010:at:0:7:2a307831303130");
    assert_string_equal(ask("qTsP"), "Z7:1010:cond:0:3:613d34");
    assert_string_equal(ask("qTsP"), "Z7:1010:cmd:0:d:636f6c6c6563742024726567");
    assert_string_equal(ask("qTsP"), "l");
    assert_string_equal(ask("qTsP"), "l");
    assert_string_equal(ask("qTfP"), "T8:1002:D:3:5"); /* anew */
    /* It is neither condition nor action. */
    OK("QTStart");
    run_and_stop(6 * 8);
    assert_string_equal(ask("qTP:7:1010"), "V2:156");
    assert_string_equal(ask("QTDPsrc:7:1010:at:0:1:61"), "E16");
    OK("QTStop");
    assert_string_equal(ask("QTDPsrc:9:1010:at:0:1:61"), "E02");
    assert_string_equal(ask("QTDPsrc:7:1010:what:0:1:61"), "E22");
    assert_string_equal(ask("QTDPsrc:7:1010:at:0:1:6g"), "E22");
    assert_string_equal(ask("QTDPsrc:7:1010:at:0"), "E22");
    assert_string_equal(ask("QTDPsrc:7:1010:at:0:1:61"), "E22"); /* not behind its others */
    OK("QTinit");
    assert_string_equal(ask("qTfP"), "l");
    /* There is room for 16 KiB. */
    char text[4200] = "QTDPsrc:1:1010:cmd:0:800:";
    memset(text + strlen(text), '6', 4096);
    OK("QTDP:1:1010:E:0:0", text, text, text);
    assert_string_equal(ask(text), "E28");
    OK("QTDP:2:1010:E:0:0", "QTDPsrc:2:1010:at:0:1:61");
    assert_string_equal(ask("qTfP"), "T2:1010:E:0:0");
    assert_string_equal(ask("qTsP"), "Z2:1010:at:0:1:61");
    assert_string_equal(ask("qTsP"), "T1:1010:E:0:0");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(strlen(ask("qTsP")), strlen(text) - strlen("QTDPsrc:") + 1);
    assert_string_equal(ask("qTsP"), "l"); /* nothing of the one that had no room */
}

/* An upload goes on after other packets, from where there is a beginning of what was said. */
static void an_upload_is_broken_off(void **state)
{
    char text[4200] = "QTDPsrc:2:1010:cmd:0:800:";

    (void)state;
    memset(text + strlen(text), '6', 4096);
    OK("QTDP:1:1010:E:0:0", "QTDPsrc:1:1010:at:0:2:6161");
    assert_string_equal(ask("qTfP"), "T1:1010:E:0:0");
    assert_string_equal(ask("qTsP"), "Z1:1010:at:0:2:6161");
    OK("QTinit", "QTDP:2:1010:E:0:0", text);
    assert_memory_equal(ask("qTsP"), "l", 2);
    assert_string_equal(ask("qTfP"), "T2:1010:E:0:0");
    assert_memory_equal(ask("qTsP"), "Z2:1010:cmd:0:800:666", 21);
    OK("QTDV:1:0:0:61", "QTDV:2:0:0:62");
    assert_string_equal(ask("qTfV"), "1:0:0:61");
    assert_string_equal(ask("qTsV"), "2:0:0:62");
    assert_string_equal(ask("qTsP"), "l");
}

/* Its head alone would fit: there is no half of an action. */
static void an_action_has_room_or_is_not_there(void **state)
{
    char text[16384] = "QTDP:-1:1010:X1f40,27";

    (void)state;
    memset(text + strlen(text), '0', 2 * (8000 - 1));
    OK("QTDP:1:1010:E:0:0-", text, text); /* 3 + 8000 bytes each */
    for (unsigned i = 0; i < 16; i++)
        OK("QTDP:-1:1010:M-1,2000,1"); /* 3 + 20 */
    assert_int_equal(fake_trace.code_used, TRACE_CODE - 10);
    assert_string_equal(ask("QTDP:-1:1010:M-1,2000,1"), "E28");
    OK("QTStart");
    run_and_stop(6);
    assert_string_equal(ask("qTP:1:1010"), "V1:c6"); /* 6, and 16 blocks of 12 */
    assert_memory_equal(ask("qTStatus"), "T1;", 3);
}

static void points_are_switched_amid_a_run(void **state)
{
    (void)state;
    OK("QTDP:1:1010:D:0:0", "QTDP:2:1002:E:0:0", "QTStart");
    run_and_stop(6 * 3);
    assert_string_equal(ask("qTP:1:1010"), "V0:0");
    assert_string_equal(ask("qTP:2:1002"), "V3:12");
    fake_trace_arms = 0;
    OK("QTEnable:1:1010", "QTDisable:2:1002");
    assert_int_equal(fake_trace_arms, 2);
    run_and_stop(6 * 4);
    assert_string_equal(ask("qTP:1:1010"), "V4:18");
    assert_string_equal(ask("qTP:2:1002"), "V3:12");
    /* What cannot be armed is off again, and the others go on. */
    fake_trace_refusals = 1;
    assert_string_equal(ask("QTEnable:2:1002"), "E28");
    assert_string_equal(ask("qTfP"), "T2:1002:D:0:0");
    assert_string_equal(ask("qTsP"), "T1:1010:E:0:0");
    run_and_stop(6 * 2);
    assert_string_equal(ask("qTP:1:1010"), "V6:24");
    OK("QTStop");
    fake_trace_arms = 0;
    OK("QTEnable:2:1002");
    assert_int_equal(fake_trace_arms, 0);
    assert_string_equal(ask("QTEnable:3:1002"), "E02");
    assert_string_equal(ask("QTEnable:1"), "E22");
    assert_string_equal(ask("QTDisable:1:1010:"), "E22");
}

static void what_a_frame_has(void **state)
{
    static const char all[] = "<traceframe-info><memory start=\"0x2000\" length=\"0x8\"/>"
                              "<tvar id=\"0x1\"/><memory start=\"0x2010\" length=\"0x2\"/>"
                              "</traceframe-info>";
    char packet[64], text[sizeof(all)] = "";

    (void)state;
    OK("QTDV:1:5:0:6e", "QTDP:1:1010:E:0:0-", "QTDP:-1:1010:R03M-1,2000,8X4,2e000127M-1,2010,2",
       "QTStart");
    run_and_stop(6);
    OK("QTStop");
    assert_string_equal(ask("qXfer:traceframe-info:read::0,1000"), "E02");
    assert_string_equal(ask("QTFrame:0"), "F0T1");
    assert_int_equal(ask("qXfer:traceframe-info:read::0,1000")[0], 'l');
    assert_string_equal(reply.text + 1, all);
    for (size_t at = 0; at < strlen(all); at += 7) {
        sprintf(packet, "qXfer:traceframe-info:read::%zx,7", at);
        ask(packet);
        assert_int_equal(reply.text[0], at + 7 >= strlen(all) ? 'l' : 'm');
        strcat(text, reply.text + 1);
    }
    assert_string_equal(text, all);
    assert_string_equal(ask("qXfer:traceframe-info:read::500,10"), "E22");
    assert_string_equal(ask("qXfer:traceframe-info:read::0"), "E22");
    assert_string_equal(ask("qXfer:traceframe-info:read:a:0,10"), "");
}

static void the_buffer_as_it_is(void **state)
{
    (void)state;
    OK("QTDP:3:1010:E:0:0-", "QTDP:-3:1010:M-1,2000,2", "QTStart");
    run_and_stop(6);
    assert_string_equal(ask("qTBuffer:0,100"), "03000d0000004d002000000000000002000100");
    assert_string_equal(ask("qTBuffer:6,1"), "4d");
    assert_string_equal(ask("qTBuffer:13,10"), "l");
    assert_string_equal(ask("qTBuffer:0"), "E22");
}

static void what_makes_no_sense(void **state)
{
    static const char *const bad[] = {
        "QTDP:",
        "QTDP:1",
        "QTDP:1:1010",
        "QTDP:1:1010:X:0:0",
        "QTDP:1:1010:E:0",
        "QTDP:1:1010:E:",
        "QTDP:1:1010:E:0:g",
        "QTDP:1:1010:E:0:0:X5,00",
        "QTDP:-1",
        "QTDP:-1:1010",
        "QTDP:-1:1010:Z",
        "QTDP:-1:1010:M1,2",
        "QTDP:-1:1010:X",
        "QTDV:",
        "QTDV:1:2:3",
        "qTP:1",
        "qTV:",
    };

    (void)state;
    OK("QTDP:1:1010:E:0:0");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (strcmp(ask(bad[i]), "E22") != 0)
            fail_msg("%s: %s", bad[i], reply.text);
    }
    assert_string_equal(ask("QTDP:-2:1010:R0"), "E02");
    assert_string_equal(ask("qTP:2:1010"), "E02");
    assert_string_equal(ask("QTDP:2:1010:E:0:0:F5"), ""); /* a fast one */
    assert_string_equal(ask("QTnothing"), "");
    assert_string_equal(ask("qTnothing"), "");
    OK("QTDP:2:1020:E:0:0", "QTDP:-2:1020:R0");
    assert_string_equal(ask("QTDP:-1:1010:R0"), "OK");  /* the first of its actions */
    assert_string_equal(ask("QTDP:-2:1020:R0"), "E22"); /* not behind the others of its own */
    OK("QTStart");
    assert_string_equal(ask("QTDP:4:1010:E:0:0"), "E16");
    OK("QTStop", "QTDisconnected:0", "QTNotes:user:61");
    for (unsigned i = 2; i < TRACE_POINTS; i++) {
        char packet[32];

        sprintf(packet, "QTDP:%x:1000:E:0:0", i + 1);
        OK(packet);
    }
    assert_string_equal(ask("QTDP:99:1000:E:0:0"), "E28");
}

static void a_target_without_tracepoints(void **state)
{
    struct gdb_trace *trace = fake_target.trace;

    (void)state;
    fake_target.trace = NULL;
    assert_string_equal(ask("qTStatus"), "");
    assert_string_equal(ask("QTinit"), "");
    assert_null(strstr(ask("qSupported"), "racepoint"));
    fake_target.trace = trace;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_run_collects_and_tells_nothing, attach),
        cmocka_unit_test_setup(frames_are_found, attach),
        cmocka_unit_test_setup(frames_are_found_in_any_layout, attach),
        cmocka_unit_test_setup(conditions_passes_and_variables, attach),
        cmocka_unit_test_setup(while_stepping, attach),
        cmocka_unit_test_setup(a_full_buffer_ends_the_run_or_forgets, attach),
        cmocka_unit_test_setup(errors_end_the_run, attach),
        cmocka_unit_test_setup(read_only_memory_is_as_it_is, attach),
        cmocka_unit_test_setup(what_was_said_is_uploaded, attach),
        cmocka_unit_test_setup(an_upload_is_broken_off, attach),
        cmocka_unit_test_setup(an_action_has_room_or_is_not_there, attach),
        cmocka_unit_test_setup(points_are_switched_amid_a_run, attach),
        cmocka_unit_test_setup(what_a_frame_has, attach),
        cmocka_unit_test_setup(the_buffer_as_it_is, attach),
        cmocka_unit_test_setup(what_makes_no_sense, attach),
        cmocka_unit_test_setup(a_target_without_tracepoints, attach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
