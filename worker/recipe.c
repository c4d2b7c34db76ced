/* See recipe.h. */
#include "recipe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Samples of w, for w.npy: all knots if that is not too many; where there are none, the first. */
enum { SAMPLES_MIN = 2001, SAMPLES_MAX = 1 << 18 };

struct recipe {
    struct buf document;
    struct job *job;
    struct sweep *sweep;
    struct buf table;
    unsigned threads;
    struct solver **solvers; /* [thread], made and used by that thread alone */
};

static const enum sweep_interpolation interpolations[] = {
    [JOB_EXACT] = SWEEP_EXACT,     [JOB_LINEAR] = SWEEP_LINEAR,   [JOB_CSPLINE] = SWEEP_CSPLINE,
    [JOB_AKIMA] = SWEEP_AKIMA,     [JOB_STEFFEN] = SWEEP_STEFFEN, [JOB_PERIODIC] = SWEEP_PERIODIC,
    [JOB_COUPLED] = SWEEP_COUPLED,
};

static const enum sweep_method methods[] = {
    [JOB_AUTO] = SWEEP_AUTO, [JOB_POINT] = SWEEP_POINT, [JOB_TILE] = SWEEP_TILE};

struct recipe *recipe_create(struct buf *document, unsigned threads)
{
    struct recipe *p = mem_alloc(1, sizeof *p);
    p->document = *document;
    *document = (struct buf){0};
    p->threads = threads;
    p->solvers = mem_alloc(threads, sizeof *p->solvers);
    return p;
}

void recipe_destroy(struct recipe *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->threads; i++)
        solver_destroy(p->solvers[i]);
    free(p->solvers);
    sweep_destroy(p->sweep);
    job_destroy(p->job);
    buf_fini(&p->document);
    buf_fini(&p->table);
    free(p);
}

/* A document begins with two lengths, the first below 2^24; a text has no zero byte. */
static bool is_document(const void *text, size_t len)
{
    return len >= 8 && memchr(text, 0, 4) != NULL;
}

int recipe_read_job(const void *text, size_t len, struct job **out, struct err *err)
{
    return is_document(text, len) ? job_decode(text, len, out, err)
                                  : job_parse(text, len, NULL, out, err);
}

void recipe_spec(const struct job *job, struct output_text *outputs, struct sweep_spec *spec)
{
    for (size_t i = 0; i < job->output_count; i++)
        outputs[i] = (struct output_text){job->outputs[i].name, job->outputs[i].text};
    *spec = (struct sweep_spec){
        .f = job->y_f,
        .y_from = job->y_from,
        .y_to = job->y_to,
        .y_start = {job->y_start[0], job->y_start[1]},
        .w = job->w_is,
        .w_from = job->w_from,
        .w_to = job->w_to,
        .period = job->period,
        .interpolation = interpolations[job->interpolation],
        .knots = job->knots,
        .table_t = job->table_t,
        .table_w = job->table_w,
        .table_count = job->table_count,
        .breaks = job->breaks,
        .break_count = job->break_count,
        .u = job->u,
        .v = job->v,
        .damping = job->damping,
        .ddz = job->ddz,
        .z_start = {job->z_start[0], job->z_start[1]},
        .times = job->times.values,
        .time_count = job->times.count,
        .q = job->q.values,
        .a = job->a.values,
        .q_count = job->q.count,
        .a_count = job->a.count,
        .outputs = outputs,
        .output_count = job->output_count,
        .tolerance = job->tolerance,
        .method = methods[job->solver],
        .q_blocks = job->q_blocks,
        .a_blocks = job->a_blocks,
    };
}

/* u32 sample_count, the samples (t, w), the solver's bytes. */
static int make_table(struct recipe *p, struct err *err)
{
    size_t max = SAMPLES_MIN;
    if (max < p->job->knots)
        max = p->job->knots;
    if (max < p->job->table_count)
        max = p->job->table_count;
    if (max > SAMPLES_MAX)
        max = SAMPLES_MAX;
    double *t = mem_alloc(max, sizeof *t), *w = mem_alloc(max, sizeof *w);
    uint32_t count = (uint32_t)sweep_drive_samples(p->sweep, max, t, w);
    buf_add(&p->table, &count, sizeof count);
    for (uint32_t i = 0; i < count; i++) {
        buf_add(&p->table, &t[i], sizeof t[i]);
        buf_add(&p->table, &w[i], sizeof w[i]);
    }
    free(t);
    free(w);
    size_t len;
    unsigned char *segments = sweep_table_encode(p->sweep, &len);
    buf_add(&p->table, segments, len);
    free(segments);
    if (p->table.len <= WIRE_BLOB_MAX)
        return 0;
    err_set(err, ERR_JOB_REFUSED, "w(t) takes %zu bytes as a table, %u can travel", p->table.len,
            WIRE_BLOB_MAX);
    return err_hint(err, "fewer knots, or interpolation exact");
}

int recipe_build(struct recipe *p, struct err *err)
{
    assert(!p->job);
    struct output_text outputs[JOB_OUTPUTS_MAX];
    struct sweep_spec spec;
    if (job_decode(p->document.data, p->document.len, &p->job, err))
        return -1;
    buf_fini(&p->document);
    recipe_spec(p->job, outputs, &spec);
    if (sweep_create(&spec, &p->sweep, err))
        return -1;
    return make_table(p, err);
}

const struct job *recipe_job(const struct recipe *p)
{
    return p->job;
}

const struct buf *recipe_table(const struct recipe *p)
{
    return &p->table;
}

int recipe_adopt(struct recipe *p, const void *table, size_t len, struct err *err)
{
    const unsigned char *bytes = table;
    uint32_t count;
    if (len < sizeof count)
        return err_set(err, ERR_OTHER, "the job's drive table is cut short");
    memcpy(&count, bytes, sizeof count);
    size_t start = sizeof count + (size_t)count * 2 * sizeof(double);
    if (start > len)
        return err_set(err, ERR_OTHER, "the job's drive table is cut short");
    return sweep_table_adopt(p->sweep, bytes + start, len - start, err);
}

/* A piece that begins or ends within a row of its tile is up to three rectangles; the solver counts
 * points from 0 in each. */
struct progress {
    solver_yield_fn *yield;
    void *arg;
    size_t before;
};

static int on_yield(void *arg, size_t points_done)
{
    const struct progress *p = arg;
    return p->yield(p->arg, p->before + points_done);
}

static int solve_block(struct solver *solver, const struct job *job, const struct block *b,
                       struct planes *out, struct progress *progress)
{
    double *fields[JOB_OUTPUTS_MAX];
    float *errors[JOB_OUTPUTS_MAX];
    for (uint32_t k = 0; k < job->output_count; k++) {
        fields[k] = planes_field(out, k) + progress->before;
        errors[k] = job->errors ? planes_errors(out, k) + progress->before : NULL;
    }
    uint8_t *status = planes_status(out) + progress->before;
    if (planes_leaves(out))
        return solver_tile(solver, b, fields, job->errors ? errors : NULL, status,
                           planes_leaves(out), on_yield, progress);
    return solver_block(solver, b, fields, job->errors ? errors : NULL, status, on_yield, progress);
}

int recipe_solve(struct recipe *p, unsigned thread, uint32_t tile, uint32_t first, uint32_t count,
                 struct planes *out, solver_yield_fn *yield, void *arg)
{
    assert(thread < p->threads && planes_points(out) == count);
    if (!p->solvers[thread])
        p->solvers[thread] = solver_create(p->sweep);
    struct job_tile t = job_tile(p->job, tile);
    size_t width = t.a1 - t.a0;
    struct progress progress = {yield, arg, 0};
    while (progress.before < count) {
        size_t left = count - progress.before;
        size_t row = (first + progress.before) / width, column = (first + progress.before) % width;
        size_t rows = 1, columns = width - column < left ? width - column : left;
        if (columns == width)
            rows = left / width;
        struct block b = {t.q0 + row, t.q0 + row + rows, t.a0 + column, t.a0 + column + columns};
        if (solve_block(p->solvers[thread], p->job, &b, out, &progress))
            return -1;
        progress.before += rows * columns;
    }
    return 0;
}
