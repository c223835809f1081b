; A multiboot2 kernel, started from its ELF file: 32-bit, says what the loader gave it tag by tag,
; then counts in memory for ever. (The multiboot1 header of all guests is there too.)
%define GUEST_BITS 32
%include "common.inc"

align 8
mb2_header:
    dd 0xe85250d6, 0, mb2_end - mb2_header, -(0xe85250d6 + mb2_end - mb2_header)
    dw 1, 0                         ; information that has to be told
    dd 8 + 5 * 4
    dd 1, 3, 6, 9, 15, 0
    dw 6, 0                         ; modules on page boundaries
    dd 8
    dw 3, 0                         ; the entry, not the one of the ELF header
    dd 12, start2, 0
    dw 4711, 1                      ; unknown, but optional
    dd 9
    db 1
align 8
    dw 0, 0
    dd 8
mb2_end:

EXPORT start2
    mov byte [entered], 1
    jmp start

EXPORT main
    cmp dword [boot_magic], 0x36d76289
    je .magic
    PRINT_LINE "hello2: wrong multiboot2 magic"
    jmp .done
.magic:
    cmp byte [entered], 1
    je .entered
    PRINT_LINE "hello2: wrong entry"
.entered:
    ; The loader owes us a zeroed bss behind the image.
    mov edi, untouched
    mov ecx, untouched_size
    xor eax, eax
    repe scasb
    je .zeroed
    PRINT_LINE "hello2: bss is not zero"
.zeroed:
    mov edi, [boot_info]
    mov ebp, [edi]
    add ebp, edi                    ; behind the information
    add edi, 8
.tag:
    cmp edi, ebp
    jae .no_end
    PRINT "hello2: tag "
    mov eax, [edi]
    call print_hex
    PRINT " "
    mov eax, [edi + 4]
    call print_hex
    cmp dword [edi], 0
    je .end
    cmp dword [edi], 1
    je .text
    cmp dword [edi], 2
    je .text
    cmp dword [edi], 3
    je .module
    cmp dword [edi], 6
    je .map
    cmp dword [edi], 9
    je .sections
    ; others: their first four words
    lea ebx, [edi + 8]
    mov ah, 4
.word:
    push eax
    PRINT " "
    mov eax, [ebx]
    call print_hex
    pop eax
    add ebx, 4
    dec ah
    jnz .word
.next:
    call print_newline
    mov eax, [edi + 4]
    add eax, 7
    and eax, ~7
    add edi, eax
    jmp .tag

.text:
    PRINT " "
    lea esi, [edi + 8]
    call print
    jmp .next

.module:                            ; its size and first bytes, then its text
    PRINT " "
    mov eax, [edi + 12]
    sub eax, [edi + 8]
    call print_hex
    PRINT " "
    mov eax, [edi + 8]
    mov eax, [eax]
    call print_hex
    PRINT " "
    lea esi, [edi + 16]
    call print
    jmp .next

.sections:                          ; how many, and the first of their names
    PRINT " "
    mov eax, [edi + 8]
    call print_hex
    PRINT " "
    mov ebx, [edi + 16]             ; the section that holds them
    imul ebx, [edi + 12]
    mov esi, [edi + 20 + ebx + 16]  ; is there
    inc esi
    call print
    jmp .next

.map:
    lea ebx, [edi + 16]
.range:
    mov eax, edi
    add eax, [edi + 4]
    cmp ebx, eax
    jae .next
    PRINT 10, "hello2: map "
    mov eax, [ebx + 4]
    call print_hex
    mov eax, [ebx]
    call print_hex
    PRINT " "
    mov eax, [ebx + 12]
    call print_hex
    mov eax, [ebx + 8]
    call print_hex
    PRINT " "
    mov eax, [ebx + 16]
    call print_hex
    add ebx, [edi + 8]
    jmp .range

.no_end:
    PRINT "hello2: wrong: no end tag"
.end:
    call print_newline
.done:
    PRINT_LINE "hello2: ok"
EXPORT count_loop
    inc dword [counter]
    jmp count_loop

section .bss
EXPORT entered
    resd 1
untouched: resb 5000
untouched_size equ $ - untouched
alignb 8
EXPORT counter
    resq 1
