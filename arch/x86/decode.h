/*
 * Instruction decoder: bytes -> length, prefixes, opcode, operands' encoding. Pure.
 *
 * It answers "how long is it and which instruction is it", not "is it allowed here": a privileged
 * instruction, a reserved /reg value or a LOCK in the wrong place decode like any other.
 *
 * Two places where processors differ:
 * - In 64-bit code a near CALL, JMP or Jcc with an operand size prefix takes a 16-bit displacement
 *   on AMD, while Intel ignores the prefix (SDM, "JMP - Jump"; APM vol. 3, "JMP (Near)"). length is
 *   AMD's; where near16 is set, Intel's is 2 more.
 * - On AMD a LOCK before MOV CR0 means CR8 (APM vol. 3, "MOV CRn"). reg is as encoded, lock is set.
 *
 * Intel APX (REX2, EVEX map 4) is not known: HV_EINVAL.
 */
#ifndef ARCH_X86_DECODE_H
#define ARCH_X86_DECODE_H

#include "hv/status.h"
#include "hv/types.h"

/* Default size of the code segment: CS.L and CS.D. */
enum x86_bits { X86_16, X86_32, X86_64 };

enum { X86_INSN_MAX = 15 }; /* bytes; a longer instruction raises #GP */

enum x86_encoding { X86_LEGACY, X86_VEX, X86_EVEX, X86_XOP };

/* Opcode maps; the values from 5 on are the numbers in the VEX, EVEX and XOP prefixes. */
enum x86_map {
    X86_MAP_ONE_BYTE = 0,
    X86_MAP_0F = 1, /* 3DNow! is opcode 0F here, its real opcode the immediate */
    X86_MAP_0F38 = 2,
    X86_MAP_0F3A = 3,
    X86_MAP_5 = 5,
    X86_MAP_6 = 6,
    X86_MAP_7 = 7,
    X86_MAP_XOP8 = 8,
    X86_MAP_XOP9 = 9,
    X86_MAP_XOPA = 10,
};

/* Bits of ext, wherever they came from (REX, VEX, EVEX, XOP), not inverted. 0 outside 64-bit. */
enum { X86_EXT_B = 1, X86_EXT_X = 2, X86_EXT_R = 4, X86_EXT_W = 8, X86_EXT_R2 = 16 };

struct x86_insn {
    enum x86_bits bits;
    uint8_t length; /* bytes, prefixes and all: 1..15 */

    /* Prefixes. */
    uint8_t rep;     /* 0xf2, 0xf3 (the last one) or 0 */
    uint8_t segment; /* 0x26 0x2e 0x36 0x3e 0x64 0x65 (the last that counts) or 0 */
    uint8_t rex;     /* 0x40..0x4f or 0; a REX that is not next to the opcode does not count */
    bool lock;
    bool operand_prefix;  /* 0x66 */
    bool address_prefix;  /* 0x67 */
    uint8_t ext;          /* X86_EXT_* */
    uint8_t operand_size; /* bytes: 2, 4, 8, by mode, 0x66 and W; stack and near branch
                             instructions default to 8 in 64-bit code, which is not told here */
    uint8_t address_size; /* bytes: 2, 4, 8 */

    /* What it is. */
    enum x86_encoding encoding;
    enum x86_map map;
    uint8_t opcode;
    bool near16; /* see above */

    /* ModRM: reg and rm are 0..31, the extension bits applied. */
    bool has_modrm;
    uint8_t modrm;
    uint8_t mod; /* 3 for MOV CRn and DRn, whatever was encoded */
    uint8_t reg;
    uint8_t rm;
    bool has_sib;
    uint8_t scale; /* 1, 2, 4, 8 */
    uint8_t index; /* 0..15; 4: none */
    uint8_t base;  /* 0..15; 5 and 13 with mod 0: none */
    bool rip_relative;

    /* Displacement, or the address of MOV AL/eAX,moffs; sign-extended. EVEX's disp8 is not scaled.
     */
    uint8_t disp_size; /* bytes: 0, 1, 2, 4, 8 */
    int64_t disp;

    /*
     * Immediate bytes, low one first, not sign-extended. Two in a row are told as one: ENTER (2 + 1
     * bytes), far pointers (offset, then 2 bytes selector), EXTRQ/INSERTQ (1 + 1).
     */
    uint8_t imm_size; /* bytes: 0, 1, 2, 3, 4, 6, 8 */
    uint64_t imm;
};

/*
 * Decodes the instruction that begins at bytes[0]; never reads bytes[count] and beyond, nor more
 * than 15 bytes. HV_EFAULT: goes on behind count, give more bytes. HV_EINVAL: longer than 15 bytes,
 * or a hole in the opcode maps, so that the processor would raise #GP or #UD. *insn is complete
 * only on HV_OK.
 */
enum hv_status x86_decode(const uint8_t *bytes, size_t count, enum x86_bits bits,
                          struct x86_insn *insn);

/* The immediate as a signed number (relative branches: distance from the next instruction). */
int64_t x86_insn_imm_signed(const struct x86_insn *insn);

#endif
