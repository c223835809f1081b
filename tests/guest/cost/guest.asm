; 64-bit: by the time-stamp counter, what rounds of an instruction take, alone and where it exits.
%define GUEST_BITS 64
%include "common.inc"

ROUNDS equ 1000
APIC_EOI equ 0xfee000b0

; TAKES name, instruction: prints the ticks of all rounds, two instructions for each going round.
%macro TAKES 2+
    rdtsc
    mov r14d, eax
    mov r12d, ROUNDS
%%again:
    %2
    dec r12d
    jnz %%again
    rdtsc
    sub eax, r14d
    call print_hex
    PRINT_LINE " ", %1
%endmacro

EXPORT main
    TAKES "nop", nop
    TAKES "cpuid", cpuid
    mov rbp, APIC_EOI
    TAKES "apic write", mov dword [rbp], 0
    PRINT_LINE "cost: ok"
.done:
    hlt
    jmp .done
