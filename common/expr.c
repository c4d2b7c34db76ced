/* See expr.h. The builder turns operands into three-address code over registers of one block each.
 * There is no tree: the parser hands over operations in the order in which they are evaluated, so
 * registers are given out and taken back as on a stack. */
#include "expr_private.h"
#include "buf.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ---- */

struct expr_operand expr_build_constant(double value)
{
    return (struct expr_operand){.ref = {EXPR_CONSTANT, 0}, .constant = {value, 0}};
}

struct expr_operand expr_build_input(size_t input)
{
    return (struct expr_operand){.ref = {EXPR_INPUT, (uint32_t)input}};
}

struct expr_operand expr_build_use(struct expr_builder *b, size_t variable_count, size_t solution,
                                   double time)
{
    size_t i = 0;
    while (i < b->use_count && (b->uses[i].solution != solution || b->uses[i].time != time))
        i++;
    if (i == b->use_count) {
        assert(i < EXPR_NODES_MAX);
        b->uses[b->use_count++] = (struct expr_use){solution, time};
    }
    return expr_build_input(variable_count + i);
}

/* Where an instruction finds the operand; a constant gets its place now. */
static struct expr_ref place(struct expr_builder *b, const struct expr_operand *x)
{
    if (x->ref.kind != EXPR_CONSTANT)
        return x->ref;
    uint32_t i = 0;
    while (i < b->constant_count && memcmp(&b->constants[i], &x->constant, sizeof x->constant) != 0)
        i++;
    if (i == b->constant_count) {
        assert(i <= EXPR_NODES_MAX);
        b->constants[b->constant_count++] = x->constant;
    }
    return (struct expr_ref){EXPR_CONSTANT, i};
}

/* Whether f = x op y has no rounding error at all, as in 1/2 (for + and - by Dekker's argument: the
 * result minus the larger operand is exact). */
static bool is_exact(const struct expr_op *op, double x, double y, double f)
{
    if (op == expr_op(EXPR_ADD))
        return f - x == y && f - y == x;
    if (op == expr_op(EXPR_SUB))
        return f - x == -y && f + y == x;
    if (op == expr_op(EXPR_MUL))
        return fma(x, y, -f) == 0;
    if (op == expr_op(EXPR_DIV))
        return fma(f, y, -x) == 0;
    return false;
}

/* The operation itself is run, so that folding cannot change a bit. */
static enum expr_build fold(const struct expr_op *op, const struct expr_constant *x,
                            const struct expr_constant *y, struct expr_operand *out)
{
    double f, fx, fy, rounding;
    op->value(1, &x->value, &y->value, &f);
    op->slope(1, &x->value, &y->value, &f, &fx, &fy);
    expr_op_rounding(op, 1, &y->value, &f, &fx, &x->rounding, &fy, &y->rounding, &rounding);
    if (x->rounding == 0 && y->rounding == 0 && is_exact(op, x->value, y->value, f))
        rounding = 0;
    *out = (struct expr_operand){.ref = {EXPR_CONSTANT, 0}, .constant = {f, rounding}};
    return isfinite(f) ? EXPR_BUILT : EXPR_NOT_FINITE;
}

enum expr_build expr_build_call(struct expr_builder *b, const struct expr_op *op,
                                const struct expr_operand *x, const struct expr_operand *y,
                                struct expr_operand *out)
{
    b->calls_libm |= expr_op_calls_libm(op);
    if (op->arguments == 1)
        y = x;
    if (x->ref.kind == EXPR_CONSTANT && y->ref.kind == EXPR_CONSTANT)
        return fold(op, &x->constant, &y->constant, out);

    uint32_t to = 0;
    while (to < EXPR_REGISTERS && b->busy[to])
        to++;
    if (to == EXPR_REGISTERS)
        return EXPR_OUT_OF_REGISTERS;
    b->busy[to] = true;
    if (x->ref.kind == EXPR_REGISTER)
        b->busy[x->ref.index] = false;
    if (y->ref.kind == EXPR_REGISTER)
        b->busy[y->ref.index] = false;

    assert(b->code_count < EXPR_NODES_MAX);
    struct expr_ref at_x = place(b, x);
    struct expr_ref at_y = op->arguments == 1 ? at_x : place(b, y);
    b->code[b->code_count++] = (struct expr_instruction){op, at_x, at_y, to};
    *out = (struct expr_operand){.ref = {EXPR_REGISTER, to}};
    return EXPR_BUILT;
}

enum expr_build expr_build_op(struct expr_builder *b, int op, const struct expr_operand *x,
                              const struct expr_operand *y, struct expr_operand *out)
{
    return expr_build_call(b, expr_op(op), x, y, out);
}

enum expr_build expr_build_power(struct expr_builder *b, const struct expr_operand *x,
                                 const struct expr_operand *y, struct expr_operand *out)
{
    const struct expr_operand one = expr_build_constant(1);
    const double power = y->constant.value;
    const bool exact = y->ref.kind == EXPR_CONSTANT && y->constant.rounding == 0;
    if (exact && power == 1) {
        *out = *x;
        return EXPR_BUILT;
    }
    if (exact && power == 2)
        return expr_build_op(b, EXPR_MUL, x, x, out);
    if (exact && power == -1)
        return expr_build_op(b, EXPR_DIV, &one, x, out);
    if (exact && power == 0.5)
        return expr_build_op(b, EXPR_SQRT, x, x, out);
    if (exact && power == -0.5) {
        struct expr_operand root;
        enum expr_build built = expr_build_op(b, EXPR_SQRT, x, x, &root);
        return built == EXPR_BUILT ? expr_build_op(b, EXPR_DIV, &one, &root, out) : built;
    }
    bool integer = y->ref.kind == EXPR_CONSTANT && fabs(power) <= 64 && power == floor(power);
    return expr_build_op(b, integer ? EXPR_POWI : EXPR_POW, x, y, out);
}

/* ---- the compiled expression ---- */

static void *copy(const void *data, size_t n, size_t size)
{
    void *p = mem_alloc(n, size);
    if (n > 0)
        memcpy(p, data, n * size);
    return p;
}

static void note_used(struct expr *e, struct expr_ref ref)
{
    if (ref.kind == EXPR_INPUT)
        e->used[ref.index] = 1;
}

static struct expr *finish(struct expr_builder *b, const struct expr_operand *result,
                           size_t variable_count)
{
    struct expr *e = mem_alloc(1, sizeof *e);
    e->variable_count = variable_count;
    e->result = place(b, result);
    e->calls_libm = b->calls_libm;
    e->use_count = b->use_count;
    e->uses = copy(b->uses, b->use_count, sizeof b->uses[0]);
    e->code_count = b->code_count;
    e->code = copy(b->code, b->code_count, sizeof b->code[0]);

    e->constant_count = b->constant_count;
    e->constants = mem_alloc(b->constant_count, sizeof e->constants[0]);
    for (size_t k = 0; k < b->constant_count; k++)
        for (size_t i = 0; i < EXPR_BLOCK; i++) {
            e->constants[k].value[i] = b->constants[k].value;
            e->constants[k].rounding[i] = b->constants[k].rounding;
        }

    e->used = mem_alloc(expr_input_count(e), 1);
    note_used(e, e->result);
    for (size_t k = 0; k < e->code_count; k++) {
        note_used(e, e->code[k].a);
        note_used(e, e->code[k].b);
    }
    return e;
}

int expr_compile(const char *text, const struct expr_scope *scope, struct expr **out,
                 struct err *err)
{
    struct expr_builder *b = mem_alloc(1, sizeof *b);
    struct expr_operand result;
    int failed = expr_parse(text, scope, b, &result, err);
    *out = failed ? NULL : finish(b, &result, scope->variable_count);
    free(b);
    return failed;
}

void expr_destroy(struct expr *e)
{
    if (!e)
        return;
    free(e->uses);
    free(e->code);
    free(e->constants);
    free(e->used);
    free(e);
}

size_t expr_input_count(const struct expr *e)
{
    return e->variable_count + e->use_count;
}

size_t expr_solution_count(const struct expr *e)
{
    return e->use_count;
}

void expr_solution(const struct expr *e, size_t i, size_t *solution, double *time)
{
    assert(i < e->use_count);
    *solution = e->uses[i].solution;
    *time = e->uses[i].time;
}

int expr_uses(const struct expr *e, size_t input)
{
    return input < expr_input_count(e) && e->used[input];
}

int expr_is_constant(const struct expr *e)
{
    return e->result.kind == EXPR_CONSTANT;
}

int expr_calls_libm(const struct expr *e)
{
    return e->calls_libm;
}

static bool is_exact_constant(const struct expr *e, struct expr_ref ref)
{
    return ref.kind == EXPR_CONSTANT && e->constants[ref.index].rounding[0] == 0;
}

int expr_is_shift(const struct expr *e, struct expr_shift *shift)
{
    struct expr_ref moved = e->result;
    *shift = (struct expr_shift){.sign = 1, .constant = -0.0}; /* x + -0.0 is x, -0.0 too */
    if (e->code_count == 1) {
        const struct expr_instruction *c = &e->code[0];
        int first = is_exact_constant(e, c->a), minus = c->op == expr_op(EXPR_SUB);
        if ((c->op != expr_op(EXPR_ADD) && !minus) || (!first && !is_exact_constant(e, c->b)))
            return 0;
        moved = first ? c->b : c->a;
        shift->constant = e->constants[(first ? c->a : c->b).index].value[0];
        shift->sign = minus && first ? -1 : 1;
        if (minus && !first)
            shift->constant = -shift->constant;
    }
    if (e->code_count > 1 || moved.kind != EXPR_INPUT)
        return 0;
    shift->input = moved.index;
    return 1;
}
