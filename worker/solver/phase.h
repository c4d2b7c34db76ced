#ifndef SOLVER_PHASE_H
#define SOLVER_PHASE_H

#include "lanes.h"

/* Points by phase and amplitude: for jobs whose solutions oscillate (or grow) so fast that the
 * parts of parts.h, one for every few radians, would be many. Time is cut where w changes its
 * shape; each stretch is one propagator, whatever K is (phase_kernel.h), and is halved for those
 * lanes that need it: towards turning points, down to Taylor series on the scale of an oscillation.
 * So a point costs what w's shape costs, some stretches for each turning point, and nothing for the
 * frequency.
 *
 * What is halved depends on the point alone; lanes part and meet again. */

struct phase; /* what all points share; immutable once made */

/* Borrows the sweep, whose drive and outputs are there. Few segments and knots become stretches on
 * which w, u, v and the damping are polynomials, or as good as. */
struct phase *phase_create(const struct sweep *s);
void phase_destroy(struct phase *p);

/* Estimated time of a point in nanoseconds of the machine that plans speak of: the mean of 25
 * points of the grid, whose stretches are counted. INFINITY when one of them would take more than
 * PHASE_MOST. */
double phase_point_ns(const struct phase *p);

#define PHASE_MOST 10000 /* stretches of a point; beyond that it is not a matter of phases */

/* How many points of a strip are best solved at once: all, unless their stretches are so many that
 * they would take many megabytes. */
size_t phase_together(const struct phase *p);

struct phase_work; /* one thread's */

struct phase_work *phase_work_create(const struct phase *p, const struct kernel *kernel);
void phase_work_destroy(struct phase_work *w);

/* As lanes_solve, but up to a strip of points at once, and at levels of its own: each a thousandth
 * of what the method may be off at the one before, down to every digit there is. */
#define PHASE_LEVELS 4
size_t phase_solve(struct phase_work *w, struct strip *strip, const uint16_t *at, size_t n,
                   int level, uint16_t *again);

/* Whether another level could do better. */
int phase_is_last(const struct phase *p, int level);

#endif
