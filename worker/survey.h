#ifndef WORKER_SURVEY_H
#define WORKER_SURVEY_H

#include "buf.h"
#include "err.h"
#include <stddef.h>

/* `hillsweep-worker --probe`: what a job would cost on this machine, found by building its recipe
 * and solving a few sample blocks for about half a second of processor time at most, or ten seconds
 * where that is not to be had. The client's `check` runs it as a child, because only the worker
 * knows the solver.
 *
 * The answer is one JSON object:
 *
 *   isa, threads                 the code path, and the threads that seconds counts on
 *   points, tiles, result_bytes  of the whole grid
 *   wire_bytes                   as another machine's worker would send it: charts as leaves
 *   setup_ms                     to build w(t), its segments and the outputs, once per worker
 *   planned_ns                   a point, from the plan alone
 *   point_cost_ns                a point, measured; null when no sample could be ended in time
 *   seconds                      the whole grid on this machine's threads
 *   sampled_points, status       {done, failed, overflow, limited} of the samples
 *   worst_error                  the largest stated error of the samples over tolerance * (1 +
 *                                |value|); null without errors
 *   worst_field, worst_q, worst_a, worst_stated
 *                                where that is: field, point, and the stated error itself
 *   exact_stated                 the same with the exact w: what the interpolation of w costs. null
 *                                where w is exact or a table
 *   failed_reason                why a sample failed, or ""
 *   w_turns                      turning points of the exact w, for an interpolated one; else -1
 */

/* text: a job's text (JSON) or its document. On failure (ERR_JOB_REFUSED and the like) out is
 * empty. */
int survey_run(const void *text, size_t len, unsigned threads, struct buf *out, struct err *err);

#endif
