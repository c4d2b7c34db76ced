/* w, u, v and the damping on a stretch of time: values, derivatives and Taylor coefficients. On a
 * stretch of one atom they are what the curves say; over several, the polynomials of degree 15 that
 * are nearest in the mean square, with what they miss: a first-order phase is then as the curves
 * themselves give it, and knots cost nothing as long as their reflections are negligible. */
#include "phase_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SPLIT 134217729.0
#define USEFUL                                                                                     \
    1e-4 /* what a polynomial may miss, relative to the largest value: else it is not tried */
#define COHERENT 64.0 /* reflections at so many joints may add up */

static const struct curve *curve_of(const struct phase *p, enum phase_curve c)
{
    const struct drive *d = p->drive;
    return c == PHASE_W ? &d->w : c == PHASE_U ? &d->u : &d->v;
}

/* (2k + 1) / (k + 1) and (k + 1) / (k + 2) of Clenshaw's recurrence, as in legendre_eval. */
#define R(k) (2.0 * (k) + 1) / ((k) + 1)
#define S(k) ((k) + 1.0) / ((k) + 2)
static const double RISE[] = {R(0), R(1), R(2),  R(3),  R(4),  R(5),  R(6),  R(7),
                              R(8), R(9), R(10), R(11), R(12), R(13), R(14), R(15)};
static const double FALL[] = {S(0), S(1), S(2),  S(3),  S(4),  S(5),  S(6),  S(7),
                              S(8), S(9), S(10), S(11), S(12), S(13), S(14), S(15)};

/* The values of a curve at the points of [t0, t1], within one segment. */
static void read_curve(const struct phase *p, const struct curve *c, double t0, double t1,
                       double *value)
{
    size_t at = curve_find(c, t0 + (t1 - t0) / 2, 0);
    const struct segment *s = &c->segments[at];
    const double *coef = c->coef + s->at;
    double x[PHASE_POINTS], b1[PHASE_POINTS] = {0}, b2[PHASE_POINTS] = {0};
    for (int i = 0; i < PHASE_NODES; i++)
        x[i] = t0 + p->gauss.x[i] * (t1 - t0);
    x[16] = t0;
    x[17] = t1;
    for (int i = 0; i < PHASE_POINTS; i++)
        x[i] = ((x[i] - s->t0) - (s->t1 - x[i])) / (s->t1 - s->t0);
    for (int k = (int)s->n - 1; k >= 0; k--) {
        for (int i = 0; i < PHASE_POINTS; i++) {
            double b0 = coef[k] + RISE[k] * x[i] * b1[i] - FALL[k] * b2[i];
            b2[i] = b1[i];
            b1[i] = b0;
        }
    }
    memcpy(value, b1, sizeof b1);
}

/* out[i] = sum_k series[k] P_k^(order)(x_i) scale */
static void expand(const struct phase *p, const double *series, int order, double scale,
                   double *out)
{
    double sum[PHASE_POINTS] = {0};
    for (int k = 0; k < GAUSS_MAX; k++)
        for (int i = 0; i < PHASE_POINTS; i++)
            sum[i] += p->legendre[order][k][i] * series[k];
    for (int i = 0; i < PHASE_POINTS; i++)
        out[i] = sum[i] * scale;
}

/* Powers of x of a Legendre series. */
static void to_powers(const struct phase *p, const double *series, double *power)
{
    double sum[GAUSS_MAX] = {0};
    for (int k = 0; k < GAUSS_MAX; k++)
        for (int i = 0; i < GAUSS_MAX; i++)
            sum[i] += p->powers[k][i] * series[k];
    memcpy(power, sum, sizeof sum);
}

/* Everything that follows from the values at the Gauss points and at the ends. */
static void complete(const struct phase *p, enum phase_curve c, const double *series, double h,
                     struct phase_sample *s)
{
    expand(p, series, 1, 2 / h, s->value[c][1]);
    expand(p, series, 2, 4 / (h * h), s->value[c][2]);
    to_powers(p, series, s->taylor[c]);
}

/* As gauss_series, which sums in the same order, for one length. */
static void series_of(const struct phase *p, const double *value, double *series)
{
    for (int k = 0; k < GAUSS_MAX; k++) {
        double sum = 0;
        for (int i = 0; i < GAUSS_MAX; i++)
            sum += p->gauss.series[k][i] * value[i];
        series[k] = sum;
    }
}

/* The damping within an atom, and what it makes of u. */
static void add_damping(const struct phase *p, double t0, double t1, struct phase_sample *s)
{
    double d[PHASE_POINTS], slope[PHASE_POINTS], series[GAUSS_MAX], unused;
    double *u = s->value[PHASE_U][0];
    read_curve(p, &p->drive->damping, t0, t1, d);
    gauss_series(&p->gauss, d, series);
    expand(p, series, 1, 2 / (t1 - t0), slope);
    for (int i = 0; i < PHASE_POINTS; i++)
        u[i] -= 0.25 * d[i] * d[i] + 0.5 * slope[i];
    s->d[0] = d[16];
    s->d[1] = d[17];
    s->d_mean = series[0];
    drive_bounds(&p->drive->damping, t0, t1, 0, &unused, &s->d_error);
}

static double largest(const double *x, int n)
{
    double most = 0;
    for (int i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

/* How many Taylor coefficients matter anywhere on the grid. */
static void count_terms(const struct phase *p, struct phase_sample *s)
{
    double h = s->t1 - s->t0;
    for (s->terms = GAUSS_MAX; s->terms > 1; s->terms--) {
        int k = s->terms - 1;
        double size = fabs(s->taylor[PHASE_U][k]) + p->q_most * fabs(s->taylor[PHASE_W][k]) +
                      p->a_most * fabs(s->taylor[PHASE_V][k]);
        if (!(0.25 * h * h * size < PHASE_LEAST))
            break;
    }
}

void phase_sample_atom(const struct phase *p, double t0, double t1, struct phase_sample *s)
{
    double series[GAUSS_MAX], unused;
    memset(s, 0, sizeof *s);
    s->t0 = t0;
    s->t1 = t1;
    s->whole = 1;
    s->taylor[PHASE_V][0] = 1;
    for (int c = 0; c < PHASE_CURVES; c++) {
        const struct curve *curve = curve_of(p, (enum phase_curve)c);
        if (!p->has[c])
            continue;
        if (curve->count != 0)
            read_curve(p, curve, t0, t1, s->value[c][0]);
        if (c == PHASE_U && p->has_damping)
            add_damping(p, t0, t1, s);
        s->bound[c] = largest(s->value[c][0], PHASE_POINTS);
        drive_bounds(curve, t0, t1, 0, &unused, &s->error[c]);
        series_of(p, s->value[c][0], series);
        complete(p, (enum phase_curve)c, series, t1 - t0, s);
    }
    count_terms(p, s);
}

static void take_piece(const struct curve *c, double t, struct phase_piece *out)
{
    *out = (struct phase_piece){.t1 = 1};
    if (c->count == 0)
        return;
    const struct segment *s = &c->segments[curve_find(c, t, 0)];
    *out = (struct phase_piece){c->coef + s->at, (int)s->n, s->t0, s->t1, s->error};
}

void phase_atom_at(const struct phase *p, double t, struct phase_atom *out)
{
    *out = (struct phase_atom){.has_damping = p->has_damping,
                               .gauss = &p->gauss,
                               .legendre = p->legendre,
                               .powers = p->powers,
                               .rise = RISE,
                               .fall = FALL,
                               .a_most = p->a_most,
                               .q_most = p->q_most};
    for (int c = 0; c < PHASE_CURVES; c++) {
        out->has[c] = p->has[c];
        take_piece(curve_of(p, (enum phase_curve)c), t, &out->curve[c]);
    }
    take_piece(&p->drive->damping, t, &out->damping);
}

/* ---- several atoms ---- */

/* A curve on an atom: its values at the Gauss points, and derivatives 0 to 3 at its ends. */
struct piece {
    double value[PHASE_NODES], end[2][4];
};

/* P_k'''(1) = (k - 2) (k - 1) k (k + 1) (k + 2) (k + 3) / 48; at -1 the sign is that of an odd or
 * even k. */
static void third_derivative(const double *series, double h, double end[2][4])
{
    end[0][3] = end[1][3] = 0;
    for (int k = 3; k < GAUSS_MAX; k++) {
        double size = 1;
        for (int i = 0; i < 3; i++)
            size *= (k - i) * (k + 1.0 + i) / (2.0 * (i + 1));
        end[0][3] += (k % 2 == 0 ? -1 : 1) * size * series[k];
        end[1][3] += size * series[k];
    }
    for (int side = 0; side < 2; side++)
        end[side][3] *= 8 / (h * h * h);
}

static void piece_of(const struct phase *p, const struct phase_sample *s, enum phase_curve c,
                     struct piece *out)
{
    double series[GAUSS_MAX];
    memcpy(out->value, s->value[c][0], sizeof out->value);
    for (int side = 0; side < 2; side++)
        for (int d = 0; d < 3; d++)
            out->end[side][d] = s->value[c][d][16 + side];
    gauss_series(&p->gauss, s->value[c][0], series);
    third_derivative(series, s->t1 - s->t0, out->end);
}

/* P_k of the span at the Gauss points of an atom. */
static void legendre_at(const struct phase *p, const struct phase_sample *s, const double *atom,
                        double table[PHASE_NODES][GAUSS_MAX])
{
    double unused[2][GAUSS_MAX];
    for (int i = 0; i < PHASE_NODES; i++) {
        double t = atom[0] + p->gauss.x[i] * (atom[1] - atom[0]);
        phase_legendre(((t - s->t0) - (s->t1 - t)) / (s->t1 - s->t0), table[i], unused[0],
                       unused[1]);
    }
}

/* Adds up what a span has of its atoms. */
struct gathering {
    double series[PHASE_CURVES][GAUSS_MAX], off[PHASE_CURVES];
    double end[PHASE_CURVES][2][3];  /* of the span */
    double last[PHASE_CURVES][4];    /* of the atom before */
    double squares[PHASE_CURVES][4]; /* of jumps */
};

static void project(const struct phase *p, const struct phase_sample *s, size_t n, size_t first,
                    size_t last, struct gathering *g)
{
    double table[PHASE_NODES][GAUSS_MAX], share = (p->atom[n + 1] - p->atom[n]) / (s->t1 - s->t0);
    struct phase_sample atom;
    struct piece piece;
    phase_sample_atom(p, p->atom[n], p->atom[n + 1], &atom);
    legendre_at(p, s, p->atom + n, table);
    for (int c = 0; c < PHASE_CURVES; c++) {
        if (!p->has[c])
            continue;
        piece_of(p, &atom, (enum phase_curve)c, &piece);
        for (int i = 0; i < PHASE_NODES; i++)
            for (int k = 0; k < GAUSS_MAX; k++)
                g->series[c][k] +=
                    (2 * k + 1) * share * p->gauss.b[i] * piece.value[i] * table[i][k];
        for (int d = 0; d < 4; d++) {
            double jump = n > first ? piece.end[0][d] - g->last[c][d] : 0;
            g->squares[c][d] += jump * jump;
            g->last[c][d] = piece.end[1][d];
        }
        if (n == first)
            memcpy(g->end[c][0], piece.end[0], sizeof g->end[c][0]);
        if (n + 1 == last)
            memcpy(g->end[c][1], piece.end[1], sizeof g->end[c][1]);
    }
}

/* How far the projection is from an atom, in the mean. */
static void measure(const struct phase *p, const struct phase_sample *s, size_t n,
                    struct gathering *g)
{
    double table[PHASE_NODES][GAUSS_MAX], share = (p->atom[n + 1] - p->atom[n]) / (s->t1 - s->t0);
    struct phase_sample atom;
    phase_sample_atom(p, p->atom[n], p->atom[n + 1], &atom);
    legendre_at(p, s, p->atom + n, table);
    for (int c = 0; c < PHASE_CURVES; c++) {
        for (int i = 0; p->has[c] && i < PHASE_NODES; i++) {
            double sum = 0;
            for (int k = 0; k < GAUSS_MAX; k++)
                sum += g->series[c][k] * table[i][k];
            g->off[c] += share * p->gauss.b[i] * fabs(atom.value[c][0][i] - sum);
        }
    }
}

int phase_sample_span(const struct phase *p, size_t first, size_t last, struct phase_sample *s)
{
    struct gathering g = {0};
    double mean = 0, bound, count = fmin((double)(last - first - 1), COHERENT);
    int useful = 1;
    memset(s, 0, sizeof *s);
    s->t0 = p->atom[first];
    s->t1 = p->atom[last];
    s->taylor[PHASE_V][0] = 1;
    for (size_t n = first; n < last; n++)
        project(p, s, n, first, last, &g);
    for (size_t n = first; n < last; n++)
        measure(p, s, n, &g);
    for (int c = 0; c < PHASE_CURVES; c++) {
        if (!p->has[c])
            continue;
        expand(p, g.series[c], 0, 1, s->value[c][0]);
        complete(p, (enum phase_curve)c, g.series[c], s->t1 - s->t0, s);
        for (int side = 0; side < 2; side++) {
            s->bend[c] += fabs(s->value[c][1][16 + side] - g.end[c][side][1]);
            for (int d = 0; d < 3; d++)
                s->value[c][d][16 + side] = g.end[c][side][d];
        }
        for (int d = 0; d < 4; d++)
            s->jump[c][d] = sqrt(count * g.squares[c][d]);
        s->off[c] = g.off[c];
        s->bound[c] = largest(s->value[c][0], PHASE_POINTS);
        drive_bounds(curve_of(p, (enum phase_curve)c), s->t0, s->t1, 0, &bound, &s->error[c]);
        useful &= g.off[c] <= USEFUL * s->bound[c];
    }
    if (p->has_damping) {
        struct phase_sample atom;
        for (size_t n = first; n < last; n++) {
            phase_sample_atom(p, p->atom[n], p->atom[n + 1], &atom);
            mean += atom.d_mean * (atom.t1 - atom.t0) / (s->t1 - s->t0);
            if (n == first)
                s->d[0] = atom.d[0];
            s->d[1] = atom.d[1];
        }
        s->d_mean = mean;
        drive_bounds(&p->drive->damping, s->t0, s->t1, 0, &bound, &s->d_error);
    }
    count_terms(p, s);
    return useful;
}

/* ---- a row ---- */

/* x + y and x y with what is rounded away. */
static double sum_error(double x, double y, double s)
{
    double t = s - x;
    return (x - (s - t)) + (y - t);
}

static double product_error(double x, double y, double p)
{
    double cx = x * SPLIT, cy = y * SPLIT, xh = cx - (cx - x), yh = cy - (cy - y);
    double xl = x - xh, yl = y - yh;
    return ((xh * yh - p) + xh * yl + xl * yh) + xl * yl;
}

/* e^x = *value 2^*exponent, by its own series. */
static void exponential(double x, double *value, double *exponent)
{
    double n = floor(x * 0x1.71547652b82fep+0 + 0.5), sum = 1;
    double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
    for (int k = 14; k > 0; k--)
        sum = 1 + sum * r / k;
    *value = sum;
    *exponent = n;
}

void phase_row(const struct phase *p, const struct phase_sample *s, double q,
               struct phase_stretch *out)
{
    double size = fabs(q), h = s->t1 - s->t0;
    memset(out, 0, sizeof *out);
    out->h = h;
    out->h_low = sum_error(s->t1, -s->t0, h);
    out->has_v = p->has[PHASE_V];
    out->terms = s->terms;
    out->whole = s->whole;
    for (int i = 0; i < PHASE_POINTS; i++) {
        double w = s->value[PHASE_W][0][i], u = s->value[PHASE_U][0][i], product = q * w;
        out->k[i] = u + product;
        out->k_low[i] = sum_error(u, product, out->k[i]) + product_error(q, w, product);
        out->k1[i] = s->value[PHASE_U][1][i] + q * s->value[PHASE_W][1][i];
        out->k2[i] = s->value[PHASE_U][2][i] + q * s->value[PHASE_W][2][i];
    }
    memcpy(out->v, s->value[PHASE_V][0], sizeof out->v);
    memcpy(out->v1, s->value[PHASE_V][1], sizeof out->v1);
    memcpy(out->v2, s->value[PHASE_V][2], sizeof out->v2);
    for (int k = 0; k < s->terms; k++) {
        out->taylor[k][0] = -0.25 * h * h * (s->taylor[PHASE_U][k] + q * s->taylor[PHASE_W][k]);
        out->taylor[k][1] = -0.25 * h * h * s->taylor[PHASE_V][k];
    }
    out->off[0] = s->off[PHASE_U] + size * s->off[PHASE_W];
    out->off[1] = s->off[PHASE_V];
    out->bend[0] = s->bend[PHASE_U] + size * s->bend[PHASE_W];
    out->bend[1] = s->bend[PHASE_V];
    for (int d = 0; d < 4; d++) {
        out->jump[d][0] = s->jump[PHASE_U][d] + size * s->jump[PHASE_W][d];
        out->jump[d][1] = s->jump[PHASE_V][d];
    }
    out->noise[0] = s->bound[PHASE_U] + size * s->bound[PHASE_W];
    out->noise[1] = s->bound[PHASE_V];
    out->drive[0] = h * (s->error[PHASE_U] + size * s->error[PHASE_W]);
    out->drive[1] = h * s->error[PHASE_V];
    out->has_damping = p->has_damping;
    if (p->has_damping) {
        exponential(-0.5 * h * s->d_mean, &out->drag, &out->drag_exponent);
        out->drag_noise = 0.5 * h * fabs(s->d_mean);
        out->d[0] = s->d[0];
        out->d[1] = s->d[1];
        out->damping_error = h * s->d_error;
    }
}
