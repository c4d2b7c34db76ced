#ifndef BROKER_JOBDIR_H
#define BROKER_JOBDIR_H

#include "disk.h"
#include "job.h"
#include "tile.h"
#include <stdbool.h>

/* The folder with one job's result files, and nothing about when what is written there. Its files
 * are numbered: *slots* 0 .. 2n are the planes of the tiles (fields, errors, statuses), slot 2n + 1
 * is tiles.crc. Descriptors are opened when first needed. Only files of these names are ever made,
 * renamed or removed; the folder may hold others. Errors are ERR_STORAGE. */

struct jobdir {
    const struct disk *disk;
    char *path;            /* owned */
    const struct job *job; /* borrowed until jobdir_fini */
    int *fds;              /* by slot, -1: closed */
    int *direct;           /* the same with O_DIRECT, -2: not to be had */
    bool lost;             /* a file was found missing or too short: an error said so */
};

void jobdir_init(struct jobdir *d, const struct disk *disk, const char *path,
                 const struct job *job);
void jobdir_fini(struct jobdir *d);

unsigned jobdir_record_slot(const struct jobdir *d);

/* Whether no file of the job's names is there yet. */
int jobdir_vacant(const struct jobdir *d, struct err *err);

/* Makes the folder and all files at their full size, durably: job.json, axes, fields and errors of
 * zeros (FIELD.partial.npy), statuses of zeros; and scripts that read them (loaders.h). When
 * anything is in the way, or the disk is too small, nothing of it remains. */
int jobdir_create(struct jobdir *d, struct err *err);

/* Whether all files are there at their full size. */
int jobdir_check(struct jobdir *d, struct err *err);

/* Writes the rows of a band (tile.h) into the file of a plane. */
int jobdir_write(struct jobdir *d, unsigned plane, const struct job_tile *band, const void *rows,
                 struct err *err);
/* Where a row of a plane's file begins. */
uint64_t jobdir_row(const struct jobdir *d, unsigned plane, size_t q);
/* The descriptors by which somebody else writes it: *direct is with O_DIRECT, or -1. */
int jobdir_lend(struct jobdir *d, unsigned plane, int *fd, int *direct, struct err *err);
/* Of those that were lent: whether fd is one; err then says what (write, sync) failed, and why. */
bool jobdir_blame(const struct jobdir *d, int fd, const char *verb, int error, struct err *err);
/* Writes `count` encoded records of consecutive tiles. */
int jobdir_records(struct jobdir *d, uint32_t first, uint32_t count, const void *records,
                   struct err *err);
int jobdir_settle(struct jobdir *d, unsigned slot, struct err *err); /* disk_settle and */
int jobdir_sync(struct jobdir *d, unsigned slot, struct err *err); /* fdatasync, when it is open */
/* Reading both back. -1 also when the bytes cannot be read. */
int jobdir_read(struct jobdir *d, unsigned plane, const struct job_tile *band, void *rows,
                struct err *err);
int jobdir_read_records(struct jobdir *d, uint32_t first, uint32_t count, void *records,
                        struct err *err);
/* After a failed sync the kernel's memory may have what the disk has not: what was written and
 * passes for clean is forgotten, so that the disk's own bytes are read next. */
void jobdir_distrust(struct jobdir *d);
void jobdir_close_files(struct jobdir *d);
bool jobdir_has_open_files(const struct jobdir *d);

/* Writes w.npy from a drive table (PROTOCOL.md, section 7). */
int jobdir_drive(struct jobdir *d, const void *table, size_t bytes, struct err *err);

/* Compares all bytes that follow from the job alone (job.json, axes, the heads of the grids) and
 * from its drive table (NULL: none) with those in the files, writes those that differ anew, and
 * calls fn with the name of each such file. Heads are not synced. */
typedef void jobdir_name_fn(void *arg, const char *name);
int jobdir_mend(struct jobdir *d, const void *table, size_t bytes, jobdir_name_fn *fn, void *arg,
                struct err *err);

/* Gives the fields their final names, durably. May be called again after it was interrupted. */
int jobdir_finish(struct jobdir *d, struct err *err);

/* Removes the job's files, and the folder when nothing else is in it. */
void jobdir_remove(struct jobdir *d);

/* Calls fn with each name that the job's files may have. */
void jobdir_names(const struct job *job, jobdir_name_fn *fn, void *arg);

/* And with those of the scripts that jobdir_create would make, as they are not there yet. */
void jobdir_new_names(const struct jobdir *d, jobdir_name_fn *fn, void *arg);

#define JOBDIR_NAME (JOB_FIELD_MAX + 16)
enum jobdir_final { JOBDIR_PARTIAL, JOBDIR_FINAL };
/* The name of a slot's file. */
void jobdir_name(const struct job *job, unsigned slot, enum jobdir_final final,
                 char name[JOBDIR_NAME]);

#endif
