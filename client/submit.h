#ifndef CLIENT_SUBMIT_H
#define CLIENT_SUBMIT_H

#include "answer.h"
#include "jobfile.h"
#include "link.h"

/* Sends a checked job to the broker. The key makes a repetition harmless: the same key is answered
 * with the same job, also after the broker has been started again. */
int submit_job(struct link *link, const struct jobfile *job, uint64_t key, int priority,
               struct job_view *view, struct buf *json, struct err *err);

/* A key that depends on the job alone, for a folder that holds one job. */
uint64_t submit_key_of(const struct jobfile *job);

#endif
