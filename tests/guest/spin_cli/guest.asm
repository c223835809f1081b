; Interrupts off in the tightest loop there is.
%define GUEST_BITS 64
%include "common.inc"

EXPORT main
    PRINT_LINE "spin_cli: ok"
    cli
EXPORT spin
    jmp spin
