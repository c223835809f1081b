; For several CPUs: starts all others by INIT and start-up interrupts to all but itself, then every CPU
; works for ever in the same function, each on its own count. A debugger may ask CPU 0 by the words
; `asked_*` to do something to CPU 1 (the one with APIC id 1), again and again.
%define GUEST_BITS 64
%include "common.inc"

CPUS       equ 16                       ; APIC ids from 0 on
TRAMPOLINE equ 0x8000
LAPIC      equ 0xfee00000
ICR_LOW    equ 0x300
ICR_HIGH   equ 0x310

%macro DELAY 1                          ; about microseconds
    mov ecx, %1
%%again:
    in al, 0x80
    loop %%again
%endmacro

EXPORT main
    GATE 2, h_nmi
    mov esi, trampoline
    mov edi, TRAMPOLINE
    mov ecx, trampoline_end - trampoline
    rep movsb
    mov ebx, LAPIC
    mov dword [rbx + 0xf0], 0x1ff
EXPORT send_init
    mov dword [rbx + ICR_LOW], 0xc4500
    DELAY 10000
EXPORT send_startup
    mov dword [rbx + ICR_LOW], 0xc4600 | TRAMPOLINE >> 12
    DELAY 200
    mov dword [rbx + ICR_LOW], 0xc4600 | TRAMPOLINE >> 12
    DELAY 300000
    PRINT "smp: started "
    mov eax, [started]
    mov [others], eax
    call print_hex
    call print_newline
    xor edi, edi
    jmp work_loop

; edi: APIC id.
work_loop:
    call work
    pause
    test edi, edi
    jnz work_loop
    cmp dword [asked_nmis], 0
    jne send_nmi
    cmp dword [asked_restart], 0
    jne restart
    cmp dword [asked_restart_all], 0
    jne restart_all
    cmp dword [asked_int3], 0
    je work_loop
    dec dword [asked_int3]
EXPORT own_int3
    nop
    jmp work_loop

EXPORT work
    inc qword [counts + rdi * 8]
EXPORT work_done
    ret

; Where a test sets a CPU's $pc.
EXPORT do_out
EXPORT at_out
    out 0x80, al
    jmp work_loop

EXPORT do_halt                          ; interrupts are off
EXPORT at_halt
    hlt
    jmp at_halt

; One NMI to CPU 1, and waits until it has counted it.
send_nmi:
    mov esi, [nmis + 4]
    mov dword [rbx + ICR_HIGH], 1 << 24
    mov dword [rbx + ICR_LOW], 0x4400
.wait:
    pause
    cmp esi, [nmis + 4]
    je .wait
    dec dword [asked_nmis]
    jmp work_loop

; CPU 1 once more from its start, wherever it is.
restart:
    mov esi, [started]
    mov dword [rbx + ICR_HIGH], 1 << 24
    mov dword [rbx + ICR_LOW], 0xc500
    mov dword [rbx + ICR_LOW], 0x8500   ; de-assert: means nothing
    DELAY 1000
    mov dword [rbx + ICR_LOW], 0x600 | TRAMPOLINE >> 12
.wait:
    pause
    cmp esi, [started]
    je .wait
    dec dword [asked_restart]
    jmp work_loop

; The same with all others at once, and one start-up for each, as a kernel that another one starts.
restart_all:
    mov esi, [started]
    add esi, [others]
    mov dword [rbx + ICR_LOW], 0xc4500
    DELAY 1000
    mov dword [rbx + ICR_LOW], 0xc4600 | TRAMPOLINE >> 12
.wait:
    pause
    cmp [started], esi
    jb .wait
    dec dword [asked_restart_all]
    jmp work_loop

h_nmi:
    push rax
    mov eax, LAPIC
    mov eax, [rax + 0x20]
    shr eax, 24
    lock inc dword [nmis + rax * 4]
    pop rax
    iretq

; At TRAMPOLINE, in real mode; from there to long mode in one step.
align 16
trampoline:
BITS 16
    cli
    xor ax, ax
    mov ds, ax
    o32 lgdt [TRAMPOLINE + trampoline_gdt - trampoline]
    mov eax, 0x620
    mov cr4, eax
    mov eax, pml4
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x101
    wrmsr
    mov eax, 0x80010011
    mov cr0, eax
    jmp dword SEL_CODE64:ap_long
trampoline_gdt:
    dw gdt_end - gdt - 1
    dd gdt
trampoline_end:

BITS 64
EXPORT ap_long
    mov ax, SEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    lidt [idt_pointer]
    mov ebx, LAPIC
    mov dword [rbx + 0xf0], 0x1ff
    mov edi, [rbx + 0x20]
    shr edi, 24
    mov esp, edi
    shl esp, 10
    add esp, stacks + 1024
    lock inc dword [started]
    jmp work_loop

section .bss
alignb 16
EXPORT counts
    resq CPUS
EXPORT nmis
    resd CPUS
EXPORT started
    resd 1
EXPORT asked_nmis
    resd 1
EXPORT asked_restart
    resd 1
EXPORT asked_restart_all
    resd 1
others:
    resd 1
EXPORT asked_int3
    resd 1
alignb 16
stacks:
    resb 1024 * CPUS
