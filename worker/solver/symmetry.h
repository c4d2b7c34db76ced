#ifndef SOLVER_SYMMETRY_H
#define SOLVER_SYMMETRY_H

#include "drive.h"

/* Whether w, u and v of period P are all even about one time c: f(c + s) = f(c - s). They are even
 * about c + P/2 then, too, so c is looked for in [from, from + P/2), `from` first. */

struct symmetry {
    double centre;
    /* Mean |f(c + s) - f(c - s)| of w, u and v: roundings, but they belong to the error. */
    double w, u, v;
};

/* Whether they are about this time. */
int symmetry_about(const struct drive *d, double from, double period, double centre,
                   struct symmetry *out);

/* The curves cover [from, from + period]. 1 when there is such a time, else 0. */
int symmetry_find(const struct drive *d, double from, double period, struct symmetry *out);

#endif
