#ifndef SOLVER_CYCLE_H
#define SOLVER_CYCLE_H

#include "symmetry.h"

/* What all points share of a period: its length, the damping over it, and whether it is its own
 * mirror image. Transparent. */

struct cycle {
    double from, to, period;       /* 0: none */
    int may_mirror;                /* all of w is known, and there is no damping */
    double damping, damping_error; /* integral over the period */
    struct symmetry symmetry;
};

void cycle_init(struct cycle *c, const struct sweep_spec *spec);

/* Fills in what depends on the drive. Returns whether the halves are alike (but for roundings). */
int cycle_measure(struct cycle *c, const struct drive *d);

/* Times within the period, increasing, so close that no solution has two zeros between two of them
 * (or an end), whatever |a| and |q| up to these bounds: Lyapunov's criterion. Returned owned;
 * *count is CYCLE_NODES_MAX when that many do not do. */
#define CYCLE_NODES_MAX 8192
double *cycle_nodes(const struct cycle *c, const struct drive *d, double a, double q,
                    size_t *count);

#endif
