#ifndef SOLVER_RK8_H
#define SOLVER_RK8_H

#include "kernel.h"

/* One step of the explicit Runge-Kutta pair of order 8(7) with 13 stages, RK8(7)13M (P. J. Prince,
 * J. R. Dormand, High order embedded Runge-Kutta formulae, J. Comp. Appl. Math. 7 (1981) 67, table
 * 2), for z'' = f(t, z, z'), over lanes that each have a time and a step of their own. Of the known
 * pairs of this order its weights are small (the root of the sum of their squares is 1.3; 7.6 in
 * DOP853), which counts where a fast phase makes f look like noise; and its estimate is the
 * difference of the two solutions, which does not vanish by accident as products of two do.
 *
 * Because z' is one of the unknowns, the stages of z follow from those of f alone (Nystrom's form:
 * E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, II.14: a^2 in
 * place of a for z), so that nothing but f is kept:
 *
 *   Z_s = z + h (c_s z' + h sum_j aa_sj f_j),   Z'_s = z' + h sum_j a_sj f_j.
 *
 * Arrays over lanes are [32], aligned to 64 bytes; lanes from n on are left alone or hold
 * something. Elementwise + - * / sqrt in a fixed order: the same bits with every instruction set.
 */

#define RK8_STAGES 13
#define RK8_GROW   6.0 /* a step is multiplied by no more, and by no less than RK8_SHRINK */
#define RK8_SHRINK 0.2
#define RK8_REACH  4.0  /* an estimate says nothing of steps that are so many times longer */
#define RK8_FEW    1e-3 /* sqrt(h rate) counts as at least this: short steps, past a jump, are few */

/* Errors on their way through time. With P(t, s) the propagator of the linearised equation and e_i
 * the local errors, all carried forwards step by step:
 *   drift    sum_i P e_i with the signs that the embedded formula has
 *   spread   sum_i P e_i e_i^T P^T, a symmetric matrix (zz, zd, dd), whatever the signs are
 *   rounding the same for what a step rounds away
 *   drive    the same for the error of w */
struct rk8_errors {
    double drift[2][LANES];
    double spread[3][LANES], rounding[3][LANES], drive[3][LANES];
};

/* What a step did and what the equation looks like at its ends, for rk8_errors. */
struct rk8_step {
    double h[LANES];                        /* 0: no step; nothing changes */
    double by_z[2][LANES], by_dz[2][LANES]; /* df/dz, df/dz' at the beginning, at the end */
    double omega[LANES];
    double local[2][LANES], estimate[LANES]; /* local error of z, z', and its norm */
    double noise[2][LANES];                  /* what was rounded away of z, z' */
    double drive[LANES];                     /* error of z' from the error of w */
};

/* The estimate of an earlier step and that step. */
struct rk8_memory {
    double size[LANES], h[LANES];
};

struct rk8 {
    const char *name;
    double (*node)(int s); /* c_s: stage s is at t + c_s h */
    /* Values of z, z' at stage s, from f[0 .. s). */
    void (*stage)(int s, size_t n, const double *h, const double *z, const double *dz,
                  const double (*f)[LANES], double *z_s, double *dz_s);
    /* z, z' after the step; their local errors, order 8 less order 7, and the norm of these,
     * |e| + |e'| / omega. */
    void (*finish)(size_t n, const double *h, const double *z, const double *dz,
                   const double (*f)[LANES], const double *omega, double *z_1, double *dz_1,
                   double (*local)[LANES], double *estimate);
    /* An estimate that is small by accident, where it goes through zero or where what is damped
     * fast has left the range of the theory, is raised to what the steps before say: estimate and
     * local become at least size (h / memory h)^8. */
    void (*remember)(size_t n, const double *h, const struct rk8_memory *memory,
                     double (*local)[LANES], double *estimate);
    /* ratio += estimate / (local sqrt(h rate) (floor + the larger of |(z, dz)| before and after)):
     * with 1 / rate the time that is left to cover, errors of any signs then add up to `local` like
     * a random walk, however many steps there are. */
    void (*weigh)(size_t n, double rate, const double *h, const double *z, const double *dz,
                  const double *z_1, const double *dz_1, const double *omega, const double *floor,
                  const double *local, const double *estimate, double *ratio);
    /* What a step may be multiplied by for a ratio near 1; by RK8_SHRINK where it is no number. */
    void (*factor)(size_t n, const double *ratio, double *factor);
    /* Carries errors through a step. */
    void (*carry)(size_t n, const struct rk8_step *step, struct rk8_errors *e);
    /* Legendre series in x of `terms` terms: coef[terms][32]. */
    void (*series)(size_t n, int terms, const double (*coef)[LANES], const double *x, double *out);
};

/* The one compiled with the instruction set of `k`. */
const struct rk8 *rk8_of(const struct kernel *k);

#endif
