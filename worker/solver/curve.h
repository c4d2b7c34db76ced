#ifndef SOLVER_CURVE_H
#define SOLVER_CURVE_H

#include "err.h"
#include "gauss.h"
#include <stddef.h>
#include <stdint.h>

/* A function of time cut into segments, on each of which it is a Legendre series of at most 16
 * terms with an error estimate: how w(t), u, v, the damping and y(t) are kept. The segments are in
 * order and without gaps. Transparent; a curve of zeros is empty and valid. */

struct segment {
    double t0, t1;
    double error; /* mean of |function - series| over the segment, as far as it is known */
    double bound; /* max |function| */
    uint32_t at;  /* first coefficient in curve.coef */
    uint32_t n;   /* how many */
};

struct curve {
    struct segment *segments;
    size_t count, cap;
    double *coef;
    size_t coef_count, coef_cap;
};

void curve_fini(struct curve *c);

/* Adds a segment after the last; coef[0..n) and the numbers are copied. */
void curve_add(struct curve *c, double t0, double t1, const double *coef, int n, double error,
               double bound);

/* The segment that holds t (the later one at a joint); times outside get the first or the last one.
 * `hint` is where the search begins: the answer to the last question. */
size_t curve_find(const struct curve *c, double t, size_t hint);

double curve_eval(const struct curve *c, size_t segment, double t);

/* The values at the points of g laid over [t0, t1], which lies within the segment. */
void curve_at_points(const struct curve *c, size_t segment, const struct gauss *g, double t0,
                     double t1, double *value);

/* n values of a function, bounds of what they have in common as errors, and of their roundings,
 * which are independent of each other. Returns -1 with err set when it cannot. */
typedef int curve_fn(void *arg, size_t n, const double *t, double *value, double *error,
                     double *noise, struct err *err);

/* Cuts a function over [from, to] into segments of 16 points each, short enough that the series
 * ends in rounding. stops (increasing, may lie outside) are joints: jumps and kinks. Kinks that
 * nobody announced are closed in on until what is left of them does not matter. Nothing is
 * evaluated at a joint, nor outside [from, to]. */
struct curve_span {
    double from, to;
    const double *stops;
    size_t stop_count;
};
int curve_build(struct curve *c, const struct gauss *g, curve_fn *fn, void *arg,
                const struct curve_span *span, struct err *err);

/* The end of the run that starts at t: the first stop after t, or `to`. */
double curve_next_stop(const double *stops, size_t stop_count, double t, double to);

/* What the last coefficients say about those that follow. */
double curve_tail(const double *coef, int n);

#define CURVE_ROUNDING     2e-15 /* a series whose tail is below this (relative) is complete */
#define CURVE_SEGMENTS_MAX 20000 /* of an adaptive curve; more means that it cannot be resolved */

#endif
