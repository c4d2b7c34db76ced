#ifndef COMMON_JOB_PRIVATE_H
#define COMMON_JOB_PRIVATE_H

#include "job.h"
#include "expr.h"
#include "json.h"
#include "number.h"

/* What the files of the job module share; nobody else includes this.
 *
 *   job_parse.c    the keys of a job; grid, output
 *   job_drive.c    y and w
 *   job_z.c        z
 *   job_keys.c     reading an object by a table of keys; refusals
 *   job_values.c   lists of numbers, from/to/count
 *   job_file.c     w.file
 *   job_tiles.c    cost of a point, the tile partition
 *   job_format.c   canonical text, documents
 *   job.c          lifecycle
 */

struct job_reader {
    struct job *job;
    struct err *err;
    const char *folder;        /* of w.file, or NULL */
    const double *data;        /* the doubles of a document; NULL when a text is read */
    size_t data_count;         /* how many there are */
    size_t data_used;          /* how many the placeholders so far have claimed, in order */
    size_t listed;             /* numbers in lists so far */
    struct job_values *values; /* which from/to/count is being read, */
    size_t most;               /* and how many values it may have */
    bool lean;                 /* values of ranges are not written out */
};

/* ---- job_parse.c ---- */

extern const char *const job_solver_names[]; /* by enum job_solver; NULL-terminated */

/* ---- job_keys.c ---- */

struct job_key {
    const char *name;
    unsigned types; /* bits of enum json_type that the value may have */
    int (*read)(struct job_reader *r, const struct json *v);
    const char *example; /* what to type: "\"t\": [0, 20]" */
    bool needed;
};

struct job_level {
    const char *path; /* where the object stands: "w", "grid"; "" for the job itself */
    const struct job_key *keys;
    size_t count;
};

#define JOB_TYPE(type) (1u << JSON_##type)
#define JOB_EXPRESSION (JOB_TYPE(STRING) | JOB_TYPE(NUMBER))
#define JOB_VALUES     (JOB_TYPE(ARRAY) | JOB_TYPE(OBJECT))
#define JOB_NAMES_MAX  16
#define JOB_LEVEL(p, k)                                                                            \
    {                                                                                              \
        p, k, sizeof(k) / sizeof(k)[0]                                                             \
    }

/* Reads the members of an object: first all keys are judged, in the order of the text, then each
 * known one that is there is read, in the order of the table (later keys may need earlier ones). */
int job_read_keys(struct job_reader *r, const struct json *object, const struct job_level *level);

/* Fill the error and return -1; a hint can be added with err_hint. At a value; at an element of a
 * list; at the key of a member; at an object that lacks `key`. */
int job_refuse(struct job_reader *r, const struct json *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int job_refuse_at(struct job_reader *r, const struct json *v, size_t element, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int job_refuse_key(struct job_reader *r, const struct json *v, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int job_refuse_missing(struct job_reader *r, const struct json *object, const char *key,
                       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The position of a string in a NULL-terminated list of names, or -1 and "did you mean". */
int job_pick(struct job_reader *r, const struct json *v, const char *const *names);

/* Compiles an expression (a string, or a number as its text), so that what does not compile is
 * refused at its column. *text is returned owned; *compiled too when `compiled` is not NULL. */
int job_read_expr(struct job_reader *r, const struct json *v, const struct expr_scope *scope,
                  char **text, struct expr **compiled);

int job_read_integer(struct job_reader *r, const struct json *v, int64_t least, int64_t most,
                     int64_t *out);

/* A number as text for a message: lives as long as the enclosing block. */
#define JOB_SHOW(x) job_show(x, (char[NUMBER_TEXT]){0})
const char *job_show(double x, char out[NUMBER_TEXT]);

/* ---- job_values.c ---- */

/* A list of numbers, or its placeholder in a document. *values is returned owned. */
int job_read_list(struct job_reader *r, const struct json *v, double **values, size_t *count);
/* Exactly two numbers. */
int job_read_pair(struct job_reader *r, const struct json *v, double out[2]);
/* Two numbers, the first one less. */
int job_read_span(struct job_reader *r, const struct json *v, double *from, double *to);
/* A list or from/to/count; at least one value, at most `most`. A range's values are not written. */
int job_read_values(struct job_reader *r, const struct json *v, size_t most,
                    struct job_values *out);
/* Writes them out, unless they are. */
void job_fill_values(struct job_values *v);
double job_first_value(const struct job_values *v);
int job_check_increasing(struct job_reader *r, const struct json *v, const double *x, size_t n);

extern const struct job_level job_values_level;

/* ---- job_file.c ---- */

/* Reads two columns, t increasing. The error has code, text ("drive.txt:17: ...") and hint. */
int job_file_read(const char *folder, const char *name, double **t, double **w, size_t *count,
                  struct err *err);

/* ---- job_drive.c ---- */

int job_read_y(struct job_reader *r, const struct json *v);
int job_read_w(struct job_reader *r, const struct json *v);
/* An expression of t, y, dy; y only when the job has one. */
int job_read_drive_expr(struct job_reader *r, const struct json *v, char **text);

/* Whether w.t has a whole period from `from` on, but for roundings. */
bool job_spans_period(const struct job *job, double from);

/* ---- job_z.c ---- */

/* Also gives a job without w the w that is zero. */
int job_read_z(struct job_reader *r, const struct json *v);

/* ---- job_tiles.c ---- */

size_t job_largest_tile(const struct job *job); /* points */

/* ---- job_parse.c and job_format.c ---- */

/* Reads a job whose JSON has been parsed: r has all but job. */
int job_read(struct job_reader *r, const struct json *root, struct job **out);
/* Bytes of the JSON part of a document. */
size_t job_document_json_len(const void *document);

#endif
