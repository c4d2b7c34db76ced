#ifndef SOLVER_SOURCE_H
#define SOLVER_SOURCE_H

#include "curve.h"

/* Step 1 of a job: y'' + f(t) y = 0, integrated once by Gauss collocation (Hairer, Norsett, Wanner,
 * Solving ODEs I, II.7) to rounding, whatever the job's tolerance: it is shared by all points and
 * costs nothing. y and y' are then known everywhere, as series on common segments. */

struct source {
    struct curve y,
        dy; /* the same segments; error: three standard deviations of what rounding did */
};

/* f is evaluated at single times; its errors count. Returns -1 with err set. */
int source_build(struct source *s, const struct gauss *g, curve_fn *f, void *arg, double from,
                 double to, const double start[2], const double *stops, size_t stop_count,
                 struct err *err);
void source_fini(struct source *s);

#endif
