; Hardware task switches of every kind, with paging: CALL, JMP, IRET, task gates for INT n, for an
; exception with an error code, for one without, and for an interrupt; a 16-bit TSS.
; Says `tasks: wrong: NAME` for each thing that is not as the manual has it.
%define GUEST_BITS 32
%include "common.inc"

NT      equ 0x4000
BUSY    equ 2
%define T(n) (0x38 + 8 * (n))       ; selector of TSS n

; Goes on quietly when the condition holds.
%macro EXPECT 2
    j%1 %%right
    PRINT_LINE "tasks: wrong: ", %2
%%right:
%endmacro

; The type of TSS n's descriptor.
%macro TYPE 2
    mov al, [tasks_gdt + T(%1) + 5]
    cmp al, %2
%endmacro

; IDT entry: vector, TSS
%macro TASK_GATE 2
    mov dword [idt + 8 * %1], T(%2) << 16
    mov dword [idt + 8 * %1 + 4], 0x8500
%endmacro

; TSS n begins at the label with its own stack and page directory: n, label, directory
%macro TASK 3
    mov edi, tss_area + 128 * %1
    mov dword [edi + 28], %3
    mov dword [edi + 32], %2
    mov dword [edi + 36], 2
    mov dword [edi + 40], 0xc0de0000 + %1
    mov dword [edi + 56], stacks + 512 * (%1 + 1)
    mov dword [edi + 72], SEL_DATA
    mov dword [edi + 76], SEL_CODE32
    mov dword [edi + 80], SEL_DATA
    mov dword [edi + 84], SEL_DATA
    mov dword [edi + 102], 104
%endmacro

; Points descriptor n to its TSS: n, type
%macro DESCRIPTOR 2
    mov eax, tss_area + 128 * %1
    mov [tasks_gdt + T(%1) + 2], ax
    shr eax, 16
    mov [tasks_gdt + T(%1) + 4], al
    mov [tasks_gdt + T(%1) + 7], ah
    mov word [tasks_gdt + T(%1)], 103
    mov byte [tasks_gdt + T(%1) + 5], %2
%endmacro

EXPORT main
    PRINT_LINE "tasks: begin"
    lgdt [tasks_gdt_pointer]
    lidt [tasks_idt_pointer]
    mov eax, code16
    mov [tasks_gdt + SEL_CODE16 + 2], ax
    mov [tasks_gdt + SEL_DATA16 + 2], ax
    shr eax, 16
    mov [tasks_gdt + SEL_CODE16 + 4], al
    mov [tasks_gdt + SEL_DATA16 + 4], al
    call page_tables
%assign n 0
%rep 8
    DESCRIPTOR n, 0x89
%assign n n + 1
%endrep
    DESCRIPTOR 5, 0x81
    TASK 1, by_call, directory_b
    TASK 2, by_jmp, directory_b
    TASK 3, by_int, directory_a
    TASK 4, by_gp, directory_b
    TASK 6, by_timer, directory_a
    TASK 7, by_bp, directory_a
    mov edi, tss_area + 128 * 5     ; the 16-bit one
    mov word [edi + 14], 0
    mov word [edi + 16], 2
    mov word [edi + 18], 0x1605
    mov word [edi + 26], stacks16_top - code16
    mov word [edi + 34], SEL_DATA
    mov word [edi + 36], SEL_CODE16
    mov word [edi + 38], SEL_DATA16
    mov word [edi + 40], SEL_DATA
    TASK_GATE 3, 7
    TASK_GATE 13, 4
    TASK_GATE 0x20, 6
    TASK_GATE 0x40, 3
    mov eax, spurious
    mov [idt + 8 * 0x27], eax
    mov [idt + 8 * 0x27 + 4], eax
    mov word [idt + 8 * 0x27 + 2], SEL_CODE32
    mov word [idt + 8 * 0x27 + 4], 0x8e00
    mov dword [tss_area + 28], directory_a
    mov ax, T(0)
    ltr ax

EXPORT round
    mov ebx, 0x600db175
    mov ecx, 0x12345678
    clts
EXPORT call_task
    call T(1):0
EXPORT call_done
    cmp ebx, 0x600db175
    EXPECT e, "call-ebx"
    cmp ecx, 0x12345678
    EXPECT e, "call-ecx"
    pushfd
    pop eax
    test eax, NT
    EXPECT z, "call-nt"
    mov eax, cr3
    cmp eax, directory_a
    EXPECT e, "call-cr3"
    TYPE 0, 0x8b
    EXPECT e, "call-busy"
    TYPE 1, 0x89
    EXPECT e, "call-available"
    cmp dword [tss_area + 32], call_done
    EXPECT e, "call-eip"

EXPORT jmp_task
    jmp T(2):0
EXPORT jmp_done
    TYPE 2, 0x89
    EXPECT e, "jmp-available"

EXPORT int_task
    int 0x40
EXPORT int_done
    cmp dword [tss_area + 32], int_done
    EXPECT e, "int-eip"
EXPORT bp_task
    int3
EXPORT bp_done
    cmp dword [tss_area + 32], bp_done
    EXPECT e, "bp-eip"

    mov ax, 0x7ff8
EXPORT gp_task
    mov fs, ax                      ; beyond the table
EXPORT gp_done
    mov esi, [bp_seen]
    cmp esi, [rounds]
    EXPECT a, "bp-task"

EXPORT task16
    call T(5):0
EXPORT task16_done
    TYPE 5, 0x81
    EXPECT e, "task16-available"
    cmp ebx, 0x600db175
    EXPECT e, "task16-ebx"

    ; Once round, the timer through its gate: it ends the wait by what it leaves in memory.
    mov al, 0xfe
    call pic_setup
    mov ax, 0xffff
    call pit_setup
    mov esi, [ticks]
    sti
.wait:
    cmp esi, [ticks]
    je .wait
    cli
    mov al, 0xff
    out 0x21, al

    cmp dword [rounds], 0
    jne .again
    PRINT_LINE "tasks: ok"
.again:
    inc dword [rounds]
    jmp round

; ---- the tasks: each starts over behind its IRET or JMP ------------------------------------------

EXPORT by_call
    cmp eax, 0xc0de0001
    EXPECT e, "by-call-eax"
.again:
    pushfd
    pop eax
    test eax, NT
    EXPECT nz, "by-call-nt"
    cmp word [tss_area + 128 * 1], T(0)
    EXPECT e, "by-call-link"
    mov eax, cr0
    test al, 8
    EXPECT nz, "by-call-ts"
    mov eax, cr3
    cmp eax, directory_b
    EXPECT e, "by-call-cr3"
    TYPE 0, 0x8b
    EXPECT e, "by-call-outer"
    TYPE 1, 0x8b
    EXPECT e, "by-call-inner"
    xor ebx, ebx
    xor ecx, ecx
    iretd
    jmp .again

EXPORT by_jmp
    pushfd
    pop eax
    test eax, NT
    EXPECT z, "by-jmp-nt"
    TYPE 0, 0x89
    EXPECT e, "by-jmp-outer"
    TYPE 2, 0x8b
    EXPECT e, "by-jmp-inner"
    jmp T(0):0
    jmp by_jmp

EXPORT by_int
    cmp word [tss_area + 128 * 3], T(0)
    EXPECT e, "by-int-link"
    iretd
    jmp by_int

EXPORT by_bp
    inc dword [bp_seen]
    iretd
    jmp by_bp

; The error code is on this task's stack; the faulting instruction is skipped.
EXPORT by_gp
    cmp esp, stacks + 512 * 5 - 4
    EXPECT e, "by-gp-esp"
    pop eax
    cmp eax, 0x7ff8
    EXPECT e, "by-gp-error"
    cmp dword [tss_area + 32], gp_task
    EXPECT e, "by-gp-eip"
    mov dword [tss_area + 32], gp_done
    iretd
    jmp by_gp

EXPORT by_timer
    inc dword [ticks]
    mov al, 0x20
    out 0x20, al
    iretd
    jmp by_timer

; The 8259's when its line falls before it is asked.
spurious:
    iretd

BITS 16
EXPORT code16
    cmp ax, 0x1605
    je .right
    mov al, '!'
    out 0xe9, al
.right:
    push ax
    pop cx
    iret
    jmp code16
    times 256 db 0
stacks16_top:
BITS 32

; ---- tables --------------------------------------------------------------------------------------

; Two page directories that map the first 16 MiB (and the APIC's) to themselves; paging on.
page_tables:
    mov edi, directory_a
    call .fill
    mov edi, directory_b
    call .fill
    mov eax, cr4
    or eax, 0x10                    ; PSE
    mov cr4, eax
    mov eax, directory_a
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000              ; PG, WP
    mov cr0, eax
    ret
.fill:
    mov eax, 0x83
    mov ecx, 1024
.entry:
    mov [edi], eax
    add edi, 4
    add eax, 0x400000
    loop .entry
    ret

align 8
tasks_gdt:
    dq 0
    dq 0x00cf9b000000ffff           ; code32
    dq 0
    dq 0x00cf93000000ffff           ; data
    dq 0x00009b000000ffff           ; code16, base code16
    dq 0x000093000000ffff           ; data16, the same
    dq 0
    times 8 dq 0                    ; T(0) ...
tasks_gdt_end:
tasks_gdt_pointer:
    dw tasks_gdt_end - tasks_gdt - 1
    dd tasks_gdt
tasks_idt_pointer:
    dw 8 * 256 - 1
    dd idt
align 16
EXPORT tss_area
    times 8 * 128 db 0
EXPORT rounds
    dd 0
EXPORT ticks
    dd 0
EXPORT bp_seen
    dd 0

section .bss
alignb 4096
directory_a: resb 4096
directory_b: resb 4096
stacks:      resb 9 * 512
