; A boot sector that looks at what the BIOS says of memory, then waits for orders from gdb.
%include "common.inc"

SECTORS equ 3                       ; behind the first

EXPORT start
    jmp 0:here
here:
    xor ax, ax
    mov ds, ax
    mov es, ax
    cld
    mov [drive], dl
    SAY "sector: start", 10
    mov si, hello
letter:
    lodsb
    test al, al
    jz load
    mov ah, 0x0e
    mov bx, 7
EXPORT int10
    int 0x10
EXPORT after_int10
    jmp letter
load:
    mov ax, 0x0200 + SECTORS
    mov cx, 2
    mov dh, 0
    mov dl, [drive]
    mov bx, more
EXPORT int13
    int 0x13
EXPORT after_int13
    jc bad
    jmp more
bad:
    SAY "sector: wrong: no more sectors", 10
    jmp $

hello:  db "boot sector: hello", 13, 10, 0
EXPORT drive
    db 0

COMMON

times 510 - ($ - $$) db 0
    dw 0xaa55

; ---- the sectors behind it -----------------------------------------------------------------------

more:
    SAY "drive:"
    movzx eax, byte [drive]
    call hex
    SAY 10, "if:"
    pushfd
    pop eax
    call hex
    SAY 10, "base:"
    int 0x12
    movzx eax, ax
    call hex
    SAY 10
    mov dword [asked], 20
    call list
    mov dword [asked], 24
    call list
    call list_wrong
    call sizes
    call gate
    SAY "sector: done", 10
    jmp wait_for_orders

; The whole map by calls that ask for [asked] bytes: carry ecx ebx base length type attributes.
list:
    xor ebx, ebx
.next:
    mov edi, 0xcccccccc
    mov [entry + 20], edi
    mov eax, 0xe820
    mov edx, 0x534d4150
    mov ecx, [asked]
    mov di, entry
    int 0x15
    jc .carry
    cmp eax, 0x534d4150
    jne .carry
    SAY "e820:"
    mov eax, ecx
    call hex
    mov eax, ebx
    call hex
    mov si, 0
.word:
    mov eax, [entry + si]
    call hex
    add si, 4
    cmp si, 24
    jb .word
    SAY 10
    test ebx, ebx
    jnz .next
    ret
.carry:
    SAY "e820 fails", 10
    ret

; Calls that are owed an error: signature, size, continuation value.
list_wrong:
    xor ebx, ebx
    mov edx, 0x12345678
    mov ecx, 20
    call .call
    xor ebx, ebx
    mov edx, 0x534d4150
    mov ecx, 19
    call .call
    mov ebx, 0x1000
    mov edx, 0x534d4150
    mov ecx, 20
    call .call
    ret
.call:
    mov eax, 0xe820
    mov di, entry
    int 0x15
    setc al
    movzx eax, al
    SAY "wrong:"
    call hex
    SAY 10
    ret

sizes:
    stc
    mov ax, 0xe801
    xor bx, bx
    xor cx, cx
    xor dx, dx
    int 0x15
    SAY "e801:"
    call four
    stc
    mov ax, 0xe881
    int 0x15
    SAY "e881:"
    call four
    stc
    mov ah, 0x88
    int 0x15
    SAY "88:"
    call four
    mov ah, 0xc0                    ; the BIOS's own: system configuration table
    int 0x15
    SAY "c0:"
    call four
    ret

; Closes the A20 gate in every way there is, then opens it.
gate:
    in al, 0x92
    and al, 0xfc
    out 0x92, al
    SAY "a20: port 92", 10
    cli
    call .ready
    mov al, 0xdd
    out 0x64, al
    call .ready
    mov al, 0xd1
    out 0x64, al
    call .ready
    mov al, 0xdd
    out 0x60, al
    call .ready
    sti
    SAY "a20: keyboard controller", 10
    mov ax, 0x2400
    int 0x15
    mov ax, 0x2401
    int 0x15
    SAY "a20: bios", 10
    ret
.ready:
    in al, 0x64
    test al, 2
    jnz .ready
    ret

; The carry flag, then ax bx cx dx.
four:
    pushad
    setc al
    movzx eax, al
    call hex
    popad
    pushad
    push dx
    push cx
    push bx
    push ax
    mov cx, 4
.next:
    pop ax
    movzx eax, ax
    call hex
    loop .next
    SAY 10
    popad
    ret

; What gdb writes to `order` is done at the next interrupt. 1: a triple fault. 2: all over
; again.
EXPORT wait_for_orders
    sti
    hlt
EXPORT after_hlt
    cmp byte [order], 1
    je die
    cmp byte [order], 2
    je again
    jmp wait_for_orders
again:
    mov byte [order], 0
    mov dl, [drive]
    jmp 0:start
die:
    SAY "sector: triple fault", 10
    lidt [nothing]
EXPORT triple
    int3
    SAY "sector: wrong: survived", 10
    jmp $

EXPORT order
    db 0
    align 4
asked:  dd 0
entry:  times 24 db 0
nothing: dw 0, 0, 0
    times SECTORS * 512 - ($ - more) db 0
