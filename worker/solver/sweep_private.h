#ifndef SOLVER_SWEEP_PRIVATE_H
#define SOLVER_SWEEP_PRIVATE_H

#include "expr.h"
#include "kernel.h"
#include "sweep.h"

/* Between sweep.c, output.c and solver.c. */

/* The vectors a point can carry along: its own start values and the two fundamental solutions. */
enum vector_kind { VECTOR_START, VECTOR_ONE, VECTOR_TWO, VECTOR_COUNT };

/* One component of one vector at one recorded time: what an error is computed for. */
struct probe {
    enum vector_kind vector;
    int row; /* 0: z, 1: z' */
    size_t record;
};

/* A number that outputs use: z(T), dz(T) or lnabs(T) and their like. */
struct quantity {
    size_t probe;
    int is_log; /* ln|z| */
};

struct output {
    char *name;
    struct expr *expr;
    size_t *quantity; /* of the expression's solutions, in their order */
    size_t quantity_count;
};

struct outputs {
    struct output *output;
    size_t count;
    struct quantity *quantity;
    size_t quantity_count;
    struct probe *probe;
    size_t probe_count;
    double *record; /* times, increasing, without repetition */
    size_t record_count;
    int uses[VECTOR_COUNT];
};

int outputs_init(struct outputs *o, const struct sweep_spec *spec, struct err *err);
void outputs_fini(struct outputs *o);

/* Level 0 meets the tolerance at almost all points at least cost; level 1 has every digit there is,
 * and solves the points whose error at level 0 turns out too large. */
#define LEVELS 2

/* Level 1, made when the first point asks for it: most jobs never do. Which thread makes it does
 * not matter, for it is a function of the job alone. */
struct fine {
    _Atomic(struct parts *) parts;
};

struct sweep {
    double *q, *a;
    size_t q_count, a_count;
    double from, last, tolerance;
    struct grid grid;
    struct drive *drive;
    struct expr *start[2];
    struct outputs outputs;
    struct parts *coarse;             /* level 0 */
    struct fine *fine;                /* NULL when level 0 is fine already */
    double u_bound, v_bound, w_bound; /* over [from, last] */
};

/* The parts of a level; NULL when there is no such level. Safe from any thread. */
const struct parts *sweep_level(const struct sweep *s, int level);

/* With the kernel of a given instruction set, for tests. */
struct solver *solver_create_with(const struct sweep *s, const struct kernel *kernel);

#endif
