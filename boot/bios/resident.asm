; What stays in base memory for a guest that the BIOS boots: the hook of INT 15h, which shows the
; memory without gdbvisor's, and before that the loader of the boot sector. Real mode, in a segment
; of its own from offset 0 on, where boot/bios/resident.c has put it and filled in the header.

%define AT(label) (label - bios_resident)

SMAP        equ 0x534d4150              ; INT 15h, E820's signature
RANGE_SIZE  equ 20                      ; base, length, type
SECTOR      equ 0x7c00                  ; where a BIOS loads the boot sector

        section .rodata
        bits 16
        global bios_resident, bios_resident_end
bios_resident:
        dw AT(int15), AT(load), AT(done), AT(ranges)
old_vector:  dd 0                       ; the BIOS's INT 15h
drive:       db 0                       ; BIOS drive number
tries:       db 0                       ; to read it; 0: the boot sector is there already
text_mode:   db 0                       ; not 0: the screen is in another mode, set mode 3
        align 2
range_count: dw 0
below_16m:   dw 0                       ; KiB of RAM from 1 MiB to 16 MiB
above_16m:   dw 0                       ; 64 KiB blocks of RAM from 16 MiB on
extended:    dw 0                       ; KiB of RAM from 1 MiB on, as far as function 88h can tell

packet: db 16, 0                        ; disk address packet (EDD specification, "Extended Read")
blocks: dw 1
        dw SECTOR, 0
        dq 0                            ; block

int15:  cmp ax, 0xe820
        je e820
        cmp ax, 0xe801
        je e801
        cmp ax, 0xe881
        je e881
        cmp ah, 0x88
        je ext88
        jmp far [cs:AT(old_vector)]

; ACPI specification, "INT 15H, E820H - Query System Address Map". EBX, which callers must not
; interpret, is the number of the range.
e820:   cmp edx, SMAP
        jne fail
        cmp ecx, RANGE_SIZE
        jb fail
        movzx eax, word [cs:AT(range_count)]
        cmp ebx, eax
        jae fail
        push ds
        push si
        push di
        push cs
        pop ds
        imul si, bx, RANGE_SIZE
        add si, AT(ranges)
        cmp ecx, RANGE_SIZE + 4
        mov ecx, RANGE_SIZE
        jb .copy
        mov dword [es:di + RANGE_SIZE], 1 ; extended attributes: the range counts
        mov cl, RANGE_SIZE + 4
.copy:  push cx
        mov cx, RANGE_SIZE / 4
        cld
        rep movsd
        pop cx
        pop di
        pop si
        pop ds
        inc bx
        cmp bx, [cs:AT(range_count)]
        jb .more
        xor ebx, ebx                    ; that was the last one
.more:  mov eax, SMAP
        jmp succeed

e801:   mov ax, [cs:AT(below_16m)]
        mov bx, [cs:AT(above_16m)]
        mov cx, ax
        mov dx, bx
        jmp succeed

e881:   movzx eax, word [cs:AT(below_16m)]
        movzx ebx, word [cs:AT(above_16m)]
        mov ecx, eax
        mov edx, ebx
        jmp succeed

ext88:  mov ax, [cs:AT(extended)]
succeed:
        push bp
        mov bp, sp
        and byte [bp + 6], 0xfe         ; CF of the flags that IRET takes
        pop bp
        iret

fail:   mov ah, 0x86                    ; function not supported
        push bp
        mov bp, sp
        or byte [bp + 6], 1
        pop bp
        iret

; The guest's first instructions; ends at `done`, where gdbvisor takes over again. AL: 0, or 1 when
; the drive cannot be read, with the BIOS's status in AH.
load:   push cs
        pop ds
        cmp byte [AT(text_mode)], 0
        je .next
        mov ax, 0x0003
        int 0x10
.next:  push cs
        pop ds
        xor ax, ax
        mov es, ax
        cmp byte [AT(tries)], 0
        je done
        mov dl, [AT(drive)]
        mov bx, 0x55aa
        mov ah, 0x41                    ; is EDD there, with packet calls?
        int 0x13
        jc .chs
        cmp bx, 0xaa55
        jne .chs
        test cl, 1
        jz .chs
        mov word [AT(blocks)], 1        ; a failed read may have changed it
        mov dl, [AT(drive)]
        mov si, AT(packet)
        mov ah, 0x42
        int 0x13
        jnc .read
.chs:   mov dl, [AT(drive)]
        mov dh, 0
        mov bx, SECTOR
        mov cx, 1
        mov ax, 0x0201
        int 0x13
        jnc .read
        push ax
        mov dl, [AT(drive)]
        mov ah, 0                       ; reset the drive
        int 0x13
        pop ax
        mov al, 1
        dec byte [AT(tries)]
        jz done
        jmp .next
.read:  xor ax, ax
done:   int3

        align 4
ranges:
bios_resident_end:

        section .note.GNU-stack noalloc noexec nowrite progbits
