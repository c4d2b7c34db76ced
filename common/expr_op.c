/* The operations of expressions. Each is a simple loop over a block, so that compilers vectorise
 * what is arithmetic; the same loop with n = 1 evaluates a single value, hence the same bits.
 *
 * Where a function has a kink its slope is the one to the right (abs at 0: 1), not the mean: slopes
 * carry errors, and a zero would hide them. Where it jumps (step, floor) the slope is 0. */
#include "expr_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LN2           0.69314718055994530942
#define LN10          2.30258509299404568402
#define TWO_BY_SQRTPI 1.12837916709551257390
#define UNIT          0x1p-53

/* Squares from the highest bit down, a fixed order for every power. */
static void powi_value(size_t n, const double *a, const double *b, double *restrict f)
{
    int power = abs((int)b[0]), bit = 1;
    while (bit <= power / 2)
        bit *= 2;
    for (size_t i = 0; i < n; i++)
        f[i] = power == 0 ? 1 : a[i];
    for (bit /= 2; bit > 0; bit /= 2) {
        for (size_t i = 0; i < n; i++)
            f[i] *= f[i];
        if (power & bit)
            for (size_t i = 0; i < n; i++)
                f[i] *= a[i];
    }
    if (b[0] < 0)
        for (size_t i = 0; i < n; i++)
            f[i] = 1 / f[i];
}

/* The exponent is a constant, but one that may have been rounded. */
static void powi_slope(size_t n, const double *a, const double *b, const double *f,
                       double *restrict fa, double *restrict fb)
{
    for (size_t i = 0; i < n; i++) {
        double less = b[i] - 1;
        powi_value(1, &a[i], &less, &fa[i]);
        fa[i] = b[i] == 0 ? 0 : fa[i] * b[i];
        fb[i] = f[i] == 0 ? 0 : f[i] * log(fabs(a[i]));
    }
}

static inline double sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static inline double step(double x)
{
    return x >= 0 ? 1 : x < 0 ? 0 : x;
}

/* x - y floor(x / y), as Python's %; exact but for the last addition. */
static inline double mod(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static inline double power_slope(double x, double y)
{
    return y == 0 ? 0 : y * pow(x, y - 1);
}

static inline double exponent_slope(double x, double f)
{
    return f == 0 ? 0 : f * log(x);
}

static inline double cosh_inverse(double x)
{
    return 1 / cosh(x);
}

/* one and two are given: name, rounding errors, value, slopes; own has functions of its own. The
 * errors of libm's functions count as 4 (2 ulp), as glibc's manual has it; cbrt and erfc are
 * allowed more there. */
#define OPERATORS(one, two)                                                                        \
    one(neg, 0, -x, -1) two(add, 1, x + y, 1, 1) two(sub, 1, x - y, 1, -1)                         \
        two(mul, 1, (x * y), y, x) two(div, 1, x / y, 1 / y, -f / y)

#define FUNCTIONS(one, two, own)                                                                   \
    one(sqrt, 1, sqrt(x), 0.5 / f) two(pow, 4, pow(x, y), power_slope(x, y), exponent_slope(x, f)) \
        one(abs, 0, fabs(x), x < 0 ? -1 : 1) one(sign, 0, sign(x), 0) one(step, 0, step(x), 0)     \
            one(floor, 0, floor(x), 0) one(ceil, 0, ceil(x), 0) one(round, 0, round(x), 0) two(    \
                min, 0, x < y || x != x ? x : y, x < y ? 1 : 0,                                    \
                x < y ? 0 : 1) two(max, 0, x > y || x != x ? x : y, x > y ? 1 : 0,                 \
                                   x > y ? 0 : 1) two(mod, 1, mod(x, y), 1, -floor(x / y))         \
                two(hypot, 4, hypot(x, y), f == 0 ? 1 : x / f, f == 0 ? 1 : y / f) one(            \
                    cbrt, 8, cbrt(x), 1 / (3 * f * f)) one(exp, 4, exp(x), f)                      \
                    one(exp2, 4, exp2(x), (f * LN2)) one(expm1, 4, expm1(x), exp(x)) one(          \
                        log, 4,                                                                    \
                        log(x),                                                                    \
                        1 / x) one(log2, 4, log2(x),                                               \
                                   1 / (x * LN2)) one(log10, 4, log10(x), 1 / (x * LN10))          \
                        one(log1p, 4, log1p(x), 1 / (1 + x)) own(sin, 4) own(cos, 4) one(          \
                            tan, 4,                                                                \
                            tan(x),                                                                \
                            1 + f * f) one(asin, 4, asin(x), 1 / sqrt((1 - x) * (1 + x)))          \
                            one(acos, 4, acos(x), -1 / sqrt((1 - x) * (1 + x))) one(               \
                                atan, 4,                                                           \
                                atan(x), 1 / (1 + x * x)) two(atan2, 4, atan2(x, y),               \
                                                              y / hypot(x, y) / hypot(x, y),       \
                                                              -x / hypot(x, y) / hypot(x, y))      \
                                one(sinh, 4, sinh(x), cosh(x)) one(cosh, 4, cosh(x), sinh(x))      \
                                    one(tanh, 4, tanh(x), cosh_inverse(x) * cosh_inverse(x)) one(  \
                                        sech, 5, cosh_inverse(x),                                  \
                                        -f *tanh(x)) one(asinh, 4, asinh(x), 1 / hypot(1, x))      \
                                        one(acosh, 4, acosh(x), 1 / (sqrt(x - 1) * sqrt(x + 1)))   \
                                            one(atanh, 4, atanh(x), 1 / ((1 - x) * (1 + x)))       \
                                                one(erf, 4, erf(x), (TWO_BY_SQRTPI * exp(-x * x))) \
                                                    one(erfc, 10, erfc(x),                         \
                                                        (-TWO_BY_SQRTPI * exp(-x * x)))

#define ONE(name, units, result, dx)                                                               \
    static void name##_value(size_t n, const double *a, const double *b, double *restrict f)       \
    {                                                                                              \
        (void)b;                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            const double x = a[i];                                                                 \
            f[i] = result;                                                                         \
        }                                                                                          \
    }                                                                                              \
    static void name##_slope(size_t n, const double *a, const double *b, const double *v,          \
                             double *restrict fa, double *restrict fb)                             \
    {                                                                                              \
        (void)b;                                                                                   \
        for (size_t i = 0; i < n; i++) {                                                           \
            const double x = a[i], f = v[i];                                                       \
            (void)x, (void)f;                                                                      \
            fa[i] = dx;                                                                            \
            fb[i] = 0;                                                                             \
        }                                                                                          \
    }

#define TWO(name, units, result, dx, dy)                                                           \
    static void name##_value(size_t n, const double *a, const double *b, double *restrict f)       \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const double x = a[i], y = b[i];                                                       \
            f[i] = result;                                                                         \
        }                                                                                          \
    }                                                                                              \
    static void name##_slope(size_t n, const double *a, const double *b, const double *v,          \
                             double *restrict fa, double *restrict fb)                             \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            const double x = a[i], y = b[i], f = v[i];                                             \
            (void)x, (void)y, (void)f;                                                             \
            fa[i] = dx;                                                                            \
            fb[i] = dy;                                                                            \
        }                                                                                          \
    }

/* Those that are written elsewhere. */
#define OWN(name, units)

static void sin_value(size_t n, const double *a, const double *b, double *restrict f)
{
    (void)b;
    expr_sin(n, a, f);
}

static void sin_slope(size_t n, const double *a, const double *b, const double *f,
                      double *restrict fa, double *restrict fb)
{
    (void)b, (void)f;
    expr_cos(n, a, fa);
    memset(fb, 0, n * sizeof *fb);
}

static void cos_value(size_t n, const double *a, const double *b, double *restrict f)
{
    (void)b;
    expr_cos(n, a, f);
}

static void cos_slope(size_t n, const double *a, const double *b, const double *f,
                      double *restrict fa, double *restrict fb)
{
    (void)b, (void)f;
    expr_sin(n, a, fa);
    for (size_t i = 0; i < n; i++)
        fa[i] = -fa[i];
    memset(fb, 0, n * sizeof *fb);
}

OPERATORS(ONE, TWO)
FUNCTIONS(ONE, TWO, OWN)

#define ONE_ROW(name, units, result, dx)      {#name, 1, units, name##_value, name##_slope},
#define TWO_ROW(name, units, result, dx, dy)  {#name, 2, units, name##_value, name##_slope},
#define OWN_ROW(name, units)                  {#name, 1, units, name##_value, name##_slope},
#define ONE_NAME(name, units, result, dx)     #name,
#define TWO_NAME(name, units, result, dx, dy) #name,

#define OWN_NAME(name, units) #name,

/* In the order of the enum in expr_private.h. The units of powi depend on the power. */
static const struct expr_op operations[] = {
    OPERATORS(ONE_ROW, TWO_ROW){"powi", 2, 0, powi_value, powi_slope},
    FUNCTIONS(ONE_ROW, TWO_ROW, OWN_ROW)};

static const char *const function_names[] = {FUNCTIONS(ONE_NAME, TWO_NAME, OWN_NAME) NULL};

const struct expr_op *expr_op(int number)
{
    return &operations[number];
}

const struct expr_op *expr_op_find(const char *name, size_t len)
{
    for (size_t i = EXPR_FUNCTIONS; i < sizeof operations / sizeof operations[0]; i++)
        if (strlen(operations[i].name) == len && memcmp(operations[i].name, name, len) == 0)
            return &operations[i];
    return NULL;
}

bool expr_op_calls_libm(const struct expr_op *op)
{
    return op->units > 1;
}

const char *const *expr_function_names(void)
{
    return function_names;
}

/* Adds slope times d to out; a zero d beats an infinite slope. The product first and the choice
 * after it, so that it becomes a blend and not a branch. */
static void add_terms(size_t n, const double *slope, const double *d, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        const double product = slope[i] * d[i];
        out[i] += d[i] == 0 ? 0 : product;
    }
}

static void add_absolute_terms(size_t n, const double *slope, const double *d, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        const double product = fabs(slope[i]) * d[i];
        out[i] += d[i] == 0 ? 0 : product;
    }
}

void expr_op_chain(size_t n, const double *fa, const double *da, const double *fb, const double *db,
                   double *restrict out)
{
    memset(out, 0, n * sizeof *out);
    if (da)
        add_terms(n, fa, da, out);
    if (db)
        add_terms(n, fb, db, out);
}

void expr_op_rounding(const struct expr_op *op, size_t n, const double *b, const double *f,
                      const double *fa, const double *ra, const double *fb, const double *rb,
                      double *restrict out)
{
    /* After a squaring a relative error counts twice: all in all x^k makes |k| of them. The power
     * is a constant, the same for the whole block. */
    const double units = (op == &operations[EXPR_POWI] ? fabs(b[0]) : op->units) * UNIT;
    for (size_t i = 0; i < n; i++)
        out[i] = fabs(f[i]) * units;
    if (ra)
        add_absolute_terms(n, fa, ra, out);
    if (rb)
        add_absolute_terms(n, fb, rb, out);
}
