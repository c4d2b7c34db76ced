/* The broker of the model: the loop around the real queue, in turns as in server.c, and the sink in
 * groups. What they cost is added to the loop's and the sink's time. */
#include "model.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    JOB = 1,
    SLICE_NS = 500000, /* of a turn: for messages, for the sink, for giving out work */
    SIDE_TILES = 4096, /* the job has the square of it */
    GROUP_TILES = 65536,
    GROUP_BYTES = 64 << 20, /* stored */
    HEADER_BYTES = 64,
};

/* --- the sink -------------------------------------------------------------------------------- */

static double stored_bytes(const struct model *m)
{
    return m->tile_points * m->setup.kind->stored_bytes;
}

/* The time until a group is durable, of its processor time and of the disk's, whichever is more. */
static int64_t group_end(struct model *m, size_t tiles)
{
    const struct costs *c = &m->setup.costs;
    double bytes = (double)tiles * stored_bytes(m);
    double cpu_ns = 1e3 * ((double)tiles * c->sink_tile + bytes * c->sink_byte) +
                    (double)tiles * m->tile_points * m->setup.kind->expand_ns;
    int64_t wrote = model_serve(m, SERVER_SINK, cpu_ns);
    int64_t disk = model_serve(m, SERVER_DISK, 1e9 * bytes / m->setup.disk_bytes_per_s);
    return (wrote > disk ? wrote : disk) + (int64_t)(1e3 * c->sink_commit);
}

/* All that waits, up to a group, becomes durable together. */
static void begin_group(struct model *m)
{
    size_t most = (size_t)(GROUP_BYTES / stored_bytes(m)), n = m->order_count;
    most = most > GROUP_TILES ? GROUP_TILES : most < 1 ? 1 : most;
    n = n < most ? n : most;
    if (m->commits || m->group_is_new || n == 0)
        return;
    if (m->group_cap < n)
        m->group = mem_resize(m->group, m->group_cap = 2 * n, sizeof *m->group);
    size_t tiles = 0;
    for (size_t i = 0; i < n; i++) {
        m->group[i] = m->orders[i];
        tiles += !m->group[i].frontier;
    }
    m->group_count = n;
    m->order_count -= n;
    for (size_t i = 0; i < m->order_count; i++)
        m->orders[i] = m->orders[n + i];
    m->commits = true;
    model_at(m, group_end(m, tiles), EV_GROUP, 0);
}

static void order(struct model *m, struct order o)
{
    if (m->order_count == m->order_cap) {
        m->order_cap = m->order_cap ? 2 * m->order_cap : 1024;
        m->orders = mem_resize(m->orders, m->order_cap, sizeof *m->orders);
    }
    m->orders[m->order_count++] = o;
}

/* A turn, as soon as the loop is through with the one before. */
void house_look(struct model *m)
{
    if (!m->turns)
        model_at(m, m->now_ns > m->free_ns[SERVER_LOOP] ? m->now_ns : m->free_ns[SERVER_LOOP],
                 EV_TURN, 0);
    m->turns = true;
}

void house_group(struct model *m)
{
    m->commits = false;
    m->group_is_new = true;
    house_look(m);
}

/* The loop hears of a group, as far as a turn has time for it. */
static void told(struct model *m, int64_t *at_ns)
{
    int64_t until_ns = *at_ns + SLICE_NS;
    for (; m->told < m->group_count && *at_ns < until_ns; m->told++) {
        const struct order *o = &m->group[m->told];
        int64_t now_ms = model_ms(*at_ns);
        uint32_t number = o->frontier ? 0 : m->hands[o->worker].number;
        if (o->frontier) {
            queue_frontier_durable(m->queue, now_ms, JOB, o->tile);
        } else if (o->compare) {
            queue_tile_compared(m->queue, now_ms, JOB, o->tile, number, m->answer_bytes, 0, true,
                                0);
        } else {
            m->twice += m->seen[o->tile];
            m->durable += !m->seen[o->tile];
            m->seen[o->tile] = 1;
            queue_tile_durable(m->queue, now_ms, JOB, o->tile, number, m->answer_bytes, 0);
        }
        *at_ns += (int64_t)(5e2 * m->setup.costs.loop_tile);
    }
    if (m->told < m->group_count)
        return;
    m->group_count = m->told = 0;
    m->group_is_new = false;
    begin_group(m);
}

/* --- messages -------------------------------------------------------------------------------- */

void house_comes(struct model *m, struct packet *p)
{
    p->next = NULL;
    *m->inbox.end = p;
    m->inbox.end = &p->next;
    house_look(m);
}

static void say(struct model *m, int64_t at_ns, struct packet *p)
{
    struct event *e = model_at(m, at_ns, EV_DOWN, p->worker);
    e->packet = p;
}

static void on_hello(struct model *m, const struct packet *p, int64_t *at_ns)
{
    char host[24];
    struct wire_msg hello = {.type = WIRE_HELLO, .tag = 1};
    struct err err;
    uint32_t retry_ms;
    snprintf(host, sizeof host, "host-%u", p->worker);
    hello.hello.threads = (uint16_t)m->setup.threads;
    hello.hello.hold_bytes = (uint32_t)p->number;
    hello.hello.self_test = 1;
    hello.hello.pid = p->worker + 1;
    hello.hello.version = hello.hello.isa = wire_str("model");
    hello.hello.host = wire_str(host);
    struct hand *h = &m->hands[p->worker];
    h->number =
        queue_worker_hello(m->queue, model_ms(*at_ns), p->worker + 1u, &hello, &retry_ms, &err);
    assert(h->number >= 1 && h->number <= m->setup.workers);
    m->places[h->number] = p->worker;
    *at_ns += (int64_t)(1e3 * m->setup.costs.loop_message);
    struct packet *welcome = packet_new(m, WIRE_WELCOME, p->worker, HEADER_BYTES);
    welcome->number = queue_worker_window(m->queue, h->number);
    say(m, *at_ns, welcome);
}

/* As it would be on the wire. */
static void on_heartbeat(struct model *m, const struct packet *p, int64_t now_ms)
{
    const struct hand *h = &m->hands[p->worker];
    struct wire_progress *progress = mem_alloc(h->count + 1, sizeof *progress);
    struct wire_msg out = {.type = WIRE_HEARTBEAT}, in;
    struct buf frame = {0};
    struct err err;
    for (size_t i = 0; i < h->count; i++)
        progress[i] = (struct wire_progress){h->leases[i].token,
                                             (uint64_t)h->leases[i].solved * m->tile_points, 0};
    out.heartbeat.hold_bytes = (uint32_t)p->number;
    out.heartbeat.sent_bytes = p->token.lo;
    out.heartbeat.progress = (struct wire_list){.count = (uint32_t)h->count, .items = progress};
    wire_encode(&out, &frame);
    int rc = wire_decode(frame.data, frame.len, &in, &err);
    assert(rc == 0);
    queue_worker_heartbeat(m->queue, now_ms, h->number, &in);
    buf_fini(&frame);
    free(progress);
}

static void on_answers(struct model *m, const struct packet *p, int64_t *at_ns)
{
    uint32_t number = m->hands[p->worker].number;
    bool whole = p->type == WIRE_RESULTS;
    struct wire_msg one = {.type = WIRE_RESULT};
    one.result.job = JOB;
    one.result.token = p->token;
    one.result.count = m->tile_points;
    one.result.solve_us = (uint32_t)(m->tile_points * m->setup.kind->point_ns * 1e-3 + 1);
    one.result.data.len = whole ? m->answer_bytes : p->number;
    for (uint32_t i = 0; i < (whole ? p->count : 1); i++) {
        one.result.tile = p->tile + i;
        if (queue_result_part(m->queue, model_ms(*at_ns), number, &one) != VERDICT_TAKE)
            continue;
        if (p->count == 0)
            continue;                                        /* not its last part */
        *at_ns += (int64_t)(5e2 * m->setup.costs.loop_tile); /* the rest when it is durable */
        enum queue_complete done =
            queue_result_complete(m->queue, model_ms(*at_ns), number, &one, m->answer_bytes);
        if (done == COMPLETE_STORE || done == COMPLETE_COMPARE)
            order(m, (struct order){p->tile + i, p->worker, done == COMPLETE_COMPARE, false});
    }
}

static void take(struct model *m, struct packet *p, int64_t *at_ns)
{
    const struct costs *c = &m->setup.costs;
    *at_ns += (int64_t)(1e3 * (c->loop_message + p->bytes * c->loop_byte));
    if (p->type == WIRE_HELLO)
        on_hello(m, p, at_ns);
    else if (p->type == WIRE_HEARTBEAT)
        on_heartbeat(m, p, model_ms(*at_ns));
    else
        on_answers(m, p, at_ns);
    packet_free(m, p);
}

/* --- what the queue has to say --------------------------------------------------------------- */

static void act(struct model *m, const struct queue_action *a, int64_t began_ns, int64_t *at_ns)
{
    static const enum wire_type types[] = {
        [ACTION_LEASE] = WIRE_LEASE, [ACTION_ACK] = WIRE_ACK,    [ACTION_DROP] = WIRE_DROP,
        [ACTION_PONG] = WIRE_PONG,   [ACTION_PROBE] = WIRE_PONG,
    };
    if (a->type == ACTION_FRONTIER) {
        order(m, (struct order){a->frontier, 0, false, true});
        return;
    }
    if (a->type > ACTION_PROBE)
        return; /* nobody dies, nothing differs; WHO would change nothing */
    for (uint32_t i = 0; i <= a->also_count; i++) { /* runs of an ACK: a message each, here */
        *at_ns += (int64_t)(1e3 * m->setup.costs.loop_message);
        struct packet *p = packet_new(m, types[a->type], m->places[a->worker], HEADER_BYTES);
        p->token = a->token;
        p->tile = i > 0 ? a->also[i - 1].first_tile : a->tile;
        p->count = i > 0 ? a->also[i - 1].tile_count : a->tile_count;
        p->number = a->window;
        if (a->type == ACTION_LEASE)
            lag_add(&m->dispatch, (uint64_t)*at_ns, (uint64_t)(*at_ns - began_ns), 1);
        say(m, *at_ns, p);
    }
}

static void act_pending(struct model *m, int64_t began_ns, int64_t *at_ns)
{
    struct queue_action a;
    while (queue_pending(m->queue, &a))
        act(m, &a, began_ns, at_ns);
}

/* True: there is more to give out than this turn has time for. */
static bool give_out(struct model *m, int64_t began_ns, int64_t *at_ns)
{
    struct queue_action a;
    int64_t until_ns = *at_ns + SLICE_NS;
    for (;;) {
        act_pending(m, began_ns, at_ns);
        if (*at_ns >= until_ns)
            return true;
        if (!queue_next(m->queue, &a))
            return false;
        act(m, &a, began_ns, at_ns);
    }
}

/* One turn: messages, the sink, work. */
void house_turn(struct model *m)
{
    int64_t began_ns = m->now_ns, at_ns = began_ns;
    m->turns = false;
    while (m->inbox.first && at_ns < began_ns + SLICE_NS) {
        struct packet *p = m->inbox.first;
        m->inbox.first = p->next;
        if (!m->inbox.first)
            m->inbox.end = &m->inbox.first;
        take(m, p, &at_ns);
        act_pending(m, began_ns, &at_ns);
    }
    if (m->group_is_new)
        told(m, &at_ns);
    bool more = give_out(m, began_ns, &at_ns);
    int64_t next_ms = queue_tick(m->queue, model_ms(at_ns));
    more = give_out(m, began_ns, &at_ns) || more || m->inbox.first || m->group_is_new;
    begin_group(m);
    model_serve(m, SERVER_LOOP, (double)(at_ns - began_ns));
    lag_add(&m->turn, (uint64_t)at_ns, (uint64_t)(at_ns - began_ns), (uint64_t)(at_ns - began_ns));
    if (more) {
        m->turns = true;
        model_at(m, at_ns, EV_TURN, 0);
    } else if (next_ms != INT64_MAX) {
        int64_t due_ns = next_ms * 1000000;
        if (m->due_ns <= m->now_ns || due_ns < m->due_ns) {
            m->due_ns = due_ns > at_ns ? due_ns : at_ns + 1000000;
            model_at(m, m->due_ns, EV_DUE, 0);
        }
    }
}

void house_open(struct model *m)
{
    struct queue_config config;
    queue_config_default(&config);
    config.random = model_random;
    config.random_arg = m;
    m->queue = queue_create(&config, 0);
    uint32_t side = m->setup.kind->side;
    queue_job_add(m->queue, 0,
                  &(struct queue_job){
                      .id = JOB,
                      .q_count = SIDE_TILES * side,
                      .a_count = SIDE_TILES * side,
                      .q_blocks = SIDE_TILES,
                      .a_blocks = SIDE_TILES,
                      .point_bytes = (uint32_t)ceil(m->setup.kind->wire_bytes),
                      .point_cost_ns = m->setup.kind->point_ns,
                  });
    m->places = mem_alloc((size_t)m->setup.workers + 1, sizeof *m->places);
    m->seen = mem_alloc((size_t)SIDE_TILES * SIDE_TILES, 1);
    m->inbox.end = &m->inbox.first;
}

void house_close(struct model *m)
{
    queue_destroy(m->queue);
    free(m->places);
    free(m->orders);
    free(m->group);
    free(m->seen);
}
