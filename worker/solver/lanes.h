#ifndef SOLVER_LANES_H
#define SOLVER_LANES_H

#include "level.h"
#include "margin.h"

/* Solves up to 32 points of one row (one q) at one level, and judges the result. */

struct lanes_work;

struct lanes_work *lanes_create(const struct sweep *s, const struct kernel *kernel);
void lanes_destroy(struct lanes_work *w);

/* The rows that will be turned to next at a level, at most LEVEL_ROWS: to be made together. */
void lanes_ahead(struct lanes_work *w, enum level level, const double *q, size_t n);

/* Turns to a row at a level; 0 when there is no such level. */
int lanes_row(struct lanes_work *w, enum level level, double q);

/* The parts of LEVEL_LEAF, and what the errors of its nodes are, whose rows the caller turns:
 * borrowed until the next call. */
void lanes_take_leaf(struct lanes_work *w, const struct parts *parts, const struct margin *margin);

/* The strip that is to be solved at LEVEL_LEAF. */
void lanes_take_strip(struct lanes_work *w, const struct strip *strip);

/* Solves the points at[0..n), n <= 32, of the strip on the row and level at hand and stores their
 * quantities. Lists those whose error leaves the tolerance in again[] and returns their number: a
 * finer level may do better. */
size_t lanes_solve(struct lanes_work *w, struct strip *strip, const uint16_t *at, size_t n,
                   uint16_t *again);

#endif
