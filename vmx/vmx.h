/* The Intel VMX backend. */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include "core/backend.h"

extern const struct hv_backend vmx_backend;

#endif
