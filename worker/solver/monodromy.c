/* See monodromy.h. */
#include "monodromy.h"

#include <float.h>
#include <math.h>

#define UNIT  (0.5 * DBL_EPSILON)
#define LARGE 0x1p+100 /* entries of more than that are scaled, so that products of four fit */

enum { Z1, DZ1, Z2, DZ2 };

/* Brings the entries of a lane to one exponent and to no more than 1; returns it. */
static double balance(struct entry e[4], size_t k)
{
    double most = fmax(e[Z1].exponent[k], e[Z2].exponent[k]), size = 0;
    int shift;
    for (int i = 0; i < 4; i++) {
        int down = (int)fmax(e[i].exponent[k] - most, -4000);
        e[i].value[k] = ldexp(e[i].value[k], down);
        e[i].error[k] = ldexp(e[i].error[k], down);
        size = fmax(size, fabs(e[i].value[k]));
    }
    frexp(size, &shift);
    for (int i = 0; i < 4; i++) {
        e[i].value[k] = ldexp(e[i].value[k], -shift);
        e[i].error[k] = ldexp(e[i].error[k], -shift);
    }
    return most + shift;
}

static void balance_all(struct entry e[4], double *exponent)
{
    for (size_t k = 0; k < LANES; k++) {
        double size = fmax(fmax(fabs(e[Z1].value[k]), fabs(e[DZ1].value[k])),
                           fmax(fabs(e[Z2].value[k]), fabs(e[DZ2].value[k])));
        int usual = e[Z1].exponent[k] == 0 && e[Z2].exponent[k] == 0 && size <= LARGE;
        exponent[k] = usual || !isfinite(size) ? 0 : balance(e, k);
    }
}

/* Adds what the length of the period may be off by: (z, z') moves on by (z', -K z) in that time. */
static void doubt_period(struct monodromy *m, const struct monodromy_doubt *doubt)
{
    double tau = doubt->period_error;
    for (size_t k = 0; k < LANES; k++) {
        double stiff = doubt->omega[k] * doubt->omega[k] * tau;
        double m11 = fabs(m->x[k] + m->x11[k]), m22 = fabs(m->x[k] - m->x11[k]);
        double diagonal = 0.5 * (tau * fabs(m->m21[k]) + stiff * fabs(m->m12[k]));
        m->x_error[k] += diagonal;
        m->x11_error[k] += diagonal;
        m->m12_error[k] += tau * m22;
        m->m21_error[k] += stiff * m11;
    }
}

static void find_d(struct monodromy *m)
{
    for (size_t k = 0; k < LANES; k++) {
        double square = m->x11[k] * m->x11[k], product = m->m12[k] * m->m21[k];
        double e11 = m->x11_error[k], e12 = m->m12_error[k], e21 = m->m21_error[k];
        m->d[k] = square + product;
        m->d_error[k] = (2 * fabs(m->x11[k]) + e11) * e11 + fabs(m->m12[k]) * e21 +
                        fabs(m->m21[k]) * e12 + e12 * e21 + 3 * UNIT * (square + fabs(product));
    }
}

void monodromy_whole(struct monodromy *m, struct entry e[4], const struct monodromy_doubt *doubt)
{
    balance_all(e, m->exponent);
    for (size_t k = 0; k < LANES; k++) {
        double m11 = e[Z1].value[k], m22 = e[DZ2].value[k];
        double diagonal = 0.5 * (e[Z1].error[k] + e[DZ2].error[k]);
        m->x[k] = 0.5 * (m11 + m22);
        m->x11[k] = 0.5 * (m11 - m22);
        m->m12[k] = e[Z2].value[k];
        m->m21[k] = e[DZ1].value[k];
        m->x_error[k] = diagonal + UNIT * fabs(m->x[k]);
        m->x11_error[k] = diagonal + UNIT * fabs(m->x11[k]);
        m->m12_error[k] = e[Z2].error[k];
        m->m21_error[k] = e[DZ1].error[k];
    }
    doubt_period(m, doubt);
    find_d(m);
}

/* What a product of two entries is off by, in 2^-53 its own rounding. */
static inline double product_error(const struct entry *a, const struct entry *b, size_t k)
{
    double x = fabs(a->value[k]), y = fabs(b->value[k]);
    return x * b->error[k] + y * a->error[k] + a->error[k] * b->error[k] + UNIT * x * y;
}

void monodromy_half(struct monodromy *m, struct entry e[4], const struct monodromy_doubt *doubt)
{
    balance_all(e, m->exponent);
    for (size_t k = 0; k < LANES; k++) {
        const double z1 = e[Z1].value[k], dz1 = e[DZ1].value[k], z2 = e[Z2].value[k],
                     dz2 = e[DZ2].value[k], omega = doubt->omega[k];
        double least = m->exponent[k] == 0 ? 1 : 0;
        double size = fmax(fmax(fabs(z1), fabs(dz2)), fmax(fabs(z2) * omega, fabs(dz1) / omega));
        double uneven = doubt->asymmetry[k] / omega * fmax(size * size, least);
        m->x[k] = z1 * dz2 + z2 * dz1;
        m->x11[k] = 0;
        m->m12[k] = 2 * z2 * dz2;
        m->m21[k] = 2 * z1 * dz1;
        m->x_error[k] = product_error(&e[Z1], &e[DZ2], k) + product_error(&e[Z2], &e[DZ1], k) +
                        UNIT * fabs(m->x[k]) + uneven;
        m->x11_error[k] = uneven;
        m->m12_error[k] = 2 * product_error(&e[Z2], &e[DZ2], k) + uneven / omega;
        m->m21_error[k] = 2 * product_error(&e[Z1], &e[DZ1], k) + uneven * omega;
        m->exponent[k] *= 2;
    }
    doubt_period(m, doubt);
    find_d(m);
}
