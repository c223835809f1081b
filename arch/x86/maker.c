#include "arch/x86/maker.h"

#include "arch/x86/insn.h"
#include "lib/string.h"

bool cpu_made_by(const char (*makers)[13], unsigned count)
{
    struct cpuid_result r = cpuid(0, 0);
    uint32_t words[3] = {r.ebx, r.edx, r.ecx};

    for (unsigned i = 0; i < count; i++) {
        if (memcmp(words, makers[i], sizeof(words)) == 0)
            return true;
    }
    return false;
}
