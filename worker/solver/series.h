#ifndef SOLVER_SERIES_H
#define SOLVER_SERIES_H

#include "gauss.h"

/* The propagator of a stretch of time as a truncated power series in the two parameters of the
 * grid,
 *
 *   P(x, y) = sum over i + j <= n of P_ij x^i y^j,   a = a0 + x a_scale,  q = q0 + y q_scale.
 *
 * The equation is affine in (a, q), so the P_ij solve the same equation as z at (a0, q0), driven by
 * P_{i-1,j} and P_{i,j-1} (perturbation series; the entries are entire functions of x and y). P
 * acts on (z, p) with p = z' / omega. */

#define SERIES_DEGREE_MAX 40
#define SERIES_SIDE       (SERIES_DEGREE_MAX + 1)

struct series {
    int n;
    /* c[row][j][2 i + column] */
    double c[2][SERIES_SIDE][2 * SERIES_SIDE];
};

/* Workspace of series_step. */
struct series_work {
    double z[SERIES_SIDE][SERIES_SIDE][2][GAUSS_MAX]; /* [j][i][solution][point] */
};

/* One collocation step of length h: k0 = u + a0 v + q0 w, ka = a_scale v, kq = q_scale w and the
 * damping d (NULL: 0) at the points of g. Fills *out to total degree n. -1: the step is singular.
 */
int series_step(struct series *out, struct series_work *work, const struct gauss *g, int n,
                double h, double omega, const double *k0, const double *ka, const double *kq,
                const double *d);

/* out := late * early, truncated at total degree n (at least that of both); early is earlier in
 * time. out is neither of them. */
void series_multiply(struct series *out, int n, const struct series *late,
                     const struct series *early);

/* tail[n], n < size: a bound of the sum over i + j > n of |P_ij x^i y^j|, P_ij those of a step of
 * unit length with |k0| <= base and |ka x| + |kq y| <= reach: majorant cosh(sqrt(base + lambda
 * reach)) and its like. */
void series_tail(double base, double reach, double *tail, int size);

#endif
