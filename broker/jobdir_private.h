#ifndef BROKER_JOBDIR_PRIVATE_H
#define BROKER_JOBDIR_PRIVATE_H

#include "jobdir.h"
#include "npy.h"
#include <limits.h>

/* What the files of jobdir share: slots, their sizes and paths, and the bytes that follow from the
 * job alone (jobdir_bytes.c). */

unsigned jobdir_slots(const struct job *job); /* numbers of slots, with gaps for absent errors */
bool jobdir_has_slot(const struct job *job, unsigned slot);
uint64_t jobdir_slot_bytes(const struct job *job, unsigned slot);

/* The descriptor of a slot, opened when it is not yet; -1 (d->lost when it is missing). */
int jobdir_open(struct jobdir *d, unsigned slot, struct err *err);

enum { JOBDIR_CONSTANTS = 3 }; /* job.json, q.npy, a.npy */
/* Appends the whole file; returns its name. */
const char *jobdir_constant(const struct job *job, unsigned which, struct buf *out);
/* The head of a slot's file; its length, 0 for the records. */
size_t jobdir_head(const struct job *job, unsigned slot, char head[NPY_HEADER]);
/* Appends w.npy as a drive table has it. */
void jobdir_samples(const void *table, size_t bytes, struct buf *out);

/* A path that is too long becomes "", which no system call accepts. */
void jobdir_path(const struct jobdir *d, const char *name, char path[PATH_MAX]);
void jobdir_slot_path(const struct jobdir *d, unsigned slot, enum jobdir_final final,
                      char path[PATH_MAX]);

#endif
