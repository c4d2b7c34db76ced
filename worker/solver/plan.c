/* The rule: for each form the degrees that the a-priori bound of the Chebyshev coefficients asks
 * for, from them the cost, and of all the cheapest; then the same for the halves, and a piece is
 * cut when its halves together cost less. Costs were measured once on one core of a server and are
 * literals: they decide which way is taken, never what a number is worth. */
#include "plan.h"

#include "buf.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES        4       /* of the curves in each fine part */
#define DEPTH          5       /* halvings at most */
#define DEGREE_MAX     47      /* in a; two blocks of lanes are the nodes then */
#define DEGREE_MAX_Q   39      /* in q */
#define NOISE          1.5e-14 /* what rounding leaves of the largest value on a piece */
#define TERMS          4e-15   /* what rounding leaves of the largest term of a polynomial */
#define WANTED         0.003   /* of the tolerance: what may be dropped */
#define CURVED         3       /* degrees more, for the phase is not linear in a and q */
#define RANGE_MAX      12.0
#define SURFACE_GROWTH 200  /* e-folds; states are not rescaled on the way */
#define FEWEST_POINTS  1024 /* of a piece that is worth another look */

/* Costs in ns. */
#define NS_NODE_ROW   0.1   /* a fine coefficient, for each row of nodes */
#define NS_NODE_BLOCK 50.0  /* a fine part, for each 32 nodes and solution, there and back */
#define NS_NODE_PAIR  140.0 /* a fine part, for each 32 nodes, as products */
#define NS_FIT        0.5   /* a coefficient, for each degree */
#define ATTEMPTS      2.0   /* at products, on average: growth that the plan cannot see */
#define NS_LEAF       20000 /* a leaf, whatever it is */
#define NS_COEF       0.12  /* a coefficient, for each row of the piece */
#define NS_DEGREE     0.05  /* a degree of one polynomial, for each point */
#define NS_STRETCH    0.5   /* a stretch, for each point and solution, there and back */
#define NS_READ       1.6   /* a number, for each point */
#define NS_BASE       4.0   /* a point, whatever it is */

struct sample {
    double length, w, u, v;
};

struct outlook {
    struct outlook_spec spec;
    size_t *record;
    struct sample *sample;                                     /* [fine part][SAMPLES] */
    double *w_most, *v_most;                                   /* [fine part] */
    double by_range[DEGREE_MAX + 2], by_phase[DEGREE_MAX + 2]; /* see degree() */
};

static double curve_or(const struct curve *c, double t, double otherwise)
{
    return c->count != 0 ? curve_eval(c, curve_find(c, t, 0), t) : otherwise;
}

struct outlook *outlook_create(const struct outlook_spec *spec)
{
    struct outlook *o = mem_alloc(1, sizeof *o);
    size_t n = spec->fine->count;
    o->spec = *spec;
    o->record = mem_alloc(spec->record_count + 1, sizeof *o->record);
    memcpy(o->record, spec->record, spec->record_count * sizeof *o->record);
    o->sample = mem_alloc(n * SAMPLES + 1, sizeof *o->sample);
    o->w_most = mem_alloc(n + 1, sizeof *o->w_most);
    o->v_most = mem_alloc(n + 1, sizeof *o->v_most);
    for (int k = 1; k < DEGREE_MAX + 2; k++) {
        o->by_range[k] = 1 / ((2.0 * k) * (2.0 * k - 1));
        o->by_phase[k] = 1.0 / k;
    }
    for (size_t k = 0; k < n; k++) {
        const struct part *part = &spec->fine->part[k];
        double h = (part->t1 - part->t0) / SAMPLES, unused;
        for (int i = 0; i < SAMPLES; i++) {
            double t = part->t0 + h * (i + 0.5);
            o->sample[k * SAMPLES + (size_t)i] =
                (struct sample){h, curve_or(&spec->drive->w, t, 0), curve_or(&spec->drive->u, t, 0),
                                curve_or(&spec->drive->v, t, 1)};
        }
        drive_bounds(&spec->drive->w, part->t0, part->t1, 0, &o->w_most[k], &unused);
        drive_bounds(&spec->drive->v, part->t0, part->t1, 1, &o->v_most[k], &unused);
    }
    return o;
}

void outlook_destroy(struct outlook *o)
{
    if (o == NULL)
        return;
    free(o->record);
    free(o->sample);
    free(o->w_most);
    free(o->v_most);
    free(o);
}

/* e^x for x >= 0, a little less: only + * /. */
static double exponential(double x)
{
    double y = 1 + x / 4096;
    for (int i = 0; i < 12; i++)
        y *= y;
    return y;
}

/* Of one piece: integrals of sqrt(max(0, -K)) up to each node of the fine parts where K is lowest
 * and highest on the piece, which is the logarithm of what solutions grow by. */
struct growth {
    double most, least;
    double in_a, in_q; /* what the phase spans, by the integral to the node, from the lowest K on */
};

struct cutter {
    const struct outlook *o;
    const double *q, *a;
    struct growth *growth; /* [fine node] of the piece at hand */
    struct leaf *leaves;
    size_t count;
};

/* sqrt(K), and -sqrt(-K): growth and oscillation in one. */
static double root(double k)
{
    return k < 0 ? -sqrt(-k) : sqrt(k);
}

static void measure_growth(struct cutter *c, const struct leaf *l)
{
    size_t n = c->o->spec.fine->count * SAMPLES;
    struct growth g = {0};
    double a_range = l->a_high - l->a_low, q_range = l->q_high - l->q_low;
    c->growth[0] = g;
    for (size_t i = 0; i < n; i++) {
        const struct sample *s = &c->o->sample[i];
        double a0 = l->a_low * s->v, a1 = l->a_high * s->v;
        double q0 = l->q_low * s->w, q1 = l->q_high * s->w;
        double low = s->u + (a0 < a1 ? a0 : a1) + (q0 < q1 ? q0 : q1);
        double high = s->u + (a0 < a1 ? a1 : a0) + (q0 < q1 ? q1 : q0);
        g.most += low < 0 ? s->length * sqrt(-low) : 0;
        g.least += high < 0 ? s->length * sqrt(-high) : 0;
        g.in_a += s->length * (root(low + a_range * fabs(s->v)) - root(low));
        g.in_q += s->length * (root(low + q_range * fabs(s->w)) - root(low));
        if (i % SAMPLES == SAMPLES - 1)
            c->growth[i / SAMPLES + 1] = g;
    }
}

/* The degree from which the Chebyshev coefficients of the solution are below the target, over a
 * range of length 2 r of h^2 K in which the phase (the integral of sqrt(K)) spans 2 s: the lesser
 * of what bounds the coefficients of cosh(sqrt(-h^2 K)), 2 prod_{k<=n} (r / 2) / (2k (2k - 1)), and
 * those of cos(phase), 2 prod_{k<=n} (s / 2) / k. */
static int degree(const struct outlook *o, double r, double s, double target, int most)
{
    double by_range = 2, by_phase = 2;
    int n = 0;
    if (!(r > 0))
        return 0;
    while (by_range > target && by_phase > target && n <= most) {
        n++;
        by_range *= r / 2 * o->by_range[n];
        by_phase *= s / 2 * o->by_phase[n];
    }
    return by_phase > target ? n : n + CURVED;
}

/* Raises the leaf's degrees to what the stretch of fine parts [k0, k1) needs; 0 when the piece is
 * too large for it. */
static int fit_stretch(const struct cutter *c, struct leaf *l, size_t k0, size_t k1)
{
    const struct outlook *o = c->o;
    const struct growth *g0 = &c->growth[k0], *g1 = &c->growth[k1];
    double range = (g1->most - g0->most) - (g1->least - g0->least), w = 0, v = 0;
    double h = o->spec.fine->part[k1 - 1].t1 - o->spec.fine->part[k0].t0;
    if (!(range <= RANGE_MAX))
        return 0;
    double differ = exponential(range > 0 ? range : 0);
    if (differ * NOISE > o->spec.tolerance)
        return 0;
    for (size_t k = k0; k < k1; k++) {
        w = w > o->w_most[k] ? w : o->w_most[k];
        v = v > o->v_most[k] ? v : o->v_most[k];
    }
    double a_range = h * h * v * (l->a_high - l->a_low) / 2, a_span = (g1->in_a - g0->in_a) / 2;
    double q_range = h * h * w * (l->q_high - l->q_low) / 2, q_span = (g1->in_q - g0->in_q) / 2;
    /* In powers of x, cos(s x) has terms that sum up to e^s. */
    double s = fmin(a_span, sqrt(a_range));
    if (!(s < 100) || exponential(s) * TERMS > o->spec.tolerance)
        return 0;
    double target = WANTED * o->spec.tolerance / differ;
    int na = degree(o, a_range, a_span, target, DEGREE_MAX);
    int nq = degree(o, q_range, q_span, target, DEGREE_MAX_Q);
    l->na = na > l->na ? na : l->na;
    l->nq = nq > l->nq ? nq : l->nq;
    return l->na <= DEGREE_MAX && l->nq <= DEGREE_MAX_Q;
}

static double points_of(const struct leaf *l)
{
    return (double)(l->q1 - l->q0) * (double)(l->a1 - l->a0);
}

static double blocks_of(int n)
{
    return n > 32 ? 2 : 1;
}

/* Solving the nodes, two rows of spot points included. */
static double node_cost(const struct outlook *o, const struct leaf *l, double block_ns)
{
    double row = NS_NODE_ROW * (double)o->spec.fine->coef_count +
                 block_ns * (double)o->spec.fine->count * blocks_of(l->na + 1);
    return NS_LEAF + (l->nq + 3) * row;
}

static double surface_cost(const struct outlook *o, const struct leaf *l)
{
    double na = l->na + 1, nq = l->nq + 1, probes = (double)o->spec.probes;
    double node = NS_NODE_BLOCK * (double)(o->spec.vectors + o->spec.probes);
    return node_cost(o, l, node) + probes * na * nq * (na + nq) * NS_FIT +
           (double)(l->q1 - l->q0) * probes * na * nq * NS_COEF +
           points_of(l) * (NS_BASE + probes * (NS_READ + NS_DEGREE * na));
}

static double products_cost(const struct outlook *o, const struct leaf *l)
{
    double na = l->na + 1, nq = l->nq + 1, entries = 4 * (double)l->stretches;
    double carried = (double)(o->spec.vectors + o->spec.probes);
    return ATTEMPTS * (node_cost(o, l, NS_NODE_PAIR) + entries * na * nq * (na + nq) * NS_FIT) +
           (double)(l->q1 - l->q0) * entries * na * nq * NS_COEF +
           points_of(l) * (NS_BASE + (double)o->spec.probes * NS_READ + entries * NS_DEGREE * na +
                           NS_STRETCH * (double)l->stretches * carried);
}

static void take_if_cheaper(struct leaf *best, const struct leaf *l)
{
    if (l->cost < best->cost)
        *best = *l;
}

static void try_surface(const struct cutter *c, const struct leaf *piece, struct leaf *best)
{
    const struct outlook *o = c->o;
    struct leaf l = *piece;
    size_t last = o->record[o->spec.record_count - 1];
    l.form = LEAF_SURFACE;
    l.na = l.nq = 0;
    if (!o->spec.surfaces || last == 0 || c->growth[last].most > SURFACE_GROWTH ||
        !fit_stretch(c, &l, 0, last))
        return;
    l.cost = surface_cost(o, &l);
    take_if_cheaper(best, &l);
}

/* About `m` stretches in all, at least one between two output times; 0 when that is too many. */
static int cut_stretches(const struct outlook *o, struct leaf *l, size_t m)
{
    size_t last = o->record[o->spec.record_count - 1], from = 0;
    l->stretches = 0;
    l->cut[0] = 0;
    for (size_t r = 0; r < o->spec.record_count; r++) {
        size_t to = o->record[r], parts = to - from;
        if (parts == 0)
            continue;
        size_t n = (parts * m + last / 2) / last;
        /* A stretch may not outgrow what states are rescaled by. */
        size_t fewest = (parts + o->spec.fine->every - 1) / o->spec.fine->every;
        n = n < fewest ? fewest : n > parts ? parts : n;
        if (l->stretches + n > LEAF_STRETCHES_MAX)
            return 0;
        for (size_t k = 1; k <= n; k++)
            l->cut[++l->stretches] = from + parts * k / n;
        from = to;
    }
    return l->stretches > 0;
}

static int make_products(const struct cutter *c, const struct leaf *piece, size_t m, struct leaf *l)
{
    *l = *piece;
    l->form = LEAF_PRODUCTS;
    l->na = l->nq = 0;
    if (!c->o->spec.products || !cut_stretches(c->o, l, m))
        return -1;
    for (size_t k = 0; k < l->stretches; k++)
        if (!fit_stretch(c, l, l->cut[k], l->cut[k + 1]))
            return -1;
    l->cost = products_cost(c->o, l);
    return 0;
}

/* Returns the cost, INFINITY when it is not possible. */
static double try_products(const struct cutter *c, const struct leaf *piece, size_t m,
                           struct leaf *best)
{
    struct leaf l;
    if (make_products(c, piece, m, &l) != 0)
        return INFINITY;
    take_if_cheaper(best, &l);
    return l.cost;
}

/* The cheapest way for a piece as it is. */
static void judge_piece(struct cutter *c, struct leaf *piece)
{
    const struct outlook_spec *o = &c->o->spec;
    struct leaf best = *piece;
    best.form = LEAF_POINTS;
    best.cost = points_of(piece) * o->point_ns * (o->always ? 1e6 : 1);
    if (o->record_count > 0 && o->fine->count > 0) {
        size_t step = 1;
        double dearer = INFINITY;
        measure_growth(c, piece);
        try_surface(c, piece, &best);
        for (size_t m = 1; m <= o->fine->count && m <= LEAF_STRETCHES_MAX; m += step) {
            double cost = try_products(c, piece, m, &best);
            if (cost > dearer)
                break; /* and so are all with more stretches */
            dearer = cost < INFINITY ? cost : dearer;
            step = m < 6 ? 1 : m / 4;
        }
    }
    *piece = best;
}

/* The pieces that cutting in a, in q or in both gives; returns their number, 0 when it cannot. */
static size_t halve(const struct cutter *c, const struct leaf *l, int in_q, int in_a,
                    struct leaf out[4])
{
    size_t n = 0, nq = l->q1 - l->q0, na = l->a1 - l->a0;
    size_t q_cut[3] = {l->q0, l->q0 + nq / 2, l->q1}, a_cut[3] = {l->a0, l->a0 + na / 2, l->a1};
    if ((in_q && nq < 2) || (in_a && na < 2))
        return 0;
    for (int i = 0; i <= in_q; i++) {
        for (int j = 0; j <= in_a; j++) {
            struct leaf *half = &out[n++];
            *half = (struct leaf){.q0 = in_q ? q_cut[i] : l->q0,
                                  .q1 = in_q ? q_cut[i + 1] : l->q1,
                                  .a0 = in_a ? a_cut[j] : l->a0,
                                  .a1 = in_a ? a_cut[j + 1] : l->a1};
            axis_range(c->q, half->q0, half->q1, &half->q_low, &half->q_high);
            axis_range(c->a, half->a0, half->a1, &half->a_low, &half->a_high);
        }
    }
    return n;
}

/* The best of the three ways to halve, if it beats the piece as it is; else 0. */
static size_t best_halves(struct cutter *c, const struct leaf *l, struct leaf best[4])
{
    static const int way[3][2] = {{0, 1}, {1, 0}, {1, 1}};
    struct leaf halves[4];
    double least = l->cost;
    size_t count = 0;
    for (int i = 0; i < 3; i++) {
        size_t n = halve(c, l, way[i][0], way[i][1], halves);
        double sum = 0;
        for (size_t k = 0; k < n; k++) {
            judge_piece(c, &halves[k]);
            sum += halves[k].cost;
        }
        if (n > 0 && sum < least) {
            least = sum;
            count = n;
            memcpy(best, halves, n * sizeof *best);
        }
    }
    return count;
}

/* A piece for which nothing but points is possible, nor for its halves: smaller ones may do better.
 */
static size_t quarters(struct cutter *c, const struct leaf *l, struct leaf out[4])
{
    int in_q = l->q1 - l->q0 > 1, in_a = l->a1 - l->a0 > 1;
    if (l->form != LEAF_POINTS || points_of(l) < FEWEST_POINTS)
        return 0;
    size_t n = halve(c, l, in_q, in_a, out);
    for (size_t k = 0; k < n; k++)
        judge_piece(c, &out[k]);
    return n;
}

static void divide(struct cutter *c, const struct leaf *l, int depth)
{
    struct leaf pieces[4];
    size_t n = 0, before = c->count, whole = 0;
    if (depth < DEPTH && c->count + 4 <= LEAVES_MAX) {
        n = best_halves(c, l, pieces);
        n = n > 0 ? n : quarters(c, l, pieces);
    }
    for (size_t k = 0; k < n; k++)
        divide(c, &pieces[k], depth + 1);
    for (size_t k = before; k < c->count; k++)
        whole += c->leaves[k].form != LEAF_POINTS;
    if (n == 0 || whole == 0) {
        c->count = before;
        c->leaves[c->count++] = *l;
    }
}

int plan_products(const struct outlook *o, const struct leaf *piece, size_t m, struct leaf *out)
{
    struct cutter c = {.o = o, .growth = mem_alloc(o->spec.fine->count + 1, sizeof *c.growth)};
    measure_growth(&c, piece);
    int rc = make_products(&c, piece, m, out);
    free(c.growth);
    return rc;
}

size_t plan_root(const struct outlook *o, const struct leaf *root, const double *q, const double *a,
                 struct leaf leaves[LEAVES_MAX])
{
    struct cutter c = {.o = o, .q = q, .a = a, .leaves = leaves};
    struct leaf piece = *root;
    c.growth = mem_alloc(o->spec.fine->count + 1, sizeof *c.growth);
    judge_piece(&c, &piece);
    divide(&c, &piece, 0);
    free(c.growth);
    return c.count;
}
