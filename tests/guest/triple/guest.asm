; A triple fault at a known place: #BP without any IDT.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    PRINT_LINE "triple: now"
    mov rbx, 0x7472697065666c74
    lidt [no_idt]
EXPORT fault_here
    int3
EXPORT after_fault
    PRINT_LINE "triple: survived"
    jmp $

no_idt:
    dw 0
    dq 0
