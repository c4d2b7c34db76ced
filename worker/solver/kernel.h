#ifndef SOLVER_KERNEL_H
#define SOLVER_KERNEL_H

#include "parts.h"

/* The loops that run for every point, over 32 virtual lanes: 32 values of a with one q. The same
 * source is compiled once for each instruction set (kernel.c); elementwise + - * in a fixed order
 * give the same bits in all of them. Arrays over lanes are [..][32], aligned to 64 bytes. */

#define LANES 32

struct kernel {
    const char *name;
    /* The polynomials in (a, q) at one q, y = (q - q0) * q_inverse: row[parts->row_count]. */
    void (*contract)(const struct parts *p, double y, double *row);
    /* Matrices of all parts at x: matrix[count][4][32]. */
    void (*propagate)(const struct parts *p, const double *row, const double *x, double *matrix);
    /* state[count + 1][2][32] from state[0]. Every p->every parts a lane is brought back to a
     * moderate size: scale[node / every][32] are the powers of two it was multiplied by. */
    void (*forward)(const struct parts *p, const double *matrix, double *state, double *scale);
    /* From a node back to the start with row (z, p) at that node, and the states of forward:
     * sum[0][32] = sum over parts of cross[n] |row after n| |state before n|,
     * sum[1][32] = sum over nodes of node[n] |row| |state|, sum[2][32] = the same without weights.
     * Norms are 1-norms, and everything is relative to the scale of the state at the node. */
    void (*backward)(const struct parts *p, const double *matrix, const double *state,
                     const double *scale, const double *node, size_t at, double row_z, double row_p,
                     double *sum);
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
