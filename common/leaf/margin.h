#ifndef LEAF_MARGIN_H
#define LEAF_MARGIN_H

#include "leaf_kernel.h"
#include "nodes.h"
#include "strip.h"

/* The errors of the nodes of a leaf, spread over the leaf: between the nodes they are interpolated,
 * and given at every KERNEL_KNOT-th column of a row, linear between. Two bounds for each number
 * that outputs ask for: the error that is stated, of which the eighth root is interpolated, for
 * errors follow growth; and what the tolerance is held against, where points are judged. One
 * thread's workspace. */

struct margin_probe {
    double least; /* S of the error contract on the leaf, times omega for a z' */
    /* The eighth root of the error; the method's error or 16 u kappa, whichever is larger (of a
     * margin that judges): [row][NODE_STRIDE] at the nodes, [row][knots] by KERNEL_KNOT columns */
    double *stated, *doubt, *stated_knots, *doubt_knots;
    double *stated_knot, *doubt_knot; /* of the row at hand, [knots] */
};

struct margin {
    size_t probe_count;
    int judges;
    struct margin_probe *probe; /* [probe_count] */
    const struct nodes *nodes;
    double *x; /* by column of the leaf, on [-1, 1]; MARGIN_PAD zeros follow */
    struct place *place;
    size_t columns, intervals, knots, cap;
    int monotonic; /* x */
};

#define MARGIN_PAD (STRIP + 2 * KERNEL_KNOT + 64)

void margin_init(struct margin *m, size_t probe_count, int judges);
void margin_fini(struct margin *m);

/* Over the columns a[0..count) of a leaf whose bounds at the nodes are there. Borrows nodes. */
void margin_lay(struct margin *m, const struct nodes *nodes, const double *a, size_t count);

/* Turns to a row; constant[probe] is added to both bounds. */
void margin_row(struct margin *m, double q, const double *constant);

#endif
