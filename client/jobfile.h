#ifndef CLIENT_JOBFILE_H
#define CLIENT_JOBFILE_H

#include "buf.h"
#include "err.h"
#include "job.h"

/* A user's job file, read and checked. */
struct jobfile {
    struct job *job;
    struct buf text;      /* as the user wrote it */
    struct buf canonical; /* job_format */
};

/* "-" is standard input. A relative w.file is looked up beside the file. */
int jobfile_read(const char *path, struct jobfile *out, struct err *err);
void jobfile_fini(struct jobfile *f);

#endif
