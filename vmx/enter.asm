; unsigned vmx_enter(uint64_t *gpr, bool resume, const uint64_t *nmis, uint64_t seen)
;
; One VMLAUNCH or VMRESUME. gpr: in the order of enum hv_gpr; RSP is in the VMCS. Returns 0 after an
; exit, 1 when the instruction itself failed, 2 when the host took an NMI that nobody has looked at
; yet (*nmis is not `seen`): the guest did not run then.
;
; Nothing holds NMIs back in VMX root operation. One that comes between the comparison and the entry
; would be forgotten until the next exit: the trap handler sends it from [vmx_enter_window,
; vmx_enter_window_end) to vmx_enter_abandon (traps_set_nmi_window).
        bits 64
        HOST_RSP equ 0x6c14

        section .text
        global vmx_enter, vmx_enter_window, vmx_enter_window_end, vmx_enter_abandon, vmx_exit
        global vmx_trial
vmx_enter:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        push rdi
        mov eax, HOST_RSP
        vmwrite rax, rsp
vmx_enter_window:
        cmp [rdx], rcx
        jne vmx_enter_abandon
        test esi, esi                   ; the loads below leave the flags alone
        mov rax, [rdi + 8 * 0]
        mov rcx, [rdi + 8 * 1]
        mov rdx, [rdi + 8 * 2]
        mov rbx, [rdi + 8 * 3]
        mov rbp, [rdi + 8 * 5]
        mov rsi, [rdi + 8 * 6]
        mov r8,  [rdi + 8 * 8]
        mov r9,  [rdi + 8 * 9]
        mov r10, [rdi + 8 * 10]
        mov r11, [rdi + 8 * 11]
        mov r12, [rdi + 8 * 12]
        mov r13, [rdi + 8 * 13]
        mov r14, [rdi + 8 * 14]
        mov r15, [rdi + 8 * 15]
        mov rdi, [rdi + 8 * 7]
        jnz .resume
        vmlaunch
        jmp vmx_enter_window_end
.resume:
        vmresume
vmx_enter_window_end:
        mov eax, 1
        jmp done
vmx_enter_abandon:
        mov eax, 2
        jmp done

vmx_exit:                               ; HOST_RIP
        push rdi
        mov rdi, [rsp + 8]
        mov [rdi + 8 * 0], rax
        mov [rdi + 8 * 1], rcx
        mov [rdi + 8 * 2], rdx
        mov [rdi + 8 * 3], rbx
        mov [rdi + 8 * 5], rbp
        mov [rdi + 8 * 6], rsi
        mov [rdi + 8 * 8], r8
        mov [rdi + 8 * 9], r9
        mov [rdi + 8 * 10], r10
        mov [rdi + 8 * 11], r11
        mov [rdi + 8 * 12], r12
        mov [rdi + 8 * 13], r13
        mov [rdi + 8 * 14], r14
        mov [rdi + 8 * 15], r15
        pop rax
        mov [rdi + 8 * 7], rax
        xor eax, eax
done:   pop rdi
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        cld
        ret

vmx_trial:                              ; see mtf.c
        nop
        vmcall
