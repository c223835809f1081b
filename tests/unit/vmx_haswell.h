/* A Haswell i7-4770, as Bochs has it. */
#ifndef TESTS_UNIT_VMX_HASWELL_H
#define TESTS_UNIT_VMX_HASWELL_H

#include "vmx/features.h"

static const struct vmx_features haswell = {
    .vmx = true,
    .feature_control = 5,
    .basic = 0x00d810000000002b,
    .pin = 0x0000007f00000016,
    .cpu = 0xf7f9fffe04006172,
    .cpu2 = 0x0047fff00000000,
    .exit = 0x007fffff00036dfb,
    .entry = 0x0000ffff000011fb,
    .ept_vpid = 0x00000f0106334141,
    .misc = 0x200401e0,
    .phys_bits = 40,
    .linear_bits = 48,
    .cr0_fixed0 = 0x80000021,
    .cr0_fixed1 = 0xffffffff,
    .cr4_fixed0 = 0x2000,
    .cr4_fixed1 = 0x1727ff,
};

#endif
