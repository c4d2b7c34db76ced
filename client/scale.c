/* See scale.h. */
#include "scale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The coordinate in which the scale is linear. */
static double bend(const struct scale *s, double v)
{
    if (s->kind == SCALE_LOG)
        return v > 0 ? log(v) : (double)NAN;
    return s->kind == SCALE_SYMLOG ? asinh(v / s->linear) : v;
}

double scale_at(const struct scale *s, double value)
{
    double lo = bend(s, s->lo), hi = bend(s, s->hi);
    return (bend(s, value) - lo) / (hi - lo);
}

double scale_value(const struct scale *s, double at)
{
    double lo = bend(s, s->lo), hi = bend(s, s->hi), x = lo + at * (hi - lo);
    if (s->kind == SCALE_LOG)
        return exp(x);
    return s->kind == SCALE_SYMLOG ? s->linear * sinh(x) : x;
}

/* --- labels ---------------------------------------------------------------------------------- */

/* "10⁻³" needs the digits of an exponent raised. */
static void raised(int exponent, char *out)
{
    static const char *const RAISED[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char digits[16];
    snprintf(digits, sizeof digits, "%d", exponent);
    *out = '\0';
    for (const char *d = digits; *d; d++)
        strcat(out, *d == '-' ? "⁻" : RAISED[*d - '0']);
}

/* A true minus sign before the text of a negative number. */
static void with_sign(bool negative, const char *text, char out[32])
{
    snprintf(out, 32, "%s%s", negative ? "−" : "", text);
}

/* m times 10^exponent, as "m×10ⁿ" or "10ⁿ". */
static void label_power(double m, int decimals, int exponent, bool negative, char out[32])
{
    char up[16], text[28];
    raised(exponent, up);
    if (m == 1 && decimals == 0)
        snprintf(text, sizeof text, "10%s", up);
    else
        snprintf(text, sizeof text, "%.*f×10%s", decimals, m, up);
    with_sign(negative, text, out);
}

/* The power of ten of the largest that is shown decides whether all are written as powers. */
static bool wants_powers(double largest, double step)
{
    return largest >= 1e5 || step < 0.99e-4;
}

static int decimals_of(double step)
{
    int exponent = (int)floor(log10(step) + 1e-9);
    return exponent < 0 ? -exponent : 0;
}

static void label_linear(double value, double step, double largest, char out[32])
{
    double size = fabs(value);
    bool negative = value < 0;
    char text[28];
    if (size < step / 2) {
        with_sign(false, "0", out);
    } else if (wants_powers(largest, step)) {
        int exponent = (int)floor(log10(largest) + 1e-12);
        double unit = pow(10, exponent);
        label_power(size / unit, decimals_of(step / unit), exponent, negative, out);
    } else {
        snprintf(text, sizeof text, "%.*f", decimals_of(step), size);
        with_sign(negative, text, out);
    }
}

/* m 10^k on a logarithmic scale. */
static void label_log(int m, int k, bool powers, bool negative, char out[32])
{
    char text[28];
    if (powers) {
        label_power(m, 0, k, negative, out);
        return;
    }
    snprintf(text, sizeof text, "%.*f", k < 0 ? -k : 0, m * pow(10, k));
    with_sign(negative, text, out);
}

void scale_label(double value, char out[32])
{
    char text[28];
    double size = fabs(value);
    snprintf(text, sizeof text, "%.3g", size);
    char *e = strchr(text, 'e');
    if (e) {
        int exponent = (int)strtol(e + 1, NULL, 10);
        *e = '\0';
        size_t digits = strlen(text);
        label_power(strtod(text, NULL), digits > 1 ? (int)digits - 2 : 0, exponent, value < 0, out);
        return;
    }
    with_sign(value < 0, text, out);
}

/* --- ticks ----------------------------------------------------------------------------------- */

static struct tick *add(struct ticks *t, double value, bool minor)
{
    struct tick *tick = &t->items[t->count];
    t->count += t->count < TICKS_MAX;
    *tick = (struct tick){.value = value, .minor = minor};
    return tick;
}

/* The smallest of 1, 2, 5 times a power of ten that is at least x. *parts: how minor ticks cut it.
 */
static double round_up(double x, int *parts)
{
    double unit = pow(10, floor(log10(x)));
    double m = x / unit;
    *parts = m <= 1 + 1e-9 || m > 5 + 1e-9 ? 5 : m <= 2 + 1e-9 ? 4 : 5;
    return unit * (m <= 1 + 1e-9 ? 1 : m <= 2 + 1e-9 ? 2 : m <= 5 + 1e-9 ? 5 : 10);
}

static void ticks_linear(double lo, double hi, size_t most, struct ticks *out)
{
    int parts;
    double step = round_up((hi - lo) / ((double)most + 0.5), &parts), fine = step / parts;
    double largest = fmax(fabs(lo), fabs(hi));
    double first = ceil(lo / fine - 1e-6), last = floor(hi / fine + 1e-6);
    if (last - first >= TICKS_MAX)
        return;
    for (double k = first; k <= last; k++) {
        bool minor = fmod(k, parts) != 0;
        struct tick *tick = add(out, k * fine, minor);
        if (!minor)
            label_linear(tick->value, step, largest, tick->label);
    }
}

#define MINOR_DECADES 30 /* with more there is no room for minor ticks */

/* Powers of ten from 10^first to 10^last, every `stride`-th with a label, and between them. */
static void ticks_decades(const struct scale *range, int first, int last, int stride, bool few,
                          bool negative, struct ticks *out)
{
    bool powers = last > 4 || first < -3;
    for (int k = range->kind == SCALE_LOG ? first - 1 : first; k <= last; k++)
        for (int m = 1; m <= 9; m++) {
            double value = m * pow(10, k) * (negative ? -1 : 1);
            bool inside = value >= range->lo - 1e-9 * fabs(range->lo) &&
                          value <= range->hi + 1e-9 * fabs(range->hi);
            bool major = m == 1 ? k % stride == 0 : few && (m == 2 || m == 5);
            if (!inside || (!major && last - first > MINOR_DECADES) ||
                (m > 1 && (stride > 1 || range->kind == SCALE_SYMLOG)))
                continue;
            struct tick *tick = add(out, value, !major);
            if (major)
                label_log(m, k, powers, negative, tick->label);
        }
}

static void ticks_log(const struct scale *range, size_t most, struct ticks *out)
{
    double decades = log10(range->hi / range->lo);
    int stride = (int)ceil(decades / (double)most);
    if (decades < 1) {
        ticks_linear(range->lo, range->hi, most, out);
        return;
    }
    ticks_decades(range, (int)floor(log10(range->lo) + 1e-9), (int)floor(log10(range->hi) + 1e-9),
                  stride < 1 ? 1 : stride, decades * 3 <= (double)most, false, out);
}

static void ticks_symlog(const struct scale *range, size_t most, struct ticks *out)
{
    double largest = fmax(fabs(range->lo), fabs(range->hi));
    int first = (int)ceil(log10(range->linear) - 1e-9), last = (int)floor(log10(largest) + 1e-9);
    int sides = (range->lo < 0) + (range->hi > 0);
    int stride = (int)ceil((last - first + 1) * sides / (double)most);
    stride = stride < 1 ? 1 : stride;
    if (stride > 1) /* the first label is not too near to that of 0 */
        first += stride - 1;
    while (first % stride != 0)
        first++;
    if (range->lo <= 0 && range->hi >= 0)
        snprintf(add(out, 0, false)->label, sizeof out->items[0].label, "0");
    ticks_decades(range, first, last, stride, false, true, out);
    ticks_decades(range, first, last, stride, false, false, out);
}

void ticks_make(const struct scale *s, size_t most, struct ticks *out)
{
    struct scale range = *s;
    if (range.lo > range.hi) {
        range.lo = s->hi;
        range.hi = s->lo;
    }
    out->count = 0;
    most = most < 3 ? 3 : most; /* fewer, and there may be none */
    if (s->kind == SCALE_LOG)
        ticks_log(&range, most, out);
    else if (s->kind == SCALE_SYMLOG)
        ticks_symlog(&range, most, out);
    else
        ticks_linear(range.lo, range.hi, most, out);
}
