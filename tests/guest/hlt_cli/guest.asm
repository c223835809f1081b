; Halted with interrupts off: nothing but an NMI reaches it.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    PRINT_LINE "hlt_cli: ok"
    cli
EXPORT halt
    hlt
EXPORT after_halt
    inc qword [wakes]
    jmp halt

section .bss
alignb 8
EXPORT wakes
    resq 1
