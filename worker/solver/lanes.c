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

/* What one level needs; made when it is first used. */
struct lanes_level {
    const struct parts *parts;
    double q; /* whose polynomials are in row */
    double *row, *node;
    double *matrix, *state, *scale; /* see kernel.h */
};

struct lanes_work {
    const struct sweep *sweep;
    const struct kernel *kernel;
    struct lanes_level level[LEVELS], *now;
    double *x, *sum; /* [32], [3][32] */
    double a[LANES], start[2][LANES];
    int exponent[LANES];
};

/* Aligned for vectors of any width. */
static double *new_array(size_t n)
{
    size_t bytes = (n * sizeof(double) + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes != 0 ? bytes : 64);
    if (p == NULL)
        abort();
    memset(p, 0, bytes);
    return p;
}

struct lanes_work *lanes_create(const struct sweep *s, const struct kernel *kernel)
{
    struct lanes_work *w = mem_alloc(1, sizeof *w);
    w->sweep = s;
    w->kernel = kernel;
    w->x = new_array(LANES);
    w->sum = new_array(3 * LANES);
    return w;
}

static void free_level(struct lanes_level *l)
{
    free(l->row);
    free(l->node);
    free(l->matrix);
    free(l->state);
    free(l->scale);
}

void lanes_destroy(struct lanes_work *w)
{
    if (w == NULL)
        return;
    for (int l = 0; l < LEVELS; l++)
        free_level(&w->level[l]);
    free(w->x);
    free(w->sum);
    free(w);
}

int lanes_row(struct lanes_work *w, int level, double q)
{
    if (level >= LEVELS)
        return 0;
    struct lanes_level *l = &w->level[level];
    if (l->parts == NULL) {
        const struct parts *p = sweep_level(w->sweep, level);
        if (p == NULL)
            return 0;
        l->parts = p;
        l->row = new_array(p->row_count);
        l->node = new_array(p->count + 1);
        l->matrix = new_array(p->count * 4 * LANES);
        l->state = new_array((p->count + 1) * 2 * LANES);
        l->scale = new_array((p->count / p->every + 1) * LANES);
        l->q = NAN;
    }
    w->now = l;
    if (l->q == q)
        return 1;
    const struct parts *p = l->parts;
    l->q = q;
    w->kernel->contract(p, (q - p->q0) * p->q_inverse, l->row);
    for (size_t n = 0; n <= p->count; n++)
        l->node[n] = p->node[n] + fabs(q) * p->node_q[n];
    return 1;
}

/* The points of a chunk, in lanes; the last one fills up. */
static void gather(struct lanes_work *w, const struct strip *strip, const uint16_t *at, size_t n)
{
    for (size_t k = 0; k < LANES; k++) {
        size_t i = at[k < n ? k : n - 1];
        w->a[k] = strip->a[i];
        w->start[0][k] = strip->start[0][i];
        w->start[1][k] = strip->start[1][i];
    }
}

/* State 0 of each lane, brought to a moderate size. */
static void start(struct lanes_work *w, const struct parts *p, enum vector_kind vector)
{
    int extreme = 0;
    for (size_t k = 0; k < LANES; k++) {
        double z = vector == VECTOR_START ? w->start[0][k] : vector == VECTOR_ONE;
        double dz = vector == VECTOR_START ? w->start[1][k] : vector == VECTOR_TWO;
        double s = dz / p->omega, size = fabs(z) + fabs(s);
        w->exponent[k] = 0;
        w->now->state[k] = z;
        w->now->state[LANES + k] = s;
        extreme |= (size > KERNEL_LARGE) | ((size < KERNEL_SMALL) & (size > 0));
    }
    for (size_t k = 0; extreme && k < LANES; k++) {
        double *z = &w->now->state[k], *s = &w->now->state[LANES + k], size = fabs(*z) + fabs(*s);
        if (!isfinite(size) || size == 0)
            continue;
        frexp(size, &w->exponent[k]);
        *z = ldexp(*z, -w->exponent[k]);
        *s = ldexp(*s, -w->exponent[k]);
    }
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

/* max over the nodes up to `at` of |row of P(T, s)| |(z, z')(s)|, Euclidean norms, relative to the
 * scale at `at`. Only for the few points where rounding may decide. */
static double kappa(const struct lanes_work *w, const struct parts *p, size_t at, int row,
                    size_t lane)
{
    double z = row == 0, s = row == 1 ? p->omega : 0, most = 0, omega = p->omega;
    for (size_t n = at;; n--) {
        const double *state = w->now->state + n * 2 * LANES + lane;
        double size = state[0] * state[0] + omega * state[LANES] * (omega * state[LANES]);
        double length = z * z + s / omega * (s / omega), product = size * length;
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

/* |u| + |a| |v| + |q| |w|: omega^2 of a point. */
static double stiffness(const struct sweep *s, double a, double q)
{
    return s->u_bound + fabs(a) * s->v_bound + fabs(q) * s->w_bound;
}

/* One probe's numbers, per lane: value and error times 2^exponent. */
struct reading {
    double value[LANES], error[LANES];
    int exponent[LANES];
    int has_exponents; /* any that is not 0 */
    unsigned char doubtful[LANES];
};

/* Looks closely at one lane: its exponent, whether its error is within the tolerance, and whether
 * it is rounding that decides. */
static void judge(const struct lanes_work *w, const struct parts *p, const struct probe *probe,
                  size_t lane, struct reading *r, unsigned char *coarse, unsigned char *limited)
{
    const struct sweep *s = w->sweep;
    size_t node = p->record[probe->record];
    const double *state = w->now->state + node * 2 * LANES + lane;
    double omega = sqrt(fmax(1, stiffness(s, w->a[lane], w->now->q)));
    double unit = probe->row == 0 ? 1 : p->omega, slope = state[LANES] * p->omega / omega;
    int exponent = exponent_at(w, p, node, lane);
    double size = ldexp(1, -exponent) + sqrt(state[0] * state[0] + slope * slope);
    double allowed = s->tolerance * size * (probe->row == 0 ? 1 : omega);
    double rounding = 8 * DBL_EPSILON * p->omega * unit * w->sum[2 * LANES + lane];
    r->exponent[lane] = exponent;
    if (isnan(r->error[lane]))
        r->error[lane] = INFINITY;
    if (!(w->sum[lane] * unit <= allowed))
        *coarse = 1;
    if (!(rounding <= allowed) &&
        !(8 * DBL_EPSILON * kappa(w, p, node, probe->row, lane) <= allowed))
        *limited = 1;
}

/* The common case, in which nothing was rescaled. Marks as doubtful the lanes that a cautious look
 * (S >= 1 + |z|, kappa <= omega times the sum of all |row| |state|) does not clear. */
static void skim(const struct lanes_work *w, const struct parts *p, const struct probe *probe,
                 struct reading *r)
{
    const double *restrict z = w->now->state + p->record[probe->record] * 2 * LANES;
    const double *restrict sum = w->sum;
    double unit = probe->row == 0 ? 1 : p->omega, tolerance = w->sweep->tolerance;
    double weight = 8 * DBL_EPSILON * p->omega * unit;
    const double *restrict chosen = z + probe->row * LANES;
    for (int k = 0; k < LANES; k++) {
        r->value[k] = chosen[k] * unit;
        r->exponent[k] = 0;
        r->error[k] = sum[k] * unit + sum[LANES + k] * unit;
    }
    for (int k = 0; k < LANES; k++) {
        double allowed = tolerance * (1 + fabs(z[k])), cross = sum[k] * unit;
        double rounding = weight * sum[2 * LANES + k];
        r->doubtful[k] = !((cross <= allowed) & (rounding <= allowed));
    }
}

static int was_rescaled(const struct lanes_work *w, const struct parts *p, size_t node)
{
    int any = node >= p->every;
    for (int k = 0; k < LANES; k++)
        any |= w->exponent[k];
    return any;
}

/* The numbers of one probe become those of quantity j. */
static void put(struct strip *strip, size_t j, const uint16_t *at, size_t n, int is_log,
                const struct reading *r)
{
    double *value = strip->value + j * STRIP, *error = strip->error + j * STRIP;
    for (size_t k = 0; k < n; k++) {
        value[at[k]] = r->value[k];
        error[at[k]] = r->error[k];
    }
    if (!is_log && !r->has_exponents)
        return;
    for (size_t k = 0; k < n; k++) {
        double *v = &value[at[k]], *e = &error[at[k]];
        if (is_log) {
            *e = *e / fabs(*v);
            *v = log(fabs(*v)) + r->exponent[k] * M_LN2;
            *e += 2 * DBL_EPSILON * fabs(*v);
        } else {
            *v = ldexp(*v, r->exponent[k]);
            *e = ldexp(*e, r->exponent[k]);
        }
    }
}

/* One probe on all lanes; marks the lanes whose error is too large for this level. */
static void read_probe(struct lanes_work *w, size_t index, struct strip *strip, const uint16_t *at,
                       size_t n, unsigned char *coarse)
{
    const struct sweep *s = w->sweep;
    const struct parts *p = w->now->parts;
    const struct probe *probe = &s->outputs.probe[index];
    size_t node = p->record[probe->record];
    struct reading r;
    w->kernel->backward(p, w->now->matrix, w->now->state, w->now->scale, w->now->node, node,
                        probe->row == 0, probe->row == 1, w->sum);
    skim(w, p, probe, &r);
    r.has_exponents = was_rescaled(w, p, node);
    for (size_t k = 0; k < n; k++)
        if (r.has_exponents || r.doubtful[k])
            judge(w, p, probe, k, &r, &coarse[k], &strip->limited[at[k]]);
    for (size_t j = 0; j < s->outputs.quantity_count; j++)
        if (s->outputs.quantity[j].probe == index)
            put(strip, j, at, n, s->outputs.quantity[j].is_log, &r);
}

size_t lanes_solve(struct lanes_work *w, struct strip *strip, const uint16_t *at, size_t n,
                   uint16_t *again)
{
    const struct outputs *o = &w->sweep->outputs;
    const struct parts *p = w->now->parts;
    unsigned char coarse[LANES] = {0};
    size_t count = 0;
    gather(w, strip, at, n);
    for (size_t k = 0; k < LANES; k++)
        w->x[k] = (w->a[k] - p->a0) * p->a_inverse;
    for (size_t k = 0; k < n; k++)
        strip->limited[at[k]] = 0;
    w->kernel->propagate(p, w->now->row, w->x, w->now->matrix);
    for (int v = 0; v < VECTOR_COUNT; v++) {
        if (!o->uses[v])
            continue;
        start(w, p, (enum vector_kind)v);
        w->kernel->forward(p, w->now->matrix, w->now->state, w->now->scale);
        for (size_t i = 0; i < o->probe_count; i++)
            if ((int)o->probe[i].vector == v)
                read_probe(w, i, strip, at, n, coarse);
    }
    for (size_t k = 0; k < n; k++)
        if (coarse[k])
            again[count++] = at[k];
    return count;
}
