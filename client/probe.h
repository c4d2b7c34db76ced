#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include "err.h"
#include "jobfile.h"
#include "json.h"

/* What the solver thinks of a job, asked of `hillsweep-worker --probe` as a child: it reads the
 * job's text and prints one JSON object. *out is returned owned. ERR_OTHER when the program is
 * missing or fails, ERR_JOB_REFUSED when the solver cannot take the job. */
int probe_ask(const struct jobfile *job, struct json **out, struct err *err);

#endif
