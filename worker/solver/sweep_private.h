#ifndef SOLVER_SWEEP_PRIVATE_H
#define SOLVER_SWEEP_PRIVATE_H

#include "cycle.h"
#include "expr.h"
#include "kernel.h"
#include "plan.h"
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

#define NO_QUANTITY SIZE_MAX

/* A number that outputs use, or others are derived from. */
enum quantity_kind {
    QUANTITY_VALUE,   /* z(T), dz(T) and their like */
    QUANTITY_LOG,     /* ln|z(T)| */
    QUANTITY_SCALED,  /* as VALUE, times a power of two that is kept */
    QUANTITY_ZEROS,   /* how often the solution has changed its sign, counted at ends of parts */
    QUANTITY_DERIVED, /* from others (floquet.h): has no probe */
};
struct quantity {
    size_t probe;
    enum quantity_kind kind;
};

struct output {
    char *name;
    struct expr *expr;
    size_t *quantity; /* of the expression's inputs after a and q; NO_QUANTITY: not used */
    size_t quantity_count;
};

enum derived_kind { DERIVED_TRACE, DERIVED_MU, DERIVED_NU, DERIVED_STABLE, DERIVED_LATE };

/* What follows from the monodromy matrix, and goes to a quantity. */
struct derived {
    enum derived_kind kind;
    size_t quantity;
    /* DERIVED_LATE: z or z' of a solution, so many periods and a rest after the first time */
    double time;
    enum vector_kind vector;
    int row, is_log;
    uint64_t periods;
    double time_error; /* of the rest, by roundings of the time */
    size_t entry[2];   /* quantities: the row of the propagator over the rest; none: it is 0 */
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
    struct derived *derived;
    size_t derived_count;
    size_t entry[4], zeros; /* quantities: z1, z1', z2, z2' and the zeros of z2, that ... */
    int half;               /* ... belong to half a period; they come before all others */
    uint64_t most_periods;
    int has_monodromy, counts_zeros;
};

/* Compiles the outputs, and numbers what they ask for. half: half a period gives the monodromy
 * matrix. node[nodes]: times at which signs are looked at, where zeros are counted. */
int outputs_init(struct outputs *o, const struct sweep_spec *spec, struct err *err);
void outputs_number(struct outputs *o, const struct sweep_spec *spec, int half, const double *node,
                    size_t nodes);
void outputs_fini(struct outputs *o);

/* The quantity that a probe is, as it is or scaled, if it is no other's, as most are; else the
 * count of all. */
size_t outputs_only_quantity(const struct outputs *o, size_t probe);

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
};

/* The parts of a level; NULL when there is no such level. Safe from any thread. */
const struct parts *sweep_level(const struct sweep *s, enum level level);

/* What plans of tiles need to know; NULL when the job is solved by points. Safe from any thread. */
const struct outlook *sweep_outlook(const struct sweep *s);

/* The tile that holds the point (q, a), by index: its block and ranges, as yet without a plan. */
void sweep_tile(const struct sweep *s, size_t q, size_t a, struct leaf *tile);

/* omega of DESIGN's error contract at a point. */
double sweep_omega(const struct sweep *s, double a, double q);

/* With the kernel of a given instruction set, for tests. */
struct solver *solver_create_with(const struct sweep *s, const struct kernel *kernel);

#endif
