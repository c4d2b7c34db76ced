#ifndef CLIENT_WHY_H
#define CLIENT_WHY_H

#include "answer.h"
#include "json.h"

/* Why a job does not run, or not faster: sentences from the facts that a broker knows (PROTOCOL,
 * section 5, `why`). Pure. */

#define WHY_MAX 12

struct why_finding {
    const char *kind; /* a stable word for programs: "no_workers", "solver", ... */
    char text[400];   /* a sentence without a full stop */
    char advice[200]; /* what to type, or to do; or "" */
};

struct why {
    struct job_view view;
    struct why_finding findings[WHY_MAX];
    size_t count; /* at least 1 */
};

/* facts: the broker's answer; endpoint: where a worker would find that broker. What weighs most
 * comes first. ERR_OTHER when the answer is none. */
int why_judge(const struct json *facts, const char *endpoint, struct why *out, struct err *err);

#endif
