#include "boot/backends.h"

#include "hv/compiler.h"
#include "svm/svm.h"
#include "vmx/vmx.h"

static const struct hv_backend *const backends[] = {&svm_backend, &vmx_backend};

const struct hv_backend *backends_find(void)
{
    for (unsigned i = 0; i < HV_ARRAY_SIZE(backends); i++) {
        if (backends[i]->maker())
            return backends[i];
    }
    return NULL;
}
