#ifndef WORKER_EDGES_H
#define WORKER_EDGES_H

#include "buf.h"
#include "err.h"
#include <stddef.h>

/* `hillsweep-worker --boundaries`: the edges of stability of a job's equation as curves a(q), for
 * the q of its grid, as far as they lie within the range of its a. The client's `boundaries` runs
 * it as a child, because only the worker knows the solver.
 *
 * The answer is one JSON object:
 *
 *   period       of w
 *   damping      its mean; 0: none
 *   even_about   the time that w, u and v are even about; null: none
 *   q            the values
 *   curves       [{name, kind, m, pieces}], by m; kind is "even" or "odd" (a_m, b_m) about that
 *                time, else "lower" or "upper" (of gap m)
 *   pieces       [{first, a, error}]: the values from q[first] on, without a gap
 */

/* text: a job's text (JSON) or its document. On failure (ERR_JOB_REFUSED and the like) out is
 * empty. */
int edges_run(const void *text, size_t len, struct buf *out, struct err *err);

#endif
