#ifndef SOLVER_SWEEP_PRIVATE_H
#define SOLVER_SWEEP_PRIVATE_H

#include "cycle.h"
#include "floquet.h"
#include "kernel.h"
#include "outputs.h"
#include "plan.h"
#include "sweep.h"

/* Between sweep.c and solver.c. */

/* Points by themselves: the coarse level meets the tolerance at almost all points at least cost;
 * the fine one has every digit there is, and solves the points whose error at the other turns out
 * too large, as well as the nodes of leaves. The third is the leaf at hand (products.h), a thread's
 * own.
 */
enum level { LEVEL_COARSE, LEVEL_FINE, LEVEL_LEAF, LEVELS };

/* Made when it is first needed. Which thread makes it does not matter, for it is a function of the
 * job alone. */
struct late {
    _Atomic(struct parts *) parts[LEVEL_LEAF];
};

struct sweep {
    double *q, *a;
    size_t q_count, a_count;
    double from, last;
    double tolerance; /* of what is solved: less than what is promised where more is made of it */
    double promised;
    struct grid grid;
    struct drive *drive;
    struct expr *start[2];
    struct outputs outputs;
    struct cycle cycle;
    struct general *general; /* what solves z.ddz and coupled drives; NULL: parts do */
    struct phase *phase;     /* what solves points by themselves; NULL: parts do */
    enum sweep_method method;
    size_t q_blocks, a_blocks; /* the tiles */
    double reach, target;      /* of the coarse level */
    double point_ns;           /* of a point by itself, for plans: not this machine's */
    int fine_is_coarse;        /* the coarse level has every digit already */
    struct outlook *outlook;   /* NULL: by points */
    struct late *late;
    double u_bound, v_bound, w_bound; /* over [from, last] */
    double slowest;                   /* 1 over that time: the least omega of a point */
};

/* The parts of a level; NULL when there is no such level. Safe from any thread. */
const struct parts *sweep_level(const struct sweep *s, enum level level);

/* What plans of tiles need to know; NULL when the job is solved by points. Safe from any thread. */
const struct outlook *sweep_outlook(const struct sweep *s);

/* The tile that holds the point (q, a), by index: its block and ranges, as yet without a plan. */
void sweep_tile(const struct sweep *s, size_t q, size_t a, struct leaf *tile);

/* What the outputs of a job are numbered by. */
struct outputs_spec sweep_outputs(const struct sweep_spec *spec);

/* omega of DESIGN's error contract at a point. */
double sweep_omega(const struct sweep *s, double a, double q);

/* What its points share of a period; once the drive is the job's own. */
struct floquet_facts sweep_facts(const struct sweep *s);

/* With the kernel of a given instruction set, for tests. */
struct solver *solver_create_with(const struct sweep *s, const struct kernel *kernel);

#endif
