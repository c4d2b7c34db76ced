/* GSL's rk8pd as its manual says to use it.  peer_gsl cspline|exact TABLE TOLERANCE ...
 * exact: w from its formula, or from y integrated along with z. */
#include "peer.h"

struct point {
    struct peer *peer;
    double q, a;
};

static int interpolated(double t, const double z[], double dz[], void *arg)
{
    const struct point *p = arg;
    double w = gsl_spline_eval(p->peer->w, t, p->peer->accel);
    dz[0] = z[1];
    dz[1] = -(p->a + p->q * w) * z[0];
    return GSL_SUCCESS;
}

static int exact(double t, const double z[], double dz[], void *arg)
{
    const struct point *p = arg;
    double w = peer_w_of_y(p->peer->drive, t, z[2]);
    dz[0] = z[1];
    dz[1] = -(p->a + p->q * w) * z[0];
    if (p->peer->drive != PEER_MATHIEU) {
        dz[2] = z[3];
        dz[3] = -peer_f(p->peer->drive, t) * z[2];
    }
    return GSL_SUCCESS;
}

struct setup {
    int exact;
    gsl_odeiv2_driver *driver;
    double tolerance;
    gsl_odeiv2_system system;
    struct point point;
};

static double solve(struct peer *p, const struct peer_row *r, double tolerance, void *arg)
{
    struct setup *s = arg;
    double z[4] = {1, 0, 1, 0}, t = 0;
    s->point = (struct point){p, r->q, r->a};
    if (s->driver == NULL || s->tolerance != tolerance) {
        if (s->driver != NULL)
            gsl_odeiv2_driver_free(s->driver);
        s->system = (gsl_odeiv2_system){s->exact ? exact : interpolated, NULL,
                                        s->exact && p->drive != PEER_MATHIEU ? 4 : 2, &s->point};
        s->driver = gsl_odeiv2_driver_alloc_y_new(&s->system, gsl_odeiv2_step_rk8pd, 1e-2,
                                                  tolerance, tolerance);
        s->tolerance = tolerance;
    }
    gsl_odeiv2_driver_reset_hstart(s->driver, 1e-2);
    return gsl_odeiv2_driver_apply(s->driver, &t, p->last, z) == GSL_SUCCESS ? z[0] : NAN;
}

int main(int argc, char **argv)
{
    static struct peer peer;
    struct setup setup = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: peer_gsl cspline|exact TABLE TOLERANCE ...\n");
        return 2;
    }
    gsl_set_error_handler_off();
    setup.exact = strcmp(argv[1], "exact") == 0;
    peer_read(&peer, argv[2]);
    return peer_run(&peer, argc - 3, argv + 3, solve, &setup);
}
