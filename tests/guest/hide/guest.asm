; What a guest can see of a hypervisor below it. Says `hide: fail: NAME` for each thing that shows
; and `hide: ok` when nothing did. On the bare machine cpuid-svm, cpuid-svm-leaf, efer-svme, vm-cr (or
; cpuid-vmx-smx, feature-control, vmx-basic), hole (the firmware's tables) and debug-uart (where COM2
; exists) fail: there they are real.
%define GUEST_BITS 64
%include "common.inc"
%include "try.inc"

IOAPIC equ 0xfec00000
EFER   equ 0xc0000080
VM_CR  equ 0xc0010114
HSAVE  equ 0xc0010117
UART   equ 0x2f8
UART_IRQ equ 3

; Goes on quietly when the condition holds.
%macro EXPECT 2
    j%1 %%right
    PRINT_LINE "hide: fail: ", %2
    inc dword [failures]
%%right:
%endmacro

h_spurious:
    iretq

EXPORT main
    TRY_GATES
    GATE 0x20, h_timer
    GATE 0x27, h_spurious           ; the 8259's, for a tick that is taken late
    PRINT_LINE "hide: begin"

    mov eax, 0x80000001
    cpuid
    test ecx, 4
    EXPECT z, "cpuid-svm"
    mov eax, 0x8000000a
    cpuid
    or eax, ebx
    or eax, ecx
    or eax, edx
    EXPECT z, "cpuid-svm-leaf"
    mov eax, 1
    xor ecx, ecx
    cpuid
    test ecx, 0x60
    EXPECT z, "cpuid-vmx-smx"
    mov eax, 7
    xor ecx, ecx
    cpuid
    test ebx, 1 << 25
    EXPECT z, "cpuid-pt"

    mov ecx, EFER
    rdmsr
    test eax, 0x1000
    EXPECT z, "efer-read"
    or eax, 0x1000
    TRY wrmsr
    cmp dword [fault], 13
    EXPECT e, "efer-svme"
    mov ecx, EFER
    rdmsr
    and eax, ~0x1000
    TRY wrmsr                       ; an honest write still works
    cmp dword [fault], 0
    EXPECT e, "efer-write"
    mov ecx, EFER
    rdmsr
    test eax, 0x100
    EXPECT nz, "efer-lme"

    ; Where there is IA32_FEATURE_CONTROL, VMX is off in it; of VMX's own there is none.
    mov ecx, 0x3a
    xor eax, eax
    TRY rdmsr
    test eax, 0xff06
    EXPECT z, "feature-control"
    mov ecx, 0x480
    xor eax, eax
    xor edx, edx
    TRY rdmsr
    cmp dword [fault], 13
    je .vmx_basic
    or eax, edx
    EXPECT z, "vmx-basic"
.vmx_basic:

    ; Without SVM there is no such register, or it says that SVM is off.
    mov ecx, VM_CR
    xor eax, eax
    TRY rdmsr
    cmp dword [fault], 13
    je .vm_cr
    test eax, 0x10
    EXPECT nz, "vm-cr"
.vm_cr:
    mov ecx, HSAVE
    xor eax, eax
    xor edx, edx
    TRY rdmsr
    cmp dword [fault], 13
    je .hsave
    or eax, edx
    EXPECT z, "vm-hsave"
.hsave:

%macro MUST_BE_UD 2+
    xor eax, eax
    TRY %2
    cmp dword [fault], 6
    EXPECT e, %1
%endmacro
    MUST_BE_UD "vmmcall", vmmcall
    MUST_BE_UD "vmrun", vmrun
    MUST_BE_UD "vmload", vmload
    MUST_BE_UD "vmsave", vmsave
    MUST_BE_UD "clgi", clgi
    MUST_BE_UD "stgi", stgi
    MUST_BE_UD "invlpga", invlpga
    MUST_BE_UD "skinit", skinit
    MUST_BE_UD "vmcall", vmcall
    MUST_BE_UD "vmlaunch", vmlaunch
    MUST_BE_UD "vmxoff", vmxoff
    MUST_BE_UD "getsec", getsec

    mov rax, dr7
    cmp rax, 0x400
    EXPECT e, "dr7"
    mov rax, dr6
    cmp eax, 0xffff0ff0
    EXPECT e, "dr6"

    ; The debug UART: an empty place on the bus, written to or not.
    mov bl, 0xff
    mov edx, UART
.port:
    in al, dx
    and bl, al
    mov al, 0
    out dx, al
    in al, dx
    and bl, al
    inc edx
    cmp edx, UART + 8
    jb .port
    cmp bl, 0xff
    EXPECT e, "debug-uart"

    ; Its interrupt's entry in the IOAPIC reads back what was written.
    mov esi, IOAPIC
    mov dword [rsi], 0x10 + 2 * UART_IRQ
    mov dword [rsi + 0x10], 0x10033
    mov eax, [rsi + 0x10]
    cmp eax, 0x10033
    EXPECT e, "ioapic-masked"
    mov dword [rsi + 0x10], 0x33
    mov eax, [rsi + 0x10]
    cmp eax, 0x33
    EXPECT e, "ioapic-unmasked"
    mov dword [rsi + 0x10], 0x10033
    mov dword [rsi], 0x11 + 2 * UART_IRQ
    mov dword [rsi + 0x10], 0x05000000
    mov eax, [rsi + 0x10]
    cmp eax, 0x05000000
    EXPECT e, "ioapic-high"
    mov eax, [rsi]
    cmp eax, 0x11 + 2 * UART_IRQ
    EXPECT e, "ioapic-index"
    mov dword [rsi], 1
    mov eax, [rsi + 0x10]
    shr eax, 16
    cmp al, 0x17                    ; 24 entries
    EXPECT e, "ioapic-version"

    call find_hole
    mov rbx, [hole]
    test rbx, rbx
    EXPECT nz, "hole-found"
    jz .no_hole
    mov ecx, 64                     ; one dword in each of the first pages
.hole_page:
    mov eax, [rbx]
    or [hole_or], eax
    mov dword [rbx], 0x55aa55aa
    mov eax, [rbx]
    or [hole_or], eax
    add rbx, 4096 + 4
    loop .hole_page
    cmp dword [hole_or], 0
    EXPECT e, "hole"
.no_hole:

    mov al, 0xfe
    call pic_setup
    mov ax, 1193
    call pit_setup
    sti
    mov rcx, 2000000000
.tick:
    cmp dword [ticks], 10
    jae .ticked
    dec rcx
    jnz .tick
.ticked:
    cli
    cmp dword [ticks], 10
    EXPECT ae, "timer"

    cmp dword [failures], 0
    jne .failed
    PRINT_LINE "hide: ok"
.failed:
    PRINT_LINE "hide: done"
EXPORT done
    jmp done

; [hole]: the reserved memory right behind the first usable range from 1 MiB on, 0 without a map.
; That is where the hypervisor lives when the firmware is SeaBIOS.
find_hole:
    mov ebx, [boot_info]
    test dword [rbx], 0x40
    jz .none
    mov edi, [rbx + 48]
    mov ebp, [rbx + 44]
    add ebp, edi
.range:
    cmp edi, ebp
    jae .none
    cmp dword [rdi + 20], 1
    jne .next
    mov rax, [rdi + 4]
    add rax, [rdi + 12]
    mov rdx, rax
    shr rdx, 32
    jnz .next
    cmp dword [rdi + 4], 0x100000
    jb .next
    mov [hole], rax
    jmp .none
.next:
    add edi, [rdi]
    add edi, 4
    jmp .range
.none:
    ret

EXPORT h_timer
    push rax
    inc dword [ticks]
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq

section .bss
alignb 8
EXPORT hole
    resq 1
EXPORT failures
    resd 1
hole_or:   resd 1
ticks:     resd 1
