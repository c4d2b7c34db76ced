#ifndef LEAF_FIELDS_H
#define LEAF_FIELDS_H

#include "leaf_kernel.h"
#include "point_status.h"
#include "strip.h"

/* From the solution to the fields: the outputs of up to STRIP points are evaluated, their errors
 * follow from the expressions' derivatives, and each point gets its status. Knows nothing of how
 * the points were solved. */

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
struct target {
    double *const *fields;
    float *const *errors; /* may be NULL */
    uint8_t *status;
};

struct fields;

/* Borrows both; returns owned. */
struct fields *fields_create(const struct outputs *o, const struct leaf_kernel *kernel);
void fields_destroy(struct fields *f);

/* Forgets the reason of an earlier block. */
void fields_begin(struct fields *f);

/* Points of the block from `offset` on, in its C order. */
void fields_put(struct fields *f, const struct points *p, const struct target *to, size_t offset);

/* Why the first failed point failed, or "". Borrowed until the next call. */
const char *fields_reason(const struct fields *f);

#endif
