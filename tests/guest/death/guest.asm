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

EXPORT do_acpi                      ; as the FADT says, where it has a port for it
    mov esi, 0xe0000 - 16
    mov rax, "RSD PTR "
.find_pointer:
    add esi, 16
    cmp esi, 0x100000
    je no_register
    cmp [rsi], rax
    jne .find_pointer
    mov esi, [rsi + 16]             ; the RSDT
    mov ecx, [rsi + 4]
    add ecx, esi                    ; its end
    add esi, 36 - 4
.find_table:
    add esi, 4
    cmp esi, ecx
    jae no_register
    mov ebx, [rsi]
    cmp dword [rbx], "FACP"
    jne .find_table
    cmp dword [rbx + 4], 129        ; long enough for the reset register, which is supported,
    jb no_register
    bt dword [rbx + 112], 10
    jnc no_register
    cmp byte [rbx + 116], 1         ; and a port
    jne no_register
    mov edx, [rbx + 120]
    mov al, [rbx + 128]
EXPORT at_acpi
    out dx, al
    jmp survived
no_register:
    PRINT_LINE "death: no reset register"
    jmp $

EXPORT do_init                      ; to all CPUs, itself among them
    mov ebx, 0xfee00300
    mov dword [rbx + 0x10], 0
    mov dword [rbx], 0xc4500        ; first to all others: nobody's end
EXPORT at_init
    mov dword [rbx], 0x84500
    jmp survived

EXPORT do_x2apic_init
    mov ecx, 0x1b
    rdmsr
    or eax, 1 << 10
    wrmsr
    mov ecx, 0x830
    xor edx, edx
    mov eax, 0x44500                ; to itself
EXPORT at_x2apic_init
    wrmsr
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
