/* Multiboot1: the layout of the information block, shared by planner and builder. */
#ifndef BOOT_MULTIBOOT1_INFO_H
#define BOOT_MULTIBOOT1_INFO_H

#include "boot/guest_request.h"

/* Where the parts of the information block lie in it; the information itself is at 0. */
struct multiboot1_layout {
    uint32_t gdt, cmdline, loader, modules, strings, map;
    uint32_t size;
};

/* The layout for the request's map, modules and strings. */
struct multiboot1_layout multiboot1_lay_out(const struct guest_request *request);

#endif
