/* See monodromy.h: the rare lanes whose entries are too large for a double, or had to be scaled. */
#include "monodromy.h"

#include <math.h>
#include <string.h>

#define LARGE 0x1p+100

/* The rows z1, z2 and z1', z2' of one lane; entries of one solution have the same exponent. */
static double balance(struct entry e[4], size_t k)
{
    double most = fmax(e[0].exponent[k], e[2].exponent[k]), size = 0;
    int shift;
    for (int i = 0; i < 4; i++) {
        int down = (int)fmax(e[i].exponent[k] - most, -4000);
        e[i].room[0][k] = ldexp(e[i].room[0][k], down);
        e[i].room[1][k] = ldexp(e[i].room[1][k], down);
        size = fmax(size, fabs(e[i].room[0][k]));
    }
    frexp(size, &shift);
    for (int i = 0; i < 4; i++) {
        e[i].room[0][k] = ldexp(e[i].room[0][k], -shift);
        e[i].room[1][k] = ldexp(e[i].room[1][k], -shift);
    }
    return most + shift;
}

void monodromy_balance(struct entry e[4], double *exponent)
{
    for (int i = 0; i < 4; i++) {
        memmove(e[i].room[0], e[i].value, sizeof e[i].room[0]);
        memmove(e[i].room[1], e[i].error, sizeof e[i].room[1]);
        e[i].value = e[i].room[0];
        e[i].error = e[i].room[1];
    }
    for (size_t k = 0; k < LANES; k++) {
        double size = 0;
        for (int i = 0; i < 4; i++)
            size = fmax(size, fabs(e[i].value[k]));
        int usual = e[0].exponent[k] == 0 && e[2].exponent[k] == 0 && size <= LARGE;
        exponent[k] = usual || !isfinite(size) ? 0 : balance(e, k);
    }
}
