#ifndef SOLVER_SOURCE_H
#define SOLVER_SOURCE_H

#include "curve.h"

/* Step 1 of a job: y'' + f(t) y = 0, integrated once by Gauss collocation (Hairer, Norsett, Wanner,
 * Solving ODEs I, II.7) to rounding, whatever the job's tolerance: it is shared by all points and
 * costs nothing. y and y' are then known everywhere, as series on common segments. */

struct source {
    struct curve y, dy; /* the same segments; their errors are estimates of the largest */
};

struct source_job {
    const struct gauss *gauss; /* 16 points */
    curve_fn *f;
    void *arg;
    double from, to;
    double start[2];     /* y, y' at `from` */
    const double *stops; /* jumps and kinks of f; see curve_build */
    size_t stop_count;
};

/* Fills *s, which is zero; to be ended by source_fini in any case. Returns -1 with err set. */
int source_build(struct source *s, const struct source_job *job, struct err *err);
void source_fini(struct source *s);

#endif
