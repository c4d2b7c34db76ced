#ifndef SOLVER_DRIVE_H
#define SOLVER_DRIVE_H

#include "curve.h"
#include "sweep.h"

/* The coefficients of the equation as functions of time: w, u, v and the damping, each a curve over
 * w.t = [t0, t1]. Immutable once made, but for drive_adopt. */

struct drive {
    double t0, t1;
    struct curve w, u, v, damping; /* u, v, damping without segments: 0, 1, 0 */
    enum sweep_interpolation interpolation;
    int is_table;
    double *knot_t, *knot_w; /* what is interpolated; NULL for SWEEP_EXACT */
    size_t knot_count;
};

int drive_create(const struct sweep_spec *spec, struct drive **out, struct err *err);
void drive_destroy(struct drive *d);

/* See sweep_table_encode and sweep_table_adopt. adopt returns 1 when the drive has changed. */
unsigned char *drive_encode(const struct drive *d, size_t *len);
int drive_adopt(struct drive *d, const unsigned char *table, size_t len, struct err *err);

size_t drive_samples(const struct drive *d, size_t max, double *t, double *w);

/* Largest |value| and mean |error| of a curve over [t0, t1] (an empty curve: `otherwise`, 0). */
void drive_bounds(const struct curve *c, double t0, double t1, double otherwise, double *bound,
                  double *error);

/* Step 2 of a job in the classical way: GSL's interpolation of (t, w), exactly, one segment an
 * interval (interpolant.c). */
int interpolant_build(struct curve *c, enum sweep_interpolation kind, const double *t,
                      const double *w, size_t n, struct err *err);

#endif
