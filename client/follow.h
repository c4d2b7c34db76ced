#ifndef CLIENT_FOLLOW_H
#define CLIENT_FOLLOW_H

#include "answer.h"
#include "link.h"
#include "progress.h"

/* Follows a job until it has ended. The broker pushes changes (at most four a second); so that a
 * short job's end is seen at once its status is also asked for, first every first_ms, then with the
 * job's age at ever longer intervals. */
#define FOLLOW_AWAY_MS 60000 /* a broker may be away for so long: it is being started again */

struct follow {
    struct link *link;
    uint32_t job;
    struct progress *progress;
    int (*seen)(void *arg, const struct job_view *view, const struct buf *json,
                struct err *err); /* each status that comes; -1 ends it. NULL: nothing more */
    void (*silent)(void *arg, const struct job_view *view); /* while the broker does not answer:
                        the last status, with that as its reason. NULL: the progress tells alone */
    void *seen_arg;                                         /* of both */
    int64_t until_ms;                                       /* monotonic; LINK_FOREVER */
    int64_t first_ms, longest_ms;
};

/* 0: *view is of a job that has ended and *json its status as it came. -1: ERR_TIMED_OUT, the
 * watcher's error, or the link's; *view is then the last one known. */
int follow_job(const struct follow *f, struct job_view *view, struct buf *json, struct err *err);

#endif
