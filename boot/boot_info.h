/*
 * What every door (multiboot2, later UEFI) tells the hall: filled once, after the core has moved
 * itself; from then on no file asks how it was booted.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include "boot/memory_map.h"
#include "hv/types.h"

enum { BOOT_MAX_MODULES = 16, BOOT_CMDLINE_SIZE = 1024 };

struct boot_module {
    hpa_t start;
    uint64_t size;                   /* bytes */
    char cmdline[BOOT_CMDLINE_SIZE]; /* the text behind the module's path */
};

enum boot_screen { BOOT_SCREEN_NONE, BOOT_SCREEN_TEXT, BOOT_SCREEN_RGB };

struct boot_framebuffer {
    enum boot_screen kind;
    hpa_t address;
    uint32_t pitch;         /* bytes */
    uint32_t width, height; /* pixels, or characters for TEXT */
    uint8_t bits_per_pixel;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
};

struct boot_info {
    const char *door; /* "multiboot2" */
    char loader[64];  /* the boot loader's name, "" if it gave none */
    char options[BOOT_CMDLINE_SIZE];
    struct memory_map map; /* as the firmware told, nothing carved out */
    unsigned module_count;
    struct boot_module modules[BOOT_MAX_MODULES];
    uint8_t rsdp[36]; /* a copy */
    size_t rsdp_size; /* 0: not known */
    struct boot_framebuffer screen;
    bool uefi;        /* UEFI has started the machine: there is no BIOS */
    int boot_drive;   /* the BIOS's number of the drive it was loaded from, -1: not known */
    hpa_t self_start; /* where the core now lives: the reservation */
    uint64_t self_size;
};

#endif
