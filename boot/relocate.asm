; image_jump(entry, stack, argument): goes on elsewhere on a new stack.
        bits 64
        section .text
        global image_jump
image_jump:
        mov rsp, rsi
        mov rax, rdi
        mov rdi, rdx
        xor ebp, ebp
        call rax
        ud2

        section .bss align=4096
move_stack:     resb 4096 * 8
        global move_stack_top
move_stack_top:
