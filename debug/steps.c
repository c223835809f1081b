#include "debug/steps.h"

#include "hv/compiler.h"

static const uint64_t offset_basis = 0xcbf29ce484222325, prime = 0x100000001b3;

void steps_begin(struct debug_steps *steps, uint64_t count)
{
    *steps = (struct debug_steps){.left = count, .hash = offset_basis};
}

bool steps_count(struct debug_steps *steps, gva_t rip)
{
    if (!steps->left)
        return false;
    steps->done++;
    steps->left--;
    if (!steps->places || rip != steps->last[(steps->places - 1) % HV_ARRAY_SIZE(steps->last)]) {
        for (unsigned i = 0; i < 8; i++)
            steps->hash = (steps->hash ^ (rip >> 8 * i & 0xff)) * prime;
        steps->last[steps->places++ % HV_ARRAY_SIZE(steps->last)] = rip;
    }
    return steps->left != 0;
}
