/* The kernels do the work on all lanes at once; what follows here is per lane and per requested
 * number, a few operations each.
 *
 * A point is carried as (z, p = z' / omega) times a power of two. With S = 1 + hypot(z, z' /
 * omega_point) the contract is |error of z| <= tolerance S + 16 u kappa (README.md); `cross` is
 * what the method and its rounding may have done, `weighted` what the error of w, u, v and the
 * damping may have done. */
#include "lanes.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOUNDS (STRIP + KERNEL_KNOT)

struct lanes_work {
    const struct sweep *sweep;
    const struct kernel *kernel;
    struct lanes_level level[LEVELS], *now;
    const struct margin *margin; /* of LEVEL_LEAF */
    double *stated, *doubt;      /* of it, [probe][BOUNDS] of the strip at hand, from ... */
    size_t lead;                 /* ... this place on */
    double *x, *sum;             /* [32], [3][32] */
    double *value, *error;       /* [32] of a number */
    double *size;                /* [32] */
    int64_t *doubtful;           /* [32] */
    int careful;                 /* starts differ, or may be too large or small for states */
    size_t lanes;                /* of the chunk at hand */
    const double *a;             /* of its points */
    double gathered[LANES], start[2][LANES];
    int exponent[LANES];
    double *kappa; /* kappa^2 of the number at hand, [32], ... */
    int has_kappa; /* ... once it was asked for */
    int rescaled;  /* any of the states at hand */
};

static const double nowhere[2] = {0};

static int is_extreme(double z, double s)
{
    double size = fabs(z) + fabs(s);
    return !(size <= KERNEL_LARGE) || (size < KERNEL_SMALL && size > 0);
}

/* Whether all points start with the same numbers, of a size that needs no care. */
static int starts_moderately(const struct sweep *s)
{
    double z = expr_eval(s->start[0], nowhere), dz = expr_eval(s->start[1], nowhere);
    return expr_is_constant(s->start[0]) && expr_is_constant(s->start[1]) && !is_extreme(z, 0) &&
           !is_extreme(dz, 0) && fabs(dz) < 1e50 && (fabs(dz) > 1e-50 || dz == 0);
}

struct lanes_work *lanes_create(const struct sweep *s, const struct kernel *kernel)
{
    struct lanes_work *w = mem_alloc(1, sizeof *w);
    w->sweep = s;
    w->kernel = kernel;
    w->x = lanes_array(LANES);
    w->sum = lanes_array(3 * LANES);
    w->kappa = lanes_array(LANES);
    w->stated = lanes_array(s->outputs.probe_count * BOUNDS);
    w->doubt = lanes_array(s->outputs.probe_count * BOUNDS);
    w->value = lanes_array(LANES);
    w->error = lanes_array(LANES);
    w->size = lanes_array(LANES);
    w->doubtful = (int64_t *)(void *)lanes_array(LANES);
    w->careful = !starts_moderately(s);
    for (size_t k = 0; !w->careful && k < LANES; k++)
        for (int c = 0; c < 2; c++)
            w->start[c][k] = expr_eval(s->start[c], nowhere);
    return w;
}

void lanes_destroy(struct lanes_work *w)
{
    if (w == NULL)
        return;
    for (int l = 0; l < LEVELS; l++)
        level_fini(&w->level[l]);
    free(w->x);
    free(w->sum);
    free(w->kappa);
    free(w->stated);
    free(w->doubt);
    free(w->value);
    free(w->error);
    free(w->size);
    free(w->doubtful);
    free(w);
}

void lanes_take_leaf(struct lanes_work *w, const struct parts *parts, const struct margin *margin)
{
    level_take(&w->level[LEVEL_LEAF], parts);
    w->margin = margin;
}

static int has_level(struct lanes_work *w, enum level level)
{
    struct lanes_level *l = &w->level[level];
    const struct parts *p = l->parts != NULL ? l->parts : sweep_level(w->sweep, level);
    if (p != NULL && l->parts == NULL)
        level_take(l, p);
    return p != NULL;
}

void lanes_ahead(struct lanes_work *w, enum level level, const double *q, size_t n)
{
    if (has_level(w, level))
        level_ahead(&w->level[level], w->kernel, q, n);
}

int lanes_row(struct lanes_work *w, enum level level, double q)
{
    if (!has_level(w, level))
        return 0;
    w->now = &w->level[level];
    level_turn(w->now, w->sweep, w->kernel, q);
    return 1;
}

/* The points of a chunk, in lanes; the last one fills up, or what follows in a run. Starts that are
 * the same for all stay. */
static void gather(struct lanes_work *w, const struct strip *strip, const uint16_t *at, size_t n)
{
    int run = w->now == &w->level[LEVEL_LEAF];
    w->a = run ? strip->a + at[0] : w->gathered;
    for (size_t k = 0; !run && k < LANES; k++)
        w->gathered[k] = strip->a[at[k < n ? k : n - 1]];
    for (size_t k = 0; w->careful && k < LANES; k++) {
        size_t i = at[k < n ? k : n - 1];
        w->start[0][k] = strip->start[0][i];
        w->start[1][k] = strip->start[1][i];
    }
}

/* Brings states to a moderate size. */
static void moderate(struct lanes_work *w)
{
    for (size_t k = 0; k < LANES; k++) {
        double *z = &w->now->state[k], *s = &w->now->state[LANES + k], size = fabs(*z) + fabs(*s);
        if (!isfinite(size) || !is_extreme(*z, *s))
            continue;
        frexp(size, &w->exponent[k]);
        *z = ldexp(*z, -w->exponent[k]);
        *s = ldexp(*s, -w->exponent[k]);
    }
}

/* State 0 of each lane. */
static void start(struct lanes_work *w, const struct parts *p, enum vector_kind vector)
{
    double *restrict z = w->now->state, *restrict s = z + LANES;
    double inverse = 1 / p->omega; /* a power of two */
    memset(w->exponent, 0, sizeof w->exponent);
    for (size_t k = 0; k < LANES; k++)
        z[k] = vector == VECTOR_ONE;
    for (size_t k = 0; k < LANES; k++)
        s[k] = vector == VECTOR_TWO ? inverse : 0;
    if (vector != VECTOR_START)
        return;
    memcpy(z, w->start[0], sizeof w->start[0]);
    for (size_t k = 0; k < LANES; k++)
        s[k] = w->start[1][k] * inverse;
    if (w->careful)
        moderate(w);
}

/* The power of two that the state of a lane at a node must be multiplied by. */
static int exponent_at(const struct lanes_work *w, const struct parts *p, size_t node, size_t lane)
{
    int e = w->exponent[lane];
    for (size_t r = 1; r <= node / p->every; r++) {
        double factor = w->now->scale[r * LANES + lane];
        e += factor < 1 ? KERNEL_SHIFT : factor > 1 ? -KERNEL_SHIFT : 0;
    }
    return e;
}

/* max over the nodes up to `at` of |row of P(T, s)| |(z, z')(s)|, Euclidean norms of z and z' /
 * p->rate, relative to the scale at `at`. Only for the few points where rounding may decide. */
static double kappa(const struct lanes_work *w, const struct parts *p, size_t at, int row,
                    size_t lane)
{
    double z = row == 0, s = row == 1 ? p->omega : 0, most = 0, ratio = p->omega / p->rate;
    for (size_t n = at;; n--) {
        const double *state = w->now->state + n * 2 * LANES + lane;
        double size = state[0] * state[0] + ratio * state[LANES] * (ratio * state[LANES]);
        double length = z * z + s / ratio * (s / ratio), product = size * length;
        if (!(product <= most))
            most = product;
        if (n == 0)
            break;
        const double *m = w->now->matrix + (n - 1) * 4 * LANES + lane;
        double f = n % p->every == 0 ? w->now->scale[n / p->every * LANES + lane] : 1;
        double next = (z * m[0] + s * m[2 * LANES]) * f;
        s = (z * m[LANES] + s * m[3 * LANES]) * f;
        z = next;
    }
    return sqrt(most);
}

/* Without rescaling all lanes at once, when the first is asked for. */
static double kappa_of(struct lanes_work *w, const struct parts *p, const struct reading *r,
                       size_t node, size_t lane)
{
    if (r->has_exponents)
        return kappa(w, p, node, r->row, lane);
    if (!w->has_kappa)
        w->kernel->conditioning(p, w->now->matrix, w->lanes, w->now->state, node, r->row, w->kappa);
    w->has_kappa = 1;
    return sqrt(w->kappa[lane]);
}

/* Looks closely at one lane: its exponent, whether its error is within the tolerance, and whether
 * it is rounding that decides. */
static void judge(struct lanes_work *w, const struct parts *p, const struct probe *probe,
                  size_t lane, struct reading *r, unsigned char *coarse, unsigned char *limited)
{
    const struct sweep *s = w->sweep;
    size_t node = p->record[probe->record];
    const double *state = w->now->state + node * 2 * LANES + lane;
    double omega = sweep_omega(s, w->a[lane], w->now->q);
    double unit = probe->row == 0 ? 1 : p->omega, slope = state[LANES] * p->omega / omega;
    int exponent = exponent_at(w, p, node, lane);
    double size = ldexp(1, -exponent) + sqrt(state[0] * state[0] + slope * slope);
    double allowed = s->tolerance * size * (probe->row == 0 ? 1 : omega);
    double promised = s->promised * size * (probe->row == 0 ? 1 : omega);
    double rounding = r->rounding * w->sum[2 * LANES + lane];
    r->exponent[lane] = exponent;
    if (isnan(r->error[lane]))
        r->error[lane] = INFINITY;
    if (!(w->sum[lane] * unit <= allowed) || (r->doubt != NULL && !(r->doubt[lane] <= allowed)))
        *coarse = 1;
    /* In a leaf the margin knows. */
    if (w->now != &w->level[LEVEL_LEAF] && !(rounding <= allowed) &&
        !(8 * DBL_EPSILON * kappa_of(w, p, r, node, lane) <= promised))
        *limited = 1;
}

static int was_rescaled(const struct lanes_work *w, const struct parts *p, size_t node, size_t lane)
{
    int any = w->exponent[lane] != 0;
    for (size_t r = 1; r <= node / p->every; r++)
        any |= w->now->scale[r * LANES + lane] != 1;
    return any;
}

static int any_exponent(const struct lanes_work *w)
{
    int any = 0;
    for (size_t k = 0; w->careful && k < LANES; k++)
        any |= w->exponent[k];
    return any != 0;
}

/* The numbers of one probe become those of quantity j. */
static void put(struct strip *strip, size_t j, const uint16_t *at, size_t n,
                enum quantity_kind kind, const struct reading *r)
{
    double *value = strip->value + j * STRIP, *error = strip->error + j * STRIP;
    for (size_t k = 0; k < n; k++) {
        value[at[k]] = r->value[k];
        error[at[k]] = r->error[k];
    }
    if (kind == QUANTITY_SCALED) {
        strip->has_exponents |= r->has_exponents;
        for (size_t k = 0; strip->has_exponents && k < n; k++)
            strip->exponent[j * STRIP + at[k]] = r->has_exponents ? r->exponent[k] : 0;
        return;
    }
    if (kind != QUANTITY_LOG && !r->has_exponents)
        return;
    for (size_t k = 0; k < n; k++) {
        double *v = &value[at[k]], *e = &error[at[k]];
        if (kind == QUANTITY_LOG) {
            strip_log(v, e, r->exponent[k]);
        } else {
            *v = ldexp(*v, r->exponent[k]);
            *e = ldexp(*e, r->exponent[k]);
        }
    }
}

void lanes_take_strip(struct lanes_work *w, const struct strip *strip)
{
    w->lead = strip->column % KERNEL_KNOT;
    for (size_t i = 0; i < w->sweep->outputs.probe_count; i++) {
        const struct margin_probe *p = &w->margin->probe[i];
        size_t first = strip->column - w->lead, n = strip->count + w->lead;
        w->kernel->leaf->spread(p->stated_knot, first, n, w->stated + i * BOUNDS);
        w->kernel->leaf->spread(p->doubt_knot, first, n, w->doubt + i * BOUNDS);
    }
}

/* How often z has changed its sign up to a node. No part has two zeros: cycle_nodes. */
static void count_zeros(const struct lanes_work *w, size_t node, size_t j, struct strip *strip,
                        const uint16_t *at, size_t n)
{
    double count[LANES] = {0};
    for (size_t i = 1; i < node; i++) {
        const double *before = w->now->state + i * 2 * LANES, *after = before + 2 * LANES;
        for (size_t k = 0; k < LANES; k++)
            count[k] += (before[k] < 0) != (after[k] < 0);
    }
    for (size_t k = 0; k < n; k++) {
        strip->value[j * STRIP + at[k]] = count[k];
        strip->error[j * STRIP + at[k]] = 0;
    }
}

/* One probe on all lanes; marks the lanes whose error is too large for this level. Returns whether
 * any lane called for a closer look. */
static int read_probe(struct lanes_work *w, size_t index, struct strip *strip, const uint16_t *at,
                      size_t n, unsigned char *coarse)
{
    const struct sweep *s = w->sweep;
    const struct parts *p = w->now->parts;
    const struct probe *probe = &s->outputs.probe[index];
    size_t node = p->record[probe->record], straight = s->outputs.quantity_count;
    int leaf = w->now == &w->level[LEVEL_LEAF];
    struct reading r = {.row = probe->row,
                        .unit = probe->row == 0 ? 1 : p->omega,
                        .slope = p->omega / w->now->omega,
                        .tolerance = s->tolerance,
                        .value = w->value,
                        .error = w->error,
                        .size = w->size,
                        .doubtful = w->doubtful};
    /* kappa <= omega / rate times the sum of all |row| |state|. */
    r.rounding = leaf ? 0 : 8 * DBL_EPSILON * (p->omega / p->rate) * r.unit;
    if (leaf) { /* a run: where it is to go is known */
        r.stated = w->stated + index * BOUNDS + w->lead + at[0];
        r.doubt = w->doubt + index * BOUNDS + w->lead + at[0];
        r.least = w->margin->probe[index].least;
        straight = outputs_only_quantity(&s->outputs, index);
        if (straight < s->outputs.quantity_count) {
            r.value = strip->value + straight * STRIP + at[0];
            r.error = strip->error + straight * STRIP + at[0];
        }
    }
    w->kernel->backward(p, w->now->matrix, n, w->now->state, w->now->scale, w->now->node, node,
                        probe->row, w->sum);
    w->lanes = n;
    w->has_kappa = 0;
    int any = w->kernel->read(w->now->state + node * 2 * LANES, w->sum, n, &r);
    r.has_exponents = w->rescaled;
    /* The margin knows nothing of powers of two; what other lanes needed must not matter. */
    for (size_t k = 0; leaf && r.has_exponents && k < n; k++)
        coarse[k] |= (unsigned char)was_rescaled(w, p, node, k);
    for (size_t k = 0; (any || r.has_exponents) && k < n; k++)
        if (r.has_exponents || r.doubtful[k])
            judge(w, p, probe, k, &r, &coarse[k], &strip->limited[at[k]]);
    for (size_t j = 0; j < s->outputs.quantity_count; j++) {
        const struct quantity *q = &s->outputs.quantity[j];
        if (q->probe == index && q->kind == QUANTITY_ZEROS)
            count_zeros(w, node, j, strip, at, n);
        else if (q->probe == index && (j != straight || r.has_exponents || strip->has_exponents))
            put(strip, j, at, n, q->kind, &r);
    }
    return any || r.has_exponents;
}

size_t lanes_solve(struct lanes_work *w, struct strip *strip, const uint16_t *at, size_t n,
                   uint16_t *again)
{
    const struct outputs *o = &w->sweep->outputs;
    const struct parts *p = w->now->parts;
    unsigned char coarse[LANES] = {0};
    size_t count = 0;
    int any = 0;
    double *restrict x = w->x, a0 = p->a0, a_inverse = p->a_inverse;
    gather(w, strip, at, n);
    for (size_t k = 0; k < LANES; k++)
        x[k] = (w->a[k] - a0) * a_inverse;
    for (size_t k = 0; k < n; k++)
        strip->limited[at[k]] = 0;
    w->kernel->propagate(p, w->now->row, w->x, n, w->now->matrix);
    for (int v = 0; v < VECTOR_COUNT; v++) {
        if (!o->uses[v])
            continue;
        start(w, p, (enum vector_kind)v);
        w->rescaled = w->kernel->forward(p, w->now->matrix, n, w->now->state, w->now->scale) ||
                      any_exponent(w);
        for (size_t i = 0; i < o->probe_count; i++)
            if ((int)o->probe[i].vector == v)
                any |= read_probe(w, i, strip, at, n, coarse);
    }
    for (size_t k = 0; any && k < n; k++)
        if (coarse[k])
            again[count++] = at[k];
    return count;
}
