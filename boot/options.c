/* The option line: one row per option; what reads its value is in option_values.c. */
#include "boot/options.h"

#include "arch/x86/ns16550_regs.h"
#include "boot/option_values.h"
#include "boot/refusal.h"
#include "hv/compiler.h"
#include "lib/cmdline.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { WORD_SHOWN = 48 };

struct option {
    const char *name;
    option_fn read;    /* NULL: a flag */
    const char *right; /* what would be right */
};

uint16_t boot_com_port(unsigned com)
{
    static const uint16_t ports[] = {0, 0x3f8, 0x2f8, 0x3e8, 0x2e8};

    return com < HV_ARRAY_SIZE(ports) ? ports[com] : 0;
}

static const struct option table[] = {
    {"gdb", option_gdb,
     "com1..com4, io:PORT, mmio:ADDR[:STRIDE], auto or none; ,BAUD ,clock=HZ and "
     ",rtscts may follow"},
    {"guest", option_guest, "next, disk:N, module or efi:\\PATH"},
    {"stop", option_stop, "entry, ap or none"},
    {"console", option_console, "vga, com1..com4 or none; ,guest may follow, or guest"},
    {"ap", option_ap, "auto or icr"},
    {"trace", option_trace, "SIZE, with K or M behind it: 256K"},
    {"keep-going", NULL, "it alone, without a value"},
};

/* The word as it may be printed: cut, and without control characters. */
static void show(char *buf, size_t size, struct text word)
{
    size_t n = HV_MIN(word.len, size - 1);

    for (size_t i = 0; i < n; i++)
        buf[i] = word.s[i] >= ' ' && word.s[i] <= '~' ? word.s[i] : '?';
    buf[n] = '\0';
    if (n < word.len)
        memcpy(buf + n - 3, "...", 3);
}

static void report(struct boot_option_errors *errors, struct text word, const char *wrong,
                   const char *right)
{
    char shown[WORD_SHOWN];

    show(shown, sizeof(shown), word);
    if (errors->total < BOOT_OPTION_ERRORS_MAX)
        fmt_print(errors->text[errors->total], BOOT_OPTION_ERROR_SIZE, "%s: %s; use %s", shown,
                  wrong, right);
    errors->total++;
}

static void read_word(const struct cmdline_word *word, struct boot_options *options,
                      struct boot_option_errors *errors)
{
    const char *end =
        word->value != NULL ? word->value + word->value_len : word->name + word->name_len;
    struct text whole = {word->name, (size_t)(end - word->name)};
    const char *wrong = NULL;

    for (size_t i = 0; i < HV_ARRAY_SIZE(table); i++) {
        const struct option *o = &table[i];

        if (!cmdline_equal(word->name, word->name_len, o->name))
            continue;
        if (o->read == NULL && word->value == NULL)
            options->keep_going = true;
        else if (o->read == NULL)
            wrong = "it takes no value";
        else if (word->value == NULL)
            wrong = "a value is missing";
        else
            wrong = o->read((struct text){word->value, word->value_len}, options);
        if (wrong != NULL)
            report(errors, whole, wrong, o->right);
        return;
    }
    report(errors, whole, "unknown option",
           "gdb=, guest=, stop=, console=, ap=, trace= or keep-going");
}

/* The debugger and our log cannot share a line: each would garble the other. */
static void check_uarts(struct boot_options *options, struct boot_option_errors *errors)
{
    static const char word[] = "console=comN";
    const struct boot_console *c = &options->console;
    char shown[sizeof(word)];

    if (c->kind != BOOT_CONSOLE_COM || options->gdb.kind != BOOT_GDB_PORT ||
        !ranges_overlap(c->port, (uint64_t)c->port + NS16550_REG_COUNT, options->gdb.address,
                        options->gdb.address + NS16550_REG_COUNT))
        return;
    fmt_print(shown, sizeof(shown), "console=com%u", c->com);
    report(errors, (struct text){shown, strlen(shown)}, "gdb= has that UART",
           "another port for one of them, console=vga or gdb=none");
    options->console = (struct boot_console){BOOT_CONSOLE_NONE, 0, 0};
}

/* The guest's console is at the debug UART's ports, and hears and is heard by its interrupt. */
static void check_guest_console(struct boot_options *options, struct boot_option_errors *errors)
{
    static const char word[] = "console=guest";
    const char *what = "gdb=none has no line for it";

    if (!options->guest_console ||
        (options->gdb.kind != BOOT_GDB_MMIO && options->gdb.kind != BOOT_GDB_NONE))
        return;
    if (options->gdb.kind == BOOT_GDB_MMIO)
        what = "gdb=mmio: has no ports and no known interrupt, so what is typed would not be heard";
    report(errors, (struct text){word, sizeof(word) - 1}, what,
           "gdb=com1..com4, io:PORT or auto with it");
    options->guest_console = false;
}

bool boot_options_parse(const char *line, bool have_module, struct boot_options *options,
                        struct boot_option_errors *errors)
{
    struct cmdline_word word;

    memset(options, 0, sizeof(*options));
    errors->total = 0;
    options->gdb = option_gdb_default;
    options->guest.kind = have_module ? BOOT_GUEST_MODULE : BOOT_GUEST_NEXT;
    options->console.kind = BOOT_CONSOLE_VGA;
    options->trace = 256 << 10;
    while (cmdline_next(&line, &word))
        read_word(&word, options, errors);
    if (options->guest.kind == BOOT_GUEST_MODULE && !have_module) {
        static const char asked[] = "guest=module";

        report(errors, (struct text){asked, sizeof(asked) - 1}, "there is no module",
               "a `module2` line in the boot loader's menu entry, or guest=next");
        options->guest.kind = BOOT_GUEST_NEXT;
    }
    check_uarts(options, errors);
    check_guest_console(options, errors);
    return errors->total == 0;
}
