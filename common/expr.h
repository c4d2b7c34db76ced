#ifndef COMMON_EXPR_H
#define COMMON_EXPR_H

#include "err.h"
#include <stddef.h>

/* The expressions of a job: "1 + 0.3*cos(1.7*t)", "y^2", "1 + z(t[157])". A Pratt parser makes
 * bytecode that is evaluated for one value, for a vector, or with derivatives. It owns its code and
 * nothing else: no global state, no allocation while evaluating, safe to share between threads.
 *
 * Grammar: numbers, names, ( ), unary + -, binary + - * / and ^ (or **; right-associative, binds
 * tighter than unary minus: -x^2 = -(x^2)), calls f(x) and f(x, y). Functions: see FUNCTIONS in
 * expr_op.c. Constants: pi, e. A constant integer power of up to 64 is multiplications and ^0.5 is
 * sqrt, so their bits do not depend on libm. Constant parts are folded (without changing a bit) and
 * must be finite. Limits: 4096 characters, depth 64, 512 nodes (numbers, names, operators, calls).
 *
 * Inputs are numbered: first the scope's variables in their order, then one input for each distinct
 * (solution, time) used, such as z(7.85); the caller supplies their values. A time is a constant
 * expression in which t[k] is times[k]. */

struct expr_scope {
    const char *const *variables;
    size_t variable_count;
    const char *const *solutions; /* names that take one time: "z", "dz"; may be NULL */
    size_t solution_count;
    const double *times; /* what t[k] means; NULL where t[k] is not allowed */
    size_t time_count;
};

struct expr;

/* Compiles text. On failure err has code ERR_JOB_REFUSED, column from 1 within text, a sentence
 * and a hint ("did you mean cos?"). *out is returned owned. */
int expr_compile(const char *text, const struct expr_scope *scope, struct expr **out,
                 struct err *err);
void expr_destroy(struct expr *e);

size_t expr_input_count(const struct expr *e); /* variables + distinct solutions used */
size_t expr_solution_count(const struct expr *e);
/* Solution i (its input is variable_count + i): index into scope->solutions, and its time. */
void expr_solution(const struct expr *e, size_t i, size_t *solution, double *time);
int expr_uses(const struct expr *e, size_t input); /* whether its value can matter */
int expr_is_constant(const struct expr *e);
/* Whether evaluation calls libm's transcendental functions (bits may then differ between machines).
 */
int expr_calls_libm(const struct expr *e);

/* One value; in[input]. A NaN is always the same NaN, here and below. */
double expr_eval(const struct expr *e, const double *in);

/* n values: in[input][i] (in[input] may be NULL where expr_uses is 0), out[i]. The same bits as n
 * calls of expr_eval. n is any size; work is done in blocks of EXPR_BLOCK on the stack. */
#define EXPR_BLOCK 128
void expr_eval_batch(const struct expr *e, size_t n, const double *const *in, double *out);

/* As expr_eval_batch, and the first derivatives by forward differentiation:
 * grad[input][i] = d out[i] / d in[input][i] for each input whose grad pointer is not NULL (grad
 * itself may be NULL). At a kink it is the derivative to the right, across a jump it is 0.
 * Also bounds what the evaluation itself rounds away: rounding[i] >= the first-order effect on
 * out[i] of one relative error of 2^-53 in each operation (libm's calls count as 4 of them); may be
 * NULL. */
void expr_eval_grad(const struct expr *e, size_t n, const double *const *in, double *out,
                    double *const *grad, double *rounding);

/* sign * in[input] + constant, sign +-1: a derivative that is the sign, and what the evaluation
 * rounds away at most 2^-53 of the value. */
struct expr_shift {
    size_t input;
    double sign, constant;
};

/* Whether the expression is an input, or an input and an exact constant added or subtracted. The
 * shift gives the bits that evaluating it gives. */
int expr_is_shift(const struct expr *e, struct expr_shift *shift);

/* The names an expression may call or use, for messages and completion; NULL-terminated. */
const char *const *expr_function_names(void);

/* The name in the NULL-terminated list nearest to `word` (Damerau-Levenshtein <= 2, less for short
 * words), or NULL: for "did you mean". */
const char *expr_nearest(const char *word, const char *const *list);

#endif
