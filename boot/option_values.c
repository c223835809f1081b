#include "boot/option_values.h"

#include "drivers/serial/ns16550.h"
#include "hv/compiler.h"
#include "lib/cmdline.h"
#include "lib/string.h"

const struct boot_gdb option_gdb_default = {.kind = BOOT_GDB_PORT,
                                            .com = 1,
                                            .address = 0x3f8,
                                            .stride = 1,
                                            .baud = 115200,
                                            .clock = NS16550_CLOCK_HZ};

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

const char *option_gdb(struct text value, struct boot_options *options)
{
    struct boot_gdb gdb = option_gdb_default;
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

const char *option_guest(struct text value, struct boot_options *options)
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

const char *option_stop(struct text value, struct boot_options *options)
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
const char *option_console(struct text value, struct boot_options *options)
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

const char *option_ap(struct text value, struct boot_options *options)
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
const char *option_trace(struct text value, struct boot_options *options)
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
