; For `monitor catch`: each thing that can be caught, once a round, at a label; handlers count what
; reaches them, and a round that did not do each exactly once says so.
%define GUEST_BITS 64
%include "common.inc"

LSTAR       equ 0xc0000082
EFER        equ 0xc0000080
MISSING     equ 0x600000            ; a page that is not there
OWN_INT     equ 0x41

EXPORT main
    GATE 0x03, h_count
    GATE 0x06, h_ud
    GATE 0x0e, h_pf
    GATE OWN_INT, h_count
    mov eax, page_dirs
    and dword [rax + MISSING / 0x200000 * 8], ~1
    mov rax, cr3
    mov cr3, rax
    mov rax, cr0
    mov [first_cr0], rax
    PRINT_LINE "catches: begin"
EXPORT round
    mov qword [counts], 0
    mov eax, 0x80000000
    xor ecx, ecx
EXPORT at_cpuid
    cpuid
EXPORT after_cpuid
    mov ecx, LSTAR
    mov eax, [rounds]
    mov edx, 0xffff8000
EXPORT at_wrmsr
    wrmsr
EXPORT after_wrmsr
    xor eax, eax
    xor edx, edx
EXPORT at_rdmsr
    rdmsr
EXPORT after_rdmsr
    cmp eax, [rounds]
    jne wrong
    cmp edx, 0xffff8000
    jne wrong
    mov ecx, EFER
    rdmsr
EXPORT at_efer
    wrmsr
EXPORT after_efer
    mov al, 0x5a
EXPORT at_out
    out 0x80, al
EXPORT after_out
    mov al, 0
EXPORT at_in
    in al, 0x61
EXPORT after_in
    mov esi, text
    mov edx, 0x84
    mov ecx, 4
EXPORT at_outs
    rep outsb
EXPORT after_outs
    cmp esi, text + 4
    jne wrong
    mov rax, cr3
EXPORT at_cr3
    mov cr3, rax
EXPORT after_cr3
    mov rax, cr4
    xor rax, 0x80                   ; PGE
EXPORT at_cr4
    mov cr4, rax
EXPORT after_cr4
    mov rbx, cr4
    cmp rax, rbx
    jne wrong
    mov rax, [first_cr0]
    or rax, 8                       ; TS
EXPORT at_cr0
    mov cr0, rax
EXPORT after_cr0
    mov rbx, cr0
    cmp rax, rbx
    jne wrong
EXPORT at_clts
    clts
EXPORT after_clts
    mov rbx, cr0
    cmp rbx, [first_cr0]
    jne wrong
EXPORT at_pf
    mov byte [MISSING + 0x123], 1
EXPORT after_pf
EXPORT at_ud
    ud2
EXPORT after_ud
EXPORT at_int
    int OWN_INT
EXPORT after_int
EXPORT at_int3
    int3
EXPORT after_int3
    inc dword [rounds]
    cmp dword [counts], 0x01020101  ; UD, INT and INT3, PF, all of it
    jne wrong
    cmp dword [rounds], 3
    jne round
    PRINT_LINE "catches: ok"
    jmp round

EXPORT wrong
    PRINT "catches: wrong in round "
    mov eax, [rounds]
    call print_hex
    PRINT " counts "
    mov eax, [counts]
    call print_hex
    call print_newline
    jmp $

EXPORT h_count
    inc byte [counts + 2]
    iretq
EXPORT h_ud
    inc byte [counts + 3]
    mov qword [rsp], after_ud
    iretq
EXPORT h_pf
    inc byte [counts]
    inc byte [counts + 1]
    push rax
    mov rax, cr2
    cmp rax, MISSING + 0x123
    pop rax
    jne wrong
    add rsp, 8
    mov qword [rsp], after_pf
    iretq

text: db "once"

section .bss
alignb 8
EXPORT counts                       ; bytes: #PF, #PF, INT and INT3, #UD
    resq 1
EXPORT rounds
    resq 1
first_cr0:
    resq 1
