/* From a job's expressions to curves. y is integrated first (source.c) as far as it is needed, then
 * the expressions of t, y, dy are sampled: at the points of adaptive segments, or on the knots. */
#include "drive.h"

#include "buf.h"
#include "expr.h"
#include "period.h"
#include "source.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An expression of t, y, dy on its way to a curve. */
struct function {
    struct expr *expr;
    const struct source *source; /* no segments when the job has no y */
    size_t hint;
};

#define BATCH 64

static int eval_batch(struct function *f, size_t n, const double *t, double *value, double *error,
                      double *noise, struct err *err)
{
    double y[BATCH], dy[BATCH];
    double dt_w[BATCH], dy_w[BATCH] = {0}, ddy_w[BATCH] = {0}; /* f has t alone */
    double y_error[BATCH], dy_error[BATCH];
    const struct curve *source = &f->source->y;
    for (size_t i = 0; i < n; i++) {
        y[i] = dy[i] = y_error[i] = dy_error[i] = 0;
        if (source->count == 0)
            continue;
        f->hint = curve_find(source, t[i], f->hint);
        y[i] = curve_eval(source, f->hint, t[i]);
        dy[i] = curve_eval(&f->source->dy, f->hint, t[i]);
        y_error[i] = source->segments[f->hint].error;
        dy_error[i] = f->source->dy.segments[f->hint].error;
    }
    const double *in[] = {t, y, dy};
    double *grad[] = {dt_w, dy_w, ddy_w};
    expr_eval_grad(f->expr, n, in, value, grad, noise);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(value[i]))
            return err_set(err, ERR_JOB_REFUSED, "its value at t = %.9g is not a finite number",
                           t[i]);
        /* Times are rounded by 0.3 units in the last place. */
        noise[i] += fabs(dt_w[i] * t[i]) * 0.3 * DBL_EPSILON;
        error[i] = fabs(dy_w[i]) * y_error[i] + fabs(ddy_w[i]) * dy_error[i];
        if (!isfinite(noise[i]))
            noise[i] = DBL_EPSILON * fabs(value[i]);
        if (!isfinite(error[i]))
            error[i] = DBL_EPSILON * fabs(value[i]);
    }
    return 0;
}

static int eval_function(void *arg, size_t n, const double *t, double *value, double *error,
                         double *noise, struct err *err)
{
    for (size_t at = 0; at < n; at += BATCH) {
        size_t m = n - at < BATCH ? n - at : BATCH;
        if (eval_batch(arg, m, t + at, value + at, error + at, noise + at, err) != 0)
            return -1;
    }
    return 0;
}

static int compile(struct function *f, const char *text, const char *path, int with_y,
                   struct err *err)
{
    static const char *const names[] = {"t", "y", "dy"};
    struct expr_scope scope = {.variables = names, .variable_count = with_y ? 3 : 1};
    if (expr_compile(text, &scope, &f->expr, err) == 0)
        return 0;
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "%s", path);
    return -1;
}

static int at_path(struct err *err, const char *path)
{
    if (err != NULL && err->path[0] == '\0')
        snprintf(err->path, sizeof err->path, "%s", path);
    return -1;
}

/* What is at hand while a drive is made. */
struct builder {
    const struct sweep_spec *spec;
    struct drive *drive;
    struct gauss gauss;
    struct source source;
};

static int build_source(struct builder *b, struct err *err)
{
    const struct sweep_spec *spec = b->spec;
    struct source none = {0};
    struct function f = {.source = &none};
    if (spec->f == NULL)
        return 0;
    if (spec->y_from > spec->w_from || spec->y_to < spec->w_to) {
        err_set(err, ERR_JOB_REFUSED, "w.t reaches beyond y.t");
        return at_path(err, "w.t");
    }
    if (compile(&f, spec->f, "y.f", 0, err) != 0)
        return -1;
    struct source_job job = {.gauss = &b->gauss,
                             .f = eval_function,
                             .arg = &f,
                             .from = spec->y_from,
                             .to = spec->w_to,
                             .start = {spec->y_start[0], spec->y_start[1]},
                             .stops = spec->breaks,
                             .stop_count = spec->break_count};
    int rc = source_build(&b->source, &job, err);
    expr_destroy(f.expr);
    return rc == 0 ? 0 : at_path(err, "y.f");
}

/* One expression as an adaptive curve over [t0, t1]; a NULL text leaves the curve empty. */
static int build_curve(struct builder *b, struct curve *c, const char *text, const char *path,
                       struct err *err)
{
    struct function f = {.source = &b->source};
    if (text == NULL)
        return 0;
    if (compile(&f, text, path, 1, err) != 0)
        return -1;
    struct curve_span span = {b->drive->t0, b->drive->t1, b->spec->breaks, b->spec->break_count};
    int rc = curve_build(c, &b->gauss, eval_function, &f, &span, err);
    expr_destroy(f.expr);
    return rc == 0 ? 0 : at_path(err, path);
}

#define LOOKS 1024 /* stretches of w.t at least in which interpolation is measured */

/* The mean of |w - interpolant| over [t0, t1] of segment k, by four Gauss points. */
static int measure(struct drive *d, struct function *f, const struct gauss *g, size_t k, double t0,
                   double t1, double *mean, struct err *err)
{
    double t[4], own[4], exact[4], error[4], noise[4];
    for (int i = 0; i < 4; i++)
        t[i] = t0 + g->x[i] * (t1 - t0);
    curve_at_points(&d->w, k, g, t0, t1, own);
    if (eval_function(f, 4, t, exact, error, noise, err) != 0)
        return -1;
    *mean = 0;
    for (int i = 0; i < 4; i++)
        *mean += g->b[i] * (fabs(exact[i] - own[i]) + error[i] + noise[i]);
    return 0;
}

/* What interpolation costs over each interval; in several stretches where knots are few, so that
 * what lies between them does not go unseen. It is rounded up to a float, for that is how it
 * travels to other machines (drive_table.c). */
static int measure_interpolation(struct drive *d, struct function *f, struct err *err)
{
    struct gauss g;
    size_t stretches = d->w.count < LOOKS ? LOOKS / d->w.count : 1;
    gauss_init(&g, 4);
    for (size_t k = 0; k < d->w.count; k++) {
        struct segment *s = &d->w.segments[k];
        double step = (s->t1 - s->t0) / (double)stretches, sum = 0, mean;
        for (size_t i = 0; i < stretches; i++) {
            double t0 = s->t0 + (double)i * step, t1 = i + 1 < stretches ? t0 + step : s->t1;
            if (measure(d, f, &g, k, t0, t1, &mean, err) != 0)
                return -1;
            sum += mean;
        }
        mean = sum / (double)stretches;
        s->error = (double)(float)((s->error + mean) * (1 + 0x1p-23));
        if (!isfinite(s->error))
            return err_set(err, ERR_JOB_REFUSED, "the interpolation is off by %.3g near t = %.9g",
                           mean, s->t0);
    }
    return 0;
}

static int build_knots(struct builder *b, struct err *err)
{
    struct drive *d = b->drive;
    const struct sweep_spec *spec = b->spec;
    struct function f = {.source = &b->source};
    size_t n = d->knot_count;
    double *error = mem_alloc(n, sizeof *error), *noise = mem_alloc(n, sizeof *noise),
           step = (spec->w_to - spec->w_from) / (double)(n - 1);
    int rc = -1;
    for (size_t i = 0; i < n; i++)
        d->knot_t[i] = i + 1 == n ? spec->w_to : (double)i * step + spec->w_from;
    if (compile(&f, spec->w, "w.is", 1, err) != 0 ||
        eval_function(&f, n, d->knot_t, d->knot_w, error, noise, err) != 0)
        goto out;
    if (d->interpolation == SWEEP_PERIODIC) {
        double gap = fabs(d->knot_w[n - 1] - d->knot_w[0]);
        if (gap > 1e-9 * (1 + fabs(d->knot_w[0]))) {
            err_set(err, ERR_JOB_REFUSED, "w differs by %.3g between the ends of w.t", gap);
            goto out;
        }
        d->knot_w[n - 1] = d->knot_w[0];
    }
    if (interpolant_build(&d->w, d->interpolation, d->knot_t, d->knot_w, n, err) == 0)
        rc = measure_interpolation(d, &f, err);
out:
    expr_destroy(f.expr);
    free(error);
    free(noise);
    return rc == 0 ? 0 : at_path(err, "w.is");
}

static int build_table(struct builder *b, struct err *err)
{
    struct drive *d = b->drive;
    memcpy(d->knot_t, b->spec->table_t, d->knot_count * sizeof(double));
    memcpy(d->knot_w, b->spec->table_w, d->knot_count * sizeof(double));
    if (d->knot_t[0] > b->spec->w_from || d->knot_t[d->knot_count - 1] < b->spec->w_to) {
        err_set(err, ERR_JOB_REFUSED, "the table does not cover w.t");
        return at_path(err, "w.t");
    }
    int rc = interpolant_build(&d->w, d->interpolation, d->knot_t, d->knot_w, d->knot_count, err);
    return rc == 0 ? 0 : at_path(err, "w.table");
}

static int build_w(struct builder *b, struct err *err)
{
    if (b->drive->is_table)
        return build_table(b, err);
    if (b->drive->knot_count != 0)
        return build_knots(b, err);
    return build_curve(b, &b->drive->w, b->spec->w, "w.is", err);
}

/* A coupled drive is kept as an exact one, for w.npy and for others to compare. */
static int has_knots(const struct sweep_spec *spec)
{
    return spec->w != NULL && spec->interpolation != SWEEP_EXACT &&
           spec->interpolation != SWEEP_COUPLED;
}

int drive_create(const struct sweep_spec *spec, struct drive **out, struct err *err)
{
    struct drive *d = mem_alloc(1, sizeof *d);
    struct builder b = {.spec = spec, .drive = d};
    d->t0 = spec->w_from;
    d->t1 = spec->w_to;
    d->interpolation = spec->interpolation;
    d->is_table = spec->w == NULL;
    if (d->is_table)
        d->knot_count = spec->table_count;
    else if (has_knots(spec))
        d->knot_count = spec->knots;
    if (d->knot_count != 0) {
        d->knot_t = mem_alloc(d->knot_count, sizeof(double));
        d->knot_w = mem_alloc(d->knot_count, sizeof(double));
    }
    gauss_init(&b.gauss, 16);
    int rc = 0;
    if (spec->times[0] < d->t0 || spec->times[0] > d->t1 || !(d->t0 < d->t1)) {
        err_set(err, ERR_JOB_REFUSED, "times reach beyond w.t");
        rc = at_path(err, "z.t");
    } else if (has_knots(spec) && spec->knots < 2) {
        err_set(err, ERR_JOB_REFUSED, "interpolation needs at least 2 knots");
        rc = at_path(err, "w.knots");
    }
    if (rc != 0 || build_source(&b, err) != 0 || build_w(&b, err) != 0 ||
        build_curve(&b, &d->u, spec->u, "z.u", err) != 0 ||
        build_curve(&b, &d->v, spec->v, "z.v", err) != 0 ||
        build_curve(&b, &d->damping, spec->damping, "z.damping", err) != 0 ||
        period_check(d, spec, err) != 0)
        rc = -1;
    source_fini(&b.source);
    if (rc != 0) {
        drive_destroy(d);
        return -1;
    }
    *out = d;
    return 0;
}

void drive_destroy(struct drive *d)
{
    if (d == NULL)
        return;
    curve_fini(&d->w);
    curve_fini(&d->u);
    curve_fini(&d->v);
    curve_fini(&d->damping);
    free(d->knot_t);
    free(d->knot_w);
    free(d);
}

size_t drive_samples(const struct drive *d, size_t max, double *t, double *w)
{
    if (d->knot_count != 0) {
        /* All of them when they fit, else every k-th and the last. */
        size_t n = d->knot_count, count = n < max ? n : max;
        for (size_t i = 0; i < count; i++) {
            size_t k = count > 1 ? i * (n - 1) / (count - 1) : 0;
            t[i] = d->knot_t[k];
            w[i] = d->knot_w[k];
        }
        return count;
    }
    size_t hint = 0;
    for (size_t i = 0; i < max; i++) {
        t[i] = i + 1 == max ? d->t1 : d->t0 + (d->t1 - d->t0) / (double)(max - 1) * (double)i;
        hint = curve_find(&d->w, t[i], hint);
        w[i] = curve_eval(&d->w, hint, t[i]);
    }
    return max;
}

void drive_bounds(const struct curve *c, double t0, double t1, double otherwise, double *bound,
                  double *error)
{
    *bound = otherwise;
    *error = 0;
    if (c->count == 0)
        return;
    double most = 0, integral = 0;
    for (size_t k = curve_find(c, t0, 0); k < c->count; k++) {
        const struct segment *s = &c->segments[k];
        double from = s->t0 > t0 ? s->t0 : t0, to = s->t1 < t1 ? s->t1 : t1;
        if (from >= t1)
            break;
        most = fmax(most, s->bound);
        if (to > from)
            integral += s->error * (to - from);
    }
    *bound = most;
    *error = t1 > t0 ? integral / (t1 - t0) : 0;
}
