; What `steps` is in 64-bit mode, in the older ones: protected mode with 32 and 16 bits, rings 0 and
; 3, virtual-8086 mode, real mode; the instructions between them and those that look at RFLAGS. It
; keeps every flags image and prints them at the end: they are the same however it was run.
%define GUEST_BITS 32
%include "common.inc"

K_CODE   equ 0x08                   ; SYSENTER takes this and the next, SYSEXIT the two behind
K_DATA   equ 0x10
U_CODE   equ 0x18 | 3
U_DATA   equ 0x20 | 3
K_CODE16 equ 0x28                   ; base LOW
K_DATA16 equ 0x30
TASK     equ 0x38
CALLGATE equ 0x40 | 3               ; a call gate, DPL 3

LOW      equ 0x8000                 ; where the 16-bit code lies
LOW_SEG  equ LOW >> 4
V86      equ 0x20000
IOPL3    equ 0x3000

; The places a flags image is taken, in order. 16-bit code keeps its own in IMAGES16.
%assign images 0
%macro IMAGE 1
IMG_%1 equ images
%assign images images + 1
%endmacro
    IMAGE PUSHFD
    IMAGE PUSHFW
    IMAGE OF
    IMAGE INT31
    IMAGE INT3
    IMAGE CD03
    IMAGE VMMCALL
    IMAGE VMCALL
    IMAGE GATE
    IMAGE PM16
    IMAGE PM16_INT
    IMAGE USER
    IMAGE USER_GATE
    IMAGE USER_INT
    IMAGE USER_INT3
    IMAGE USER_OF
    IMAGE SYSENTER
    IMAGE USER_GP
    IMAGE LEFT_USER
    IMAGE V86
    IMAGE V86_D
    IMAGE V86_INT
    IMAGE V86_INT3
    IMAGE LEFT_V86
    IMAGE REAL
    IMAGE REAL_D
    IMAGE REAL_INT
    IMAGE REAL_INT3
    IMAGE REAL_OF
    IMAGE BACK

; eax is the image; 32-bit code of any ring, also where DS is not set.
%macro KEEP 1
    mov [ss:flags + 4 * IMG_%1], eax
%endmacro
; The same where DS is LOW's: real, virtual-8086 and 16-bit protected mode.
%macro KEEP16 1
    mov [flags16 - code16 + 4 * IMG_%1], eax
%endmacro
; A label of 16-bit code where it runs.
%macro EXPORT16 1
%%here:
global %1
%1 equ LOW + %%here - code16
%endmacro
%macro GATE32 3                     ; vector, handler, type
    mov eax, %2
    mov [idt + 8 * %1], ax
    mov word [idt + 8 * %1 + 2], K_CODE
    mov word [idt + 8 * %1 + 4], %3 << 8
    shr eax, 16
    mov [idt + 8 * %1 + 6], ax
%endmacro

EXPORT main
    PRINT_LINE "steps32: begin"
    mov eax, tss
    mov [gdt32_tss + 2], ax
    shr eax, 16
    mov [gdt32_tss + 4], al
    mov [gdt32_tss + 7], ah
    mov dword [tss + 4], kernel_stack_top
    mov word [tss + 8], K_DATA
    mov word [tss + 102], 104
    mov eax, h_gate
    mov [gdt32_gate], ax
    shr eax, 16
    mov [gdt32_gate + 6], ax
    lgdt [gdt32_pointer]
    jmp K_CODE:.reload
.reload:
    mov ax, K_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov ax, TASK
    ltr ax
    mov esi, code16
    mov edi, LOW
    mov ecx, code16_end - code16
    rep movsb
    mov dword [4 * 3], LOW_SEG << 16 | (h16_int3 - code16)
    mov dword [4 * 4], LOW_SEG << 16 | (h16_of - code16)
    mov dword [4 * 0x60], LOW_SEG << 16 | (h16_int - code16)
    xor ebx, ebx
.gate:
    GATE32 ebx, h_unexpected, 0x8e
    inc ebx
    cmp ebx, 256
    jb .gate
    GATE32 3, h_int3, 0xee
    GATE32 4, h_of, 0xee
    GATE32 6, h_ud, 0x8e
    GATE32 13, h_gp, 0x8e
    GATE32 0x31, h_int31, 0xee
    GATE32 0x32, h_int32, 0xee
    GATE32 0x33, h_leave, 0xee
    lidt [idt32_pointer]
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    xor edx, edx
    mov ecx, 0x174
    mov eax, K_CODE
    wrmsr
    mov ecx, 0x175
    mov eax, kernel_stack_top
    wrmsr
    mov ecx, 0x176
    mov eax, h_sysenter
    wrmsr
    push dword 2
    popfd

EXPORT steps_begin
    nop
EXPORT s_pushfd
    pushfd
EXPORT s_pop
    pop eax
    KEEP PUSHFD
    xor eax, eax
EXPORT s_pushf
    o16 pushf
EXPORT s_popw
    pop ax
    KEEP PUSHFW
    push dword 0x0003               ; CF
EXPORT s_popfd
    popfd
EXPORT s_after_popfd
    push word 2
EXPORT s_popf
    o16 popf
EXPORT s_after_popf
    push ss
EXPORT s_pop_ss
    pop ss
EXPORT s_after_pop_ss
    nop
EXPORT s_after_pop_ss2
    nop
EXPORT s_into_off
    into
EXPORT s_overflow
    mov al, 0x7f
    add al, 1
EXPORT s_into
    into
EXPORT s_int31
    int 0x31
EXPORT s_int3
    int3
EXPORT s_cd03
    db 0xcd, 3
EXPORT s_vmmcall
    db 0x0f, 0x01, 0xd9
EXPORT s_vmcall
    db 0x0f, 0x01, 0xc1
EXPORT s_patch
    mov byte [s_patched], 0x43      ; inc ebx
    xor ebx, ebx
EXPORT s_patched
    nop
EXPORT s_after_patched
    cmp ebx, 1
    je .right
    inc dword [failures]
.right:
    nop
EXPORT s_call_far
    call K_CODE:f_far
EXPORT s_call_gate
    call CALLGATE:0
EXPORT s_after_gate
    mov eax, cr0
EXPORT s_mov_cr0
    mov cr0, eax
EXPORT s_to_16
    jmp K_CODE16:p16 - code16

EXPORT f_far
    nop
EXPORT f_retf
    retf

EXPORT s_from_16
    mov ax, K_DATA
    mov ds, ax
    push dword U_DATA
    push dword user_stack_top
    push dword 2
    push dword U_CODE
    push dword u_begin
EXPORT s_iretd
    iretd

; ---- ring 3 ----
EXPORT u_begin
    mov ax, U_DATA
    mov ds, ax
EXPORT u_pushfd
    pushfd
    pop eax
    KEEP USER
    push dword 0x0003
EXPORT u_popfd
    popfd
EXPORT u_call_gate
    call CALLGATE:0
EXPORT u_int32
    int 0x32
EXPORT u_int3
    int3
    mov al, 0x7f
    add al, 1
EXPORT u_into
    into
    mov ecx, esp
    mov edx, u_after_sysenter
EXPORT u_sysenter
    sysenter
EXPORT u_after_sysenter
    nop
EXPORT u_gp
    cli                             ; #GP: the handler steps over it
EXPORT u_leave
    int 0x33

; ---- from ring 0 to virtual-8086 mode ----
EXPORT s_v86
    mov ax, K_DATA
    mov ds, ax
    mov eax, LOW_SEG
    push eax                        ; GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP
    push eax
    push eax
    push eax
    push eax
    push dword 0xff0
    push dword V86 | IOPL3 | 2
    push eax
    push dword v_begin - code16
EXPORT s_iret_v86
    iretd

EXPORT s_real
    mov ax, K_DATA
    mov ds, ax
EXPORT s_jmp_16
    jmp K_CODE16:r_enter - code16

EXPORT s_back
    mov ax, K_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, kernel_stack_top
    lidt [idt32_pointer]
    pushfd
    pop eax
    KEEP BACK
EXPORT steps_end
    nop
    mov esi, LOW + flags16 - code16
    mov edi, flags
    mov ecx, images
.merge:
    lodsd
    or [edi], eax
    add edi, 4
    loop .merge
    xor ebx, ebx
.image:
    PRINT "steps32: image "
    mov eax, ebx
    call print_hex
    PRINT " "
    mov eax, [flags + 4 * ebx]
    call print_hex
    call print_newline
    inc ebx
    cmp ebx, images
    jb .image
    cmp dword [failures], 0
    jne steps_done
    PRINT_LINE "steps32: ok"
EXPORT steps_done
    jmp steps_done

; ---- handlers: 32-bit, ring 0; from virtual-8086 mode with all data segments 0 -------------------

; Keeps the image of a frame with `extra` bytes on top, in the place for where it came from: by CPL
; and VM. %1: from ring 0, %2: from ring 3, %3: from virtual-8086 mode
%macro KEEP_FRAME 3
    push eax
    mov eax, [esp + 12]
    test eax, V86
    jnz %%v86
    test byte [esp + 8], 3
    jnz %%user
    KEEP %1
    jmp %%kept
%%user:
    KEEP %2
    jmp %%kept
%%v86:
    KEEP %3
%%kept:
    pop eax
%endmacro

EXPORT h_int31
    cmp word [esp + 4], K_CODE16
    jne .flat
    KEEP_FRAME PM16_INT, USER_INT, V86_INT
    iretd
.flat:
    KEEP_FRAME INT31, USER_INT, V86_INT
EXPORT h_int31_iret
    iretd

EXPORT h_int32
    KEEP_FRAME INT31, USER_INT, V86_INT
    iretd

EXPORT h_int3
    test byte [esp + 4], 3
    jnz .second
    cmp dword [esp], s_cd03         ; behind the first
    je .second
    KEEP_FRAME CD03, USER_INT3, V86_INT3
    iretd
.second:
    KEEP_FRAME INT3, USER_INT3, V86_INT3
    iretd

EXPORT h_of
    KEEP_FRAME OF, USER_OF, V86_INT
    iretd

EXPORT h_ud
    push eax
    cmp dword [esp + 4], s_vmmcall
    jne .vmcall
    mov eax, [esp + 12]
    KEEP VMMCALL
    jmp .skip
.vmcall:
    mov eax, [esp + 12]
    KEEP VMCALL
.skip:
    pop eax
    add dword [esp], 3
    iretd

EXPORT h_gp
    add esp, 4                      ; the error code
    KEEP_FRAME USER_GP, USER_GP, USER_GP
    inc dword [esp]                 ; CLI is one byte
    iretd

EXPORT h_gate
    pushfd
    pop eax
    test byte [esp + 4], 3
    jz gate_same
    KEEP USER_GATE
EXPORT h_gate_retf
    retf
gate_same:
    KEEP GATE
    retf

EXPORT h_sysenter
    pushfd
    pop eax
    KEEP SYSENTER
EXPORT h_sysexit
    sysexit

; For good: the next mode comes.
EXPORT h_leave
    KEEP_FRAME LEFT_USER, LEFT_USER, LEFT_V86
    test dword [esp + 8], V86
    mov esp, kernel_stack_top
    jz s_v86
    jmp s_real

EXPORT h_unexpected
    mov ax, K_DATA
    mov ds, ax
    PRINT "guest: unexpected interrupt, from "
    mov eax, [esp]
    call print_hex
    call print_newline
    jmp exit

%include "steps32/low.inc"

align 8
gdt32:
    dq 0
    dq 0x00cf9b000000ffff           ; code
    dq 0x00cf93000000ffff           ; data
    dq 0x00cffb000000ffff           ; user code
    dq 0x00cff3000000ffff           ; user data
    dq 0x00009b008000ffff           ; 16-bit code
    dq 0x000093008000ffff           ; 16-bit data
gdt32_tss:
    dq 0x0000890000000067
gdt32_gate:
    dq 0x0000ec0000080000           ; call gate, DPL 3, no parameters
gdt32_end:
gdt32_pointer:
    dw gdt32_end - gdt32 - 1
    dd gdt32
idt32_pointer:
    dw 256 * 8 - 1
    dd idt

section .bss
alignb 16
    resb 1024
user_stack_top:
EXPORT flags
    resd images
EXPORT failures
    resd 1
