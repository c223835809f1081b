/* INS and OUTS at ports that are hidden. */
#ifndef CORE_STRING_IO_H
#define CORE_STRING_IO_H

#include "core/handle.h"

/* One element of the string instruction at RIP; RIP moves on when it was the last. */
enum core_result string_io(struct vcpu *v, const struct hv_exit *exit);

#endif
