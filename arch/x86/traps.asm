; Trap entries of the hypervisor, and the instructions that are allowed to fault.
        bits 64
        extern trap_dispatch

        section .text
%assign vector 0
%rep 256
trap_ %+ vector:
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21 || vector = 29 || vector = 30
%else
        push 0                          ; no error code from the processor
%endif
        push vector
        jmp trap_common
%assign vector vector + 1
%endrep

trap_common:
        push rax
        push rbx
        push rcx
        push rdx
        push rsi
        push rdi
        push rbp
        push r8
        push r9
        push r10
        push r11
        push r12
        push r13
        push r14
        push r15
        mov rdi, rsp
        cld
        mov rbp, rsp
        and rsp, -16
        call trap_dispatch
        mov rsp, rbp
        pop r15
        pop r14
        pop r13
        pop r12
        pop r11
        pop r10
        pop r9
        pop r8
        pop rbp
        pop rdi
        pop rsi
        pop rdx
        pop rcx
        pop rbx
        pop rax
        add rsp, 16
        iretq

; bool rdmsr_safe(uint32_t msr, uint64_t *value)
        global rdmsr_safe
rdmsr_safe:
        mov ecx, edi
.insn:  rdmsr
        shl rdx, 32
        or rax, rdx
        mov [rsi], rax
        mov eax, 1
        ret
.fault: xor eax, eax
        ret

; bool wrmsr_safe(uint32_t msr, uint64_t value)
        global wrmsr_safe
wrmsr_safe:
        mov ecx, edi
        mov eax, esi
        mov rdx, rsi
        shr rdx, 32
.insn:  wrmsr
        mov eax, 1
        ret
.fault: xor eax, eax
        ret

; void traps_wait_nmi(const uint64_t *nmis, uint64_t seen)
; An NMI between the comparison and HLT would be slept over: the handler sends it to the end.
        global traps_wait_nmi, traps_wait_window, traps_wait_window_end
traps_wait_nmi:
traps_wait_window:
        cmp [rdi], rsi
        jne traps_wait_window_end
        hlt
traps_wait_window_end:
        ret

        section .extable progbits alloc noexec nowrite align=4
        dd rdmsr_safe.insn - $, rdmsr_safe.fault - $
        dd wrmsr_safe.insn - $, wrmsr_safe.fault - $

        section .data align=8
        global trap_entries
trap_entries:
%assign vector 0
%rep 256
        dq trap_ %+ vector
%assign vector vector + 1
%endrep
