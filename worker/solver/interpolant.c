/* GSL's piecewise polynomials as a curve. Each piece is a cubic at most, so its values at four
 * Gauss points, asked of GSL, are the whole of it. */
#include "drive.h"

#include <float.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_interp.h>
#include <math.h>

static const gsl_interp_type *gsl_type(enum sweep_interpolation kind)
{
    switch (kind) {
    case SWEEP_LINEAR:
        return gsl_interp_linear;
    case SWEEP_AKIMA:
        return gsl_interp_akima;
    case SWEEP_STEFFEN:
        return gsl_interp_steffen;
    case SWEEP_PERIODIC:
        return gsl_interp_cspline_periodic;
    case SWEEP_EXACT:
    case SWEEP_COUPLED:
    case SWEEP_CSPLINE:
        break;
    }
    return gsl_interp_cspline;
}

static int add_pieces(struct curve *c, const gsl_interp *interp, gsl_interp_accel *accel,
                      const double *t, const double *w, size_t n, struct err *err)
{
    struct gauss g;
    gauss_init(&g, 4);
    for (size_t k = 0; k + 1 < n; k++) {
        double value[4], coef[4], bound = fmax(fabs(w[k]), fabs(w[k + 1]));
        for (int i = 0; i < 4; i++) {
            double at = t[k] + g.x[i] * (t[k + 1] - t[k]);
            if (gsl_interp_eval_e(interp, t, w, at, accel, &value[i]) != 0 || !isfinite(value[i]))
                return err_set(err, ERR_JOB_REFUSED, "the interpolation fails at t = %.9g", at);
            bound = fmax(bound, fabs(value[i]));
        }
        gauss_series(&g, value, coef);
        curve_add(c, t[k], t[k + 1], coef, 4, 2 * DBL_EPSILON * bound, 1.05 * bound);
    }
    return 0;
}

int interpolant_build(struct curve *c, enum sweep_interpolation kind, const double *t,
                      const double *w, size_t n, struct err *err)
{
    const gsl_interp_type *type = gsl_type(kind);
    gsl_set_error_handler_off(); /* its default aborts the process */
    if (n < gsl_interp_type_min_size(type))
        return err_set(err, ERR_JOB_REFUSED, "%s interpolation needs at least %u knots", type->name,
                       gsl_interp_type_min_size(type));
    gsl_interp *interp = gsl_interp_alloc(type, n);
    gsl_interp_accel *accel = gsl_interp_accel_alloc();
    int rc = -1;
    if (interp == NULL || accel == NULL || gsl_interp_init(interp, t, w, n) != 0)
        err_set(err, ERR_JOB_REFUSED, "%s interpolation refuses the knots", type->name);
    else
        rc = add_pieces(c, interp, accel, t, w, n, err);
    gsl_interp_accel_free(accel);
    gsl_interp_free(interp);
    return rc;
}
