#include "boot/efi/text.h"

#include "lib/string.h"

enum encoding { ENCODING_8, ENCODING_16LE, ENCODING_16BE };

/* Characters taken one by one from bytes. */
struct reader {
    const uint8_t *at, *end;
    enum encoding encoding;
};

/* The line under construction: words with single spaces between them. Spaces wait for what follows.
 */
struct writer {
    char *line;
    size_t room, length, spaces;
    bool overflow;
};

static const char suffix[] = ".efi";

/* The next character, in ASCII: '?' for another, one for each UTF-8 sequence; 0 at the end. */
static char next(struct reader *r)
{
    uint16_t c;

    if (r->encoding == ENCODING_8) {
        if (r->at == r->end)
            return 0;
        c = *r->at++;
        while (c >= 0xc0 && r->at < r->end && (*r->at & 0xc0) == 0x80)
            r->at++;
    } else {
        if (r->end - r->at < 2)
            return 0;
        c = r->encoding == ENCODING_16LE ? (uint16_t)(r->at[0] | r->at[1] << 8)
                                         : (uint16_t)(r->at[1] | r->at[0] << 8);
        r->at += 2;
    }
    return c < 0x7f ? (char)c : '?';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void put(struct writer *w, char c)
{
    if (w->length + w->spaces + 1 >= w->room) {
        w->overflow = true;
        return;
    }
    for (; w->spaces > 0; w->spaces--)
        w->line[w->length++] = ' ';
    w->line[w->length++] = c;
}

static enum hv_status finish(struct writer *w)
{
    if (w->overflow)
        w->length = 0;
    w->line[w->length] = '\0';
    return w->overflow ? HV_ENOSPC : HV_OK;
}

/*
 * Copies up to the end or a terminator; comments: '#' begins one. A run of spaces becomes one, but
 * inside of double quotes. False when a control character says that this is no text.
 */
static bool copy(struct reader *r, bool comments, struct writer *w)
{
    bool comment = false, quoted = false, word = false;
    char c;

    while ((c = next(r)) != 0) {
        if (c == '\n')
            comment = quoted = false;
        if (is_space(c)) {
            if ((word || quoted) && !comment)
                w->spaces++;
            word = false;
            continue;
        }
        if (c < ' ')
            return false;
        if (c == '#' && comments && !word && !quoted)
            comment = true;
        if (comment)
            continue;
        if (c == '"')
            quoted = !quoted;
        word = true;
        put(w, c);
    }
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

static bool ends_in_suffix(const char *text, size_t length)
{
    size_t n = sizeof(suffix) - 1;

    return length > n && same(text + length - n, suffix, n);
}

/* Is this word how a shell was told to start us: a path that ends in .efi, or our name alone? */
static bool is_program(const char *word, size_t length, const char *own_name)
{
    size_t own = strlen(own_name);

    if (length > 2 && word[0] == '"' && word[length - 1] == '"') {
        word++;
        length -= 2;
    }
    if (ends_in_suffix(word, length))
        return true;
    for (size_t i = length; i > 0; i--) {
        if (word[i - 1] == '\\' || word[i - 1] == ':') {
            word += i;
            length -= i;
            break;
        }
    }
    if (ends_in_suffix(own_name, own))
        own -= sizeof(suffix) - 1;
    return length > 0 && length == own && same(word, own_name, own);
}

/* The length of the first word; spaces in double quotes belong to it. */
static size_t first_word(const char *line)
{
    bool quoted = false;
    size_t n = 0;

    for (; line[n] && (quoted || line[n] != ' '); n++) {
        if (line[n] == '"')
            quoted = !quoted;
    }
    return n;
}

static void drop_program(char *line, const char *own_name)
{
    size_t n = first_word(line);

    if (!is_program(line, n, own_name))
        return;
    n += line[n] == ' ';
    memmove(line, line + n, strlen(line + n) + 1);
}

enum hv_status efi_text_load_options(const uint8_t *bytes, size_t size, const char *own_name,
                                     char *line, size_t room)
{
    struct reader r = {bytes, size ? bytes + size : bytes, ENCODING_8};
    struct writer w = {.line = line, .room = room};

    if (size >= 2 && bytes[1] == 0)
        r.encoding = ENCODING_16LE;
    if (!copy(&r, false, &w))
        w.length = w.overflow = 0;
    enum hv_status status = finish(&w);
    drop_program(line, own_name);
    return status;
}

enum hv_status efi_text_config(const uint8_t *bytes, size_t size, char *line, size_t room)
{
    struct reader r = {bytes, bytes + size, ENCODING_8};
    struct writer w = {.room = room};

    w.line = line;
    if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe)
        r.encoding = ENCODING_16LE;
    else if (size >= 2 && bytes[0] == 0xfe && bytes[1] == 0xff)
        r.encoding = ENCODING_16BE;
    if (r.encoding != ENCODING_8)
        r.at += 2;
    else if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    if (!copy(&r, true, &w) || r.at < r.end - (r.encoding != ENCODING_8)) {
        line[0] = '\0';
        return HV_EINVAL;
    }
    return finish(&w);
}
