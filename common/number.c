/* See number.h. The C library converts correctly in both directions, but in the locale of the
 * process; here the "C" locale is used whatever the program or a library has set. */
#include "number.h"
#include "buf.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
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

/* Adds one unit to the last digit of "-d.ddde-xx"; 0 when that would change the length. */
static int increment(char *text)
{
    char *e = strchr(text, 'e');
    for (char *p = e - 1; p >= text && *p != '-'; p--) {
        if (*p == '.')
            continue;
        if (*p != '9') {
            ++*p;
            return 1;
        }
        *p = '0';
    }
    return 0;
}

/* Just below a power of two doubles are twice as dense as above it: the nearest decimal of 16
 * digits may lie too far below, and the next one above still within reach (2^-44
 * = 5.684341886080802e-14). This concerns 54 powers of two, all so large or small that %g writes an
 * exponent too. */
static int next_above(double value, char out[NUMBER_TEXT])
{
    int exponent;
    if (fabs(frexp(value, &exponent)) != 0.5)
        return 0;
    char text[NUMBER_TEXT];
    snprintf(text, sizeof text, "%.15e", value);
    if (!increment(text) || read_token(text) != value)
        return 0;
    strcpy(out, text);
    return 1;
}

size_t number_format(double value, char out[NUMBER_TEXT])
{
    if (isnan(value))
        return (size_t)snprintf(out, NUMBER_TEXT, "nan");
    if (isinf(value))
        return (size_t)snprintf(out, NUMBER_TEXT, value < 0 ? "-inf" : "inf");

    /* Any decimal of up to 15 digits survives a normal double, so %.15g (which drops trailing
     * zeros) prints it if there is one. Subnormal numbers carry fewer digits. */
    pthread_once(&c_locale_once, c_locale_make);
    locale_t before = uselocale(c_locale);
    int first = value != 0 && fabs(value) < DBL_MIN ? 1 : 15;
    for (int precision = first; precision <= 17; precision++) {
        snprintf(out, NUMBER_TEXT, "%.*g", precision, value);
        if (read_token(out) == value || (precision == 16 && next_above(value, out)))
            break;
    }
    uselocale(before);
    return strlen(out);
}
