; For breakpoints and watchpoints: functions and variables touched in a known order, round after
; round, and INT3s that belong to the guest itself.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    GATE 0x03, h_bp
    PRINT_LINE "bp: begin"
EXPORT round
    inc qword [rounds]
    call f_soft
    call f_hard
    call f_outer
EXPORT w1_write
    mov byte [v1], 0x11
EXPORT w1_written
    mov al, [v1]
EXPORT w1_read
    mov ax, [rounds]
EXPORT w2_write
    mov word [v2], ax
EXPORT w2_written
    mov bx, [v2]
EXPORT w2_read
    mov eax, [rounds]
EXPORT w4_write
    mov [v4], eax
EXPORT w4_written
    mov ebx, [v4]
EXPORT w4_read
    mov rax, [rounds]
EXPORT w8_write
    mov [v8], rax
EXPORT w8_written
    mov rbx, [v8]
EXPORT w8_read
    call f_many
    mov rax, own_int3_next
    mov [expected_rip], rax
EXPORT own_int3
    int3
EXPORT own_int3_next
    mov rax, own_cd03_next
    mov [expected_rip], rax
EXPORT own_cd03
    db 0xcd, 3
EXPORT own_cd03_next
    mov rax, [rounds]
    add rax, rax
    cmp [int3_count], rax
    je .counted
    mov dword [expected_rip], 0
    PRINT_LINE "bp: int3 lost or doubled"
    jmp $
.counted:
    cmp dword [rounds], 100
    jne round
    PRINT_LINE "bp: ok"
    jmp round

EXPORT f_soft
    nop
EXPORT f_soft_second
    nop
    ret

EXPORT f_hard
    nop
EXPORT f_hard_second
    nop
    ret

; A frame that gdb can walk. No labels inside: gdb takes each one for a function.
EXPORT f_outer
    push rbp
    mov rbp, rsp
    call f_inner
    pop rbp                         ; f_outer + 9
    ret

EXPORT f_inner
    push rbp
    mov rbp, rsp
    nop                             ; f_inner + 4
    pop rbp
    ret

; 256 one-byte instructions, a place for many breakpoints.
EXPORT f_many
    times 256 nop
EXPORT f_many_end
    ret

EXPORT h_bp
    push rax
    inc qword [int3_count]
    mov rax, [rsp + 8]
    cmp rax, [expected_rip]
    je .right
    PRINT "bp: int3 came from "
    mov rax, [rsp + 8]
    push rcx
    push rdx
    call print_hex
    call print_newline
    pop rdx
    pop rcx
.right:
    pop rax
EXPORT h_bp_iret
    iretq

section .bss
alignb 64
EXPORT rounds
    resq 1
EXPORT int3_count
    resq 1
expected_rip: resq 1
alignb 64
EXPORT v1
    resq 1
EXPORT v2
    resq 1
EXPORT v4
    resq 1
EXPORT v8
    resq 1
