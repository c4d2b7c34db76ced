#include "chebyshev.h"

#include <math.h>
#include <string.h>

#define HALF_PI 1.5707963267948966

/* cos(pi m / (2 n)), 0 <= m <= n, by its Taylor series about the nearer of 0 and pi / 2. */
static double cosine(int m, int n)
{
    int flip = 2 * m > n;
    double x = HALF_PI * (flip ? n - m : m) / n, square = x * x;
    double term = flip ? x : 1, sum = term;
    for (int k = flip ? 2 : 1; k < 24; k += 2) {
        term *= -square / (k * (k + 1.0));
        sum += term;
    }
    return sum;
}

void chebyshev_values(double x, int n, double *t)
{
    if (n > 0)
        t[0] = 1;
    if (n > 1)
        t[1] = x;
    for (int k = 2; k < n; k++)
        t[k] = 2 * x * t[k - 1] - t[k - 2];
}

void chebyshev_init(struct chebyshev *c, int n)
{
    double around[4 * CHEBYSHEV_MAX]; /* cos(pi k / (2 n)) */
    for (int k = 0; k <= n; k++) {
        around[k] = k == n ? 0 : cosine(k, n);
        around[2 * n - k] = -around[k];
    }
    for (int k = 1; k < 2 * n; k++)
        around[4 * n - k] = around[k];
    c->n = n;
    for (int i = 0; i < n; i++) {
        c->x[i] = around[2 * i + 1];
        for (int k = 0; k < n; k++)
            c->series[i][k] = (k == 0 ? 1.0 : 2.0) / n * around[(2 * i + 1) * k % (4 * n)];
    }
}

void chebyshev_powers_init(struct chebyshev_powers *p)
{
    memset(p, 0, sizeof *p);
    p->power[0][0] = p->power[1][1] = 1;
    for (int k = 2; k < CHEBYSHEV_MAX; k++)
        for (int i = 0; i <= k; i++)
            p->power[k][i] = (i > 0 ? 2 * p->power[k - 1][i - 1] : 0) - p->power[k - 2][i];
}

/* Horner with x T_k = (T_{k-1} + T_{k+1}) / 2; t grows by a degree with each coefficient. */
void chebyshev_from_powers(const double *c, int n, double *t)
{
    double next[CHEBYSHEV_MAX + 2];
    memset(t, 0, (size_t)(n + 1) * sizeof *t);
    t[0] = c[n];
    for (int i = n - 1; i >= 0; i--) {
        int degree = n - i;
        memset(next, 0, (size_t)(degree + 2) * sizeof *next);
        next[1] = t[0];
        for (int k = 1; k < degree; k++) {
            next[k - 1] += 0.5 * t[k];
            next[k + 1] += 0.5 * t[k];
        }
        memcpy(t, next, (size_t)(degree + 1) * sizeof *t);
        t[0] += c[i];
    }
}

/* Clenshaw's recurrence on polynomials: b_k = t_k + 2 x b_{k+1} - b_{k+2} has degree n - k. */
void chebyshev_to_powers(const double *t, int n, double *c)
{
    double room[3][CHEBYSHEV_MAX + 1] = {0}, *b = room[0], *b1 = room[1], *b2 = room[2];
    for (int k = n; k >= 0; k--) {
        double twice = k > 0 ? 2 : 1, *last = b2;
        b[0] = t[k] - b2[0];
        for (int i = 1; i <= n - k; i++)
            b[i] = twice * b1[i - 1] - b2[i];
        b2 = b1;
        b1 = b;
        b = last;
    }
    memcpy(c, b1, (size_t)(n + 1) * sizeof *c);
}
