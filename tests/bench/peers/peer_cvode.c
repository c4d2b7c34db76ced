/* SUNDIALS CVODE: Adams with fixed-point iteration, for a problem that is not stiff.
 *   peer_cvode TABLE TOLERANCE ... */
#include "peer.h"

#include <cvode/cvode.h>
#include <nvector/nvector_serial.h>
#include <sunnonlinsol/sunnonlinsol_fixedpoint.h>

struct setup {
    struct peer *peer;
    double q, a;
    SUNContext context;
    N_Vector z;
    void *cvode;
    SUNNonlinearSolver iteration;
};

static int derivative(realtype t, N_Vector z, N_Vector dz, void *arg)
{
    struct setup *s = arg;
    double w = gsl_spline_eval(s->peer->w, t, s->peer->accel);
    NV_Ith_S(dz, 0) = NV_Ith_S(z, 1);
    NV_Ith_S(dz, 1) = -(s->a + s->q * w) * NV_Ith_S(z, 0);
    return 0;
}

static void check(int flag, const char *what)
{
    if (flag < 0) {
        fprintf(stderr, "peer_cvode: %s: %d\n", what, flag);
        exit(1);
    }
}

static void begin(struct setup *s)
{
    NV_Ith_S(s->z, 0) = 1;
    NV_Ith_S(s->z, 1) = 0;
}

static void make(struct setup *s)
{
    check(SUNContext_Create(NULL, &s->context), "SUNContext_Create");
    s->z = N_VNew_Serial(2, s->context);
    begin(s);
    s->cvode = CVodeCreate(CV_ADAMS, s->context);
    check(CVodeInit(s->cvode, derivative, 0, s->z), "CVodeInit");
    check(CVodeSetUserData(s->cvode, s), "CVodeSetUserData");
    check(CVodeSStolerances(s->cvode, 1e-6, 1e-6), "CVodeSStolerances");
    s->iteration = SUNNonlinSol_FixedPoint(s->z, 0, s->context);
    check(CVodeSetNonlinearSolver(s->cvode, s->iteration), "CVodeSetNonlinearSolver");
    check(CVodeSetMaxNumSteps(s->cvode, 1000000), "CVodeSetMaxNumSteps");
}

static double solve(struct peer *p, const struct peer_row *r, double tolerance, void *arg)
{
    struct setup *s = arg;
    realtype t;
    s->q = r->q;
    s->a = r->a;
    begin(s);
    check(CVodeReInit(s->cvode, 0, s->z), "CVodeReInit");
    check(CVodeSStolerances(s->cvode, tolerance, tolerance), "CVodeSStolerances");
    check(CVodeSetStopTime(s->cvode, p->last), "CVodeSetStopTime");
    return CVode(s->cvode, p->last, s->z, &t, CV_NORMAL) >= 0 ? NV_Ith_S(s->z, 0) : (double)NAN;
}

int main(int argc, char **argv)
{
    static struct peer peer;
    struct setup setup = {.peer = &peer};
    if (argc < 3) {
        fprintf(stderr, "usage: peer_cvode TABLE TOLERANCE ...\n");
        return 2;
    }
    peer_read(&peer, argv[1]);
    make(&setup);
    int rc = peer_run(&peer, argc - 2, argv + 2, solve, &setup);
    N_VDestroy(setup.z);
    CVodeFree(&setup.cvode);
    SUNNonlinSolFree(setup.iteration);
    SUNContext_Free(&setup.context);
    return rc;
}
