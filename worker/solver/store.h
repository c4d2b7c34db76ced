#ifndef SOLVER_STORE_H
#define SOLVER_STORE_H

#include "sweep_private.h"

/* From the solution to the fields: the outputs of up to STRIP points are evaluated, their errors
 * follow from the expressions' derivatives, and each point gets its status. Knows nothing of how
 * the points were solved. */

#define STRIP       256 /* points that are solved before the outputs are evaluated */
#define FAULT_BYTES 160

/* Solved points; all arrays over points are [count]. */
struct points {
    size_t count;
    const double *q, *a;
    const double *start[2];           /* z, z' at the first time */
    int starts_finite;                /* known to be */
    const double *value, *error;      /* [quantity][STRIP] */
    const unsigned char *limited;     /* rounding decides */
    const unsigned char *later;       /* points that will be stored again; NULL: none */
    const char (*fault)[FAULT_BYTES]; /* why a point could not be solved, or ""; NULL: all were */
};

/* Where the numbers of the block at hand go. */
struct sink {
    double *const *fields;
    float *const *errors; /* may be NULL */
    uint8_t *status;
};

struct store;

/* Borrows both; returns owned. */
struct store *store_create(const struct outputs *o, const struct kernel *kernel);
void store_destroy(struct store *s);

/* Forgets the reason of an earlier block. */
void store_begin(struct store *s);

/* Points of the block from `offset` on, in its C order. */
void store_points(struct store *s, const struct points *p, const struct sink *to, size_t offset);

/* See solver_reason. */
const char *store_reason(const struct store *s);

#endif
