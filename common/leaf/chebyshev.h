#ifndef LEAF_CHEBYSHEV_H
#define LEAF_CHEBYSHEV_H

/* Chebyshev series: interpolation at the zeros of T_n, and the way to powers and back. All from + -
 * * / sqrt, so that the bits are the same on every machine. */

#define CHEBYSHEV_MAX 64

struct chebyshev {
    int n;
    double x[CHEBYSHEV_MAX]; /* the zeros of T_n, decreasing: cos(pi (2i + 1) / 2n) */
    /* series[i][k]: what f(x[i]) contributes to the coefficient of T_k (Trefethen, Approximation
     * Theory and Approximation Practice, ch. 3: discrete orthogonality), (2 - [k = 0]) T_k(x[i]) /
     * n. */
    double series[CHEBYSHEV_MAX][CHEBYSHEV_MAX];
};

/* n from 1 to CHEBYSHEV_MAX. */
void chebyshev_init(struct chebyshev *c, int n);

/* t[k] = T_k(x) for k < n. */
void chebyshev_values(double x, int n, double *t);

/* power[k][i]: what T_k has of x^i. */
struct chebyshev_powers {
    double power[CHEBYSHEV_MAX][CHEBYSHEV_MAX];
};
void chebyshev_powers_init(struct chebyshev_powers *p);

/* sum_i c[i] x^i -> sum_i t[i] T_i(x), both of n + 1 terms, n < CHEBYSHEV_MAX. */
void chebyshev_from_powers(const double *c, int n, double *t);

/* And back. */
void chebyshev_to_powers(const double *t, int n, double *c);

#endif
