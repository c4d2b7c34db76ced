/* HELLO: a worker joins, or comes back with what it holds. Its holdings are adopted where the tile
 * is still wanted; the rest is dropped. Leases that the broker has put out and the worker does not
 * name are lost, and go out again. */
#include "queue_private.h"

#include <stdio.h>
#include <string.h>

void copy_text(char *to, size_t size, const struct wire_span *from)
{
    size_t n = from->len < size - 1 ? from->len : size - 1;
    memcpy(to, from->data, n);
    to[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)to[i] < ' ' || to[i] == 0x7f)
            to[i] = '?'; /* it goes to terminals and logs */
}

static void drop(struct queue *q, struct worker *w, uint32_t job, uint32_t tile, uint32_t count)
{
    action_tiles(q, ACTION_DROP, w, job, tile, count);
}

/* Whether the broker wants this tile from this worker, which does not have it from us in this run.
 */
static bool is_wanted(const struct job_entry *j, uint32_t tile, const struct wire_holding *h)
{
    enum tile_state state = tile_get(&j->tiles, tile);
    if (h->count)
        return false; /* a piece of a tile that was cut before a restart: cut anew when need be */
    return state == TILE_OPEN || state == TILE_HELD || (state == TILE_LEASED && h->solved);
}

/* Its own result of this tile is with the sink: it keeps it until that is durable. */
static bool has_sent(const struct queue *q, const struct worker *w, const struct wire_holding *h,
                     uint32_t tile)
{
    const struct lease *l = lease_find(q, h->token, w->number, h->job, tile);
    return l && l->tile[tile - l->first_tile] == LEASE_ARRIVED;
}

/* The longest run of tiles from `at` on that are wanted, up to a lease that has this token already.
 */
static uint32_t wanted_run(const struct worker *w, const struct job_entry *j,
                           const struct wire_holding *h, uint32_t at, uint32_t end)
{
    for (const struct lease *l = w->first; l; l = l->next)
        if (token_equal(l->token, h->token) && l->job == j->id && l->first_tile > at &&
            l->first_tile < end)
            end = l->first_tile;
    uint32_t n = 1;
    while (at + n < end && is_wanted(j, at + n, h))
        n++;
    return n;
}

static void adopt(struct queue *q, struct worker *w, struct job_entry *j,
                  const struct wire_holding *h, uint32_t at, uint32_t n)
{
    struct lease *l = lease_add(q, h->token, w->number, j, at, n, q->now_ms);
    l->adopted = true;
    worker_count_from(w, q->now_ms);
    w->dry_ms = 0;
    for (uint32_t i = 0; i < n; i++)
        l->tile[i] |= LEASE_CLAIMED;
    if (job_is_live(j))
        job_event(q, j, JOB_EV_LEASE, "");
}

/* One holding of a worker that is known to hold the lease already: mark it. */
static bool claim(struct queue *q, struct worker *w, const struct wire_holding *h, uint32_t tile)
{
    struct lease *l = lease_find(q, h->token, w->number, h->job, tile);
    if (!l || l->ended)
        return false;
    l->tile[tile - l->first_tile] |= LEASE_CLAIMED;
    return true;
}

static void take_holding(struct queue *q, struct worker *w, const struct wire_holding *h)
{
    struct job_entry *j = job_find(q, h->job);
    if (!j || job_state_is_over(j->state) || h->tile_count == 0 ||
        h->tile_count > LEASE_TILES_MAX || h->first_tile >= j->tiles.count ||
        h->tile_count > j->tiles.count - h->first_tile) {
        if (h->tile_count > 0)
            drop(q, w, h->job, h->first_tile, h->tile_count);
        return;
    }
    uint32_t at = h->first_tile, end = h->first_tile + h->tile_count;
    while (at < end) {
        if (claim(q, w, h, at)) {
            at++;
            continue;
        }
        uint32_t n = 1;
        if (is_wanted(j, at, h)) {
            n = wanted_run(w, j, h, at, end);
            adopt(q, w, j, h, at, n);
        } else if (tile_get(&j->tiles, at) != TILE_ARRIVED || !has_sent(q, w, h, at)) {
            drop(q, w, h->job, at, n);
        }
        at += n;
    }
}

/* What was leased to it and is not among its holdings never reached it, or it lost it. Results that
 * are with the sink need no holding. */
static void release_unclaimed(struct queue *q, struct worker *w)
{
    struct lease *next;
    for (struct lease *l = w->first; l; l = next) {
        next = l->next;
        l->unnamed = 0;
        for (uint32_t i = 0; i < l->tile_count && !l->ended; i++) {
            bool claimed = l->tile[i] & LEASE_CLAIMED;
            l->tile[i] &= (uint8_t)~LEASE_CLAIMED;
            if (!claimed && l->tile[i] == LEASE_PENDING)
                lease_release_tile(q, l, l->first_tile + i);
        }
    }
}

/* Refuses a machine that is set aside, and sets one aside that fails the self-test. */
static bool is_sound(struct queue *q, const struct wire_msg *hello, uint32_t *retry_ms,
                     struct err *err)
{
    char host[sizeof((struct worker *)0)->host];
    copy_text(host, sizeof host, &hello->hello.host);
    uint32_t machine = machine_named(q, host);
    if (hello->hello.self_test == 0 && machine_aside_ms(q, machine) == 0)
        machine_set_aside(q, machine,
                          "it fails the known-answer self-test: its numbers cannot be "
                          "trusted");
    int64_t aside_ms = machine_aside_ms(q, machine);
    if (aside_ms == 0 && hello->hello.self_test != 0)
        return true;
    const struct machine *m = machine_find(q, machine);
    err_set(err, ERR_OTHER, "this machine is set aside: %s",
            m ? m->reason : "it fails the known-answer self-test");
    err_hint(err, "check its memory and processor");
    *retry_ms = machine_retry_ms(q, machine);
    return false;
}

bool queue_worker_greeted(const struct queue *q, uint64_t session, uint64_t tag, uint32_t *worker)
{
    const struct worker *w = worker_by_session((struct queue *)q, session, false);
    if (!w || tag == 0 || tag > w->hello_tag || (tag == w->hello_tag && w->state == WORKER_GONE))
        return false;
    *worker = tag == w->hello_tag ? w->number : 0;
    return true;
}

uint32_t queue_worker_hello(struct queue *q, int64_t now_ms, uint64_t session,
                            const struct wire_msg *hello, uint32_t *retry_ms, struct err *err)
{
    q->now_ms = now_ms;
    *retry_ms = 0;
    if (!is_sound(q, hello, retry_ms, err))
        return 0;
    struct worker *w = worker_by_session(q, session, false);
    if (!w) {
        w = worker_by_session(q, session, true);
        wish_remembered(w, hello);
    }
    if (w->state == WORKER_GONE)
        death_unblame(q, w); /* so it was not dead */
    worker_event(q, w, WORKER_HELLO, "");
    copy_text(w->host, sizeof w->host, &hello->hello.host);
    w->machine = machine_named(q, w->host);
    copy_text(w->version, sizeof w->version, &hello->hello.version);
    copy_text(w->isa, sizeof w->isa, &hello->hello.isa);
    w->threads = hello->hello.threads ? hello->hello.threads : 1;
    w->pid = hello->hello.pid;
    w->hold_bytes = hello->hello.hold_bytes;
    w->rest[0] = '\0';
    w->hello_tag = hello->tag;
    w->who_ms = 0;
    w->heard_ms = w->probed_ms = now_ms;
    w->told_ms = w->pong_ms = now_ms - PONG_EVERY_MS;
    deadline_set(q, w, now_ms + q->config.silence_ms);
    window_reset(q, w);
    for (uint32_t i = 0; i < hello->hello.holdings.count; i++) {
        struct wire_holding h = wire_holding_at(&hello->hello.holdings, i);
        take_holding(q, w, &h);
    }
    release_unclaimed(q, w);
    window_renew(q, w);
    ack_flush(q, w); /* else it would send what is durable again */
    dispatch_soon(q, w);
    dispatch_appeared(q); /* released tiles may be for others */
    return w->number;
}
