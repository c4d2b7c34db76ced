#ifndef COMMON_EXPR_PRIVATE_H
#define COMMON_EXPR_PRIVATE_H

#include "expr.h"
#include <stdbool.h>
#include <stdint.h>

/* What the files of the expression compiler share; nobody else includes this.
 *
 *   expr_parse.c   text to operands: grammar and messages
 *   expr_name.c    the names in it (expr_parser.h is between these two)
 *   expr_hint.c    "did you mean"
 *   expr.c         operands to code: folding, registers; the compiled expression
 *   expr_op.c      the operations: values, slopes, rounding
 *   expr_trig.c    sin and cos
 *   expr_eval.c    runs the code
 */

#define EXPR_TEXT_MAX  4096
#define EXPR_DEPTH_MAX 64  /* brackets, calls, signs and right sides of ^ within each other */
#define EXPR_NODES_MAX 512 /* numbers, names, operators and calls */
#define EXPR_REGISTERS 68

/* The operators, then the functions a text may call; order of the table in expr_op.c. */
enum {
    EXPR_NEG,
    EXPR_ADD,
    EXPR_SUB,
    EXPR_MUL,
    EXPR_DIV,
    EXPR_POWI, /* b is an integer constant, -64 .. 64 */
    EXPR_FUNCTIONS,
    EXPR_SQRT = EXPR_FUNCTIONS,
    EXPR_POW,
};

/* An operation works on n values a, b (b is ignored where there is one argument). `slope` gives the
 * partial derivatives at a, b, where the value is f. Outputs do not overlap inputs. */
struct expr_op {
    const char *name;
    int arguments;
    double units; /* rounding errors of 2^-53 that one evaluation makes; 0: exact */
    void (*value)(size_t n, const double *a, const double *b, double *restrict f);
    void (*slope)(size_t n, const double *a, const double *b, const double *f, double *restrict fa,
                  double *restrict fb);
};

const struct expr_op *expr_op(int number);
const struct expr_op *expr_op_find(const char *name, size_t len); /* a function's, or NULL */
bool expr_op_calls_libm(const struct expr_op *op);

/* Chain rule: out = fa da + fb db, where a zero derivative beats an infinite slope. A da, db, ra or
 * rb that is NULL stands for zeros. */
void expr_op_chain(size_t n, const double *fa, const double *da, const double *fb, const double *db,
                   double *restrict out);
/* Rounding of the value f: what it inherits, |fa| ra + |fb| rb, and its own. */
void expr_op_rounding(const struct expr_op *op, size_t n, const double *b, const double *f,
                      const double *fa, const double *ra, const double *fb, const double *rb,
                      double *restrict out);

/* f[i] = sin(x[i]), cos(x[i]), each from x[i] alone; within 0.8 ulp, the same bits everywhere for
 * |x| <= 1.6e6 (but within 2^-16 of a multiple of pi/2). */
void expr_sin(size_t n, const double *x, double *restrict f);
void expr_cos(size_t n, const double *x, double *restrict f);

struct expr_ref {
    enum expr_kind { EXPR_CONSTANT, EXPR_INPUT, EXPR_REGISTER } kind;
    uint32_t index;
};

struct expr_instruction {
    const struct expr_op *op;
    struct expr_ref a, b; /* b is a where there is one argument */
    uint32_t to;          /* a register other than a and b */
};

struct expr_constant {
    double value, rounding; /* rounding: that of the operations folded into it */
};

struct expr_use { /* of a solution */
    size_t solution;
    double time;
};

/* Constants are kept as whole blocks, so that an operation never asks what its operands are. */
struct expr_block {
    double value[EXPR_BLOCK], rounding[EXPR_BLOCK];
};

struct expr {
    size_t variable_count, use_count, code_count, constant_count;
    struct expr_use *uses;
    struct expr_instruction *code;
    struct expr_block *constants;
    unsigned char *used; /* per input */
    struct expr_ref result;
    bool calls_libm;
};

/* An operand on the compiler's side. A constant still has its value here, so that it can be folded;
 * only what an instruction really uses gets a place among the constants. */
struct expr_operand {
    struct expr_ref ref;
    struct expr_constant constant;
};

struct expr_builder {
    struct expr_instruction code[EXPR_NODES_MAX];
    struct expr_constant constants[EXPR_NODES_MAX + 1];
    struct expr_use uses[EXPR_NODES_MAX];
    size_t code_count, constant_count, use_count;
    bool busy[EXPR_REGISTERS];
    bool calls_libm;
};

enum expr_build {
    EXPR_BUILT,
    EXPR_NOT_FINITE, /* out's constant says what it is */
    EXPR_OUT_OF_REGISTERS,
};

struct expr_operand expr_build_constant(double value);
struct expr_operand expr_build_input(size_t input);
/* The input of solution(time), new or already there. */
struct expr_operand expr_build_use(struct expr_builder *b, size_t variable_count, size_t solution,
                                   double time);
enum expr_build expr_build_op(struct expr_builder *b, int op, const struct expr_operand *x,
                              const struct expr_operand *y, struct expr_operand *out);
enum expr_build expr_build_call(struct expr_builder *b, const struct expr_op *op,
                                const struct expr_operand *x, const struct expr_operand *y,
                                struct expr_operand *out);
/* x^y, by multiplications or sqrt where y allows it. */
enum expr_build expr_build_power(struct expr_builder *b, const struct expr_operand *x,
                                 const struct expr_operand *y, struct expr_operand *out);

/* Parses the whole text into b; *result is what it amounts to. */
int expr_parse(const char *text, const struct expr_scope *scope, struct expr_builder *b,
               struct expr_operand *result, struct err *err);

/* Adds the hint for a name that is not in scope; `bracket` is the character after it, '(', '[' or
 * anything else. */
void expr_hint_name(struct err *err, const struct expr_scope *scope, const char *name, size_t len,
                    char bracket);
/* Adds the hint for a character that means nothing here (such as a typographic minus). */
void expr_hint_character(struct err *err, const char *at);

#endif
