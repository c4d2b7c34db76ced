/* See floquet.h. Everything is done on 32 points at once; what one number takes is in a function of
 * one lane where it calls libm, of all lanes where it does not. */
#include "floquet.h"

#include "buf.h"
#include "monodromy.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UNIT    (0.5 * DBL_EPSILON)
#define LOST    0.5  /* radians: a phase that is off by more is lost */
#define POWERS  6.0  /* roundings of a power, in 2^-53, for each period */
#define SUMS    8.0  /* and of the sum of products that follows */
#define LIBM    4.0  /* of asinh, atan2 and the like, in 2^-53 */
#define GROWN   40.0 /* e-folds after which the smaller multiplier no longer counts */
#define MODEST  0x1p+200
#define SHIFTED 4000.0 /* powers of two beyond which a double is 0 or infinite anyway */

struct floquet {
    const struct sweep *sweep;
    const struct kernel *kernel;
    int refines;                          /* a finer level may do better than a coarse one */
    double damping, damping_error, decay; /* L, its error, e^L */
    /* the chunk at hand */
    struct entry entry[4];
    struct monodromy m;
    struct monodromy_doubt doubt;
    double zeros[LANES], start[2][LANES];
    double *x, *d, *c, *s, *exponent, slack[LANES]; /* aligned, for the kernel */
    uint64_t periods; /* to the power of which c, s, exponent belong, less one; or 0 */
    double value[LANES], error[LANES], scale[LANES]; /* of what is being derived */
};

struct floquet *floquet_create(const struct sweep *s, const struct kernel *kernel)
{
    struct floquet *f = mem_alloc(1, sizeof *f);
    f->sweep = s;
    f->kernel = kernel;
    f->refines = s->drive->interpolation == SWEEP_EXACT || s->drive->is_table;
    f->damping = 0.5 * s->cycle.damping;
    f->damping_error = 0.5 * s->cycle.damping_error;
    f->decay = exp(f->damping);
    f->doubt.period_error = UNIT * s->cycle.period;
    f->x = lanes_array(LANES);
    f->d = lanes_array(LANES);
    f->c = lanes_array(LANES);
    f->s = lanes_array(LANES);
    f->exponent = lanes_array(LANES);
    return f;
}

void floquet_destroy(struct floquet *f)
{
    if (f == NULL)
        return;
    free(f->x);
    free(f->d);
    free(f->c);
    free(f->s);
    free(f->exponent);
    free(f);
}

/* v 2^exponent. */
static double scaled(double v, double exponent)
{
    return ldexp(v, (int)fmax(-SHIFTED, fmin(SHIFTED, exponent)));
}

/* ---- the chunk ---- */

static void take(struct entry *e, const struct strip *strip, size_t j, const uint16_t *at, size_t n)
{
    for (size_t k = 0; k < LANES; k++) {
        size_t i = j * STRIP + at[k < n ? k : n - 1];
        e->value[k] = strip->value[i];
        e->error[k] = strip->error[i];
        e->exponent[k] = strip->exponent[i];
    }
}

/* x and D for powers. Without damping x^2 - D is 1: the one that is known better gives the other,
 * and slack gets what x is off by together with D; with damping, or scaled, it is negative. */
static void take_roots(struct floquet *f)
{
    const struct monodromy *m = &f->m;
    int damped = f->sweep->drive->damping.count != 0;
    for (size_t k = 0; k < LANES; k++) {
        double x = fabs(m->x[k]), by_d = m->d_error[k] / (2 * x), by_x = m->x_error[k];
        f->x[k] = m->x[k];
        f->d[k] = m->d[k];
        f->slack[k] = -1;
        if (damped || m->exponent[k] != 0)
            continue;
        f->slack[k] = fmin(by_x, by_d) + 2 * UNIT * x;
        if (by_d < by_x)
            f->x[k] = copysign(sqrt(1 + m->d[k]), m->x[k]);
        else
            f->d[k] = (x - 1) * (x + 1);
    }
}

static void take_chunk(struct floquet *f, const struct strip *strip, const uint16_t *at, size_t n)
{
    const struct outputs *o = &f->sweep->outputs;
    const struct cycle *cycle = &f->sweep->cycle;
    for (int i = 0; i < 4; i++)
        take(&f->entry[i], strip, o->entry[i], at, n);
    for (size_t k = 0; k < LANES; k++) {
        size_t i = at[k < n ? k : n - 1];
        double a = strip->a[i], uneven = cycle->symmetry.u + fabs(a) * cycle->symmetry.v;
        f->doubt.omega[k] = sweep_omega(f->sweep, a, strip->q);
        f->doubt.asymmetry[k] = 0.5 * cycle->period * (uneven + fabs(strip->q) * cycle->symmetry.w);
        f->zeros[k] = o->zeros != NO_QUANTITY ? strip->value[o->zeros * STRIP + i] : 0;
        f->start[0][k] = strip->start[0][i];
        f->start[1][k] = strip->start[1][i];
    }
    if (o->half)
        monodromy_half(&f->m, f->entry, &f->doubt);
    else
        monodromy_whole(&f->m, f->entry, &f->doubt);
    take_roots(f);
    f->periods = 0;
}

/* ---- trace, mu, nu, stable ---- */

static void find_trace(struct floquet *f)
{
    const struct monodromy *m = &f->m;
    for (size_t k = 0; k < LANES; k++) {
        double omega = f->doubt.omega[k];
        f->value[k] = 2 * m->x[k];
        f->error[k] = 2 * m->x_error[k];
        f->scale[k] =
            1 + fabs(m->x[k]) + fabs(m->x11[k]) + fabs(m->m12[k]) * omega + fabs(m->m21[k]) / omega;
        if (m->exponent[k] != 0) {
            f->value[k] = scaled(f->value[k], m->exponent[k]);
            f->error[k] = scaled(f->error[k], m->exponent[k]);
            f->scale[k] = scaled(f->scale[k], m->exponent[k]);
        }
    }
}

/* asinh(sqrt(D) e^L), which is ln(lambda) + L; d is the scaled D. */
static double growth(const struct floquet *f, double d, double exponent)
{
    double more = f->damping + exponent * M_LN2;
    if (!(d > 0))
        return 0;
    if (exponent == 0 && f->damping < 300)
        return asinh(sqrt(d) * f->decay);
    return more < 300 ? asinh(sqrt(d) * exp(more)) : log(2 * sqrt(d)) + more;
}

static void find_mu(struct floquet *f)
{
    const struct monodromy *m = &f->m;
    double period = f->sweep->cycle.period;
    for (size_t k = 0; k < LANES; k++) {
        double d = m->d[k], e = m->d_error[k], own = f->damping_error;
        f->value[k] = -f->damping;
        f->error[k] = own;
        f->scale[k] = 1;
        if (d + e > 0) {
            double at = growth(f, d, m->exponent[k]);
            double low = growth(f, d - e, m->exponent[k]), high = growth(f, d + e, m->exponent[k]);
            f->value[k] = at - f->damping;
            f->error[k] = fmax(high - at, at - low) + 2 * own + LIBM * UNIT * (at + f->damping);
        }
        f->value[k] /= period;
        f->error[k] = f->error[k] / period + 2 * UNIT * fabs(f->value[k]);
    }
}

static double stability(const struct floquet *f, double low, double high, double exponent)
{
    double least = f->damping - f->damping_error, most = f->damping + f->damping_error;
    int damped = f->sweep->drive->damping.count != 0;
    if (!damped)
        return high < 0 ? 1 : low > 0 ? -1 : 0;
    if (most < 0)
        return -1;
    /* lambda = 1 where sqrt(D) = (1 - e^(-2 L)) / 2 */
    double from = scaled(sqrt(fmax(low, 0)), exponent), to = scaled(sqrt(fmax(high, 0)), exponent);
    double edge_low = -0.5 * expm1(-2 * least), edge_high = -0.5 * expm1(-2 * most);
    if (least > 0 && to < edge_low * (1 - 8 * UNIT))
        return 1;
    return low > 0 && from > edge_high * (1 + 8 * UNIT) ? -1 : 0;
}

static void find_stable(struct floquet *f)
{
    const struct monodromy *m = &f->m;
    for (size_t k = 0; k < LANES; k++) {
        double low = m->d[k] - m->d_error[k], high = m->d[k] + m->d_error[k];
        f->value[k] = stability(f, low, high, m->exponent[k]);
        f->error[k] = f->value[k] == 0;
        f->scale[k] = f->value[k] == 0 ? 0 : 1; /* undecided is not good enough */
    }
}

/* asin, from 0 to pi/2, of the sine's square. */
static double angle_of_square(double square)
{
    return asin(sqrt(fmax(0, fmin(1, square))));
}

/* The angle theta of the multipliers e^(+- i theta), 0 where D >= 0 and x > 0, pi where x < 0. */
static double turn(const struct floquet *f, size_t k, double *error)
{
    double norm = f->decay * scaled(1, f->m.exponent[k]), x = f->m.x[k] * norm;
    double square = -f->m.d[k] * norm * norm, e = f->m.d_error[k] * norm * norm;
    double relative = 2 * f->damping_error + SUMS * UNIT;
    e += relative * fabs(square);
    if (fabs(x) < 0.7) {
        double cosine = fmax(-1, fmin(1, x)), off = f->m.x_error[k] * norm + relative;
        double low = acos(fmin(1, cosine + off)), high = acos(fmax(-1, cosine - off)),
               at = acos(cosine);
        *error = fmax(high - at, at - low);
        return at;
    }
    double at = angle_of_square(square), low = angle_of_square(square - e),
           high = angle_of_square(square + e);
    *error = fmax(high - at, at - low);
    return x > 0 ? at : M_PI - at;
}

static void find_nu(struct floquet *f)
{
    for (size_t k = 0; k < LANES; k++) {
        double error = INFINITY, zeros = f->zeros[k];
        double theta = f->m.exponent[k] >= 0 && isfinite(f->decay) ? turn(f, k, &error) : NAN;
        int even = fmod(zeros, 2) == 0;
        f->value[k] = even ? zeros + theta / M_PI : zeros + 1 - theta / M_PI;
        f->error[k] = error / M_PI + (error > 0 ? LIBM * UNIT * (1 + zeros) : 0);
        f->scale[k] = 1;
    }
}

/* ---- after many periods ---- */

/* c, s and exponent of the power periods - 1. */
static void raise(struct floquet *f, uint64_t periods)
{
    if (f->periods != periods)
        f->kernel->power(f->x, f->d, periods - 1, f->c, f->s, f->exponent);
    f->periods = periods;
}

/* What is asked for, and the row of the propagator over the rest. */
struct late_row {
    const struct derived *what;
    struct entry row[2];
    double exponent[LANES]; /* of the row and of the start */
    double start[2][LANES];
};

static void balance_lane(struct late_row *l, size_t k)
{
    double most = fmax(l->row[0].exponent[k], l->row[1].exponent[k]);
    double size = fmax(fabs(l->start[0][k]), fabs(l->start[1][k]));
    int shift = 0;
    for (int i = 0; i < 2; i++) {
        double down = l->row[i].exponent[k] - most;
        l->row[i].value[k] = scaled(l->row[i].value[k], down);
        l->row[i].error[k] = scaled(l->row[i].error[k], down);
    }
    if (isfinite(size) && size > 0)
        frexp(size, &shift);
    l->start[0][k] = ldexp(l->start[0][k], -shift);
    l->start[1][k] = ldexp(l->start[1][k], -shift);
    l->exponent[k] = most + shift;
}

static void take_late(const struct floquet *f, const struct derived *d, const struct strip *strip,
                      const uint16_t *at, size_t n, struct late_row *l)
{
    l->what = d;
    for (int i = 0; i < 2; i++) {
        if (d->entry[i] != NO_QUANTITY)
            take(&l->row[i], strip, d->entry[i], at, n);
        for (size_t k = 0; k < LANES; k++) {
            if (d->entry[i] == NO_QUANTITY) {
                l->row[i].value[k] = d->row == i;
                l->row[i].error[k] = l->row[i].exponent[k] = 0;
            }
            l->start[i][k] =
                d->vector == VECTOR_START ? f->start[i][k] : d->vector == VECTOR_ONE + (unsigned)i;
        }
    }
    for (size_t k = 0; k < LANES; k++) {
        double size = fmax(fabs(l->start[0][k]), fabs(l->start[1][k]));
        l->exponent[k] = 0;
        if (l->row[0].exponent[k] != 0 || l->row[1].exponent[k] != 0 || !(size < MODEST) ||
            !(size > 1 / MODEST))
            balance_lane(l, k);
    }
}

/* How the power depends on x and D. */
struct drift {
    double c, s; /* what they may be off by, to first order */
    double loss; /* factor of what follows to higher orders; infinite when the phase is lost */
    int grown;   /* one multiplier is all that counts */
};

/* c1, s1: of the power n - 1; s: of the power n. */
static struct drift find_drift(const struct floquet *f, size_t k, double n, double c, double s)
{
    const struct monodromy *m = &f->m;
    double x = fabs(f->x[k]), d = fabs(f->d[k]), root = sqrt(d), size = fmax(x, root);
    double c1 = fabs(f->c[k]), s1 = fabs(f->s[k]), ex = m->x_error[k], ed = m->d_error[k];
    double envelope = sqrt(c1 * c1 + d * (s1 * s1)), steep = s1,
           rounding = POWERS * UNIT * n * size;
    int level = n * n * d < x * x; /* s is n x^(n - 1) or so */
    struct drift drift = {.grown = m->d[k] > 2 * ed && n * root > GROWN * size};
    if (f->d[k] < 0)
        steep = level ? fmax(steep, 1.2 * n * envelope) : envelope / root;
    double phase = (n * ex + rounding) / size + n * ed / (2 * sqrt(fmax(d, ed)) * size);
    if (f->slack[k] >= 0) {
        double slack = f->slack[k];
        drift.c = n * fabs(s) * slack;
        drift.s = slack * (level ? 0.5 * n * n * fabs(s) / x : (n * fabs(c) + x * fabs(s)) / d);
        phase = rounding / size + n * slack / sqrt(fmax(d, slack));
    } else {
        drift.c = n * (c1 * ex + 0.5 * s1 * ed);
        drift.s = n * s1 * ex +
                  ed * (level ? 0.25 * n * n * fabs(s) / (x * x) : (n * c1 + fabs(s)) / (2 * d));
    }
    drift.c += rounding * envelope;
    drift.s += rounding * steep;
    drift.loss = phase < LOST ? 1 / (1 - phase) : INFINITY;
    return drift;
}

/* One lane: the number times 2^*exponent, its error and its scale. */
static void find_late(const struct floquet *f, const struct late_row *l, size_t k, double *value,
                      double *error, struct drift *drift, double *exponent)
{
    const struct monodromy *m = &f->m;
    const struct derived *what = l->what;
    double n = (double)what->periods, c1 = f->c[k], s1 = f->s[k];
    double c = f->x[k] * c1 + f->d[k] * s1, s = c1 + f->x[k] * s1;
    double r0 = l->row[0].value[k], r1 = l->row[1].value[k];
    double z0 = l->start[0][k], z1 = l->start[1][k];
    double x0 = m->x11[k] * z0 + m->m12[k] * z1, x1 = m->m21[k] * z0 - m->x11[k] * z1;
    double w0 = c * z0 + s * x0, w1 = c * z1 + s * x1; /* after n periods */
    double sum = fabs(m->x11[k] * z0) + fabs(m->m12[k] * z1),
           sum1 = fabs(m->m21[k] * z0) + fabs(m->x11[k] * z1);
    double stiff = f->doubt.omega[k] * f->doubt.omega[k];
    double in_x0 = m->x11_error[k] * fabs(z0) + m->m12_error[k] * fabs(z1),
           in_x1 = m->m21_error[k] * fabs(z0) + m->x11_error[k] * fabs(z1);
    *drift = find_drift(f, k, n, c, s);
    *value = r0 * w0 + r1 * w1;
    double terms =
        fabs(r0) * (fabs(c * z0) + fabs(s) * sum) + fabs(r1) * (fabs(c * z1) + fabs(s) * sum1);
    *error = drift->c * fabs(r0 * z0 + r1 * z1) + drift->s * fabs(r0 * x0 + r1 * x1) +
             fabs(s) * (fabs(r0) * in_x0 + fabs(r1) * in_x1) + l->row[0].error[k] * fabs(w0) +
             l->row[1].error[k] * fabs(w1) +
             2 * what->time_error * (fabs(r0 * w1) + stiff * fabs(r1 * w0)) + SUMS * UNIT * terms;
    if (what->vector == VECTOR_START)
        *error += DBL_EPSILON * (fabs(z0 * (c * r0 + s * (r0 * m->x11[k] + r1 * m->m21[k]))) +
                                 fabs(z1 * (c * r1 + s * (r0 * m->m12[k] - r1 * m->x11[k]))));
    *exponent = f->exponent[k] + n * m->exponent[k] + l->exponent[k];
}

static void find_lates(struct floquet *f, const struct late_row *l)
{
    raise(f, l->what->periods);
    for (size_t k = 0; k < LANES; k++) {
        struct drift drift;
        double value, error, exponent;
        find_late(f, l, k, &value, &error, &drift, &exponent);
        f->scale[k] = l->what->row == 0 || l->what->is_log ? 1 : f->doubt.omega[k];
        if (l->what->is_log) {
            double relative = error / fabs(value);
            f->value[k] = log(fabs(value)) + exponent * M_LN2;
            f->error[k] = relative * (drift.grown ? 1.5 : drift.loss) +
                          LIBM * UNIT * (fabs(f->value[k]) + fabs(exponent));
        } else {
            f->value[k] = scaled(value, exponent);
            f->error[k] = scaled(error * drift.loss, exponent);
        }
    }
}

/* ---- all of it ---- */

static void derive(struct floquet *f, const struct derived *d, const struct strip *strip,
                   const uint16_t *at, size_t n)
{
    struct late_row late;
    switch (d->kind) {
    case DERIVED_TRACE:
        find_trace(f);
        break;
    case DERIVED_MU:
        find_mu(f);
        break;
    case DERIVED_NU:
        find_nu(f);
        break;
    case DERIVED_STABLE:
        find_stable(f);
        break;
    case DERIVED_LATE:
        take_late(f, d, strip, at, n, &late);
        find_lates(f, &late);
        break;
    }
}

static void put(const struct floquet *f, const struct derived *d, struct strip *strip,
                const uint16_t *at, size_t n, unsigned char *rough)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = d->quantity * STRIP + at[k];
        strip->value[i] = f->value[k];
        strip->error[i] = isnan(f->error[k]) ? INFINITY : f->error[k];
        double allowed = f->sweep->promised * (f->scale[k] + fabs(f->value[k]));
        if (!(f->error[k] <= allowed))
            rough[k] = 1;
    }
}

size_t floquet_solve(struct floquet *f, struct strip *strip, const uint16_t *at, size_t n,
                     uint16_t *again)
{
    const struct outputs *o = &f->sweep->outputs;
    size_t count = 0;
    for (size_t from = 0; from < n; from += LANES) {
        size_t some = n - from < LANES ? n - from : LANES;
        unsigned char rough[LANES] = {0};
        take_chunk(f, strip, at + from, some);
        for (size_t i = 0; i < o->derived_count; i++) {
            derive(f, &o->derived[i], strip, at + from, some);
            put(f, &o->derived[i], strip, at + from, some, rough);
        }
        for (size_t k = 0; f->refines && k < some; k++) {
            if (!rough[k])
                continue;
            strip->limited[at[from + k]] = 1;
            again[count++] = at[from + k];
        }
    }
    return count;
}
