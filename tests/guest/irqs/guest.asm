; Timer interrupts by every road (8259, IOAPIC, local APIC), counted; and NMIs, of which a guest
; must see none, however often it is broken into. Ends when gdb sets `finish`.
%define GUEST_BITS 64
%include "common.inc"

IOAPIC equ 0xfec00000
LAPIC  equ 0xfee00000
WANTED equ 50

%macro WAIT_FOR 2
%%again:
    cmp qword [%1], %2
    jb %%again
%endmacro

EXPORT main
    GATE 0x02, h_nmi
    GATE 0x20, h_pic
    GATE 0x27, h_spurious
    GATE 0x40, h_ioapic
    GATE 0x41, h_lapic
    GATE 0xff, h_spurious
    PRINT_LINE "irqs: begin"
    mov al, 0xfe
    call pic_setup
    mov ax, 1193                    ; 1000 Hz
    call pit_setup
    sti
    WAIT_FOR pic_count, WANTED
    PRINT_LINE "irqs: pic"
    mov al, 0xff
    out 0x21, al

    ; The same timer by the IOAPIC: input 2 (the usual override of ISA IRQ 0).
    mov esi, IOAPIC
    mov edi, LAPIC
    mov dword [rsi], 0x15
    mov eax, [rdi + 0x20]
    and eax, 0xff000000
    mov [rsi + 0x10], eax
    mov dword [rsi], 0x14
    mov dword [rsi + 0x10], 0x40
    WAIT_FOR ioapic_count, WANTED
    PRINT_LINE "irqs: ioapic"
    mov esi, IOAPIC
    mov dword [rsi], 0x14
    mov dword [rsi + 0x10], 0x10040

    mov edi, LAPIC
    mov dword [rdi + 0x3e0], 3      ; divide by 16
    mov dword [rdi + 0x320], 0x20041
    mov dword [rdi + 0x380], 100000
    WAIT_FOR lapic_count, WANTED
    PRINT_LINE "irqs: lapic"
    PRINT_LINE "irqs: running"
EXPORT busy
    inc qword [spins]
    cmp dword [finish], 0
    je busy
    cli
    PRINT "irqs: nmi "
    mov eax, [nmi_count]
    call print_hex
    call print_newline
    PRINT_LINE "irqs: done"
EXPORT done
    jmp done

EXPORT h_nmi
    inc qword [nmi_count]
    iretq

EXPORT h_pic
    push rax
    inc qword [pic_count]
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq

h_ioapic:
    inc qword [ioapic_count]
    jmp apic_end

h_lapic:
    inc qword [lapic_count]
apic_end:
    push rax
    mov eax, LAPIC
    mov dword [rax + 0xb0], 0
    pop rax
    iretq

h_spurious:
    iretq

section .bss
alignb 8
EXPORT pic_count
    resq 1
EXPORT ioapic_count
    resq 1
EXPORT lapic_count
    resq 1
EXPORT nmi_count
    resq 1
EXPORT spins
    resq 1
EXPORT finish
    resq 1
