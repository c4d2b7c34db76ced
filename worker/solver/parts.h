#ifndef SOLVER_PARTS_H
#define SOLVER_PARTS_H

#include "drive.h"
#include "strip.h"

/* How the points of a job are solved: the time axis cut into parts, and for each part the 2x2
 * propagator of (z, p = z' / omega) as a polynomial in (a, q) that holds on the whole grid. A point
 * is then the product of the parts' matrices, whatever w looks like inside them: knots, jumps and
 * tiny segments are paid for once per job (series.h), not per point.
 *
 * The entries are Taylor series about the middle of the grid, economised to the degree that the
 * error target needs (Chebyshev series in a, cut, and back to powers for Horner). Parts end where
 * an output asks for the solution. Only + - * / sqrt: the bits are the same on every machine. */

struct grid {
    double a_min, a_max, q_min, q_max;
    double points; /* what the cost of a plan is weighed against */
};

struct part {
    double t0, t1;
    int na, nq;       /* degrees */
    size_t width;     /* of a row, [na + 1][4] and zeros up to a multiple of 8 */
    size_t coef, row; /* where parts.coef has [nq + 1][width], and a row [width] */
};

struct parts {
    int chebyshev; /* coefficients are of Chebyshev polynomials in q, else of powers */
    double reach;  /* largest sqrt(max |K|) * length of a part */
    struct part *part;
    size_t count;
    double *coef; /* entries in the order zz, zp, pz, pp; innermost; aligned to 64 bytes */
    size_t coef_count, coef_cap, row_count;
    size_t *record; /* node (number of parts before it) of each recorded time */
    double a0, a_inverse, q0, q_inverse; /* x = (a - a0) * a_inverse */
    double omega; /* a power of two, at least sqrt(max |K|) and 1 over the time covered */
    double rate;  /* a power of two: kappa is that of states (z, z' / rate) */
    size_t every; /* states are rescaled every so many parts, before they can overflow */
    /* Error weights. A part's own error (truncation and rounding) times |row after| |state before|:
     */
    double *cross;
    /* of w, u, v and the damping, times |row| |state| at a node: node[n] + |q| node_q[n] */
    double *node, *node_q;
};

/* One plan with parts of the given reach, each entry of each part to `target`. `record` has
 * increasing times from drive->t0 on; `from` is where the solution starts. */
int parts_create(const struct drive *d, const struct grid *g, double from, const double *record,
                 size_t record_count, double reach, double target, struct parts **out,
                 struct err *err);
void parts_destroy(struct parts *p);

/* The reach that solves the grid at the least estimated cost for this tolerance; *point_ns gets the
 * cost of a point in nanoseconds of some machine. */
double parts_reach(const struct drive *d, const struct grid *g, double from, const double *record,
                   size_t record_count, double tolerance, double *point_ns);

/* How many parts that are. */
double parts_estimate(const struct drive *d, const struct grid *g, double from,
                      const double *record, size_t record_count, double reach);

/* Room for the coefficients of a part whose degrees are set, zeroed; borrowed until the next call.
 */
double *parts_room(struct parts *p, struct part *part);

/* What the coefficients of a row at this q are multiplied by: weight[PARTS_WEIGHTS]. */
#define PARTS_WEIGHTS 64
void parts_weights(const struct parts *p, double q, double *weight);

/* Multiplications of one point. */
double parts_operations(const struct parts *p);

/* Bound of |u + a v + q w| over [from, to], from bounds of |a| and |q|. */
double parts_stiffness(const struct drive *d, double a, double q, double from, double to);

#define PARTS_REACH_FINE 3.0 /* parts as short as this lose no digits */
#define PARTS_MAX        32768

#endif
