; A loader: unpacks code over the same pages round after round and runs it there, by two linear
; addresses in turn. The code looks at itself: sums, data in its own page, a flag that an interrupt
; sets there, an instruction that it changes, one on two pages, page tables and descriptors.
%define GUEST_BITS 64
%include "common.inc"

TARGET equ 0x600000                 ; where it is unpacked: three pages
PAGES  equ 3
SIZE   equ PAGES * 4096
KEY    equ 0x5a
ALIAS  equ 0x8000000000             ; the same 4 GiB again
WALKED equ 0x10000000000            ; 2 MiB through a table in the third page
ROUNDS equ 20

EXPORT main
    GATE 0x20, h_timer
    mov al, 0xfe
    call pic_setup
    mov ax, 23864                   ; 20 ms
    call pit_setup
    mov qword [pml4 + 8], pdpt + 7
    mov qword [pml4 + 16], walked_pdpt + 7
    mov qword [walked_pdpt], TARGET + 2 * 4096 + 7
    call pack
    PRINT_LINE "unpack: begin"

EXPORT round
    inc dword [rounds]
    call unpack
    mov rbx, TARGET                 ; odd rounds; even ones run it elsewhere
    test dword [rounds], 1
    jnz .placed
    mov rax, ALIAS
    add rbx, rax
.placed:
EXPORT go
    call rbx
EXPORT came_back
    cmp dword [rounds], ROUNDS
    jne round
    cmp dword [errors], 0
    jne .wrong
    PRINT_LINE "unpack: ok"
    jmp round
.wrong:
    PRINT "unpack: wrong "
    mov eax, [errors]
    call print_hex
    call print_newline
    jmp round

; What is unpacked is kept in another form; the sums of its parts are what the code shall find.
pack:
    mov rsi, payload
    mov rdi, packed
    mov ecx, SIZE
.byte:
    lodsb
    xor al, KEY
    stosb
    loop .byte
    mov rsi, payload
    call sum
    mov [sums], rax
    mov rsi, payload + 4096
    call sum
    mov [sums + 8], rax
    ret

unpack:
    mov rsi, packed
    mov rdi, TARGET
    mov ecx, SIZE
.byte:
    lodsb
    xor al, KEY
    stosb
    loop .byte
    ret

; rsi: a page -> rax: the sum of the part that does not change. Clobbers rcx, rsi.
CONSTANT equ 0xe00
sum:
    xor eax, eax
    mov ecx, CONSTANT / 8
.next:
    add rax, [rsi]
    add rsi, 8
    loop .next
    ret

EXPORT h_timer
    push rax
    inc dword [ticks]
    mov rax, TARGET + (p_flag - payload)
    mov dword [rax], 1
EXPORT h_timer_set
    mov al, 0x20
    out 0x20, al
    pop rax
EXPORT h_timer_iret
    iretq

; Counts an error unless the flags say "equal". number: its bit.
%macro EXPECT_EQUAL 1
    je %%right
    mov rax, errors
    or dword [rax], 1 << %1
%%right:
%endmacro

; ---- what is unpacked ----------------------------------------------------------------------------

align 4096
EXPORT payload
EXPORT p_first
    nop
    nop
; The sums of this page and of the next, by code in this page.
EXPORT p_sum
    lea rsi, [rel payload]
    xor eax, eax
    mov ecx, CONSTANT / 8
.next:
    add rax, [rsi]
    add rsi, 8
    loop .next
    mov rdx, sums
    cmp rax, [rdx]
    EXPECT_EQUAL 0
    lea rsi, [rel payload + 4096]
    mov rax, sum
    call rax
    mov rdx, sums
    cmp rax, [rdx + 8]
    EXPECT_EQUAL 1
; Data in this page.
EXPORT p_data
    mov dword [rel p_count], 41
    inc dword [rel p_count]
    mov eax, 42
    cmp [rel p_count], eax
    EXPECT_EQUAL 2
    lea rdi, [rel p_text]
    lea rsi, [rel p_source]
    mov ecx, 16
    rep movsb
EXPORT p_copied
    mov rax, [rel p_source + 8]
    cmp [rel p_text + 8], rax
    EXPECT_EQUAL 3
; A flag in this page that an interrupt sets by another address.
EXPORT p_spin
    mov dword [rel p_flag], 0
    sti
.wait:
    cmp dword [rel p_flag], 0
    je .wait
    cli
; An instruction of this page is changed.
EXPORT p_patch
    mov dword [rel p_patched + 1], 0x12345678
EXPORT p_patched
    mov eax, 0
    cmp eax, 0x12345678
    EXPECT_EQUAL 4
    mov dword [rel p_in_next + 1], 0x87654321
EXPORT p_in_next_set
    jmp p_before_edge

align 16
p_source: db "0123456789abcdef"

    times CONSTANT - ($ - payload) db 0
EXPORT p_flag
    dd 0
EXPORT p_count
    dd 0
EXPORT p_text
    times 16 db 0

    times 4096 - 4 - ($ - payload) nop
EXPORT p_before_edge
    nop
    nop
EXPORT p_edge
    mov eax, 0x11223344             ; two bytes of it are in the next page
EXPORT p_behind_edge
    cmp eax, 0x11223344
    EXPECT_EQUAL 5
EXPORT p_in_next
    mov eax, 0
    cmp eax, 0x87654321
    EXPECT_EQUAL 6
EXPORT p_many
    times 32 nop
EXPORT p_many_end
    jmp p_tables

    times 8192 - ($ - payload) db 0
; A page directory and a descriptor table, both used by code in their page.
p_directory:
    dq TARGET + 0x83                ; present, writable, 2 MiB
    times 8192 + 0x800 - ($ - payload) db 0
EXPORT p_tables
    mov rdx, WALKED
    invlpg [rdx]
    mov rax, [rdx]
    cmp rax, [rel payload]
    EXPECT_EQUAL 7
    mov rax, [rel p_directory]
    and eax, 0x20                   ; accessed
    cmp eax, 0x20
    EXPECT_EQUAL 8
    lea rax, [rel p_gdt]
    mov [rel p_gdt_pointer + 2], rax
    lgdt [rel p_gdt_pointer]
    mov eax, 0x18
    mov es, eax
    mov rax, gdt_pointer
    lgdt [rax]
    mov al, [rel p_gdt + 0x18 + 5]
    cmp al, 0x93                    ; accessed
    EXPECT_EQUAL 9
EXPORT p_last
    ret

align 16
p_gdt:
    dq 0, 0, 0x00af9b000000ffff, 0x00cf92000000ffff
p_gdt_pointer:
    dw 31
    dq 0
    times SIZE - ($ - payload) db 0
EXPORT payload_end

section .bss
alignb 4096
walked_pdpt: resb 4096
packed: resb SIZE
sums: resq 2
EXPORT rounds
    resd 1
EXPORT errors
    resd 1
EXPORT ticks
    resd 1
; Pages that nobody executes, for breakpoints.
alignb 4096
EXPORT quiet
    resb 256 * 4096
