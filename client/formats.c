/* See formats.h. */
#include "formats.h"

#include "expr.h"
#include "number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"npy", "csv", "txt", NULL};

enum { STATUS_OPEN = 0, STATUS_FAILED = 2 };

int format_parse(const char *name, enum format *out, struct err *err)
{
    for (int i = 0; NAMES[i]; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *out = (enum format)i;
            return 0;
        }
    err_set(err, ERR_USAGE, "there is no format \"%.20s\"", name);
    const char *near = expr_nearest(name, NAMES);
    return near ? err_hint(err, "did you mean %s?", near) : err_hint(err, "npy, csv or txt");
}

int format_of_file(const char *file, enum format *out, struct err *err)
{
    const char *slash = strrchr(file, '/');
    const char *dot = strrchr(slash ? slash : file, '.');
    if (!dot) {
        err_set(err, ERR_USAGE, "the name \"%.200s\" does not tell the format", file);
        return err_hint(err, "end it in .npy, .csv or .txt, or say --format npy|csv|txt");
    }
    return format_parse(dot + 1, out, err);
}

void row_writer_init(struct row_writer *w, enum format format, const double *a, size_t a_count,
                     size_t field_count)
{
    _Static_assert(sizeof w->a_texts[0] == NUMBER_TEXT, "a number's text");
    *w = (struct row_writer){format, a_count, field_count, mem_alloc(a_count, NUMBER_TEXT)};
    for (size_t i = 0; i < a_count; i++)
        number_format(a[i], w->a_texts[i]);
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

void row_writer_rows(const struct row_writer *w, double q, const double *const *fields,
                     const uint8_t *status, struct buf *out)
{
    char q_text[NUMBER_TEXT], text[NUMBER_TEXT];
    size_t q_len = number_format(q, q_text);
    char separator = w->format == FORMAT_CSV ? ',' : ' ';
    for (size_t i = 0; i < w->a_count; i++) {
        bool known = status[i] != STATUS_OPEN && status[i] != STATUS_FAILED;
        buf_add(out, q_text, q_len);
        buf_add(out, &separator, 1);
        buf_str(out, w->a_texts[i]);
        for (size_t k = 0; k < w->field_count; k++) {
            size_t len = number_format(known ? fields[k][i] : (double)NAN, text);
            buf_add(out, &separator, 1);
            buf_add(out, text, len);
        }
        buf_add(out, "\n", 1);
    }
}
