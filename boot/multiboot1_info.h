/* Multiboot1: the layout of the information block, shared by planner and builder. */
#ifndef BOOT_MULTIBOOT1_INFO_H
#define BOOT_MULTIBOOT1_INFO_H

#include "boot/multiboot1.h"

/* Fills plan->layout for the request's map, modules and strings. */
void multiboot1_lay_out(const struct guest_request *request, struct multiboot1_plan *plan);

#endif
