#ifndef BROKER_DISK_H
#define BROKER_DISK_H

#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The system calls with which a disk can let us down, as a table, so that a test can fail the n-th
 * of them; and the few idioms on top that make files durable. Errors are ERR_STORAGE with the
 * reason in words. */

struct disk {
    ssize_t (*pread)(int fd, void *out, size_t len, off_t at);
    ssize_t (*pwrite)(int fd, const void *data, size_t len, off_t at);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*fallocate)(int fd, int mode, off_t at, off_t len);
    int (*sync_file_range)(int fd, off_t at, off_t len, unsigned flags);
};

extern const struct disk disk_system; /* the real ones */

/* Writes all of it, whatever the system call does in one go. 0, or -1 with errno. */
int disk_put(const struct disk *disk, int fd, const void *data, size_t len, uint64_t at);

/* Sets the disk to work on what was written there, and does not wait: a sync that follows has less
 * left to do. Promises nothing; what goes wrong is told by that sync. */
void disk_start(const struct disk *disk, int fd, uint64_t at, size_t len);

/* Waits until all that was written to the file is on its way through the disk; -1 with errno when
 * some of it was not taken. Not durable before a sync: but syncs of several files whose data are
 * there have one commit of the file system's journal in common, not one each. */
int disk_settle(const struct disk *disk, int fd);

/* Reads up to len bytes; fewer at the file's end. The number, or -1 with errno. */
ssize_t disk_get(const struct disk *disk, int fd, void *out, size_t len, uint64_t at);

/* A new file with these bytes under `path`, or the old one untouched: written beside it, synced,
 * renamed, the folder synced. */
int disk_replace(const struct disk *disk, const char *path, const void *data, size_t len,
                 struct err *err);

/* Makes the names in a folder durable. */
int disk_sync_folder(const struct disk *disk, const char *path, struct err *err);

/* mkdir -p, mode 0700, durably; *made (may be NULL) tells whether the last one is new. */
int disk_make_folder(const struct disk *disk, const char *path, bool *made, struct err *err);

/* The folder that holds path ("." for a bare name), in folder[PATH_MAX], which is returned. */
const char *disk_folder_of(const char *path, char folder[]);

/* "cannot write PATH: the disk is full" from errno; returns -1. */
int disk_fail(struct err *err, const char *verb, const char *path);

/* "the disk is full" for ENOSPC, and so on; strerror's text for what has no better one. */
const char *disk_words(int errnum);

#endif
