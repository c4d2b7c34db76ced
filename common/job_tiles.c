/* See job.h: how a grid is cut into tiles. The rule looks at the job alone and uses + - * / sqrt
 * only, so that every machine and every version of the C library cuts the same tiles; the constants
 * are literals, never measured.
 *
 *   1. A tile is at most 512 x 512 points, has at most 4 MiB of results (a lease carries no more),
 * and takes at most 0.25 s on a slow core (pause and cancel are obeyed between tiles). Where that
 * many rows of the whole grid are more than 8 MiB, tiles are flatter and as much longer in a, down
 * to 32 x 8192: then few of them make a band, and all of it is there at once to be written in one
 * stretch. Such a tile costs the solver up to a third more, writing it in short rows several times
 * as much as solving it.
 *   2. A job of more than a few milliseconds gets 64 tiles, so that several cores can share it, or
 * as many as still have 5 ms of work each. Solving a tile as a whole costs the less for a point the
 * larger it is: such tiles are not cut below 256 x 256 points for that.
 *   3. The longer side of the tiles is cut, but a is left alone while its blocks are short: solvers
 *      take the values of a in lanes, and rows that are whole make long writes.
 *   4. Never more than JOB_TILES_MAX; then tiles are larger than rule 1 would have them. */
#include "job_private.h"

#include <math.h>
#include <string.h>

#define TILE_NS     250e6
#define SHARE_NS    5e6
#define SHARE_TILES 64
#define WHOLE_ROWS  256 /* of a tile that is solved as a whole, and as many columns */
#define BAND_BYTES  (8u << 20)
#define ROWS_LEAST  32  /* what a band is not made flatter than for that */
#define LANES_OF_A  64  /* blocks of a no longer than this are not cut before q is */
#define STEP_PHASE  1.5 /* radians of the fastest oscillation that a step of the solver covers */
#define STEP_NS     8   /* a step of one point on a slow core */
#define OMEGA_MOST  300 /* beyond that the solver does not follow each oscillation */
#define POINT_NS    30  /* what a point costs whatever its length */
#define STOP_NS     15  /* a value of the solution at an output time */
#define MONODROMY_NS                                                                               \
    100                 /* what four entries, their powers and exponents cost beyond one solution */
#define OUTPUT_NS    10 /* an output, and per character of its expression 2 more */
#define ERRORS_SHARE 1.5 /* the error fields' part */
#define STAGE_NS     20 /* z.ddz, coupled: one of 13 evaluations a step, and per character 2 more */
#define STAGES       13
#define LONGEST      8 /* a usual point of these times this: the mean of a bad tile */
#define COST_MAX_NS  1e12

static double largest(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    return most;
}

/* Between the ends of a range nothing is larger, but for a rounding. */
static double largest_value(const struct job_values *v)
{
    const double ends[2] = {v->from, v->to};
    return v->listed ? largest(v->values, v->count) : largest(ends, v->count > 1 ? 2 : 1);
}

static double least_value(const struct job_values *v)
{
    double least = v->listed ? v->values[0] : v->from;
    if (!v->listed && v->count > 1)
        return v->to < least ? v->to : least;
    for (size_t i = 1; v->listed && i < v->count; i++)
        least = v->values[i] < least ? v->values[i] : least;
    return least;
}

/* Fast oscillations everywhere, without turning points, are not followed one by one. */
static bool is_fast(const struct job *job, double q_w)
{
    return !job->ddz && job->interpolation != JOB_COUPLED && least_value(&job->a) > q_w;
}

/* 1 at a tolerance of 1e-9; a step's work grows with the digits asked for. */
static double digits_share(double tolerance)
{
    double digits = 0;
    for (double x = tolerance; x < 0.5 && digits < 20; x *= 10)
        digits++;
    return 0.5 + digits / 18;
}

/* What a step of one point costs. Those of z.ddz and of coupled drives follow the solution, which
 * nobody knows beforehand: their tiles are kept small. */
static double step_ns(const struct job *job)
{
    if (!job->ddz && job->interpolation != JOB_COUPLED)
        return STEP_NS * digits_share(job->tolerance);
    size_t len = job->ddz ? strlen(job->ddz) : strlen(job->w_is) + strlen(job->y_f);
    return LONGEST * STAGES * (STAGE_NS + 2 * (double)len) * digits_share(job->tolerance);
}

/* How long z is followed: with a period no longer than that. */
static double solved_span(const struct job *job)
{
    double span = job->last_time - job_first_value(&job->times);
    return job->monodromy || (job->period > 0 && span > job->period) ? job->period : span;
}

/* |w| is taken as 1 unless a table says more: nothing is evaluated here. */
double job_point_cost_ns(const struct job *job)
{
    double span = solved_span(job);
    double w = largest(job->table_w, job->table_count);
    double a = largest_value(&job->a), q = largest_value(&job->q);
    double q_w = q * (w > 1 ? w : 1), omega = sqrt(a + q_w);
    if (omega > OMEGA_MOST && is_fast(job, q_w))
        omega = OMEGA_MOST;
    double ns = POINT_NS + step_ns(job) * span * (1 + omega) / STEP_PHASE;
    ns += STOP_NS * (double)job->stop_count + (job->monodromy ? MONODROMY_NS : 0);
    for (size_t i = 0; i < job->output_count; i++)
        ns += OUTPUT_NS + 2 * (double)strlen(job->outputs[i].text);
    ns *= job->errors ? ERRORS_SHARE : 1;
    return ns < COST_MAX_NS ? ns : COST_MAX_NS; /* also for what overflowed */
}

size_t job_point_bytes(const struct job *job)
{
    return job->output_count * (sizeof(double) + (job->errors ? sizeof(float) : 0)) + 1;
}

static size_t longest(size_t count, uint32_t blocks)
{
    return (count + blocks - 1) / blocks;
}

size_t job_largest_tile(const struct job *job)
{
    return longest(job->q.count, job->q_blocks) * longest(job->a.count, job->a_blocks);
}

static double points_at_most(const struct job *job)
{
    double by_time = TILE_NS / job_point_cost_ns(job);
    double by_bytes = (double)(JOB_TILE_BYTES / job_point_bytes(job));
    double most = by_time < by_bytes ? by_time : by_bytes;
    return most > 1 ? most : 1;
}

static double tiles_to_share(const struct job *job)
{
    double tiles = (double)job_points(job) * job_point_cost_ns(job) / SHARE_NS;
    return tiles < SHARE_TILES ? tiles : SHARE_TILES;
}

/* The next number of blocks that makes the longest one of n values shorter. */
static uint32_t shorter(size_t n, uint32_t blocks)
{
    return (uint32_t)longest(n, (uint32_t)longest(n, blocks) - 1);
}

/* One more block of an axis; once there are tiles enough to share, the next number that makes a
 * difference, so that a million tiles are a thousand steps. False: there would be too many. */
static bool cut_more(struct job *job, bool along_q, bool shared)
{
    uint32_t *blocks = along_q ? &job->q_blocks : &job->a_blocks;
    uint32_t other = along_q ? job->a_blocks : job->q_blocks, most = JOB_TILES_MAX / other;
    uint32_t next = shared ? shorter(along_q ? job->q.count : job->a.count, *blocks) : *blocks + 1;
    bool fits = next <= most;
    *blocks = fits ? next : most;
    return fits;
}

/* Rows of the largest tiles. */
static size_t rows_at_most(const struct job *job)
{
    size_t rows = BAND_BYTES / (job->a.count * job_point_bytes(job));
    return rows < ROWS_LEAST ? ROWS_LEAST : rows < JOB_TILE_ROWS_MAX ? rows : JOB_TILE_ROWS_MAX;
}

void job_cut_tiles(struct job *job)
{
    double most = points_at_most(job), wanted = tiles_to_share(job);
    size_t rows = rows_at_most(job), whole_rows = rows < WHOLE_ROWS ? rows : WHOLE_ROWS;
    job->q_blocks = (uint32_t)longest(job->q.count, (uint32_t)rows);
    job->a_blocks = (uint32_t)longest(job->a.count, (uint32_t)(JOB_TILE_POINTS_MAX / rows));
    for (;;) {
        size_t q = longest(job->q.count, job->q_blocks), a = longest(job->a.count, job->a_blocks);
        bool small = (double)(q * a) <= most;
        bool shared = (double)job_tile_count(job) + 1 > wanted;
        bool whole = job->solver != JOB_POINT && q <= whole_rows &&
                     a <= WHOLE_ROWS * WHOLE_ROWS / whole_rows;
        if ((q == 1 && a == 1) || (small && (shared || whole)) ||
            !cut_more(job, q > 1 && (q >= a || a <= LANES_OF_A), shared))
            break;
    }
}
