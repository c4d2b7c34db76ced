#ifndef BROKER_VERIFICATIONS_H
#define BROKER_VERIFICATIONS_H

#include "json.h"
#include "sink.h"
#include <stdbool.h>
#include <stdint.h>

/* What verifications of jobs have found, as the sink told it, until long after their end: a client
 * asks again and again under its key. Who asks for a job that is being looked at shares what is
 * found from then on. */

struct verifications;

struct verifications *verifications_create(void);
void verifications_destroy(struct verifications *v);

/* The verification of that key; a new one when there is none: *fresh then tells that the sink is to
 * be asked for it. Borrowed until the next call. */
struct verification;
struct verification *verifications_get(struct verifications *v, uint64_t key, uint32_t job,
                                       bool *fresh);

/* Any event of the sink; those that do not matter here are passed over. */
void verifications_event(struct verifications *v, const struct sink_event *e);

/* The report (PROTOCOL.md, section 5). over: the job is, so that what is damaged stays so.
 * Returned owned. */
struct json_out *verification_report(const struct verification *v, uint32_t tiles, bool over);

#endif
