#ifndef SOLVER_FLIGHT_PRIVATE_H
#define SOLVER_FLIGHT_PRIVATE_H

#include "general_private.h"
#include "rk8.h"

/* Between flight.c (rounds of steps) and arrival.c (points come onto lanes and leave them). */

#define UNIT 0x1p-53

/* All that goes with the point on a lane: rows of 32 doubles, so that a lane can be moved. */
struct rows {
    struct equation_lanes lanes;
    struct equation_state state;
    struct equation_slopes slopes;
    double next[LANES];                  /* the step that the error allows */
    double local[LANES];                 /* tolerance of a step */
    double floor[COMPONENTS_MAX][LANES]; /* an error is measured by floor + the norm of the state */
    double omega[COMPONENTS_MAX][LANES];
    double noise[COMPONENTS_MAX][LANES], drive[COMPONENTS_MAX][LANES]; /* at the last slopes */
    struct rk8_step step[COMPONENTS_MAX];
    struct rk8_errors errors[COMPONENTS_MAX];
    struct rk8_memory memory[COMPONENTS_MAX];
    /* What else a lane knows: whole numbers. */
    double point[LANES], stop[LANES], attempts[LANES], steps[LANES], tries[LANES];
    double fresh[LANES]; /* put on the lane in this round: f is not known yet */
    double worst[LANES]; /* error of the method over what is allowed, at the records so far */
    double limited[LANES];
};

#define ROWS (sizeof(struct rows) / (LANES * sizeof(double)))

/* The step that is being tried. */
struct attempt {
    double h[LANES], f[COMPONENTS_MAX][RK8_STAGES][LANES];
    double allowed[LANES]; /* for its error */
    double limit[LANES];   /* no stage is later */
    struct equation_state at, after;
    double local[COMPONENTS_MAX][2][LANES], estimate[COMPONENTS_MAX][LANES];
    double own[COMPONENTS_MAX][LANES]; /* the estimate before others raised it */
    double ratio[LANES], factor[LANES];
};

struct flight {
    struct rows rows;
    struct attempt attempt;
    double y_error[2][LANES];
    const struct general *g;
    const struct rk8 *rk8;
    struct flight_points *points;
    size_t n, next; /* lanes in use; the next point to be put on one */
};

/* Bounds of the parts of an error of z (row 0) or z' (row 1) where lane k stands. */
struct bound {
    double method, rounding, drive;
};
struct bound arrival_bound(const struct rows *l, int component, size_t k, int row);

/* The next point of the strip comes onto lane k; 0 when there is none. */
int arrival_next(struct flight *w, size_t k);

/* Stops that lane k stands at, and all other reasons to end a point. Returns 1 when lane k now has
 * the lane that was the last one, which must be looked at in its turn. */
int arrival_check(struct flight *w, size_t k);

#endif
