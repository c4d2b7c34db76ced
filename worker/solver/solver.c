/* Walks a block: rows of one q, strips of a row, chunks of 32 points; then the outputs of the
 * strip. */
#include "lanes.h"

#include "buf.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_NS 5e5 /* estimated work between two calls of yield */

struct solver {
    const struct sweep *sweep;
    struct lanes_work *lanes;
    struct strip strip;
    double q[STRIP];   /* strip.q as a column */
    double *grad;      /* [quantity][STRIP] */
    double **grad_of;  /* per input of an expression */
    const double **in; /* the same */
    double work_ns, chunk_ns;
    char reason[256];
};

/* Where the numbers of the block at hand go. */
struct sink {
    double *const *fields;
    float *const *errors;
    uint8_t *status;
};

struct solver *solver_create_with(const struct sweep *s, const struct kernel *kernel)
{
    struct solver *solver = mem_alloc(1, sizeof *solver);
    size_t quantities = s->outputs.quantity_count;
    solver->sweep = s;
    solver->lanes = lanes_create(s, kernel);
    solver->strip.value = mem_alloc(quantities * STRIP + 1, sizeof(double));
    solver->strip.error = mem_alloc(quantities * STRIP + 1, sizeof(double));
    solver->grad = mem_alloc(quantities * STRIP + 1, sizeof(double));
    solver->grad_of = mem_alloc(quantities + 2, sizeof *solver->grad_of);
    solver->in = mem_alloc(quantities + 2, sizeof *solver->in);
    solver->chunk_ns = LANES * sweep_point_cost_ns(s);
    return solver;
}

struct solver *solver_create(const struct sweep *s)
{
    return solver_create_with(s, kernel_find(NULL));
}

void solver_destroy(struct solver *s)
{
    if (s == NULL)
        return;
    lanes_destroy(s->lanes);
    free(s->strip.value);
    free(s->strip.error);
    free(s->grad);
    free(s->grad_of);
    free(s->in);
    free(s);
}

const char *solver_reason(const struct solver *s)
{
    return s->reason;
}

static void blame(struct solver *s, size_t i, const char *what)
{
    if (s->reason[0] == '\0')
        snprintf(s->reason, sizeof s->reason, "%.120s at q = %.17g, a = %.17g", what, s->strip.q,
                 s->strip.a[i]);
}

/* Fills the strip with `count` points of a row and their start values. */
static void load(struct solver *s, size_t q, size_t a, size_t count)
{
    const struct sweep *w = s->sweep;
    s->strip.count = count;
    s->strip.q = w->q[q];
    memcpy(s->strip.a, w->a + a, count * sizeof(double));
    for (size_t i = 0; i < count; i++)
        s->q[i] = s->strip.q;
    const double *in[] = {s->strip.a, s->q};
    for (int c = 0; c < 2; c++)
        expr_eval_batch(w->start[c], count, in, s->strip.start[c]);
}

static int stopped(struct solver *s, solver_yield_fn *yield, void *arg, size_t done)
{
    s->work_ns += s->chunk_ns;
    if (s->work_ns < SLICE_NS || yield == NULL)
        return 0;
    s->work_ns = 0;
    return yield(arg, done) != 0;
}

/* Solves the strip, level by level; `done` points of the block came before it. */
static int solve_strip(struct solver *s, solver_yield_fn *yield, void *arg, size_t done)
{
    uint16_t at[STRIP], again[STRIP];
    size_t count = s->strip.count;
    for (size_t i = 0; i < count; i++)
        at[i] = (uint16_t)i;
    for (int level = 0; count > 0 && lanes_row(s->lanes, level, s->strip.q); level++) {
        size_t rest = 0;
        for (size_t k = 0; k < count; k += LANES) {
            size_t n = count - k < LANES ? count - k : LANES;
            rest += lanes_solve(s->lanes, &s->strip, at + k, n, again + rest);
            if (stopped(s, yield, arg, done))
                return -1;
        }
        memcpy(at, again, rest * sizeof *at);
        count = rest;
    }
    return 0;
}

/* An error is stored as a float that is not smaller. */
static float round_up(double error)
{
    return (float)(error * (1 + 0x1p-23));
}

static void store_output(struct solver *s, size_t k, const struct sink *to, size_t offset)
{
    const struct output *o = &s->sweep->outputs.output[k];
    size_t n = s->strip.count;
    double *field = to->fields[k] + offset, rounding[STRIP];
    s->in[0] = s->strip.a;
    s->in[1] = s->q;
    s->grad_of[0] = s->grad_of[1] = NULL;
    for (size_t i = 0; i < o->quantity_count; i++) {
        s->in[2 + i] = s->strip.value + o->quantity[i] * STRIP;
        s->grad_of[2 + i] = s->grad + i * STRIP;
    }
    if (to->errors == NULL) {
        expr_eval_batch(o->expr, n, s->in, field);
        return;
    }
    expr_eval_grad(o->expr, n, s->in, field, s->grad_of, rounding);
    for (size_t i = 0; i < o->quantity_count; i++) {
        const double *error = s->strip.error + o->quantity[i] * STRIP, *grad = s->grad_of[2 + i];
        for (size_t p = 0; p < n; p++)
            rounding[p] += grad[p] != 0 ? fabs(grad[p]) * error[p] : 0;
    }
    for (size_t p = 0; p < n; p++)
        to->errors[k][offset + p] = round_up(rounding[p]);
}

/* A field that is not a number; `field` and `error` (may be NULL) point at it. */
static void fail(struct solver *s, size_t i, const char *what, double *field, float *error,
                 uint8_t *status)
{
    blame(s, i, what);
    *field = NAN;
    if (error != NULL)
        *error = NAN;
    *status = POINT_FAILED;
}

/* Statuses of the strip as far as output k decides them. */
static void check_output(struct solver *s, size_t k, const struct sink *to, size_t offset)
{
    double *field = to->fields[k] + offset;
    float *error = to->errors != NULL ? to->errors[k] + offset : NULL;
    uint8_t *status = to->status + offset;
    char what[128] = "";
    for (size_t i = 0; i < s->strip.count; i++) {
        int started = isfinite(s->strip.start[0][i]) && isfinite(s->strip.start[1][i]);
        if (isfinite(field[i]) && started)
            continue;
        if (!started) {
            fail(s, i, "z.start is not a finite number", &field[i], error ? &error[i] : NULL,
                 &status[i]);
        } else if (isnan(field[i])) {
            snprintf(what, sizeof what, "output %.64s is not a number",
                     s->sweep->outputs.output[k].name);
            fail(s, i, what, &field[i], error ? &error[i] : NULL, &status[i]);
        } else {
            if (error != NULL)
                error[i] = INFINITY;
            if (status[i] != POINT_FAILED)
                status[i] = POINT_OVERFLOW;
        }
    }
}

static void store(struct solver *s, const struct sink *to, size_t offset)
{
    for (size_t i = 0; i < s->strip.count; i++)
        to->status[offset + i] = s->strip.limited[i] ? POINT_LIMITED : POINT_DONE;
    for (size_t k = 0; k < s->sweep->outputs.count; k++) {
        store_output(s, k, to, offset);
        check_output(s, k, to, offset);
    }
}

int solver_block(struct solver *s, const struct block *b, double *const *fields,
                 float *const *errors, uint8_t *status, solver_yield_fn *yield, void *arg)
{
    struct sink to = {fields, errors, status};
    size_t width = b->a1 - b->a0;
    s->reason[0] = '\0';
    s->work_ns = 0;
    for (size_t q = b->q0; q < b->q1; q++) {
        for (size_t a = b->a0; a < b->a1; a += STRIP) {
            size_t offset = (q - b->q0) * width + (a - b->a0);
            load(s, q, a, b->a1 - a < STRIP ? b->a1 - a : STRIP);
            if (solve_strip(s, yield, arg, offset) != 0)
                return -1;
            store(s, &to, offset);
        }
    }
    return 0;
}
