#ifndef CLIENT_RUNFOLDER_H
#define CLIENT_RUNFOLDER_H

#include "err.h"
#include "jobfile.h"
#include <stdbool.h>
#include <stdint.h>

/* The folder of a `run`: results directly in it, the private broker's DATA in .hillsweep, and in
 * there the lock that says that a run is at work. */

#define RUNFOLDER_PATH_MAX 3072

enum runfolder_state {
    RUNFOLDER_FRESH, /* nothing of a job is there */
    RUNFOLDER_BEGUN, /* this job, not finished */
    RUNFOLDER_DONE,  /* this job, finished */
};

struct runfolder {
    char path[RUNFOLDER_PATH_MAX];
    char data[RUNFOLDER_PATH_MAX + 16];
    enum runfolder_state state;
    uint64_t points_failed; /* of a finished one */
    bool made;              /* by this run: all that is in it is ours */
    int lock_fd;
};

/* Where the results of a job file go when nothing is said: its name without ".json". */
void runfolder_default(const char *job_file, char out[RUNFOLDER_PATH_MAX]);

/* Makes the folder when it is missing, compares what is there with the job, and locks it.
 * ERR_JOB_REFUSED when another job is there, ERR_STORAGE when it is in use or cannot be written. */
int runfolder_open(const char *path, const struct jobfile *job, struct runfolder *out,
                   struct err *err);
void runfolder_close(struct runfolder *f);

/* Takes away a folder that this run has made, with all that is in it; false, and nothing is done,
 * when it was there before. */
bool runfolder_remove(const struct runfolder *f);

/* Whether this names a folder that a run has made, rather than a job of a broker. */
bool runfolder_is(const char *word);

/* Locks the folder of a run for work on it, whatever its job is. */
int runfolder_open_whole(const char *path, struct runfolder *out, struct err *err);

/* Whether a run is at work in the folder at this moment. */
int runfolder_busy(const char *path);

#endif
