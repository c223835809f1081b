; The way from the firmware into the core and the two ways back; struct efi_context (cpu.h).
        bits 64
        section .text

; uint64_t efi_launch(struct efi_context *): keeps where it was called and goes to efi_depart(), with
; the same argument and interrupts off. Returns twice: to the guest 0; or, when nothing was started, efi_return()'s value.
        global efi_launch
        extern efi_depart
efi_launch:
        mov [rdi + 8 * 0], rbx
        mov [rdi + 8 * 1], rbp
        mov [rdi + 8 * 2], r12
        mov [rdi + 8 * 3], r13
        mov [rdi + 8 * 4], r14
        mov [rdi + 8 * 5], r15
        mov rax, [rsp]
        lea rcx, [rsp + 8]
        pushfq
        pop rdx
        cli
        cld
        mov [rdi + 8 * 6], rcx
        mov [rdi + 8 * 7], rax
        mov [rdi + 8 * 8], rdx
        mov eax, cs
        mov [rdi + 8 * 9], rax
        mov eax, ss
        mov [rdi + 8 * 10], rax
        call efi_depart
        ud2                             ; does not return

; void efi_return(const struct efi_context *, uint64_t value)
        global efi_return
efi_return:
        mov rax, rsi
        mov rbx, [rdi + 8 * 0]
        mov rbp, [rdi + 8 * 1]
        mov r12, [rdi + 8 * 2]
        mov r13, [rdi + 8 * 3]
        mov r14, [rdi + 8 * 4]
        mov r15, [rdi + 8 * 5]
        push qword [rdi + 8 * 10]       ; ss, rsp, rflags, cs, rip
        push qword [rdi + 8 * 6]
        push qword [rdi + 8 * 8]
        push qword [rdi + 8 * 9]
        push qword [rdi + 8 * 7]
        iretq
