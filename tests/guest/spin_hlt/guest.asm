; Idle as an operating system is: halted with interrupts on, woken by the timer.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    GATE 0x20, tick
    mov al, 0xfe
    call pic_setup
    mov ax, 11932                   ; 100 Hz
    call pit_setup
    sti
EXPORT idle
    hlt
EXPORT after_hlt
    cmp dword [ticks], 10
    jne idle
    PRINT_LINE "spin_hlt: ok"
    jmp idle

EXPORT tick
    push rax
    inc qword [ticks]
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq

section .bss
alignb 8
EXPORT ticks
    resq 1
