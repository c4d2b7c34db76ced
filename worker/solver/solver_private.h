#ifndef SOLVER_SOLVER_PRIVATE_H
#define SOLVER_SOLVER_PRIVATE_H

#include "fields.h"
#include "floquet.h"
#include "general.h"
#include "later.h"
#include "leaves.h"
#include "phase.h"
#include "tile.h"

/* Between solver.c and solver_later.c. */

struct solver {
    const struct sweep *sweep;
    struct lanes_work *lanes;
    struct tile *tile; /* NULL: by points */
    struct strip strip;
    double q[STRIP];         /* strip.q as a column */
    int starts_alike;        /* they are in the strip already */
    struct floquet *floquet; /* NULL: nothing is derived from a monodromy matrix */
    struct floquet_facts facts;
    struct fields *fields;
    struct later later;
    struct leaves_out *leaves;     /* what the tile at hand is written to; NULL: nothing */
    unsigned char is_later[STRIP]; /* of the strip */
    /* Points of a row that were left: their values of a, and what comes out. */
    double left_a[STRIP + LANES];
    double **left_field;
    float **left_error;
    double work_ns, chunk_ns;
    struct general_work *general; /* NULL: parts do it, */
    struct phase_work *phase;     /* or phases */
};

/* Who asked, and how many points of the block are done. */
struct caller {
    solver_yield_fn *yield;
    void *arg;
    size_t done;
};

/* Fills the strip with `count` points of a row and their start values. */
void solver_load(struct solver *s, size_t q, const double *a, size_t count);

/* Solves the points at[0..*count) of the strip at one level and leaves those that want a finer one
 * there. */
int solver_level(struct solver *s, enum level level, uint16_t *at, size_t *count,
                 const struct caller *c);

/* The strip's points from `offset` on; later marks those that come again (NULL: none). */
void solver_store(struct solver *s, const unsigned char *later, const struct target *to,
                  size_t offset);

/* solver_later.c: solves all points that were put off; writes down as exceptions what they are. */
int solver_later(struct solver *s, const struct block *b, const struct target *to,
                 struct caller *c);
void solver_note_later(struct solver *s, const struct block *b, const struct target *to);

#endif
