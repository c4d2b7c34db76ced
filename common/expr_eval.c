/* Runs compiled expressions: operation by operation over a block of values. Every intermediate
 * lives in a register of one block on the stack: 67 KiB for values, 0.4 MiB with derivatives, of
 * which an expression touches the registers that it uses. */
#include "expr_private.h"

#include <math.h>

#define GRAD_BLOCK  EXPR_BLOCK
#define GRAD_INPUTS 4 /* derivatives carried along at a time */

/* One NaN for all: its sign and payload would tell one processor or code path from another. */
static double canonical(double x)
{
    return x == x ? x : NAN;
}

static const double *scalar_operand(const struct expr *e, struct expr_ref ref, const double *in,
                                    const double *registers)
{
    switch (ref.kind) {
    case EXPR_CONSTANT:
        return e->constants[ref.index].value;
    case EXPR_INPUT:
        return &in[ref.index];
    case EXPR_REGISTER:
        break;
    }
    return &registers[ref.index];
}

double expr_eval(const struct expr *e, const double *in)
{
    double registers[EXPR_REGISTERS];
    for (size_t k = 0; k < e->code_count; k++) {
        const struct expr_instruction *c = &e->code[k];
        c->op->value(1, scalar_operand(e, c->a, in, registers),
                     scalar_operand(e, c->b, in, registers), &registers[c->to]);
    }
    return canonical(*scalar_operand(e, e->result, in, registers));
}

static const double *operand(const struct expr *e, struct expr_ref ref, const double *const *in,
                             size_t at, double (*registers)[EXPR_BLOCK])
{
    switch (ref.kind) {
    case EXPR_CONSTANT:
        return e->constants[ref.index].value;
    case EXPR_INPUT:
        return in[ref.index] + at;
    case EXPR_REGISTER:
        break;
    }
    return registers[ref.index];
}

void expr_eval_batch(const struct expr *e, size_t n, const double *const *in, double *out)
{
    double registers[EXPR_REGISTERS][EXPR_BLOCK];
    for (size_t at = 0; at < n; at += EXPR_BLOCK) {
        size_t m = n - at < EXPR_BLOCK ? n - at : EXPR_BLOCK;
        for (size_t k = 0; k < e->code_count; k++) {
            const struct expr_instruction *c = &e->code[k];
            c->op->value(m, operand(e, c->a, in, at, registers),
                         operand(e, c->b, in, at, registers), registers[c->to]);
        }
        const double *result = operand(e, e->result, in, at, registers);
        for (size_t i = 0; i < m; i++)
            out[at + i] = canonical(result[i]);
    }
}

/* What is known of an operand, GRAD_BLOCK values of each; NULL stands for zeros. */
struct view {
    const double *value, *rounding;
    const double *tangent[GRAD_INPUTS];
};

struct forward {
    const struct expr *e;
    const double *const *in;
    const double *ones;
    size_t inputs[GRAD_INPUTS], input_count; /* to differentiate by */
    double value[EXPR_REGISTERS][GRAD_BLOCK];
    double rounding[EXPR_REGISTERS][GRAD_BLOCK];
    double tangent[EXPR_REGISTERS][GRAD_INPUTS][GRAD_BLOCK];
    bool depends[EXPR_REGISTERS][GRAD_INPUTS]; /* else the tangent is zero and not written */
};

static struct view view_of(const struct forward *w, struct expr_ref ref, size_t at)
{
    const struct expr_block *constant;
    struct view v = {.rounding = NULL};
    switch (ref.kind) {
    case EXPR_CONSTANT:
        constant = &w->e->constants[ref.index];
        v.value = constant->value;
        v.rounding = constant->rounding[0] != 0 ? constant->rounding : NULL;
        break;
    case EXPR_INPUT:
        v.value = w->in[ref.index] + at;
        for (size_t k = 0; k < w->input_count; k++)
            v.tangent[k] = ref.index == w->inputs[k] ? w->ones : NULL;
        break;
    case EXPR_REGISTER:
        v.value = w->value[ref.index];
        v.rounding = w->rounding[ref.index];
        for (size_t k = 0; k < w->input_count; k++)
            v.tangent[k] = w->depends[ref.index][k] ? w->tangent[ref.index][k] : NULL;
        break;
    }
    return v;
}

static void forward_block(struct forward *w, size_t at, size_t m)
{
    double fa[GRAD_BLOCK], fb[GRAD_BLOCK];
    for (size_t k = 0; k < w->e->code_count; k++) {
        const struct expr_instruction *c = &w->e->code[k];
        struct view a = view_of(w, c->a, at), b = {.value = a.value};
        if (c->op->arguments == 2)
            b = view_of(w, c->b, at);
        double *f = w->value[c->to];
        c->op->value(m, a.value, b.value, f);
        c->op->slope(m, a.value, b.value, f, fa, fb);
        expr_op_rounding(c->op, m, b.value, f, fa, a.rounding, fb, b.rounding, w->rounding[c->to]);
        for (size_t j = 0; j < w->input_count; j++) {
            w->depends[c->to][j] = a.tangent[j] || b.tangent[j];
            if (w->depends[c->to][j])
                expr_op_chain(m, fa, a.tangent[j], fb, b.tangent[j], w->tangent[c->to][j]);
        }
    }
}

static void forward_run(struct forward *w, size_t n, double *out, double *const *grad,
                        double *rounding)
{
    for (size_t at = 0; at < n; at += GRAD_BLOCK) {
        size_t m = n - at < GRAD_BLOCK ? n - at : GRAD_BLOCK;
        forward_block(w, at, m);
        struct view result = view_of(w, w->e->result, at);
        for (size_t j = 0; j < w->input_count; j++)
            for (size_t i = 0; i < m; i++)
                grad[w->inputs[j]][at + i] =
                    result.tangent[j] ? canonical(result.tangent[j][i]) : 0;
        for (size_t i = 0; i < m; i++)
            out[at + i] = canonical(result.value[i]);
        /* The bound was itself rounded, a few times per operation. */
        for (size_t i = 0; rounding && i < m; i++)
            rounding[at + i] = result.rounding ? canonical(result.rounding[i] * (1 + 0x1p-40)) : 0;
    }
}

void expr_eval_grad(const struct expr *e, size_t n, const double *const *in, double *out,
                    double *const *grad, double *rounding)
{
    struct forward w;
    double ones[GRAD_BLOCK];
    for (int i = 0; i < GRAD_BLOCK; i++)
        ones[i] = 1;
    w.e = e;
    w.in = in;
    w.ones = ones;
    size_t next = 0, inputs = grad ? expr_input_count(e) : 0;
    do {
        for (w.input_count = 0; next < inputs && w.input_count < GRAD_INPUTS; next++)
            if (grad[next])
                w.inputs[w.input_count++] = next;
        forward_run(&w, n, out, grad, rounding);
    } while (next < inputs);
}
