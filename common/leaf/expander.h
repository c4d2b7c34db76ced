#ifndef LEAF_EXPANDER_H
#define LEAF_EXPANDER_H

#include "leaves.h"

/* From leaves (leaves.h) to the fields, errors and statuses of a tile: what a solver did with the
 * same polynomials, point by point, by the same code. What comes in is not believed: whatever the
 * bytes, nothing outside them is read, and expanding them costs no more than some hundred
 * operations a point beyond what the job's own outputs cost. One thread's workspace for one job. */

struct expander;

/* What of a job matters. The texts of outputs and start are borrowed as long as the expander lives,
 * arrays are copied. */
struct expander_spec {
    const double *q, *a; /* the axes */
    size_t q_count, a_count;
    struct outputs_spec outputs;
    const char *start[2]; /* expressions of z and z' at the first time */
    double tolerance;
    bool errors;                      /* they are asked for */
    const struct leaf_kernel *kernel; /* NULL: the best here; for tests */
};

/* NULL with err when no tile of the job can come as leaves. Returns owned. */
struct expander *expander_create(const struct expander_spec *spec, struct err *err);
void expander_destroy(struct expander *e);

/* Where a tile goes: fields[k], errors[k] (NULL: not asked for) and status, from the place of its
 * first point on, row by row; a row begins `stride` elements after the one before, at least as many
 * as the tile has columns. What lies between is left alone. */
struct expander_to {
    double *const *fields;
    float *const *errors;
    uint8_t *status;
    size_t stride;
};

/* Expands the tile `at` (of the grid). -1 when the bytes are no such tile; err says why (what lies
 * in its places then means nothing). */
int expander_run(struct expander *e, const struct leaves_block *at, const void *data, size_t len,
                 const struct expander_to *to, struct err *err);

#endif
