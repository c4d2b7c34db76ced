/* See equation.h. */
#include "equation.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNIT 0x1p-53

/* ---- texts ---- */

static int compile(const char *text, const char *const *names, size_t count, const char *path,
                   struct expr **out, struct err *err)
{
    struct expr_scope scope = {.variables = names, .variable_count = count};
    if (text == NULL || expr_compile(text, &scope, out, err) == 0)
        return 0;
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "%s", path);
    return -1;
}

enum { DDZ_T, DDZ_Z, DDZ_DZ, DDZ_A, DDZ_Q, DDZ_W, DDZ_COUNT };

static int compile_all(struct equation *e, const struct sweep_spec *spec, struct err *err)
{
    static const char *const general[DDZ_COUNT] = {"t", "z", "dz", "a", "q", "w"};
    static const char *const drive[] = {"t", "y", "dy"};
    if (compile(spec->ddz, general, DDZ_COUNT, "z.ddz", &e->ddz, err) != 0)
        return -1;
    if (spec->interpolation != SWEEP_COUPLED)
        return 0;
    return compile(spec->f, drive, 1, "y.f", &e->f, err) ||
           compile(spec->w, drive, 3, "w.is", &e->w, err) ||
           compile(spec->u, drive, 3, "z.u", &e->u, err) ||
           compile(spec->v, drive, 3, "z.v", &e->v, err) ||
           compile(spec->damping, drive, 3, "z.damping", &e->damping, err);
}

int equation_init(struct equation *e, const struct sweep_spec *spec, const struct drive *drive,
                  const struct outputs *outputs, struct err *err)
{
    memset(e, 0, sizeof *e);
    if (compile_all(e, spec, err) != 0)
        return -1;
    if (e->ddz != NULL && (outputs->uses[VECTOR_ONE] || outputs->uses[VECTOR_TWO])) {
        err_set(err, ERR_JOB_REFUSED, "z1 and z2 belong to Hill's equation, not to z.ddz");
        if (err != NULL)
            snprintf(err->path, sizeof err->path, "output");
        return -1;
    }
    e->first = e->count = e->f != NULL;
    for (int v = 0; v < VECTOR_COUNT; v++)
        if (outputs->uses[v])
            e->vector[e->count++] = (enum vector_kind)v;
    if (e->ddz != NULL && e->f == NULL && expr_uses(e->ddz, DDZ_W)) {
        e->curve = &drive->w;
        for (size_t k = 0; k < drive->w.count; k++)
            if ((int)drive->w.segments[k].n > e->terms)
                e->terms = (int)drive->w.segments[k].n;
    }
    return 0;
}

void equation_fini(struct equation *e)
{
    expr_destroy(e->ddz);
    expr_destroy(e->f);
    expr_destroy(e->w);
    expr_destroy(e->u);
    expr_destroy(e->v);
    expr_destroy(e->damping);
}

/* ---- the drive ---- */

void equation_enter(const struct equation *e, struct equation_lanes *lanes, size_t k,
                    size_t segment)
{
    const struct segment *s = &e->curve->segments[segment];
    lanes->w_from[k] = s->t0;
    lanes->w_to[k] = s->t1;
    lanes->w_error[k] = s->error;
    for (uint32_t i = 0; (int)i < e->terms; i++)
        lanes->w_coef[i][k] = i < s->n ? e->curve->coef[s->at + i] : 0;
}

static void from_curve(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                       const double *t, equation_series_fn *series, double *w)
{
    _Alignas(64) double x[LANES];
    for (size_t k = 0; k < n; k++)
        x[k] = ((t[k] - lanes->w_from[k]) - (lanes->w_to[k] - t[k])) /
               (lanes->w_to[k] - lanes->w_from[k]);
    for (size_t k = n; k < LANES; k++)
        x[k] = 0;
    series(n, e->terms, lanes->w_coef, x, w);
}

static void fill(size_t n, double value, double *out)
{
    for (size_t k = 0; k < n; k++)
        out[k] = value;
}

static void value_or(const struct expr *e, double otherwise, size_t n, const double *const *in,
                     double *out)
{
    if (e != NULL)
        expr_eval_batch(e, n, in, out);
    else
        fill(n, otherwise, out);
}

/* ---- values ---- */

static void hill(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                 const struct equation_state *at, const double *w, double *const *f)
{
    double u[LANES], v[LANES], d[LANES];
    const double *const in[] = {at->t, at->z[0], at->dz[0]};
    value_or(e->u, 0, n, in, u);
    value_or(e->v, 1, n, in, v);
    value_or(e->damping, 0, n, in, d);
    for (size_t k = 0; k < n; k++)
        u[k] = u[k] + lanes->a[k] * v[k] + lanes->q[k] * w[k];
    for (int c = e->first; c < e->count; c++)
        for (size_t k = 0; k < n; k++)
            f[c][k] = -d[k] * at->dz[c][k] - u[k] * at->z[c][k];
}

void equation_value(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                    const struct equation_state *at, equation_series_fn *series, double *const *f)
{
    _Alignas(64) double w[LANES];
    if (e->f != NULL) {
        const double *const in[] = {at->t, at->z[0], at->dz[0]};
        expr_eval_batch(e->f, n, in, f[0]);
        for (size_t k = 0; k < n; k++)
            f[0][k] *= -at->z[0][k];
        expr_eval_batch(e->w, n, in, w);
    } else if (e->curve != NULL) {
        from_curve(e, n, lanes, at->t, series, w);
    }
    if (e->ddz == NULL) {
        hill(e, n, lanes, at, w, f);
        return;
    }
    int c = e->first;
    const double *const in[] = {at->t, at->z[c], at->dz[c], lanes->a, lanes->q, w};
    expr_eval_batch(e->ddz, n, in, f[c]);
}

/* ---- slopes ---- */

/* |slope| size, where nothing is known (an infinite slope) it is left out. */
static double share(double slope, double size)
{
    double x = fabs(slope) * size;
    return x < INFINITY ? x : 0;
}

static double usable(double slope)
{
    return fabs(slope) < INFINITY ? slope : 0;
}

/* A function of t, y, dy and the bound of its error. */
static void drive_slopes(const struct expr *e, double otherwise, size_t n,
                         const struct equation_state *at, const double (*y_error)[LANES],
                         double *value, double *error)
{
    double by_t[LANES], by_y[LANES], by_dy[LANES], rounding[LANES];
    double *const grad[] = {by_t, by_y, by_dy};
    const double *const in[] = {at->t, at->z[0], at->dz[0]};
    fill(n, otherwise, value);
    fill(n, 0, error);
    if (e == NULL)
        return;
    expr_eval_grad(e, n, in, value, grad, rounding);
    for (size_t k = 0; k < n; k++)
        error[k] = usable(rounding[k]) + share(by_t[k], UNIT * fabs(at->t[k])) +
                   share(by_y[k], y_error[0][k]) + share(by_dy[k], y_error[1][k]);
}

static void y_slopes(const struct equation *e, size_t n, const struct equation_state *at,
                     struct equation_slopes *out)
{
    double f[LANES], by_t[LANES], rounding[LANES];
    const double *const in[] = {at->t};
    double *const grad[] = {by_t};
    expr_eval_grad(e->f, n, in, f, grad, rounding);
    for (size_t k = 0; k < n; k++) {
        double y = at->z[0][k];
        out->f[0][k] = f[k] * -y;
        out->by_z[0][k] = -f[k];
        out->by_dz[0][k] = out->drive[0][k] = 0;
        out->noise[0][k] = fabs(y) * (usable(rounding[k]) + share(by_t[k], UNIT * fabs(at->t[k]))) +
                           UNIT * fabs(out->f[0][k]);
    }
}

static void hill_slopes(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                        const struct equation_state *at, const double (*y_error)[LANES],
                        const double *w, const double *w_error, struct equation_slopes *out)
{
    double u[LANES], v[LANES], d[LANES], u_error[LANES], v_error[LANES], d_error[LANES];
    drive_slopes(e->u, 0, n, at, y_error, u, u_error);
    drive_slopes(e->v, 1, n, at, y_error, v, v_error);
    drive_slopes(e->damping, 0, n, at, y_error, d, d_error);
    for (size_t k = 0; k < n; k++) {
        double a = lanes->a[k], q = lanes->q[k];
        double size = fabs(u[k]) + fabs(a * v[k]) + fabs(q * w[k]);
        u[k] = u[k] + a * v[k] + q * w[k];
        u_error[k] += fabs(a) * v_error[k] + fabs(q) * w_error[k];
        for (int c = e->first; c < e->count; c++) {
            double z = at->z[c][k], dz = at->dz[c][k];
            out->f[c][k] = -d[k] * dz - u[k] * z;
            out->by_z[c][k] = -u[k];
            out->by_dz[c][k] = -d[k];
            out->noise[c][k] = 4 * UNIT * (size * fabs(z) + fabs(d[k] * dz));
            out->drive[c][k] = u_error[k] * fabs(z) + d_error[k] * fabs(dz);
        }
    }
}

static void ddz_slopes(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                       const struct equation_state *at, const double *w, const double *w_error,
                       struct equation_slopes *out)
{
    int c = e->first;
    double by_t[LANES], by_w[LANES], *by_z = out->by_z[c], *by_dz = out->by_dz[c];
    double *noise = out->noise[c];
    double *const grad[] = {by_t, by_z, by_dz, NULL, NULL, by_w};
    const double *const in[] = {at->t, at->z[c], at->dz[c], lanes->a, lanes->q, w};
    expr_eval_grad(e->ddz, n, in, out->f[c], grad, noise);
    for (size_t k = 0; k < n; k++) {
        by_z[k] = usable(by_z[k]);
        by_dz[k] = usable(by_dz[k]);
        noise[k] = usable(noise[k]) + share(by_t[k], UNIT * fabs(at->t[k]));
        out->drive[c][k] = share(by_w[k], w_error[k]);
    }
}

void equation_slopes(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                     const struct equation_state *at, equation_series_fn *series,
                     const double (*y_error)[LANES], struct equation_slopes *out)
{
    _Alignas(64) double w[LANES] = {0};
    double error[LANES] = {0};
    const double *w_error = error;
    if (e->f != NULL) {
        y_slopes(e, n, at, out);
        drive_slopes(e->w, 0, n, at, y_error, w, error);
    } else if (e->curve != NULL) {
        from_curve(e, n, lanes, at->t, series, w);
        w_error = lanes->w_error;
    }
    if (e->ddz != NULL)
        ddz_slopes(e, n, lanes, at, w, w_error, out);
    else
        hill_slopes(e, n, lanes, at, y_error, w, w_error, out);
}
