; Where another CPU begins after its start-up interrupt: in real mode at the start of a page below
; 1 MiB, to which this was copied (start_cpus.c). Goes to long mode in one step with the
; hypervisor's own tables, which must let the page be executed for that long.
        section .rodata
        global ap_start, ap_start_end
        bits 16
ap_start:
        jmp short .begin
        align 8, db 0
.stack: dq 0                            ; struct ap_start_data, filled in the copy
.entry: dq 0
.cr3:   dd 0
.number: dd 0
.jump:  dd 0, 8                         ; offset (where the page is, at first) and selector
.gdtr:  dw 23
        dd 0                            ; likewise
        align 8, db 0
.gdt:   dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff

%define at(label) (label - ap_start)
.begin: cli
        cld
        mov ax, cs
        mov ds, ax
        o32 lgdt [at(.gdtr)]
        mov eax, 1 << 5                 ; CR4.PAE
        mov cr4, eax
        mov eax, [at(.cr3)]
        mov cr3, eax
        mov ecx, 0xc0000080             ; EFER: LME, NXE
        rdmsr
        or eax, 0x900
        wrmsr
        mov eax, 0x80000011             ; CR0: PG, ET, PE; caches on
        mov cr0, eax
        jmp far dword [at(.jump)]

        bits 64
        global ap_start_long
ap_start_long:
        mov eax, 16
        mov ds, eax
        mov es, eax
        mov ss, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        mov rsp, [rel ap_start.stack]
        mov edi, [rel ap_start.number]
        xor ebp, ebp
        call [rel ap_start.entry]
        ud2                             ; does not return
ap_start_end:
