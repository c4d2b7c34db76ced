#ifndef SOLVER_GENERAL_PRIVATE_H
#define SOLVER_GENERAL_PRIVATE_H

#include "general.h"

/* Between general.c (what all points share) and flight.c (the lanes of a thread). */

#define NONE SIZE_MAX

struct stop {
    double t;
    size_t record;  /* of the outputs, or NONE */
    size_t segment; /* of w that begins here, or NONE */
    int is_break;   /* the expressions themselves may jump here */
};

struct general {
    struct equation equation;
    const struct outputs *outputs;
    const struct drive *drive;
    double from, last, tolerance;
    double slowest; /* 1 over that time: the least omega */
    double *breaks;
    size_t break_count;
    struct stop *stops;
    size_t stop_count;
    double y_start[2], y_error; /* at `from`; of both, in the norm of y */
};

/* One thread's lanes, and the points that pass through them. */
struct flight;

struct flight *flight_create(const struct general *g, const struct kernel *kernel);
void flight_destroy(struct flight *w);

/* Solves points and fills their value, error, limited and fault. -1 when yield stopped it; `done`
 * points of the block came before. */
struct flight_points {
    size_t count; /* <= STRIP */
    double q[STRIP], a[STRIP], start[2][STRIP];
    double *value, *error; /* [quantity][STRIP] */
    unsigned char limited[STRIP];
    char fault[STRIP][FAULT_BYTES];
};
int flight_solve(struct flight *w, struct flight_points *points, solver_yield_fn *yield, void *arg,
                 size_t done);

#endif
