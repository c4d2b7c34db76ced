#ifndef CLIENT_ANSWER_H
#define CLIENT_ANSWER_H

#include "buf.h"
#include "err.h"
#include "job.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a broker's JSON says, as values. Unknown keys are ignored; missing ones are 0, "" or
 * unknown. */

enum view_state {
    VIEW_UNKNOWN,
    VIEW_QUEUED,
    VIEW_RUNNING,
    VIEW_PAUSED,
    VIEW_DONE,
    VIEW_FAILED,
    VIEW_CANCELLED,
};

/* A status object (PROTOCOL, section 5). */
struct job_view {
    uint32_t id;
    char name[JOB_NAME_MAX + 1];
    enum view_state state;
    uint64_t points_total, points_done, points_failed, rows_done;
    uint32_t tiles_total, tiles_done, tiles_recomputed;
    double rate;  /* points a second */
    double eta_s; /* negative: unknown */
    unsigned workers;
    int priority;
    char reason[512];
    char folder[512];
};

/* Reads one status object. ERR_OTHER when it is not one. */
int view_parse(const char *json, size_t len, struct job_view *out, struct err *err);

/* The same of a value that has been read already. */
struct json;
int view_read(const struct json *status, struct job_view *out, struct err *err);

/* Reads {"jobs": [...]} as joblist_fetch has it; *views is returned owned. */
int view_parse_list(const char *json, size_t len, struct job_view **views, size_t *count,
                    struct err *err);

bool view_ended(const struct job_view *view);
/* The exit code of a job that has ended: 0, 3 with failed points, 10 cancelled, 1 failed. */
int view_exit_code(const struct job_view *view);
const char *view_state_name(enum view_state state);

/* Turns an error reply into err; returns -1. A body that cannot be read still gives the code. */
int answer_error(const char *json, size_t len, int code, struct err *err);

/* {"code": ..., "name": ..., "message": ..., "hint": ..., "line": ..., "column": ..., "path": ...}
 * and a newline. */
void answer_error_format(const struct err *err, struct buf *out);

/* {"job": word}: digits go as a number, all else as a string. */
void answer_job_request(const char *word, struct buf *out);

#endif
