; The smallest boot sector: says hello and spins with interrupts on.
%include "common.inc"

EXPORT start
    SAY "spin: ok", 10
EXPORT spin
    jmp spin

COMMON

times 510 - ($ - $$) db 0
    dw 0xaa55
