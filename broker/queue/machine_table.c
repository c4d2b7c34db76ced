/* Machines, by the name that their workers give: what is known against one outlives its workers. A
 * machine that is set aside gets no work until its time is over, which is longer each time. */
#include "queue_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MACHINES_MAX = 65535, /* tiles remember theirs in 16 bits */
    ASIDE_MS = 600000,    /* the first time; then twice as long */
    DOUBLINGS_MAX = 7,
    RETRY_MS = 60000, /* workers ask so often whether it is over: an admin may have ended it */
};

struct machine *machine_find(const struct queue *q, uint32_t number)
{
    return number >= 1 && number <= q->machine_count ? &q->machines[number - 1] : NULL;
}

uint32_t machine_named(struct queue *q, const char *host)
{
    for (size_t i = 0; i < q->machine_count; i++)
        if (strcmp(q->machines[i].host, host) == 0)
            return (uint32_t)i + 1;
    if (q->machine_count == MACHINES_MAX)
        return 0;
    if ((q->machine_count & (q->machine_count - 1)) == 0) /* 0, 1, 2, 4, 8 ...: full */
        q->machines = mem_resize(q->machines, q->machine_count ? 2 * q->machine_count : 1,
                                 sizeof *q->machines);
    struct machine *m = &q->machines[q->machine_count++];
    *m = (struct machine){0};
    snprintf(m->host, sizeof m->host, "%s", host);
    return (uint32_t)q->machine_count;
}

const char *machine_name(const struct queue *q, uint32_t number)
{
    const struct machine *m = machine_find(q, number);
    return m ? m->host : "one that is not known any more";
}

int64_t machine_aside_ms(const struct queue *q, uint32_t number)
{
    const struct machine *m = machine_find(q, number);
    return m && m->aside_until_ms > q->now_ms ? m->aside_until_ms - q->now_ms : 0;
}

uint32_t machine_retry_ms(const struct queue *q, uint32_t number)
{
    int64_t aside_ms = machine_aside_ms(q, number);
    return aside_ms > 0 && aside_ms < RETRY_MS ? (uint32_t)aside_ms : RETRY_MS;
}

static void dismiss(struct queue *q, struct worker *w, const struct machine *m)
{
    struct queue_action *a = action_add(q, ACTION_REFUSE);
    a->worker = w->number;
    a->retry_ms = machine_retry_ms(q, w->machine);
    snprintf(a->text, sizeof a->text, "this machine is set aside: %s", m->reason);
    worker_event(q, w, WORKER_DIE, m->reason);
}

void machine_set_aside(struct queue *q, uint32_t number, const char *fmt, ...)
{
    struct machine *m = machine_find(q, number);
    if (!m)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->reason, sizeof m->reason, fmt, ap);
    va_end(ap);
    unsigned doublings = m->offences < DOUBLINGS_MAX ? m->offences : DOUBLINGS_MAX;
    m->offences++;
    m->aside_until_ms = q->now_ms + ((int64_t)ASIDE_MS << doublings);
    action_alarm(q, "%s is set aside for %d minutes: %s", m->host, 10 << doublings, m->reason);
    for (size_t i = 0; i < q->worker_count; i++) {
        struct worker *w = q->workers[i];
        if (w->machine == number && w->state != WORKER_GONE)
            dismiss(q, w, m);
    }
}

void queue_machine_forgive(struct queue *q, int64_t now_ms, const char *host)
{
    q->now_ms = now_ms;
    for (size_t i = 0; i < q->machine_count; i++)
        if (strcmp(q->machines[i].host, host) == 0)
            q->machines[i].aside_until_ms = 0;
}
