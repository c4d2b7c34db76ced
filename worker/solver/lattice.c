#include "lattice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void lattice_init(struct lattice *l, const struct parts *fine, const struct kernel *kernel)
{
    memset(l, 0, sizeof *l);
    l->fine = fine;
    l->kernel = kernel;
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
}

void lattice_lay(struct lattice *l, const struct leaf *leaf)
{
    l->leaf = leaf;
    chebyshev_init(&l->in_a, leaf->na + 1);
    chebyshev_init(&l->in_q, leaf->nq + 1);
    l->a_middle = 0.5 * leaf->a_low + 0.5 * leaf->a_high;
    l->a_half = fmax(leaf->a_high - l->a_middle, l->a_middle - leaf->a_low);
    l->q_middle = 0.5 * leaf->q_low + 0.5 * leaf->q_high;
    l->q_half = fmax(leaf->q_high - l->q_middle, l->q_middle - leaf->q_low);
    l->rows = (size_t)leaf->nq + 1;
    l->blocks = ((size_t)leaf->na + LANES) / LANES;
}

double lattice_y(const struct lattice *l, size_t r)
{
    static const double spot[LATTICE_SPOT_ROWS] = {-0.421875, 0.734375};
    return r < l->rows ? l->in_q.x[r] : spot[r - l->rows];
}

double lattice_spot_x(size_t k)
{
    return (2.0 * (double)k + 1) / LANES - 1;
}

void lattice_row(struct lattice *l, size_t r)
{
    const struct parts *p = l->fine;
    l->r = r;
    l->q = l->q_middle + l->q_half * lattice_y(l, r);
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
    size_t nodes = spots ? LANES : (size_t)l->in_a.n, first = b * LANES;
    l->lanes = nodes - first < LANES ? nodes - first : LANES;
    for (size_t k = 0; k < LANES; k++) {
        size_t i = first + (k < l->lanes ? k : l->lanes - 1);
        l->at[k] = l->a_middle + l->a_half * (spots ? lattice_spot_x(i) : l->in_a.x[i]);
        l->x[k] = (l->at[k] - p->a0) * p->a_inverse;
    }
    l->kernel->propagate(p, l->row, l->x, l->matrix);
}

#define RANDOM 3.0 /* standard deviations */

/* out[i] += sum over j of c[j] row[j][i]: rows of LATTICE_STRIDE, n of them, `width` columns. */
static void combine(double *out, const double *c, size_t c_stride, const double *row, size_t n,
                    size_t width)
{
    for (size_t j = 0; j < n; j++) {
        double factor = c[j * c_stride];
        const double *from = row + j * LATTICE_STRIDE;
        for (size_t i = 0; i < width; i++)
            out[i] += factor * from[i];
    }
}

/* Values at the nodes -> coefficients of T_j(y) T_k(x). */
static void transform(const struct lattice *l, const double *value, double *half, double *coef)
{
    size_t na = (size_t)l->in_a.n, nq = (size_t)l->in_q.n;
    memset(half, 0, nq * LATTICE_STRIDE * sizeof *half);
    memset(coef, 0, nq * LATTICE_STRIDE * sizeof *coef);
    for (size_t r = 0; r < nq; r++)
        combine(half + r * LATTICE_STRIDE, value + r * LATTICE_STRIDE, 1, l->in_a.series[0], na,
                na);
    for (size_t j = 0; j < nq; j++)
        combine(coef + j * LATTICE_STRIDE, l->in_q.series[0] + j, CHEBYSHEV_MAX, half, nq, na);
}

/* Bound of the sum of n terms c[i * stride] T_i T_j: that of their sizes, or less where they are
 * many and without order, as roundings are. */
static double bound(const double *c, size_t stride, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        sum += fabs(c[(size_t)i * stride]);
        squares += c[(size_t)i * stride] * c[(size_t)i * stride];
    }
    return fmin(sum, RANDOM * sqrt(squares));
}

static double row_bound(const double *coef, int j, int na)
{
    return bound(coef + (size_t)j * LATTICE_STRIDE, 1, na + 1);
}

static double column_bound(const double *coef, int k, int nq)
{
    return bound(coef + k, LATTICE_STRIDE, nq + 1);
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
    return 2 * last < before ? last * (2 * last / before) : last;
}

static double tail(const double *coef, int na, int nq)
{
    double size[CHEBYSHEV_MAX];
    for (int k = 0; k <= na; k++)
        size[k] = column_bound(coef, k, nq);
    double in_a = beyond(size, na);
    for (int j = 0; j <= nq; j++)
        size[j] = row_bound(coef, j, na);
    return in_a + beyond(size, nq);
}

void lattice_fit(const struct lattice *l, const double *value, double allowed, double *work,
                 struct fit *fit)
{
    double *half = work, *coef = work + CHEBYSHEV_MAX * CHEBYSHEV_MAX, *out = work;
    int na = l->leaf->na, nq = l->leaf->nq;
    transform(l, value, half, coef);
    fit->dropped = tail(coef, na, nq);
    for (double sum = 0; na > 0 && (sum += column_bound(coef, na, nq)) <= 0.5 * allowed; na--)
        fit->dropped += column_bound(coef, na, nq);
    for (double sum = 0; nq > 0 && (sum += row_bound(coef, nq, na)) <= 0.5 * allowed; nq--)
        fit->dropped += row_bound(coef, nq, na);
    fit->na = na;
    fit->nq = nq;
    fit->terms = 0;
    fit->coef = out;
    for (int j = 0; j <= nq; j++, out += na + 1) {
        chebyshev_to_powers(coef + j * LATTICE_STRIDE, na, out);
        for (int k = 0; k <= na; k++)
            fit->terms += fabs(out[k]);
    }
}

#define BINS 128 /* powers of two below the largest */

double lattice_quantile(const struct lattice *l, const double *size, double share)
{
    size_t na = (size_t)l->in_a.n, nq = (size_t)l->in_q.n, bin[BINS] = {0}, passed = 0;
    double most = 0;
    int top;
    for (size_t r = 0; r < nq; r++)
        for (size_t i = 0; i < na; i++)
            most = fmax(most, size[r * LATTICE_STRIDE + i]);
    frexp(most, &top);
    for (size_t r = 0; r < nq; r++) {
        for (size_t i = 0; i < na; i++) {
            int exponent;
            frexp(size[r * LATTICE_STRIDE + i], &exponent);
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

double fit_eval(const struct fit *f, double x, double y)
{
    double t[CHEBYSHEV_MAX], sum = 0;
    chebyshev_values(y, f->nq + 1, t);
    for (int j = f->nq; j >= 0; j--) {
        const double *c = f->coef + j * (f->na + 1);
        double value = c[f->na];
        for (int i = f->na - 1; i >= 0; i--)
            value = value * x + c[i];
        sum += t[j] * value;
    }
    return sum;
}
