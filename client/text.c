/* See text.h. Nothing here depends on the locale. */
#include "text.h"

#include "number.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int rank; /* the larger unit has the larger rank */
    double ms;
};

static const struct unit UNITS[] = {
    {"ms", 0, 1},          {"s", 1, 1000},       {"sec", 1, 1000},      {"second", 1, 1000},
    {"seconds", 1, 1000},  {"m", 2, 60000},      {"min", 2, 60000},     {"minute", 2, 60000},
    {"minutes", 2, 60000}, {"h", 3, 3600000},    {"hour", 3, 3600000},  {"hours", 3, 3600000},
    {"d", 4, 86400000},    {"day", 4, 86400000}, {"days", 4, 86400000},
};

#define DURATION_MAX_MS 3.2e12 /* a hundred years */

static const struct unit *find_unit(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++)
        if (strlen(UNITS[i].name) == len && strncmp(UNITS[i].name, name, len) == 0)
            return &UNITS[i];
    return NULL;
}

/* Digits with an optional fraction; returns the characters read, 0 when there is no number. */
static size_t read_decimal(const char *text, double *value)
{
    size_t n = 0;
    double v = 0, place = 1;
    while (isdigit((unsigned char)text[n]))
        v = v * 10 + (text[n++] - '0');
    if (n > 0 && text[n] == '.' && isdigit((unsigned char)text[n + 1])) {
        n++;
        while (isdigit((unsigned char)text[n]))
            v += (text[n++] - '0') * (place /= 10);
    }
    *value = v;
    return n;
}

/* "1:30:00" or "4:10". */
static bool read_clock(const char *text, double *ms)
{
    double total = 0;
    for (int part = 0; part < 3; part++) {
        double value;
        size_t n = read_decimal(text, &value);
        if (n == 0 || (part > 0 && value >= 60))
            return false;
        total = total * 60 + value;
        text += n;
        if (*text == '\0') {
            *ms = total * 1000;
            return part > 0;
        }
        if (*text++ != ':')
            return false;
    }
    return false;
}

static bool read_units(const char *text, double *ms)
{
    double total = 0;
    int last_rank = 5;
    while (*text) {
        double value;
        size_t n = read_decimal(text, &value);
        if (n == 0)
            return false;
        text += n + strspn(text + n, " ");
        size_t len = 0;
        while (isalpha((unsigned char)text[len]))
            len++;
        if (len == 0 && last_rank == 5 && *text == '\0') {
            *ms = value * 1000;
            return true;
        }
        const struct unit *unit = find_unit(text, len);
        if (!unit || unit->rank >= last_rank)
            return false;
        last_rank = unit->rank;
        total += value * unit->ms;
        text += len + strspn(text + len, " ");
    }
    *ms = total;
    return last_rank < 5;
}

int duration_parse(const char *text, int64_t *ms, struct err *err)
{
    double value;
    if (!read_clock(text, &value) && !read_units(text, &value)) {
        err_set(err, ERR_USAGE, "\"%.40s\" is not a duration", text);
        return err_hint(err, "write it like 30s, 500ms, 2min, 1h30m or 1:30:00");
    }
    if (value > DURATION_MAX_MS)
        return err_set(err, ERR_USAGE, "the duration \"%.40s\" is too long", text);
    *ms = (int64_t)llround(value);
    return 0;
}

int integer_parse(const char *text, long low, long high, const char *what, long *value,
                  struct err *err)
{
    double v;
    bool negative = text[0] == '-';
    size_t n = read_decimal(text + negative, &v);
    if (n == 0 || text[negative + n] != '\0' || v != floor(v))
        return err_set(err, ERR_USAGE, "%s is a whole number, not \"%.40s\"", what, text);
    v = negative ? -v : v;
    if (v < (double)low || v > (double)high)
        return err_set(err, ERR_USAGE, "%s is from %ld to %ld, not %.40s", what, low, high, text);
    *value = (long)v;
    return 0;
}

bool real_parse(const char *text, size_t len, double *value)
{
    size_t sign = len > 0 && (*text == '-' || *text == '+');
    if (number_parse(text + sign, len - sign, 1, value) != len - sign || len == sign)
        return false;
    *value = *text == '-' ? -*value : *value;
    return isfinite(*value);
}

char *duration_format(double seconds, char out[TEXT_MAX])
{
    if (!(seconds >= 0) || seconds > 3.2e9) {
        snprintf(out, TEXT_MAX, "?");
    } else if (seconds < 0.0095) {
        snprintf(out, TEXT_MAX, "%.1f ms", seconds * 1e3);
    } else if (seconds < 0.9995) {
        snprintf(out, TEXT_MAX, "%.0f ms", seconds * 1e3);
    } else if (seconds < 9.95) {
        snprintf(out, TEXT_MAX, "%.1f s", seconds);
    } else {
        long s = lround(seconds);
        if (s < 60)
            snprintf(out, TEXT_MAX, "%ld s", s);
        else if (s < 3600)
            snprintf(out, TEXT_MAX, "%ld min %02ld s", s / 60, s % 60);
        else if (s < 86400)
            snprintf(out, TEXT_MAX, "%ld h %02ld min", s / 3600, s / 60 % 60);
        else
            snprintf(out, TEXT_MAX, "%ld d %02ld h", s / 86400, s / 3600 % 24);
    }
    return out;
}

char *count_format(uint64_t count, char out[TEXT_MAX])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    int to = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[to++] = ',';
        out[to++] = digits[i];
    }
    out[to] = '\0';
    return out;
}

/* Three significant digits with an SI prefix. */
static void si_format(double value, const char *unit, char out[TEXT_MAX])
{
    static const char *const PREFIXES[] = {"", "k", "M", "G", "T", "P"};
    size_t i = 0;
    while (i < 5 && value >= 999.5) {
        value /= 1000;
        i++;
    }
    int decimals = i == 0 && value == floor(value) ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(out, TEXT_MAX, "%.*f %s%s", decimals, value, PREFIXES[i], unit);
}

char *rate_format(double per_second, char out[TEXT_MAX])
{
    if (!(per_second >= 0) || isinf(per_second))
        snprintf(out, TEXT_MAX, "?/s");
    else if (per_second < 999.5)
        snprintf(out, TEXT_MAX, "%.*f/s", per_second < 9.95 ? 1 : 0, per_second);
    else
        si_format(per_second, "/s", out);
    return out;
}

char *bytes_format(double bytes, char out[TEXT_MAX])
{
    si_format(bytes >= 0 && bytes < 1e20 ? bytes : 0, "B", out);
    return out;
}
