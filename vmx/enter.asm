; unsigned vmx_enter(uint64_t *gpr, bool resume, const uint64_t *nmis, uint64_t seen)
;
; One VMLAUNCH or VMRESUME. gpr: in the order of enum hv_gpr; RSP is in the VMCS. Returns 0 after an
; exit, 1 when the instruction itself failed, 2 when the host took an NMI that nobody has looked at
; yet (*nmis is not `seen`): the guest did not run then.
;
; Nothing holds NMIs back in VMX root operation. One that comes between the comparison and the entry
; would be forgotten until the next exit: the trap handler sends it from [vmx_enter_window,
; vmx_enter_window_end) to vmx_enter_abandon (traps_set_nmi_window).
%include "arch/x86/gprs.inc"
        bits 64
        HOST_RSP equ 0x6c14

        section .text
        global vmx_enter, vmx_enter_window, vmx_enter_window_end, vmx_enter_abandon, vmx_exit
        global vmx_trial
vmx_enter:
        CALLEE_PUSH
        push rdi
        mov eax, HOST_RSP
        vmwrite rax, rsp
vmx_enter_window:
        cmp [rdx], rcx
        jne vmx_enter_abandon
        test esi, esi                   ; the loads below leave the flags alone
        mov rax, [rdi + 8 * 0]
        GPRS_LOAD rdi
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
        GPRS_STORE rdi
        pop rax
        mov [rdi + 8 * 7], rax
        xor eax, eax
done:   pop rdi
        CALLEE_RETURN

vmx_trial:                              ; see mtf.c
        nop
        vmcall
