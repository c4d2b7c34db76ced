#ifndef LEAF_KERNEL_H
#define LEAF_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* The loops of a leaf's points. The same source is compiled once for each instruction set
 * (leaf_kernel.c); elementwise + - * in a fixed order give the same bits in all of them. */

#define KERNEL_KNOT 8 /* points between two given bounds */

struct leaf_kernel {
    const char *name;
    /* value[n] = polynomial of degree na at x[n], n a multiple of 64. */
    void (*evaluate)(const double *row, int na, const double *x, size_t n, double *value);
    /* Errors along a row: two bounds, `stated` and `doubt`, given at every eighth point and linear
     * between. error[n] = stated; returns whether doubt exceeds tolerance * max(1 + |value|, least)
     * anywhere, and where: doubtful[n] is 0 or -1. n is a multiple of 8. */
    int (*weigh)(const double *value, size_t n, const double *stated, const double *doubt,
                 double tolerance, double least, double *error, int64_t *doubtful);
    /* bound[n] of the columns from `first` on, a multiple of 8, with n rounded up to one. */
    void (*spread)(const double *knot, size_t first, size_t n, double *bound);
    /* An output that is sign * a number + constant, and its error as a float that is not smaller:
     * field[n], errors[n] (NULL: not wanted). Returns whether all of field is finite. */
    int (*deliver)(const double *value, const double *error, double sign, double constant, size_t n,
                   double *field, float *errors);
};

/* "portable", "avx2" or "avx512"; NULL when this processor or build lacks it. NULL asks for the
 * best, or what HILLSWEEP_ISA names. */
const struct leaf_kernel *leaf_kernel_find(const char *name);

#endif
