; The multiboot2 door's first instructions: 32-bit, paging off, anywhere below 4 GiB, nothing known
; but EAX and EBX (Multiboot2 specification, "I386 machine state"). Goes to long mode with a
; temporary identity map and calls door_enter(magic, mbi).

MAGIC       equ 0xe85250d6
HEADER_SIZE equ header_end - header

        section .multiboot2 progbits alloc noexec nowrite align=8
header: dd MAGIC, 0, HEADER_SIZE, -(MAGIC + HEADER_SIZE)
        align 8
        dw 1, 0                         ; information request: the loader must know these tags
        dd 20
        dd 1, 3, 6                      ; command line, modules, memory map
        align 8
        dw 5, 1                         ; framebuffer, optional: any size and depth
        dd 20, 0, 0, 0
        align 8
        dw 6, 0                         ; modules page-aligned
        dd 8
        align 8
        dw 10, 0                        ; relocatable: min, max, align, no preference
        dd 24, 0x100000, 0x7fffffff, 4096, 0
        align 8
        dw 0, 0
        dd 8
header_end:

        section .boot progbits alloc exec nowrite align=16
        bits 32
        extern image_start, door_enter
        global _start
_start: cli
        cld
        lea esp, [ebx + 8]              ; the one dword that is free for a return address is
        call .here                      ; the information's reserved field
.here:  pop ebp                         ; ebp: where .here was loaded
        mov esi, eax
        mov eax, [ebp + stack_offset - .here]
        lea esp, [ebp + eax + (stack_offset - .here)]

        mov eax, 0x80000000
        push ebx
        cpuid
        pop ebx
        cmp eax, 0x80000001
        jb .refuse
        mov eax, 0x80000001
        push ebx
        cpuid
        pop ebx
        bt edx, 29                      ; LM
        jnc .refuse

        mov eax, [ebp + tables_offset - .here]
        lea edi, [ebp + eax + (tables_offset - .here)]  ; edi: PML4, PDPT, 4 page directories
        lea eax, [edi + 0x1003]
        mov [edi], eax
        lea eax, [edi + 0x2003]
        mov ecx, 4
        lea edx, [edi + 0x1000]
.pdpt:  mov [edx], eax
        add eax, 0x1000
        add edx, 8
        loop .pdpt
        mov eax, 0x83                   ; present, writable, 2 MiB
        mov ecx, 4 * 512
        lea edx, [edi + 0x2000]
.pd:    mov [edx], eax
        add eax, 0x200000
        add edx, 8
        loop .pd

        mov cr3, edi
        mov eax, cr4
        or eax, 1 << 5                  ; PAE
        mov cr4, eax
        mov ecx, 0xc0000080             ; EFER
        rdmsr
        or eax, 1 << 8                  ; LME
        wrmsr
        mov eax, cr0
        or eax, 0x80000001              ; PG, PE
        mov cr0, eax

        lea eax, [ebp + (gdt - .here)]
        mov [ebp + (gdtr_base - .here)], eax
        lgdt [ebp + (gdtr - .here)]
        push 8
        lea eax, [ebp + (long_mode - .here)]
        push eax
        retf

.refuse:
        lea esi, [ebp + (no_long_mode - .here)]
        mov edi, 0xb8000
        mov dx, 0x3f8 + 3               ; COM1, 115200 8N1
        mov al, 0x80
        out dx, al
        mov dx, 0x3f8
        mov al, 1
        out dx, al
        inc dx
        dec al
        out dx, al
        mov dx, 0x3f8 + 3
        mov al, 3
        out dx, al
.next:  lodsb
        test al, al
        jz .stop
        mov ah, 0x4f                    ; white on red
        cmp al, ' '
        jb .line                        ; line ends are for the serial line only
        mov [edi], ax
        add edi, 2
.line:  mov ah, al
        mov ecx, 100000                 ; a UART that is not there is ready at once (all ones)
        mov dx, 0x3f8 + 5
.wait:  in al, dx
        test al, 0x20
        loopz .wait
        mov dx, 0x3f8
        mov al, ah
        out dx, al
        jmp .next
.stop:  hlt
        jmp .stop

no_long_mode:
        db 13, 10, "gdbvisor: cannot start: this processor has no long mode (64-bit), which "
        db "gdbvisor needs.", 13, 10, 0
        align 4
stack_offset:  dd boot_stack_top - $
tables_offset: dd boot_tables - $
        align 8
gdt:    dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:   dw 23
gdtr_base: dd 0

        bits 64
long_mode:
        mov eax, 16
        mov ds, eax
        mov es, eax
        mov ss, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        lea rsp, [rel boot_stack_top]
        mov edi, esi
        mov esi, ebx
        call door_enter
        ud2                             ; does not return

        section .bss align=4096
boot_tables:    resb 6 * 4096
boot_stack:     resb 4096 * 4
boot_stack_top:
