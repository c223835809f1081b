/*
 * What every door (multiboot2, later UEFI) tells the hall: filled once, after the core has moved
 * itself; from then on no file asks how it was booted.
 */
#ifndef BOOT_BOOT_INFO_H
#define BOOT_BOOT_INFO_H

#include "boot/memory_map.h"
#include "core/vcpu.h"
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

/* Another CPU of it: waits to be taken over, as a guest that goes on with these registers. */
struct boot_other_cpu {
    struct hv_regs regs;
    struct hv_debug_regs debug_regs;
    /* Where it is told to: the 64-bit address of a function, and behind it 32 bits, to be 1 then.
     */
    gpa_t call;
};

/* The guest is the running machine: the firmware, which goes on where it gave us the processor. */
struct boot_running {
    bool goes_on; /* false: the guest is to be loaded */
    struct hv_regs regs;
    struct hv_debug_regs debug_regs;
    /*
     * stop=entry: where the program begins that the firmware starts next, and where it would be if
     * it does not. Both 0: at the first instruction of all.
     */
    gva_t entry, not_entered;
    /* A 64-bit word that is not 0 while the firmware's boot services are there. 0: none. */
    gpa_t boot_services;
    /* 0 where there are others: they stay the firmware's. */
    unsigned other_count;
    struct boot_other_cpu others[HV_MAX_CPUS - 1];
};

struct boot_info {
    const char *door; /* "multiboot2", "uefi" */
    char loader[64];  /* the boot loader's name, "" if it gave none */
    char options[BOOT_CMDLINE_SIZE];
    struct memory_map map; /* as the firmware told, nothing carved out */
    unsigned module_count;
    struct boot_module modules[BOOT_MAX_MODULES];
    uint8_t rsdp[36]; /* a copy */
    size_t rsdp_size; /* 0: not known */
    struct boot_framebuffer screen;
    bool uefi;      /* UEFI has started the machine: there is no BIOS */
    int boot_drive; /* the BIOS's number of the drive it was loaded from, -1: not known */
    struct boot_running running;
    char problem[192]; /* what the door has found that ends the boot, "": nothing */
    hpa_t self_start;  /* where the core now lives: the reservation */
    uint64_t self_size;
};

#endif
