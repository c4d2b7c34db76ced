#ifndef SOLVER_MONODROMY_H
#define SOLVER_MONODROMY_H

#include "kernel.h"

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
 * (Magnus and Winkler, Hill's Equation, section 1.2), a product that loses no digit. */

/* A number of 32 points. */
struct entry {
    double value[LANES], error[LANES], exponent[LANES]; /* times 2^exponent */
};

struct monodromy {
    double x[LANES], x11[LANES], m12[LANES], m21[LANES], d[LANES];
    double x_error[LANES], x11_error[LANES], m12_error[LANES], m21_error[LANES], d_error[LANES];
    double exponent[LANES];
};

/* What M may be off by for other reasons than its entries: the period is known to `period_error`,
 * and the second half of a symmetric one is like the first but for |K| of `asymmetry` (times half
 * the period). Both in [lane]. */
struct monodromy_doubt {
    double period_error;
    double omega[LANES], asymmetry[LANES];
};

/* From z1, z1', z2, z2' at the end, or in the middle, of the period. Entries of one solution have
 * the same exponent; they are changed. */
void monodromy_whole(struct monodromy *m, struct entry e[4], const struct monodromy_doubt *doubt);
void monodromy_half(struct monodromy *m, struct entry e[4], const struct monodromy_doubt *doubt);

#endif
