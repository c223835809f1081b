/*
 * The opcode maps of the decoder, as data: one letter per opcode tells what follows it.
 * Private to decode.c.
 */
#ifndef ARCH_X86_DECODE_TABLES_H
#define ARCH_X86_DECODE_TABLES_H

#include "arch/x86/decode.h"

enum x86_form {
    FORM_NOTHING = '.',
    FORM_MODRM = 'M',
    FORM_MODRM_REG = 'R',  /* ModRM that always names registers: MOV CRn, DRn */
    FORM_MODRM_IMM8 = 'I', /* ModRM, 1 byte */
    FORM_MODRM_IMMZ = 'Z', /* ModRM, 2 or 4 bytes by operand size */
    FORM_GROUP3_8 = 'g',   /* ModRM, and 1 byte with /0 and /1 */
    FORM_GROUP3_Z = 'G',   /* ModRM, and 2 or 4 bytes with /0 and /1 */
    FORM_SSE4A = 'X',      /* VMREAD, or EXTRQ and INSERTQ with two bytes */
    FORM_POPCNT = 'P',     /* ModRM, exists only with F3 */
    FORM_IMM8 = 'b',
    FORM_IMM16 = 'w',
    FORM_IMMZ = 'z', /* 2 or 4 bytes by operand size */
    FORM_IMMV = 'v', /* 2, 4 or 8 bytes by operand size */
    FORM_RELZ = 'j', /* near branch, 2 or 4 bytes */
    FORM_MOFFS = 'O',
    FORM_ENTER = 'E',
    FORM_FAR = 'F', /* offset of 2 or 4 bytes, selector */
    FORM_UNDEFINED = 'U',
};

/* What follows an opcode of a legacy (not VEX, EVEX, XOP) map. */
enum x86_form x86_form_legacy(enum x86_map map, uint8_t opcode);

/* What follows an opcode of a VEX, EVEX or XOP map. */
enum x86_form x86_form_vector(enum x86_encoding encoding, unsigned map, uint8_t opcode);

/* True for one-byte opcodes that do not exist in 64-bit code. */
bool x86_gone_in_64(uint8_t opcode);

#endif
