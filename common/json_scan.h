#ifndef COMMON_JSON_SCAN_H
#define COMMON_JSON_SCAN_H

#include "json.h"

/* Private to json*.c: the scanner that judges the text byte by byte (json_lex.c reads characters,
 * json_scan.c values), and the nodes that it makes. */

struct json_document;

/* A value. Nodes lie in document order in one array, so that links are differences of indices. */
struct json {
    struct json_document *document;
    const char *key, *string; /* of cJSON's tree */
    double number;
    size_t count;          /* elements or members */
    size_t numbers;        /* index of the first element in document->numbers */
    uint32_t at, key_at;   /* offsets in the text */
    uint32_t parent, next; /* this - parent, next - this; 0: none */
    uint8_t type;
    bool truth, keyed;
    bool listed;   /* an array of numbers only */
    bool separate; /* listed, and without nodes for its elements */
};

struct json_document {
    struct json *nodes;
    size_t node_count, node_cap;
    double *numbers;
    size_t number_count, number_cap;
    struct buf text;     /* the document, with a NUL */
    struct buf skeleton; /* the text for cJSON, with a NUL: without the elements of long lists */
    void *tree;          /* cJSON's */
};

struct json_frame {
    bool array;
    size_t index;           /* of the element */
    size_t key_at, key_len; /* the raw key; length 0 before the first one */
};

struct json_scanner {
    struct json_document *d;
    const struct json_limits *limits;
    struct err *err;
    const char *text;
    size_t len, at;
    size_t copied; /* the skeleton has the text up to here */
    struct json_frame frames[JSON_DEPTH_MAX];
    size_t depth;
};

/* json_lex.c. All move s->at behind what they have read. */
void json_scan_blanks(struct json_scanner *s);
int json_scan_peek(const struct json_scanner *s); /* the next character, or -1 */
bool json_scan_starts(const struct json_scanner *s, const char *word);
int json_scan_string(struct json_scanner *s);
int json_scan_number(struct json_scanner *s, double *value);
/* Fill the error with the place `at` and the path; the hint may be NULL. Return -1. */
int json_scan_fail(struct json_scanner *s, size_t at, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int json_scan_unexpected(struct json_scanner *s, const char *wanted, const char *hint);

/* Fills nodes, numbers and skeleton of a document whose text is set. */
int json_scan(struct json_document *document, const struct json_limits *limits, struct err *err);

/* The bytes of the UTF-8 character at the start of s, 0 when it is not one. */
size_t json_utf8(const unsigned char *s, size_t len);

/* Line and column, in characters, of an offset. */
void json_locate(const struct json_document *document, size_t at, int *line, int *column);

#endif
