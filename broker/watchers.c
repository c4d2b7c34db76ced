/* Clients that watch a job get a NOTICE with its status when it changes: at most four a second, the
 * last state at once, for ten seconds after they asked last. */
#include "server_private.h"

#include <stdlib.h>
#include <string.h>

enum { WATCH_MS = 10000, PACE_MS = 250, WATCHERS_MAX = 1024 };

struct watcher {
    struct route route;
    uint64_t tag;
    uint32_t job;
    int64_t until_ms, sent_ms;
    enum job_state state;
    uint64_t points; /* done and failed, as last sent */
    uint32_t workers;
};

struct watchers {
    struct watcher list[WATCHERS_MAX];
    size_t count;
};

struct watchers *watchers_create(void)
{
    return mem_alloc(1, sizeof(struct watchers));
}

void watchers_destroy(struct watchers *w)
{
    free(w);
}

static void remember(struct watcher *w, const struct queue_job_info *info, int64_t now_ms)
{
    w->state = info->state;
    w->points = info->points_done + info->points_failed;
    w->workers = info->workers;
    w->sent_ms = now_ms;
}

void watchers_add(struct server *s, const struct route *route, uint64_t tag, uint32_t job)
{
    struct watchers *all = s->watchers;
    struct watcher *w = NULL;
    for (size_t i = 0; i < all->count && !w; i++)
        if (all->list[i].job == job && all->list[i].route.len == route->len &&
            memcmp(all->list[i].route.id, route->id, route->len) == 0)
            w = &all->list[i];
    if (!w && all->count == WATCHERS_MAX)
        return; /* it has had its answer and can ask again */
    if (!w)
        w = &all->list[all->count++];
    *w = (struct watcher){.route = *route, .tag = tag, .job = job};
    w->until_ms = s->now_ms + WATCH_MS;
    struct queue_job_info info;
    if (queue_job_info(s->queue, s->now_ms, job, &info) == 0)
        remember(w, &info, s->now_ms);
}

/* Sends when due; returns when to look at it again, or 0 when it is to be forgotten. */
static int64_t watcher_tick(struct server *s, struct watcher *w)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, w->job);
    struct queue_job_info info;
    if (!job || s->now_ms >= w->until_ms || queue_job_info(s->queue, s->now_ms, w->job, &info))
        return 0;
    bool changed = info.state != w->state || info.workers != w->workers ||
                   info.points_done + info.points_failed != w->points;
    if (!changed)
        return w->until_ms;
    if (!job_state_is_over(info.state) && s->now_ms < w->sent_ms + PACE_MS)
        return w->sent_ms + PACE_MS;
    struct json_out *status = clients_status(s, job);
    struct buf text = {0};
    json_print(status, false, &text);
    json_out_destroy(status);
    struct wire_msg m = {.type = WIRE_NOTICE, .tag = w->tag};
    m.reply.json = (struct wire_span){text.data, text.len};
    int rc = server_send(s, &w->route, &m);
    buf_fini(&text);
    remember(w, &info, s->now_ms);
    return rc ? 0 : w->until_ms;
}

int64_t watchers_tick(struct server *s)
{
    int64_t next = INT64_MAX;
    struct watchers *all = s->watchers;
    for (size_t i = all->count; i > 0; i--) {
        int64_t at = watcher_tick(s, &all->list[i - 1]);
        if (at == 0)
            all->list[i - 1] = all->list[--all->count];
        else if (at < next)
            next = at;
    }
    return next;
}
