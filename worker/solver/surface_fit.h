#ifndef SOLVER_SURFACE_FIT_H
#define SOLVER_SURFACE_FIT_H

#include "soundings.h"
#include "surface.h"

/* Solves the nodes of a leaf and fits a surface to them. -1: the check failed, and the leaf has to
 * be solved in another way. lattice is laid over the leaf; the start is the same for all points.
 * work has LATTICE_WORK doubles. */
int surface_fit(struct surface *f, struct soundings *s, struct lattice *l, double *work);

#endif
