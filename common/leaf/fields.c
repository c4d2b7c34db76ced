/* See fields.h. */
#include "fields.h"

#include "buf.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fields {
    const struct outputs *outputs;
    const struct leaf_kernel *kernel;
    struct expr_shift *shift; /* of an output whose is_shift is set */
    unsigned char *is_shift;
    double *grad;      /* [quantity][STRIP] */
    double **grad_of;  /* per input of an expression */
    const double **in; /* the same */
    char reason[256];
};

struct fields *fields_create(const struct outputs *o, const struct leaf_kernel *kernel)
{
    struct fields *f = mem_alloc(1, sizeof *f);
    f->outputs = o;
    f->kernel = kernel;
    f->grad = mem_alloc((o->quantity_count + 4) * STRIP, sizeof(double));
    f->grad_of = mem_alloc(o->quantity_count + 6, sizeof *f->grad_of);
    f->in = mem_alloc(o->quantity_count + 6, sizeof *f->in);
    f->shift = mem_alloc(o->count, sizeof *f->shift);
    f->is_shift = mem_alloc(o->count, 1);
    for (size_t k = 0; k < o->count; k++)
        f->is_shift[k] = expr_is_shift(o->output[k].expr, &f->shift[k]) && f->shift[k].input >= 2;
    return f;
}

void fields_destroy(struct fields *f)
{
    if (f == NULL)
        return;
    free(f->shift);
    free(f->is_shift);
    free(f->grad);
    free(f->grad_of);
    free(f->in);
    free(f);
}

void fields_begin(struct fields *f)
{
    f->reason[0] = '\0';
}

const char *fields_reason(const struct fields *f)
{
    return f->reason;
}

/* An error is stored as a float that is not smaller; the least float is 2^-149. */
static float round_up(double error)
{
    return (float)(error * (1 + 0x1p-23) + (error > 0 ? 0x1p-149 : 0));
}

/* A number that is not finite has all bits of its exponent set. */
static int all_finite(const double *x, size_t n)
{
    uint64_t any = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        any |= ((bits >> 52 & 0x7ff) + 1) >> 11;
    }
    return any == 0;
}

/* Returns whether all values of output k are finite. */
static int evaluate(struct fields *f, size_t k, const struct points *points,
                    const struct target *to, size_t offset)
{
    const struct output *o = &f->outputs->output[k];
    size_t n = points->count;
    double *field = to->fields[k] + offset, rounding[STRIP];
    if (f->is_shift[k]) { /* like 1 + z(T), which most are */
        const struct expr_shift *shift = &f->shift[k];
        size_t at = o->quantity[shift->input - 2] * STRIP;
        return f->kernel->deliver(points->value + at, points->error + at, shift->sign,
                                  shift->constant, n, field,
                                  to->errors != NULL ? to->errors[k] + offset : NULL);
    }
    f->in[0] = points->a;
    f->in[1] = points->q;
    f->grad_of[0] = f->grad_of[1] = NULL;
    for (size_t i = 0; i < o->quantity_count; i++) {
        int used = o->quantity[i] != NO_QUANTITY;
        f->in[2 + i] = used ? points->value + o->quantity[i] * STRIP : NULL;
        f->grad_of[2 + i] = used ? f->grad + i * STRIP : NULL;
    }
    if (to->errors == NULL) {
        expr_eval_batch(o->expr, n, f->in, field);
        return all_finite(field, n);
    }
    expr_eval_grad(o->expr, n, f->in, field, f->grad_of, rounding);
    for (size_t i = 0; i < o->quantity_count; i++) {
        if (o->quantity[i] == NO_QUANTITY)
            continue;
        const double *error = points->error + o->quantity[i] * STRIP, *grad = f->grad_of[2 + i];
        for (size_t p = 0; p < n; p++)
            rounding[p] += grad[p] != 0 ? fabs(grad[p]) * error[p] : 0;
    }
    for (size_t p = 0; p < n; p++)
        to->errors[k][offset + p] = round_up(rounding[p]);
    return all_finite(field, n);
}

/* Why point i is not a number in output k; "" when it is one. */
static void find_fault(const struct fields *f, const struct points *p, size_t k, size_t i,
                       double field, char *what, size_t size)
{
    what[0] = '\0';
    if (!isfinite(p->start[0][i]) || !isfinite(p->start[1][i]))
        snprintf(what, size, "z.start is not a finite number");
    else if (isnan(field) && p->fault != NULL && p->fault[i][0] != '\0')
        snprintf(what, size, "%s", p->fault[i]);
    else if (isnan(field))
        snprintf(what, size, "output %.64s is not a number", f->outputs->output[k].name);
}

static void blame(struct fields *f, const struct points *p, size_t i, const char *what)
{
    if (f->reason[0] == '\0')
        snprintf(f->reason, sizeof f->reason, "%.160s at q = %.17g, a = %.17g", what, p->q[i],
                 p->a[i]);
}

/* Statuses of the points as far as output k, in which not all is finite, decides them. */
static void check(struct fields *f, size_t k, const struct points *p, const struct target *to,
                  size_t offset)
{
    double *field = to->fields[k] + offset;
    float *error = to->errors != NULL ? to->errors[k] + offset : NULL;
    uint8_t *status = to->status + offset;
    char what[FAULT_BYTES];
    for (size_t i = 0; i < p->count; i++) {
        if (isfinite(field[i]) && isfinite(p->start[0][i]) && isfinite(p->start[1][i]))
            continue;
        if (p->later != NULL && p->later[i])
            continue;
        find_fault(f, p, k, i, field[i], what, sizeof what);
        if (what[0] != '\0') {
            blame(f, p, i, what);
            field[i] = NAN;
            status[i] = POINT_FAILED;
        } else if (status[i] != POINT_FAILED) {
            status[i] = POINT_OVERFLOW;
        }
        if (error != NULL)
            error[i] = what[0] != '\0' ? NAN : INFINITY;
    }
}

void fields_put(struct fields *f, const struct points *p, const struct target *to, size_t offset)
{
    uint8_t *status = to->status + offset;
    int starts_finite = p->starts_finite ||
                        (all_finite(p->start[0], p->count) && all_finite(p->start[1], p->count));
    for (size_t i = 0; i < p->count; i++)
        status[i] = (uint8_t)(POINT_DONE + (POINT_LIMITED - POINT_DONE) * p->limited[i]);
    for (size_t k = 0; k < f->outputs->count; k++)
        if (!evaluate(f, k, p, to, offset) || !starts_finite)
            check(f, k, p, to, offset);
}
