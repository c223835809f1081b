/* The formats of stage-2 tables that the back ends have. */
#ifndef TESTS_MODEL_STAGE2_H
#define TESTS_MODEL_STAGE2_H

#include "core/stage2.h"
#include "hv/compiler.h"

HV_UNUSED static const struct stage2_format npt = {
    .table = 7, .leaf = 5, .large = 0x80, .write = 2, .no_execute = 1ULL << 63};
HV_UNUSED static const struct stage2_format ept = {.table = 7,
                                                   .leaf = 1,
                                                   .large = 0x80,
                                                   .read = 1,
                                                   .write = 2,
                                                   .execute = 4,
                                                   .type_shift = 3,
                                                   .execute_only = true};

#endif
