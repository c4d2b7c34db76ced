#ifndef LEAF_FLOQUET_PRIVATE_H
#define LEAF_FLOQUET_PRIVATE_H

#include "floquet.h"
#include "monodromy.h"
#include <float.h>

/* Between floquet.c and floquet_late.c. */

#define UNIT (0.5 * DBL_EPSILON)
#define LIBM 4.0 /* of asinh, atan2 and the like, in 2^-53 */

extern const double floquet_ones[LANES];

/* The points of a chunk, in lanes. */
struct places {
    const uint16_t *at;
    size_t n; /* lanes beyond repeat the last */
    int run;  /* all lanes, one point after the other */
};

struct floquet {
    struct floquet_facts facts;
    const struct outputs *outputs;
    const struct monodromy_kernel *kernel;
    int may_be_large;                     /* an entry */
    int starts_moderate;                  /* all of them, for sure */
    double damping, damping_error, decay; /* L, its error, e^L */
    /* the chunk at hand */
    struct entry entry[4], row[2];
    struct monodromy m;
    struct monodromy_doubt doubt;
    double a[LANES], zeros[LANES], start[2][LANES], start_exponent[LANES];
    struct roots roots;
    struct carry carry;
    uint64_t periods; /* to the power of which carry's c, s belong, or 0 */
    /* What is being derived: its error is to be promised (scale + |value|) at most. They point to
     * where it belongs, or to room. */
    double *value, *error;
    const double *scale;
    double value_room[LANES], error_room[LANES], scale_room[LANES];
};

/* omega of DESIGN's error contract at a point. */
double floquet_omega(const struct floquet_facts *facts, double a, double q);

/* v 2^exponent. */
double floquet_scaled(double v, double exponent);

/* Values where they are if they are one after the other, else in room. */
const double *floquet_look_at(const double *from, const struct places *p, double room[LANES]);

/* Quantity j of the strip. */
void floquet_take(struct entry *e, const struct strip *strip, size_t j, const struct places *p);

/* z(T) and its like (DERIVED_LATE), in floquet_late.c. */
void floquet_find_late(struct floquet *f, const struct derived *d, const struct strip *strip,
                       const struct places *p);

#endif
