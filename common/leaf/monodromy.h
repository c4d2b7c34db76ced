#ifndef LEAF_MONODROMY_H
#define LEAF_MONODROMY_H

#include "leaf_kernel.h"
#include "strip.h"

/* The monodromy matrix M of 32 points, which carries (z, z') across one period, as M = x I + X
 * with a traceless X, X^2 = D I:
 *
 *   x = (m11 + m22) / 2,  X = [[x11, m12], [m21, -x11]],  D = x11^2 + m12 m21 = x^2 - det M
 *
 * The multipliers are x +- sqrt(D). D is taken from X, never from the trace: near an edge of
 * stability x^2 - det M is the difference of numbers near 1, while X is small itself where a gap is
 * narrow. Every number has a bound of its error; that of D is the width of its interval. All but
 * the exponent are times 2^exponent, 2^(2 exponent) for D, so that nothing overflows.
 *
 * Where w(t0 + s) = w(t0 + P - s), u and v alike, without damping, half a period is enough: with
 * z1, z2 at t0 + P/2,
 *
 *   x = z1 z2' + z2 z1',  x11 = 0,  m12 = 2 z2 z2',  m21 = 2 z1 z1'
 *
 * (Magnus and Winkler, Hill's Equation, section 1.2), a product that loses no digit.
 *
 * M^N = c + s X with c + s sqrt(D) = (x + sqrt(D))^N. Its error is its differential, which without
 * damping (x^2 - D = 1) is dc = N s dx, ds = (N c - x s) / D dx, otherwise dc = N (c' dx + s' dD /
 * 2), ds = N s' dx + (N c' - s) / (2 D) dD with c', s' of the power N - 1, bounded by those of N.
 * Norms of products would overestimate without bound. What rounding does on the way is about N
 * 2^-53 and part of it. Where the phase itself is lost, N dlambda > 1/2, the error is infinite.
 *
 * These are the loops for 32 points at once, compiled once for each instruction set like those of
 * leaf_kernel.h, with the same bits in all of them. */

/* A number of 32 points, times 2^exponent. */
struct entry {
    const double *value, *error; /* [32] */
    double exponent[LANES];
    double room[2][LANES]; /* for values and errors that are nowhere else */
};

struct monodromy {
    int scaled; /* any exponent is not 0 */
    double x[LANES], x11[LANES], m12[LANES], m21[LANES], d[LANES];
    double x_error[LANES], x11_error[LANES], m12_error[LANES], m21_error[LANES], d_error[LANES];
    double exponent[LANES];
};

/* For powers: x and D, of which without damping the one that is known better gives the other, and
 * what x is off by together with D; negative with damping or an exponent. */
struct roots {
    double x[LANES], d[LANES], slack[LANES];
};

/* What is known of the points, and what M may be off by for other reasons than its entries: the
 * period is known to `period_error`, and the halves of a symmetric one differ by |K| of `uneven`
 * (times half the period). Bounds of |K| and of that are linear in |a|; omega is a power of two. */
struct monodromy_doubt {
    double period_error, omega;
    double stiffness, stiffness_a, uneven, uneven_a; /* of the row */
    const double *a;                                 /* [32] */
};

/* z or z' after many periods: row . M^periods . start. Rows and starts are of moderate size. */
struct carry {
    double periods, time_error;                     /* of the row */
    double start_error;                             /* relative, of the start */
    const double *row[2], *row_error[2], *start[2]; /* [32] */
    double c[LANES], s[LANES], power_exponent[LANES];
    const double *start_exponent; /* [32], of row and start */
    double exponent[LANES];       /* of the number */
    /* The number and its error to first order. Both losses are factors of it: all orders, also of
     * the number's logarithm. */
    double value[LANES], error[LANES], loss[LANES], log_loss[LANES];
};

struct monodromy_kernel {
    /* Whether an entry is so large that monodromy_balance has to come first. */
    int (*large)(const struct entry e[4]);
    /* Whether each of the larger of |x| and |y| is neither large nor small. */
    int (*moderate)(const double *x, const double *y);
    /* From z1, z1', z2, z2' at the end, or in the middle, of the period. Sets all but the exponent,
     * which is that of the entries. */
    void (*whole)(struct monodromy *m, const struct entry e[4], const struct monodromy_doubt *d);
    void (*half)(struct monodromy *m, const struct entry e[4], const struct monodromy_doubt *d);
    void (*roots)(const struct monodromy *m, int damped, struct roots *r);
    /* (x + X)^n = (c + s X) 2^exponent, n < 2^52, by squaring: |c| + |s| is between 1 and 2 unless
     * it is 0 or not finite. */
    void (*power)(const struct roots *r, uint64_t n, double *c, double *s, double *exponent);
    void (*carry)(const struct monodromy *m, const struct roots *r, const struct monodromy_doubt *d,
                  struct carry *c);
    /* value[32] 2^exponent, and error[32] loss 2^exponent, whatever the exponent. */
    void (*finish)(const struct carry *c, double *value, double *error);
    /* Whether any error[32] exceeds promised (scale[32] + |value[32]|). */
    int (*check)(const double *value, const double *error, const double *scale, double promised);
};

const struct monodromy_kernel *monodromy_kernel_of(const struct leaf_kernel *k);

#define MONODROMY_MODEST 0x1p+200

/* Brings the entries of each lane to one exponent, and to no more than 1 where they are large. */
void monodromy_balance(struct entry e[4], double *exponent);

#endif
