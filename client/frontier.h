#ifndef CLIENT_FRONTIER_H
#define CLIENT_FRONTIER_H

#include "axis.h"
#include "contour.h"
#include "points.h"

/* Where the solution turns from bounded to growing: |trace| = 2 of the monodromy matrix (Floquet;
 * Magnus and Winkler, Hill's Equation, section 1.2), or the change of sign of `stable`, or where
 * `mu` leaves 0. Taken from whichever of these the job has as an output, in this order. */

/* Adds the boundaries, as places on both axes; *label says what they are. A job without such an
 * output, or with an axis of one value, adds nothing. z1(T) + dz2(T) is a trace too, of the
 * propagator to T. */
int frontier_find(struct origin *origin, const struct axis *q, const struct axis *a,
                  struct contour *out, const char **label, struct err *err);

/* The same as the solver traces it (curves.h), exactly and up to the picture's edges, whatever the
 * outputs are. ERR_JOB_REFUSED for an equation that has no period. */
int frontier_trace(const struct job *job, const struct axis *q, const struct axis *a,
                   struct contour *out, const char **label, struct err *err);

#endif
