#ifndef SOLVER_PLAN_H
#define SOLVER_PLAN_H

#include "nodes.h"
#include "parts.h"

/* How a piece of the grid is solved as a whole, decided before anything is solved, from the drive
 * and the ranges of a and q alone: + - * / sqrt and literal constants, so that every machine plans
 * the same.
 *
 * Two forms. A *surface* is the solution at each output time as one polynomial in (a, q); m
 * *products* are the propagators of m stretches of time as polynomials, multiplied per point. A
 * surface is cheaper for each point; products are safe against growth, because a polynomial can
 * only be as exact as the largest value on its piece. A piece whose solutions grow too differently
 * is halved, in a or in q or in both, when that is cheaper. */

enum leaf_form { LEAF_POINTS, LEAF_SURFACE, LEAF_PRODUCTS };

#define LEAF_STRETCHES_MAX 64

/* A piece of the grid and how it is solved. */
struct leaf {
    size_t q0, q1, a0, a1; /* index block */
    double q_low, q_high, a_low, a_high;
    enum leaf_form form;
    int na, nq; /* degrees */
    size_t stretches;
    size_t cut[LEAF_STRETCHES_MAX + 1]; /* nodes of the fine parts where stretches end */
    double cost;                        /* estimated, of the whole piece, ns */
};

/* What a plan knows of the job. */
struct outlook;

/* `fine` has the parts by which nodes are solved; `records` are its nodes at the output times. The
 * counts say how many numbers a point gives; a surface is possible when the start is the same for
 * all points. Borrows d and fine. */
struct outlook_spec {
    const struct drive *drive;
    const struct parts *fine;
    const size_t *record;
    size_t record_count;
    size_t vectors, probes; /* solutions carried along; numbers read off them */
    int surfaces;           /* whether surfaces are possible */
    int products;           /* whether products are */
    int always;             /* never by points where a piece can be solved as a whole */
    double tolerance;
    double point_ns; /* of a point by itself */
};

struct outlook *outlook_create(const struct outlook_spec *spec);
void outlook_destroy(struct outlook *o);

#define LEAVES_MAX 1024

/* Cuts the index block of `root` (ranges filled in) into leaves; returns their number. q and a are
 * the axes. */
size_t plan_root(const struct outlook *o, const struct leaf *root, const double *q, const double *a,
                 struct leaf leaves[LEAVES_MAX]);

/* The piece as products of about m stretches; -1 when that is not possible. */
int plan_products(const struct outlook *o, const struct leaf *piece, size_t m, struct leaf *out);

#endif
