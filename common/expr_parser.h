#ifndef COMMON_EXPR_PARSER_H
#define COMMON_EXPR_PARSER_H

#include "expr_private.h"

/* What expr_parse.c (grammar) and expr_name.c (names) share. Functions that return an int return 0,
 * or -1 after filling the parser's err. */

struct expr_parser {
    const char *text, *at;
    const struct expr_scope *scope;
    struct expr_builder *b;
    struct err *err;
    size_t depth, nodes;
    const char *constant; /* what must be constant here, "a time", or NULL */
};

struct expr_word {
    const char *at;
    size_t len;
};

/* For %.*s: names may be as long as the text. */
#define EXPR_SHOW(w) (int)((w).len < 40 ? (w).len : 40), (w).at

/* Fills err with the sentence and the column of `at`; returns -1. */
int parser_fail(struct expr_parser *p, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int parser_count_node(struct expr_parser *p, const char *at);
/* Turns the builder's answer into a message about the operation at `at`. */
int parser_built(struct expr_parser *p, const char *at, enum expr_build how,
                 const struct expr_operand *out);

char parser_peek(struct expr_parser *p); /* the next character that is not space */
/* An expression one level deeper, whose opening is at `at`. */
int parser_nested(struct expr_parser *p, const char *at, int bind, struct expr_operand *out);
int parser_close_bracket(struct expr_parser *p, const char *open, char bracket);

/* The word w, just read, and what belongs to it. */
int parser_name(struct expr_parser *p, struct expr_word w, struct expr_operand *out);

#endif
