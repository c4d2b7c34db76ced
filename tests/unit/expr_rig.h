#ifndef TESTS_EXPR_RIG_H
#define TESTS_EXPR_RIG_H

/* What the tests of expressions share: a scope, compiling without a mistake, dice, random texts. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "expr.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a and q vary, z and dz are known at times 0, 0.05, ..., 10. */
#define TIMES 201
static const char *const variables[] = {"a", "q"};
static const char *const solutions[] = {"z", "dz"};
static double times[TIMES];
static const struct expr_scope scope = {variables, 2, solutions, 2, times, TIMES};
static const struct expr_scope bare = {variables, 2, NULL, 0, NULL, 0};

static inline int make_times(void **state)
{
    (void)state;
    for (int i = 0; i < TIMES; i++)
        times[i] = i * 0.05;
    return 0;
}

static inline uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline double uniform(uint64_t *state, double from, double to)
{
    return from + (to - from) * (double)(splitmix(state) >> 11) * 0x1p-53;
}

static inline bool same_bits(double x, double y)
{
    return memcmp(&x, &y, sizeof x) == 0;
}

static inline struct expr *compile(const char *text, const struct expr_scope *s)
{
    struct expr *e = NULL;
    struct err err;
    if (expr_compile(text, s, &e, &err))
        fail_msg("%s: column %d: %s", text, err.column, err.text);
    return e;
}

/* ---- random expressions ---- */

static const char *const one_argument[] = {"sin",   "cos",   "tanh", "exp",   "sqrt",
                                           "abs",   "floor", "cbrt", "log1p", "atan",
                                           "asinh", "erf",   "step", "log"};
static const char *const two_arguments[] = {"min", "max", "hypot", "atan2", "mod", "pow"};

static const char *const operators[] = {" + ", " - ", " * ", " / "};
static const char *const powers[] = {")^2", ")^3", ")^-5", ")**0", ")^1.5"};

static inline void grow(char *text, size_t size, uint64_t *seed, int depth)
{
    size_t at = strlen(text);
    uint64_t r = splitmix(seed);
    if (depth == 0 || r % 8 == 0) {
        static const char *const leaves[] = {"a", "q", "1.5", "z(1)", "a", "0.3", "dz(t[7])", "2"};
        snprintf(text + at, size - at, "%s", leaves[r / 8 % 8]);
        return;
    }
    const char *open = "(", *between = "", *close = ")";
    char call[16];
    bool two = true;
    switch (r / 8 % 8) {
    case 0:
        snprintf(call, sizeof call, "%s(", one_argument[r / 64 % 14]);
        open = call;
        two = false;
        break;
    case 1:
        snprintf(call, sizeof call, "%s(", two_arguments[r / 64 % 6]);
        open = call;
        between = ", ";
        break;
    case 2:
        open = "-(";
        two = false;
        break;
    case 3:
        close = powers[r / 64 % 5];
        two = false;
        break;
    default:
        between = operators[r / 64 % 4];
    }
    snprintf(text + at, size - at, "%s", open);
    grow(text, size, seed, depth - 1);
    if (two) {
        at = strlen(text);
        snprintf(text + at, size - at, "%s", between);
        grow(text, size, seed, depth - 1);
    }
    at = strlen(text);
    snprintf(text + at, size - at, "%s", close);
}

#define INPUTS 4

#endif
