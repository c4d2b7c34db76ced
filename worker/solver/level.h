#ifndef SOLVER_LEVEL_H
#define SOLVER_LEVEL_H

#include "sweep_private.h"

/* What lanes need of one level: its parts, the rows of polynomials that were made for some q, and
 * room for matrices and states. One thread's workspace. */

#define LEVEL_ROWS KERNEL_ROWS

struct lanes_level {
    const struct parts *parts;
    double made[LEVEL_ROWS]; /* q of each row */
    double *rows[LEVEL_ROWS];
    /* the row at hand */
    const double *row;
    double q;
    double omega; /* the largest of the row */
    double *node;
    double *matrix, *state, *scale; /* see kernel.h */
    size_t row_cap, node_cap, scale_cap;
};

void level_fini(struct lanes_level *l);

void level_take(struct lanes_level *l, const struct parts *p);

/* Makes the rows of q[0..n), n <= LEVEL_ROWS, which are wanted next: together they cost less. */
void level_ahead(struct lanes_level *l, const struct kernel *kernel, const double *q, size_t n);

/* Turns to a row, which is made now unless it was made ahead. */
void level_turn(struct lanes_level *l, const struct sweep *s, const struct kernel *kernel,
                double q);

#endif
