; The ways a guest ends; the test sets $pc to one of them. #DF has a handler, which says so.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    GATE 0x08, h_df
    mov byte [idt + 0x0d * 16 + 5], 0   ; #GP's gate is not present
    PRINT_LINE "death: begin"
    jmp $

EXPORT do_chipset
    mov edx, 0xcf9
    mov al, 2
    out dx, al                      ; a full reset is meant; none yet
    mov al, 6
EXPORT at_chipset
    out dx, al
    jmp survived

EXPORT do_port_a
    in al, 0x92
    and al, 0xfe
    out 0x92, al
    or al, 1
EXPORT at_port_a
    out 0x92, al
    jmp survived

EXPORT do_keyboard
    mov al, 0xae                    ; enables the keyboard
    out 0x64, al
    mov al, 0xfe
EXPORT at_keyboard
    out 0x64, al
    jmp survived

EXPORT do_sleep                     ; edx: the port
    in ax, dx
    or ax, 0x2000
EXPORT at_sleep
    out dx, ax
    jmp survived

EXPORT do_pci                       ; overlaps 0xcf9, and is no reset
    mov edx, 0xcf8
    mov eax, 0x80000600
    mov ecx, 100
.again:
    out dx, eax
    loop .again
    in eax, dx
    cmp eax, 0x80000600
    jne survived
    PRINT_LINE "death: pci"
    jmp $

EXPORT do_df
    mov rax, 1 << 63
EXPORT at_df
    mov al, [rax]                   ; #GP, whose gate makes #NP
EXPORT after_df
    PRINT_LINE "death: behind #DF"
    jmp $

EXPORT do_halt
    cli
EXPORT at_halt
    hlt
EXPORT after_halt
    inc qword [wakes]
    jmp at_halt

survived:
    PRINT_LINE "death: survived"
    jmp $

EXPORT h_df
    PRINT_LINE "death: handler of #DF"
    mov rsp, stack_top
    jmp after_df

section .bss
alignb 8
EXPORT wakes
    resq 1
