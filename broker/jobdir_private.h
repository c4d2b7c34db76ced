#ifndef BROKER_JOBDIR_PRIVATE_H
#define BROKER_JOBDIR_PRIVATE_H

#include "jobdir.h"
#include <limits.h>

/* What jobdir.c and jobdir_make.c share: slots, their sizes and paths. */

unsigned jobdir_slots(const struct job *job); /* numbers of slots, with gaps for absent errors */
bool jobdir_has_slot(const struct job *job, unsigned slot);
uint64_t jobdir_slot_bytes(const struct job *job, unsigned slot);

/* A path that is too long becomes "", which no system call accepts. */
void jobdir_path(const struct jobdir *d, const char *name, char path[PATH_MAX]);
void jobdir_slot_path(const struct jobdir *d, unsigned slot, enum jobdir_final final,
                      char path[PATH_MAX]);

#endif
