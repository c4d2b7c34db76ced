/* See number.h. The C library reads correctly, but in the locale of the process; here the "C"
 * locale is used whatever the program or a library has set. Writing is our own (shortest.h). */
#include "number.h"
#include "buf.h"
#include "shortest.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        abort();
}

static double read_token(const char *token)
{
    pthread_once(&c_locale_once, c_locale_make);
    return strtod_l(token, NULL, c_locale);
}

static size_t digits(const char *text, size_t at, size_t len)
{
    size_t n = 0;
    while (at + n < len && text[at + n] >= '0' && text[at + n] <= '9')
        n++;
    return n;
}

/* Length of the digits and the fraction; 0 when there is no digit. */
static size_t scan_mantissa(const char *text, size_t len, int loose)
{
    size_t whole = digits(text, 0, len);
    if (!loose && whole > 1 && text[0] == '0')
        whole = 1;
    if (whole == 0 && !loose)
        return 0;
    if (whole >= len || text[whole] != '.')
        return whole;
    size_t fraction = digits(text, whole + 1, len);
    if (fraction == 0)
        return whole > 0 && loose ? whole + 1 : whole;
    return whole + 1 + fraction;
}

static size_t scan_exponent(const char *text, size_t at, size_t len)
{
    if (at >= len || (text[at] != 'e' && text[at] != 'E'))
        return 0;
    size_t sign = at + 1 < len && (text[at + 1] == '+' || text[at + 1] == '-');
    size_t n = digits(text, at + 1 + sign, len);
    return n > 0 ? 1 + sign + n : 0;
}

size_t number_parse(const char *text, size_t len, int loose, double *value)
{
    size_t n = scan_mantissa(text, len, loose);
    if (n == 0)
        return 0;
    n += scan_exponent(text, n, len);

    /* strtod wants a NUL, and text need not have one. */
    char small[128];
    char *token = n < sizeof small ? memcpy(small, text, n) : mem_strndup(text, n);
    token[n] = '\0';
    *value = read_token(token);
    if (token != small)
        free(token);
    return n;
}

/* --- writing --------------------------------------------------------------------------------- */

/* The digits of 0 .. 9999 are two pairs; a pair is two characters. */
static const char PAIRS[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static void eight_digits(uint32_t value, char *out)
{
    uint32_t high = value / 10000, low = value % 10000;
    memcpy(out, PAIRS + 2 * (high / 100), 2);
    memcpy(out + 2, PAIRS + 2 * (high % 100), 2);
    memcpy(out + 4, PAIRS + 2 * (low / 100), 2);
    memcpy(out + 6, PAIRS + 2 * (low % 100), 2);
}

/* A decimal as its digits, without zeros at either end, and the power of ten of the first one. */
struct figures {
    char all[24];
    const char *first;
    int count, exponent;
};

static void figures_of(struct shortest d, struct figures *f)
{
    enum { ROOM = 24 };
    uint64_t high = d.digits / 100000000;
    eight_digits((uint32_t)(high / 100000000), f->all);
    eight_digits((uint32_t)(high % 100000000), f->all + 8);
    eight_digits((uint32_t)(d.digits % 100000000), f->all + 16);
    int first = 0, end = ROOM;
    while (f->all[first] == '0')
        first++;
    while (f->all[end - 1] == '0')
        end--;
    f->first = f->all + first;
    f->count = end - first;
    f->exponent = d.exponent + ROOM - 1 - first;
}

static char *put(char *out, const char *text, int count)
{
    memcpy(out, text, (size_t)count);
    return out + count;
}

static char *zeros(char *out, int count)
{
    memset(out, '0', (size_t)count);
    return out + count;
}

static char *scientific(const struct figures *f, char *out)
{
    int size = f->exponent < 0 ? -f->exponent : f->exponent;
    *out++ = *f->first;
    if (f->count > 1) {
        *out++ = '.';
        out = put(out, f->first + 1, f->count - 1);
    }
    *out++ = 'e';
    *out++ = f->exponent < 0 ? '-' : '+';
    if (size >= 100)
        *out++ = (char)('0' + size / 100);
    return put(out, PAIRS + 2 * (size % 100), 2);
}

static char *positional(const struct figures *f, char *out)
{
    int whole = f->exponent + 1; /* digits before the point */
    if (whole <= 0) {
        out = zeros(put(out, "0.", 2), -whole);
        return put(out, f->first, f->count);
    }
    if (f->count <= whole)
        return zeros(put(out, f->first, f->count), whole - f->count);
    out = put(out, f->first, whole);
    *out++ = '.';
    return put(out, f->first + whole, f->count - whole);
}

/* Laid out as %.15g does, or %.16g, %.17g where that many digits are needed. */
size_t number_format(double value, char out[NUMBER_TEXT])
{
    struct figures f;
    char *end = out;
    if (isnan(value))
        return (size_t)(strcpy(out, "nan") - out) + 3;
    if (signbit(value))
        *end++ = '-';
    if (isinf(value)) {
        end = put(end, "inf", 3);
    } else if (value == 0) {
        *end++ = '0';
    } else {
        figures_of(shortest_decimal(fabs(value)), &f);
        bool plain = f.exponent >= -4 && f.exponent < (f.count > 15 ? f.count : 15);
        end = plain ? positional(&f, end) : scientific(&f, end);
    }
    *end = '\0';
    return (size_t)(end - out);
}
