/* GSL: odeiv2 with rk8pd, w by a natural cubic spline. */
#include <gsl/gsl_errno.h>
#include <gsl/gsl_odeiv2.h>
#include <gsl/gsl_spline.h>
#include <math.h>
#include <stdio.h>

enum { nq = 100, na = 100, knots = 20001 };

struct hill {
    double a, q;
    gsl_spline *w;
    gsl_interp_accel *accel;
};

static int oscillator(double t, const double y[], double dy[], void *unused)
{
    (void)unused;
    dy[0] = y[1];
    dy[1] = -(1 + 0.3 * cos(1.7 * t)) * y[0];
    return GSL_SUCCESS;
}

static int hill(double t, const double z[], double dz[], void *params)
{
    struct hill *p = params;
    dz[0] = z[1];
    dz[1] = -(p->a + p->q * gsl_spline_eval(p->w, t, p->accel)) * z[0];
    return GSL_SUCCESS;
}

static void interpolate(struct hill *p)
{
    static double t[knots], w[knots];
    double y[2] = {1, 0}, now = 0;
    gsl_odeiv2_system system = {oscillator, NULL, 2, NULL};
    gsl_odeiv2_driver *d =
        gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-6, 1e-12, 1e-12);
    for (int i = 0; i < knots; i++) {
        t[i] = 20.0 * i / (knots - 1);
        gsl_odeiv2_driver_apply(d, &now, t[i], y);
        w[i] = y[0];
    }
    gsl_odeiv2_driver_free(d);
    p->w = gsl_spline_alloc(gsl_interp_cspline, knots);
    p->accel = gsl_interp_accel_alloc();
    gsl_spline_init(p->w, t, w, knots);
}

int main(void)
{
    struct hill p;
    interpolate(&p);
    gsl_odeiv2_system system = {hill, NULL, 2, &p};
    gsl_odeiv2_driver *d =
        gsl_odeiv2_driver_alloc_y_new(&system, gsl_odeiv2_step_rk8pd, 1e-6, 1e-9, 1e-9);
    FILE *out = fopen("rows.txt", "w");
    for (int i = 0; i < nq; i++)
        for (int j = 0; j < na; j++) {
            double z[2] = {1, 0}, t = 0;
            p.q = nq > 1 ? 4.0 * i / (nq - 1) : 0;
            p.a = na > 1 ? -2 + 9.0 * j / (na - 1) : -2;
            gsl_odeiv2_driver_reset_hstart(d, 1e-6);
            int status = gsl_odeiv2_driver_apply(d, &t, 157 * 0.05, z);
            if (status != GSL_SUCCESS) {
                fprintf(stderr, "error: %s\n", gsl_strerror(status));
                return 1;
            }
            fprintf(out, "%.17g %.17g %.17g\n", p.q, p.a, 1 + z[0]);
        }
    gsl_odeiv2_driver_free(d);
    gsl_spline_free(p.w);
    gsl_interp_accel_free(p.accel);
    return fclose(out);
}
