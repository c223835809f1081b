; void svm_enter(hpa_t vmcb, uint64_t *gpr, hpa_t host_vmcb, uint64_t dr7)
;
; One VMRUN. gpr: in the order of enum hv_gpr; RAX and RSP are in the VMCB. host_vmcb: where this
; CPU's VMSAVE state (TR above all) is. dr7: 0, or what DR7 is to be while the guest runs: VMRUN
; loads it from the VMCB, yet some processors arm breakpoints only by a MOV to DR7, and likewise
; disarm them only by one.
        bits 64
        section .text
        global svm_enter
svm_enter:
        push rbx
        push rbp
        push r12
        push r13
        push r14
        push r15
        push rdx
        push rcx
        push rsi
        mov rax, rdi
        test rcx, rcx
        jz .load
        mov dr7, rcx
.load:  mov rcx, [rsi + 8 * 1]
        mov rdx, [rsi + 8 * 2]
        mov rbx, [rsi + 8 * 3]
        mov rbp, [rsi + 8 * 5]
        mov rdi, [rsi + 8 * 7]
        mov r8,  [rsi + 8 * 8]
        mov r9,  [rsi + 8 * 9]
        mov r10, [rsi + 8 * 10]
        mov r11, [rsi + 8 * 11]
        mov r12, [rsi + 8 * 12]
        mov r13, [rsi + 8 * 13]
        mov r14, [rsi + 8 * 14]
        mov r15, [rsi + 8 * 15]
        mov rsi, [rsi + 8 * 6]
        vmload
        vmrun
        vmsave                          ; RAX is the host's again: the VMCB
        push rsi
        mov rsi, [rsp + 8]
        mov [rsi + 8 * 1], rcx
        mov [rsi + 8 * 2], rdx
        mov [rsi + 8 * 3], rbx
        mov [rsi + 8 * 5], rbp
        mov [rsi + 8 * 7], rdi
        mov [rsi + 8 * 8], r8
        mov [rsi + 8 * 9], r9
        mov [rsi + 8 * 10], r10
        mov [rsi + 8 * 11], r11
        mov [rsi + 8 * 12], r12
        mov [rsi + 8 * 13], r13
        mov [rsi + 8 * 14], r14
        mov [rsi + 8 * 15], r15
        pop rcx
        mov [rsi + 8 * 6], rcx
        pop rsi
        pop rcx
        test rcx, rcx
        jz .host
        mov ecx, 0x400
        mov dr7, rcx
.host:  pop rax
        vmload
        pop r15
        pop r14
        pop r13
        pop r12
        pop rbp
        pop rbx
        cld
        ret
