; What a debugger from outside can do in a row: INT3, four places to execute, four variables to
; write, a line of instructions to step while an interrupt is pending, an access to a debug
; register. Its #DB handler keeps what it was told; it goes round for ever.
%define GUEST_BITS 64
%include "common.inc"

LAPIC   equ 0xfee00000
IRQ     equ 0x40
DR6_NEW equ 0xffff0ff0

EXPORT main
    GATE 0x01, h_db
    GATE 0x03, h_bp
    GATE IRQ, h_irq
    mov al, 0xff
    call pic_setup
    PRINT_LINE "debug_regs: begin"

EXPORT round
    nop
EXPORT sw_bp
    int3
EXPORT sw_bp_after
    nop
EXPORT hw_bp0
    nop
EXPORT hw_bp1
    nop
EXPORT hw_bp2
    nop
EXPORT hw_bp3
    nop
EXPORT write0
    mov byte [value0], 1
EXPORT written0
    mov word [value1], 1
EXPORT written1
    mov dword [value2], 1
EXPORT written2
    mov qword [value3], 1
EXPORT written3
    mov eax, LAPIC
    mov dword [rax + 0x310], 0
    mov dword [rax + 0x300], 0x44000 | IRQ  ; to itself
    mov ecx, 1000
.pends:
    loop .pends
EXPORT ss_start
    sti
EXPORT ss_xor
    xor eax, eax
EXPORT ss_cpuid
    cpuid
EXPORT ss_mov
    mov ecx, 0xc0000080
EXPORT ss_rdmsr
    rdmsr
EXPORT ss_cli
    cli
EXPORT ss_end
    mov rax, [irqs]
    mov [irqs_in_line], rax
    sti                             ; where it was held back before, it comes here
    nop
    nop
    cli
EXPORT gd_access
    mov rax, dr0
EXPORT gd_after
    inc qword [rounds]
    cmp qword [rounds], 1
    jne round
    PRINT_LINE "debug_regs: ok"
    jmp round

; Executed ones and accesses to a debug register are faults: RF lets the instruction through.
EXPORT h_db
    push rax
    mov rax, dr6
    mov [db_dr6], rax
    mov rax, [rsp + 8]
    mov [db_rip], rax
    or qword [rsp + 24], 0x10000
    mov eax, DR6_NEW
    mov dr6, rax
    inc qword [dbs]
    pop rax
EXPORT h_db_iret
    iretq

EXPORT h_bp
    inc qword [bps]
    iretq

EXPORT h_irq
    push rax
    inc qword [irqs]
    mov eax, LAPIC
    mov dword [rax + 0xb0], 0
    pop rax
    iretq

section .bss
alignb 64
EXPORT value0
    resq 1
EXPORT value1
    resq 1
EXPORT value2
    resq 1
EXPORT value3
    resq 1
EXPORT rounds
    resq 1
EXPORT db_dr6
    resq 1
EXPORT db_rip
    resq 1
EXPORT dbs
    resq 1
EXPORT bps
    resq 1
EXPORT irqs
    resq 1
EXPORT irqs_in_line
    resq 1
