#ifndef CLIENT_PROBE_H
#define CLIENT_PROBE_H

#include "buf.h"
#include "err.h"
#include "json.h"

/* What the solver thinks of a job, asked of `hillsweep-worker` as a child, which reads the job's
 * text and prints one JSON object: with "--probe" what it costs (worker/survey.h), with
 * "--boundaries" its edges of stability (worker/edges.h). *out is returned owned. ERR_OTHER when
 * the program is missing or fails, ERR_JOB_REFUSED when the solver cannot take the job. */
int probe_ask(const struct buf *job, const char *option, struct json **out, struct err *err);

#endif
