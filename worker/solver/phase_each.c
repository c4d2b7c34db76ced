/* w, u, v and the damping for lanes that are each on a stretch of its own within one atom: what
 * phase_sample_atom and phase_row do for one stretch, sum by sum in the same order, so that a
 * lane's bits do not tell in which way it came. Compiled once per instruction set. */
#include "phase_kernel.h"

#ifndef PHASE_EACH
#define PHASE_EACH   phase_each_portable
#define VECTOR_BYTES 16
#endif
#include "phase_vector.h"

/* One vector of stretches. */
struct each {
    vector t0, t1, h;
    vector value[PHASE_CURVES][PHASE_POINTS], first[PHASE_CURVES][PHASE_POINTS];
    vector second[PHASE_CURVES][PHASE_POINTS], taylor[PHASE_CURVES][GAUSS_MAX];
    vector bound[PHASE_CURVES], d[2], d_mean;
};

static void read_piece(const struct phase_atom *p, const struct phase_piece *s,
                       const struct each *e, vector *value)
{
    for (int i = 0; i < PHASE_POINTS; i++) {
        vector t = i < PHASE_NODES ? e->t0 + p->gauss->x[i] * e->h : i == 16 ? e->t0 : e->t1;
        vector x = ((t - s->t0) - (s->t1 - t)) / (s->t1 - s->t0), b1 = all(0), b2 = all(0);
        for (int k = s->n - 1; k >= 0; k--) {
            vector b0 = s->coef[k] + p->rise[k] * x * b1 - p->fall[k] * b2;
            b2 = b1;
            b1 = b0;
        }
        value[i] = b1;
    }
}

static void series_of(const struct phase_atom *p, const vector *value, vector *series)
{
    for (int k = 0; k < GAUSS_MAX; k++) {
        vector sum = all(0);
        for (int i = 0; i < GAUSS_MAX; i++)
            sum += p->gauss->series[k][i] * value[i];
        series[k] = sum;
    }
}

static void expand(const struct phase_atom *p, const vector *series, int order, vector scale,
                   vector *out)
{
    for (int i = 0; i < PHASE_POINTS; i++) {
        vector sum = all(0);
        for (int k = 0; k < GAUSS_MAX; k++)
            sum += p->legendre[order][k][i] * series[k];
        out[i] = sum * scale;
    }
}

static void add_damping(const struct phase_atom *p, struct each *e)
{
    vector d[PHASE_POINTS], slope[PHASE_POINTS], series[GAUSS_MAX];
    read_piece(p, &p->damping, e, d);
    series_of(p, d, series);
    expand(p, series, 1, 2 / e->h, slope);
    for (int i = 0; i < PHASE_POINTS; i++)
        e->value[PHASE_U][i] -= 0.25 * d[i] * d[i] + 0.5 * slope[i];
    e->d[0] = d[16];
    e->d[1] = d[17];
    e->d_mean = series[0];
}

static void sample_curve(const struct phase_atom *p, int c, struct each *e)
{
    vector series[GAUSS_MAX];
    if (p->curve[c].n > 0)
        read_piece(p, &p->curve[c], e, e->value[c]);
    if (c == PHASE_U && p->has_damping)
        add_damping(p, e);
    for (int i = 0; i < PHASE_POINTS; i++)
        e->bound[c] = larger(e->bound[c], absolute(e->value[c][i]));
    series_of(p, e->value[c], series);
    expand(p, series, 1, 2 / e->h, e->first[c]);
    expand(p, series, 2, 4 / (e->h * e->h), e->second[c]);
    for (int i = 0; i < GAUSS_MAX; i++) {
        vector sum = all(0);
        for (int k = 0; k < GAUSS_MAX; k++)
            sum += p->powers[k][i] * series[k];
        e->taylor[c][i] = sum;
    }
}

/* Taylor coefficients that matter, of each lane; returns the largest number. */
static int put_taylor(const struct phase_atom *p, const struct each *e, double q, size_t g,
                      struct phase_block *b)
{
    bits trim = ~(bits)all(0);
    int terms = 1;
    for (int k = GAUSS_MAX - 1; k >= 0; k--) {
        const vector *w = e->taylor[PHASE_W], *u = e->taylor[PHASE_U], *v = e->taylor[PHASE_V];
        vector size = absolute(u[k]) + p->q_most * absolute(w[k]) + p->a_most * absolute(v[k]);
        if (k > 0)
            trim &= (0.25 * e->h * e->h * size < PHASE_LEAST);
        else
            trim = (bits)all(0);
        if (any(~trim) && k + 1 > terms)
            terms = k + 1;
        set(b->taylor[k][0], g, choose(trim, all(0), -0.25 * e->h * e->h * (u[k] + q * w[k])));
        set(b->taylor[k][1], g, choose(trim, all(0), -0.25 * e->h * e->h * v[k]));
    }
    return terms;
}

static void put_points(const struct phase_atom *p, const struct each *e, double q, size_t g,
                       struct phase_block *b)
{
    for (int i = 0; i < PHASE_POINTS; i++) {
        vector w = e->value[PHASE_W][i], u = e->value[PHASE_U][i], product = q * w;
        struct two sum = two_sum(u, product);
        set(b->k[i], g, sum.high);
        set(b->k_low[i], g, sum.low + product_error(product, halves(all(q)), halves(w)));
        set(b->k1[i], g, e->first[PHASE_U][i] + q * e->first[PHASE_W][i]);
        set(b->k2[i], g, e->second[PHASE_U][i] + q * e->second[PHASE_W][i]);
        if (!p->has[PHASE_V])
            continue;
        set(b->v[i], g, e->value[PHASE_V][i]);
        set(b->v1[i], g, e->first[PHASE_V][i]);
        set(b->v2[i], g, e->second[PHASE_V][i]);
    }
}

static void put_drag(const struct phase_atom *p, const struct each *e, size_t g,
                     struct phase_block *b)
{
    vector zero = all(0);
    set(b->drag, g, zero);
    set(b->drag_exponent, g, zero);
    set(b->drag_noise, g, zero);
    set(b->d[0], g, zero);
    set(b->d[1], g, zero);
    set(b->damping_error, g, zero);
    if (!p->has_damping)
        return;
    vector x = -0.5 * e->h * e->d_mean, n = x * 0x1.71547652b82fep+0 + 0.5, sum = all(1);
    for (int i = 0; i < WIDTH; i++)
        n[i] = floor(n[i]);
    vector r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
    for (int k = 14; k > 0; k--)
        sum = 1 + sum * r / k;
    set(b->drag, g, sum);
    set(b->drag_exponent, g, n);
    set(b->drag_noise, g, 0.5 * e->h * absolute(e->d_mean));
    set(b->d[0], g, e->d[0]);
    set(b->d[1], g, e->d[1]);
    set(b->damping_error, g, e->h * (p->damping.error * e->h / e->h));
}

static void fill(const struct phase_atom *p, double q, const double *t0, const double *t1,
                 struct phase_block *b)
{
    double size = fabs(q);
    b->terms = 1;
    b->has_v = p->has[PHASE_V];
    b->has_damping = p->has_damping;
    b->whole = 1;
    for (size_t g = 0; g < PHASE_BLOCK; g += WIDTH) {
        struct each e = {.t0 = get(t0, g), .t1 = get(t1, g)};
        e.taylor[PHASE_V][0] = all(1);
        e.h = e.t1 - e.t0;
        for (int c = 0; c < PHASE_CURVES; c++)
            if (p->has[c])
                sample_curve(p, c, &e);
        int terms = put_taylor(p, &e, q, g, b);
        b->terms = terms > b->terms ? terms : b->terms;
        put_points(p, &e, q, g, b);
        put_drag(p, &e, g, b);
        vector error[PHASE_CURVES];
        for (int c = 0; c < PHASE_CURVES; c++)
            error[c] = p->curve[c].error * e.h / e.h;
        set(b->h, g, e.h);
        set(b->h_low, g, two_sum(e.t1, -e.t0).low);
        set(b->off[0], g, all(0));
        set(b->off[1], g, all(0));
        set(b->bend[0], g, all(0));
        set(b->bend[1], g, all(0));
        set(b->noise[0], g, e.bound[PHASE_U] + size * e.bound[PHASE_W]);
        set(b->noise[1], g, e.bound[PHASE_V]);
        set(b->drive[0], g, e.h * (error[PHASE_U] + size * error[PHASE_W]));
        set(b->drive[1], g, e.h * error[PHASE_V]);
    }
}

const struct phase_each PHASE_EACH = {fill};
