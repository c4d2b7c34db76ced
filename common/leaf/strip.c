#include "strip.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

double *lanes_array(size_t n)
{
    size_t bytes = (n * sizeof(double) + 63) / 64 * 64;
    void *p = aligned_alloc(64, bytes != 0 ? bytes : 64);
    if (p == NULL)
        abort();
    memset(p, 0, bytes);
    return p;
}

void strip_log(double *v, double *e, int exponent)
{
    *e = *e / fabs(*v);
    *v = log(fabs(*v)) + exponent * M_LN2;
    *e += 2 * DBL_EPSILON * fabs(*v);
}

void strip_put(struct strip *strip, size_t j, const double *value, const double *error,
               enum quantity_kind kind)
{
    double *v = strip->value + j * STRIP, *e = strip->error + j * STRIP;
    memcpy(v, value, strip->count * sizeof *v);
    memcpy(e, error, strip->count * sizeof *e);
    for (size_t k = 0; kind == QUANTITY_LOG && k < strip->count; k++)
        strip_log(&v[k], &e[k], 0);
}
