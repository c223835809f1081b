/* SVM's MSR permission map from core's policy. Pure. APM vol. 2, "MSR Intercepts". */
#ifndef SVM_BITMAPS_H
#define SVM_BITMAPS_H

#include "core/policy.h"

enum { SVM_MSRPM_SIZE = 8192 };

/* A msr_map_fn. What is outside the three ranges that the map covers is ignored: it always exits.
 */
void svm_msrpm_add(uint8_t *map, const struct msr_row *row, bool own);

#endif
