/* The AMD SVM backend. */
#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "core/backend.h"

extern const struct hv_backend svm_backend;

#endif
