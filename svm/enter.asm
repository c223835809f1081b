; void svm_enter(hpa_t vmcb, uint64_t *gpr, hpa_t host_vmcb, uint64_t dr7)
;
; One VMRUN. gpr: in the order of enum hv_gpr; RAX and RSP are in the VMCB. host_vmcb: where this
; CPU's VMSAVE state (TR above all) is. dr7: 0, or what DR7 is to be while the guest runs: VMRUN
; loads it from the VMCB, yet some processors arm breakpoints only by a MOV to DR7, and likewise
; disarm them only by one.
%include "arch/x86/gprs.inc"
        bits 64
        section .text
        global svm_enter
svm_enter:
        CALLEE_PUSH
        push rdx
        push rcx
        push rsi
        mov rax, rdi
        test rcx, rcx
        jz .load
        mov dr7, rcx
.load:  GPRS_LOAD rsi
        mov rsi, [rsi + 8 * 6]
        vmload
        vmrun
        vmsave                          ; RAX is the host's again: the VMCB
        push rsi
        mov rsi, [rsp + 8]
        GPRS_STORE rsi
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
        CALLEE_RETURN
