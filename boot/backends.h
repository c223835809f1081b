/* The backends there are. */
#ifndef BOOT_BACKENDS_H
#define BOOT_BACKENDS_H

#include "core/backend.h"

/* The one for this processor's maker, whether it can run here or not; NULL: there is none. */
const struct hv_backend *backends_find(void);

#endif
