#ifndef SOLVER_LATTICE_H
#define SOLVER_LATTICE_H

#include "kernel.h"
#include "nodes.h"
#include "plan.h"

/* The nodes of a leaf: the zeros of two Chebyshev polynomials laid over its ranges of a and q, and
 * two rows of spot points along the edges in q, at which what was fitted is checked. It turns to
 * one row at a time and has the fine parts' matrices of all its nodes; whoever asked reads off what
 * it needs and fits it. One thread's workspace. */

#define LATTICE_SPOT_ROWS 2

struct lattice {
    const struct parts *fine;
    const struct kernel *kernel;
    struct chebyshev_powers powers;
    const struct leaf *leaf;
    struct nodes nodes;
    size_t rows;   /* of nodes; LATTICE_SPOT_ROWS of spots follow */
    size_t blocks; /* of 32 lanes in a row of nodes; a row of spots is one block */
    /* the row at hand */
    size_t r;
    double q;
    double *row, *node; /* contracted fine parts; weights of its nodes, see kernel.h */
    /* the block at hand */
    double *x, *matrix; /* [32], [fine part][4][32] */
    double *spot;       /* [64] on [-1, 1], of which 32 count */
    double at[LANES];   /* its values of a */
    size_t lanes;       /* how many of them count; the rest repeat the last */
};

void lattice_init(struct lattice *l, const struct parts *fine, const struct kernel *kernel);
void lattice_fini(struct lattice *l);

void lattice_lay(struct lattice *l, const struct leaf *leaf);

/* Turns to row r, r < rows + LATTICE_SPOT_ROWS. */
void lattice_row(struct lattice *l, size_t r);

/* Solves block b of the row: nodes 32 b .. 32 b + lanes. A row of spots has block 0 alone. */
void lattice_block(struct lattice *l, size_t b);

/* Where row r is on [-1, 1]. */
double lattice_y(const struct lattice *l, size_t r);

/* Polynomial fits of values at the nodes. */
struct fit {
    int na, nq;     /* degrees kept */
    double dropped; /* sum of the terms that were dropped, and of those beyond the last */
    double terms;   /* sum of |coefficients|, in powers of x: what rounding is measured by */
    double *coef;   /* [nq + 1][na + 1]: of T_j(y) x^i; borrowed from the workspace */
};

/* value[r][NODE_STRIDE] at the nodes, rows r; drops what sums up to no more than `allowed`. work
 * has LATTICE_WORK doubles and holds the coefficients afterwards. */
#define LATTICE_WORK (3 * CHEBYSHEV_MAX * CHEBYSHEV_MAX)
void lattice_fit(const struct lattice *l, const double *value, double allowed, double *work,
                 struct fit *fit);

/* A share of the numbers size[r][NODE_STRIDE] at the nodes is smaller than this, give or take a
 * factor of two; they are positive. */
double lattice_quantile(const struct lattice *l, const double *size, double share);

/* What the fit of value[row][NODE_STRIDE] is off by at most: what it dropped or rounded, and
 * what the spots say. */
double lattice_off(const struct lattice *l, const struct fit *f, const double *value);

/* What of that may be roundings, which are independent of those of other fits. */
double fit_noise(const struct fit *f);

#endif
