#ifndef LEAF_SURFACE_H
#define LEAF_SURFACE_H

#include "margin.h"

/* A leaf as a whole: each number that outputs ask for is one polynomial in (a, q), Chebyshev in q,
 * powers in a, and so costs one Horner's rule for a point. The stated error of a number is that of
 * the nodes' own solutions (margin.h) plus one constant for the leaf: what the polynomial is off
 * by. One thread's workspace; transparent for whoever fills it. */

/* One number that outputs ask for. */
struct sheet {
    int na, nq;                /* degrees */
    double *coef;              /* [nq + 1][na + 1]: of T_j(y) x^i; room for the highest */
    double row[CHEBYSHEV_MAX]; /* powers of x, at the row's q */
};

struct surface {
    const struct outputs *outputs;
    const struct leaf_kernel *kernel;
    struct margin *margin;
    double tolerance;    /* that points are judged by */
    struct sheet *sheet; /* by probe */
    double *constant;    /* by probe: what the polynomial is off by */
    double *value, *error;
    int64_t *doubtful;
};

/* Borrows all three, and turns the margin to rows. */
struct surface *surface_create(const struct outputs *o, const struct leaf_kernel *kernel,
                               struct margin *margin, double tolerance);
void surface_destroy(struct surface *f);

/* Turns to a row. */
void surface_row(struct surface *f, double q);

/* The numbers of the points of a strip of the row. Where the margin judges: lists those whose error
 * may leave the tolerance in again[] and returns their number. */
size_t surface_solve(struct surface *f, struct strip *strip, uint16_t *again);

/* Of a margin that judges: whether the error of no point can leave the tolerance, whatever its
 * number. */
int surface_is_certain(const struct surface *f);

#endif
