/* Whether an equation has edges of stability that can be traced: v of one sign, and a damping that
 * is not negative on average. */
#include "boundary_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#define ROUNDING   1e-12 /* of the largest value: no sign */
#define LOSS_ERROR 1e-14 /* of the integral of |damping| */
#define LOSS_MAX   600.0

/* A curve over the period, as the points of its segments tell. */
struct summary {
    double integral, size, error; /* of it, of |it|, of its error */
    double low, low_at, high, high_at;
};

static struct summary summarise(const struct boundary_spec *spec, const struct curve *c)
{
    struct summary s = {.low = INFINITY, .high = -INFINITY};
    struct gauss g;
    double value[GAUSS_MAX], end = spec->from + spec->period;
    gauss_init(&g, GAUSS_MAX);
    for (size_t k = 0; k < c->count; k++) {
        double t0 = fmax(c->segments[k].t0, spec->from), t1 = fmin(c->segments[k].t1, end);
        if (!(t1 > t0))
            continue;
        curve_at_points(c, k, &g, t0, t1, value);
        for (int i = 0; i < g.n; i++) {
            double t = t0 + g.x[i] * (t1 - t0);
            s.integral += g.b[i] * (t1 - t0) * value[i];
            s.size += g.b[i] * (t1 - t0) * fabs(value[i]);
            if (value[i] < s.low) {
                s.low = value[i];
                s.low_at = t;
            }
            if (value[i] > s.high) {
                s.high = value[i];
                s.high_at = t;
            }
        }
        s.error += (t1 - t0) * c->segments[k].error;
    }
    return s;
}

static int refuse(struct err *err, const char *path, const char *hint)
{
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "%s", path);
    return err_hint(err, "%s", hint);
}

static int check_v(const struct boundary_spec *spec, struct boundary_traits *out, struct err *err)
{
    if (spec->drive->v.count == 0)
        return 0;
    struct summary s = summarise(spec, &spec->drive->v);
    double nothing = ROUNDING * fmax(fabs(s.low), fabs(s.high));
    out->v_mean = s.size / spec->period;
    out->v_is_negative = s.high <= nothing;
    if (s.low < -nothing && s.high > nothing) {
        err_set(err, ERR_JOB_REFUSED,
                "v changes its sign, from %.4g at t = %.6g to %.4g at t = %.6g: the edges of "
                "stability are then not eigenvalues that can be counted",
                s.low, s.low_at, s.high, s.high_at);
        return refuse(err, "z.v", "boundaries need a v of one sign");
    }
    if (s.low < 0 || s.high > 0)
        return 0;
    err_set(err, ERR_JOB_REFUSED, "v is 0 throughout: a has no influence");
    return refuse(err, "z.v", "boundaries are curves a(q)");
}

static int check_damping(const struct boundary_spec *spec, struct boundary_traits *out,
                         struct err *err)
{
    if (spec->drive->damping.count == 0)
        return 0;
    struct summary s = summarise(spec, &spec->drive->damping);
    out->loss_error = s.error + LOSS_ERROR * s.size;
    out->loss = fabs(s.integral) <= out->loss_error ? 0 : s.integral;
    if (out->loss > LOSS_MAX) {
        err_set(err, ERR_JOB_REFUSED, "the damping makes solutions smaller by e^-%.4g in a period",
                out->loss / 2);
        return refuse(err, "z.damping", "boundaries need e^-300 or more");
    }
    if (out->loss >= 0)
        return 0;
    err_set(err, ERR_JOB_REFUSED,
            "the damping is negative on average (%.4g): something grows at every (q, a), there is "
            "no edge of stability",
            out->loss / spec->period);
    return refuse(err, "z.damping", "give a damping that is not negative on average");
}

int boundary_check(const struct boundary_spec *spec, struct boundary_traits *out, struct err *err)
{
    *out = (struct boundary_traits){.v_mean = 1};
    return check_damping(spec, out, err) != 0 || check_v(spec, out, err) != 0 ? -1 : 0;
}
