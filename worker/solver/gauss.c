/* The points are literals (they were computed with 40 digits), everything else follows from the
 * three-term recurrence of the Legendre polynomials. Working in that basis keeps all matrices well
 * conditioned; the Lagrange polynomials are l_j = b_j sum_k (2k+1) P_k(x_j) P_k. */
#include "gauss.h"

#include <math.h>
#include <stddef.h>

static const double HALF4[] = {0.3399810435848562648, 0.86113631159405257522};
static const double HALF8[] = {0.18343464249564980494, 0.52553240991632898582,
                               0.79666647741362673959, 0.96028985649753623168};
static const double HALF16[] = {
    0.095012509837637440185, 0.28160355077925891323, 0.45801677765722738634, 0.61787624440264374845,
    0.7554044083550030339,   0.86563120238783174388, 0.94457502307323257608, 0.9894009349916499326};

/* P_0 .. P_n at x in [-1, 1]. */
static void legendre_all(double x, int n, double *p)
{
    p[0] = 1;
    p[1] = x;
    for (int k = 1; k < n; k++)
        p[k + 1] = ((2 * k + 1) * x * p[k] - k * p[k - 1]) / (k + 1);
}

void gauss_init(struct gauss *g, int n)
{
    const double *half = n == 4 ? HALF4 : n == 8 ? HALF8 : HALF16;
    double p[GAUSS_MAX][GAUSS_MAX + 1];
    g->n = n;
    for (int i = 0; i < n; i++) {
        int k = i < n / 2 ? n / 2 - 1 - i : i - n / 2;
        double x = i < n / 2 ? -half[k] : half[k];
        legendre_all(x, n, p[i]);
        /* Christoffel's form of the weights: all terms positive, nothing cancels near the ends. */
        double sum = 0;
        for (int m = n - 1; m >= 0; m--)
            sum += (2 * m + 1) * p[i][m] * p[i][m];
        g->b[i] = 1 / sum;
        g->x[i] = 0.5 + 0.5 * x;
    }
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n; i++)
            g->series[k][i] = (2 * k + 1) * g->b[i] * p[i][k];
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            /* The integral of P_k from -1 to x is (P_{k+1} - P_{k-1}) / (2k + 1), x + 1 for k = 0.
             */
            double sum = 0;
            for (int k = n - 1; k > 0; k--)
                sum += p[j][k] * (p[i][k + 1] - p[i][k - 1]);
            g->once[i][j] = 0.5 * g->b[j] * (sum + 2 * g->x[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += g->once[i][k] * g->once[k][j];
            g->twice[i][j] = sum;
        }
    }
}

void gauss_series(const struct gauss *g, const double *f, double *coef)
{
    for (int k = 0; k < g->n; k++) {
        double sum = 0;
        for (int i = 0; i < g->n; i++)
            sum += g->series[k][i] * f[i];
        coef[k] = sum;
    }
}

/* (2k + 1) / (k + 1) and (k + 1) / (k + 2) of the recurrence. */
#define R(k) (2.0 * (k) + 1) / ((k) + 1)
#define S(k) ((k) + 1.0) / ((k) + 2)
static const double RISE[] = {R(0), R(1), R(2),  R(3),  R(4),  R(5),  R(6),  R(7),
                              R(8), R(9), R(10), R(11), R(12), R(13), R(14), R(15)};
static const double FALL[] = {S(0), S(1), S(2),  S(3),  S(4),  S(5),  S(6),  S(7),
                              S(8), S(9), S(10), S(11), S(12), S(13), S(14), S(15)};

double legendre_eval(const double *coef, int n, double x)
{
    double b1 = 0, b2 = 0;
    for (int k = n - 1; k >= 0; k--) {
        double b0 = coef[k] + RISE[k] * x * b1 - FALL[k] * b2;
        b2 = b1;
        b1 = b0;
    }
    return b1;
}

/* a := inverse of a, Gauss-Jordan with row pivots. */
static int invert(double a[GAUSS_MAX][GAUSS_MAX], int n)
{
    int pivot[GAUSS_MAX];
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i][k]) > fabs(a[best][k]))
                best = i;
        if (!(fabs(a[best][k]) > 1e-13))
            return -1;
        pivot[k] = best;
        for (int j = 0; best != k && j < n; j++) {
            double swap = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = swap;
        }
        double inverse = 1 / a[k][k];
        a[k][k] = 1;
        for (int j = 0; j < n; j++)
            a[k][j] *= inverse;
        for (int i = 0; i < n; i++) {
            double factor = a[i][k];
            if (i == k)
                continue;
            a[i][k] = 0;
            for (int j = 0; j < n; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int i = 0; pivot[k] != k && i < n; i++) {
            double swap = a[i][k];
            a[i][k] = a[i][pivot[k]];
            a[i][pivot[k]] = swap;
        }
    }
    return 0;
}

/* The unknowns are the accelerations f = z'' at the points: z = z0 + x z0' + twice f, z' = z0' +
 * once f, f = -(k z + d z' + r), hence (1 + k twice + d once) f = -(k (z0 + x z0') + d z0' + r). */
/* What the step makes of each input: z = 1 or z' = 1 at its start, a load of 1 at one of its
 * points. The inner loops run over the inputs, each of which is summed in the order of the points.
 */
static void answer(struct step *s, const struct gauss *g, const double *k, const double *d,
                   double inverse[GAUSS_MAX][GAUSS_MAX])
{
    int n = g->n;
    double f[GAUSS_MAX][STEP_MAX], out[STEP_MAX][STEP_MAX] = {0};
    for (int i = 0; i < n; i++) {
        double one = 0, slope = 0;
        for (int j = 0; j < n; j++) {
            one += inverse[i][j] * k[j];
            slope += inverse[i][j] * (k[j] * g->x[j] + (d != NULL ? d[j] : 0));
        }
        f[i][0] = -one;
        f[i][1] = -slope;
        for (int l = 0; l < n; l++)
            f[i][2 + l] = -inverse[i][l];
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int in = 0; in < n + 2; in++)
                out[i][in] += g->twice[i][j] * f[j][in];
    for (int i = 0; i < n; i++)
        for (int in = 0; in < n + 2; in++) {
            out[n][in] += g->b[i] * (1 - g->x[i]) * f[i][in];
            out[n + 1][in] += g->b[i] * f[i][in];
        }
    for (int i = 0; i < n; i++) {
        out[i][0] += 1;
        out[i][1] += g->x[i];
    }
    out[n][0] += 1;
    out[n][1] += 1;
    out[n + 1][1] += 1;
    for (int in = 0; in < n + 2; in++)
        for (int i = 0; i < n + 2; i++)
            s->m[in][i] = out[i][in];
}

int step_init(struct step *s, const struct gauss *g, const double *k, const double *d)
{
    int n = g->n;
    double inverse[GAUSS_MAX][GAUSS_MAX];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            inverse[i][j] =
                (i == j) + k[i] * g->twice[i][j] + (d != NULL ? d[i] * g->once[i][j] : 0);
    if (invert(inverse, n) != 0)
        return -1;
    s->n = n;
    answer(s, g, k, d, inverse);
    return 0;
}
