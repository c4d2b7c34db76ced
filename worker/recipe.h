#ifndef WORKER_RECIPE_H
#define WORKER_RECIPE_H

#include "buf.h"
#include "err.h"
#include "job.h"
#include "planes.h"
#include "sweep.h"
#include <stdint.h>

/* One job made ready for solving: its document, the job in it, the solver's sweep with its drive
 * table, and one workspace for each solver thread. It knows nothing of the broker.
 *
 * Life: create (I/O thread), build, then adopt if the job's table is another one (on any one
 * thread, nobody else using the recipe), then solve from many threads at once, then destroy when no
 * thread is in it any more. */

struct recipe;

/* takes the document's bytes (document becomes empty); threads: how many will solve. */
struct recipe *recipe_create(struct buf *document, unsigned threads);
void recipe_destroy(struct recipe *p);

/* Decodes the document, builds the sweep and its table. Takes milliseconds to seconds. The errors
 * are job_decode's and sweep_create's. */
int recipe_build(struct recipe *p, struct err *err);

const struct job *recipe_job(const struct recipe *p); /* NULL before it is built */
const struct buf *
recipe_table(const struct recipe *p); /* the drive table of PROTOCOL.md, section 7 */

/* Takes the values of the job's own table. -1 when it is malformed or differs by more than its
 * error (ERR_OTHER). */
int recipe_adopt(struct recipe *p, const void *table, size_t len, struct err *err);

/* Solves points [first, first + count) of a tile, in the tile's C order, into fresh planes of
 * `count` points, with the workspace of thread `thread`. -1 when yield stopped it. Planes that may
 * come as leaves are those of a whole tile. */
int recipe_solve(struct recipe *p, unsigned thread, uint32_t tile, uint32_t first, uint32_t count,
                 struct planes *out, solver_yield_fn *yield, void *arg);

/* A job from its text (JSON) or its document, whichever it is. *out is returned owned. */
int recipe_read_job(const void *text, size_t len, struct job **out, struct err *err);

/* The job in the solver's terms. outputs has room for job->output_count; spec borrows from both. */
void recipe_spec(const struct job *job, struct output_text *outputs, struct sweep_spec *spec);

#endif
