; 64-bit: sets recognisable registers, then counts in memory for ever.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    PRINT_LINE "hello64: ok"
    mov rbx, 0x1122334455667788
    mov r8, 0x8877665544332211
    mov r15, 0xfedcba9876543210
    mov rax, 0x0123456789abcdef
    movq xmm3, rax
    xor eax, eax
EXPORT count_loop
    inc qword [counter]
    jmp count_loop

section .bss
alignb 8
EXPORT counter
    resq 1
