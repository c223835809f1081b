/* Which of SVM's optional parts this processor has. Pure but for reading CPUID and VM_CR. */
#ifndef SVM_FEATURES_H
#define SVM_FEATURES_H

#include "hv/types.h"

struct svm_features {
    bool svm;
    bool disabled; /* VM_CR.SVMDIS: off in firmware */
    bool locked;   /* and a key would be needed */
    bool npt;
    bool lbr; /* DEBUGCTL and the last-branch records are switched with the guest */
    bool nrip, clean_bits, flush_by_asid, decode_assists;
    uint32_t asids;
};

/* Processors of a maker that builds SVM. */
bool svm_features_maker(void);

struct svm_features svm_features_read(void);

/* Has nested paging, whose format is that of all paging, 1 GiB pages? */
bool svm_features_gib_pages(void);

/* NULL when a guest can be run; else the sentence for the person. */
const char *svm_features_refusal(const struct svm_features *f);

/* "NPT, nRIP, ...": what is used beyond the must; returns the length. */
size_t svm_features_text(const struct svm_features *f, char *text, size_t size);

#endif
