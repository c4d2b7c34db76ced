#ifndef BROKER_JOBCOPY_H
#define BROKER_JOBCOPY_H

#include "buf.h"
#include "disk.h"
#include "err.h"
#include "store.h"
#include <stdint.h>

/* What the database alone would know of a job, once more, in files that check themselves:
 * DATA/copies/N.job (the row of the job and its document) and DATA/copies/N.drive (its drive
 * table). With them and the tile records (tile.h) the database can be rebuilt. A copy is written
 * before the row that it is a copy of, so it is never the older of the two, but that it does not
 * tell "queued" from "running". A file: u32 magic, u32 bytes that follow the head, u32 their
 * CRC-32C, u32 CRC-32C of the 12 bytes before; then the contents. Errors are ERR_STORAGE. */

/* `row` without frontier and status_clean. */
int jobcopy_write(const struct disk *disk, const char *data, const struct store_job *row,
                  struct err *err);
int jobcopy_write_drive(const struct disk *disk, const char *data, uint32_t job, const void *drive,
                        size_t bytes, struct err *err);

enum jobcopy_found { JOBCOPY_NONE, JOBCOPY_DAMAGED, JOBCOPY_SOUND };
/* *row borrows from *memory. */
enum jobcopy_found jobcopy_read(const struct disk *disk, const char *data, uint32_t job,
                                struct store_job *row, struct buf *memory);
enum jobcopy_found jobcopy_read_drive(const struct disk *disk, const char *data, uint32_t job,
                                      struct buf *drive);

/* Takes the copies away, durably: from then on the job may be deleted. */
int jobcopy_remove(const struct disk *disk, const char *data, uint32_t job, struct err *err);

/* Calls fn with the number of each N.job; a result other than 0 ends that and is returned. */
typedef int jobcopy_fn(void *arg, uint32_t job);
int jobcopy_each(const char *data, jobcopy_fn *fn, void *arg, struct err *err);

#endif
