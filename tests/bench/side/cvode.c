/* SUNDIALS: CVODE with Adams and fixed-point iteration, as for problems that are not stiff; y is
 * integrated along with z, SUNDIALS has no interpolation. */
#include <cvode/cvode.h>
#include <math.h>
#include <nvector/nvector_serial.h>
#include <stdio.h>
#include <sunnonlinsol/sunnonlinsol_fixedpoint.h>

enum { nq = 100, na = 100 };

struct hill {
    double a, q;
};

static int hill(realtype t, N_Vector u, N_Vector du, void *params)
{
    struct hill *p = params;
    realtype *x = NV_DATA_S(u), *dx = NV_DATA_S(du);
    dx[0] = x[1];
    dx[1] = -(p->a + p->q * x[2]) * x[0];
    dx[2] = x[3];
    dx[3] = -(1 + 0.3 * cos(1.7 * t)) * x[2];
    return 0;
}

static void start(N_Vector u)
{
    NV_Ith_S(u, 0) = NV_Ith_S(u, 2) = 1;
    NV_Ith_S(u, 1) = NV_Ith_S(u, 3) = 0;
}

int main(void)
{
    struct hill p;
    SUNContext context;
    if (SUNContext_Create(NULL, &context) != 0)
        return 1;
    N_Vector u = N_VNew_Serial(4, context);
    void *cvode = CVodeCreate(CV_ADAMS, context);
    SUNNonlinearSolver solver = SUNNonlinSol_FixedPoint(u, 0, context);
    FILE *out = fopen("rows.txt", "w");
    start(u);
    CVodeInit(cvode, hill, 0, u);
    CVodeSStolerances(cvode, 1e-9, 1e-9);
    CVodeSetUserData(cvode, &p);
    CVodeSetNonlinearSolver(cvode, solver);
    CVodeSetMaxNumSteps(cvode, 100000);
    for (int i = 0; i < nq; i++)
        for (int j = 0; j < na; j++) {
            realtype t;
            p.q = nq > 1 ? 4.0 * i / (nq - 1) : 0;
            p.a = na > 1 ? -2 + 9.0 * j / (na - 1) : -2;
            start(u);
            CVodeReInit(cvode, 0, u);
            if (CVode(cvode, 157 * 0.05, u, &t, CV_NORMAL) < 0)
                return 1;
            fprintf(out, "%.17g %.17g %.17g\n", p.q, p.a, 1 + NV_Ith_S(u, 0));
        }
    N_VDestroy(u);
    CVodeFree(&cvode);
    SUNNonlinSolFree(solver);
    SUNContext_Free(&context);
    return fclose(out);
}
