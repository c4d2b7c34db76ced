#ifndef CLIENT_FORMATS_H
#define CLIENT_FORMATS_H

#include "buf.h"
#include "err.h"
#include "number.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Results as text. Rows are "q a F ..." in the question's order: q is the outer loop. Every number
 * is the shortest decimal that reads back as the same double; a point that failed is "nan". Pure.
 */

enum format { FORMAT_NPY, FORMAT_CSV, FORMAT_TXT, FORMAT_NC };

/* "npy", "csv", "txt" or "nc". ERR_USAGE with a hint otherwise. */
int format_parse(const char *name, enum format *out, struct err *err);

/* By the file's ending. */
int format_of_file(const char *file, enum format *out, struct err *err);

struct row_text {
    char text[NUMBER_TEXT];
    size_t len;
};

/* Writes rows. The texts of the inner axis are made once. */
struct row_writer {
    enum format format; /* FORMAT_CSV or FORMAT_TXT */
    size_t a_count, field_count;
    struct row_text *a_texts;
};

void row_writer_init(struct row_writer *w, enum format format, const double *a, size_t a_count,
                     size_t field_count);
void row_writer_fini(struct row_writer *w);

/* "q,a,F\n" for csv; nothing for txt. */
void row_writer_head(const struct row_writer *w, const char *const *fields, struct buf *out);

/* Points [first, end) of one q: fields[k][i] and status[i] for a[i]. A status of 2 (failed) is
 * written as nan, and so is 0 (not done). */
void row_writer_rows(const struct row_writer *w, double q, size_t first, size_t end,
                     const double *const *fields, const uint8_t *status, struct buf *out);

#endif
