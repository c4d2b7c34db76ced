/* The workers of the model: threads that solve leased tiles in their order, and what is said of
 * them: answers within the window, a heartbeat each second. */
#include "model.h"

#include <assert.h>
#include <stdlib.h>

enum {
    HOLD_BYTES = 16 << 20,
    HOLD_BYTES_PER_THREAD = 2 << 20,
    HEARTBEAT_NS = 1000000000,
    RESULTS_BYTES = 32 << 10, /* of answers that travel together */
    RESULTS_MOST = 256,
    ANSWER_HEAD = 16,
    RESULT_HEAD = 128,
    USEFUL_BYTES = 4096, /* a part is no shorter, but the last */
};

static uint64_t hold_bytes(const struct model *m)
{
    uint64_t bytes = (uint64_t)m->setup.threads * HOLD_BYTES_PER_THREAD;
    bytes = bytes < UINT32_MAX ? bytes : UINT32_MAX;
    return bytes > HOLD_BYTES ? bytes : HOLD_BYTES;
}

static void send_up(struct model *m, struct packet *p)
{
    int64_t there_ns = model_serve(m, SERVER_WIRE, 1e9 * p->bytes / m->setup.wire_bytes_per_s);
    struct event *e = model_at(m, there_ns + m->setup.latency_ns, EV_UP, p->worker);
    e->packet = p;
}

void hand_join(struct model *m, uint32_t worker)
{
    struct packet *p = packet_new(m, WIRE_HELLO, worker, RESULT_HEAD);
    p->number = hold_bytes(m);
    send_up(m, p);
}

void hand_tick(struct model *m, uint32_t worker)
{
    const struct hand *h = &m->hands[worker];
    struct packet *p = packet_new(m, WIRE_HEARTBEAT, worker, 48.0 + 28.0 * (double)h->count);
    p->number = hold_bytes(m);
    p->token.lo = h->sent;
    send_up(m, p);
    model_at(m, m->now_ns + HEARTBEAT_NS, EV_TICK, worker);
}

/* --- solving --------------------------------------------------------------------------------- */

/* Half to one and a half times the mean. */
static int64_t solve_ns(struct model *m)
{
    double share = 0.5 + (double)(model_random(m) >> 11) * 0x1p-53;
    return (int64_t)(share * m->tile_points * m->setup.kind->point_ns);
}

static void begin(struct model *m, uint32_t worker)
{
    struct hand *h = &m->hands[worker];
    for (; h->begin < h->count && h->idle > 0;) {
        struct held *l = &h->leases[h->begin];
        if (l->begun == l->count) {
            h->begin++;
            continue;
        }
        l->begun++;
        h->idle--;
        int64_t took_ns = solve_ns(m);
        m->busy_ns[SERVER_WORKERS] += took_ns;
        model_at(m, m->now_ns + took_ns, EV_SOLVED, worker);
    }
}

static void send_soon(struct model *m, uint32_t worker, int64_t ns)
{
    struct hand *h = &m->hands[worker];
    if (h->send_ns > 0 && h->send_ns <= m->now_ns + ns)
        return;
    h->send_ns = m->now_ns + ns;
    model_at(m, h->send_ns, EV_SEND, worker);
}

/* Which of a lease's tiles it was does not matter: they are answered in their order. */
void hand_solved(struct model *m, uint32_t worker)
{
    struct hand *h = &m->hands[worker];
    size_t i = 0;
    while (h->leases[i].solved == h->leases[i].begun)
        i++;
    assert(i < h->count);
    h->leases[i].solved++;
    h->idle++;
    begin(m, worker);
    send_soon(m, worker, m->setup.worker_turn_ns);
}

/* --- answering ------------------------------------------------------------------------------- */

/* Whole answers of one lease, in one message. */
static bool send_wholes(struct model *m, uint32_t worker, struct held *l)
{
    struct hand *h = &m->hands[worker];
    uint64_t fit = (h->window - h->sent) / m->answer_bytes;
    uint32_t n = l->solved - l->sent, most = RESULTS_BYTES / (m->answer_bytes + ANSWER_HEAD);
    most = most < RESULTS_MOST ? most : RESULTS_MOST;
    n = n < most ? n : most;
    n = n < fit ? n : (uint32_t)fit;
    if (n == 0)
        return false;
    struct packet *p = packet_new(m, WIRE_RESULTS, worker,
                                  RESULT_HEAD + (double)n * (m->answer_bytes + ANSWER_HEAD));
    p->token = l->token;
    p->tile = l->first + l->sent;
    p->count = n;
    l->sent += n;
    h->sent += (uint64_t)n * m->answer_bytes;
    h->gather_ns = m->now_ns + WIRE_GATHER_MS * INT64_C(1000000);
    send_up(m, p);
    return true;
}

static bool send_part(struct model *m, uint32_t worker, struct held *l)
{
    struct hand *h = &m->hands[worker];
    uint64_t n = m->answer_bytes - l->offset, room = h->window - h->sent;
    n = n < WIRE_PART_MAX ? n : WIRE_PART_MAX;
    if (n > room && room < USEFUL_BYTES)
        return false;
    n = n < room ? n : room;
    struct packet *p = packet_new(m, WIRE_RESULT, worker, RESULT_HEAD + (double)n);
    p->token = l->token;
    p->tile = l->first + l->sent;
    p->number = n;
    l->offset += n;
    h->sent += n;
    if (l->offset == m->answer_bytes) {
        p->count = 1;
        l->offset = 0;
        l->sent++;
    }
    send_up(m, p);
    return true;
}

/* As the worker's say.c has it. */
static bool gathers(const struct model *m, const struct hand *h)
{
    uint32_t unsent = 0;
    for (size_t i = 0; i < h->count; i++)
        unsent += h->leases[i].solved - h->leases[i].sent;
    return m->now_ns < h->gather_ns && h->idle < m->setup.threads &&
           unsent < WIRE_GATHER(m->setup.threads);
}

void hand_send(struct model *m, uint32_t worker)
{
    struct hand *h = &m->hands[worker];
    bool whole = m->answer_bytes <= WIRE_WHOLE_MAX;
    if (h->send_ns <= m->now_ns)
        h->send_ns = 0;
    if (whole && gathers(m, h)) {
        send_soon(m, worker, h->gather_ns - m->now_ns);
        return;
    }
    for (size_t i = 0; i < h->count; i++) {
        struct held *l = &h->leases[i];
        while (l->sent < l->solved)
            if (!(whole ? send_wholes : send_part)(m, worker, l))
                return;
    }
}

/* --- hearing --------------------------------------------------------------------------------- */

static void on_lease(struct model *m, const struct packet *p)
{
    struct hand *h = &m->hands[p->worker];
    if (h->count == h->room) {
        h->room = h->room ? 2 * h->room : 8;
        h->leases = mem_resize(h->leases, h->room, sizeof *h->leases);
    }
    h->leases[h->count++] =
        (struct held){.token = p->token, .first = p->tile, .count = p->count, .left = p->count};
    begin(m, p->worker);
}

static bool is_over(const struct held *l)
{
    return l->left == 0 && l->begun == l->count && l->solved == l->count && l->sent == l->count;
}

/* What another one has computed meanwhile is solved to its end, and sent in vain. */
static void let_go(struct model *m, const struct packet *p)
{
    struct hand *h = &m->hands[p->worker];
    size_t kept = 0, before = 0;
    for (size_t i = 0; i < h->count; i++) {
        struct held l = h->leases[i];
        uint32_t from = p->tile > l.first ? p->tile : l.first, end = l.first + l.count;
        end = end < p->tile + p->count ? end : p->tile + p->count;
        if (end > from)
            l.left -= end - from < l.left ? end - from : l.left;
        if (is_over(&l)) {
            before += i < h->begin;
            continue;
        }
        h->leases[kept++] = l;
    }
    h->count = kept;
    h->begin -= before;
}

void hand_hears(struct model *m, struct packet *p)
{
    struct hand *h = &m->hands[p->worker];
    if (p->number > h->window) {
        h->window = p->number;
        send_soon(m, p->worker, 0);
    }
    switch (p->type) {
    case WIRE_WELCOME:
        model_at(m, m->now_ns + HEARTBEAT_NS, EV_TICK, p->worker);
        break;
    case WIRE_LEASE:
        on_lease(m, p);
        break;
    case WIRE_ACK:
        h->gather_ns = 0;
        send_soon(m, p->worker, 0);
        let_go(m, p);
        break;
    case WIRE_DROP:
        let_go(m, p);
        break;
    default:
        break;
    }
    packet_free(m, p);
}
