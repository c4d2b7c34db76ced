#ifndef LEAF_FLOQUET_H
#define LEAF_FLOQUET_H

#include "leaf_kernel.h"
#include "strip.h"

/* What follows from the monodromy matrix M (monodromy.h), with a bound of the error of each number.
 * With lambda the larger |multiplier|, P the period and L = integral of the damping over it / 2, so
 * that det M = exp(-2 L):
 *
 *   trace    m11 + m22
 *   mu       ln(lambda) / P, the exponent by which solutions grow per unit time:
 *            (asinh(sqrt(D) e^L) - L) / P where D > 0, else -L / P (0 without damping), also where
 *            the error of D leaves its sign open
 *   stable   1 where lambda < 1, or = 1 and D < 0: all solutions stay bounded; -1 where one grows,
 *            0 where the error of D does not say which, as on the edges themselves and where a gap
 *            is closed (M = +-I). Without damping the sign of -D, with it that of
 *            (1 - e^(-2 L)) / 2 - sqrt(D)
 *   nu       rotation number: half turns of (z, z') per period on average. In a band of stability
 *            cos(pi nu) = trace / 2 (over sqrt(det M) with damping), in gap m it is m. The zeros
 *            of z2 within one period are floor(nu), or m - 1 or m in gap m, of which the sign of
 *            the trace picks one (Coddington and Levinson, Theory of Ordinary Differential
 *            Equations, chapter 8; Johnson and Moser, Commun. Math. Phys. 84 (1982) 403)
 *   z(T) ..  for T = times[0] + N P + r: R(r) M^N (z, z')(times[0]), R the propagator over r and
 *            M^N = c + s X with c + s sqrt(D) = (x + sqrt(D))^N, by squaring, scaled
 *
 * Errors of mu, nu and stable are by intervals, for they are square roots near an edge. Where the
 * phase of a late z(T) is lost its error is infinite, but not that of a lnabs that has grown.
 *
 * trace, stable and z(T) use + - * / sqrt only; mu and nu call libm. One thread's workspace. */

struct floquet;

/* What all points of a job share. Bounds are of |u|, |v| and |w| up to the last time that is
 * solved; where w, u and v are even about the middle of the period they are uneven by so much,
 * |f(c + s) - f(c - s)| on average. */
struct floquet_facts {
    double period, damping, damping_error; /* integral of the damping over the period */
    double u_bound, v_bound, w_bound, u_uneven, v_uneven, w_uneven;
    double promised;       /* the job's tolerance */
    double a_most, q_most; /* largest |a| and |q| of the grid */
    int damped;            /* there is a damping, whatever its integral */
    int refines;           /* a finer level may do better than a coarse one */
};

/* Borrows the outputs; start are the expressions of z and z'. */
struct floquet *floquet_create(const struct floquet_facts *facts, const struct outputs *o,
                               struct expr *const start[2], const struct leaf_kernel *kernel);
void floquet_destroy(struct floquet *f);

/* Derives all there is to derive at the points at[0..n) of the strip, whose other quantities are
 * there. Lists those whose errors leave what is promised, or that are undecided, in again[], marks
 * them as limited, and returns their number: a finer level may do better. */
size_t floquet_solve(struct floquet *f, struct strip *strip, const uint16_t *at, size_t n,
                     uint16_t *again);

#endif
