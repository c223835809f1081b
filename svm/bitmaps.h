/* SVM's permission maps from core's policy. Pure. APM vol. 2, "IOIO Intercepts", "MSR Intercepts".
 */
#ifndef SVM_BITMAPS_H
#define SVM_BITMAPS_H

#include "core/policy.h"

enum { SVM_MSRPM_SIZE = 8192, SVM_IOPM_SIZE = 12288 };

/* Rows outside the three ranges that the map covers are ignored: those MSRs always exit. */
void svm_msrpm_build(uint8_t *map, const struct msr_row *rows, unsigned count);

/* The same, besides what is in the map. */
void svm_msrpm_add(uint8_t *map, const struct msr_row *rows, unsigned count);

/* Bits set for the ports io_policy_hide() was called for. */
void svm_iopm_build(uint8_t *map);

#endif
