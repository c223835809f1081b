; One mode of the processor after the other. In each the guest waits in a loop with a label until
; `go` is at least the stage's number; gdb sets it (or "auto" at the end of the command line does,
; once for all). In the paged modes a page with a known text is mapped where it is not in memory.
;
;   1 protected mode, no paging     2 32-bit paging, 4 MiB and 4 KiB   3 PAE
;   4 long mode                     5 compatibility mode               6 16-bit protected mode
;   7 real mode (both with a base of 0x8000)
%define GUEST_BITS 32
%include "common.inc"

ALIAS_32   equ 0xc0400000           ; 4 KiB page, 32-bit paging
ALIAS_4M   equ 0xd0000000           ; 4 MiB page that begins with physical 0
ALIAS_PAE  equ 0x50002000
ALIAS_LONG equ 0xffff800000003000
LOW_BASE   equ 0x8000
LOW_GO     equ 0x7000               ; `go` for code that reaches 64 KiB only

%macro WAIT_STAGE 2
EXPORT stage%1_loop
    cmp byte [go], %1
    jb stage%1_loop
    PRINT_LINE "paging: ", %2
%endmacro

EXPORT main
    PRINT_LINE "paging: begin"
    mov esi, [boot_info]
    test dword [esi], 4
    jz .by_hand
    mov esi, [esi + 16]
.end:
    lodsb
    test al, al
    jnz .end
    cmp dword [esi - 5], 'auto'
    jne .by_hand
    mov byte [go], 0xff
.by_hand:
    WAIT_STAGE 1, "protected"

    ; 32-bit: the first 16 MiB to themselves, the text page elsewhere, and memory from 0 at
    ; ALIAS_4M. The global and the PSE bit are set as kernels do.
    mov dword [dir32], 0x83
    mov dword [dir32 + 4], 0x400083
    mov dword [dir32 + 8], 0x800083
    mov dword [dir32 + 12], 0xc00083
    mov dword [dir32 + (ALIAS_4M >> 22) * 4], 0x83
    mov dword [dir32 + (ALIAS_32 >> 22) * 4], table32 + 3
    mov dword [table32], text_page + 3
    mov eax, cr4
    or eax, 0x10                    ; PSE
    mov cr4, eax
    mov eax, dir32
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    jmp $ + 2
    WAIT_STAGE 2, "32-bit paging"

    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov dword [pae_pdpt], pae_dir + 1
    mov dword [pae_pdpt + 8], pae_dir2 + 1
    mov dword [pae_dir], 0x83
    mov dword [pae_dir + 8], 0x200083
    mov dword [pae_dir2 + ((ALIAS_PAE >> 21) & 511) * 8], pae_table + 3
    mov dword [pae_table + ((ALIAS_PAE >> 12) & 511) * 8], text_page + 3
    mov eax, cr4
    or eax, 0x20                    ; PAE
    mov cr4, eax
    mov eax, pae_pdpt
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    jmp $ + 2
    WAIT_STAGE 3, "PAE"

    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    call build_long_tables
    mov dword [pml4 + 256 * 8], long_pdpt + 3
    mov dword [long_pdpt], long_dir + 3
    mov dword [long_dir], long_table + 3
    mov dword [long_table + 3 * 8], text_page + 3
    call enter_long
BITS 64
    WAIT_STAGE 4, "long"

    push SEL_CODE32
    push compat
    o64 retf
BITS 32
EXPORT compat
    WAIT_STAGE 5, "compatibility"

    ; Down again: paging off leaves long mode.
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, 0xc0000080
    rdmsr
    and eax, ~0x100
    wrmsr
    mov esi, low_code
    mov edi, LOW_BASE
    mov ecx, low_end - low_code
    rep movsb
    mov al, [go]
    mov [LOW_GO], al
    jmp SEL_CODE16:0

align 16
BITS 16
low_code:
    mov ax, SEL_DATA16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x6000
    mov ax, SEL_DATA
    mov ds, ax
stage6_code:
    cmp byte [LOW_GO], 6
    jb stage6_code
    mov al, '6'
    out 0xe9, al
    mov eax, cr0
    and eax, 0x7ffffffe
    mov cr0, eax
    jmp LOW_BASE / 16:real - low_code
real:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x6000
stage7_code:
    cmp byte [LOW_GO], 7
    jb stage7_code
    mov si, LOW_BASE + low_text - low_code
.print:
    lodsb
    test al, al
    jz real_done
    out 0xe9, al
    jmp .print
real_done:
    inc word [LOW_GO + 2]
    jmp real_done
low_text: db " paging: ok", 10, 0
low_end:

; The same places as linear addresses, for gdb.
global stage6_loop, stage7_loop, stage7_done, low_go
stage6_loop equ LOW_BASE + (stage6_code - low_code)
stage7_loop equ LOW_BASE + (stage7_code - low_code)
stage7_done equ LOW_BASE + (real_done - low_code)
low_go      equ LOW_GO

BITS 32
align 4096
EXPORT text_page
    db "the page with the known text", 0
    align 4096, db 0x5a

section .bss
alignb 4096
dir32:      resb 4096
table32:    resb 4096
pae_dir:    resb 4096
pae_dir2:   resb 4096
pae_table:  resb 4096
long_pdpt:  resb 4096
long_dir:   resb 4096
long_table: resb 4096
pae_pdpt:   resb 32
EXPORT go
    resd 1
