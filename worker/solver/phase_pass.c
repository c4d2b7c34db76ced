/* From the first time to the last and back again over all stretches: forwards with the states,
 * backwards with a row vector. A state has a power of two of its own, so that barriers of any
 * height are crossed. Compiled once per instruction set. */
#include "phase_kernel.h"

#ifndef PHASE_PASS
#define PHASE_PASS   phase_pass_portable
#define VECTOR_BYTES 16
#endif
#include "phase_vector.h"

#define LARGE 0x1p+200

/* Brings lanes back to a moderate size. */
static inline void rescale(vector *x, vector *y, vector *exponent)
{
    vector size = absolute(*x) + absolute(*y);
    if (!any((size > LARGE) | (size < 1 / LARGE)))
        return;
    for (int i = 0; i < WIDTH; i++) {
        int e;
        if (!(size[i] > LARGE || (size[i] < 1 / LARGE && size[i] > 0)) || !isfinite(size[i]))
            continue;
        frexp(size[i], &e);
        (*x)[i] = ldexp((*x)[i], -e);
        (*y)[i] = ldexp((*y)[i], -e);
        (*exponent)[i] += e;
    }
}

static void forwards(size_t count, const double (*entry)[PHASE_ENTRIES][LANES], size_t lanes,
                     double (*state)[3][LANES])
{
    for (size_t at = 0; at < lanes; at += WIDTH) {
        vector z = get(state[0][0], at), dz = get(state[0][1], at), exponent = get(state[0][2], at);
        for (size_t n = 0; n < count; n++) {
            const double(*m)[LANES] = entry[n];
            vector next = get(m[PHASE_ZZ], at) * z + get(m[PHASE_ZP], at) * dz;
            dz = get(m[PHASE_PZ], at) * z + get(m[PHASE_PP], at) * dz;
            z = next;
            exponent += get(m[PHASE_EXPONENT], at);
            rescale(&z, &dz, &exponent);
            set(state[n + 1][0], at, z);
            set(state[n + 1][1], at, dz);
            set(state[n + 1][2], at, exponent);
        }
    }
}

/* Powers of two; of lanes that are not on their way yet 0. */
static inline vector weigh(bits here, vector power)
{
    vector none = {0}, weight = none + 1;
    if (any((power != 0) & here))
        for (int i = 0; i < WIDTH; i++)
            weight[i] = ldexp(1, (int)(power[i] < -3000  ? -3000
                                       : power[i] > 3000 ? 3000
                                                         : power[i]));
    return choose(here, weight, none);
}

static void backwards(size_t count, const double (*entry)[PHASE_ENTRIES][LANES],
                      const double (*state)[3][LANES], size_t lanes, struct phase_arrival *r)
{
    for (size_t at = 0; at < lanes; at += WIDTH) {
        vector z = get(r->row[0], at), dz = get(r->row[1], at), exponent = get(r->row[2], at);
        vector method = {0}, rounding = {0}, drive = {0}, kappa = get(r->kappa, at);
        vector last = get(r->last, at), home = get(r->exponent, at);
        for (size_t n = count; n-- > 0;) {
            const double(*m)[LANES] = entry[n], (*x)[LANES] = state[n];
            vector x_z = get(x[0], at), x_dz = get(x[1], at), own = get(m[PHASE_EXPONENT], at);
            vector s = get(m[PHASE_BEFORE], at), f = get(m[PHASE_AFTER], at);
            bits here = (double)n < last;
            vector weight = weigh(here, exponent + own + get(x[2], at) - home);
            vector size = (absolute(z) + absolute(dz) * f * f) *
                          (absolute(x_z) * s * s + absolute(x_dz)) / (f * s) * weight;
            vector next_z = z * get(m[PHASE_ZZ], at) + dz * get(m[PHASE_PZ], at);
            vector next_dz = z * get(m[PHASE_ZP], at) + dz * get(m[PHASE_PP], at);
            vector product = (absolute(next_z * x_z) + absolute(next_dz * x_dz)) * weight;
            method += size * get(m[PHASE_METHOD], at);
            rounding += size * get(m[PHASE_ROUNDING], at);
            drive += size * get(m[PHASE_DRIVE], at);
            kappa = choose(product > kappa, product, kappa);
            z = choose(here, next_z, z);
            dz = choose(here, next_dz, dz);
            exponent = choose(here, exponent + own, exponent);
            rescale(&z, &dz, &exponent);
        }
        set(r->row[0], at, z);
        set(r->row[1], at, dz);
        set(r->row[2], at, exponent);
        set(r->method, at, method);
        set(r->rounding, at, rounding);
        set(r->drive, at, drive);
        set(r->kappa, at, kappa);
    }
}

const struct phase_pass PHASE_PASS = {forwards, backwards};
