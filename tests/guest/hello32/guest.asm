; The smallest guest: 32-bit, says what the loader gave it, then counts in memory for ever.
%define GUEST_BITS 32
%include "common.inc"

EXPORT main
    cmp dword [boot_magic], 0x2badb002
    je .magic
    PRINT_LINE "hello32: wrong multiboot magic"
.magic:
    ; The loader owes us a zeroed bss behind the image.
    mov edi, untouched
    mov ecx, untouched_size
    xor eax, eax
    repe scasb
    je .zeroed
    PRINT_LINE "hello32: bss is not zero"
.zeroed:
    mov ebx, [boot_info]
    test dword [ebx], 4
    jz .no_cmdline
    PRINT "hello32: cmdline "
    mov esi, [ebx + 16]
    call print
    call print_newline
.no_cmdline:
    test dword [ebx], 8
    jz .no_modules
    mov ebp, [ebx + 20]
    mov edi, [ebx + 24]
.module:
    test ebp, ebp
    jz .no_modules
    PRINT "hello32: module "
    mov eax, [edi + 4]
    sub eax, [edi]
    call print_hex
    PRINT " "
    mov eax, [edi]
    mov eax, [eax]
    call print_hex
    PRINT " "
    mov esi, [edi + 8]
    test esi, esi
    jz .no_string
    call print
.no_string:
    call print_newline
    add edi, 16
    dec ebp
    jmp .module
.no_modules:
    test dword [ebx], 0x40
    jz .no_map
    mov edi, [ebx + 48]
    mov ebp, edi
    add ebp, [ebx + 44]
.range:
    cmp edi, ebp
    jae .no_map
    PRINT "hello32: map "
    mov eax, [edi + 8]
    call print_hex
    mov eax, [edi + 4]
    call print_hex
    PRINT " "
    mov eax, [edi + 16]
    call print_hex
    mov eax, [edi + 12]
    call print_hex
    PRINT " "
    mov eax, [edi + 20]
    call print_hex
    call print_newline
    add edi, [edi]
    add edi, 4
    jmp .range
.no_map:
    PRINT "hello32: upper "
    mov eax, [ebx + 8]
    call print_hex
    call print_newline
    PRINT_LINE "hello32: ok"
    xor eax, eax
EXPORT count_loop
    inc dword [counter]
    jmp count_loop

section .bss
untouched: resb 5000
untouched_size equ $ - untouched
alignb 8
EXPORT counter
    resq 1
