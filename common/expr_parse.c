/* The grammar of expressions, a Pratt parser that hands each operation to the builder as soon as
 * its operands are there. Recursion is bounded by the depth limit: at most four C frames per level.
 *
 *   expression = prefix { infix expression }          with binding powers, see infixes[]
 *   prefix     = number | name | call | "t" "[" constant "]" | "(" expression ")" | sign expression
 *   call       = name "(" expression { "," expression } ")"
 *
 * A time and an index are expressions like any other, parsed where variables are refused; folding
 * leaves a constant of them. */
#include "expr_parser.h"
#include "number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BIND_SIGN 25 /* -x^2 = -(x^2), -x*y = (-x)*y */

static const struct infix {
    const char *text;
    int op, left, right; /* binding powers; right < left: right-associative */
} infixes[] = {
    {"**", EXPR_POW, 30, 29}, {"^", EXPR_POW, 30, 29}, {"*", EXPR_MUL, 20, 21},
    {"/", EXPR_DIV, 20, 21},  {"+", EXPR_ADD, 10, 11}, {"-", EXPR_SUB, 10, 11},
};

static int parse_expression(struct expr_parser *p, int bind, struct expr_operand *out);

/* ---- messages ---- */

int parser_fail(struct expr_parser *p, const char *at, const char *fmt, ...)
{
    char text[sizeof p->err->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(p->err, ERR_JOB_REFUSED, "%s", text);
    if (p->err) {
        p->err->line = 1;
        p->err->column = (int)(at - p->text) + 1;
    }
    return -1;
}

/* The character as it is when it can be shown whole, else its first byte in hexadecimal. */
static const char *show_character(const char *at, char out[8])
{
    unsigned char c = (unsigned char)*at;
    size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    bool whole = (c >= 0x20 && c < 0x7f) || c >= 0xc2;
    for (size_t i = 1; whole && i < len; i++)
        whole = ((unsigned char)at[i] & 0xc0) == 0x80;
    if (whole)
        snprintf(out, 8, "%.*s", (int)len, at);
    else
        snprintf(out, 8, "\\x%02x", c);
    return out;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

char parser_peek(struct expr_parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')
        p->at++;
    return *p->at;
}

static int missing_value(struct expr_parser *p)
{
    char shown[8];
    char c = parser_peek(p);
    if (c == '\0')
        return parser_fail(p, p->at, "a value is missing at the end");
    parser_fail(p, p->at, "a value is missing before \"%s\"", show_character(p->at, shown));
    expr_hint_character(p->err, p->at);
    return -1;
}

/* An expression is complete, yet what follows neither continues nor closes it. */
static int unexpected(struct expr_parser *p)
{
    char shown[8];
    char c = parser_peek(p);
    if (c == ')' || c == ']')
        return parser_fail(p, p->at, "this \"%c\" closes nothing", c);
    if (is_letter(c) || is_digit(c) || c == '.' || c == '(') {
        parser_fail(p, p->at, "an operator is missing before \"%c\"", c);
        return err_hint(p->err, "a product is written with *, as in 2*x");
    }
    if (c == ',') {
        parser_fail(p, p->at, "a \",\" separates the arguments of a function, there is none here");
        return err_hint(p->err, "a decimal point is written \".\"");
    }
    parser_fail(p, p->at, "\"%s\" has no meaning here", show_character(p->at, shown));
    expr_hint_character(p->err, p->at);
    return -1;
}

static int too_deep(struct expr_parser *p, const char *at)
{
    parser_fail(p, at, "the expression is nested too deeply, at most %d levels are allowed",
                EXPR_DEPTH_MAX);
    return err_hint(p->err, "take it apart, or remove brackets that are not needed");
}

/* ---- bookkeeping ---- */

int parser_count_node(struct expr_parser *p, const char *at)
{
    if (++p->nodes <= EXPR_NODES_MAX)
        return 0;
    return parser_fail(p, at,
                       "the expression is too long, at most %d numbers, names and operators are "
                       "allowed",
                       EXPR_NODES_MAX);
}

int parser_built(struct expr_parser *p, const char *at, enum expr_build how,
                 const struct expr_operand *out)
{
    char value[NUMBER_TEXT];
    switch (how) {
    case EXPR_BUILT:
        break;
    case EXPR_OUT_OF_REGISTERS:
        return parser_fail(p, at, "the expression needs more than %d intermediate values at once",
                           EXPR_REGISTERS);
    case EXPR_NOT_FINITE:
        number_format(out->constant.value, value);
        return parser_fail(p, at, "this part is constant and not a finite number, but %s", value);
    }
    return 0;
}

int parser_nested(struct expr_parser *p, const char *at, int bind, struct expr_operand *out)
{
    if (p->depth == EXPR_DEPTH_MAX)
        return too_deep(p, at);
    p->depth++;
    int failed = parse_expression(p, bind, out);
    p->depth--;
    return failed;
}

int parser_close_bracket(struct expr_parser *p, const char *open, char bracket)
{
    char c = parser_peek(p);
    if (c == bracket) {
        p->at++;
        return 0;
    }
    if (c == '\0') {
        parser_fail(p, open, "this \"%c\" is never closed", *open);
        return err_hint(p->err, "add a \"%c\"", bracket);
    }
    if (c == ')' || c == ']')
        return parser_fail(p, p->at, "this \"%c\" does not close the \"%c\" of column %d", c, *open,
                           (int)(open - p->text) + 1);
    return unexpected(p);
}

/* ---- expressions ---- */

static int parse_number(struct expr_parser *p, struct expr_operand *out)
{
    double value;
    struct expr_word w = {p->at, number_parse(p->at, strlen(p->at), 1, &value)};
    if (w.len == 0)
        return missing_value(p);
    p->at += w.len;
    if (!isfinite(value)) {
        parser_fail(p, w.at, "%.*s is too large for a double", EXPR_SHOW(w));
        return err_hint(p->err, "the largest is about 1.8e308");
    }
    *out = expr_build_constant(value);
    return parser_count_node(p, w.at);
}

static int parse_group(struct expr_parser *p, struct expr_operand *out)
{
    const char *open = p->at++;
    return parser_nested(p, open, 0, out) || parser_close_bracket(p, open, ')') ? -1 : 0;
}

static int parse_sign(struct expr_parser *p, struct expr_operand *out)
{
    const char *at = p->at++;
    struct expr_operand x;
    if (parser_count_node(p, at) || parser_nested(p, at, BIND_SIGN, &x))
        return -1;
    if (*at == '-')
        return parser_built(p, at, expr_build_op(p->b, EXPR_NEG, &x, &x, out), out);
    *out = x;
    return 0;
}

/* A name, with the dots of np.sin so that the message can name it whole. */
static struct expr_word take_word(struct expr_parser *p)
{
    struct expr_word w = {p->at, 0};
    do
        w.len++;
    while (is_letter(w.at[w.len]) || is_digit(w.at[w.len]) ||
           (w.at[w.len] == '.' && is_letter(w.at[w.len + 1])));
    p->at += w.len;
    return w;
}

static int parse_prefix(struct expr_parser *p, struct expr_operand *out)
{
    char c = parser_peek(p);
    if (is_digit(c) || c == '.')
        return parse_number(p, out);
    if (is_letter(c))
        return parser_name(p, take_word(p), out);
    if (c == '(')
        return parse_group(p, out);
    if (c == '+' || c == '-')
        return parse_sign(p, out);
    return missing_value(p);
}

static const struct infix *peek_infix(struct expr_parser *p)
{
    parser_peek(p);
    for (size_t i = 0; i < sizeof infixes / sizeof infixes[0]; i++)
        if (strncmp(p->at, infixes[i].text, strlen(infixes[i].text)) == 0)
            return &infixes[i];
    return NULL;
}

/* Everything whose operators bind at least as tightly as `bind`. */
static int parse_expression(struct expr_parser *p, int bind, struct expr_operand *out)
{
    if (parse_prefix(p, out))
        return -1;
    for (;;) {
        const struct infix *infix = peek_infix(p);
        if (!infix || infix->left < bind)
            return 0;
        const char *at = p->at;
        p->at += strlen(infix->text);

        /* Only a right-associative chain can go on recursing without a bracket. */
        struct expr_operand x = *out, y;
        bool power = infix->op == EXPR_POW;
        if (parser_count_node(p, at) || (power ? parser_nested(p, at, infix->right, &y)
                                               : parse_expression(p, infix->right, &y)))
            return -1;
        enum expr_build how = power ? expr_build_power(p->b, &x, &y, out)
                                    : expr_build_op(p->b, infix->op, &x, &y, out);
        if (parser_built(p, at, how, out))
            return -1;
    }
}

int expr_parse(const char *text, const struct expr_scope *scope, struct expr_builder *b,
               struct expr_operand *result, struct err *err)
{
    struct expr_parser p = {.text = text, .at = text, .scope = scope, .b = b, .err = err};
    size_t len = strlen(text);
    if (len > EXPR_TEXT_MAX)
        return parser_fail(&p, text + EXPR_TEXT_MAX,
                           "the expression has %zu characters, at most %d are allowed", len,
                           EXPR_TEXT_MAX);
    if (parser_peek(&p) == '\0')
        return parser_fail(&p, text, "the expression is empty");
    if (parse_expression(&p, 0, result))
        return -1;
    return parser_peek(&p) == '\0' ? 0 : unexpected(&p);
}
