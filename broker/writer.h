#ifndef BROKER_WRITER_H
#define BROKER_WRITER_H

#include "disk.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Threads that put long stretches of files on the disk while their owner makes the next ones. They
 * are made in *lots*, a few MiB of memory each, all of them the writer's own: the owner takes one,
 * fills it and puts it. For what has to be made in one piece there are two large ones, which take
 * no memory until they are asked for, and none after somebody has asked for a small one. Whole
 * pages go past the page cache (O_DIRECT), which costs a fifth of the
 * processor time and no memory; what a stretch has of its first and last page goes through the
 * cache, as all does where the file system knows no O_DIRECT.
 *
 * Stretches may not overlap; they are written in any order. What is put is durable after a sync
 * that was put after it. A failure sticks: all that was put, before and after, is in doubt until
 * the owner has heard of it (writer_wait), and nothing more is written until then.
 *
 * One thread owns a writer; descriptors must stay open until writer_wait. */

struct writer;

enum {
    WRITER_PAGE = 4096,
    WRITER_LOTS = 3,
    WRITER_LOT_BYTES = 2 << 20,
    WRITER_LARGE = 2,
    WRITER_LARGE_BYTES = 12 << 20,
};

/* A stretch of a file. */
struct writer_stretch {
    int fd, direct;            /* direct: the same file with O_DIRECT; -1: there is no such thing */
    uint64_t at;               /* in the file */
    const unsigned char *data; /* in the lot; data and at differ by a multiple of WRITER_PAGE */
    size_t len;
};

struct writer_failure {
    enum { WRITER_WRITE, WRITER_SYNC, WRITER_THEN } of;
    int fd, error; /* errno; nothing of WRITER_THEN */
};

/* `done` is called from a thread of the writer after each sync and each failure; it may be NULL.
 * Returns owned, or NULL with err. */
struct writer *writer_create(const struct disk *disk, void (*done)(void *arg), void *arg,
                             struct err *err);
void writer_destroy(struct writer *w); /* writes what was put; NULL is fine */

/* An empty lot for so many bytes, WRITER_LARGE_BYTES at most, on a page's boundary; NULL: none is
 * free. */
unsigned char *writer_lot(struct writer *w, size_t bytes);
/* Waits until there is one, or a sync or a failure to hear of. */
void writer_rest(struct writer *w, size_t bytes);

/* Has the stretches written; the lot (NULL: none) is the writer's again, and so is its memory.
 * Other memory that they are in is `taken`: freed afterwards. */
void writer_put(struct writer *w, unsigned char *lot, void *taken,
                const struct writer_stretch *stretches, size_t count);

/* Has these files synced, all settled first (disk.h), after all that was put, and then has `then`
 * (NULL: nothing) called from a thread of the writer, where what is 0 is success. One at a time:
 * the one before must have been heard of. */
typedef int writer_then(void *arg);
void writer_sync(struct writer *w, const int *fds, size_t count, writer_then *then, void *arg);

enum writer_state {
    WRITER_IDLE,    /* nothing to hear of */
    WRITER_SYNCING, /* writer_sync is under way; not when the owner wants to wait */
    WRITER_SYNCED,  /* told once */
    WRITER_FAILED,  /* until writer_wait */
};
enum writer_state writer_hear(struct writer *w, bool wait);

/* Waits until all that was put has been written and synced. -1: something was not; the first such
 * thing is told, and all is as new. */
int writer_wait(struct writer *w, struct writer_failure *failure);

#endif
