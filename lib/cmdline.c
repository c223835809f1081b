/* Options: `name=value` words and flags. */
#include "lib/cmdline.h"

#include "lib/hex.h"
#include "lib/string.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool ends_word(char c)
{
    return c == '\0' || is_space(c);
}

/*
 * The closing partner of the quote at s when it is the last character of its word, else NULL: a
 * quote without a proper partner stays part of the text, and whoever reads the option refuses it.
 */
static const char *closing_quote(const char *s)
{
    const char *close = strchr(s + 1, '"');

    return close != NULL && ends_word(close[1]) ? close : NULL;
}

static const char *word_end(const char *s)
{
    while (!ends_word(*s))
        s++;
    return s;
}

bool cmdline_next(const char **line, struct cmdline_word *word)
{
    const char *s = *line;
    const char *end = NULL; /* of the word's text; where a quote closes it, the quote */
    const char *equals;

    while (is_space(*s))
        s++;
    if (*s == '\0') {
        *line = s;
        return false;
    }

    /* The whole word in quotes is how GRUB passes on an argument that holds a space. */
    if (*s == '"' && (end = closing_quote(s)) != NULL)
        s++;
    if (end == NULL)
        end = word_end(s);
    *word = (struct cmdline_word){.name = s, .name_len = (size_t)(end - s)};

    equals = memchr(s, '=', (size_t)(end - s));
    if (equals != NULL) {
        word->name_len = (size_t)(equals - s);
        word->value = equals + 1;
        if (*end != '"' && equals[1] == '"') {
            const char *close = closing_quote(equals + 1);

            if (close != NULL) {
                word->value++;
                end = close;
            }
        }
        word->value_len = (size_t)(end - word->value);
    }
    *line = *end == '"' ? end + 1 : end;
    return true;
}

bool cmdline_equal(const char *text, size_t len, const char *s)
{
    return strlen(s) == len && memcmp(text, s, len) == 0;
}

static bool decimal_number(const char *text, const char *end, uint64_t *value)
{
    uint64_t number = 0;

    if (text == end)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (unsigned)(*text - '0'), &number))
            return false;
    }
    *value = number;
    return true;
}

bool cmdline_number(const char *text, size_t len, uint64_t *value)
{
    const char *end = text + len;
    uint64_t number;

    if (len < 2 || text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
        return decimal_number(text, end, value);
    text += 2;
    if (!hex_number(&text, end, &number) || text != end)
        return false;
    *value = number;
    return true;
}
