/* See curves.h. */
#include "curves.h"

#include "number.h"
#include "probe.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the solver's answer --------------------------------------------------------------------- */

static double *copy(const double *v, size_t n)
{
    double *out = mem_alloc(n + 1, sizeof *out);
    return memcpy(out, v, n * sizeof *out);
}

static int malformed(struct err *err)
{
    err_set(err, ERR_OTHER, "hillsweep-worker answered in a form that this program does not know");
    return err_hint(err, "both must be of one version: see hillsweep-worker --version");
}

static int read_piece(const struct json *v, struct curves *c, struct curves_piece *out)
{
    const struct json *a = json_get(v, "a"), *error = json_get(v, "error");
    const double *values = a ? json_numbers(a) : NULL, *errors = error ? json_numbers(error) : NULL;
    int64_t first = json_get_integer(v, "first", -1);
    size_t count = values ? json_length(a) : 0;
    if (!values || !errors || json_length(error) != count || first < 0 ||
        (size_t)first > c->q_count || count > c->q_count - (size_t)first)
        return -1;
    *out = (struct curves_piece){(size_t)first, count, copy(values, count), copy(errors, count)};
    c->values += count;
    return 0;
}

static int read_line(const struct json *v, struct curves *c, struct curves_line *out)
{
    const struct json *pieces = json_get(v, "pieces");
    snprintf(out->name, sizeof out->name, "%s", json_get_string(v, "name", ""));
    snprintf(out->kind, sizeof out->kind, "%s", json_get_string(v, "kind", ""));
    out->m = json_get_integer(v, "m", 0);
    out->pieces = mem_alloc(pieces ? json_length(pieces) + 1 : 1, sizeof *out->pieces);
    for (const struct json *p = pieces ? json_first(pieces) : NULL; p; p = json_next(p))
        if (read_piece(p, c, &out->pieces[out->piece_count++]))
            return -1;
    return *out->name && pieces ? 0 : -1;
}

static int read_curves(const struct json *answer, struct curves *c)
{
    const struct json *q = json_get(answer, "q"), *curves = json_get(answer, "curves");
    const double *values = q ? json_numbers(q) : NULL;
    if (!values || !curves)
        return -1;
    c->period = json_get_number(answer, "period", (double)NAN);
    c->damping = json_get_number(answer, "damping", 0);
    c->even_about = json_get_number(answer, "even_about", (double)NAN);
    c->q_count = json_length(q);
    c->q = copy(values, c->q_count);
    c->lines = mem_alloc(json_length(curves) + 1, sizeof *c->lines);
    for (const struct json *v = json_first(curves); v; v = json_next(v))
        if (read_line(v, c, &c->lines[c->count++]))
            return -1;
    return 0;
}

int curves_ask(const struct job *job, struct curves *out, struct err *err)
{
    struct buf text = {0};
    struct json *answer = NULL;
    *out = (struct curves){0};
    job_format(job, &text);
    int rc = probe_ask(&text, "--boundaries", &answer, err);
    if (rc && err)
        err->line = err->column = 0; /* places in the canonical text */
    if (rc == 0 && read_curves(answer, out))
        rc = malformed(err);
    json_destroy(answer);
    buf_fini(&text);
    if (rc)
        curves_fini(out);
    return rc;
}

void curves_fini(struct curves *c)
{
    for (size_t k = 0; k < c->count; k++) {
        for (size_t i = 0; i < c->lines[k].piece_count; i++) {
            free(c->lines[k].pieces[i].a);
            free(c->lines[k].pieces[i].error);
        }
        free(c->lines[k].pieces);
    }
    free(c->lines);
    free(c->q);
    *c = (struct curves){0};
}

/* --- how it is written ----------------------------------------------------------------------- */

static void write_piece(const struct curves *c, const struct curves_piece *p, const char *head,
                        char between, struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        double values[] = {c->q[p->first + i], p->a[i], p->error[i]};
        buf_str(out, head);
        for (size_t k = 0; k < 3; k++) {
            char number[NUMBER_TEXT];
            buf_add(out, &between, 1);
            buf_add(out, number, number_format(values[k], number));
        }
        buf_str(out, "\n");
    }
}

void curves_rows(const struct curves *c, struct buf *out)
{
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < c->lines[k].piece_count; i++) {
            write_piece(c, &c->lines[k].pieces[i], c->lines[k].name, ' ', out);
            buf_str(out, "\n");
        }
}

void curves_csv(const struct curves *c, struct buf *out)
{
    buf_str(out, "curve,piece,q,a,error\n");
    for (size_t k = 0; k < c->count; k++)
        for (size_t i = 0; i < c->lines[k].piece_count; i++) {
            char head[64];
            snprintf(head, sizeof head, "%s,%zu", c->lines[k].name, i);
            write_piece(c, &c->lines[k].pieces[i], head, ',', out);
        }
}

static void put_line(struct json_out *curves, const struct curves *c, const struct curves_line *l)
{
    struct json_out *o = json_add_object(curves);
    json_put_string(o, "name", l->name);
    json_put_string(o, "kind", l->kind);
    json_put_integer(o, "m", l->m);
    json_put_integer(o, "multiplier", l->m % 2 == 0 ? 1 : -1);
    struct json_out *pieces = json_put_array(o, "pieces");
    for (size_t i = 0; i < l->piece_count; i++) {
        struct json_out *piece = json_add_object(pieces);
        json_put_numbers(piece, "q", c->q + l->pieces[i].first, l->pieces[i].count);
        json_put_numbers(piece, "a", l->pieces[i].a, l->pieces[i].count);
        json_put_numbers(piece, "error", l->pieces[i].error, l->pieces[i].count);
    }
}

void curves_json(const struct curves *c, const char *name, struct buf *out)
{
    struct json_out *o = json_object();
    json_put_string(o, "name", name);
    json_put_number(o, "period", c->period);
    json_put_number(o, "damping", c->damping);
    json_put_number(o, "even_about", c->even_about);
    struct json_out *curves = json_put_array(o, "curves");
    for (size_t k = 0; k < c->count; k++)
        put_line(curves, c, &c->lines[k]);
    json_print(o, false, out);
    json_out_destroy(o);
}
