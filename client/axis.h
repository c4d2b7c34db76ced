#ifndef CLIENT_AXIS_H
#define CLIENT_AXIS_H

#include "job.h"
#include "scale.h"

/* One axis of a chart: where each value of the grid has its cell. A cell reaches half way to its
 * neighbours (on the axis's own scale), the outer ones as far to the outside. Values may be a list
 * in any order, at any distances. Pure. */
struct axis {
    struct scale scale; /* from the first edge to the last; increasing */
    size_t count;
    double *low, *high; /* cell of value i: [low[i], high[i]] in [0, 1] */
    double *place;      /* of value i in [0, 1] */
    size_t *order;      /* indices by increasing value */
};

/* Logarithmic when the grid's values are, also a list of powers. Lists are owned: axis_fini. */
void axis_init(struct axis *axis, const struct job_values *values);
void axis_fini(struct axis *axis);

#endif
