#include "boot/refuse_start.h"

#include "boot/gdb_uart.h"
#include "core/machine.h"
#include "lib/fmt.h"
#include "lib/log.h"

static void (*leave_by)(const char *text);

void refuse_start_by(void (*leave)(const char *text))
{
    leave_by = leave;
}

void refuse_start(const char *format, ...)
{
    char sentence[320], text[REFUSAL_SIZE];
    va_list args;

    va_start(args, format);
    fmt_vprint(sentence, sizeof(sentence), format, args);
    va_end(args);
    fmt_print(text, sizeof(text), "gdbvisor: cannot start: %s", sentence);
    log_print("%s", text);
    gdb_uart_say(text);
    if (leave_by)
        leave_by(text);
    machine_halt();
}
