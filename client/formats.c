/* See formats.h. */
#include "formats.h"

#include "expr.h"
#include "number.h"
#include "points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"npy", "csv", "txt", "nc", NULL};

int format_parse(const char *name, enum format *out, struct err *err)
{
    for (int i = 0; NAMES[i]; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *out = (enum format)i;
            return 0;
        }
    err_set(err, ERR_USAGE, "there is no format \"%.20s\"", name);
    const char *near = expr_nearest(name, NAMES);
    return near ? err_hint(err, "did you mean %s?", near) : err_hint(err, "npy, csv, txt or nc");
}

int format_of_file(const char *file, enum format *out, struct err *err)
{
    const char *slash = strrchr(file, '/');
    const char *dot = strrchr(slash ? slash : file, '.');
    if (!dot) {
        err_set(err, ERR_USAGE, "the name \"%.200s\" does not tell the format", file);
        return err_hint(err, "end it in .npy, .csv, .txt or .nc, or say --format npy|csv|txt|nc");
    }
    return format_parse(dot + 1, out, err);
}

void row_writer_init(struct row_writer *w, enum format format, const double *a, size_t a_count,
                     size_t field_count)
{
    *w = (struct row_writer){format, a_count, field_count, mem_alloc(a_count, sizeof *w->a_texts)};
    for (size_t i = 0; i < a_count; i++)
        w->a_texts[i].len = number_format(a[i], w->a_texts[i].text);
}

void row_writer_fini(struct row_writer *w)
{
    free(w->a_texts);
    w->a_texts = NULL;
}

void row_writer_head(const struct row_writer *w, const char *const *fields, struct buf *out)
{
    if (w->format != FORMAT_CSV)
        return;
    buf_str(out, "q,a");
    for (size_t k = 0; k < w->field_count; k++) {
        buf_str(out, ",");
        buf_str(out, fields[k]);
    }
    buf_str(out, "\n");
}

/* The room of a whole text is copied, which is faster than its length. */
static char *put(char *to, const struct row_text *t)
{
    memcpy(to, t->text, sizeof t->text);
    return to + t->len;
}

void row_writer_rows(const struct row_writer *w, double q, size_t first, size_t end,
                     const double *const *fields, const uint8_t *status, struct buf *out)
{
    struct row_text q_text = {0};
    size_t room = (end - first) * (w->field_count + 2) * NUMBER_TEXT;
    const char separator = w->format == FORMAT_CSV ? ',' : ' ';
    q_text.len = number_format(q, q_text.text);
    q_text.text[q_text.len++] = separator;
    char *start = buf_grow(out, room), *to = start;
    for (size_t i = first; i < end; i++) {
        bool known = status[i] != POINT_OPEN && status[i] != POINT_FAILED;
        to = put(put(to, &q_text), &w->a_texts[i]);
        for (size_t k = 0; k < w->field_count; k++) {
            *to++ = separator;
            to += number_format(known ? fields[k][i] : (double)NAN, to);
        }
        *to++ = '\n';
    }
    out->len -= room - (size_t)(to - start);
}
