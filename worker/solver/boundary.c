/* See boundary.h. Curves are traced from q to q: eigenvalues are bracketed by the count of turns,
 * which cannot miss or confuse any, then found by Newton's method from where the curve was heading.
 */
#include "boundary_private.h"

#include "buf.h"
#include "symmetry.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNEVEN   10.0      /* the most of a solution's square against its mean, more or less */
#define WORK_MAX 100000000 /* values times parts of a shot: a minute or so */
#define NEAR     1e-6      /* a step as short as this may be the last */
#define SETTLED  0.25      /* of the error: one as short as this is */

void boundary_fini(struct boundary *b)
{
    for (size_t k = 0; k < b->count; k++) {
        free(b->curve[k].a);
        free(b->curve[k].error);
    }
    free(b->curve);
    memset(b, 0, sizeof *b);
}

char *boundary_name(const struct boundary_curve *c, char out[BOUNDARY_NAME])
{
    static const char *const NAMES[] = {"b", "a", "lower", "upper"};
    snprintf(out, BOUNDARY_NAME, "%s_%lld", NAMES[c->kind], (long long)c->m);
    return out;
}

/* --- curves ---------------------------------------------------------------------------------- */

static int is_before(const struct boundary_curve *c, enum boundary_kind kind, int64_t m)
{
    return c->m < m || (c->m == m && c->kind < kind);
}

/* Where the curve is, or belongs. */
static size_t find_curve(const struct boundary *b, enum boundary_kind kind, int64_t m)
{
    size_t low = 0, high = b->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(&b->curve[middle], kind, m))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int is_curve(const struct boundary *b, size_t k, enum boundary_kind kind, int64_t m)
{
    return k < b->count && b->curve[k].kind == kind && b->curve[k].m == m;
}

struct boundary_curve *tracer_curve(struct tracer *t, enum boundary_kind kind, int64_t m)
{
    struct boundary *b = t->out;
    size_t k = find_curve(b, kind, m);
    if (is_curve(b, k, kind, m))
        return &b->curve[k];
    size_t values = (b->count + 1) * b->q_count;
    if (values > BOUNDARY_VALUES_MAX || values * shoot_parts(t->shoot) > WORK_MAX) {
        err_set(t->err, ERR_JOB_REFUSED,
                "there are more than %zu curves in this range of a, which is too much for %zu "
                "values of q",
                b->count, b->q_count);
        err_hint(t->err, "make grid.a smaller, or give fewer values of q");
        return NULL;
    }
    if (b->count == b->cap) {
        b->cap = b->cap != 0 ? 2 * b->cap : 16;
        b->curve = mem_resize(b->curve, b->cap, sizeof *b->curve);
    }
    struct boundary_curve *c = &b->curve[k];
    memmove(c + 1, c, (b->count - k) * sizeof *c);
    b->count++;
    *c = (struct boundary_curve){kind, m, mem_alloc(b->q_count, sizeof(double)),
                                 mem_alloc(b->q_count, sizeof(double))};
    for (size_t i = 0; i < b->q_count; i++)
        c->a[i] = c->error[i] = NAN;
    return c;
}

double tracer_guess(const struct tracer *t, enum boundary_kind kind, int64_t m)
{
    size_t k = find_curve(t->out, kind, m), i = t->index;
    if (!is_curve(t->out, k, kind, m) || i == 0)
        return NAN;
    const double *a = t->out->curve[k].a, *q = t->spec->q;
    if (i < 2 || isnan(a[i - 2]) || q[i - 1] == q[i - 2])
        return a[i - 1];
    return a[i - 1] + (a[i - 1] - a[i - 2]) * (q[i] - q[i - 1]) / (q[i - 1] - q[i - 2]);
}

void tracer_put(struct tracer *t, struct boundary_curve *c, double a, double error)
{
    c->a[t->index] = fmin(fmax(a, t->spec->a_min), t->spec->a_max);
    c->error[t->index] = error + t->uneven + DBL_EPSILON * fabs(a);
}

double hunt_next(struct hunt *h, double a, double wish)
{
    if (!(wish > h->low && wish < h->high) || !(fabs(wish - a) <= h->before / 2))
        wish = h->low + (h->high - h->low) / 2;
    if (!(h->high - h->low > DBL_EPSILON * (1 + fabs(a))) || wish == a)
        return NAN;
    h->before = fabs(wish - a);
    return wish;
}

int hunt_is_near(double a, double step)
{
    return step <= NEAR * (1 + fabs(a));
}

int hunt_is_over(double a, double step, double error)
{
    return step <= DBL_EPSILON * (1 + fabs(a)) || step <= SETTLED * error;
}

/* --- one eigenvalue -------------------------------------------------------------------------- */

/* Whether the zero of an entry that this shot is near to is the one after so many quarter turns.
 * Those next to it go through 0 the other way, although they may be as near as a rounding in terms
 * of turns: where a solution decays, z and p vanish together. */
static int is_own_zero(const struct shot *s, int which, int64_t turns)
{
    int rises = (s->d[shot_entry(which, turns)] > 0) == (turns / 2 % 2 == 0);
    return rises == (turns % 2 == 0) && llabs(s->turns[which] - turns) <= 1;
}

/* Newton's method for the entry that vanishes; far away for the angle, for the entry has other
 * zeros there. */
static double step_to_root(const struct shot *s, int which, int64_t turns)
{
    int entry = shot_entry(which, turns);
    if (is_own_zero(s, which, turns))
        return -s->m[entry] / s->d[entry];
    return ((double)(turns - s->turns[which]) - 0.5) * M_PI_2 / shot_slope(s, which);
}

static int is_found(const struct tracer *t, const struct shot *s, int which, int64_t turns,
                    double step)
{
    double error[4];
    int entry = shot_entry(which, turns);
    if (!is_own_zero(s, which, turns) || !hunt_is_near(s->a, fabs(step)))
        return 0;
    shoot_errors(t->shoot, error);
    return hunt_is_over(s->a, fabs(step), fabs(error[entry] / s->d[entry]));
}

double tracer_root(struct tracer *t, struct roots *roots, int64_t turns, double guess,
                   struct shot *shot)
{
    struct hunt h = {t->spec->a_min, t->spec->a_max, INFINITY};
    double a = isnan(guess) ? 2 * roots->last - roots->before : guess;
    if (roots->last > h.low)
        h.low = roots->last;
    if (!(a > h.low && a < h.high))
        a = h.low + (h.high - h.low) / 2;
    for (;;) {
        shoot_at(t->shoot, a, shot);
        *(shot->turns[roots->which] < turns ? &h.low : &h.high) = a;
        double step = step_to_root(shot, roots->which, turns), next = NAN;
        if (!is_found(t, shot, roots->which, turns, step))
            next = hunt_next(&h, a, a + step);
        if (isnan(next))
            break;
        a = next;
    }
    roots->before = roots->last;
    roots->last = a;
    return a;
}

/* --- a w that is even ------------------------------------------------------------------------ */

/* Over half a period, from the centre on. z1 is even, z2 odd about it; with the right number of
 * quarter turns they are even or odd about the half period, too. */
static int trace_one(struct tracer *t, struct roots *roots, int64_t turns)
{
    int even = roots->which == 0, entry = shot_entry(roots->which, turns);
    enum boundary_kind kind = even ? BOUNDARY_EVEN : BOUNDARY_ODD;
    int64_t m = even ? turns - 1 : turns;
    struct boundary_curve *c = tracer_curve(t, kind, m);
    struct shot s;
    double error[4];
    if (c == NULL)
        return -1;
    double a = tracer_root(t, roots, turns, tracer_guess(t, kind, m), &s);
    shoot_errors(t->shoot, error);
    tracer_put(t, c, a - s.m[entry] / s.d[entry], fabs(error[entry] / s.d[entry]));
    return 0;
}

static int trace_even(struct tracer *t)
{
    for (int which = 0; which < 2; which++) {
        struct roots roots = {which, NAN, NAN};
        for (int64_t turns = t->low.turns[which] + 1; turns <= t->high.turns[which]; turns++)
            if (trace_one(t, &roots, turns) != 0)
                return -1;
    }
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

/* |trace| = 2 cosh, D = sinh^2 of half the loss. */
static void set_level(struct tracer *t, double loss, double error)
{
    double s = sinh(loss / 2), c = cosh(loss / 2);
    t->level = 2 * c;
    t->depth = s * s;
    if (loss == 0)
        return;
    t->level_error = s * error + DBL_EPSILON * t->level;
    t->depth_error = s * c * error + 4 * DBL_EPSILON * t->depth;
}

static void take_q(struct tracer *t, const struct symmetry *symmetry)
{
    const struct boundary_spec *spec = t->spec;
    double a = fmax(fabs(spec->a_min), fabs(spec->a_max)), q = spec->q[t->index];
    t->uneven = UNEVEN * (symmetry->u + a * symmetry->v + fabs(q) * symmetry->w) / t->v_mean;
    shoot_row(t->shoot, q);
    shoot_at(t->shoot, spec->a_min, &t->low);
    t->low_in_gap = tracer_in_gap(t, &t->low);
    shoot_at(t->shoot, spec->a_max, &t->high);
    t->high_in_gap = tracer_in_gap(t, &t->high);
}

static struct grid grid_of(const struct boundary_spec *spec)
{
    struct grid g = {spec->a_min, spec->a_max, spec->q[0], spec->q[0], (double)spec->q_count};
    for (size_t i = 1; i < spec->q_count; i++) {
        g.q_min = fmin(g.q_min, spec->q[i]);
        g.q_max = fmax(g.q_max, spec->q[i]);
    }
    return g;
}

/* v >= 0 here. */
static int trace(const struct boundary_spec *spec, const struct boundary_traits *traits,
                 struct boundary *out, struct err *err)
{
    struct symmetry symmetry = {.centre = spec->from};
    struct tracer t = {.spec = spec, .out = out, .v_mean = traits->v_mean, .err = err};
    struct grid g = grid_of(spec);
    *out = (struct boundary){.q_count = spec->q_count, .loss = traits->loss};
    set_level(&t, traits->loss, traits->loss_error);
    out->is_even = spec->drive->damping.count == 0 && !spec->general &&
                   symmetry_find(spec->drive, spec->from, spec->period, &symmetry);
    if (!out->is_even)
        symmetry = (struct symmetry){.centre = spec->from};
    out->centre = symmetry.centre;
    double end = out->centre + (out->is_even ? spec->period / 2 : spec->period);
    int rc = shoot_create(spec->drive, &g, out->centre, fmin(end, spec->drive->t1), traits->loss,
                          &t.shoot, err);
    for (; rc == 0 && t.index < spec->q_count; t.index++) {
        take_q(&t, &symmetry);
        rc = out->is_even ? trace_even(&t) : tracer_gaps(&t);
    }
    shoot_destroy(t.shoot);
    if (rc != 0)
        boundary_fini(out);
    return rc;
}

static int by_order(const void *x, const void *y)
{
    const struct boundary_curve *a = x, *b = y;
    return is_before(a, b->kind, b->m) ? -1 : is_before(b, a->kind, a->m);
}

/* What was traced for -a and -v. */
static void mirror(struct boundary *b)
{
    for (size_t k = 0; k < b->count; k++) {
        struct boundary_curve *c = &b->curve[k];
        for (size_t i = 0; i < b->q_count; i++)
            c->a[i] = -c->a[i];
        if (c->kind == BOUNDARY_LOWER)
            c->kind = BOUNDARY_UPPER;
        else if (c->kind == BOUNDARY_UPPER)
            c->kind = BOUNDARY_LOWER;
    }
    if (b->count > 0)
        qsort(b->curve, b->count, sizeof *b->curve, by_order);
}

static int trace_mirrored(const struct boundary_spec *spec, const struct boundary_traits *traits,
                          struct boundary *out, struct err *err)
{
    struct drive twin = *spec->drive;
    struct boundary_spec mirrored = *spec;
    mirrored.drive = &twin;
    mirrored.a_min = -spec->a_max;
    mirrored.a_max = -spec->a_min;
    twin.v.coef = mem_alloc(twin.v.coef_count, sizeof(double));
    for (size_t i = 0; i < twin.v.coef_count; i++)
        twin.v.coef[i] = -spec->drive->v.coef[i];
    int rc = trace(&mirrored, traits, out, err);
    if (rc == 0)
        mirror(out);
    free(twin.v.coef);
    return rc;
}

int boundary_trace(const struct boundary_spec *spec, struct boundary *out, struct err *err)
{
    struct boundary_traits traits;
    if (boundary_check(spec, &traits, err) != 0)
        return -1;
    return traits.v_is_negative ? trace_mirrored(spec, &traits, out, err)
                                : trace(spec, &traits, out, err);
}
