#ifndef SOLVER_GENERAL_H
#define SOLVER_GENERAL_H

#include "equation.h"
#include "fields.h"

/* Point by point integration of the equations that are not affine in (a, q), or that are asked to
 * carry y along (equation.h): the pair of rk8.h over 32 lanes, each with its own time and step. A
 * lane whose point is done takes the next point of the block.
 *
 * Steps end at output times, at breaks, and at the joints of w's segments (knots among them), so
 * that what a step looks at is smooth as far as anyone knows, and nothing outside w.t is evaluated.
 *
 * A point ends with the status POINT_FAILED and a reason where no step is small enough (a
 * singularity), where ddz is not a number, or when GENERAL_ATTEMPTS steps were not enough; its
 * neighbours go on. Beyond GENERAL_LARGE it has overflowed: the fields are infinite. */

#define GENERAL_ATTEMPTS 250000
#define GENERAL_LARGE    1e150 /* the squares of errors are kept */

struct general; /* what all points share; immutable once made */

/* Borrows drive and outputs. y of a coupled equation is brought from y.t to `from` here. */
int general_create(const struct sweep_spec *spec, const struct drive *drive,
                   const struct outputs *outputs, struct general **out, struct err *err);
void general_destroy(struct general *g);

/* To be called when the drive's values have changed. */
void general_refresh(struct general *g);

/* Estimated time of one point in nanoseconds. */
double general_point_cost_ns(const struct general *g);

struct general_work; /* one thread's */

struct general_work *general_work_create(const struct sweep *s, const struct kernel *kernel);
void general_work_destroy(struct general_work *w);

/* See solver_block. */
int general_block(struct general_work *w, const struct block *b, struct fields *out,
                  const struct target *to, solver_yield_fn *yield, void *arg);

#endif
