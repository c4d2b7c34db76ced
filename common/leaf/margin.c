/* See margin.h. */
#include "margin.h"

#include "buf.h"
#include <stdlib.h>
#include <string.h>

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

void margin_init(struct margin *m, size_t probe_count, int judges)
{
    size_t values = NODE_ROWS * NODE_STRIDE;
    memset(m, 0, sizeof *m);
    m->probe_count = probe_count;
    m->judges = judges;
    m->probe = mem_alloc(probe_count + 1, sizeof *m->probe);
    for (size_t i = 0; i < probe_count; i++) {
        m->probe[i].stated = lanes_array(values);
        m->probe[i].doubt = judges ? lanes_array(values) : NULL;
    }
}

void margin_fini(struct margin *m)
{
    for (size_t i = 0; i < m->probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        free(p->stated);
        free(p->doubt);
        free(p->stated_knot);
        free(p->doubt_knot);
        free(p->stated_knots);
        free(p->doubt_knots);
    }
    free(m->probe);
    free(m->x);
    free(m->place);
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
    for (size_t i = 0; i < m->probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        p->stated_knot = mem_resize(p->stated_knot, knots, sizeof(double));
        p->stated_knots = mem_resize(p->stated_knots, CHEBYSHEV_MAX * knots, sizeof(double));
        if (!m->judges)
            continue;
        p->doubt_knot = mem_resize(p->doubt_knot, knots, sizeof(double));
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

/* Where the columns lie among the nodes. */
static void place_columns(struct margin *m, const double *a)
{
    const struct nodes *nodes = m->nodes;
    size_t n = m->columns;
    for (size_t i = 0; i < n; i++)
        m->x[i] = nodes_x(nodes, a[i]);
    memset(m->x + n, 0, MARGIN_PAD * sizeof *m->x);
    m->monotonic = is_monotonic(m->x, n);
    for (size_t g = 0; g < m->intervals; g++) {
        size_t begin = g * KERNEL_KNOT, end = begin + KERNEL_KNOT < n ? begin + KERNEL_KNOT : n - 1;
        double low, high;
        axis_range(m->x, begin, end + 1, &low, &high);
        m->place[g] = (struct place){find_spot(&nodes->in_a, low), find_spot(&nodes->in_a, high)};
    }
}

void margin_lay(struct margin *m, const struct nodes *nodes, const double *a, size_t count)
{
    m->nodes = nodes;
    m->columns = count;
    m->intervals = (count + KERNEL_KNOT - 1) / KERNEL_KNOT;
    m->knots = m->intervals + 1;
    make_room(m, count + MARGIN_PAD);
    place_columns(m, a);
    for (size_t i = 0; i < m->probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        for (size_t r = 0; r < (size_t)nodes->in_q.n; r++) {
            spread(m, p->stated + r * NODE_STRIDE, p->stated_knots + r * m->knots);
            if (m->judges)
                spread(m, p->doubt + r * NODE_STRIDE, p->doubt_knots + r * m->knots);
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
    struct spot row = find_spot(&m->nodes->in_q, nodes_y(m->nodes, q));
    size_t at = (size_t)row.i * m->knots, apart = row.share > 0 ? m->knots : 0;
    for (size_t i = 0; i < m->probe_count; i++) {
        struct margin_probe *p = &m->probe[i];
        mix(p->stated_knots + at, apart, row.share, 1, constant[i], m->knots, p->stated_knot);
        if (m->judges)
            mix(p->doubt_knots + at, apart, row.share, 0, constant[i], m->knots, p->doubt_knot);
    }
}
