/* The constants of phase_kernel.h. */
#include "phase_kernel.h"

#include <string.h>

#define SPLIT 134217729.0

/* Gauss's weights on [0, 1] from the middle outwards, in two doubles; computed with 100 digits. */
static const double WEIGHTS[8][2] = {
    {0.094725305227534251, -2.9419217477913319e-18},
    {0.091301707522461792, 2.5451132554526036e-18},
    {0.084578259697501268, 1.1616496647822395e-18},
    {0.074797994408288368, -1.9438099418708503e-18},
    {0.062314485627766938, -2.4207649011602476e-18},
    {0.047579255841246393, -4.3915017985436963e-19},
    {0.031126761969323947, -3.8451322613028522e-19},
    {0.013576229705877048, -7.8077335135817996e-19},
};

void phase_legendre(double x, double *p, double *first, double *second)
{
    p[0] = 1;
    p[1] = x;
    first[0] = second[0] = second[1] = 0;
    first[1] = 1;
    for (int k = 1; k + 1 < PHASE_NODES; k++) {
        p[k + 1] = ((2 * k + 1) * x * p[k] - k * p[k - 1]) / (k + 1);
        first[k + 1] = first[k - 1] + (2 * k + 1) * p[k];
        second[k + 1] = second[k - 1] + (2 * k + 1) * first[k];
    }
}

/* First and second derivative of the interpolant at x by the value at each Gauss point. */
static void derivatives(const struct gauss *g, double x, double row[2][PHASE_NODES])
{
    double p[3][PHASE_NODES];
    phase_legendre(x, p[0], p[1], p[2]);
    for (int d = 0; d < 2; d++) {
        for (int j = 0; j < PHASE_NODES; j++) {
            row[d][j] = 0;
            for (int k = 0; k < PHASE_NODES; k++)
                row[d][j] += p[d + 1][k] * g->series[k][j];
        }
    }
}

void phase_tables_init(struct phase_tables *t, const struct gauss *g)
{
    for (int i = 0; i < PHASE_NODES; i++) {
        const double *w = WEIGHTS[i < 8 ? 7 - i : i - 8];
        double c = w[0] * SPLIT, high = c - (c - w[0]);
        memcpy(t->weight[i], (double[4]){w[0], w[1], high, w[0] - high}, sizeof t->weight[i]);
    }
    for (int i = 0; i < 9; i++) {
        double row[2][PHASE_NODES];
        derivatives(g, i < 8 ? 2 * g->x[i] - 1 : -1, row);
        for (int d = 0; d < 2; d++) {
            for (int j = 0; j < 8; j++) {
                t->even[d][i][j] = 0.5 * (row[d][j] + row[d][15 - j]);
                t->odd[d][i][j] = 0.5 * (row[d][j] - row[d][15 - j]);
            }
        }
    }
    for (int j = 0; j < 8; j++) {
        t->last[j] = g->series[15][j];
        t->last_but_one[j] = g->series[14][j];
    }
}
