/* Nodes are solved with every digit there is: their errors are roundings and those of w. */
#include "margin.h"

#include "buf.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN   1.1 /* errors between nodes against those at the nodes */
#define BETWEEN_S 0.7 /* the least S between nodes against that at the nodes */

/* A place between two nodes: after node i, by a share of the way to the next. */
struct spot {
    int i;
    double share;
};

/* The columns of the leaf at which bounds are given, among the nodes; where the axis is not
 * monotonic, where the columns of an interval begin and end. */
struct place {
    struct spot low, high; /* of x within the interval; monotonic: at its two ends */
};

void margin_init(struct margin *m, const struct sweep *s, const struct parts *fine,
                 const struct kernel *kernel)
{
    size_t values = (CHEBYSHEV_MAX + LATTICE_SPOT_ROWS) * LATTICE_STRIDE;
    memset(m, 0, sizeof *m);
    m->sweep = s;
    m->fine = fine;
    m->kernel = kernel;
    m->probe = mem_alloc(s->outputs.probe_count + 1, sizeof *m->probe);
    for (size_t i = 0; i < s->outputs.probe_count; i++) {
        m->probe[i].value = lanes_array(values);
        m->probe[i].size = lanes_array(values);
        m->probe[i].stated = lanes_array(values);
        m->probe[i].doubt = lanes_array(values);
    }
    m->state = lanes_array((fine->count + 1) * 2 * LANES);
    m->scale = lanes_array((fine->count / fine->every + 1) * LANES);
    m->sum = lanes_array(4 * LANES);
}

void margin_fini(struct margin *m)
{
    for (size_t i = 0; i < m->sweep->outputs.probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        free(p->value);
        free(p->size);
        free(p->stated);
        free(p->doubt);
        free(p->stated_knot);
        free(p->doubt_knot);
        free(p->stated_knots);
        free(p->doubt_knots);
    }
    free(m->probe);
    free(m->state);
    free(m->scale);
    free(m->sum);
    free(m->x);
    free(m->place);
}

void margin_begin(struct margin *m, const struct lattice *l)
{
    m->lattice = l;
    for (size_t i = 0; i < m->sweep->outputs.probe_count; i++)
        m->probe[i].least = INFINITY;
}

/* State 0 of all lanes. */
static void start_lanes(struct margin *m, const struct lattice *l, enum vector_kind vector)
{
    for (int k = 0; k < LANES; k++) {
        double at[2] = {l->at[k], l->q}, z = vector == VECTOR_ONE, dz = vector == VECTOR_TWO;
        if (vector == VECTOR_START) {
            z = expr_eval(m->sweep->start[0], at);
            dz = expr_eval(m->sweep->start[1], at);
        }
        m->state[k] = z;
        m->state[LANES + k] = dz / m->fine->omega;
    }
}

static int was_rescaled(const struct margin *m, size_t node)
{
    for (size_t r = 1; r <= node / m->fine->every; r++)
        for (size_t k = 0; k < LANES; k++)
            if (m->scale[r * LANES + k] != 1)
                return 1;
    return 0;
}

/* Where solutions grow, errors do by factors from node to node: the eighth roots of what is
 * stated are what is interpolated, which is nearly the logarithm; doubt is linear, which is more.
 */
static double eighth_root(double x)
{
    return sqrt(sqrt(sqrt(x)));
}

/* One probe at the nodes of the block at hand, whose states are there. */
static int read_probe(struct margin *m, const struct lattice *l, size_t index, size_t block)
{
    const struct probe *probe = &m->sweep->outputs.probe[index];
    const struct parts *p = m->fine;
    struct margin_probe *to = &m->probe[index];
    size_t node = p->record[probe->record], at = l->r * LATTICE_STRIDE + block * LANES;
    double unit = probe->row == 0 ? 1 : p->omega;
    const double *z = m->state + node * 2 * LANES, *slope = z + LANES, *sum = m->sum;
    m->kernel->backward(p, l->matrix, LANES, m->state, m->scale, l->node, node, probe->row, m->sum);
    m->kernel->conditioning(p, l->matrix, LANES, m->state, node, probe->row, m->sum + 3 * LANES);
    for (size_t k = 0; k < l->lanes; k++) {
        double omega = sweep_omega(m->sweep, l->at[k], l->q), dz = slope[k] * p->omega / omega;
        double size = (1 + sqrt(z[k] * z[k] + dz * dz)) * (probe->row == 0 ? 1 : omega);
        double kappa = sqrt(sum[3 * LANES + k]);
        to->value[at + k] = (probe->row == 0 ? z : slope)[k] * unit;
        to->size[at + k] = size;
        to->stated[at + k] = eighth_root(BETWEEN * (sum[k] + sum[LANES + k]) * unit);
        to->doubt[at + k] = BETWEEN * fmax(sum[k] * unit, 8 * DBL_EPSILON * kappa);
        to->least = fmin(to->least, BETWEEN_S * size);
        if (!isfinite(size) || !isfinite(kappa) || !isfinite(to->stated[at + k]))
            return -1;
    }
    return was_rescaled(m, node) ? -1 : 0;
}

int margin_read(struct margin *m, const struct lattice *l, size_t block)
{
    const struct outputs *o = &m->sweep->outputs;
    for (int v = 0; v < VECTOR_COUNT; v++) {
        if (!o->uses[v])
            continue;
        start_lanes(m, l, (enum vector_kind)v);
        m->kernel->forward(m->fine, l->matrix, LANES, m->state, m->scale);
        for (size_t i = 0; i < o->probe_count; i++)
            if ((int)o->probe[i].vector == v && read_probe(m, l, i, block) != 0)
                return -1;
    }
    return 0;
}

/* Nodes decrease. */
static struct spot find_spot(const struct chebyshev *c, double x)
{
    struct spot s = {0, 0};
    while (s.i + 1 < c->n && c->x[s.i + 1] > x)
        s.i++;
    if (s.i + 1 < c->n && x < c->x[s.i])
        s.share = (c->x[s.i] - x) / (c->x[s.i] - c->x[s.i + 1]);
    return s;
}

static int is_monotonic(const double *x, size_t n)
{
    int rises = 0, falls = 0;
    for (size_t i = 1; i < n; i++) {
        rises |= x[i] > x[i - 1];
        falls |= x[i] < x[i - 1];
    }
    return !(rises && falls);
}

static void make_room(struct margin *m, size_t columns)
{
    if (columns <= m->cap)
        return;
    size_t knots = columns / KERNEL_KNOT + 2;
    m->cap = columns;
    free(m->x);
    m->x = lanes_array(columns);
    m->place = mem_resize(m->place, knots, sizeof *m->place);
    for (size_t i = 0; i < m->sweep->outputs.probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        p->stated_knot = mem_resize(p->stated_knot, knots, sizeof(double));
        p->doubt_knot = mem_resize(p->doubt_knot, knots, sizeof(double));
        p->stated_knots = mem_resize(p->stated_knots, CHEBYSHEV_MAX * knots, sizeof(double));
        p->doubt_knots = mem_resize(p->doubt_knots, CHEBYSHEV_MAX * knots, sizeof(double));
    }
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double at_spot(const double *node, struct spot s)
{
    return s.share > 0 ? node[s.i] + s.share * (node[s.i + 1] - node[s.i]) : node[s.i];
}

/* From errors at the nodes of a row to bounds at every eighth column: at least those of the column
 * itself and so large that the line between two of them is above all nodes there. */
static void spread(const struct margin *m, const double *node, double *knot)
{
    int rising = m->monotonic && m->x[m->columns - 1] > m->x[0];
    for (size_t g = 0; g <= m->intervals; g++)
        knot[g] = 0;
    for (size_t g = 0; g < m->intervals; g++) {
        const struct place *p = &m->place[g];
        double low = at_spot(node, p->low), high = at_spot(node, p->high), peak = 0;
        for (int i = p->high.i + 1; i <= p->low.i; i++)
            peak = larger(peak, node[i]);
        double left = rising ? low : high, right = rising ? high : low;
        int cut_short = (g + 1) * KERNEL_KNOT > m->columns - 1;
        if (!m->monotonic || cut_short || peak > larger(left, right))
            left = right = larger(peak, larger(left, right));
        knot[g] = larger(knot[g], left);
        knot[g + 1] = right;
    }
}

void margin_end(struct margin *m)
{
    const struct lattice *l = m->lattice;
    const struct leaf *leaf = l->leaf;
    size_t n = leaf->a1 - leaf->a0;
    m->columns = n;
    m->intervals = (n + KERNEL_KNOT - 1) / KERNEL_KNOT;
    m->knots = m->intervals + 1;
    make_room(m, n + MARGIN_PAD);
    for (size_t i = 0; i < n; i++)
        m->x[i] = l->a_half > 0 ? (m->sweep->a[leaf->a0 + i] - l->a_middle) / l->a_half : 0;
    memset(m->x + n, 0, MARGIN_PAD * sizeof *m->x);
    m->monotonic = is_monotonic(m->x, n);
    for (size_t g = 0; g < m->intervals; g++) {
        size_t begin = g * KERNEL_KNOT, end = begin + KERNEL_KNOT < n ? begin + KERNEL_KNOT : n - 1;
        double low, high;
        axis_range(m->x, begin, end + 1, &low, &high);
        m->place[g] = (struct place){find_spot(&l->in_a, low), find_spot(&l->in_a, high)};
    }
    for (size_t i = 0; i < m->sweep->outputs.probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        for (size_t r = 0; r < l->rows; r++) {
            spread(m, p->stated + r * LATTICE_STRIDE, p->stated_knots + r * m->knots);
            spread(m, p->doubt + r * LATTICE_STRIDE, p->doubt_knots + r * m->knots);
        }
    }
}

/* to = from at a spot between two rows, no longer rooted. */
static void mix(const double *from, size_t rows_apart, double share, int rooted, double constant,
                size_t n, double *to)
{
    const double *next = from + rows_apart;
    for (size_t g = 0; g < n; g++) {
        double root = from[g] + share * (next[g] - from[g]), square = root * root;
        to[g] = (rooted ? square * square * (square * square) : root) + constant;
    }
}

void margin_row(struct margin *m, double q, const double *constant)
{
    const struct lattice *l = m->lattice;
    double y = l->q_half > 0 ? (q - l->q_middle) / l->q_half : 0;
    struct spot row = find_spot(&l->in_q, y);
    size_t at = (size_t)row.i * m->knots, apart = row.share > 0 ? m->knots : 0;
    for (size_t i = 0; i < m->sweep->outputs.probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        mix(p->stated_knots + at, apart, row.share, 1, constant[i], m->knots, p->stated_knot);
        mix(p->doubt_knots + at, apart, row.share, 0, constant[i], m->knots, p->doubt_knot);
    }
}
