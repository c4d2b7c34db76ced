/* sin and cos over vectors, with the same bits on every machine: libm's differ between versions and
 * take one value at a time. + - * alone, so that compilers vectorise it, for each instruction set
 * that they can choose between when the program is loaded.
 *
 * x = k pi/2 + r, pi/2 in four pieces of 33 bits each (W. J. Cody, W. Waite, Software Manual for
 * the Elementary Functions, 1980), so that the first two products with |k| < 2^20 are exact; r and
 * its rounding error go into minimax polynomials on |r| <= pi/4 (their coefficients, and how the
 * error comes in, are those of FDLIBM, K. C. Ng, Sun Microsystems 1993). The error stays below 0.8
 * ulp. Beyond that range, and within 2^-16 of a multiple of pi/2 where the fourth piece would not
 * do, it is libm's turn: there bits are libm's. */
#include "expr_private.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                \
    !defined(__SANITIZE_THREAD__)
#define FOR_EACH_ISA __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define FOR_EACH_ISA
#endif

#define FARTHEST 1.6e6 /* |x|, for |k| < 2^20 */
#define NEAREST  0x1p-16
#define ROUND    0x1.8p52 /* added and taken away, it rounds to a whole number */

#define TWO_BY_PI 6.36619772367581382433e-01
#define PIECE_1   1.57079632673412561417e+00
#define PIECE_2   6.07710050630396597660e-11
#define PIECE_3   2.02226624871116645580e-21
#define PIECE_4   8.47842766036889956997e-32

static inline uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double of_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* sin(r + e), |e| << |r| */
static inline double sine(double r, double e)
{
    double z = r * r, v = z * r;
    double p = 8.33333333332248946124e-03 +
               z * (-1.98412698298579493134e-04 +
                    z * (2.75573137070700676789e-06 +
                         z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    return r - ((z * (0.5 * e - v * p) - e) - v * -1.66666666666666324348e-01);
}

static inline double cosine(double r, double e)
{
    double z = r * r, half = 0.5 * z, w = 1 - half;
    double p =
        z * (4.16666666666666019037e-02 +
             z * (-1.38888888888741095749e-03 +
                  z * (2.48015872894767294178e-05 +
                       z * (-2.75573143513906633035e-07 +
                            z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    return w + (((1 - w) - half) + (z * p - r * e));
}

/* f := sin(x + quarter pi/2). Returns whether any x is for libm. */
static inline uint64_t all(size_t n, uint64_t quarter, const double *x, double *restrict f)
{
    uint64_t any = 0;
    for (size_t i = 0; i < n; i++) {
        double whole = x[i] * TWO_BY_PI + ROUND, k = whole - ROUND;
        double t = x[i] - k * PIECE_1, w = k * PIECE_2, a = t - w;
        double b = a - t, lost = (t - (a - b)) - (w + b); /* a + lost = t - w exactly */
        double low = lost - (k * PIECE_3 + k * PIECE_4), r = a + low, e = (a - r) + low;
        uint64_t turn = bits_of(whole) + quarter, odd = 0 - (turn & 1);
        uint64_t value = (bits_of(cosine(r, e)) & odd) | (bits_of(sine(r, e)) & ~odd);
        f[i] = of_bits(value ^ (turn & 2) << 62);
        uint64_t near = (fabs(x[i]) <= FARTHEST) & ((fabs(a) >= NEAREST) | (k == 0));
        any |= near ^ 1;
    }
    return any;
}

static inline int for_libm(double x)
{
    double k = (x * TWO_BY_PI + ROUND) - ROUND, a = (x - k * PIECE_1) - k * PIECE_2;
    return !(fabs(x) <= FARTHEST && (fabs(a) >= NEAREST || k == 0));
}

FOR_EACH_ISA
void expr_sin(size_t n, const double *x, double *restrict f)
{
    if (!all(n, 0, x, f))
        return;
    for (size_t i = 0; i < n; i++)
        if (for_libm(x[i]))
            f[i] = sin(x[i]);
}

FOR_EACH_ISA
void expr_cos(size_t n, const double *x, double *restrict f)
{
    if (!all(n, 1, x, f))
        return;
    for (size_t i = 0; i < n; i++)
        if (for_libm(x[i]))
            f[i] = cos(x[i]);
}
