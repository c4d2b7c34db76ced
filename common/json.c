/* See json.h. Reading: json_scan makes the nodes; cJSON then reads the skeleton of the text
 * (without the elements of long lists) and lends its decoded keys and strings to them. Writing: a
 * tree of cJSON items in which every number is raw text of ours, and a printer of our own, because
 * cJSON's breaks lines in its own way and copies broken UTF-8. */
#include "json.h"
#include "json_scan.h"
#include "number.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_WIDTH 100

/* ---- reading ---- */

/* Walks nodes and items, which are in the same order, side by side. Depth <= JSON_DEPTH_MAX. */
static void lend(struct json *v, const cJSON *item)
{
    v->string = cJSON_IsString(item) ? item->valuestring : NULL;
    v->key = v->keyed ? item->string : NULL;
    if (v->separate || v->count == 0)
        return;
    struct json *child = v + 1;
    const cJSON *c = item->child;
    for (size_t i = 0; i < v->count; i++, child += child->next, c = c->next) {
        assert(c);
        lend(child, c);
    }
}

static int by_key(const void *a, const void *b)
{
    const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x->key_at > y->key_at) - (x->key_at < y->key_at);
}

/* The first member, in the order of the text, whose key was there before; NULL if none. */
static const struct json *repeated_key(const struct json *object)
{
    const struct json **members = mem_alloc(object->count, sizeof *members), *found = NULL;
    size_t n = 0;
    for (const struct json *m = json_first(object); m; m = json_next(m))
        members[n++] = m;
    qsort(members, n, sizeof *members, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(members[i - 1]->key, members[i]->key) == 0)
            if (!found || members[i]->key_at < found->key_at)
                found = members[i];
    free(members);
    return found;
}

static int check_keys(const struct json_document *d, struct err *err)
{
    for (size_t i = 0; i < d->node_count; i++) {
        if (d->nodes[i].type != JSON_OBJECT)
            continue;
        const struct json *m = repeated_key(&d->nodes[i]);
        if (!m)
            continue;
        err_set(err, ERR_OTHER, "the key \"%.64s\" is there twice", m->key);
        err_hint(err, "keep one of the two");
        if (err) {
            json_place_key(m, &err->line, &err->column);
            json_path(m, JSON_SELF, err->path, sizeof err->path);
        }
        return -1;
    }
    return 0;
}

static void document_destroy(struct json_document *d)
{
    cJSON_Delete(d->tree);
    buf_fini(&d->text);
    buf_fini(&d->skeleton);
    free(d->nodes);
    free(d->numbers);
    free(d);
}

/* cJSON does not tell a text that it refuses from memory that there is not: as everywhere in the
 * house, out of memory aborts. */
static void *take_memory(size_t n)
{
    return mem_alloc(n, 1);
}

static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;

static void set_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){take_memory, free});
}

int json_parse(const char *text, size_t len, const struct json_limits *limits, struct json **out,
               struct err *err)
{
    assert(limits->bytes < 1u << 30);
    *out = NULL;
    if (len > limits->bytes)
        return err_set(err, ERR_OTHER, "the text has %zu bytes, at most %zu are accepted", len,
                       limits->bytes);
    struct json_document *d = mem_alloc(1, sizeof *d);
    buf_add(&d->text, text, len);
    buf_text(&d->text);
    if (json_scan(d, limits, err))
        goto fail;
    pthread_once(&hooks_once, set_hooks);
    d->tree =
        cJSON_ParseWithLengthOpts((const char *)d->skeleton.data, d->skeleton.len + 1, NULL, 1);
    buf_fini(&d->skeleton);
    if (!d->tree) {
        err_set(err, ERR_OTHER, "this text is not accepted as JSON");
        goto fail;
    }
    lend(d->nodes, d->tree);
    if (check_keys(d, err))
        goto fail;
    *out = d->nodes;
    return 0;
fail:
    document_destroy(d);
    return -1;
}

void json_destroy(struct json *root)
{
    if (root)
        document_destroy(root->document);
}

/* ---- writing: struct json_out is a cJSON item ---- */

static cJSON *item_of(struct json_out *out)
{
    return (cJSON *)out;
}

static struct json_out *keep(cJSON *item)
{
    if (!item)
        abort();
    return (struct json_out *)item;
}

static struct json_out *number_item(double value)
{
    char text[NUMBER_TEXT];
    if (!isfinite(value))
        return keep(cJSON_CreateNull());
    number_format(value, text);
    return keep(cJSON_CreateRaw(text));
}

static struct json_out *integer_item(int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return keep(cJSON_CreateRaw(text));
}

static struct json_out *string_item(const char *value)
{
    return keep(value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

/* One raw item, as an item each would cost 64 bytes. */
static struct json_out *numbers_item(const double *values, size_t count)
{
    struct buf text = {0};
    buf_str(&text, "[");
    for (size_t i = 0; i < count; i++) {
        char number[NUMBER_TEXT];
        number_format(values[i], number);
        buf_str(&text, i ? ", " : "");
        buf_str(&text, isfinite(values[i]) ? number : "null");
    }
    buf_str(&text, "]");
    struct json_out *out = keep(cJSON_CreateRaw(buf_text(&text)));
    buf_fini(&text);
    return out;
}

struct json_out *json_object(void)
{
    return keep(cJSON_CreateObject());
}

struct json_out *json_array(void)
{
    return keep(cJSON_CreateArray());
}

void json_out_destroy(struct json_out *out)
{
    cJSON_Delete(item_of(out));
}

struct json_out *json_copy(const struct json *v)
{
    switch (json_type(v)) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        return keep(cJSON_CreateBool(v->truth));
    case JSON_NUMBER:
        return number_item(v->number);
    case JSON_STRING:
        return string_item(v->string);
    case JSON_ARRAY:
    case JSON_OBJECT: {
        if (v->separate)
            return numbers_item(json_numbers(v), v->count);
        struct json_out *out = json_type(v) == JSON_ARRAY ? json_array() : json_object();
        for (const struct json *m = json_first(v); m; m = json_next(m))
            m->key ? json_put(out, m->key, json_copy(m)) : json_add(out, json_copy(m));
        return out;
    }
    }
    return keep(cJSON_CreateNull());
}

void json_put(struct json_out *object, const char *key, struct json_out *value)
{
    assert(cJSON_IsObject(item_of(object)));
    if (!cJSON_AddItemToObject(item_of(object), key, item_of(value)))
        abort();
}

void json_put_string(struct json_out *object, const char *key, const char *value)
{
    json_put(object, key, string_item(value));
}

void json_put_number(struct json_out *object, const char *key, double value)
{
    json_put(object, key, number_item(value));
}

void json_put_integer(struct json_out *object, const char *key, int64_t value)
{
    json_put(object, key, integer_item(value));
}

void json_put_bool(struct json_out *object, const char *key, bool value)
{
    json_put(object, key, keep(cJSON_CreateBool(value)));
}

void json_put_null(struct json_out *object, const char *key)
{
    json_put(object, key, keep(cJSON_CreateNull()));
}

void json_put_numbers(struct json_out *object, const char *key, const double *values, size_t count)
{
    json_put(object, key, numbers_item(values, count));
}

struct json_out *json_put_object(struct json_out *object, const char *key)
{
    struct json_out *child = json_object();
    json_put(object, key, child);
    return child;
}

struct json_out *json_put_array(struct json_out *object, const char *key)
{
    struct json_out *child = json_array();
    json_put(object, key, child);
    return child;
}

void json_add(struct json_out *array, struct json_out *value)
{
    assert(cJSON_IsArray(item_of(array)));
    if (!cJSON_AddItemToArray(item_of(array), item_of(value)))
        abort();
}

void json_add_string(struct json_out *array, const char *value)
{
    json_add(array, string_item(value));
}

void json_add_number(struct json_out *array, double value)
{
    json_add(array, number_item(value));
}

void json_add_integer(struct json_out *array, int64_t value)
{
    json_add(array, integer_item(value));
}

struct json_out *json_add_object(struct json_out *array)
{
    struct json_out *child = json_object();
    json_add(array, child);
    return child;
}

/* ---- printing ---- */

/* Characters from s on that stand for themselves; most strings are nothing else. */
static size_t plain_run(const char *s)
{
    size_t n = 0;
    while ((unsigned char)s[n] >= ' ' && (unsigned char)s[n] < 0x80 && s[n] != '"' && s[n] != '\\')
        n++;
    return n;
}

static void print_string(const char *s, struct buf *text)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    size_t plain = plain_run(s), len = plain + strlen(s + plain);
    buf_str(text, "\"");
    buf_add(text, s, plain);
    for (size_t i = plain, n; i < len; i += n ? n : 1) {
        const char *e = strchr(escaped, s[i]);
        n = json_utf8((const unsigned char *)s + i, len - i);
        if (e)
            buf_printf(text, "\\%c", letters[e - escaped]);
        else if ((unsigned char)s[i] < 0x20)
            buf_printf(text, "\\u%04x", (unsigned)s[i]);
        else if (n == 0)
            buf_str(text, "\xEF\xBF\xBD");
        else
            buf_add(text, s + i, n);
    }
    buf_str(text, "\"");
}

static void print_leaf(const cJSON *item, struct buf *text)
{
    if (cJSON_IsString(item))
        print_string(item->valuestring, text);
    else if (cJSON_IsRaw(item))
        buf_str(text, item->valuestring);
    else
        buf_str(text, cJSON_IsNull(item) ? "null" : cJSON_IsTrue(item) ? "true" : "false");
}

static void print_compact(const cJSON *item, struct buf *text)
{
    bool object = cJSON_IsObject(item);
    if (!object && !cJSON_IsArray(item)) {
        print_leaf(item, text);
        return;
    }
    buf_str(text, object ? "{" : "[");
    for (const cJSON *c = item->child; c; c = c->next) {
        if (object) {
            print_string(c->string, text);
            buf_str(text, ": ");
        }
        print_compact(c, text);
        buf_str(text, c->next ? ", " : "");
    }
    buf_str(text, object ? "}" : "]");
}

/* A long list of numbers: a line end in the place of some of the blanks between its elements. */
static void wrap(struct buf *text, size_t from, size_t line_start)
{
    size_t blank = 0;
    for (size_t i = from; i < text->len; i++) {
        if (i - line_start >= LINE_WIDTH && blank > 0) {
            text->data[blank] = '\n';
            line_start = blank + 1;
            blank = 0;
        }
        if (text->data[i] == ' ')
            blank = i;
    }
}

static size_t line_start(const struct buf *text)
{
    size_t i = text->len;
    while (i > 0 && text->data[i - 1] != '\n')
        i--;
    return i;
}

/* Tries the line first; what is too long for it is taken back and broken. Depth <= 16 or so. */
static void print_pretty(const cJSON *item, int indent, struct buf *text)
{
    bool object = cJSON_IsObject(item);
    size_t from = text->len, start = line_start(text);
    print_compact(item, text);
    if (item->child == NULL || (indent > 0 && text->len - start < LINE_WIDTH)) {
        if (cJSON_IsRaw(item))
            wrap(text, from, start);
        return;
    }
    text->len = from;
    buf_str(text, object ? "{" : "[");
    for (const cJSON *c = item->child; c; c = c->next) {
        buf_printf(text, "\n%*s", indent + 2, "");
        if (object) {
            print_string(c->string, text);
            buf_str(text, ": ");
        }
        print_pretty(c, indent + 2, text);
        buf_str(text, c->next ? "," : "");
    }
    buf_printf(text, "\n%*s%s", indent, "", object ? "}" : "]");
}

void json_print(const struct json_out *out, bool pretty, struct buf *text)
{
    const cJSON *item = (const cJSON *)out;
    if (!pretty) {
        print_compact(item, text);
        return;
    }
    print_pretty(item, 0, text);
    buf_str(text, "\n");
}

struct json_out *json_error(const struct err *err)
{
    struct json_out *o = json_object();
    json_put_integer(o, "code", err->code);
    json_put_string(o, "name", err_code_name(err->code));
    json_put_string(o, "message", err->text);
    json_put_string(o, "hint", err->hint);
    json_put_integer(o, "line", err->line);
    json_put_integer(o, "column", err->column);
    json_put_string(o, "path", err->path);
    return o;
}
