#ifndef SOLVER_SWEEP_H
#define SOLVER_SWEEP_H

#include "err.h"
#include "outputs.h"
#include "point_status.h"
#include <stddef.h>
#include <stdint.h>

/* The numerics of one job. A `sweep` is everything that all points share: the drive w(t) cut into
 * time segments, the compiled outputs, the axes. It is made once, is immutable afterwards and may
 * be read by any number of threads. A `solver` is one thread's workspace. Neither opens files or
 * sockets, prints, reads a clock or keeps global state.
 *
 *   z'' + damping(t) z' + [u(t) + a v(t) + q w(t)] z = 0,   z(times[0]), z'(times[0]) given
 *
 * or any z'' = ddz(t, z, z', a, q, w) instead. */

enum sweep_interpolation {
    SWEEP_EXACT, /* y is integrated to the very nodes of the segments */
    SWEEP_LINEAR,
    SWEEP_CSPLINE,
    SWEEP_AKIMA,
    SWEEP_STEFFEN,
    SWEEP_PERIODIC, /* gsl_interp_cspline_periodic */
    SWEEP_COUPLED,  /* y is integrated along with z, point by point */
};

enum sweep_method {
    SWEEP_AUTO,  /* whatever costs least by the plan, which looks at the job alone */
    SWEEP_POINT, /* each point by itself */
    SWEEP_TILE,  /* tile by tile, wherever the check of a tile allows it */
    SWEEP_PHASE, /* each point by itself, by phase and amplitude (for tests) */
};

/* All pointers are borrowed until sweep_create returns. Texts are expressions (expr.h). */
struct sweep_spec {
    const char *f; /* y'' + f(t) y = 0; NULL when w needs no y */
    double y_from, y_to, y_start[2];

    const char *w; /* expression of t, y, dy; NULL when there is a table */
    double w_from, w_to;
    double period; /* of w, u, v, damping; 0: none. w.t has one from times[0] on */
    enum sweep_interpolation interpolation;
    size_t knots; /* equidistant over [w_from, w_to]; ignored for SWEEP_EXACT and tables */
    const double *table_t, *table_w;
    size_t table_count; /* table: t increasing, covers [w_from, w_to] */
    const double *breaks;
    size_t break_count; /* jumps and kinks of w, increasing */

    const char *u, *v, *damping; /* expressions of t, y, dy; NULL: 0, 1, 0 */
    const char *ddz;        /* z'' as an expression of t, z, dz, a, q, w; NULL: the form above */
    const char *z_start[2]; /* z, z' at times[0]: expressions of a, q */
    const double *times;
    size_t time_count;

    const double *q, *a; /* the axes */
    size_t q_count, a_count;

    const struct output_text *outputs;
    size_t output_count;
    double tolerance;

    enum sweep_method method;
    uint32_t q_blocks, a_blocks; /* tiles: block k of n values is [floor(n k / blocks), ..); 0: 1 */
};

struct sweep;

/* Integrates y, tabulates w, plans and fills the parts (README.md): milliseconds as a rule. Errors
 * are ERR_JOB_REFUSED (what is wrong with the job: the path names the key) or ERR_OTHER. An
 * interpolated w turns GSL's error handler off for the process, because its default aborts. */
int sweep_create(const struct sweep_spec *spec, struct sweep **out, struct err *err);
void sweep_destroy(struct sweep *s);

/* The segment table as bytes (little-endian, a few kB) that another machine can adopt, so that all
 * use the same bits. encode returns owned bytes. adopt compares with the sweep's own table within
 * its error and then takes the bytes' values; -1 when they differ by more (err says where) or are
 * damaged. It must come before the first solver_create. */
unsigned char *sweep_table_encode(const struct sweep *s, size_t *len);
int sweep_table_adopt(struct sweep *s, const unsigned char *table, size_t len, struct err *err);

/* The drive itself, for w.npy and for pictures: up to `max` samples (t, w) over [w_from, w_to]: the
 * knots or table where there are such, else equidistant. Returns the number written. */
size_t sweep_drive_samples(const struct sweep *s, size_t max, double *t, double *w);

/* An index block of the grid: q[q0..q1), a[a0..a1). */
struct block {
    size_t q0, q1, a0, a1;
};

struct solver;

struct solver *solver_create(const struct sweep *s); /* borrows s; returns owned */
void solver_destroy(struct solver *s);

/* Called between slices of at most about a millisecond of work; a non-zero return stops the block.
 * points_done counts within the block. */
typedef int solver_yield_fn(void *arg, size_t points_done);

/* Solves the points of one block. fields[k] and errors[k] (errors may be NULL) have the block's
 * shape (q1-q0, a1-a0), C order; status too. errors[k] bounds |fields[k] - truth|, truth being the
 * solution with the exact w; +inf where it does not fit a float. Every number depends on the sweep
 * and the point alone, not on the block, the thread or the instruction set. Returns 0, or -1 when
 * yield stopped it (the arrays then mean nothing). A point that cannot be solved has status
 * POINT_FAILED and NaN fields. */
int solver_block(struct solver *s, const struct block *b, double *const *fields,
                 float *const *errors, uint8_t *status, solver_yield_fn *yield, void *arg);

/* The same for a whole tile, and writes it down as leaves, too (leaves.h), which say the same in a
 * few kilobytes; leaves->len is 0 where that is not possible or there is no room for it. Where the
 * caller says that they suffice, and leaves->alone says that they do, the arrays mean nothing. */
struct leaves_out;
int solver_tile(struct solver *s, const struct block *b, double *const *fields,
                float *const *errors, uint8_t *status, struct leaves_out *leaves,
                solver_yield_fn *yield, void *arg);

/* Why the first failed point of the last block failed, or "". Borrowed until the next call. */
const char *solver_reason(const struct solver *s);

/* Estimated time of one point on this machine in nanoseconds, from the number of operations alone.
 */
double sweep_point_cost_ns(const struct sweep *s);

/* The code path in use: "portable", "avx2" or "avx512" (HILLSWEEP_ISA overrides the processor). */
const char *solver_isa(void);

#endif
