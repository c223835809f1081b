#include "arch/x86/decode_tables.h"

/* clang-format off */

/* SDM, "One-byte Opcode Map"; APM vol. 3, "Primary Opcode Map". Prefixes never get here. */
static const char one_byte[256 + 1] =
    /*       0123456789abcdef */
    /* 00 */ "MMMMbz..MMMMbz.."
    /* 10 */ "MMMMbz..MMMMbz.."
    /* 20 */ "MMMMbz..MMMMbz.."
    /* 30 */ "MMMMbz..MMMMbz.."
    /* 40 */ "................"
    /* 50 */ "................"
    /* 60 */ "..MM....zZbI...."
    /* 70 */ "bbbbbbbbbbbbbbbb"
    /* 80 */ "IZIIMMMMMMMMMMMM"
    /* 90 */ "..........F....."
    /* a0 */ "OOOO....bz......"
    /* b0 */ "bbbbbbbbvvvvvvvv"
    /* c0 */ "IIw.MMIZE.w..b.."
    /* d0 */ "MMMMbb..MMMMMMMM"
    /* e0 */ "bbbbbbbbjjFb...."
    /* f0 */ "......gG......MM";

/* SDM, "Two-byte Opcode Map"; APM vol. 3, "Secondary Opcode Map". */
static const char two_byte[256 + 1] =
    /*       0123456789abcdef */
    /* 00 */ "MMMMU.....U.UM.I"
    /* 10 */ "MMMMMMMMMMMMMMMM"
    /* 20 */ "RRRRUUUUMMMMMMMM"
    /* 30 */ "......U.UUUUUUUU"
    /* 40 */ "MMMMMMMMMMMMMMMM"
    /* 50 */ "MMMMMMMMMMMMMMMM"
    /* 60 */ "MMMMMMMMMMMMMMMM"
    /* 70 */ "IIIIMMM.XMUUMMMM"
    /* 80 */ "jjjjjjjjjjjjjjjj"
    /* 90 */ "MMMMMMMMMMMMMMMM"
    /* a0 */ "...MIMMM...MIMMM"
    /* b0 */ "MMMMMMMMPMIMMMMM"
    /* c0 */ "MMIMIIIM........"
    /* d0 */ "MMMMMMMMMMMMMMMM"
    /* e0 */ "MMMMMMMMMMMMMMMM"
    /* f0 */ "MMMMMMMMMMMMMMMM";

/* clang-format on */

enum x86_form x86_form_legacy(enum x86_map map, uint8_t opcode)
{
    switch (map) {
    case X86_MAP_ONE_BYTE:
        return (enum x86_form)one_byte[opcode];
    case X86_MAP_0F:
        return (enum x86_form)two_byte[opcode];
    case X86_MAP_0F38:
        return FORM_MODRM;
    case X86_MAP_0F3A:
        return FORM_MODRM_IMM8;
    default:
        return FORM_UNDEFINED;
    }
}

/* Map 0F under VEX and EVEX: vector instructions with ModRM, few of them with an immediate. */
static enum x86_form form_vector_0f(enum x86_encoding encoding, uint8_t opcode)
{
    if (opcode == 0x77 && encoding == X86_VEX)
        return FORM_NOTHING; /* VZEROUPPER, VZEROALL */
    if (opcode >= 0x70 && opcode <= 0x73)
        return FORM_MODRM_IMM8;
    if (opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6))
        return FORM_MODRM_IMM8;
    return FORM_MODRM;
}

enum x86_form x86_form_vector(enum x86_encoding encoding, unsigned map, uint8_t opcode)
{
    if (encoding == X86_XOP) { /* APM vol. 3, "XOP Opcode Maps" */
        switch (map) {
        case X86_MAP_XOP8:
            return FORM_MODRM_IMM8;
        case X86_MAP_XOP9:
            return FORM_MODRM;
        case X86_MAP_XOPA:
            return FORM_MODRM_IMMZ; /* BEXTR, LWP: always 4 bytes, as 66 is not allowed here */
        default:
            return FORM_UNDEFINED;
        }
    }
    switch (map) {
    case X86_MAP_0F:
        return form_vector_0f(encoding, opcode);
    case X86_MAP_0F38:
    case X86_MAP_5:
    case X86_MAP_6:
        return FORM_MODRM;
    case X86_MAP_0F3A:
        return FORM_MODRM_IMM8;
    case X86_MAP_7:
        return FORM_MODRM_IMMZ; /* MSR access with a 4-byte MSR number */
    default:
        return FORM_UNDEFINED;
    }
}

bool x86_gone_in_64(uint8_t opcode)
{
    switch (opcode) {
    case 0x06: /* push and pop of ES, CS, SS, DS */
    case 0x07:
    case 0x0e:
    case 0x16:
    case 0x17:
    case 0x1e:
    case 0x1f:
    case 0x27: /* daa, das, aaa, aas */
    case 0x2f:
    case 0x37:
    case 0x3f:
    case 0x60: /* pusha, popa */
    case 0x61:
    case 0x82: /* alias of 80 */
    case 0x9a: /* far call and jump with an immediate */
    case 0xea:
    case 0xce: /* into */
    case 0xd4: /* aam, aad, salc */
    case 0xd5:
    case 0xd6:
        return true;
    default:
        return false;
    }
}
