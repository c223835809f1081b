/* Formatting: a small printf. */
#include "lib/fmt.h"

/* Where the text goes: what does not fit is only counted. */
struct out {
    char *buf;
    size_t size;
    size_t length;
};

/* One conversion: %[flags][width][.precision][length]letter. */
struct spec {
    bool left;
    bool zero;
    size_t width;
    size_t precision; /* SIZE_MAX: none */
    unsigned bytes;   /* of the integer argument as passed on by the length: 1, 2, 4, 8 */
    char letter;
};

static void put(struct out *out, char c)
{
    if (out->length + 1 < out->size)
        out->buf[out->length] = c;
    out->length++;
}

static void pad(struct out *out, char c, size_t count)
{
    while (count-- > 0)
        put(out, c);
}

static void put_text(struct out *out, const struct spec *spec, const char *text)
{
    size_t len = 0;
    size_t fill;

    if (text == NULL)
        text = "(null)";
    while (len < spec->precision && text[len] != '\0')
        len++;
    fill = spec->width > len ? spec->width - len : 0;
    if (!spec->left)
        pad(out, ' ', fill);
    for (size_t i = 0; i < len; i++)
        put(out, text[i]);
    if (spec->left)
        pad(out, ' ', fill);
}

/* prefix: a sign or "0x", or nothing. */
static void put_number(struct out *out, const struct spec *spec, const char *prefix, uint64_t value)
{
    char text[20]; /* 2^64 has 20 decimal digits; the last digit comes first */
    unsigned base = spec->letter == 'u' || spec->letter == 'd' || spec->letter == 'i' ? 10 : 16;
    char ten = spec->letter == 'X' ? 'A' : 'a';
    size_t count = 0;
    size_t total = 0;
    size_t fill;

    do {
        unsigned digit = (unsigned)(value % base);

        text[count++] = (char)(digit < 10 ? '0' + digit : (unsigned)ten + digit - 10);
        value /= base;
    } while (value != 0);
    while (prefix[total] != '\0')
        total++;
    total += count;
    fill = spec->width > total ? spec->width - total : 0;

    if (!spec->left && !spec->zero)
        pad(out, ' ', fill);
    for (; *prefix != '\0'; prefix++)
        put(out, *prefix);
    if (!spec->left && spec->zero)
        pad(out, '0', fill);
    while (count > 0)
        put(out, text[--count]);
    if (spec->left)
        pad(out, ' ', fill);
}

static void put_signed(struct out *out, const struct spec *spec, int64_t value)
{
    if (spec->bytes == 1)
        value = (int8_t)value;
    else if (spec->bytes == 2)
        value = (int16_t)value;
    /* Negated as unsigned, for the smallest number's sake. */
    put_number(out, spec, value < 0 ? "-" : "", value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void put_unsigned(struct out *out, const struct spec *spec, uint64_t value)
{
    if (spec->bytes < 8)
        value &= (1ULL << 8 * spec->bytes) - 1;
    put_number(out, spec, "", value);
}

static const char *parse_digits(const char *s, size_t *number)
{
    for (*number = 0; *s >= '0' && *s <= '9'; s++)
        *number = *number * 10 + (size_t)(*s - '0');
    return s;
}

static const char *parse_length(const char *s, unsigned *bytes)
{
    *bytes = 4;
    if (*s == 'h') {
        *bytes = s[1] == 'h' ? 1 : 2;
        return s + (s[1] == 'h' ? 2 : 1);
    }
    if (*s == 'l' || *s == 'z') {
        *bytes = 8;
        return s + (s[0] == 'l' && s[1] == 'l' ? 2 : 1);
    }
    return s;
}

/* Reads what follows a '%'. Returns the place of the letter. */
static const char *parse_spec(const char *s, struct spec *spec, va_list *args)
{
    *spec = (struct spec){.precision = SIZE_MAX};
    for (; *s == '-' || *s == '0'; s++) {
        spec->left |= *s == '-';
        spec->zero |= *s == '0';
    }
    s = parse_digits(s, &spec->width);
    if (s[0] == '.' && s[1] == '*') {
        int precision = va_arg(*args, int);

        if (precision >= 0)
            spec->precision = (size_t)precision;
        s += 2;
    } else if (*s == '.') {
        s = parse_digits(s + 1, &spec->precision);
    }
    s = parse_length(s, &spec->bytes);
    spec->letter = *s;
    return s;
}

/* Puts one conversion out; false when the letter is unknown. */
static bool convert(struct out *out, const struct spec *spec, va_list *args)
{
    char c;
    size_t fill;

    switch (spec->letter) {
    case '%':
        put(out, '%');
        return true;
    case 'c':
        /* Not through put_text: the character may be a NUL. */
        c = (char)va_arg(*args, int);
        fill = spec->width > 1 ? spec->width - 1 : 0;
        pad(out, ' ', spec->left ? 0 : fill);
        put(out, c);
        pad(out, ' ', spec->left ? fill : 0);
        return true;
    case 's':
        put_text(out, spec, va_arg(*args, const char *));
        return true;
    case 'd':
    case 'i':
        put_signed(out, spec, spec->bytes == 8 ? va_arg(*args, int64_t) : va_arg(*args, int));
        return true;
    case 'u':
    case 'x':
    case 'X':
        put_unsigned(out, spec,
                     spec->bytes == 8 ? va_arg(*args, uint64_t) : va_arg(*args, unsigned));
        return true;
    case 'p':
        put_number(out, spec, "0x", (uintptr_t)va_arg(*args, void *));
        return true;
    default:
        return false;
    }
}

size_t fmt_vprint(char *buf, size_t size, const char *format, va_list args)
{
    struct out out = {.buf = buf, .size = size};
    va_list rest;

    va_copy(rest, args);
    while (*format != '\0') {
        const char *start = format++;
        struct spec spec;

        if (*start != '%') {
            put(&out, *start);
            continue;
        }
        format = parse_spec(format, &spec, &rest);
        if (*format != '\0')
            format++;
        if (!convert(&out, &spec, &rest)) {
            while (start < format)
                put(&out, *start++);
        }
    }
    va_end(rest);
    if (size > 0)
        buf[HV_MIN(out.length, size - 1)] = '\0';
    return out.length;
}

size_t fmt_print(char *buf, size_t size, const char *format, ...)
{
    va_list args;
    size_t length;

    va_start(args, format);
    length = fmt_vprint(buf, size, format, args);
    va_end(args);
    return length;
}
