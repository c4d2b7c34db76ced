#ifndef CLIENT_ORIGIN_H
#define CLIENT_ORIGIN_H

#include "answer.h"
#include "buf.h"
#include "err.h"
#include "job.h"
#include "link.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The results of one job, wherever they lie: in a broker's DATA, read in pages over the link, or in
 * a folder on this machine. Both can be read while the job runs. */

struct origin {
    struct job *job;      /* from its job.json */
    struct job_view view; /* of a folder: as far as its files tell; id 0 */
    uint64_t rows_done;   /* leading rows (q values) that are durable as a whole */
    bool final;           /* the fields are whole */
    char label[96];       /* "job 7" or the folder, for messages */

    /* one of them */
    struct link *link;
    char *folder;
    int watch_fd;
    link_wake_fn *wake;
    void *wake_arg;
};

/* link is borrowed and may be NULL for a folder. */
int origin_open_job(struct link *link, const char *word, struct origin *out, struct err *err);
int origin_open_folder(const char *folder, struct origin *out, struct err *err);

/* What a user's word names: a folder of results, or a job of the session's broker; *link is then
 * returned owned (NULL otherwise), for link_close after origin_close. */
struct session;
int origin_open(struct session *session, const char *word, struct origin *out, struct link **link,
                struct err *err);

/* Adds to "no broker answers" that a word which was taken for a job is no folder either. */
void origin_explain(const char *word, struct err *err);

void origin_close(struct origin *s);

/* Looks again: view, rows_done, final. */
int origin_refresh(struct origin *s, struct err *err);

/* As link_watch, for all that waits here. */
void origin_watch(struct origin *s, int fd, link_wake_fn *wake, void *arg);

/* Waits until there may be news, for ms at most. */
int origin_wait(struct origin *s, int64_t ms, struct err *err);

/* Appends bytes of a result file ("F.npy": also while it is F.partial.npy). ERR_STORAGE when there
 * are fewer. */
int origin_read(struct origin *s, const char *file, uint64_t offset, size_t length, struct buf *out,
                struct err *err);

/* Reads and checks the head of a grid file: shape (n_q, n_a), that kind and size of items. Appends
 * the head's bytes to head (may be NULL). *data_offset is where the items begin. */
int origin_head(struct origin *s, const char *file, char kind, size_t item_bytes,
                uint64_t *data_offset, struct buf *head, struct err *err);

/* The version of the broker that has the results; "" for a folder, or when it does not say. */
int origin_version(struct origin *s, char out[32], struct err *err);

/* The drive: pairs t, w of w.npy, appended to out. Nothing is appended when it is not there yet. */
int origin_drive(struct origin *s, struct buf *out, struct err *err);

#endif
