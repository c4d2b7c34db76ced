/* From the propagators of all stretches to the numbers of a point, their errors, and what is said
 * about them (phase_pass.c goes the way itself). */
#include "phase_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MODERATE 0x1p+200 /* a start between its inverse and this is left as it is */

static double power_of_two(double e)
{
    return e == 0 ? 1 : ldexp(1, e < -3000 ? -3000 : e > 3000 ? 3000 : (int)e);
}

static void forwards(struct phase_work *w, enum vector_kind vector)
{
    for (size_t k = 0; k < LANES; k++) {
        double z = vector == VECTOR_START ? w->start[0][k] : vector == VECTOR_ONE;
        double dz = vector == VECTOR_START ? w->start[1][k] : vector == VECTOR_TWO;
        double size = fmax(fabs(z), fabs(dz));
        int e = 0;
        if (size > 0 && isfinite(size) && !(size < MODERATE && size > 1 / MODERATE))
            frexp(size, &e);
        w->state[0][0][k] = ldexp(z, -e);
        w->state[0][1][k] = ldexp(dz, -e);
        w->state[0][2][k] = e;
    }
    w->pass->forwards(w->most, (const double(*)[PHASE_ENTRIES][LANES])w->entry, w->lanes, w->state);
}

static void backwards(const struct phase_work *w, const struct probe *probe,
                      struct phase_arrival *r)
{
    const size_t *last = w->record + probe->record * LANES;
    memset(r, 0, sizeof *r);
    for (size_t k = 0; k < LANES; k++) {
        const double(*at)[LANES] = (const double(*)[LANES])w->state[last[k]];
        r->row[probe->row][k] = 1;
        r->value[k] = at[probe->row][k];
        r->other[k] = at[1 - probe->row][k];
        r->exponent[k] = at[2][k];
        r->kappa[k] = fabs(r->value[k]);
        r->last[k] = (double)last[k];
    }
    w->pass->backwards(w->most, (const double(*)[PHASE_ENTRIES][LANES])w->entry,
                       (const double(*)[3][LANES])w->state, w->lanes, r);
    for (size_t k = 0; k < w->lanes; k++) {
        double power = power_of_two(r->row[2][k] + w->state[0][2][k] - r->exponent[k]);
        double product =
            fabs(r->row[0][k] * w->state[0][0][k]) + fabs(r->row[1][k] * w->state[0][1][k]);
        /* The start values are rounded. */
        r->rounding[k] += 2 * DBL_EPSILON * product * power;
    }
}

/* Whether the tolerance is met, and whether rounding decides. */
static void judge(const struct phase_work *w, const struct probe *probe, size_t k,
                  const struct phase_arrival *r, double rounding, unsigned char *coarse,
                  unsigned char *limited)
{
    const struct sweep *s = w->p->sweep;
    double omega = sweep_omega(s, w->a[k], w->q);
    double z = probe->row == 0 ? r->value[k] : r->other[k];
    double slope = (probe->row == 0 ? r->other[k] : r->value[k]) / omega;
    double size = power_of_two(-r->exponent[k]) + sqrt(z * z + slope * slope);
    double allowed = s->tolerance * size * (probe->row == 0 ? 1 : omega);
    if (!(r->method[k] <= allowed))
        *coarse = 1;
    double promised = s->promised / s->tolerance * allowed;
    if (!(rounding <= promised) || !(8 * DBL_EPSILON * r->kappa[k] <= promised))
        *limited = 1;
}

static void put(struct strip *strip, size_t j, size_t at, double value, double error,
                double exponent, enum quantity_kind kind)
{
    double *v = &strip->value[j * STRIP + at], *e = &strip->error[j * STRIP + at];
    int power = (int)fmax(-5000, fmin(5000, exponent));
    if (kind == QUANTITY_SCALED) {
        *v = value;
        *e = error;
        strip->exponent[j * STRIP + at] = exponent;
        strip->has_exponents |= exponent != 0;
    } else if (kind == QUANTITY_LOG) {
        *e = error / fabs(value);
        *v = log(fabs(value)) + exponent * M_LN2;
        *e += 2 * DBL_EPSILON * fabs(*v);
    } else {
        *v = power == 0 ? value : ldexp(value, power);
        *e = power == 0 ? error : ldexp(error, power);
    }
}

static void read_probe(struct phase_work *w, size_t index, struct strip *strip, const uint16_t *at,
                       unsigned char *coarse)
{
    const struct outputs *o = &w->p->sweep->outputs;
    struct phase_arrival r;
    backwards(w, &o->probe[index], &r);
    for (size_t k = 0; k < w->lanes; k++) {
        /* Roundings of different stretches are independent and half cancel. */
        double share = fmax(0.25, fmin(1, 3.5 / sqrt((double)w->count[k])));
        double rounding = share * r.rounding[k], error = r.method[k] + rounding + r.drive[k];
        judge(w, &o->probe[index], k, &r, rounding, &coarse[k], &strip->limited[at[k]]);
        error = isnan(error) ? INFINITY : error;
        for (size_t j = 0; j < o->quantity_count; j++)
            if (o->quantity[j].probe == index)
                put(strip, j, at[k], r.value[k], error, r.exponent[k], o->quantity[j].kind);
    }
}

#define FINEST 0x1p-57
#define SHARE  1e-2 /* of the tolerance, for a stretch */

double phase_target(const struct phase *p, int fine)
{
    return fine ? FINEST : fmax(SHARE * p->sweep->tolerance, FINEST);
}

size_t phase_solve(struct phase_work *w, struct strip *strip, const uint16_t *at, size_t n,
                   int fine, uint16_t *again)
{
    const struct outputs *o = &w->p->sweep->outputs;
    unsigned char coarse[LANES] = {0};
    size_t count = 0;
    w->lanes = n;
    w->q = strip->q;
    w->target = phase_target(w->p, fine);
    for (size_t k = 0; k < LANES; k++) {
        size_t i = at[k < n ? k : n - 1];
        w->a[k] = strip->a[i];
        w->start[0][k] = strip->start[0][i];
        w->start[1][k] = strip->start[1][i];
    }
    for (size_t k = 0; k < n; k++)
        strip->limited[at[k]] = 0;
    phase_walk(w);
    for (int v = 0; v < VECTOR_COUNT; v++) {
        if (!o->uses[v])
            continue;
        forwards(w, (enum vector_kind)v);
        for (size_t i = 0; i < o->probe_count; i++)
            if ((int)o->probe[i].vector == v)
                read_probe(w, i, strip, at, coarse);
    }
    for (size_t k = 0; k < n; k++)
        if (coarse[k])
            again[count++] = at[k];
    return count;
}
