/* See floquet.h. Everything is done on 32 points at once; what one number takes is in a function of
 * one lane where it calls libm, of all lanes where it does not. */
#include "floquet_private.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEW_FOLDS 60.0 /* e-folds: entries of less are not large */
#define ANGLES    8.0  /* roundings of x and D before an angle is taken */

const double floquet_ones[LANES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

double floquet_omega(const struct floquet_facts *f, double a, double q)
{
    return fmax(1 / f->period, sqrt(f->u_bound + fabs(a) * f->v_bound + fabs(q) * f->w_bound));
}

static int starts_moderate(struct expr *const start[2])
{
    static const double nowhere[2];
    if (!starts_alike(start))
        return 0;
    double size = fmax(fabs(expr_eval(start[0], nowhere)), fabs(expr_eval(start[1], nowhere)));
    return size < MONODROMY_MODEST && size > 1 / MONODROMY_MODEST;
}

struct floquet *floquet_create(const struct floquet_facts *facts, const struct outputs *o,
                               struct expr *const start[2], const struct leaf_kernel *kernel)
{
    struct floquet *f = mem_alloc(1, sizeof *f);
    double most = floquet_omega(facts, facts->a_most, facts->q_most);
    f->facts = *facts;
    f->outputs = o;
    f->kernel = monodromy_kernel_of(kernel);
    f->may_be_large = !(facts->period * most < FEW_FOLDS);
    f->starts_moderate = starts_moderate(start);
    f->damping = 0.5 * facts->damping;
    f->damping_error = 0.5 * facts->damping_error;
    f->decay = exp(f->damping);
    f->doubt.period_error = UNIT * facts->period;
    int exponent, is_power = frexp(most, &exponent) == 0.5;
    f->doubt.omega = ldexp(1, is_power ? exponent - 1 : exponent);
    return f;
}

void floquet_destroy(struct floquet *f)
{
    free(f);
}

/* v 2^exponent. */
double floquet_scaled(double v, double exponent)
{
    return ldexp(v, (int)fmax(-4000, fmin(4000, exponent)));
}

/* ---- the chunk ---- */

static void gather(const double *from, const struct places *p, double to[LANES])
{
    if (p->run)
        memcpy(to, from + p->at[0], LANES * sizeof *to);
    for (size_t k = 0; !p->run && k < LANES; k++)
        to[k] = from[p->at[k < p->n ? k : p->n - 1]];
}

static int is_run(const uint16_t *at, size_t n)
{
    uint16_t gaps = 0;
    for (size_t k = 0; k < n; k++)
        gaps |= at[k] ^ (uint16_t)(at[0] + k);
    return gaps == 0;
}

/* Values where they are if they are one after the other, else in room. */
const double *floquet_look_at(const double *from, const struct places *p, double room[LANES])
{
    if (p->run)
        return from + p->at[0];
    gather(from, p, room);
    return room;
}

void floquet_take(struct entry *e, const struct strip *strip, size_t j, const struct places *p)
{
    e->value = floquet_look_at(strip->value + j * STRIP, p, e->room[0]);
    e->error = floquet_look_at(strip->error + j * STRIP, p, e->room[1]);
    if (strip->has_exponents)
        gather(strip->exponent + j * STRIP, p, e->exponent);
}

/* All exponents of the chunk before are forgotten. */
static void forget_exponents(struct floquet *f)
{
    for (int i = 0; i < 4; i++)
        memset(f->entry[i].exponent, 0, sizeof f->entry[i].exponent);
    for (int i = 0; i < 2; i++)
        memset(f->row[i].exponent, 0, sizeof f->row[i].exponent);
    memset(f->m.exponent, 0, sizeof f->m.exponent);
    f->m.scaled = 0;
}

static void take_doubt(struct floquet *f, const struct strip *strip, const struct places *p)
{
    const struct floquet_facts *facts = &f->facts;
    struct monodromy_doubt *d = &f->doubt;
    double half = 0.5 * facts->period, q = fabs(strip->q);
    d->stiffness = facts->u_bound + q * facts->w_bound;
    d->stiffness_a = facts->v_bound;
    d->uneven = half * (facts->u_uneven + q * facts->w_uneven);
    d->uneven_a = half * facts->v_uneven;
    d->a = floquet_look_at(strip->a, p, f->a);
}

static void take_chunk(struct floquet *f, const struct strip *strip, const struct places *p)
{
    const struct outputs *o = f->outputs;
    if (f->m.scaled)
        forget_exponents(f);
    for (int i = 0; i < 4; i++)
        floquet_take(&f->entry[i], strip, o->entry[i], p);
    take_doubt(f, strip, p);
    if (o->zeros != NO_QUANTITY)
        gather(strip->value + o->zeros * STRIP, p, f->zeros);
    f->m.scaled = strip->has_exponents || (f->may_be_large && f->kernel->large(f->entry));
    if (f->m.scaled)
        monodromy_balance(f->entry, f->m.exponent);
    if (o->half)
        f->kernel->half(&f->m, f->entry, &f->doubt);
    else
        f->kernel->whole(&f->m, f->entry, &f->doubt);
    for (size_t k = 0; o->half && f->m.scaled && k < LANES; k++)
        f->m.exponent[k] *= 2;
    f->periods = 0;
}

/* ---- trace, mu, nu, stable ---- */

static void find_trace(struct floquet *f)
{
    const struct monodromy *m = &f->m;
    double omega = f->doubt.omega, inverse = 1 / omega;
    for (size_t k = 0; k < LANES; k++) {
        f->value[k] = 2 * m->x[k];
        f->error[k] = 2 * m->x_error[k];
        f->scale_room[k] = 1 + fabs(m->x[k]) + fabs(m->x11[k]) + fabs(m->m12[k]) * omega +
                           fabs(m->m21[k]) * inverse;
    }
    for (size_t k = 0; m->scaled && k < LANES; k++) {
        f->value[k] = floquet_scaled(f->value[k], m->exponent[k]);
        f->error[k] = floquet_scaled(f->error[k], m->exponent[k]);
        f->scale_room[k] = floquet_scaled(f->scale_room[k], m->exponent[k]);
    }
    f->scale = f->scale_room;
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

/* What growth is off by. It is concave in D: where D is known well its slope at the lower end is
 * enough. */
static double growth_error(const struct floquet *f, double at, double d, double e, double exponent)
{
    double norm = f->decay * f->decay, low = (d - e) * norm;
    if (exponent == 0 && f->damping < 300 && 4 * e < d)
        return 0.5 * e * norm / sqrt(low * (1 + low));
    return fmax(growth(f, d + e, exponent) - at, at - growth(f, d - e, exponent));
}

static void find_mu(struct floquet *f)
{
    const struct monodromy *m = &f->m;
    double inverse = 1 / f->facts.period, own = f->damping_error;
    for (size_t k = 0; k < LANES; k++) {
        double d = m->d[k], e = m->d_error[k];
        f->value[k] = -f->damping;
        f->error[k] = own;
        if (d > e) {
            double at = growth(f, d, m->exponent[k]);
            f->value[k] = at - f->damping;
            f->error[k] = growth_error(f, at, d, e, m->exponent[k]) + 2 * own +
                          LIBM * UNIT * (at + f->damping);
        } else if (d + e > 0) {
            f->error[k] += own + growth(f, d + e, m->exponent[k]) * (1 + LIBM * UNIT);
        }
        f->value[k] *= inverse;
        f->error[k] = f->error[k] * inverse + 3 * UNIT * fabs(f->value[k]);
    }
}

static double stability(const struct floquet *f, double low, double high, double exponent)
{
    double least = f->damping - f->damping_error, most = f->damping + f->damping_error;
    if (!f->facts.damped)
        return high < 0 ? 1 : low > 0 ? -1 : 0;
    if (most < 0)
        return -1;
    /* lambda = 1 where sqrt(D) = (1 - e^(-2 L)) / 2 */
    double from = floquet_scaled(sqrt(fmax(low, 0)), exponent),
           to = floquet_scaled(sqrt(fmax(high, 0)), exponent);
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
        f->scale_room[k] = f->value[k] == 0 ? 0 : 1; /* undecided is not good enough */
    }
    f->scale = f->scale_room;
}

/* asin, from 0 to pi/2, of the sine's square. */
static double angle_of_square(double square)
{
    return asin(sqrt(fmax(0, fmin(1, square))));
}

/* The angle theta of the multipliers e^(+- i theta), 0 where D >= 0 and x > 0, pi where x < 0. */
static double turn(const struct floquet *f, size_t k, double *error)
{
    double norm = f->decay * floquet_scaled(1, f->m.exponent[k]), x = f->m.x[k] * norm;
    double square = -f->m.d[k] * norm * norm, e = f->m.d_error[k] * norm * norm;
    double relative = 2 * f->damping_error + ANGLES * UNIT;
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
    }
}

/* ---- all of it ---- */

static void find(struct floquet *f, const struct derived *d, const struct strip *strip,
                 const struct places *p)
{
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
        floquet_find_late(f, d, strip, p);
        break;
    }
}

/* Marks in rough[] what leaves the promise; returns whether any does. */
static int judge(const struct floquet *f, size_t n, unsigned char *rough)
{
    double promised = f->facts.promised;
    if (!f->kernel->check(f->value, f->error, f->scale, promised))
        return 0;
    for (size_t k = 0; k < n; k++) {
        if (isnan(f->error[k]))
            f->error[k] = INFINITY;
        if (!(f->error[k] <= promised * (f->scale[k] + fabs(f->value[k]))))
            rough[k] = 1;
    }
    return 1;
}

/* Derives one number of the chunk at hand; as judge. */
static int derive(struct floquet *f, const struct derived *d, const struct strip *strip,
                  const struct places *p, unsigned char *rough)
{
    double *value = strip->value + d->quantity * STRIP, *error = strip->error + d->quantity * STRIP;
    f->value = p->run ? value + p->at[0] : f->value_room;
    f->error = p->run ? error + p->at[0] : f->error_room;
    f->scale = floquet_ones;
    find(f, d, strip, p);
    int any = judge(f, p->n, rough);
    for (size_t k = 0; !p->run && k < p->n; k++) {
        value[p->at[k]] = f->value[k];
        error[p->at[k]] = f->error[k];
    }
    return any;
}

size_t floquet_solve(struct floquet *f, struct strip *strip, const uint16_t *at, size_t n,
                     uint16_t *again)
{
    const struct outputs *o = f->outputs;
    size_t count = 0;
    int run = is_run(at, n);
    for (size_t from = 0; from < n; from += LANES) {
        size_t some = n - from < LANES ? n - from : LANES;
        struct places p = {at + from, some, run && some == LANES};
        unsigned char rough[LANES] = {0};
        int any = 0;
        take_chunk(f, strip, &p);
        for (size_t i = 0; i < o->derived_count; i++)
            any |= derive(f, &o->derived[i], strip, &p, rough);
        for (size_t k = 0; any && f->facts.refines && k < p.n; k++) {
            if (!rough[k])
                continue;
            strip->limited[p.at[k]] = 1;
            again[count++] = p.at[k];
        }
    }
    return count;
}
