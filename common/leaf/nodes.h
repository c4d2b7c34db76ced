#ifndef LEAF_NODES_H
#define LEAF_NODES_H

#include "chebyshev.h"
#include <stddef.h>

/* The nodes of a leaf, a rectangle of the grid that is solved as a whole: zeros of two Chebyshev
 * polynomials laid over its ranges of a and q. Transparent. */

#define NODE_STRIDE CHEBYSHEV_MAX /* of a row of numbers at the nodes */
#define NODE_ROWS                                                                                  \
    (CHEBYSHEV_MAX + 2) /* at most, with two rows of spots at which fits are checked */

struct nodes {
    struct chebyshev in_a, in_q;
    double a_middle, a_half, q_middle, q_half;
};

/* The range of an axis over [i0, i1). */
void axis_range(const double *axis, size_t i0, size_t i1, double *low, double *high);

struct nodes_range {
    double q_low, q_high, a_low, a_high;
};

/* na + 1 and nq + 1 nodes. */
void nodes_lay(struct nodes *n, int na, int nq, const struct nodes_range *range);

/* Where a point of the leaf is on [-1, 1]. */
static inline double nodes_x(const struct nodes *n, double a)
{
    return n->a_half > 0 ? (a - n->a_middle) / n->a_half : 0;
}

static inline double nodes_y(const struct nodes *n, double q)
{
    return n->q_half > 0 ? (q - n->q_middle) / n->q_half : 0;
}

#endif
