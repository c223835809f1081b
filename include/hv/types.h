/* Types that every layer uses. */
#ifndef HV_TYPES_H
#define HV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t gva_t; /* guest linear address */
typedef uint64_t gpa_t; /* guest physical address */
typedef uint64_t hpa_t; /* host (system) physical address */

/* CPUs are numbered from 0 (the one that boots) in the order they are found. */
enum { HV_MAX_CPUS = 16 };

#endif
