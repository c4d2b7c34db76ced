/* One worker of the bench: says HELLO, answers leases, keeps to its window and its heartbeats, and
 * knows what it holds until it is acknowledged. */
#include "farm_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_BYTES = 16 << 20 };

/* --- saying ---------------------------------------------------------------------------------- */

void hand_hello(struct farm *f, struct hand *w)
{
    char host[32];
    snprintf(host, sizeof host, "machine%u", (unsigned)(w - f->hands) % f->config.hosts);
    struct wire_msg m = {.type = WIRE_HELLO, .tag = w->tag};
    m.hello.threads = 1;
    m.hello.hold_bytes = HOLD_BYTES;
    m.hello.self_test = 1;
    m.hello.pid = (uint32_t)(w - f->hands) + 1;
    m.hello.version = wire_str(HILLSWEEP_VERSION);
    m.hello.host = wire_str(host);
    m.hello.isa = wire_str("none");
    hand_post(f, w, &m);
}

void hand_heartbeat(struct farm *f, struct hand *w)
{
    struct wire_progress *progress = mem_alloc(w->count, sizeof *progress);
    for (size_t i = 0; i < w->count; i++)
        progress[i] = (struct wire_progress){w->leases[i].token, w->leases[i].sent, 0};
    struct wire_msg m = {.type = WIRE_HEARTBEAT};
    m.heartbeat.hold_bytes = HOLD_BYTES;
    m.heartbeat.sent_bytes = w->sent;
    m.heartbeat.progress = (struct wire_list){.count = (uint32_t)w->count, .items = progress};
    hand_post(f, w, &m);
    free(progress);
}

void hand_chatter(struct farm *f, struct hand *w)
{
    enum { AT_ONCE = 4 };
    struct wire_msg m = {.type = WIRE_GET_JOB};
    m.get.job = UINT32_MAX;
    while (w->to_ask > 0 && w->asking < AT_ONCE && w->welcome && hand_post(f, w, &m) == 0) {
        w->to_ask--;
        w->asking++;
    }
}

/* --- hearing --------------------------------------------------------------------------------- */

static void note_ask(struct farm *f, struct hand *w, double now_s)
{
    if (w->asked_s > 0 && f->figures.leases > 0 && f->ask_count < ASKS)
        f->asks[f->ask_count++] = (float)(1000 * (now_s - w->asked_s));
    w->asked_s = 0;
}

static void on_lease(struct farm *f, struct hand *w, const struct wire_msg *m)
{
    double now_s = seconds_now();
    if (w->calling)
        return; /* it was sent before our HELLO had come, which has not named it */
    note_ask(f, w, now_s);
    if (f->figures.leases++ == 0)
        f->figures.first_s = now_s;
    f->figures.stragglers += m->lease.flags & WIRE_LEASE_STRAGGLER ? 1 : 0;
    if (w->count == w->room) {
        w->room = w->room ? 2 * w->room : 8;
        w->leases = mem_resize(w->leases, w->room, sizeof *w->leases);
    }
    uint32_t n = m->lease.tile_count;
    assert(m->lease.count == 0); /* nobody dies here, so there are no pieces */
    w->leases[w->count++] =
        (struct held){m->lease.token, m->lease.job, m->lease.first_tile, n, 0, n, 0, 0};
    w->in_flight += n;
    f->in_flight += n;
    if (f->in_flight > f->figures.most_in_flight)
        f->figures.most_in_flight = f->in_flight;
    if (w->in_flight > f->figures.most_of_one)
        f->figures.most_of_one = w->in_flight;
    f->due_s[w - f->hands] = 0; /* when it has solved it is another question now */
    hand_answer(f, w);
}

static void count_acked(struct farm *f, const struct wire_tiles *t)
{
    if (t->job >= f->jobs) {
        f->seen = mem_resize(f->seen, t->job + 1, sizeof *f->seen);
        while (f->jobs <= t->job)
            f->seen[f->jobs++] = (struct seen){0};
    }
    struct seen *seen = &f->seen[t->job];
    uint32_t end = t->first_tile + t->tile_count;
    if (end > seen->room) {
        seen->tile = mem_resize(seen->tile, 2 * (size_t)end, 1);
        memset(seen->tile + seen->room, 0, 2 * (size_t)end - seen->room);
        seen->room = 2 * end;
    }
    for (uint32_t i = t->first_tile; i < end; i++) {
        f->figures.acked += !seen->tile[i];
        seen->tile[i] = 1;
    }
}

static uint32_t overlap(const struct held *l, const struct wire_tiles *t)
{
    if (l->job != t->job)
        return 0;
    uint64_t from = l->first > t->first_tile ? l->first : t->first_tile;
    uint64_t l_end = (uint64_t)l->first + l->count, t_end = (uint64_t)t->first_tile + t->tile_count;
    uint64_t to = l_end < t_end ? l_end : t_end;
    return to > from ? (uint32_t)(to - from) : 0;
}

static void let_go(struct farm *f, struct hand *w, const struct wire_tiles *t)
{
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct held l = w->leases[i];
        uint32_t n = overlap(&l, t);
        n = n < l.left ? n : l.left; /* a straggler's tile may be settled twice */
        l.left -= n;
        w->in_flight -= n;
        f->in_flight -= n;
        next += i < w->next && l.left > 0;
        if (l.left > 0)
            w->leases[kept++] = l;
    }
    w->count = kept;
    w->next = next;
    if (kept == 0 && w->asked_s <= 0)
        w->asked_s = seconds_now();
}

static void on_tiles(struct farm *f, struct hand *w, const struct wire_msg *m)
{
    for (uint32_t i = 0; i < m->tiles.tiles.count; i++) {
        struct wire_tiles t = wire_tiles_at(&m->tiles.tiles, i);
        if (m->type == WIRE_ACK) {
            count_acked(f, &t);
            f->figures.last_s = seconds_now();
        }
        let_go(f, w, &t);
    }
}

static void set_window(struct farm *f, struct hand *w, uint64_t window)
{
    if (window > w->window)
        w->window = window;
    if (w->wants)
        hand_answer(f, w);
}

/* Its next HELLO names nothing: all goes out again. */
static void forget_all(struct farm *f, struct hand *w)
{
    f->in_flight -= w->in_flight;
    w->in_flight = 0;
    w->count = w->next = 0;
    w->window = w->sent = 0;
    w->tag++;
    w->calling = true;
}

static void hear(struct farm *f, struct hand *w, const struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_WELCOME:
        if (m->tag != w->tag)
            break;
        w->calling = false;
        f->figures.welcome += !w->welcome;
        w->welcome = true;
        w->window = m->welcome.window;
        w->asked_s = 0;
        break;
    case WIRE_LEASE:
        on_lease(f, w, m);
        break;
    case WIRE_ACK:
    case WIRE_DROP:
        on_tiles(f, w, m);
        if (m->type == WIRE_ACK)
            set_window(f, w, m->tiles.window);
        break;
    case WIRE_PONG:
        set_window(f, w, m->pong.window);
        break;
    case WIRE_JOB_PART:
        w->asking--;
        f->figures.chatter--;
        hand_chatter(f, w);
        break;
    case WIRE_WHO: /* it was not heard for too long, this machine being busy */
        f->figures.asked_who++;
        forget_all(f, w);
        hand_hello(f, w);
        break;
    case WIRE_REFUSED:
        fprintf(stderr, "refused: %.*s\n", (int)m->refused.text.len,
                (const char *)m->refused.text.data);
        exit(1);
    default:
        fprintf(stderr, "unexpected %s\n", wire_type_name(m->type));
        exit(1);
    }
}

struct hearing {
    struct farm *f;
    struct hand *w;
};

static void heard(void *arg, const void *data, size_t len)
{
    struct hearing *h = arg;
    struct wire_msg m;
    struct err err;
    h->f->figures.heard++;
    if (wire_decode(data, len, &m, &err)) {
        fprintf(stderr, "not understood: %s\n", err.text);
        exit(1);
    }
    h->f->figures.types[m.type % FARM_TYPES]++;
    hear(h->f, h->w, &m);
}

void hand_hear(struct farm *f, struct hand *w)
{
    struct hearing h = {f, w};
    bool was_there = w->peer.state == PEER_READY;
    if (!peer_hear(&f->peers, &w->peer, heard, &h)) {
        f->figures.broken++;
        forget_all(f, w);
        peer_close(&w->peer); /* farm.c opens it anew at the next beat */
        return;
    }
    if (!was_there && w->peer.state == PEER_READY)
        hand_hello(f, w);
    peer_flush(&f->peers, &w->peer);
    if (w->wants && w->peer.fd >= 0 && !w->peer.waits) /* there is room again */
        hand_answer(f, w);
    peer_flush(&f->peers, &w->peer);
}
