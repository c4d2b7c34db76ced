/* Names in expressions: variables, constants, calls, solutions at a time, t[k]; and what to say
 * about a name that is none of these or is used as another kind. */
#include "expr_parser.h"
#include "number.h"

#include <math.h>
#include <string.h>

static bool same(struct expr_word w, const char *name)
{
    return strlen(name) == w.len && memcmp(name, w.at, w.len) == 0;
}

static bool find(struct expr_word w, const char *const *names, size_t count, size_t *index)
{
    for (size_t i = 0; i < count; i++)
        if (same(w, names[i])) {
            *index = i;
            return true;
        }
    return false;
}

static bool find_constant(struct expr_word w, double *value)
{
    *value = same(w, "pi") ? 0x1.921fb54442d18p1 : 0x1.5bf0a8b145769p1;
    return same(w, "pi") || same(w, "e");
}

static bool is_times(struct expr_parser *p, struct expr_word w)
{
    return p->scope->times && same(w, "t");
}

static int not_constant(struct expr_parser *p, struct expr_word w)
{
    parser_fail(p, w.at, "%s must be a constant, and \"%.*s\" is none", p->constant, EXPR_SHOW(w));
    if (p->scope->time_count > 0)
        return err_hint(p->err, "write a number, or t[k] for one of the job's times");
    return err_hint(p->err, "write a number");
}

static int unknown(struct expr_parser *p, struct expr_word w, char next)
{
    if (next == '(' || next == '[')
        parser_fail(p, w.at, "there is no function \"%.*s\"", EXPR_SHOW(w));
    else
        parser_fail(p, w.at, "there is no \"%.*s\" here", EXPR_SHOW(w));
    expr_hint_name(p->err, p->scope, w.at, w.len, next);
    return -1;
}

static int needs_time(struct expr_parser *p, struct expr_word w)
{
    parser_fail(p, w.at, "\"%.*s\" is a function of time and needs one", EXPR_SHOW(w));
    if (p->scope->time_count > 0)
        return err_hint(p->err, "write %.*s(t[%zu])", EXPR_SHOW(w), p->scope->time_count - 1);
    return err_hint(p->err, "write %.*s(1.5)", EXPR_SHOW(w));
}

/* A name by itself. */
static int parse_plain(struct expr_parser *p, struct expr_word w, struct expr_operand *out)
{
    const struct expr_scope *s = p->scope;
    size_t index;
    double value;
    if (find(w, s->variables, s->variable_count, &index)) {
        if (p->constant)
            return not_constant(p, w);
        *out = expr_build_input(index);
        return 0;
    }
    if (find(w, s->solutions, s->solution_count, &index))
        return needs_time(p, w);
    if (is_times(p, w)) {
        parser_fail(p, w.at, "\"t\" is the list of times here");
        return err_hint(p->err, "write t[k] for one of them, k from 0");
    }
    if (find_constant(w, &value)) {
        *out = expr_build_constant(value);
        return 0;
    }
    if (expr_op_find(w.at, w.len)) {
        parser_fail(p, w.at, "\"%.*s\" is a function and needs an argument", EXPR_SHOW(w));
        return err_hint(p->err, "write %.*s(...)", EXPR_SHOW(w));
    }
    return unknown(p, w, parser_peek(p));
}

/* ( a, b, ... ): keeps the first two, counts all. */
static int parse_arguments(struct expr_parser *p, struct expr_operand arguments[2], int *count)
{
    const char *open = p->at++;
    *count = 0;
    if (parser_peek(p) == ')') {
        p->at++;
        return 0;
    }
    for (;;) {
        struct expr_operand extra;
        if (parser_nested(p, open, 0, *count < 2 ? &arguments[*count] : &extra))
            return -1;
        ++*count;
        if (parser_peek(p) != ',')
            return parser_close_bracket(p, open, ')');
        p->at++;
    }
}

static int wrong_count(struct expr_parser *p, struct expr_word w, int wanted, int given)
{
    return parser_fail(p, w.at, "\"%.*s\" takes %d argument%s, not %d", EXPR_SHOW(w), wanted,
                       wanted == 1 ? "" : "s", given);
}

static int parse_function(struct expr_parser *p, struct expr_word w, const struct expr_op *op,
                          struct expr_operand *out)
{
    struct expr_operand arguments[2];
    int count;
    if (parse_arguments(p, arguments, &count))
        return -1;
    if (count != op->arguments)
        return wrong_count(p, w, op->arguments, count);
    if (op == expr_op(EXPR_POW))
        return parser_built(p, w.at, expr_build_power(p->b, &arguments[0], &arguments[1], out),
                            out);
    return parser_built(p, w.at, expr_build_call(p->b, op, &arguments[0], &arguments[1], out), out);
}

static int parse_solution(struct expr_parser *p, struct expr_word w, size_t solution,
                          struct expr_operand *out)
{
    if (p->constant)
        return not_constant(p, w);
    struct expr_operand arguments[2];
    int count;
    p->constant = "a time";
    int failed = parse_arguments(p, arguments, &count);
    p->constant = NULL;
    if (failed)
        return -1;
    if (count != 1)
        return wrong_count(p, w, 1, count);
    *out = expr_build_use(p->b, p->scope->variable_count, solution, arguments[0].constant.value);
    return 0;
}

static int not_a_function(struct expr_parser *p, struct expr_word w, const char *what)
{
    parser_fail(p, w.at, "\"%.*s\" is %s, not a function", EXPR_SHOW(w), what);
    if (is_times(p, w))
        return err_hint(p->err, "write t[k]");
    return err_hint(p->err, "a product is written %.*s*(...)", EXPR_SHOW(w));
}

static int parse_call(struct expr_parser *p, struct expr_word w, struct expr_operand *out)
{
    const struct expr_scope *s = p->scope;
    size_t index;
    double value;
    if (find(w, s->solutions, s->solution_count, &index))
        return parse_solution(p, w, index, out);
    if (find(w, s->variables, s->variable_count, &index))
        return not_a_function(p, w, "a variable");
    if (is_times(p, w))
        return not_a_function(p, w, "the list of times");
    const struct expr_op *op = expr_op_find(w.at, w.len);
    if (op)
        return parse_function(p, w, op, out);
    if (find_constant(w, &value))
        return not_a_function(p, w, "a number");
    return unknown(p, w, '(');
}

static int bad_index(struct expr_parser *p, const char *at, double k)
{
    size_t count = p->scope->time_count;
    char text[NUMBER_TEXT];
    number_format(k, text);
    if (count == 0)
        return parser_fail(p, at, "there is no t[%s], the list of times is empty", text);
    if (k != floor(k)) {
        parser_fail(p, at, "t[%s] is between two times, an index is an integer", text);
        return err_hint(p->err, "t[k] is the time of number k, counted from 0");
    }
    if (k < 0) {
        parser_fail(p, at, "t[%s] is before the first time, t[0]", text);
        return err_hint(p->err, "the last time is t[%zu]", count - 1);
    }
    return parser_fail(p, at, "t[%s] is past the last time, t[%zu] (there are %zu)", text,
                       count - 1, count);
}

static int parse_index(struct expr_parser *p, struct expr_word w, struct expr_operand *out)
{
    const char *open = p->at++, *outer = p->constant;
    struct expr_operand index;
    p->constant = "the index of a time";
    int failed = parser_nested(p, open, 0, &index) || parser_close_bracket(p, open, ']');
    p->constant = outer;
    if (failed)
        return -1;
    double k = index.constant.value;
    if (k != floor(k) || k < 0 || k >= (double)p->scope->time_count)
        return bad_index(p, w.at, k);
    *out = expr_build_constant(p->scope->times[(size_t)k]);
    return 0;
}

/* A name and "[". */
static int parse_bracket(struct expr_parser *p, struct expr_word w, struct expr_operand *out)
{
    const struct expr_scope *s = p->scope;
    size_t index;
    double value;
    if (is_times(p, w))
        return parse_index(p, w, out);
    if (same(w, "t")) {
        parser_fail(p, w.at, "t[k] is not available here");
        return err_hint(p->err, "it stands for a time in the outputs only");
    }
    if (find(w, s->solutions, s->solution_count, &index)) {
        parser_fail(p, w.at, "\"%.*s\" takes a time in round brackets", EXPR_SHOW(w));
        return err_hint(p->err, "write %.*s(t[k])", EXPR_SHOW(w));
    }
    if (find(w, s->variables, s->variable_count, &index) || find_constant(w, &value))
        return parser_fail(p, w.at, "\"%.*s\" is a single number and has no index", EXPR_SHOW(w));
    if (!expr_op_find(w.at, w.len))
        return unknown(p, w, '[');
    parser_fail(p, w.at, "the argument of \"%.*s\" goes in round brackets", EXPR_SHOW(w));
    return err_hint(p->err, "write %.*s(...)", EXPR_SHOW(w));
}

int parser_name(struct expr_parser *p, struct expr_word w, struct expr_operand *out)
{
    if (parser_count_node(p, w.at))
        return -1;
    char next = parser_peek(p);
    if (next == '(')
        return parse_call(p, w, out);
    if (next == '[')
        return parse_bracket(p, w, out);
    return parse_plain(p, w, out);
}
