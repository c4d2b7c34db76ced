#ifndef CLIENT_CURVES_H
#define CLIENT_CURVES_H

#include "buf.h"
#include "err.h"
#include "job.h"
#include "json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The edges of stability of a job's equation as polylines a(q), each value with its error: asked of
 * the solver (worker/edges.h says what they are), and written. */

/* Values at q[first] .. q[first + count - 1]. A curve that leaves the range of a and comes back has
 * several. */
struct curves_piece {
    size_t first, count;
    double *a, *error;
};

struct curves_line {
    char name[32]; /* a_3, b_3; lower_3, upper_3 */
    char kind[8];  /* even, odd; lower, upper */
    int64_t m;     /* zeros of the solution in a period: periodic for even m, else antiperiodic */
    struct curves_piece *pieces;
    size_t piece_count;
};

struct curves {
    double period, damping; /* damping: its mean */
    double even_about;      /* NaN: w is even about no time, or there is damping */
    double *q;
    size_t q_count, count, values; /* values: of all curves together */
    struct curves_line *lines;     /* by m */
};

/* For the q of the job's grid, as far as they are within the range of its a. ERR_JOB_REFUSED when
 * it has none. */
int curves_ask(const struct job *job, struct curves *out, struct err *err);
void curves_fini(struct curves *c);

/* Lines "name q a error", an empty one after each piece. */
void curves_rows(const struct curves *c, struct buf *out);
/* "curve,piece,q,a,error" and such lines; pieces of a curve are numbered from 0. */
void curves_csv(const struct curves *c, struct buf *out);
/* The document of client/schema.json. */
void curves_json(const struct curves *c, const char *name, struct buf *out);

#endif
