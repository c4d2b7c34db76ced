#include "lattice.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Spots reach from end to end: series that are cut short are furthest off there. */
static double spot_x(size_t k)
{
    return 2.0 * (double)k / (LANES - 1) - 1;
}

void lattice_init(struct lattice *l, const struct parts *fine, const struct kernel *kernel)
{
    memset(l, 0, sizeof *l);
    l->fine = fine;
    l->kernel = kernel;
    chebyshev_powers_init(&l->powers);
    l->spot = lanes_array(CHEBYSHEV_MAX);
    for (size_t k = 0; k < LANES; k++)
        l->spot[k] = spot_x(k);
    l->row = lanes_array(fine->row_count);
    l->node = lanes_array(fine->count + 1);
    l->x = lanes_array(LANES);
    l->matrix = lanes_array(fine->count * 4 * LANES);
}

void lattice_fini(struct lattice *l)
{
    free(l->row);
    free(l->node);
    free(l->x);
    free(l->matrix);
    free(l->spot);
}

void lattice_lay(struct lattice *l, const struct leaf *leaf)
{
    l->leaf = leaf;
    nodes_lay(&l->nodes, leaf->na, leaf->nq,
              &(struct nodes_range){leaf->q_low, leaf->q_high, leaf->a_low, leaf->a_high});
    l->rows = (size_t)leaf->nq + 1;
    l->blocks = ((size_t)leaf->na + LANES) / LANES;
}

double lattice_y(const struct lattice *l, size_t r)
{
    static const double spot[LATTICE_SPOT_ROWS] = {-1, 1};
    return r < l->rows ? l->nodes.in_q.x[r] : spot[r - l->rows];
}

void lattice_row(struct lattice *l, size_t r)
{
    const struct parts *p = l->fine;
    l->r = r;
    l->q = l->nodes.q_middle + l->nodes.q_half * lattice_y(l, r);
    double weight[PARTS_WEIGHTS];
    parts_weights(p, l->q, weight);
    l->kernel->contract(p, weight, l->row);
    for (size_t n = 0; n <= p->count; n++)
        l->node[n] = p->node[n] + fabs(l->q) * p->node_q[n];
}

void lattice_block(struct lattice *l, size_t b)
{
    const struct parts *p = l->fine;
    int spots = l->r >= l->rows;
    size_t nodes = spots ? LANES : (size_t)l->nodes.in_a.n, first = b * LANES;
    l->lanes = nodes - first < LANES ? nodes - first : LANES;
    for (size_t k = 0; k < LANES; k++) {
        size_t i = first + (k < l->lanes ? k : l->lanes - 1);
        l->at[k] = l->nodes.a_middle + l->nodes.a_half * (spots ? l->spot[i] : l->nodes.in_a.x[i]);
        l->x[k] = (l->at[k] - p->a0) * p->a_inverse;
    }
    l->kernel->propagate(p, l->row, l->x, LANES, l->matrix);
}

#define DEVIATIONS 3.0 /* of a sum of roundings */
#define OWN        2.0 /* roundings of a fit, in units of 2^-53 and of the sum of its terms */
#define ELSEWHERE  1.0 /* what a fit is off by between spots beyond what it is at spots */
#define NOISE      6.0 /* roundings at spots, in units of 2^-53 and of the sum of terms; they are */
                       /* no larger elsewhere */

/* Values at the nodes -> coefficients of T_j(y) T_k(x). */
static void transform(const struct lattice *l, const double *value, double *half, double *coef)
{
    size_t na = (size_t)l->nodes.in_a.n, nq = (size_t)l->nodes.in_q.n;
    memset(half, 0, nq * NODE_STRIDE * sizeof *half);
    memset(coef, 0, nq * NODE_STRIDE * sizeof *coef);
    for (size_t r = 0; r < nq; r++)
        l->kernel->accumulate(half + r * NODE_STRIDE, value + r * NODE_STRIDE, 1,
                              l->nodes.in_a.series[0], na, na);
    for (size_t j = 0; j < nq; j++)
        l->kernel->accumulate(coef + j * NODE_STRIDE, l->nodes.in_q.series[0] + j, CHEBYSHEV_MAX,
                              half, nq, na);
}

/* Sum of n sizes |c[i * stride]|, and *likely: what n terms c T_i T_j come to where they are many
 * and without order, as roundings are. In a corner of the leaf all T are 1. */
static double sum_up(const double *c, size_t stride, int n, double *likely)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += fabs(c[(size_t)i * stride]);
        squares += c[(size_t)i * stride] * c[(size_t)i * stride];
    }
    *likely = fmin(sum, DEVIATIONS * sqrt(squares));
    return sum;
}

static double sum_of_row(const double *coef, int j, int na, double *likely)
{
    return sum_up(coef + (size_t)j * NODE_STRIDE, 1, na + 1, likely);
}

static double sum_of_column(const double *coef, int k, int nq, double *likely)
{
    return sum_up(coef + k, NODE_STRIDE, nq + 1, likely);
}

/* What is beyond order n of a series with the orders' sizes: orders are looked at in pairs, for
 * every other one may vanish by symmetry, and the next pair is to the last as the last to the one
 * before. */
static double beyond(const double *size, int n)
{
    if (n < 1)
        return 0;
    double last = fmax(size[n], size[n - 1]);
    double before = n >= 3 ? fmax(size[n - 2], size[n - 3]) : last;
    return 4 * last < before ? last * (4 * last / before) : last;
}

static double tail(const double *coef, int na, int nq)
{
    double size[CHEBYSHEV_MAX];
    for (int k = 0; k <= na; k++)
        sum_of_column(coef, k, nq, &size[k]);
    double in_a = beyond(size, na);
    for (int j = 0; j <= nq; j++)
        sum_of_row(coef, j, na, &size[j]);
    return in_a + beyond(size, nq);
}

void lattice_fit(const struct lattice *l, const double *value, double allowed, double *work,
                 struct fit *fit)
{
    double *half = work, *coef = work + CHEBYSHEV_MAX * CHEBYSHEV_MAX, *out = work;
    int na = l->leaf->na, nq = l->leaf->nq;
    double dropped = 0, likely;
    transform(l, value, half, coef);
    fit->dropped = tail(coef, na, nq);
    for (; na > 0 && dropped + sum_of_column(coef, na, nq, &likely) <= 0.5 * allowed; na--)
        dropped += sum_of_column(coef, na, nq, &likely);
    for (; nq > 0 && dropped + sum_of_row(coef, nq, na, &likely) <= allowed; nq--)
        dropped += sum_of_row(coef, nq, na, &likely);
    fit->dropped += dropped;
    fit->na = na;
    fit->nq = nq;
    fit->terms = 0;
    fit->coef = out;
    for (int j = 0; j <= nq; j++, out += na + 1) {
        double powers[CHEBYSHEV_MAX] __attribute__((aligned(64))) = {0};
        l->kernel->accumulate(powers, coef + j * NODE_STRIDE, 1, l->powers.power[0], (size_t)na + 1,
                              (size_t)na + 1);
        for (int k = 0; k <= na; k++) {
            out[k] = powers[k];
            fit->terms += fabs(out[k]);
        }
    }
}

#define BINS 128 /* powers of two below the largest */

double lattice_quantile(const struct lattice *l, const double *size, double share)
{
    size_t na = (size_t)l->nodes.in_a.n, nq = (size_t)l->nodes.in_q.n, bin[BINS] = {0}, passed = 0;
    double most = 0;
    int top;
    for (size_t r = 0; r < nq; r++)
        for (size_t i = 0; i < na; i++)
            most = fmax(most, size[r * NODE_STRIDE + i]);
    frexp(most, &top);
    for (size_t r = 0; r < nq; r++) {
        for (size_t i = 0; i < na; i++) {
            int exponent;
            frexp(size[r * NODE_STRIDE + i], &exponent);
            bin[top - exponent < BINS ? top - exponent : BINS - 1]++;
        }
    }
    for (int b = BINS; b-- > 0;) {
        passed += bin[b];
        if ((double)passed > share * (double)(na * nq))
            return ldexp(1, top - b - 1);
    }
    return most;
}

/* The largest distance between the fit and the spots. */
static double off_at_spots(const struct lattice *l, const struct fit *f, const double *value)
{
    double t[CHEBYSHEV_MAX], row[CHEBYSHEV_MAX], fitted[CHEBYSHEV_MAX] __attribute__((aligned(64)));
    double most = 0;
    size_t width = (size_t)f->na + 1;
    for (size_t r = l->rows; r < l->rows + LATTICE_SPOT_ROWS; r++) {
        chebyshev_values(lattice_y(l, r), f->nq + 1, t);
        memset(row, 0, width * sizeof *row);
        for (size_t j = (size_t)f->nq + 1; j-- > 0;)
            for (size_t i = 0; i < width; i++)
                row[i] += t[j] * f->coef[j * width + i];
        l->kernel->leaf->evaluate(row, f->na, l->spot, CHEBYSHEV_MAX, fitted);
        for (size_t k = 0; k < LANES; k++) {
            double off = fabs(fitted[k] - value[r * NODE_STRIDE + k]);
            most = off > most ? off : most;
        }
    }
    return most;
}

double fit_noise(const struct fit *f)
{
    return NOISE * 0.5 * DBL_EPSILON * f->terms;
}

double lattice_off(const struct lattice *l, const struct fit *f, const double *value)
{
    double off = off_at_spots(l, f, value), noise = fit_noise(f);
    double own = 1.25 * f->dropped + OWN * 0.5 * DBL_EPSILON * f->terms;
    return fmax(own, off > noise ? off + ELSEWHERE * (off - noise) : off);
}
