#ifndef SOLVER_BOUNDARY_PRIVATE_H
#define SOLVER_BOUNDARY_PRIVATE_H

#include "boundary.h"
#include "shoot.h"

/* Between boundary.c, boundary_check.c, boundary_gap.c and boundary_edge.c. */

/* What is to be known of an equation before. */
struct boundary_traits {
    double loss, loss_error; /* the integral of the damping over a period */
    double v_mean;           /* of |v| */
    int v_is_negative;       /* or 0, everywhere */
};

int boundary_check(const struct boundary_spec *spec, struct boundary_traits *out, struct err *err);

struct tracer {
    const struct boundary_spec *spec;
    struct boundary *out;
    struct shoot *shoot;
    double v_mean;
    /* What |trace| and D are at an edge: 2 and 0 without damping; and their errors. */
    double level, depth, level_error, depth_error;
    size_t index;          /* of the q at hand */
    struct shot low, high; /* at a_min and a_max */
    int low_in_gap, high_in_gap;
    double uneven; /* what is added to all errors at this q */
    struct err *err;
};

/* A search for a root between low and high by steps that must stay between them and shrink. */
struct hunt {
    double low, high, before; /* before: the last step's length, at first INFINITY */
};

/* Where to look after a: at `wish`, if it is a number and a step worth taking, else half way. NaN
 * when the two ends have met. */
double hunt_next(struct hunt *h, double a, double wish);

/* A step after which it is worth asking for the error, and one so short that only that is left. */
int hunt_is_near(double a, double step);
int hunt_is_over(double a, double step, double error);

/* A place for the value of a curve at this q; NULL when there are too many. */
struct boundary_curve *tracer_curve(struct tracer *t, enum boundary_kind kind, int64_t m);

/* Where a curve is likely to be, from its values at the last two q; NaN: not known. */
double tracer_guess(const struct tracer *t, enum boundary_kind kind, int64_t m);

/* Stores a value of a curve at this q, and its error without what a q has for all. */
void tracer_put(struct tracer *t, struct boundary_curve *c, double a, double error);

/* Roots of z1 or z2 (which = 0 or 1) at this q, in increasing order. */
struct roots {
    int which;
    double last, before; /* the last two; NaN: none yet */
};

/* The a in the window at which it has turned by so many quarter turns, fewer at a_min and at least
 * as many at a_max; guess: where it may be, or NaN; shot: the last one, near to it. One more Newton
 * step may be added. */
double tracer_root(struct tracer *t, struct roots *roots, int64_t turns, double guess,
                   struct shot *shot);

/* The trace of M or M', times the sign that it has in gap m. */
static inline double trace_in_gap(int64_t m, const double entries[4])
{
    double sum = entries[Z1] + entries[P2];
    return m % 2 == 0 ? sum : -sum;
}

/* Whether solutions grow at the last shot. */
int tracer_in_gap(const struct tracer *t, const struct shot *s);

/* Stores the lower or upper edge of gap m, between a place in the gap and one in the band. */
int tracer_edge(struct tracer *t, int64_t m, int upper, double gap, double band);

/* The edges of all gaps at this q. */
int tracer_gaps(struct tracer *t);

#endif
