#ifndef SOLVER_PARTS_PRIVATE_H
#define SOLVER_PARTS_PRIVATE_H

#include "parts.h"

/* Between plan.c and parts_fill.c. */

struct curve_bounds {
    double w, u, v, d;                         /* largest values */
    double w_error, u_error, v_error, d_error; /* means */
};
struct curve_bounds bounds_over(const struct drive *d, double t0, double t1);

/* The grid as a plan sees it. */
struct frame {
    const struct drive *drive;
    double target;
    double a_radius, q_radius; /* |a - a0| <= a_radius */
    double a_scale, q_scale;   /* powers of two, at least the radius */
    double a_most;             /* max |a| */
};

/* Fills the propagators and error weights of all parts. */
int parts_fill(struct parts *p, const struct frame *f, struct err *err);

#endif
