#ifndef LEAF_STRIP_H
#define LEAF_STRIP_H

#include "outputs.h"

/* Points of one row (one q) on their way to the fields: the numbers that outputs ask for, with
 * their errors. */

#define LANES 32  /* points that are solved in step */
#define STRIP 256 /* points that are solved before the outputs are evaluated */

struct strip {
    size_t count;
    size_t column; /* of the first point, in its leaf */
    double q;
    const double *a;              /* at least 32 more numbers follow, whatever they are */
    double start[2][STRIP];       /* z, z' */
    double *value, *error;        /* [quantity][STRIP], aligned to 64 bytes, ... */
    double *exponent;             /* ... times 2^exponent where the quantity is scaled: */
    int has_exponents;            /* any that is not 0 */
    unsigned char limited[STRIP]; /* rounding decides */
};

/* Stores the numbers of one probe, value[i] and error[i] of point i, as quantity j. */
void strip_put(struct strip *strip, size_t j, const double *value, const double *error,
               enum quantity_kind kind);

/* ln|v| of v 2^exponent, and its error. */
void strip_log(double *v, double *e, int exponent);

/* n doubles, zeroed, aligned to 64 bytes as vectors of any width want them; free() ends them. */
double *lanes_array(size_t n);

#endif
