#ifndef SOLVER_KERNEL_H
#define SOLVER_KERNEL_H

#include "leaf_kernel.h"
#include "parts.h"

/* The loops that run for every point, over 32 virtual lanes: 32 values of a with one q, of which
 * the first `lanes` count. The same source is compiled once for each instruction set (kernel.c);
 * elementwise + - * in a fixed order give the same bits in all of them. Arrays over lanes are
 * [..][32], aligned to 64 bytes. */

#define KERNEL_ROWS 4

/* One number's values per lane, and how it is judged: with an S = 1 + hypot(z, z' / omega) that is
 * at most 8 % too small, times `tolerance`, against the method's error and against `rounding` times
 * the sum of all |row| |state|. The arrays are the caller's, [32]. */
struct reading {
    int row;                                 /* 0: z, 1: z' */
    double unit, slope, tolerance, rounding; /* of the number; omega of p over that of the point */
    const double *stated;                    /* another error, to be added; NULL: none ... */
    const double *doubt;                     /* ... and a bound to be judged, too, by an S of ... */
    double least;                            /* ... at least this */
    double *value, *error;                   /* times 2^exponent */
    double *size;                            /* S */
    int64_t *doubtful;                       /* 0 or -1 */
    int exponent[LANES];
    int has_exponents; /* any that is not 0, or may be */
};

struct kernel {
    const struct leaf_kernel *leaf; /* of the same instruction set */
    /* The polynomials in (a, q) at one q, whose powers or Chebyshev polynomials are `weight`
     * (parts_weights): row[parts->row_count]. */
    void (*contract)(const struct parts *p, const double *weight, double *row);
    /* The same at KERNEL_ROWS values of q at once, which reads the coefficients once. */
    void (*contract_rows)(const struct parts *p, const double *const *weight, double *const *row);
    /* Matrices of all parts at x: matrix[count][4][32]. */
    void (*propagate)(const struct parts *p, const double *row, const double *x, size_t lanes,
                      double *matrix);
    /* state[count + 1][2][32] from state[0]. Every p->every parts a lane is brought back to a
     * moderate size: scale[node / every][32] are the powers of two it was multiplied by. Returns
     * whether any of them is not 1. */
    int (*forward)(const struct parts *p, const double *matrix, size_t lanes, double *state,
                   double *scale);
    /* From a node back to the start with row 0 (z) or 1 (p) at that node, and the states of
     * forward: sum[0][32] = sum over parts of cross[n] |row after n| |state before n|, sum[1][32] =
     * sum over nodes of node[n] |row| |state|, sum[2][32] = the same without weights. Norms are
     * 1-norms, and everything is relative to the scale of the state at the node. */
    void (*backward)(const struct parts *p, const double *matrix, size_t lanes, const double *state,
                     const double *scale, const double *node, size_t at, int row, double *sum);
    /* The matrices of parts [n0, n1) multiplied: product[4][32]. */
    void (*multiply)(const double *matrix, size_t n0, size_t n1, double *product);
    /* kappa^2 of row 0 (z) or 1 (z'), a number for each lane, at node `at` of states that were
     * never rescaled: the largest |row of P(at, s)|^2 |(z, z')(s)|^2 over the nodes s, Euclidean
     * norms of z and z' / p->rate. */
    void (*conditioning)(const struct parts *p, const double *matrix, size_t lanes,
                         const double *state, size_t at, int row, double *kappa_squared);
    /* out[i] += sum over j < n of c[j * c_stride] row[j][i], i < width at least; rows of 64. */
    void (*accumulate)(double *out, const double *c, size_t c_stride, const double *row, size_t n,
                       size_t width);
    /* Reads a number off the state[2][32] at a node and the sums that backward came home with;
     * returns whether any lane is doubtful. */
    int (*read)(const double *state, const double *sum, size_t lanes, struct reading *r);
};

/* Powers of two a lane is brought back by, and the size that calls for it. */
#define KERNEL_SHRINK 0x1p-320
#define KERNEL_GROW   0x1p+320
#define KERNEL_SHIFT  320
#define KERNEL_LARGE  0x1p+300
#define KERNEL_SMALL  0x1p-300

/* "portable", "avx2" or "avx512"; NULL when this processor or build lacks it. NULL asks for the
 * best, or what HILLSWEEP_ISA names. */
const struct kernel *kernel_find(const char *name);

#endif
