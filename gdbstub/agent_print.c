/* The printf of agent expressions. */
#include "gdbstub/agent.h"
#include "lib/fmt.h"
#include "lib/string.h"

enum { FIELD_MAX = 255 };

struct output {
    const struct agent_machine *machine;
    unsigned thread;
    const uint64_t *args;
    unsigned left; /* of args */
};

static void put(const struct output *out, const char *text, size_t size)
{
    if (size > 0)
        out->machine->print(out->thread, text, size);
}

/* Behind a backslash: what C source means by it. Moves *p behind it. */
static char unescape(const char **p)
{
    static const char names[] = "abfnrtve", values[] = "\a\b\f\n\r\t\v\033";
    const char *name;
    unsigned value = 0, digits = 0;

    while (digits < 3 && **p >= '0' && **p <= '7') {
        value = value * 8 + (unsigned)(*(*p)++ - '0');
        digits++;
    }
    if (digits > 0)
        return (char)value;
    name = **p != '\0' ? strchr(names, **p) : NULL;
    if (name == NULL)
        return **p != '\0' ? *(*p)++ : '\\';
    (*p)++;
    return values[name - names];
}

/* A number of the format, no larger than FIELD_MAX. */
static unsigned number(const char **p)
{
    unsigned value = 0;

    while (**p >= '0' && **p <= '9') {
        value = value * 10 + (unsigned)(*(*p)++ - '0');
        if (value > FIELD_MAX)
            value = FIELD_MAX;
    }
    return value;
}

/* What stands between '%' and the conversion. */
struct field {
    bool left, zeros;
    unsigned width, precision; /* FIELD_MAX: none */
    unsigned bits;             /* of the argument */
};

static void parse_field(const char **p, struct field *field)
{
    *field = (struct field){.precision = FIELD_MAX, .bits = 32};
    for (; **p != '\0' && strchr("-+ #0'", **p) != NULL; (*p)++) {
        field->left |= **p == '-';
        field->zeros |= **p == '0';
    }
    field->width = number(p);
    if (**p == '.') {
        (*p)++;
        field->precision = number(p);
    }
    for (; **p != '\0' && strchr("hljzt", **p) != NULL; (*p)++)
        field->bits = **p == 'h' ? field->bits / 2 : 64;
}

static void put_padded(const struct output *out, const struct field *field, const char *text,
                       size_t size)
{
    static const char blanks[] = "                ";
    size_t padding = size < field->width ? field->width - size : 0;

    if (field->left)
        put(out, text, size);
    while (padding > 0) {
        size_t part = padding < sizeof(blanks) - 1 ? padding : sizeof(blanks) - 1;

        put(out, blanks, part);
        padding -= part;
    }
    if (!field->left)
        put(out, text, size);
}

/* The string at an address, as far as it can be read. */
static void put_string(const struct output *out, const struct field *field, gva_t address)
{
    char text[AGENT_STRING];
    size_t size = 0, most = field->precision < FIELD_MAX ? field->precision : sizeof(text);

    while (size < most && out->machine->read(out->thread, address + size, text + size, 1) == 1 &&
           text[size] != '\0')
        size++;
    put_padded(out, field, text, size);
}

static void put_integer(const struct output *out, const struct field *field, char conversion,
                        uint64_t value)
{
    unsigned unused = field->bits < 64 ? 64 - field->bits : 0;
    char format[16], text[FIELD_MAX + 8];

    value <<= unused;
    if (conversion == 'd' || conversion == 'i')
        value = (uint64_t)((int64_t)value >> unused);
    else
        value >>= unused;
    fmt_print(format, sizeof(format), "%%%s%s%ull%c", field->left ? "-" : "",
              field->zeros && !field->left ? "0" : "", field->width, conversion);
    put(out, text, fmt_print(text, sizeof(text), format, (unsigned long long)value));
}

/* What stands behind a '%'. Moves *p behind it. */
static bool convert(struct output *out, const char **p)
{
    struct field field;
    char text[24], conversion;
    uint64_t value;

    parse_field(p, &field);
    conversion = **p;
    if (conversion == '\0')
        return false;
    (*p)++;
    if (conversion == '%') {
        put(out, "%", 1);
        return true;
    }
    if (strchr("diuxXcsp", conversion) == NULL || out->left == 0)
        return false;
    out->left--;
    value = *out->args++;
    if (conversion == 's') {
        put_string(out, &field, value);
    } else if (conversion == 'c') {
        text[0] = (char)value;
        put_padded(out, &field, text, 1);
    } else if (conversion == 'p') {
        put_padded(out, &field, text,
                   fmt_print(text, sizeof(text), "0x%llx", (unsigned long long)value));
    } else {
        put_integer(out, &field, conversion, value);
    }
    return true;
}

bool agent_print(const struct agent_machine *machine, unsigned thread, const char *format,
                 const uint64_t *args, unsigned count)
{
    struct output out = {machine, thread, args, count};

    while (*format != '\0') {
        size_t plain = 0;

        while (format[plain] != '\0' && format[plain] != '%' && format[plain] != '\\')
            plain++;
        put(&out, format, plain);
        format += plain;
        if (*format == '%') {
            format++;
            if (!convert(&out, &format))
                return false;
        } else if (*format == '\\') {
            char c;

            format++;
            c = unescape(&format);
            put(&out, &c, 1);
        }
    }
    return true;
}
