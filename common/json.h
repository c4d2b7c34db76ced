#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "buf.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* JSON, strictly as RFC 8259 has it, and the only module that knows cJSON. cJSON alone takes
 * 01, 1., 1e999, raw line ends, broken UTF-8, a byte-order mark, the first of two equal keys and a
 * thousand levels, and its printer changes one double in six; so a scanner (json_scan.c) judges
 * every byte first, cJSON then makes the strings, and numbers are read and written by number.h
 * alone.
 *
 * Reading gives a read-only tree. Each value knows its place in the text and its path, so that
 * every later complaint can name both. Pointers into the tree are borrowed until json_destroy. */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

#define JSON_DEPTH_MAX    16
#define JSON_NUMBER_CHARS 40
#define JSON_SHORT_LIST   64       /* see json_numbers */
#define JSON_SELF         SIZE_MAX /* "element" that means the value itself */

struct json_limits {
    size_t bytes;   /* of the text; less than 1 GiB */
    size_t values;  /* values of all kinds, without the elements of long lists of numbers */
    size_t numbers; /* numbers in lists */
};

struct json;

/* Refused, besides all that RFC 8259 forbids: a byte-order mark, \u0000, unpaired surrogates, equal
 * keys in one object, numbers of more than 40 characters or beyond the range of a double, more than
 * 16 levels, and what exceeds the limits. The error is ERR_OTHER with line, column, path and hint.
 * *out is returned owned; the text is copied. */
int json_parse(const char *text, size_t len, const struct json_limits *limits, struct json **out,
               struct err *err);
void json_destroy(struct json *root);

enum json_type json_type(const struct json *v);
const char *json_type_name(enum json_type type); /* "a number", "an object", ... */
const char *json_key(const struct json *v);      /* NULL when v is not a member of an object */
size_t json_length(const struct json *v);        /* members, elements, or bytes of a string */

const struct json *json_get(const struct json *object, const char *key); /* NULL: not there */
const struct json *json_first(const struct json *v); /* member or element; NULL: none */
const struct json *json_next(const struct json *v);
const struct json *json_at(const struct json *array, size_t i); /* NULL: no such element */
const struct json *json_parent(const struct json *v);

const char *json_string(const struct json *v); /* NULL when it is not a string */
double json_number(const struct json *v);      /* NaN when it is not a number */
bool json_bool(const struct json *v);          /* false unless it is true */
/* 0 when v is a whole number within +-2^53 (1e3 is one), else -1. */
int json_integer(const struct json *v, int64_t *out);

/* A list of numbers only, as an array of json_length(v) doubles; NULL for anything else. When it
 * has more than JSON_SHORT_LIST elements this is the only way to them: a node each would cost 100
 * bytes, so json_first gives NULL then. */
const double *json_numbers(const struct json *v);

/* The member `key` of an object, or the fallback when it is missing, null or of another type. */
const char *json_get_string(const struct json *object, const char *key, const char *fallback);
double json_get_number(const struct json *object, const char *key, double fallback);
int64_t json_get_integer(const struct json *object, const char *key, int64_t fallback);
bool json_get_bool(const struct json *object, const char *key, bool fallback);

/* Places count lines and characters from 1. json_place: of a value, or of an element if it has one;
 * json_place_key: of its key; json_place_char: of the byte `i` (from 0) of a decoded string. */
void json_place(const struct json *v, size_t element, int *line, int *column);
void json_place_key(const struct json *v, int *line, int *column);
void json_place_char(const struct json *string, size_t i, int *line, int *column);

/* "grid.a.count", "z.t[3]"; "" for the root. Returns out. */
char *json_path(const struct json *v, size_t element, char *out, size_t size);

/* Writing. An object or array is made, filled and printed; children belong to their parent. Keys
 * must be new in their object. put is for objects, add for arrays. */
struct json_out;
struct json_out *json_object(void); /* returns owned */
struct json_out *json_array(void);
struct json_out *json_copy(const struct json *v); /* returns owned */
/* An error as every program tells it (PROTOCOL.md section 5): {"code", "name", "message", "hint",
 * "line", "column", "path"}. Returns owned. */
struct json_out *json_error(const struct err *err);
void json_out_destroy(struct json_out *out);

void json_put_string(struct json_out *object, const char *key, const char *value); /* NULL: null */
void json_put_number(struct json_out *object, const char *key, double value); /* not finite: null */
void json_put_integer(struct json_out *object, const char *key, int64_t value);
void json_put_bool(struct json_out *object, const char *key, bool value);
void json_put_null(struct json_out *object, const char *key);
void json_put_numbers(struct json_out *object, const char *key, const double *values, size_t count);
struct json_out *json_put_object(struct json_out *object, const char *key); /* borrowed */
struct json_out *json_put_array(struct json_out *object, const char *key);
void json_put(struct json_out *object, const char *key, struct json_out *value); /* takes value */

void json_add_string(struct json_out *array, const char *value);
void json_add_number(struct json_out *array, double value);
void json_add_integer(struct json_out *array, int64_t value);
struct json_out *json_add_object(struct json_out *array);      /* borrowed */
void json_add(struct json_out *array, struct json_out *value); /* takes value */

/* Appends the text. Compact: one line without an end. Pretty: what does not fit a line is broken
 * and indented by two, and the text ends in a line end. Bytes that are not UTF-8 become U+FFFD. */
void json_print(const struct json_out *out, bool pretty, struct buf *text);

#endif
