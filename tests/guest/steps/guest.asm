; A line of instructions, each with a label, for single-stepping: what is tricky about the trap
; flag, one after the other. The guest keeps every flags image it gets to see (PUSHF, interrupt
; frames, R11 of SYSCALL) and at the end says whether one of them had TF set.
%define GUEST_BITS 64
%include "common.inc"

; The places a flags image is taken, in order.
IMG_PUSHF    equ 0
IMG_PUSHFW   equ 1
IMG_INT31    equ 2
IMG_INT3     equ 3
IMG_CD03     equ 4
IMG_ICEBP    equ 5
IMG_UD2      equ 6
IMG_PF       equ 7
IMG_SYSCALL  equ 8
IMG_USER     equ 9
IMG_INT32    equ 10
IMG_SYSCALL2 equ 11
IMG_TIMER    equ 12
IMG_COUNT    equ 13

NOT_MAPPED equ 0x100000000

; Keeps the flags of an interrupt frame with `extra` bytes pushed on top of it. Clobbers rax.
%macro KEEP_FRAME_FLAGS 2
    mov rax, [rsp + 16 + %2]
    mov [flags_seen + 8 * %1], rax
%endmacro

EXPORT main
    GATE 0x01, h_db
    GATE 0x03, h_bp
    GATE 0x06, h_ud
    GATE 0x0e, h_pf
    GATE 0x20, h_timer
    GATE 0x31, h_int31
    GATE 0x32, h_int32, GATE_USER
    mov al, 0xff
    call pic_setup
    mov ecx, 0xc0000081             ; STAR
    xor eax, eax
    mov edx, SEL_CODE64 | (SEL_USER32 | 3) << 16
    wrmsr
    mov ecx, 0xc0000082             ; LSTAR
    mov eax, h_syscall
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084             ; SFMASK: as Linux does, TF among them
    mov eax, 0x47700
    wrmsr
    PRINT_LINE "steps: begin"

EXPORT steps_begin
    nop
EXPORT s_mov
    mov eax, 5
EXPORT s_add
    add eax, 7
EXPORT s_pushf
    pushfq
EXPORT s_pop
    pop rax
EXPORT s_store
    mov [flags_seen + 8 * IMG_PUSHF], rax
EXPORT s_pushfw
    o16 pushf
EXPORT s_popw
    pop ax
EXPORT s_storew
    mov [flags_seen + 8 * IMG_PUSHFW], ax
EXPORT s_push_image
    push 2
EXPORT s_popf
    popfq
EXPORT s_after_popf
    nop
EXPORT s_frame
    mov rax, rsp
    push SEL_DATA
    push rax
    push 2
    push SEL_CODE64
    push s_iret_target
EXPORT s_iretq
    iretq
    hlt
EXPORT s_iret_target
    nop
EXPORT s_int31
    int 0x31
EXPORT s_int3
    int3
EXPORT s_cd03
    db 0xcd, 3
EXPORT s_icebp
    db 0xf1
EXPORT s_ud2
    ud2
EXPORT s_bad_address
    mov rbx, NOT_MAPPED
EXPORT s_pf
    mov rax, [rbx]                  ; 3 bytes: the handler steps over them
EXPORT s_save_stack
    mov [stack_here], rsp
EXPORT s_syscall
    syscall
EXPORT u_begin
    mov eax, 1                      ; user mode from here
EXPORT u_pushf
    pushfq
EXPORT u_pop
    pop rax
EXPORT u_store
    mov [flags_seen + 8 * IMG_USER], rax
EXPORT u_int32
    int 0x32
    hlt
EXPORT s_back
    mov rsp, [stack_here]
    mov ax, SEL_DATA
EXPORT s_mov_ss
    mov ss, ax
EXPORT s_after_mov_ss
    nop
EXPORT s_after_mov_ss2
    nop
EXPORT s_sfmask
    mov ecx, 0xc0000084
    xor eax, eax
    xor edx, edx
EXPORT s_wrmsr
    wrmsr                           ; SFMASK 0: TF stays on into the handler
EXPORT s_lstar
    mov ecx, 0xc0000082
    mov eax, h_syscall2
    wrmsr
EXPORT s_syscall2
    syscall
EXPORT s_after_syscall2
    nop
EXPORT s_sti
    sti
EXPORT s_after_sti
    nop
EXPORT s_after_sti2
    cli
EXPORT s_after_cli
    xor eax, eax
EXPORT s_cpuid
    cpuid
EXPORT s_after_cpuid
    mov ecx, 0xc0000080
EXPORT s_rdmsr
    rdmsr
EXPORT s_after_rdmsr
    mov al, '.'
EXPORT s_out
    out 0xe9, al
EXPORT s_in
    in al, 0x61
EXPORT s_after_in
    mov esi, rep_from
    mov edi, rep_to
    mov ecx, 5
EXPORT s_rep
    rep movsb
EXPORT s_after_rep
    mov rax, cr3
EXPORT s_mov_cr
    mov cr3, rax
EXPORT s_read_dr
    mov rax, dr7
EXPORT s_after_dr
    mov [dr7_seen], rax
EXPORT s_timer_on
    mov al, 0x30                    ; PIT counter 0, one shot
    out 0x43, al
    mov al, 0x11                    ; the 8259 forgets what the BIOS's clock has asked for
    out 0x20, al
    mov al, 0x20
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xff
    out 0x21, al
    mov al, 0
    out 0x40, al
    mov al, 0x10
    out 0x40, al
    mov al, 0xfe
    out 0x21, al
    sti
EXPORT s_hlt
    hlt
EXPORT s_after_hlt
    cli
    mov al, 0xff
    out 0x21, al
EXPORT steps_end
    nop

    ; The guest's own use of TF: one trap, behind the instruction that follows POPF.
    pushfq
    or qword [rsp], 0x100
    popfq
EXPORT own_tf
    nop
EXPORT own_tf_trap
    nop

    call print_newline
    xor ebx, ebx
.image:
    test qword [flags_seen + 8 * rbx], 0x100
    jz .clean
    PRINT "steps: TF seen at "
    mov eax, ebx
    call print_hex
    call print_newline
    inc dword [failures]
.clean:
    inc ebx
    cmp ebx, IMG_COUNT
    jb .image

%macro EXPECT 3
    cmp dword [%1], %2
    je %%right
    PRINT_LINE "steps: wrong ", %3
    inc dword [failures]
%%right:
%endmacro
    EXPECT bp_count, 2, "number of #BP"
    EXPECT bp_bad, 0, "#BP return address"
    EXPECT ud_count, UD_EXPECTED, "number of #UD and ICEBP traps"
    EXPECT db_count, 1, "number of #DB"
    EXPECT db_bad, 0, "#DB return address or DR6"
    EXPECT int31_count, 1, "number of INT 31"
    EXPECT pf_count, 1, "number of #PF"
    ; A debugger that holds interrupts back while stepping may step HLT without one.
    cmp dword [timer_count], 1
    jbe .timer
    PRINT_LINE "steps: wrong number of timer interrupts"
    inc dword [failures]
.timer:
    EXPECT syscall_count, 2, "number of SYSCALL"
    EXPECT dr7_seen, 0x400, "DR7"
    EXPECT rep_to, 'abcd', "copy"
    cmp dword [failures], 0
    jne steps_done
    PRINT_LINE "steps: ok"
EXPORT steps_done
    inc dword [rounds]
    jmp steps_done

UD_EXPECTED equ 2

; ---- handlers ------------------------------------------------------------------------------------

EXPORT h_int31
    push rax
    KEEP_FRAME_FLAGS IMG_INT31, 8
    inc dword [int31_count]
    pop rax
EXPORT h_int31_iret
    iretq

EXPORT h_bp
    push rax
    mov rax, [rsp + 8]
    cmp rax, s_cd03                 ; behind the int3
    jne .second
    KEEP_FRAME_FLAGS IMG_INT3, 8
    jmp .count
.second:
    cmp rax, s_icebp                ; behind the cd 03
    je .right
    inc dword [bp_bad]
.right:
    KEEP_FRAME_FLAGS IMG_CD03, 8
.count:
    inc dword [bp_count]
    pop rax
    iretq

; INT1 arrives here on a processor; QEMU's TCG makes it #UD (then its return address is s_icebp).
EXPORT h_db
    push rax
    mov rax, [rsp + 8]
    cmp rax, s_ud2
    jne .step
    KEEP_FRAME_FLAGS IMG_ICEBP, 8
    inc dword [ud_count]
    jmp .done
.step:
    inc dword [db_count]
    cmp rax, own_tf_trap
    jne .bad
    mov rax, dr6
    and eax, 0xe00f
    cmp eax, 0x4000
    je .off
.bad:
    inc dword [db_bad]
.off:
    and qword [rsp + 24], ~0x100
    mov eax, 0xffff0ff0
    mov dr6, rax
.done:
    pop rax
    iretq

EXPORT h_ud
    push rax
    inc dword [ud_count]
    mov rax, [rsp + 8]
    cmp byte [rax], 0xf1
    jne .ud2
    inc qword [rsp + 8]
    KEEP_FRAME_FLAGS IMG_ICEBP, 8
    pop rax
    iretq
.ud2:
    add qword [rsp + 8], 2
    KEEP_FRAME_FLAGS IMG_UD2, 8
    pop rax
    iretq

EXPORT h_pf
    add rsp, 8                      ; the error code
    push rax
    KEEP_FRAME_FLAGS IMG_PF, 8
    add qword [rsp + 8], 3
    inc dword [pf_count]
    pop rax
    iretq

EXPORT h_timer
    push rax
    KEEP_FRAME_FLAGS IMG_TIMER, 8
    inc dword [timer_count]
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq

EXPORT h_syscall
    mov [flags_seen + 8 * IMG_SYSCALL], r11
    inc dword [syscall_count]
    mov r11d, 2
EXPORT s_sysret
    o64 sysret

EXPORT h_syscall2
    mov [flags_seen + 8 * IMG_SYSCALL2], r11
    inc dword [syscall_count]
    jmp rcx

; From user mode: leaves its frame behind and goes on in kernel mode.
EXPORT h_int32
    KEEP_FRAME_FLAGS IMG_INT32, 0
    jmp s_back

rep_from: db "abcde"

section .bss
alignb 8
EXPORT flags_seen
    resq IMG_COUNT
stack_here: resq 1
EXPORT dr7_seen
    resq 1
EXPORT rep_to
    resq 1
EXPORT failures
    resd 1
bp_count:      resd 1
bp_bad:        resd 1
ud_count:      resd 1
db_count:      resd 1
db_bad:        resd 1
int31_count:   resd 1
pf_count:      resd 1
timer_count:   resd 1
syscall_count: resd 1
EXPORT rounds
    resd 1
