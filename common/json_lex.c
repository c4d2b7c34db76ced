/* See json_scan.h: what one reads a character at a time, and how it complains. It knows the slips
 * of people who write JSON by hand or paste Python. */
#include "json_scan.h"
#include "number.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What people write instead of JSON. */
static const struct slip {
    const char *text, *says, *hint;
} slips[] = {
    {"NaN", "NaN is not a number in JSON", "every number has to be finite"},
    {"nan", "nan is not a number in JSON", "every number has to be finite"},
    {"Infinity", "an infinity is not a number in JSON", "every number has to be finite"},
    {"inf", "an infinity is not a number in JSON", "every number has to be finite"},
    {"-Infinity", "an infinity is not a number in JSON", "every number has to be finite"},
    {"-inf", "an infinity is not a number in JSON", "every number has to be finite"},
    {"-NaN", "NaN is not a number in JSON", "every number has to be finite"},
    {"-nan", "NaN is not a number in JSON", "every number has to be finite"},
    {"True", "True is not JSON", "write true"},
    {"False", "False is not JSON", "write false"},
    {"None", "None is not JSON", "write null, or leave the key out"},
    {"'", "a string needs double quotes", "write \"...\" instead of '...'"},
    {"//", "JSON has no comments", "take the comment out"},
    {"/*", "JSON has no comments", "take the comment out"},
    {"#", "JSON has no comments", "take the comment out"},
    {"+", "a number may not begin with +", "leave the + away"},
    {".", "a number may not begin with a point", "write a 0 before the point"},
    {"-.", "a number may not begin with a point", "write a 0 before the point"},
};

/* ---- complaints ---- */

void json_locate(const struct json_document *document, size_t at, int *line, int *column)
{
    const unsigned char *text = document->text.data;
    *line = *column = 1;
    for (size_t i = 0; i < at && i < document->text.len; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if ((text[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

static void write_path(const struct json_scanner *s, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->depth && n < size; i++) {
        const struct json_frame *f = &s->frames[i];
        if (f->array)
            n += (size_t)snprintf(out + n, size - n, "[%zu]", f->index);
        else if (f->key_len > 0)
            n += (size_t)snprintf(out + n, size - n, "%s%.*s", n > 0 ? "." : "",
                                  (int)(f->key_len < 64 ? f->key_len : 64), s->text + f->key_at);
    }
}

int json_scan_fail(struct json_scanner *s, size_t at, const char *hint, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(s->err, ERR_OTHER, "%s", text);
    if (hint)
        err_hint(s->err, "%s", hint);
    if (s->err) {
        json_locate(s->d, at, &s->err->line, &s->err->column);
        write_path(s, s->err->path, sizeof s->err->path);
    }
    return -1;
}

/* A word of letters has to be whole: "info" does not start with "inf". */
bool json_scan_starts(const struct json_scanner *s, const char *word)
{
    size_t n = strlen(word);
    if (s->len - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return false;
    return !isalpha((unsigned char)word[n - 1]) || s->len - s->at == n ||
           !isalnum((unsigned char)s->text[s->at + n]);
}

static const struct slip *find_slip(const struct json_scanner *s)
{
    for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++)
        if (json_scan_starts(s, slips[i].text))
            return &slips[i];
    return NULL;
}

/* Something else than `wanted` is here. */
int json_scan_unexpected(struct json_scanner *s, const char *wanted, const char *hint)
{
    if (s->at >= s->len)
        return json_scan_fail(s, s->at, "is the end of the file missing?",
                              "the text ends where %s is expected", wanted);
    const struct slip *slip = find_slip(s);
    if (slip)
        return json_scan_fail(s, s->at, slip->hint, "%s", slip->says);
    unsigned char c = (unsigned char)s->text[s->at];
    size_t n = json_utf8((const unsigned char *)s->text + s->at, s->len - s->at);
    if (n == 0)
        return json_scan_fail(s, s->at, "save the file as UTF-8", "byte 0x%02X is not UTF-8", c);
    if (c < 0x20 || c == 0x7F)
        return json_scan_fail(s, s->at, hint,
                              "%s is expected here, not the control character 0x%02X", wanted, c);
    return json_scan_fail(s, s->at, hint, "%s is expected here, not '%.*s'", wanted, (int)n,
                          s->text + s->at);
}

/* ---- characters ---- */

size_t json_utf8(const unsigned char *s, size_t len)
{
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
               : s[0] >= 0xE0 && s[0] <= 0xEF ? 3
               : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                              : 0;
    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    /* Longer than needed, surrogates, beyond U+10FFFF: all show in the second byte. */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

void json_scan_blanks(struct json_scanner *s)
{
    while (s->at < s->len && s->text[s->at] != '\0' && strchr(" \t\r\n", s->text[s->at]))
        s->at++;
}

int json_scan_peek(const struct json_scanner *s)
{
    return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

static bool digit_at(const struct json_scanner *s, size_t at)
{
    return at < s->len && s->text[at] >= '0' && s->text[at] <= '9';
}

/* The value of \uXXXX at `at`, or -1. */
static int hex4(const struct json_scanner *s, size_t at)
{
    int value = 0;
    if (s->len - at < 6 || s->text[at] != '\\' || s->text[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = s->text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static int scan_escape(struct json_scanner *s)
{
    int c = s->at + 1 < s->len ? (unsigned char)s->text[s->at + 1] : 0;
    if (c != 0 && strchr("\"\\/bfnrt", c)) {
        s->at += 2;
        return 0;
    }
    if (c != 'u')
        return json_scan_fail(s, s->at, "write \\\\ for a backslash",
                              "this is not an escape of JSON");
    int unit = hex4(s, s->at);
    if (unit < 0)
        return json_scan_fail(s, s->at, NULL, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return json_scan_fail(s, s->at, NULL, "\\u0000 is not accepted in a string");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return json_scan_fail(s, s->at, NULL, "half of a surrogate pair");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int second = hex4(s, s->at + 6);
        if (second < 0xDC00 || second > 0xDFFF)
            return json_scan_fail(s, s->at, NULL, "half of a surrogate pair");
        s->at += 6;
    }
    s->at += 6;
    return 0;
}

int json_scan_string(struct json_scanner *s)
{
    size_t start = s->at++;
    for (;;) {
        if (s->at >= s->len)
            return json_scan_fail(s, start, "close it with \"", "this string does not end");
        unsigned char c = (unsigned char)s->text[s->at];
        size_t n = json_utf8((const unsigned char *)s->text + s->at, s->len - s->at);
        if (n == 0)
            return json_scan_fail(s, s->at, "save the file as UTF-8", "byte 0x%02X is not UTF-8",
                                  c);
        if (c == '\n' || c == '\r')
            return json_scan_fail(s, start, "close it with \", or write \\n for a line end",
                                  "this string does not end on its line");
        if (c < 0x20)
            return json_scan_fail(s, s->at, "write it as \\u00.. or \\t",
                                  "control character 0x%02X in a string", c);
        if (c == '\\') {
            if (scan_escape(s))
                return -1;
            continue;
        }
        s->at += n;
        if (c == '"')
            return 0;
    }
}

int json_scan_number(struct json_scanner *s, double *value)
{
    size_t start = s->at, at = start + (s->text[start] == '-');
    if (!digit_at(s, at)) {
        s->at = find_slip(s) ? start : at;
        return json_scan_unexpected(s, "a digit", NULL);
    }
    if (s->text[at] == '0' && digit_at(s, at + 1))
        return json_scan_fail(s, start, "leave the leading zeros away",
                              "a number may not begin with 0%c", s->text[at + 1]);
    while (digit_at(s, at))
        at++;
    if (at < s->len && s->text[at] == '.') {
        if (!digit_at(s, ++at))
            return json_scan_fail(s, start, "write a digit after the point",
                                  "a number may not end in a point");
        while (digit_at(s, at))
            at++;
    }
    if (at < s->len && (s->text[at] == 'e' || s->text[at] == 'E')) {
        at++;
        if (at < s->len && (s->text[at] == '+' || s->text[at] == '-'))
            at++;
        if (!digit_at(s, at))
            return json_scan_fail(s, start, "write 1e-9",
                                  "the exponent of this number has no digits");
        while (digit_at(s, at))
            at++;
    }
    if (at - start > JSON_NUMBER_CHARS)
        return json_scan_fail(s, start, "17 digits are enough for any double",
                              "this number has %zu characters, at most %d are accepted", at - start,
                              JSON_NUMBER_CHARS);
    bool minus = s->text[start] == '-';
    if (number_parse(s->text + start + minus, at - start - minus, 0, value) != at - start - minus)
        return json_scan_fail(s, start, NULL, "this is not a number");
    if (!isfinite(*value))
        return json_scan_fail(s, start, "the largest double is 1.8e308",
                              "the number %.*s is out of range", (int)(at - start),
                              s->text + start);
    *value = minus ? -*value : *value;
    s->at = at;
    return 0;
}
