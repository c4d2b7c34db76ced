/* From the propagators of all stretches to the numbers of a point, their errors, and what is said
 * about them (phase_pass.c goes the way itself). */
#include "phase_private.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MODERATE 0x1p+200 /* a start between its inverse and this is left as it is */

static double power_of_two(double e)
{
    return e == 0 ? 1 : ldexp(1, e < -3000 ? -3000 : e > 3000 ? 3000 : (int)e);
}

/* A pack of lanes on its way to the numbers. */
struct reader {
    struct phase_work *w;
    const struct phase_pack *pack;
    size_t lanes;
    const double *a;
    double start[2][LANES];
    struct strip *strip;
    const uint16_t *at;
    unsigned char coarse[LANES];
};

static void forwards(const struct reader *r, enum vector_kind vector)
{
    double(*state)[3][LANES] = r->w->state;
    for (size_t k = 0; k < LANES; k++) {
        double z = vector == VECTOR_START ? r->start[0][k] : vector == VECTOR_ONE;
        double dz = vector == VECTOR_START ? r->start[1][k] : vector == VECTOR_TWO;
        double size = fmax(fabs(z), fabs(dz));
        int e = 0;
        if (size > 0 && isfinite(size) && !(size < MODERATE && size > 1 / MODERATE))
            frexp(size, &e);
        state[0][0][k] = e == 0 ? z : ldexp(z, -e);
        state[0][1][k] = e == 0 ? dz : ldexp(dz, -e);
        state[0][2][k] = e;
    }
    r->w->pass->forwards(r->pack->most, (const double(*)[PHASE_ENTRIES][LANES])r->pack->entry,
                         r->lanes, state);
}

static void backwards(const struct reader *r, const struct probe *probe, struct phase_arrival *x)
{
    const double(*state)[3][LANES] = (const double(*)[3][LANES])r->w->state;
    const size_t *last = r->pack->record + probe->record * LANES;
    memset(x, 0, sizeof *x);
    for (size_t k = 0; k < r->lanes; k++) {
        const double(*at)[LANES] = state[last[k]];
        x->row[probe->row][k] = 1;
        x->value[k] = at[probe->row][k];
        x->other[k] = at[1 - probe->row][k];
        x->exponent[k] = at[2][k];
        x->kappa[k] = fabs(x->value[k]);
        x->last[k] = (double)last[k];
    }
    r->w->pass->backwards(r->pack->most, (const double(*)[PHASE_ENTRIES][LANES])r->pack->entry,
                          state, r->lanes, x);
    for (size_t k = 0; k < r->lanes; k++) {
        double power = power_of_two(x->row[2][k] + state[0][2][k] - x->exponent[k]);
        double product = fabs(x->row[0][k] * state[0][0][k]) + fabs(x->row[1][k] * state[0][1][k]);
        /* The start values are rounded. */
        x->rounding[k] += 2 * DBL_EPSILON * product * power;
    }
}

/* Whether the tolerance is met, and whether rounding decides. */
static void judge(struct reader *r, const struct probe *probe, size_t k,
                  const struct phase_arrival *x, double rounding)
{
    const struct sweep *s = r->w->p->sweep;
    double omega = sweep_omega(s, r->a[k], r->w->q);
    double z = probe->row == 0 ? x->value[k] : x->other[k];
    double slope = (probe->row == 0 ? x->other[k] : x->value[k]) / omega;
    double size = power_of_two(-x->exponent[k]) + sqrt(z * z + slope * slope);
    double allowed = s->tolerance * size * (probe->row == 0 ? 1 : omega);
    double promised = s->promised / s->tolerance * allowed;
    if (!(x->method[k] <= allowed))
        r->coarse[k] = 1;
    if (!(rounding <= promised) || !(8 * DBL_EPSILON * x->kappa[k] <= promised))
        r->strip->limited[r->at[k]] = 1;
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

static void read_probe(struct reader *r, size_t index)
{
    const struct outputs *o = &r->w->p->sweep->outputs;
    struct phase_arrival x;
    backwards(r, &o->probe[index], &x);
    for (size_t k = 0; k < r->lanes; k++) {
        /* Roundings of different stretches are independent and half cancel. */
        double share = fmax(0.25, fmin(1, 3.5 / sqrt((double)r->pack->count[k])));
        double rounding = share * x.rounding[k], error = x.method[k] + rounding + x.drive[k];
        judge(r, &o->probe[index], k, &x, rounding);
        error = isnan(error) ? INFINITY : error;
        for (size_t j = 0; j < o->quantity_count; j++)
            if (o->quantity[j].probe == index)
                put(r->strip, j, r->at[k], x.value[k], error, x.exponent[k], o->quantity[j].kind);
    }
}

static void read_pack(struct reader *r)
{
    const struct outputs *o = &r->w->p->sweep->outputs;
    for (size_t k = 0; k < LANES; k++) {
        size_t i = r->at[k < r->lanes ? k : r->lanes - 1];
        r->start[0][k] = r->strip->start[0][i];
        r->start[1][k] = r->strip->start[1][i];
    }
    for (size_t k = 0; k < r->lanes; k++)
        r->strip->limited[r->at[k]] = 0;
    for (int v = 0; v < VECTOR_COUNT; v++) {
        if (!o->uses[v])
            continue;
        forwards(r, (enum vector_kind)v);
        for (size_t i = 0; i < o->probe_count; i++)
            if ((int)o->probe[i].vector == v)
                read_probe(r, i);
    }
}

#define FINEST 0x1p-53
#define SHARE  1e-2 /* of the tolerance, for a stretch; */
#define AGAIN  1e-3 /* of that, where it was not enough */

double phase_target(const struct phase *p, int level)
{
    double target = SHARE * p->sweep->tolerance;
    for (int k = 0; k < level; k++)
        target *= AGAIN;
    return level < PHASE_LEVELS - 1 && target > FINEST ? target : FINEST;
}

int phase_is_last(const struct phase *p, int level)
{
    return level == PHASE_LEVELS - 1 || phase_target(p, level) == FINEST;
}

static void make_states(struct phase_work *w)
{
    size_t most = 0;
    for (size_t i = 0; i * LANES < w->lanes; i++)
        most = w->pack[i].most > most ? w->pack[i].most : most;
    if (most < w->state_cap)
        return;
    w->state_cap = 2 * most + 1;
    free(w->state);
    w->state = (double(*)[3][LANES])(void *)lanes_array(w->state_cap * 3 * LANES);
}

size_t phase_solve(struct phase_work *w, struct strip *strip, const uint16_t *at, size_t n,
                   int level, uint16_t *again)
{
    size_t count = 0;
    w->lanes = n;
    w->q = strip->q;
    w->target = phase_target(w->p, level);
    for (size_t k = 0; k < n; k++)
        w->a[k] = strip->a[at[k]];
    phase_walk(w);
    make_states(w);
    for (size_t from = 0; from < n; from += LANES) {
        struct reader r = {.w = w,
                           .pack = &w->pack[from / LANES],
                           .lanes = n - from < LANES ? n - from : LANES,
                           .a = w->a + from,
                           .strip = strip,
                           .at = at + from};
        read_pack(&r);
        for (size_t k = 0; k < r.lanes; k++)
            if (r.coarse[k])
                again[count++] = at[from + k];
    }
    return count;
}
