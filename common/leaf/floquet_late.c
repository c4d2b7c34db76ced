/* See floquet.h: after many periods. */
#include "floquet_private.h"

#include <math.h>
#include <string.h>

static const double ZEROS[LANES];

/* Brings the row and the start of a lane to a moderate size; returns the power of two. */
static double balance_lane(struct floquet *f, size_t k)
{
    double most = fmax(f->row[0].exponent[k], f->row[1].exponent[k]);
    double size = fmax(fabs(f->start[0][k]), fabs(f->start[1][k]));
    int shift = 0;
    if (isfinite(size) && size > 0)
        frexp(size, &shift);
    for (int i = 0; i < 2; i++) {
        double down = f->row[i].exponent[k] - most;
        f->row[i].room[0][k] = floquet_scaled(f->row[i].room[0][k], down);
        f->row[i].room[1][k] = floquet_scaled(f->row[i].room[1][k], down);
        f->start[i][k] = ldexp(f->start[i][k], -shift);
    }
    return most + shift;
}

/* Rows in which a lane has an exponent, or starts that are large or small. */
static void balance_lanes(struct floquet *f)
{
    struct carry *c = &f->carry;
    for (int i = 0; i < 2; i++) {
        memmove(f->row[i].room[0], c->row[i], sizeof f->row[i].room[0]);
        memmove(f->row[i].room[1], c->row_error[i], sizeof f->row[i].room[1]);
        memmove(f->start[i], c->start[i], sizeof f->start[i]);
        c->row[i] = f->row[i].room[0];
        c->row_error[i] = f->row[i].room[1];
        c->start[i] = f->start[i];
    }
    for (size_t k = 0; k < LANES; k++) {
        double size = fmax(fabs(f->start[0][k]), fabs(f->start[1][k]));
        int usual = f->row[0].exponent[k] == 0 && f->row[1].exponent[k] == 0 &&
                    size < MONODROMY_MODEST && size > 1 / MONODROMY_MODEST;
        f->start_exponent[k] = usual ? 0 : balance_lane(f, k);
    }
    c->start_exponent = f->start_exponent;
}

/* Row and start of what is asked for. */
static void take_late(struct floquet *f, const struct derived *d, const struct strip *strip,
                      const struct places *p)
{
    struct carry *c = &f->carry;
    int own = d->vector == VECTOR_START, rest = d->entry[0] != NO_QUANTITY;
    for (int i = 0; i < 2; i++) {
        if (rest)
            floquet_take(&f->row[i], strip, d->entry[i], p);
        c->row[i] = rest ? f->row[i].value : d->row == i ? floquet_ones : ZEROS;
        c->row_error[i] = rest ? f->row[i].error : ZEROS;
        c->start[i] = own ? floquet_look_at(strip->start[i], p, f->start[i])
                      : d->vector == VECTOR_ONE + (unsigned)i ? floquet_ones
                                                              : ZEROS;
    }
    c->start_exponent = ZEROS;
    int fit = !own || f->starts_moderate || f->kernel->moderate(c->start[0], c->start[1]);
    if (!fit || (rest && strip->has_exponents))
        balance_lanes(f);
}

static void find_log(struct floquet *f)
{
    const struct carry *c = &f->carry;
    for (size_t k = 0; k < LANES; k++) {
        f->value[k] = log(fabs(c->value[k])) + c->exponent[k] * M_LN2;
        f->error[k] = c->error[k] / fabs(c->value[k]) * c->log_loss[k] +
                      LIBM * UNIT * (fabs(f->value[k]) + fabs(c->exponent[k]));
    }
}

void floquet_find_late(struct floquet *f, const struct derived *d, const struct strip *strip,
                       const struct places *p)
{
    struct carry *c = &f->carry;
    take_late(f, d, strip, p);
    c->periods = (double)d->periods;
    c->time_error = d->time_error;
    c->start_error = d->vector == VECTOR_START ? DBL_EPSILON : 0;
    if (f->periods == 0)
        f->kernel->roots(&f->m, f->facts.damped, &f->roots);
    if (f->periods != d->periods)
        f->kernel->power(&f->roots, d->periods, c->c, c->s, c->power_exponent);
    f->periods = d->periods;
    f->kernel->carry(&f->m, &f->roots, &f->doubt, c);
    if (d->is_log) {
        find_log(f);
        return;
    }
    f->kernel->finish(c, f->value, f->error);
    for (size_t k = 0; d->row == 1 && k < LANES; k++)
        f->scale_room[k] = floquet_omega(&f->facts, f->doubt.a[k], strip->q);
    f->scale = d->row == 1 ? f->scale_room : floquet_ones;
}
