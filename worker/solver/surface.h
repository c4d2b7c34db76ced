#ifndef SOLVER_SURFACE_H
#define SOLVER_SURFACE_H

#include "margin.h"

/* A leaf solved as a whole: each number that outputs ask for is one polynomial in (a, q), fitted to
 * the nodes of the leaf (Chebyshev in q, powers in a), and so costs one Horner's rule for a point.
 *
 * The stated error of a number is that of the nodes' own solutions (margin.h) plus one constant for
 * the leaf: what the fit dropped and what it rounded. One thread's workspace. */

struct surface;

/* Borrows margin, which it fills and turns to its rows. */
struct surface *surface_create(const struct sweep *s, const struct kernel *kernel,
                               struct margin *margin);
void surface_destroy(struct surface *f);

/* Solves the nodes and fits. -1: the check failed, and the leaf has to be solved in another way.
 * lattice is laid over the leaf; the start is the same for all points. */
int surface_fit(struct surface *f, struct lattice *l);

/* Turns to a row. */
void surface_row(struct surface *f, double q);

/* The numbers of the points of a strip of the row. Lists those whose error may leave the tolerance
 * in again[] and returns their number. */
size_t surface_solve(struct surface *f, struct strip *strip, uint16_t *again);

#endif
