#ifndef SOLVER_EQUATION_H
#define SOLVER_EQUATION_H

#include "drive.h"
#include "expr.h"
#include "kernel.h"
#include "sweep_private.h"

/* The right-hand sides that are integrated point by point, z'' = f(t, z, z'), evaluated over lanes:
 *
 *   general   z'' = ddz(t, z, z', a, q, w), any expression (z.ddz), w(t) from the drive's curve
 *   coupled   y'' = -f(t) y is integrated along with z and w is computed from this y, for Hill's
 *             form or for ddz
 *
 * Each second-order unknown is a component: y where there is one, then the vectors that outputs ask
 * for. Immutable once made. Arrays over lanes are [32]; of `n` lanes. */

#define COMPONENTS_MAX (1 + VECTOR_COUNT)

struct equation {
    struct expr *ddz;                 /* of t, z, dz, a, q, w; NULL: Hill's form */
    struct expr *f;                   /* coupled: of t */
    struct expr *w, *u, *v, *damping; /* coupled: of t, y, dy; NULL u, v, damping: 0, 1, 0 */
    const struct curve *curve;        /* w where it is not coupled and ddz uses it */
    int terms;                        /* of the curve's longest series */
    int first, count;                 /* components; those from first on are vectors */
    enum vector_kind vector[COMPONENTS_MAX];
};

/* Where the lanes are. The segment of w that holds a lane's step comes with it. */
struct equation_lanes {
    double a[LANES], q[LANES];
    double w_from[LANES], w_to[LANES], w_error[LANES];
    double w_coef[GAUSS_MAX][LANES];
};

struct equation_state {
    double t[LANES];
    double z[COMPONENTS_MAX][LANES], dz[COMPONENTS_MAX][LANES];
};

/* f and how it answers to changes. */
struct equation_slopes {
    double f[COMPONENTS_MAX][LANES];
    double by_z[COMPONENTS_MAX][LANES], by_dz[COMPONENTS_MAX][LANES];
    double noise[COMPONENTS_MAX][LANES]; /* bound of what evaluating f rounds away */
    double drive[COMPONENTS_MAX][LANES]; /* error of f from the errors of w, u, v, damping */
};

/* Texts come from spec, times and w from the drive, vectors from the outputs. On failure err has
 * the path of the key. equation_fini in any case. */
int equation_init(struct equation *e, const struct sweep_spec *spec, const struct drive *drive,
                  const struct outputs *outputs, struct err *err);
void equation_fini(struct equation *e);

/* Takes the curve's segment for lane k. */
void equation_enter(const struct equation *e, struct equation_lanes *lanes, size_t k,
                    size_t segment);

/* f[component] := z'' of the n lanes. */
typedef void equation_series_fn(size_t n, int terms, const double (*coef)[LANES], const double *x,
                                double *out);
void equation_value(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                    const struct equation_state *at, equation_series_fn *series, double *const *f);

/* The same with derivatives; y_error[2] are bounds of the errors of y, dy (coupled). */
void equation_slopes(const struct equation *e, size_t n, const struct equation_lanes *lanes,
                     const struct equation_state *at, equation_series_fn *series,
                     const double (*y_error)[LANES], struct equation_slopes *out);

#endif
