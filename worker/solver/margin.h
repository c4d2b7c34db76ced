#ifndef SOLVER_MARGIN_H
#define SOLVER_MARGIN_H

#include "lattice.h"

/* The errors of the nodes of a leaf, spread over the leaf. At each node the solutions are carried
 * along and back as for any point (kernel.h), which gives the error of each number there and its
 * conditioning kappa; between the nodes both are interpolated, with a factor to spare. Given at
 * every KERNEL_KNOT-th column of a row, linear between. One thread's workspace. */

struct margin_probe {
    double *value; /* the numbers themselves, [row][LATTICE_STRIDE], rows of spots too */
    double *size;  /* S of the error contract, times omega for a z' */
    double least;  /* of size on the leaf */
    /* The eighth root of the error; the method's error or 16 u kappa, whichever is larger:
     * [row][LATTICE_STRIDE] at the nodes, [row][knots] by KERNEL_KNOT columns of the leaf */
    double *stated, *doubt, *stated_knots, *doubt_knots;
    double *stated_knot, *doubt_knot; /* of the row at hand, [knots] */
};

struct margin {
    const struct sweep *sweep;
    const struct parts *fine;
    const struct kernel *kernel;
    const struct lattice *lattice;
    struct margin_probe *probe;
    double *state, *scale, *sum;
    double *x; /* by column of the leaf, on [-1, 1]; MARGIN_PAD zeros follow */
    struct place *place;
    size_t columns, intervals, knots, cap;
    int monotonic; /* x */
};

#define MARGIN_PAD (STRIP + 2 * KERNEL_KNOT + 64)

void margin_init(struct margin *m, const struct sweep *s, const struct parts *fine,
                 const struct kernel *kernel);
void margin_fini(struct margin *m);

/* Before and after the blocks of a leaf. */
void margin_begin(struct margin *m, const struct lattice *l);
void margin_end(struct margin *m);

/* Reads the block at hand. -1: the solution leaves a double's reach. */
int margin_read(struct margin *m, const struct lattice *l, size_t block);

/* Turns to a row; constant[probe] is added to both bounds. */
void margin_row(struct margin *m, double q, const double *constant);

#endif
