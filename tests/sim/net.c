/* The network: messages that take time, get lost, come twice or in another order; connections that
 * break with or without a word. What ZeroMQ promises (no loss and order within one connection) is
 * given by some seeds only. */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NOTICE_MS = 4000 }; /* ZMTP's own heartbeats close a connection that is cut */

static uint32_t link_owner(const struct sim *s, uint32_t link)
{
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (link && s->workers[i].link.id == link)
            return i;
    return UINT32_MAX;
}

void net_connect(struct sim *s, uint32_t worker)
{
    struct sim_worker *w = &s->workers[worker];
    if (!w->on || w->link.id)
        return;
    if (!s->house.up || w->link.cut_up || w->link.cut_down) {
        sim_at(s, s->now_ms + dice_between(s, 50, 1000), EV_CONNECT, worker, w->life);
        return;
    }
    w->link.id = ++s->links;
    w->link.last_up_ms = w->link.last_down_ms = s->now_ms;
    w->next_ms = s->now_ms;
    sim_trace(s, "%s connects as %u", w->host, w->link.id);
}

void net_disconnect(struct sim *s, uint32_t worker, bool reconnects)
{
    struct sim_worker *w = &s->workers[worker];
    w->link.id = 0;
    if (reconnects && w->on)
        sim_at(s, s->now_ms + dice_between(s, 50, 1000), EV_CONNECT, worker, w->life);
}

static void send_one(struct sim *s, bool up, uint32_t link, int64_t *last, const void *frame,
                     size_t len)
{
    const struct sim_knobs *k = &s->knobs;
    int64_t at = s->now_ms + dice_between(s, 0, s->calm ? 1 : k->delay_ms);
    if (!s->calm && dice_ppm(s, k->spike_ppm))
        at += dice_between(s, 0, k->spike_ms);
    if (s->calm || !dice_ppm(s, k->reorder_ppm)) {
        if (at < *last)
            at = *last;
        *last = at;
    }
    struct event *e = sim_at(s, at, up ? EV_TO_BROKER : EV_TO_WORKER, link, 0);
    e->frame = mem_alloc(len, 1);
    e->len = len;
    memcpy(e->frame, frame, len);
}

/* The rare messages would hardly ever be lost by chance. */
static bool is_doomed(struct sim *s, const void *frame, size_t len)
{
    enum { DOOMED_PPM = 400000 };
    struct wire_msg msg;
    struct err err;
    return s->knobs.doomed && wire_decode(frame, len, &msg, &err) == 0 &&
           msg.type == s->knobs.doomed && dice_ppm(s, DOOMED_PPM);
}

static void send_some(struct sim *s, bool up, struct sim_link *l, const void *frame, size_t len)
{
    int64_t *last = up ? &l->last_up_ms : &l->last_down_ms;
    if (!s->calm && (dice_ppm(s, s->knobs.loss_ppm) || is_doomed(s, frame, len)))
        return;
    send_one(s, up, l->id, last, frame, len);
    if (!s->calm && dice_ppm(s, s->knobs.twice_ppm))
        send_one(s, up, l->id, last, frame, len);
}

int net_to_broker(struct sim *s, uint32_t worker, const void *frame, size_t len)
{
    struct sim_link *l = &s->workers[worker].link;
    if (!l->id)
        return -1;
    send_some(s, true, l, frame, len);
    return 0;
}

int net_to_worker(struct sim *s, const struct route *to, const void *frame, size_t len)
{
    uint32_t id;
    memcpy(&id, to->id, sizeof id);
    uint32_t worker = link_owner(s, id);
    if (worker == UINT32_MAX) {
        errno = EHOSTUNREACH;
        return -1;
    }
    send_some(s, false, &s->workers[worker].link, frame, len);
    return 0;
}

void net_deliver(struct sim *s, struct event *e)
{
    uint32_t worker = link_owner(s, e->a);
    if (worker == UINT32_MAX)
        return;
    struct sim_link *l = &s->workers[worker].link;
    if (e->type == EV_TO_BROKER && !l->cut_up)
        house_recv(s, l, e->frame, e->len);
    else if (e->type == EV_TO_WORKER && !l->cut_down)
        farm_recv(s, worker, e->frame, e->len);
}

void net_cut(struct sim *s, uint32_t worker, bool up, bool down)
{
    struct sim_link *l = &s->workers[worker].link;
    l->cut_up = up;
    l->cut_down = down;
    l->cut_ms = s->now_ms;
}

void net_heal(struct sim *s, uint32_t worker)
{
    s->workers[worker].link.cut_up = s->workers[worker].link.cut_down = false;
}

int64_t net_due_ms(const struct sim *s)
{
    int64_t due = INT64_MAX;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        const struct sim_link *l = &s->workers[i].link;
        if (l->id && (l->cut_up || l->cut_down) && l->cut_ms + NOTICE_MS < due)
            due = l->cut_ms + NOTICE_MS;
    }
    return due;
}

void net_tick(struct sim *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        const struct sim_link *l = &s->workers[i].link;
        if (l->id && (l->cut_up || l->cut_down) && l->cut_ms + NOTICE_MS <= s->now_ms)
            net_disconnect(s, i, true);
    }
}
