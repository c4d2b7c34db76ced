#ifndef SOLVER_GLANCE_H
#define SOLVER_GLANCE_H

#include "curve.h"

/* Looks at a function between the points that its series came from. Sixteen points say nothing of a
 * spike that is narrower than they are apart, and a series that has missed one looks complete. */

#define GLANCES 4096 /* over the whole span, at places that no simple period meets */

struct glance {
    const struct curve_span *span;
    curve_fn *fn;
    void *arg;
    double t0, t1;      /* of a segment; where one of them is a stop, also close to it */
    const double *coef; /* its series of `factor` times the function */
    int n;
    double factor, rounding; /* of the series */
};

/* The largest deviation seen that is neither rounding nor an error of the function (0: none), and
 * the largest value, both times the factor; close to a stop also times the share of the segment
 * that is as close, for there both may be infinite and hardly count. Nothing is evaluated at t0 or
 * t1. Returns -1 when the function cannot be evaluated, but for the places close to a stop. */
struct glimpse {
    double off, size;
};
int glance(const struct glance *g, struct glimpse *seen, struct err *err);

#endif
