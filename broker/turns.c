/* How long the loop's turns take: what a message meets that comes at any moment. */
#include "server_private.h"

#include <stdlib.h>

/* Before the loop sleeps: how long this turn was busy. Who comes while it is waits for its end at
 * most, who comes while the loop sleeps does not: so weighted, the lag is what a message meets that
 * comes at any moment. */
static void on_turn_end(uv_prepare_t *handle)
{
    struct server *s = handle->data;
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(&s->loop);
    uint64_t slept = idle - s->idle_ns, busy = now - s->prepare_ns;
    busy = busy > slept ? busy - slept : 0;
    if (s->prepare_ns > 0) {
        lag_add(&s->lag, now, 0, slept);
        lag_add(&s->lag, now, busy, busy);
    }
    s->prepare_ns = now;
    s->idle_ns = idle;
    s->turn_ns = 0;
}

/* Benches look at some seconds, and not at what was before them. */
static void set_period(struct server *s)
{
    const char *text = getenv("HILLSWEEP_LATENCY_S");
    double seconds = text ? strtod(text, NULL) : 0;
    if (seconds > 0 && seconds < 3600)
        s->lag.period_ns = s->dispatch.period_ns = (uint64_t)(1e9 * seconds);
}

void turns_open(struct server *s)
{
    set_period(s);
    uv_prepare_init(&s->loop, &s->turn_end);
    s->turn_end.data = s;
    uv_prepare_start(&s->turn_end, on_turn_end);
}
