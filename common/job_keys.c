/* See job_private.h: reading an object by its table of keys, and refusing what is not in it. A
 * refusal names the place, the path, the reason, and what to type instead. */
#include "job_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- refusals ---- */

const char *job_show(double x, char out[NUMBER_TEXT])
{
    number_format(x, out);
    return out;
}

static int refuse(struct job_reader *r, const char *fmt, va_list ap)
{
    char text[sizeof r->err->text];
    vsnprintf(text, sizeof text, fmt, ap);
    return err_set(r->err, ERR_JOB_REFUSED, "%s", text);
}

int job_refuse(struct job_reader *r, const struct json *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refuse(r, fmt, ap);
    va_end(ap);
    if (r->err) {
        json_place(v, JSON_SELF, &r->err->line, &r->err->column);
        json_path(v, JSON_SELF, r->err->path, sizeof r->err->path);
    }
    return -1;
}

int job_refuse_at(struct job_reader *r, const struct json *v, size_t element, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refuse(r, fmt, ap);
    va_end(ap);
    if (r->err) {
        json_place(v, element, &r->err->line, &r->err->column);
        json_path(v, element, r->err->path, sizeof r->err->path);
    }
    return -1;
}

int job_refuse_key(struct job_reader *r, const struct json *v, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refuse(r, fmt, ap);
    va_end(ap);
    if (r->err) {
        json_place_key(v, &r->err->line, &r->err->column);
        json_path(v, JSON_SELF, r->err->path, sizeof r->err->path);
    }
    return -1;
}

int job_refuse_missing(struct job_reader *r, const struct json *object, const char *key,
                       const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refuse(r, fmt, ap);
    va_end(ap);
    if (r->err) {
        struct err *err = r->err;
        json_place(object, JSON_SELF, &err->line, &err->column);
        size_t n = strlen(json_path(object, JSON_SELF, err->path, sizeof err->path));
        snprintf(err->path + n, sizeof err->path - n, "%s%s", n ? "." : "", key);
    }
    return -1;
}

/* ---- keys ---- */

/* How other programs call it. */
static const struct {
    const char *theirs, *ours;
} synonyms[] = {
    {"tol", "tolerance"},
    {"rtol", "tolerance"},
    {"atol", "tolerance"},
    {"accuracy", "tolerance"},
    {"precision", "tolerance"},
    {"eps", "tolerance"},
    {"n", "count"},
    {"num", "count"},
    {"points", "count"},
    {"steps", "count"},
    {"min", "from"},
    {"start", "from"},
    {"begin", "from"},
    {"max", "to"},
    {"stop", "to"},
    {"end", "to"},
    {"fields", "output"},
    {"result", "output"},
    {"interpolate", "interpolation"},
    {"interp", "interpolation"},
    {"spline", "interpolation"},
    {"method", "interpolation"},
    {"kind", "interpolation"},
    {"expression", "is"},
    {"expr", "is"},
    {"formula", "is"},
    {"function", "is"},
    {"func", "f"},
    {"title", "name"},
    {"initial", "start"},
    {"y0", "start"},
    {"z0", "start"},
    {"times", "t"},
    {"span", "t"},
    {"range", "t"},
    {"data", "table"},
    {"csv", "file"},
    {"path", "file"},
    {"kinks", "breaks"},
    {"jumps", "breaks"},
    {"friction", "damping"},
    {"gamma", "damping"},
};

static const struct job_key *find_key(const struct job_level *level, const char *name)
{
    for (size_t i = 0; i < level->count; i++)
        if (strcmp(level->keys[i].name, name) == 0)
            return &level->keys[i];
    return NULL;
}

static const char *meant_key(const struct job_level *level, const char *name)
{
    const char *names[JOB_NAMES_MAX + 1] = {NULL};
    for (size_t i = 0; i < level->count && i < JOB_NAMES_MAX; i++)
        names[i] = level->keys[i].name;
    const char *meant = expr_nearest(name, names);
    for (size_t i = 0; !meant && i < sizeof synonyms / sizeof synonyms[0]; i++)
        if (strcmp(name, synonyms[i].theirs) == 0 && find_key(level, synonyms[i].ours))
            meant = synonyms[i].ours;
    return meant;
}

static int refuse_unknown(struct job_reader *r, const struct json *v, const struct job_level *level)
{
    job_refuse_key(r, v, "unknown key \"%.64s\"", json_key(v));
    const char *meant = meant_key(level, json_key(v));
    if (meant)
        return err_hint(r->err, "did you mean \"%s\"?", meant);
    char list[200] = "";
    for (size_t i = 0, n = 0; i < level->count && n < sizeof list; i++)
        n +=
            (size_t)snprintf(list + n, sizeof list - n, "%s %s", i ? "," : "", level->keys[i].name);
    return err_hint(r->err, "the keys here are%s", list);
}

static int refuse_type(struct job_reader *r, const struct json *v, const struct job_key *key)
{
    char wanted[80] = "";
    size_t n = 0;
    for (unsigned type = JSON_NULL; type <= JSON_OBJECT; type++)
        if (key->types & (1u << type))
            n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s%s", n ? " or " : "",
                                  json_type_name((enum json_type)type));
    job_refuse(r, v, "\"%s\" is %s, it has to be %s", key->name, json_type_name(json_type(v)),
               wanted);
    return err_hint(r->err, "write %s", key->example);
}

static int read_key(struct job_reader *r, const struct json *object, const struct job_key *key)
{
    const struct json *v = json_get(object, key->name);
    if (v)
        return key->types & (1u << json_type(v)) ? key->read(r, v) : refuse_type(r, v, key);
    if (!key->needed)
        return 0;
    job_refuse_missing(r, object, key->name, "\"%s\" is missing", key->name);
    return err_hint(r->err, "add %s", key->example);
}

int job_read_keys(struct job_reader *r, const struct json *object, const struct job_level *level)
{
    for (const struct json *v = json_first(object); v; v = json_next(v))
        if (!find_key(level, json_key(v)))
            return refuse_unknown(r, v, level);
    for (size_t i = 0; i < level->count; i++)
        if (read_key(r, object, &level->keys[i]))
            return -1;
    return 0;
}

/* ---- values of several keys ---- */

int job_pick(struct job_reader *r, const struct json *v, const char *const *names)
{
    const char *word = json_string(v);
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], word) == 0)
            return i;
    job_refuse(r, v, "\"%.64s\" is not known here", word);
    const char *meant = expr_nearest(word, names);
    if (meant)
        return err_hint(r->err, "did you mean \"%s\"?", meant);
    char list[200] = "";
    for (size_t i = 0, n = 0; names[i] && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s \"%s\"", i ? "," : "", names[i]);
    return err_hint(r->err, "choose one of%s", list);
}

int job_read_expr(struct job_reader *r, const struct json *v, const struct expr_scope *scope,
                  char **text, struct expr **compiled)
{
    struct expr *e;
    char number[NUMBER_TEXT];
    const char *s = json_string(v);
    if (!s) {
        number_format(json_number(v), number);
        s = number;
    }
    if (expr_compile(s, scope, &e, r->err)) {
        struct err *err = r->err;
        if (err && json_string(v))
            json_place_char(v, err->column > 0 ? (size_t)err->column - 1 : 0, &err->line,
                            &err->column);
        if (err)
            json_path(v, JSON_SELF, err->path, sizeof err->path);
        return -1;
    }
    *text = mem_strdup(s);
    if (compiled)
        *compiled = e;
    else
        expr_destroy(e);
    return 0;
}

int job_read_integer(struct job_reader *r, const struct json *v, int64_t least, int64_t most,
                     int64_t *out)
{
    const char *key = json_key(v) ? json_key(v) : "this";
    double x = json_number(v);
    if (x < (double)least) {
        job_refuse(r, v, "%s is %s, it has to be at least %lld", key, JOB_SHOW(x),
                   (long long)least);
        return err_hint(r->err, "write a whole number from %lld to %lld", (long long)least,
                        (long long)most);
    }
    if (x > (double)most) {
        job_refuse(r, v, "%s is %s, at most %lld are possible", key, JOB_SHOW(x), (long long)most);
        return err_hint(r->err, "write a whole number from %lld to %lld", (long long)least,
                        (long long)most);
    }
    if (json_integer(v, out)) {
        job_refuse(r, v, "%s is %s, it has to be a whole number", key, JOB_SHOW(x));
        return err_hint(r->err, "write %.0f", x);
    }
    return 0;
}
