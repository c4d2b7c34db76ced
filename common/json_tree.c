/* See json.h: looking at the tree that json_parse has made. Knows neither the scanner nor cJSON. */
#include "json.h"
#include "json_scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum json_type json_type(const struct json *v)
{
    return (enum json_type)v->type;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {"null",     "true or false", "a number",
                                        "a string", "a list",        "an object"};
    return names[type];
}

const char *json_key(const struct json *v)
{
    return v->key;
}

size_t json_length(const struct json *v)
{
    return v->string ? strlen(v->string) : v->count;
}

const struct json *json_first(const struct json *v)
{
    return v->count > 0 && !v->separate ? v + 1 : NULL;
}

const struct json *json_next(const struct json *v)
{
    return v->next ? v + v->next : NULL;
}

const struct json *json_parent(const struct json *v)
{
    return v->parent ? v - v->parent : NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *m = json_first(object); m; m = json_next(m))
        if (strcmp(m->key, key) == 0)
            return m;
    return NULL;
}

const struct json *json_at(const struct json *array, size_t i)
{
    const struct json *v = array && array->type == JSON_ARRAY ? json_first(array) : NULL;
    while (v && i-- > 0)
        v = json_next(v);
    return v;
}

const char *json_string(const struct json *v)
{
    return v ? v->string : NULL;
}

double json_number(const struct json *v)
{
    return v && v->type == JSON_NUMBER ? v->number : (double)NAN;
}

bool json_bool(const struct json *v)
{
    return v && v->truth;
}

int json_integer(const struct json *v, int64_t *out)
{
    double x = json_number(v);
    if (!(x >= -9007199254740992.0 && x <= 9007199254740992.0) || x != floor(x))
        return -1;
    *out = (int64_t)x;
    return 0;
}

const double *json_numbers(const struct json *v)
{
    static const double none;
    if (!v || v->type != JSON_ARRAY || !v->listed)
        return NULL;
    return v->count ? v->document->numbers + v->numbers : &none;
}

const char *json_get_string(const struct json *object, const char *key, const char *fallback)
{
    const char *s = json_string(json_get(object, key));
    return s ? s : fallback;
}

double json_get_number(const struct json *object, const char *key, double fallback)
{
    const struct json *v = json_get(object, key);
    return v && v->type == JSON_NUMBER ? v->number : fallback;
}

int64_t json_get_integer(const struct json *object, const char *key, int64_t fallback)
{
    int64_t x;
    return json_integer(json_get(object, key), &x) ? fallback : x;
}

bool json_get_bool(const struct json *object, const char *key, bool fallback)
{
    const struct json *v = json_get(object, key);
    return v && v->type == JSON_BOOL ? v->truth : fallback;
}

/* ---- places ---- */

/* Offset of element i of a list of numbers: such a list holds no other commas. */
static size_t element_at(const struct json *list, size_t i)
{
    const unsigned char *text = list->document->text.data;
    size_t at = list->at + 1;
    while (i > 0)
        i -= text[at++] == ',';
    while (strchr(" \t\r\n", text[at]))
        at++;
    return at;
}

void json_place(const struct json *v, size_t element, int *line, int *column)
{
    size_t at = v->at;
    if (v->type == JSON_ARRAY && element < v->count)
        at = v->listed ? element_at(v, element) : json_at(v, element)->at;
    json_locate(v->document, at, line, column);
}

void json_place_key(const struct json *v, int *line, int *column)
{
    json_locate(v->document, v->keyed ? v->key_at : v->at, line, column);
}

void json_place_char(const struct json *string, size_t i, int *line, int *column)
{
    const unsigned char *text = string->document->text.data;
    size_t at = string->at + 1;
    while (i > 0 && text[at] != '"') {
        size_t bytes = 1, chars = 1;
        if (text[at] == '\\' && text[at + 1] == 'u') { /* may stand for several bytes */
            unsigned unit = (unsigned)strtoul((char[]){(char)text[at + 2], (char)text[at + 3],
                                                       (char)text[at + 4], (char)text[at + 5], 0},
                                              NULL, 16);
            bool pair = unit >= 0xD800 && unit <= 0xDFFF;
            bytes = pair ? 4 : unit >= 0x800 ? 3 : unit >= 0x80 ? 2 : 1;
            chars = pair ? 12 : 6;
        } else if (text[at] == '\\') {
            chars = 2;
        }
        if (i < bytes)
            break;
        i -= bytes;
        at += chars;
    }
    json_locate(string->document, at, line, column);
}

static size_t index_of(const struct json *element)
{
    size_t i = 0;
    for (const struct json *v = json_first(json_parent(element)); v != element; v = json_next(v))
        i++;
    return i;
}

char *json_path(const struct json *v, size_t element, char *out, size_t size)
{
    const struct json *chain[JSON_DEPTH_MAX + 1];
    size_t depth = 0, n = 0;
    out[0] = '\0';
    for (; v->parent; v = json_parent(v))
        chain[depth++] = v;
    while (depth-- > 0 && n < size)
        if (chain[depth]->key)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "." : "", chain[depth]->key);
        else
            n += (size_t)snprintf(out + n, size - n, "[%zu]", index_of(chain[depth]));
    if (element != JSON_SELF && n < size)
        snprintf(out + n, size - n, "[%zu]", element);
    return out;
}
