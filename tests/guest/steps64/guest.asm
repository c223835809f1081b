; More of what is tricky to step, in 64-bit mode: call gates and far returns between rings and to
; compatibility mode, SYSENTER, what exits and what then faults, MWAIT, IRET while NMIs are blocked.
; Like `steps` it keeps each flags image it gets to see and looks for TF.
%define GUEST_BITS 64
%include "common.inc"

; Behind the descriptors of common.inc.
SEL_GATE   equ 0x58                 ; a 64-bit call gate, DPL 3; two entries
SEL_SYS    equ 0x68                 ; SYSENTER takes this and the next, SYSEXIT the four behind
GDT_SIZE   equ 0x98

MSR_SYSENTER_CS equ 0x174
MSR_EFER   equ 0xc0000080
EFER_BAD   equ 1 << 9               ; reserved in all processors
CR3_BAD    equ 55                   ; a bit above every physical address
UART       equ 0x2ff                ; the scratch register of COM2, gdbvisor's own
LAPIC      equ 0xfee00000
ICR_NMI    equ 0x4400               ; to the CPU in ICR's high half

%assign images 0
%macro IMAGE 1
IMG_%1 equ images
%assign images images + 1
%endmacro
    IMAGE GATE
    IMAGE USER_GATE
    IMAGE COMPAT_GATE
    IMAGE SYSENTER
    IMAGE UD
    IMAGE GP
    IMAGE LEAVE
    IMAGE TIMER
    IMAGE NMI

%macro KEEP 1                       ; rax
    mov [flags_seen + 8 * IMG_%1], rax
%endmacro
%macro FAULTS_TO 1                  ; where #GP and #UD go on
    mov qword [resume], %1
%endmacro
%macro MSR 2
    mov ecx, %1
    mov eax, %2
    xor edx, edx
    wrmsr
%endmacro

EXPORT main
    GATE 0x02, h_nmi
    GATE 0x06, h_ud
    GATE 0x0d, h_gp
    GATE 0x20, h_timer
    GATE 0x32, h_leave, GATE_USER
    mov al, 0xff
    call pic_setup
    mov esi, gdt
    mov edi, gdt64
    mov ecx, gdt_end - gdt
    rep movsb
    mov eax, h_gate
    mov [gdt64 + SEL_GATE], ax
    mov dword [gdt64 + SEL_GATE + 2], SEL_CODE64 | 0xec00 << 16
    shr eax, 16
    mov [gdt64 + SEL_GATE + 6], ax
    mov esi, gdt + SEL_CODE64       ; kernel's code and data
    mov edi, gdt64 + SEL_SYS
    mov ecx, 16
    rep movsb
    mov esi, gdt + SEL_USER32       ; user's for 32 bits, for 64 bits
    mov ecx, 24
    rep movsb
    mov esi, gdt + SEL_UDATA
    mov ecx, 8
    rep movsb
    lgdt [gdt64_pointer]
    MSR MSR_SYSENTER_CS, SEL_SYS
    MSR MSR_SYSENTER_CS + 1, kernel_stack_top
    MSR MSR_SYSENTER_CS + 2, h_sysenter
    mov eax, 1
    cpuid
    shr ecx, 3
    and ecx, 1
    mov [has_monitor], ecx
    mov [stack_here], rsp
    PRINT_LINE "steps64: begin"

EXPORT steps_begin
    nop
EXPORT s_call_gate
    call far dword [gate_pointer]
EXPORT s_after_gate
    nop
EXPORT s_call_far
    call far dword [far_pointer]
EXPORT s_after_far
    push SEL_CODE32
    push c_begin
EXPORT s_retf_32
    retfq
BITS 32
EXPORT c_begin
    mov eax, 1
EXPORT c_call_gate
    call SEL_GATE:0
EXPORT c_after_gate
    cpuid
EXPORT c_jump
    jmp SEL_CODE64:s_from_32
BITS 64
EXPORT f_far
    nop
EXPORT f_retf
    retf                            ; as wide as the call

EXPORT s_from_32
    push SEL_UDATA | 3
    push user_stack_top
    push 2
    push SEL_USER64 | 3
    push u_begin
EXPORT s_iretq
    iretq
EXPORT u_begin
    nop
EXPORT u_call_gate
    call far dword [gate_pointer]
EXPORT u_after_gate
    FAULTS_TO u_after_sysenter      ; AMD's have no SYSENTER in long mode
    mov ecx, user_stack_top
    mov edx, u_after_sysenter
EXPORT u_sysenter
    sysenter
EXPORT u_after_sysenter
    FAULTS_TO u_leave
    mov ecx, user_stack_top
    mov edx, c_user
EXPORT u_sysenter_32
    sysenter                        ; goes back to compatibility mode
BITS 32
EXPORT c_user
    mov ecx, user_stack_top
    mov edx, u_leave
EXPORT c_sysenter
    sysenter
BITS 64
EXPORT u_leave
    int 0x32

EXPORT s_back
    mov rsp, [stack_here]
    mov ax, SEL_DATA
    mov ss, ax
    mov dx, UART
EXPORT s_out
    out dx, al
EXPORT s_in
    in al, dx
EXPORT s_after_in
    mov esi, gate_pointer
    mov ecx, 3
EXPORT s_outs
    rep outsb
EXPORT s_after_outs
    mov eax, 1
    cpuid
    xor ebx, ebx
    bt ecx, 26                      ; XSAVE
    setc bl
    shl ebx, 18
    mov rax, cr4
    or eax, ebx
    mov cr4, rax                    ; OSXSAVE
    FAULTS_TO s_after_xsetbv        ; without XSAVE
    xor ecx, ecx
    mov eax, 3
    xor edx, edx
EXPORT s_xsetbv
    xsetbv
EXPORT s_after_xsetbv
    nop
EXPORT s_invd
    invd
EXPORT s_after_invd
    FAULTS_TO s_after_vmsave
    mov eax, pml4                   ; a page: else #GP may come first
EXPORT s_vmsave
    db 0x0f, 0x01, 0xdb             ; #UD: there is no SVM for a guest
    hlt
EXPORT s_after_vmsave
    cmp dword [try_faults], 0
    je s_no_faults
    FAULTS_TO s_after_cr3
    mov rax, cr3
    bts rax, CR3_BAD
EXPORT s_bad_cr3
    mov cr3, rax
    hlt
EXPORT s_after_cr3
    FAULTS_TO s_after_efer
    mov ecx, MSR_EFER
    rdmsr
    or eax, EFER_BAD
EXPORT s_bad_efer
    wrmsr
    hlt
EXPORT s_after_efer
    nop
EXPORT s_no_faults
    mov al, 0x30                    ; PIT counter 0, one shot
    out 0x43, al
    mov al, 0
    out 0x40, al
    mov al, 0x10
    out 0x40, al
    mov al, 0xfe
    out 0x21, al
    FAULTS_TO s_after_monitor
    mov eax, flags_seen
    xor ecx, ecx
    xor edx, edx
EXPORT s_monitor
    monitor
EXPORT s_after_monitor
    FAULTS_TO s_after_mwait
    xor eax, eax
    sti
EXPORT s_mwait
    mwait
EXPORT s_after_mwait
    cli
    mov al, 0xff
    out 0x21, al
EXPORT steps_end
    nop

    mov esi, LAPIC
    mov eax, [rsi + 0x20]
    mov [rsi + 0x310], eax          ; to this CPU
    mov eax, ICR_NMI
EXPORT n_send
    mov [rsi + 0x300], eax
EXPORT n_wait
    cmp dword [nmi_count], 2
    jb n_wait
EXPORT n_end

    xor ebx, ebx
.image:
    test qword [flags_seen + 8 * rbx], 0x100
    jz .clean
    PRINT "steps64: TF seen at "
    mov eax, ebx
    call print_hex
    call print_newline
    inc dword [failures]
.clean:
    inc ebx
    cmp ebx, images
    jb .image
    cmp dword [gate_count], 3
    je .gates
    PRINT_LINE "steps64: wrong number of calls by the gate"
    inc dword [failures]
.gates:
    mov eax, [try_faults]
    add eax, eax
    cmp [gp_count], eax
    je .gps
    PRINT_LINE "steps64: wrong number of #GP"
    inc dword [failures]
.gps:
    cmp dword [nmi_nested], 0
    je .nmis
    PRINT_LINE "steps64: an NMI came in the handler of an NMI"
    inc dword [failures]
.nmis:
    cmp dword [failures], 0
    jne steps_done
    PRINT_LINE "steps64: ok"
EXPORT steps_done
    jmp steps_done

; ---- handlers ------------------------------------------------------------------------------------

; By the gate, from 64-bit and 32-bit code of ring 0 and from ring 3: a 64-bit frame each time.
EXPORT h_gate
    pushfq
    pop rax
    inc dword [gate_count]
    test byte [rsp + 8], 3
    jnz .user
    cmp word [rsp + 8], SEL_CODE32
    je .compat
    KEEP GATE
    jmp h_gate_retf
.user:
    KEEP USER_GATE
    jmp h_gate_retf
.compat:
    KEEP COMPAT_GATE
EXPORT h_gate_retf
    retfq

; The first time back to 64-bit code, then to 32-bit code, then not at all.
EXPORT h_sysenter
    pushfq
    pop rax
    KEEP SYSENTER
    inc dword [sysenter_count]
    cmp dword [sysenter_count], 2
    ja s_back
    je h_sysexit_32
EXPORT h_sysexit
    o64 sysexit
EXPORT h_sysexit_32
    sysexit

EXPORT h_ud
    push rax
    mov rax, [rsp + 24]
    KEEP UD
    mov rax, [resume]
    mov [rsp + 8], rax
    pop rax
    iretq

EXPORT h_gp
    add rsp, 8                      ; the error code
    push rax
    mov rax, [rsp + 24]
    KEEP GP
    inc dword [gp_count]
    mov rax, [resume]
    mov [rsp + 8], rax
    pop rax
    iretq

; From user mode, for good.
EXPORT h_leave
    mov rax, [rsp + 16]
    KEEP LEAVE
    jmp s_back

EXPORT h_timer
    push rax
    mov rax, [rsp + 24]
    KEEP TIMER
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq

; The first one asks for a second, which has to wait for the IRET.
EXPORT h_nmi
    push rax
    mov rax, [rsp + 24]
    KEEP NMI
    mov eax, [nmi_depth]
    add [nmi_nested], eax
    inc dword [nmi_depth]
    inc dword [nmi_count]
    cmp dword [nmi_count], 1
    jne .last
    mov eax, LAPIC
    mov dword [rax + 0x300], ICR_NMI
    mov eax, 1000
.time:                              ; for it to come, if it could
    dec eax
    jnz .time
.last:
    dec dword [nmi_depth]
    pop rax
EXPORT h_nmi_iret
    iretq

align 8
gate_pointer:
    dd 0
    dw SEL_GATE
far_pointer:
    dd f_far
    dw SEL_CODE64
gdt64_pointer:
    dw GDT_SIZE - 1
    dq gdt64

section .bss
alignb 16
gdt64:
    resb GDT_SIZE
    resb 1024
user_stack_top:
alignb 8
flags_seen: resq images
resume:     resq 1
stack_here: resq 1
EXPORT try_faults                   ; set by the debugger: QEMU's own TCG takes a bad CR3 for bare
    resd 1
EXPORT has_monitor
    resd 1
EXPORT nmi_count
    resd 1
failures:       resd 1
gate_count:     resd 1
EXPORT gp_count
    resd 1
sysenter_count: resd 1
nmi_depth:      resd 1
nmi_nested:     resd 1
