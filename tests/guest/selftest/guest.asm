; The self-test of gdbvisor.iso: says on COM1, on the last line of a text screen and on the debug
; console whether it runs in 64-bit mode under gdbvisor, with a timer that counts.
%define GUEST_BITS 64
%include "common.inc"

UART        equ 0x3f8
SCREEN_LINE equ 0xb8000 + 24 * 160
PATIENCE    equ 0x100000            ; reads of a port, each about a microsecond

EXPORT main
    mov rbx, message_hidden
    call virtualisation_shows
    jnz .say
    mov rbx, message_timer
    call timer_stands
    jz .say
    mov rbx, message_ok
.say:
    mov rsi, rbx
    call print
    call say_on_screen
    call say_on_uart
EXPORT done
    hlt
    jmp done

; ZF clear when the processor has SVM or VMX: gdbvisor hides both.
virtualisation_shows:
    push rbx
    mov eax, 1
    cpuid
    mov esi, ecx
    and esi, 1 << 5                 ; VMX
    mov eax, 0x80000001
    cpuid
    and ecx, 1 << 2                 ; SVM
    or esi, ecx
    pop rbx
    ret

; al, ah: the count of the 8254's channel 0 now.
timer_count:
    xor eax, eax
    out 0x43, al
    in al, 0x40
    mov ah, al
    in al, 0x40
    ret

; ZF set when the timer stays at one count.
timer_stands:
    call timer_count
    mov edx, eax
    mov ecx, PATIENCE
.again:
    call timer_count
    cmp eax, edx
    jne .end
    loop .again
.end:
    ret

; rbx: the text. White on blue.
say_on_screen:
    mov rsi, rbx
    mov edi, SCREEN_LINE
    mov ah, 0x1f
.next:
    lodsb
    cmp al, 10
    jbe .end
    stosw
    jmp .next
.end:
    ret

; rbx: the text; 115200 8N1. Nothing where there is no UART.
say_on_uart:
    mov rsi, uart_setup
.setup:
    lodsw
    movzx edx, al
    add edx, UART
    mov al, ah
    out dx, al
    cmp rsi, uart_setup_end
    jb .setup
    mov rsi, rbx
.next:
    lodsb
    test al, al
    jz .end
    mov ah, al
    mov edx, UART + 5               ; line status
    mov ecx, PATIENCE
.wait:
    in al, dx
    cmp al, 0xff
    je .end
    test al, 0x20                   ; transmitter empty
    loopz .wait
    mov edx, UART
    mov al, ah
    out dx, al
    cmp al, 10
    jne .next
    mov al, 13
    out dx, al
    jmp .next
.end:
    ret

uart_setup:                         ; register, value
    db 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 7
uart_setup_end:
message_ok:     db "self-test: ok", 10, 0
message_hidden: db "self-test: FAILED: the processor shows its virtualisation: no gdbvisor below", 10, 0
message_timer:  db "self-test: FAILED: the timer stands still", 10, 0
