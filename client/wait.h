#ifndef CLIENT_WAIT_H
#define CLIENT_WAIT_H

#include "session.h"

/* A picture beside the progress line (watch.h). */
struct wait_show {
    const struct job *job;
    const char *field; /* NULL: the first */
};

/* Follows a job to its end with progress, says how it ended (or prints its status as JSON), and
 * returns the exit code of wait: 0 done, 3 with failed points, 10 cancelled, 1 failed. until_ms:
 * monotonic or LINK_FOREVER. -1: ERR_TIMED_OUT, ERR_INTERRUPTED (the job goes on), or the link's
 * error. show: NULL for the line alone. */
int wait_for_job(struct session *s, struct link *link, uint32_t job, int64_t until_ms,
                 const struct wait_show *show, struct err *err);

/* Asks for a job's status by the word that the user gave. */
int wait_find_job(struct link *link, const char *word, struct job_view *view, struct buf *json,
                  struct err *err);

#endif
