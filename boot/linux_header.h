/*
 * Offsets of Linux's setup header, the same in the file and in boot_params (Linux, "The Linux/x86
 * Boot Protocol", "The Real-Mode Kernel Header"), and of boot_params itself ("Zero Page").
 */
#ifndef BOOT_LINUX_HEADER_H
#define BOOT_LINUX_HEADER_H

enum linux_header_offset {
    LH_SETUP_SECTS = 0x1f1,
    LH_SYSSIZE = 0x1f4, /* in units of 16 bytes */
    LH_VID_MODE = 0x1fa,
    LH_BOOT_FLAG = 0x1fe,
    LH_JUMP_LENGTH = 0x201, /* the header ends that far behind LH_MAGIC */
    LH_MAGIC = 0x202,
    LH_VERSION = 0x206,
    LH_TYPE_OF_LOADER = 0x210,
    LH_LOADFLAGS = 0x211,
    LH_SMALLEST = 0x212,
    LH_CODE32_START = 0x214,
    LH_RAMDISK_IMAGE = 0x218,
    LH_RAMDISK_SIZE = 0x21c,
    LH_CMD_LINE_PTR = 0x228,
    LH_INITRD_MAX = 0x22c,   /* from 2.03 on */
    LH_ALIGNMENT = 0x230,    /* 2.05 */
    LH_RELOCATABLE = 0x234,  /* 2.05 */
    LH_CMDLINE_SIZE = 0x238, /* 2.06 */
    LH_SETUP_DATA = 0x250,   /* 2.09 */
    LH_PREF_ADDRESS = 0x258, /* 2.10 */
    LH_INIT_SIZE = 0x260,    /* 2.10 */
};

enum { LH_LOADED_HIGH = 1 << 0, LH_CAN_USE_HEAP = 1 << 7 }; /* of LH_LOADFLAGS */

enum linux_params_offset {
    LP_SCREEN = 0x000,
    LP_ACPI_RSDP_ADDR = 0x070, /* 2.14 */
    LP_E820_ENTRIES = 0x1e8,
    LP_E820_TABLE = 0x2d0,
    LP_E820_TABLE_END = 0xcd0,
};

enum { LP_E820_ENTRY = 20 }; /* start, size: 8 bytes each; type: 4 */

/* Of struct screen_info. */
enum linux_screen_offset {
    LS_ORIG_X = 0x00,
    LS_ORIG_Y = 0x01,
    LS_MODE = 0x06,
    LS_COLUMNS = 0x07,
    LS_LINES = 0x0e,
    LS_IS_VGA = 0x0f,
    LS_POINTS = 0x10,
    LS_LFB_WIDTH = 0x12,
    LS_LFB_HEIGHT = 0x14,
    LS_LFB_DEPTH = 0x16,
    LS_LFB_BASE = 0x18,
    LS_LFB_SIZE = 0x1c, /* VLFB: in units of 64 KiB */
    LS_LFB_PITCH = 0x24,
    LS_RED_SIZE = 0x26, /* then its position; green, blue, reserved likewise */
    LS_PAGES = 0x32,
    LS_CAPABILITIES = 0x36,
    LS_EXT_LFB_BASE = 0x3a,
};

enum { LS_TYPE_VGA_TEXT = 0x01, LS_TYPE_VLFB = 0x23, LS_CAP_64BIT_BASE = 1 << 1 };

#endif
