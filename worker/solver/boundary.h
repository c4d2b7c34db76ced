#ifndef SOLVER_BOUNDARY_H
#define SOLVER_BOUNDARY_H

#include "drive.h"

/* The edges of stability of Hill's equation z'' + [u(t) + a v(t) + q w(t)] z = 0 with period P, as
 * curves a(q). With the monodromy matrix M (det M = 1) and D = (trace M / 2)^2 - 1, solutions are
 * bounded where D < 0 and grow where D > 0; the edges D = 0 are the eigenvalues of the equation in
 * a with z periodic (trace = 2) or antiperiodic (trace = -2) over P (Magnus and Winkler, Hill's
 * Equation, theorem 2.1). Below the lowest edge and in each gap m = 1, 2, ... solutions grow, and m
 * is the number of their zeros in a period:
 *
 *   upper_0 < lower_1 <= upper_1 < lower_2 <= upper_2 < ...
 *
 * Where w, u and v are even about a time c, the solution at an edge is even or odd about c, and
 * each edge has a number of its own that does not depend on which of the two is lower
 * (DLMF 28.2(v)): a_m, even, with m zeros in [c, c + P), m = 0, 1, ...; b_m, odd, with m zeros, m =
 * 1, 2, ... Each is the simple eigenvalue of one of four problems over half a period, so a_m and
 * b_m are found to rounding however near they are, and cross where they cross. Otherwise the two
 * edges of a gap are the eigenvalues of a symmetric 2x2 pencil, which are well conditioned, too,
 * when they are close (boundary_edge.c).
 *
 * With damping, det M = e^-loss with loss its integral over a period, and the edges are where the
 * larger multiplier is 1 or -1, so that growth begins: |trace M| = 1 + det M. A gap is smaller then
 * than without damping, and there is none where it would be too narrow; its edges are called lower
 * and upper. Where loss is negative something grows everywhere.
 *
 * All this is for v >= 0. For v <= 0 it holds of -a: gap m + 1 is below gap m, and lower_m is still
 * the lower edge.
 *
 * Every value has a bound of its error to first order: method, rounding, and the error of w, u and
 * v (interpolation). A gap narrower than its edges' errors cannot be told from none. */

enum boundary_kind { BOUNDARY_ODD, BOUNDARY_EVEN, BOUNDARY_LOWER, BOUNDARY_UPPER };

struct boundary_curve {
    enum boundary_kind kind;
    int64_t m;
    double *a, *error; /* [q_count]; NaN where the curve is outside of [a_min, a_max] */
};

struct boundary_spec {
    const struct drive *drive; /* covers [from, from + period] */
    double from, period;
    double a_min, a_max; /* the window that is looked at */
    const double *q;
    size_t q_count;
    int general; /* also a symmetric w is treated as one that is not: for tests */
};

struct boundary {
    double loss;
    int is_even; /* curves are odd and even ones about `centre`, else lower and upper ones */
    double centre;
    size_t q_count, count, cap;
    struct boundary_curve *curve; /* by m, then by kind */
};

#define BOUNDARY_VALUES_MAX (1u << 19) /* curves times q_count */

/* ERR_JOB_REFUSED when v changes its sign, when the damping is negative on average, or when there
 * is too much to trace. */
int boundary_trace(const struct boundary_spec *spec, struct boundary *out, struct err *err);
void boundary_fini(struct boundary *b);

/* "a_3", "b_3", "lower_3", "upper_3". Returns out. */
#define BOUNDARY_NAME 32
char *boundary_name(const struct boundary_curve *c, char out[BOUNDARY_NAME]);

#endif
