#ifndef CLIENT_POINTS_H
#define CLIENT_POINTS_H

#include "args.h"
#include "origin.h"

/* The points of chosen fields of an origin, in rows (one q, all a) of the grid. */

/* As in status.npy. */
enum { POINT_OPEN = 0, POINT_DONE = 1, POINT_FAILED = 2, POINT_OVERFLOW = 3, POINT_LIMITED = 4 };

#define POINTS_BATCH (1u << 20) /* bytes of one field to read at once */

struct points {
    struct origin *origin; /* borrowed */
    size_t count;
    size_t fields[JOB_OUTPUTS_MAX]; /* indices of the job's outputs */
    uint64_t offsets[JOB_OUTPUTS_MAX], error_offsets[JOB_OUTPUTS_MAX], status_offset;
};

/* The fields that --field names (repeatable), else the first `all` of the job (all of them:
 * SIZE_MAX). ERR_USAGE with a suggestion when there is none of that name. */
int points_choose(struct points *p, struct origin *origin, const struct args *args, size_t all,
                  struct err *err);

const char *points_name(const struct points *p, size_t k);

/* Reads the heads of the files. `head` (may be NULL) receives that of the last field. */
int points_open(struct points *p, struct buf *head, struct err *err);

/* How many rows make a batch. */
size_t points_batch(const struct points *p);

/* Statuses, then values of field k, of rows [row, row + count); `out` is cleared first. The
 * statuses are read first: what they call done has its values already. Values of points that are
 * open or failed are NaN. */
int points_status(const struct points *p, uint64_t row, size_t count, struct buf *out,
                  struct err *err);
int points_values(const struct points *p, size_t k, uint64_t row, size_t count,
                  const uint8_t *status, struct buf *out, struct err *err);

/* The bounds of field k's errors (float), NaN as above. For a job that has them. */
int points_errors(const struct points *p, size_t k, uint64_t row, size_t count,
                  const uint8_t *status, struct buf *out, struct err *err);

#endif
