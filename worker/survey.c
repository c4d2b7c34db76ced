/* See survey.h.
 *
 * Nine tiles, spread evenly over the grid's, stand for it. Each is tried as it is; one that does
 * not end within its share of the time is tried again as a sixteenth of its points (a quarter of
 * the rows and columns in its middle), and so on down to one point. Time is processor time, so that
 * a busy machine is told the same as an idle one, only later; but not for ever. */
#include "survey.h"

#include "job.h"
#include "json.h"
#include "leaves.h"
#include "recipe.h"
#include "sweep.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLES = 9, BUDGET_MS = 450, LONGEST_MS = 10000, PARTS = 4 };

struct survey {
    const struct job *job;
    struct sweep *sweep;
    struct solver *solver;
    int64_t end_ns, sample_end_ns; /* of processor time: of this tile, and of this try */
    int64_t last_ns;               /* when all of it ends, done or not */
    double seconds;                /* spent on samples that ended */
    size_t points;
    double sent_bytes, sent_points; /* answers to whole tiles, as another machine would send them */
    size_t counts[POINT_LIMITED + 1];
    struct worst {
        double error; /* over tolerance (1 + |value|); negative: not known */
        uint32_t field;
        size_t q, a;
        double stated, exact_stated; /* NaN: not known */
    } worst, worst_limited; /* of points where rounding does not decide, and where it does */
    int64_t w_turns;
    char reason[256];
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What a point costs is work, not waiting for a core that is taken. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool is_over(const struct survey *s, int64_t end_ns)
{
    return cpu_ns() >= end_ns || now_ns() >= s->last_ns;
}

static int on_yield(void *arg, size_t points_done)
{
    const struct survey *s = arg;
    (void)points_done;
    return is_over(s, s->sample_end_ns);
}

/* The stated error of field k at point i of a block. */
static void judge_error(const struct survey *s, struct worst *worst, const struct block *b,
                        struct planes *planes, uint32_t k, size_t i)
{
    double value = planes_field(planes, k)[i], stated = (double)planes_errors(planes, k)[i];
    double share = stated / (s->job->tolerance * (1 + fabs(value)));
    if (!(share > worst->error))
        return;
    worst->error = share;
    worst->field = k;
    worst->q = b->q0 + i / (b->a1 - b->a0);
    worst->a = b->a0 + i % (b->a1 - b->a0);
    worst->stated = stated;
}

static void judge(struct survey *s, const struct block *b, struct planes *planes, size_t points)
{
    const uint8_t *status = planes_status(planes);
    for (size_t i = 0; i < points; i++) {
        if (status[i] <= POINT_LIMITED)
            s->counts[status[i]]++;
        if (status[i] != POINT_DONE && status[i] != POINT_LIMITED)
            continue;
        for (uint32_t k = 0; s->job->errors && k < s->job->output_count; k++)
            judge_error(s, status[i] == POINT_LIMITED ? &s->worst_limited : &s->worst, b, planes, k,
                        i);
    }
    if (s->counts[POINT_FAILED] > 0 && !*s->reason)
        strncpy(s->reason, solver_reason(s->solver), sizeof s->reason - 1);
}

/* Codes the answer, which ends the raw arrays. */
static void weigh_answer(struct survey *s, struct planes *planes, size_t points)
{
    planes_code(planes, 0);
    s->sent_bytes += (double)planes_bytes(planes);
    s->sent_points += (double)points;
}

/* True: solved, or there is no time for anything. */
static bool try_block(struct survey *s, const struct block *b, bool whole)
{
    double *fields[JOB_OUTPUTS_MAX];
    float *errors[JOB_OUTPUTS_MAX];
    uint32_t count = (uint32_t)s->job->output_count;
    size_t points = (b->q1 - b->q0) * (b->a1 - b->a0);
    struct planes *planes = planes_create(count, s->job->errors, (uint32_t)points);
    for (uint32_t k = 0; k < count; k++) {
        fields[k] = planes_field(planes, k);
        errors[k] = s->job->errors ? planes_errors(planes, k) : NULL;
    }
    if (whole) {
        planes_offer_leaves(planes);
        planes_leaves(planes)->suffice = false; /* all points are looked at */
    }
    int64_t start = cpu_ns();
    s->sample_end_ns = start + (s->end_ns - start) / 2;
    bool solved = !(whole ? solver_tile(s->solver, b, fields, s->job->errors ? errors : NULL,
                                        planes_status(planes), planes_leaves(planes), on_yield, s)
                          : solver_block(s->solver, b, fields, s->job->errors ? errors : NULL,
                                         planes_status(planes), on_yield, s));
    if (solved) {
        s->seconds += (double)(cpu_ns() - start) * 1e-9;
        s->points += points;
        judge(s, b, planes, points);
        if (whole)
            weigh_answer(s, planes, points);
    }
    planes_destroy(planes);
    return solved || is_over(s, s->end_ns);
}

/* The middle part of a range, at least one value. */
static void narrow(size_t *from, size_t *to)
{
    size_t width = (*to - *from + PARTS - 1) / PARTS;
    *from += (*to - *from - width) / 2;
    *to = *from + width;
}

static void sample(struct survey *s, uint32_t tile)
{
    struct job_tile t = job_tile(s->job, tile);
    struct block b = {t.q0, t.q1, t.a0, t.a1};
    for (bool whole = true; !try_block(s, &b, whole) && (b.q1 - b.q0) * (b.a1 - b.a0) > 1;
         whole = false) {
        narrow(&b.q0, &b.q1);
        narrow(&b.a0, &b.a1);
    }
}

static void sample_all(struct survey *s)
{
    int64_t start = cpu_ns();
    uint32_t tiles = job_tile_count(s->job);
    s->last_ns = now_ns() + (int64_t)LONGEST_MS * 1000000;
    uint32_t samples = tiles < SAMPLES ? tiles : SAMPLES;
    for (uint32_t i = 0; i < samples; i++) {
        s->end_ns = start + (int64_t)BUDGET_MS * 1000000 * (i + 1) / samples;
        sample(s, (uint32_t)((uint64_t)(2 * i + 1) * tiles / (2 * samples)));
    }
}

/* A few points that are limited, on edges of stability, say, are not what a job is like. */
static void weigh_limited(struct survey *s)
{
    if (s->worst.error < 0 ||
        (2 * s->counts[POINT_LIMITED] > s->points && s->worst_limited.error > s->worst.error))
        s->worst = s->worst_limited;
}

static void put_counts(struct json_out *o, const struct survey *s)
{
    struct json_out *status = json_put_object(o, "status");
    json_put_integer(status, "done", (int64_t)s->counts[POINT_DONE]);
    json_put_integer(status, "failed", (int64_t)s->counts[POINT_FAILED]);
    json_put_integer(status, "overflow", (int64_t)s->counts[POINT_OVERFLOW]);
    json_put_integer(status, "limited", (int64_t)s->counts[POINT_LIMITED]);
}

/* How often w turns within w.t, so that somebody can judge the knots. */
static int64_t turning_points(const struct sweep *exact)
{
    enum { SAMPLES_MAX = 1 << 14 };
    double *t = mem_alloc(SAMPLES_MAX, sizeof *t), *w = mem_alloc(SAMPLES_MAX, sizeof *w);
    size_t n = sweep_drive_samples(exact, SAMPLES_MAX, t, w);
    int64_t turns = 0;
    for (size_t i = 2; i < n; i++)
        turns += (w[i - 1] - w[i - 2]) * (w[i] - w[i - 1]) < 0;
    free(t);
    free(w);
    return turns;
}

/* The worst point once more, with the exact w. */
static double exact_stated(const struct survey *s, const struct sweep *exact)
{
    uint32_t count = (uint32_t)s->job->output_count;
    double *fields[JOB_OUTPUTS_MAX], stated;
    float *errors[JOB_OUTPUTS_MAX];
    struct block point = {s->worst.q, s->worst.q + 1, s->worst.a, s->worst.a + 1};
    struct solver *solver = solver_create(exact);
    struct planes *planes = planes_create(count, true, 1);
    for (uint32_t k = 0; k < count; k++) {
        fields[k] = planes_field(planes, k);
        errors[k] = planes_errors(planes, k);
    }
    solver_block(solver, &point, fields, errors, planes_status(planes), NULL, NULL);
    stated = (double)errors[s->worst.field][0];
    planes_destroy(planes);
    solver_destroy(solver);
    return stated;
}

/* What an interpolated w has cost, seen from the exact one. */
static void compare_with_exact(struct survey *s, const struct sweep_spec *spec)
{
    struct sweep_spec twin = *spec;
    struct sweep *exact;
    twin.interpolation = SWEEP_EXACT;
    twin.method = SWEEP_POINT;
    if (!spec->w || spec->interpolation == SWEEP_EXACT || sweep_create(&twin, &exact, NULL))
        return;
    s->w_turns = turning_points(exact);
    if (s->worst.error >= 0)
        s->worst.exact_stated = exact_stated(s, exact);
    sweep_destroy(exact);
}

static void put_worst(struct json_out *o, const struct survey *s)
{
    bool known = s->worst.error >= 0;
    json_put_number(o, "worst_error", known ? s->worst.error : (double)NAN);
    json_put_string(o, "worst_field", known ? s->job->outputs[s->worst.field].name : "");
    json_put_number(o, "worst_q", known ? s->job->q.values[s->worst.q] : (double)NAN);
    json_put_number(o, "worst_a", known ? s->job->a.values[s->worst.a] : (double)NAN);
    json_put_number(o, "worst_stated", s->worst.stated);
    json_put_number(o, "exact_stated", s->worst.exact_stated);
}

static void report(const struct survey *s, unsigned threads, double setup_ms, struct buf *out)
{
    uint64_t points = job_points(s->job);
    double planned = sweep_point_cost_ns(s->sweep);
    double cost = s->points > 0 ? s->seconds * 1e9 / (double)s->points : planned;
    size_t point_bytes = planes_raw_bytes((uint32_t)s->job->output_count, s->job->errors, 1);
    double sent = s->sent_points > 0 ? s->sent_bytes / s->sent_points : (double)point_bytes;
    struct json_out *o = json_object();
    json_put_string(o, "isa", solver_isa());
    json_put_integer(o, "threads", threads);
    json_put_integer(o, "points", (int64_t)points);
    json_put_integer(o, "tiles", job_tile_count(s->job));
    json_put_integer(o, "result_bytes", (int64_t)(points * point_bytes));
    json_put_integer(o, "wire_bytes", (int64_t)((double)points * sent));
    json_put_number(o, "setup_ms", setup_ms);
    json_put_number(o, "planned_ns", planned);
    json_put_number(o, "point_cost_ns", s->points > 0 ? cost : (double)NAN);
    json_put_number(o, "seconds", setup_ms * 1e-3 + (double)points * cost * 1e-9 / threads);
    json_put_integer(o, "sampled_points", (int64_t)s->points);
    put_counts(o, s);
    put_worst(o, s);
    json_put_string(o, "failed_reason", s->reason);
    json_put_integer(o, "w_turns", s->w_turns);
    json_print(o, true, out);
    json_out_destroy(o);
}

static int survey_job(struct survey *s, unsigned threads, struct buf *out, struct err *err)
{
    struct output_text outputs[JOB_OUTPUTS_MAX];
    struct sweep_spec spec;
    recipe_spec(s->job, outputs, &spec);
    int64_t start = now_ns();
    if (sweep_create(&spec, &s->sweep, err))
        return -1;
    s->solver = solver_create(s->sweep);
    double setup_ms = (double)(now_ns() - start) * 1e-6;
    sample_all(s);
    weigh_limited(s);
    compare_with_exact(s, &spec);
    report(s, threads, setup_ms, out);
    solver_destroy(s->solver);
    sweep_destroy(s->sweep);
    return 0;
}

int survey_run(const void *text, size_t len, unsigned threads, struct buf *out, struct err *err)
{
    static const struct worst unknown = {
        .error = -1, .stated = (double)NAN, .exact_stated = (double)NAN};
    struct survey s = {.worst = unknown, .worst_limited = unknown, .w_turns = -1};
    struct job *job;
    if (recipe_read_job(text, len, &job, err))
        return -1;
    s.job = job;
    int rc = survey_job(&s, threads, out, err);
    job_destroy(job);
    return rc;
}
