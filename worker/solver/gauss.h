#ifndef SOLVER_GAUSS_H
#define SOLVER_GAUSS_H

/* Gauss-Legendre points on [0, 1] and what is done with them: interpolation by a Legendre series,
 * and collocation steps of linear second-order equations. A rule is a value; it is filled from + -
 * * / alone, so its bits are the same on every machine. */

#define GAUSS_MAX 16

struct gauss {
    int n;               /* 4, 8 or 16 */
    double x[GAUSS_MAX]; /* the points, increasing, 0 < x < 1 */
    double b[GAUSS_MAX]; /* weights, sum 1 */
    /* k-th Legendre coefficient (in 2x - 1) of the interpolant through f: sum_i series[k][i] f[i]
     */
    double series[GAUSS_MAX][GAUSS_MAX];
    /* integrals of the Lagrange polynomials from 0 to x[i], once and twice: the Runge-Kutta matrix
     * of the Gauss method (Hairer, Norsett, Wanner, Solving ODEs I, II.7) and its square */
    double once[GAUSS_MAX][GAUSS_MAX], twice[GAUSS_MAX][GAUSS_MAX];
};

void gauss_init(struct gauss *g, int n);

void gauss_series(const struct gauss *g, const double *f, double *coef);

/* sum_k coef[k] P_k(x), |x| <= 1 (Clenshaw). */
double legendre_eval(const double *coef, int n, double x);

/* One collocation step of z'' + d(s) z' + k(s) z = -r(s) over 0 <= s <= 1, as a matrix. Input:
 * z(0), z'(0), r at the n points. Output: z at the n points, z(1), z'(1). Order 2n at the end. */
#define STEP_MAX (GAUSS_MAX + 2)
struct step {
    int n;
    double m[STEP_MAX][STEP_MAX]; /* m[input][output] */
};

/* k and d at the points (d NULL: 0). Returns -1 when the system is singular to working precision.
 */
int step_init(struct step *s, const struct gauss *g, const double *k, const double *d);

#endif
