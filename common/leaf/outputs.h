#ifndef LEAF_OUTPUTS_H
#define LEAF_OUTPUTS_H

#include "err.h"
#include "expr.h"
#include <stddef.h>
#include <stdint.h>

/* What the outputs of a job ask of the solution: which numbers, at which times. A function of the
 * job alone (and of whether half a period gives all of it), so that whoever has the job numbers
 * them alike. */

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

struct output_text {
    const char *name, *text; /* expression of a, q, z(T), dz(T), z1, dz1, z2, dz2, lnabs (T) */
};

/* All pointers are borrowed. Times are those of t[k], from the first one of the solution on; w_to
 * is where w.t ends; a period of 0 is none. */
struct outputs_spec {
    const struct output_text *outputs;
    size_t output_count;
    const double *times;
    size_t time_count;
    double w_to, period;
};

/* Compiles the outputs, and numbers what they ask for. half: half a period gives the monodromy
 * matrix. node[nodes]: times at which signs are looked at, where zeros are counted. */
int outputs_init(struct outputs *o, const struct outputs_spec *spec, struct err *err);
void outputs_number(struct outputs *o, const struct outputs_spec *spec, int half,
                    const double *node, size_t nodes);
void outputs_fini(struct outputs *o);

/* The quantity that a probe is, as it is or scaled, if it is no other's, as most are; else the
 * count of all. */
size_t outputs_only_quantity(const struct outputs *o, size_t probe);

/* Where the first period ends: times[0] + period, but not beyond w.t. */
double outputs_period_end(const struct outputs_spec *spec);

/* The start values z, z' as expressions of a and q; path z.start[i] where one is wrong. */
int starts_compile(const char *const text[2], struct expr *start[2], struct err *err);
/* Whether they are the same numbers for all points. */
int starts_alike(struct expr *const start[2]);

#endif
