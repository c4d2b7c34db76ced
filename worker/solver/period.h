#ifndef SOLVER_PERIOD_H
#define SOLVER_PERIOD_H

#include "drive.h"

/* Whether what the equation consists of repeats itself: w, u, v and the damping are compared with
 * themselves a period later wherever w.t has both, and at the ends of a w.t of one period. They may
 * differ by what they are known to be off by, and by roundings of the times. An end that is listed
 * in w.breaks may be a jump. Refused (ERR_JOB_REFUSED, path w.period) with where and by how much.
 */

int period_check(const struct drive *d, const struct sweep_spec *spec, struct err *err);

#endif
