#ifndef COMMON_JOB_H
#define COMMON_JOB_H

#include "buf.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A job: one JSON document whose four main keys are the four steps (the format: README.md). This
 * module parses, validates completely, fills defaults, fixes the tile partition, and writes the
 * canonical form. A `struct job` is a checked value: whoever holds one need not check again. It
 * evaluates nothing: whether w(t) is finite, say, is for the solver to find out.
 *
 * Two forms travel. The *text* (job.json, what users write): everything inline. The *document*
 * (wire and database): canonical JSON in which lists of more than JOB_INLINE values are
 * placeholders {"data": [offset, count]} into an array of little-endian doubles that follows, so
 * that the JSON part stays below JOB_JSON_MAX and every double keeps its bits. */

#define JOB_INLINE           64
#define JOB_JSON_MAX         (64u << 10) /* JSON of a document */
#define JOB_DATA_MAX         (16u << 20) /* bytes of doubles of a document, and of a job's text */
#define JOB_NAME_MAX         64
#define JOB_FIELD_MAX        32 /* characters of a field's name */
#define JOB_OUTPUTS_MAX      64
#define JOB_AXIS_MAX         (1u << 22)   /* values of one axis */
#define JOB_TIMES_MAX        (1u << 17)   /* times of z */
#define JOB_POINTS_MAX       100000000000 /* 1e11 */
#define JOB_TILE_ROWS_MAX    512          /* values of q in one tile */
#define JOB_TILE_COLUMNS_MAX 8192         /* values of a */
#define JOB_TILE_POINTS_MAX  (512u * 512)
#define JOB_TILE_BYTES       (4u << 20) /* results of one tile, as a lease carries no more */
#define JOB_TILES_MAX        (1u << 20)
#define JOB_KNOTS_MAX        (1u << 20)
#define JOB_PERIODS_MAX      1e9  /* from the first time of z to the last one asked for */
#define JOB_TOLERANCE        1e-9 /* the default */
#define JOB_TOLERANCE_MIN    1e-14
#define JOB_TOLERANCE_MAX    0.1

/* Numbers in all lists together. At 26 characters each ("-1.7976931348623157e+308, ") they fit in
 * JOB_DATA_MAX as text, so that every job can be written down and read again. */
#define JOB_LISTED_MAX 640000

enum job_interpolation {
    JOB_EXACT,
    JOB_LINEAR,
    JOB_CSPLINE,
    JOB_AKIMA,
    JOB_STEFFEN,
    JOB_PERIODIC,
    JOB_COUPLED, /* y is integrated along with z */
};

/* How points are solved: by what costs less, each by itself, or tile by tile wherever that is
 * possible. All of them keep the same error contract. */
enum job_solver {
    JOB_AUTO,
    JOB_POINT,
    JOB_TILE,
};

/* The values of an axis, or times: from/to/count or a list. Linear: exactly numpy.linspace, j*step
 * + from, the last is `to`; count 1 is `from`. Logarithmic: from * (to/from)^(j/(count-1)),
 * correctly rounded but for rare last digits, both ends exact, the same bits on every machine
 * (which numpy.geomspace does not promise). */
struct job_values {
    double *values;
    size_t count;
    bool listed; /* given as a list; from and to are then not used */
    bool log;
    double from, to;
};

struct job_output {
    char name[JOB_FIELD_MAX + 1];
    char *text;
};

struct job {
    char name[JOB_NAME_MAX + 1]; /* "" when none was given */

    char *y_f; /* NULL: no y */
    double y_from, y_to, y_start[2];

    char *w_is; /* NULL: w is a table */
    double *table_t, *table_w;
    size_t table_count;
    double w_from, w_to; /* left out: of a table its first and last time, else [0, period] */
    double period;       /* of w, u, v and the damping; 0: none. w.t has one from times[0] on */
    enum job_interpolation interpolation; /* default: exact; of a table: cspline */
    size_t knots;                         /* 0 for exact and for a table */
    double *breaks;
    size_t break_count;

    char *u, *v, *damping; /* NULL: 0, 1, 0 */
    char *ddz;             /* NULL: Hill's form */
    char *z_start[2];      /* expressions in a, q (a number is its shortest text) */
    struct job_values times;

    struct job_values q, a;
    struct job_output *outputs;
    size_t output_count;
    double last_time;  /* the latest time that an output asks for (times[0] when none does) */
    size_t stop_count; /* how many values at a time the outputs ask for */
    bool monodromy;    /* one asks for trace, mu, nu, stable, or for a time after that period */
    bool libm; /* one calls the C library, or takes lnabs: its last bits may be the machine's */

    double tolerance; /* default 1e-9 */
    enum job_solver solver;
    bool errors; /* default true */

    uint32_t q_blocks, a_blocks; /* the tile partition */
};

/* Parses a user's text of at most JOB_DATA_MAX + JOB_JSON_MAX bytes. `folder` is where a relative
 * w.file is looked up; NULL refuses w.file. *out is returned owned. On failure: ERR_JOB_REFUSED
 * with line, column, path, text and hint, whatever the cause. What is wrong within w.file has the
 * place of w.file; the text then begins with the file's name and line ("drive.txt:17: ..."). */
int job_parse(const char *text, size_t len, const char *folder, struct job **out, struct err *err);
void job_destroy(struct job *job);

/* The canonical text, ending in a newline: job_parse(job_format(j)) == j, and formatting that again
 * gives the same bytes. A w.file has become a w.table. */
void job_format(const struct job *job, struct buf *out);

/* The document: u32 json_len, u32 data_count, json, doubles. decode checks all that parse checks,
 * and every length before it allocates; places are those of the JSON part. */
void job_encode(const struct job *job, struct buf *out);
int job_decode(const void *document, size_t len, struct job **out, struct err *err);

/* As job_decode, with all its checks, but what from/to/count stands for is not written out: three
 * hundred bytes may mean eight million values. For who holds many jobs, or answers in a hurry. */
int job_decode_lean(const void *document, size_t len, struct job **out, struct err *err);
/* The values of an axis or of times, v->count of them, of a lean job, too. */
void job_values_write(const struct job_values *v, double *out);

/* Tiles: index blocks, numbered in band order, tile = q_block * a_blocks + a_block; the block k of
 * n values in b blocks is [floor(n k / b), floor(n (k+1) / b)). */
struct job_tile {
    size_t q0, q1, a0, a1;
};
uint64_t job_points(const struct job *job);
uint32_t job_tile_count(const struct job *job);
size_t job_point_bytes(const struct job *job); /* of results */
struct job_tile job_tile(const struct job *job, uint32_t tile);
size_t job_tile_points(const struct job *job, uint32_t tile);

/* Fills q_blocks and a_blocks from everything else, also when an axis has been replaced. */
void job_cut_tiles(struct job *job);

/* A rough cost of one point in nanoseconds on a slow core, from the job alone and by + - * / sqrt
 * only (never measured, so that every machine cuts the same tiles). For an estimate of a run's time
 * ask the solver. */
double job_point_cost_ns(const struct job *job);

const char *job_interpolation_name(enum job_interpolation kind); /* "cspline" */

#endif
