/* The option line: one row per option, one function per row that reads its value. */
#include "boot/options.h"

#include "boot/refusal.h"
#include "drivers/serial/ns16550.h"
#include "hv/compiler.h"
#include "lib/cmdline.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { WORD_SHOWN = 48 };

/* The text of a value; like cmdline's texts it is not terminated. */
struct text {
    const char *s;
    size_t len;
};

/* Reads a value into the options. NULL, or what is wrong (a clause without the option's name). */
typedef const char *(*read_fn)(struct text value, struct boot_options *options);

struct option {
    const char *name;
    read_fn read;      /* NULL: a flag */
    const char *right; /* what would be right */
};

static const struct boot_gdb default_gdb = {.kind = BOOT_GDB_PORT,
                                            .com = 1,
                                            .address = 0x3f8,
                                            .stride = 1,
                                            .baud = 115200,
                                            .clock = NS16550_CLOCK_HZ};

uint16_t boot_com_port(unsigned com)
{
    static const uint16_t ports[] = {0, 0x3f8, 0x2f8, 0x3e8, 0x2e8};

    return com < HV_ARRAY_SIZE(ports) ? ports[com] : 0;
}

static bool is(struct text t, const char *s)
{
    return cmdline_equal(t.s, t.len, s);
}

/* True when t begins with prefix; t then is what follows. */
static bool cut_prefix(struct text *t, const char *prefix)
{
    size_t len = strlen(prefix);

    if (t->len < len || memcmp(t->s, prefix, len) != 0)
        return false;
    t->s += len;
    t->len -= len;
    return true;
}

/* Cuts t before the first `at`; *rest is what follows it. False, with both kept, without one. */
static bool split(struct text *t, char at, struct text *rest)
{
    const char *hit = memchr(t->s, at, t->len);

    if (hit == NULL)
        return false;
    *rest = (struct text){hit + 1, t->len - (size_t)(hit - t->s) - 1};
    t->len = (size_t)(hit - t->s);
    return true;
}

/* 1..4 for com1..com4, else 0. */
static uint8_t com_number(struct text t)
{
    if (t.len == 4 && cut_prefix(&t, "com") && t.s[0] >= '1' && t.s[0] <= '4')
        return (uint8_t)(t.s[0] - '0');
    return 0;
}

static const char *read_mmio(struct text where, struct boot_gdb *gdb)
{
    struct text stride_text;
    uint64_t stride = 1;

    if (split(&where, ':', &stride_text) &&
        (!cmdline_number(stride_text.s, stride_text.len, &stride) ||
         (stride != 1 && stride != 2 && stride != 4 && stride != 8)))
        return "the stride is not 1, 2, 4 or 8";
    if (!cmdline_number(where.s, where.len, &gdb->address))
        return "the address is not a number";
    /* 52 bits is the architecture's limit (APM vol. 2, "Physical Addresses"). */
    if (gdb->address == 0 || gdb->address % stride != 0 || gdb->address >= HV_BIT(52) - 64)
        return "no such address (not 0, a multiple of the stride, below 2^52)";
    gdb->kind = BOOT_GDB_MMIO;
    gdb->stride = (uint8_t)stride;
    return NULL;
}

/* What follows the place, between commas: BAUD, clock=HZ, rtscts. */
static const char *read_line(struct text words, struct boot_gdb *gdb)
{
    struct text rest = {"", 0};
    uint64_t number;

    for (bool more = true; more; words = rest) {
        more = split(&words, ',', &rest);
        if (is(words, "rtscts")) {
            gdb->rtscts = true;
        } else if (cut_prefix(&words, "clock=")) {
            if (!cmdline_number(words.s, words.len, &number) || number < 16 || number > UINT32_MAX)
                return "the clock is not a number of Hz from 16 to 0xffffffff";
            gdb->clock = (uint32_t)number;
        } else {
            if (!cmdline_number(words.s, words.len, &number))
                return "the baud rate is not a number";
            gdb->baud = (uint32_t)HV_MIN(number, UINT32_MAX);
        }
    }
    if (ns16550_divisor(gdb->baud, gdb->clock) == 0)
        return "no whole divisor of the UART's clock / 16 makes that baud rate";
    return NULL;
}

static const char *read_gdb(struct text value, struct boot_options *options)
{
    struct boot_gdb gdb = default_gdb;
    struct text line;
    const char *wrong = NULL;

    gdb.com = 0;
    if (split(&value, ',', &line))
        wrong = read_line(line, &gdb);
    if (wrong)
        return wrong;
    gdb.com = com_number(value);
    if (gdb.com != 0) {
        gdb.address = boot_com_port(gdb.com);
    } else if (cut_prefix(&value, "io:")) {
        if (!cmdline_number(value.s, value.len, &gdb.address) || gdb.address == 0 ||
            gdb.address > 0x10000 - NS16550_REG_COUNT)
            return "the port is not a number from 1 to 0xfff8";
    } else if (cut_prefix(&value, "mmio:")) {
        wrong = read_mmio(value, &gdb);
    } else if (is(value, "auto")) {
        gdb.kind = BOOT_GDB_AUTO;
    } else if (is(value, "none")) {
        gdb.kind = BOOT_GDB_NONE;
    } else {
        return "no such port";
    }
    if (wrong == NULL)
        options->gdb = gdb;
    return wrong;
}

/*
 * A path, with doubled backslashes taken as one: GRUB doubles them when it passes on arguments, and
 * an empty part means nothing in a path.
 */
static const char *read_path(struct text value, struct boot_guest *guest)
{
    size_t n = 0;

    if (value.len == 0 || value.s[0] != '\\')
        return "the path does not begin with a backslash";
    for (size_t i = 0; i < value.len; i++) {
        if (value.s[i] == '\\' && i > 0 && value.s[i - 1] == '\\')
            continue;
        if (n + 1 == sizeof(guest->path))
            return "the path is too long (255 characters)";
        guest->path[n++] = value.s[i];
    }
    guest->path[n] = '\0';
    if (n == 1)
        return "the path names no file";
    guest->kind = BOOT_GUEST_EFI;
    return NULL;
}

static const char *read_guest(struct text value, struct boot_options *options)
{
    struct boot_guest guest = {.kind = BOOT_GUEST_NEXT};
    const char *wrong = NULL;

    if (is(value, "module")) {
        guest.kind = BOOT_GUEST_MODULE;
    } else if (cut_prefix(&value, "disk:")) {
        uint64_t disk;

        if (!cmdline_number(value.s, value.len, &disk) || disk > 127)
            return "the disk is not a number from 0 to 127";
        guest.kind = BOOT_GUEST_DISK;
        guest.disk = (uint8_t)disk;
    } else if (cut_prefix(&value, "efi:")) {
        wrong = read_path(value, &guest);
    } else if (!is(value, "next")) {
        return "no such guest";
    }
    if (wrong == NULL)
        options->guest = guest;
    return wrong;
}

static const char *read_stop(struct text value, struct boot_options *options)
{
    if (is(value, "entry"))
        options->stop = BOOT_STOP_ENTRY;
    else if (is(value, "none"))
        options->stop = BOOT_STOP_NONE;
    else if (is(value, "ap"))
        options->stop = BOOT_STOP_AP;
    else
        return "no such place to stop";
    return NULL;
}

/* Where our log goes; `guest`, alone or behind it: the guest's console is on the debug UART. */
static const char *read_console(struct text value, struct boot_options *options)
{
    struct boot_console console = {BOOT_CONSOLE_VGA, 0, 0};
    struct text more = {"", 0};
    bool guest = is(value, "guest") || (split(&value, ',', &more) && is(more, "guest"));
    uint8_t com = com_number(value);

    if (com != 0)
        console = (struct boot_console){BOOT_CONSOLE_COM, com, boot_com_port(com)};
    else if (is(value, "none"))
        console.kind = BOOT_CONSOLE_NONE;
    else if (!is(value, "vga") && !is(value, "guest"))
        return "no such console";
    if (more.len != 0 && !guest)
        return "only ,guest may follow";
    options->console = console;
    options->guest_console = guest;
    return NULL;
}

static const char *read_ap(struct text value, struct boot_options *options)
{
    if (is(value, "auto"))
        options->ap = BOOT_AP_AUTO;
    else if (is(value, "icr"))
        options->ap = BOOT_AP_ICR;
    else
        return "no such way";
    return NULL;
}

/* A number of bytes, or of KiB or MiB. */
static const char *read_trace(struct text value, struct boot_options *options)
{
    enum { MOST = 1 << 30 };
    unsigned shift = 0;
    uint64_t number;

    if (value.len > 0 && (value.s[value.len - 1] == 'K' || value.s[value.len - 1] == 'M')) {
        shift = value.s[value.len - 1] == 'K' ? 10 : 20;
        value.len--;
    }
    if (!cmdline_number(value.s, value.len, &number) || number > (uint64_t)MOST >> shift)
        return "not a size of at most 1024M";
    options->trace = HV_ALIGN_UP((uint32_t)number << shift, 4096U);
    return NULL;
}

static const struct option table[] = {
    {"gdb", read_gdb,
     "com1..com4, io:PORT, mmio:ADDR[:STRIDE], auto or none; ,BAUD ,clock=HZ and "
     ",rtscts may follow"},
    {"guest", read_guest, "next, disk:N, module or efi:\\PATH"},
    {"stop", read_stop, "entry, ap or none"},
    {"console", read_console, "vga, com1..com4 or none; ,guest may follow, or guest"},
    {"ap", read_ap, "auto or icr"},
    {"trace", read_trace, "SIZE, with K or M behind it: 256K"},
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
    options->gdb = default_gdb;
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
