; A guest that uses the debug registers itself: an execution breakpoint and a write watchpoint of
; its own, checked round after round, while gdb may have others.
%define GUEST_BITS 64
%include "common.inc"

DR7_MINE equ 0x00d00405             ; DR0: execution; DR1: write, 4 bytes
DR2_MINE equ 0x0000111122223333
DR3_MINE equ 0x0000444455556666

EXPORT main
    GATE 0x01, h_db
    mov rax, dr7
    mov ebx, 1
    cmp rax, 0x400
    jne fail
    mov rax, dr6
    mov ebx, 2
    cmp eax, 0xffff0ff0
    jne fail
    mov eax, own_target
    mov dr0, rax
    mov eax, own_variable
    mov dr1, rax
    mov rax, DR2_MINE
    mov dr2, rax
    mov rax, DR3_MINE
    mov dr3, rax
    mov eax, DR7_MINE
    mov dr7, rax
    PRINT_LINE "drs: begin"
EXPORT round
    inc qword [rounds]
    call own_target
    mov eax, [rounds]
EXPORT own_write
    mov [own_variable], eax
EXPORT own_written
    call gdb_target
    mov eax, [rounds]
EXPORT gdb_write
    mov [gdb_variable], eax
EXPORT gdb_written
    mov ecx, 0xc0000080             ; an exit for the hypervisor
    rdmsr
    mov ebx, 3
    mov rax, dr0
    cmp rax, own_target
    jne fail
    mov ebx, 4
    mov rax, dr1
    cmp rax, own_variable
    jne fail
    mov ebx, 5
    mov rax, dr2
    mov rcx, DR2_MINE
    cmp rax, rcx
    jne fail
    mov ebx, 6
    mov rax, dr3
    mov rcx, DR3_MINE
    cmp rax, rcx
    jne fail
    mov ebx, 7
    mov rax, dr7
    cmp rax, DR7_MINE
    jne fail
    mov ebx, 8
    mov rax, dr6
    cmp eax, 0xffff0ff0
    jne fail
    mov ebx, 9
    mov rax, [rounds]
    cmp [exec_hits], rax
    jne fail
    mov ebx, 10
    cmp [write_hits], rax
    jne fail
    cmp rax, 1000
    jne round
    PRINT_LINE "drs: ok"
    jmp round

EXPORT own_target
    nop
    ret

EXPORT gdb_target
    nop
    ret

; ebx: which check.
EXPORT fail
    PRINT "drs: fail "
    mov eax, ebx
    call print_hex
    call print_newline
    jmp $

EXPORT h_db
    push rax
    push rbx
    mov rax, dr6
    and eax, 0xe00f
    cmp eax, 1
    jne .write
    mov ebx, 11
    cmp qword [rsp + 16], own_target
    jne fail
    or qword [rsp + 32], 0x10000    ; RF: go on
    inc qword [exec_hits]
    jmp .done
.write:
    mov ebx, 12
    cmp eax, 2
    jne fail
    mov ebx, 13
    cmp qword [rsp + 16], own_written
    jne fail
    inc qword [write_hits]
.done:
    mov eax, 0xffff0ff0
    mov dr6, rax
    pop rbx
    pop rax
    iretq

section .bss
alignb 64
EXPORT rounds
    resq 1
EXPORT exec_hits
    resq 1
EXPORT write_hits
    resq 1
EXPORT own_variable
    resq 1
EXPORT gdb_variable
    resq 1
