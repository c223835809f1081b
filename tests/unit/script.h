/*
 * Words for the scripts of tests/model/backend.h. SCRIPT(call, entries...): the call makes exactly
 * these entries, one after the other.
 */
#ifndef TESTS_UNIT_SCRIPT_H
#define TESTS_UNIT_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arch/x86/registers.h"
#include "hv/compiler.h"
#include "tests/model/backend.h"

#define SCRIPT(call, ...)                                                                          \
    do {                                                                                           \
        static const struct model_entry script[] = {__VA_ARGS__};                                  \
        model_script(script, HV_ARRAY_SIZE(script));                                               \
        call;                                                                                      \
        assert_true(model_script_done());                                                          \
    } while (0)

/* An entry: its mode, what the guest does (NULL: nothing), and the exit's fields. */
/* clang-format off */
#define ENTRY(mode, guest, ...) {mode, guest, {__VA_ARGS__}}
#define FREE(guest, k)          ENTRY(RUN_FREE, guest, .kind = k)
#define ENDS(k, guest)          ENTRY(RUN_STEP, guest, .kind = k)
#define DONE(guest)             ENTRY(RUN_STEP, guest, .kind = HV_EXIT_DEBUG, .debug = {DR6_BS})
#define DELIVERED(guest)        ENTRY(RUN_TO_FETCH, guest, .kind = HV_EXIT_FETCH)
#define WAITED(guest)           ENTRY(RUN_TO_INTERRUPT, guest, .kind = HV_EXIT_FETCH)
/* clang-format on */

#endif
