#ifndef SOLVER_PRODUCTS_H
#define SOLVER_PRODUCTS_H

#include "soundings.h"

/* A leaf solved as stretches of time: the propagator of each is fitted to the nodes of the leaf,
 * and what comes out are parts (parts.h) that hold on this leaf alone and are longer than those
 * that hold on the whole grid. Points are then solved as ever (lanes.h). One thread's workspace. */

struct products;

/* Borrows soundings, which it fills. */
struct products *products_create(const struct sweep *s, const struct kernel *kernel,
                                 struct soundings *soundings);
void products_destroy(struct products *p);

/* Solves the nodes and fits. -1: the check failed. */
int products_fit(struct products *p, struct lattice *l);

/* Turns the margin of the soundings to a row. */
void products_row(struct products *p, double q);

/* What the last fit gave; borrowed until the next. */
const struct parts *products_parts(const struct products *p);

#endif
