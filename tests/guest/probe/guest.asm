; What this processor or emulator can show, for the tests to know: `probe: NAME yes` or `no`. Run
; below gdbvisor the same must come out, but for the lines on virtualisation, all `no` there.
; The last thing tried may end the emulator, so it comes behind `probe: asked`.
%define GUEST_BITS 64
%include "common.inc"
%include "try.inc"

UNKNOWN_MSR  equ 0x1fff
DR7_INIT     equ 0x400
DR7_GD       equ 1 << 13
LOW_CODE     equ 0x8100             ; SEL_CODE16 begins at 0x8000

; ANSWER condition, name: yes where the condition holds.
%macro ANSWER 2
    j%1 %%yes
    PRINT_LINE "probe: ", %2, " no"
    jmp %%end
%%yes:
    PRINT_LINE "probe: ", %2, " yes"
%%end:
%endmacro

EXPORT main
    mov al, 0xff
    call pic_setup                  ; no interrupt comes
    TRY_GATES

    TRY db 0xf1
    cmp dword [fault], 1
    ANSWER e, "icebp"

    mov ecx, UNKNOWN_MSR
    TRY rdmsr
    cmp dword [fault], 13
    ANSWER e, "msr-gp"

    mov eax, DR7_INIT | DR7_GD
    mov dr7, rax
    TRY mov rax, dr0
    cmp dword [fault], 1
    ANSWER e, "dr-gd"
    mov eax, DR7_INIT
    TRY mov dr7, rax

    ; Where the trap of RFLAGS.TF behind STI comes: behind STI, or one instruction later.
    GATE 0x01, h_step
    pushfq
    or dword [rsp], 0x100
    popfq
    sti
after_sti:
    nop
    nop
    cli
    cmp qword [stepped_to], after_sti
    ANSWER e, "sti-step"

    call amd
    call intel
    PRINT_LINE "probe: asked"
    call code_base
    PRINT_LINE "probe: exec-dr-cs-base yes"
EXPORT done
    jmp done

; SVM and its features: APM vol. 2, CPUID Fn8000_000A.
amd:
    mov eax, 0x80000001
    cpuid
    xor edi, edi
    test ecx, 4
    jz .features
    mov eax, 0x8000000a
    cpuid
    mov edi, edx
    or edi, 1 << 31
.features:
    bt edi, 31
    ANSWER c, "svm"
    bt edi, 3
    ANSWER c, "nrip"
    bt edi, 5
    ANSWER c, "clean-bits"
    bt edi, 6
    ANSWER c, "flush-by-asid"
    bt edi, 7
    ANSWER c, "decode-assists"
    ret

; VMX and its monitor trap flag: SDM vol. 3, "VMX Capability Reporting Facility".
intel:
    mov eax, 1
    cpuid
    xor edi, edi
    bt ecx, 5
    jnc .features
    mov ecx, 0x480
    rdmsr
    mov ecx, 0x482
    bt edx, 55 - 32
    jnc .controls
    mov ecx, 0x48e
.controls:
    rdmsr
    mov edi, edx
    or edi, 1
.features:
    bt edi, 0
    ANSWER c, "vmx"
    bt edi, 27
    ANSWER c, "mtf"
    ret

; An execution breakpoint in a code segment whose base is not 0.
code_base:
    GATE 0x01, h_code_base
    mov esi, low_code
    mov edi, LOW_CODE
    mov ecx, low_code_end - low_code
    rep movsb
    mov eax, LOW_CODE
    mov dr0, rax
    mov eax, DR7_INIT | 1
    mov dr7, rax
    push SEL_CODE16
    push LOW_CODE - 0x8000
    retfq
back:
    ret

BITS 16
low_code:
    nop
    jmp dword SEL_CODE64:back
low_code_end:
BITS 64

h_code_base:
    push rax
    mov eax, DR7_INIT
    mov dr7, rax
    pop rax
    iretq

; The first trap is kept; the flag goes from the image of the flags.
h_step:
    push rax
    mov rax, [rsp + 8]
    cmp qword [stepped_to], 0
    jne .kept
    mov [stepped_to], rax
.kept:
    and dword [rsp + 24], ~0x100
    pop rax
    iretq

section .bss
alignb 8
stepped_to: resq 1
