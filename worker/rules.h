#ifndef WORKER_RULES_H
#define WORKER_RULES_H

#include "err.h"
#include "signs.h"

/* `--yield`: when a guest rests. A list of rules, each with a threshold that may be left out:
 *
 *   owner[=60s]    the owner used keyboard, pointer or a terminal within this time
 *   load[=50%]     programs of others used more than this share of all cores' time
 *   cpu[=50%]      somebody waited for a core during more than this share of the time (PSI)
 *   memory[=10%]   somebody waited for memory during more than this share of the time (PSI)
 *   battery        the machine runs on its battery
 *   core           no rest of the whole worker: each solver thread steps aside for a moment when
 *                  somebody else wants its core (courtesy.h)
 *
 * "none" and "all" stand for themselves; RULES_DEFAULT is what a worker does unless told otherwise.
 *
 * It rests as soon as one rule holds, and goes on when none has held for CALM_MS. Pure: the signs
 * and the time come in. */

#define RULES_DEFAULT "core,memory,battery"

enum rule { RULE_OWNER, RULE_LOAD, RULE_CPU, RULE_MEMORY, RULE_BATTERY, RULE_CORE, RULE_COUNT };

struct rules {
    bool used[RULE_COUNT];
    double threshold[RULE_COUNT]; /* seconds; shares */
    bool resting;
    int64_t held_ms; /* when a rule last held */
    char reason[128];
};

/* ERR_USAGE with the rules that there are. */
int rules_parse(const char *text, struct rules *rules, struct err *err);
bool rules_any(const struct rules *rules); /* that signs are needed for */

/* Why to rest now, borrowed until the next call, or NULL. */
const char *rules_judge(struct rules *rules, const struct signs *signs, int64_t now_ms);

#endif
