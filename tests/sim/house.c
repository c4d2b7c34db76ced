/* The broker: the queue and the handlers of workers' messages are the real ones; this is the loop
 * around them, as server.c is in the program, with the network and the disk of the simulator. */
#include "sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_MAX = 2048 };

/* The house of a server; the handlers know only the latter. */
static struct sim *of(struct server *s)
{
    struct sim_house *h = (struct sim_house *)(void *)((char *)s - offsetof(struct sim_house, s));
    return (struct sim *)(void *)((char *)h - offsetof(struct sim, house));
}

int server_send(struct server *s, const struct route *to, struct wire_msg *msg)
{
    struct sim *sim = of(s);
    uint32_t worker = routes_worker(s->routes, to->id, to->len);
    msg->sender = s->boot;
    buf_clear(&s->out);
    wire_encode(msg, &s->out);
    judge_to_worker(sim, worker, msg);
    return net_to_worker(sim, to, s->out.data, s->out.len);
}

void server_send_worker(struct server *s, uint32_t worker, struct wire_msg *msg)
{
    const struct route *to = routes_of(s->routes, worker);
    if (!to || (server_send(s, to, msg) && errno == EHOSTUNREACH))
        queue_worker_unreachable(s->queue, s->now_ms, worker);
}

/* Everybody has the same key. */
uint64_t entrance_own(const struct route *from, uint64_t id)
{
    (void)from;
    return id;
}

/* --- jobs ------------------------------------------------------------------------------------ */

static void queue_add(struct sim *s, const struct sim_job *j, const struct disk_job *recovered)
{
    uint8_t done[SIM_TILES];
    struct queue_job q = {.id = j->id, .priority = j->priority, .state = JOB_QUEUED};
    q.q_count = (uint32_t)j->shape.q.count;
    q.a_count = (uint32_t)j->shape.a.count;
    q.q_blocks = j->shape.q_blocks;
    q.a_blocks = j->shape.a_blocks;
    q.point_bytes = (uint32_t)(j->shape.output_count * (j->shape.errors ? 12 : 8) + 1);
    q.point_cost_ns = (double)j->point_us * 1000 * (dice_below(s, 2) ? 1 : 0.3);
    if (recovered) {
        for (uint32_t t = 0; t < j->tiles; t++)
            done[t] = recovered->tile[t].durable;
        q.recovered = true;
        q.state = (enum job_state)recovered->state;
        q.priority = recovered->priority;
        q.frontier = recovered->frontier;
        q.tile_done = done;
        q.points_failed = recovered->points_failed;
        q.reason = recovered->reason;
    }
    queue_job_add(s->house.s.queue, s->now_ms, &q);
}

static struct catalogue_job *catalogue_put(struct sim *s, struct sim_job *j)
{
    struct catalogue_job *c = catalogue_add(s->house.s.catalogue, j->id, &j->shape);
    c->stage = CATALOGUE_THERE;
    return c;
}

/* The shapes are the simulator's own. */
static void catalogue_drop(struct sim *s, uint32_t job)
{
    struct catalogue_job *c = catalogue_job(s->house.s.catalogue, job);
    if (!c)
        return;
    c->job = NULL;
    catalogue_remove(s->house.s.catalogue, job);
}

/* --- the queue's actions, the sink's events ------------------------------------------------- */

static void act(struct sim *s, const struct queue_action *a)
{
    struct server *srv = &s->house.s;
    switch (a->type) {
    case ACTION_FRONTIER:
        disk_frontier(s, a->job, a->frontier);
        break;
    case ACTION_JOB_STATE:
        sim_trace(s, "job %u is %s %s", a->job, job_state_name(a->state), a->text);
        if (a->state == JOB_FINISHING)
            disk_finish(s, a->job);
        else if (a->state != JOB_DONE)
            disk_state(s, a->job, (int)a->state, a->text);
        if (job_state_is_over(a->state))
            assembly_forget_pieces(srv->assembly, a->job, ASSEMBLY_ALL_TILES);
        break;
    case ACTION_ALARM:
        sim_trace(s, "alarm: %s", a->text);
        s->alarms++;
        break;
    case ACTION_FORGET:
        s->forgot_ms = s->now_ms;
        judge_death(s, a->worker, 0, 0);
        workers_action(srv, a);
        break;
    default:
        workers_action(srv, a);
    }
}

static bool act_all(struct sim *s)
{
    struct queue_action action;
    bool any = false;
    for (; queue_next(s->house.s.queue, &action); any = true)
        act(s, &action);
    return any;
}

void house_settle(struct sim *s)
{
    struct server *srv = &s->house.s;
    int64_t next;
    act_all(s);
    do
        next = queue_tick(srv->queue, s->now_ms);
    while (act_all(s));
    s->house.next_ms = next <= s->now_ms ? s->now_ms + 1 : next;
    queue_check(srv->queue);
    judge_step(s);
}

static void table_durable(struct sim *s, uint32_t id)
{
    struct catalogue_job *job = catalogue_job(s->house.s.catalogue, id);
    if (!job || job->table.len > 0)
        return;
    job->table = job->table_pending;
    job->table_pending = (struct buf){0};
    for (size_t i = 0; i < job->table_waiter_count; i++)
        tables_send(&s->house.s, job->table_waiters[i], job, 0);
    job->table_waiter_count = 0;
}

static void sink_event(struct sim *s, const struct sink_event *e)
{
    struct queue *q = s->house.s.queue;
    switch (e->type) {
    case SINK_SUBMITTED:
        s->jobs[e->job].submitted = true;
        catalogue_put(s, &s->jobs[e->job]);
        queue_add(s, &s->jobs[e->job], NULL);
        break;
    case SINK_TABLE:
        table_durable(s, e->job);
        break;
    case SINK_DURABLE:
        queue_tile_durable(q, s->now_ms, e->job, e->tile, e->worker, e->data_bytes,
                           e->points_failed);
        break;
    case SINK_SAME:
    case SINK_DIFFERS:
        queue_tile_compared(q, s->now_ms, e->job, e->tile, e->worker, e->data_bytes,
                            e->points_failed, e->type == SINK_SAME, e->crc);
        break;
    case SINK_DROPPED:
        queue_tile_dropped(q, s->now_ms, e->job, e->tile, e->worker, e->data_bytes,
                           e->err.code ? e->err.text : NULL);
        break;
    case SINK_DAMAGED:
        s->jobs[e->job].lost[e->tile]--;
        queue_tile_damaged(q, s->now_ms, e->job, e->tile, e->points_failed);
        break;
    case SINK_FRONTIER:
        queue_frontier_durable(q, s->now_ms, e->job, e->frontier);
        break;
    case SINK_FINISHED:
        queue_job_finished(q, s->now_ms, e->job);
        break;
    case SINK_DELETED:
        catalogue_drop(s, e->job);
        break;
    case SINK_LOST:
        queue_job_fail(q, s->now_ms, e->job, e->err.text);
        break;
    case SINK_STALLED:
        queue_sink_stalled(q, s->now_ms, e->err.text);
        break;
    case SINK_RESUMED:
        queue_sink_stalled(q, s->now_ms, NULL);
        break;
    default:
        break;
    }
}

void house_read_disk(struct sim *s)
{
    if (!s->house.up)
        return;
    if (s->house.stopped) {
        sim_at(s, s->now_ms + 50, EV_DISK_SAYS, s->house.boots, 0);
        return;
    }
    struct sim_disk *d = &s->disk;
    size_t n = d->event_count;
    s->house.s.now_ms = s->now_ms;
    for (size_t i = 0; i < n; i++) {
        sink_event(s, &d->events[i]);
        act_all(s); /* one by one, so that the judge sees what the queue saw */
    }
    d->event_count = 0;
    house_settle(s);
}

/* --- messages -------------------------------------------------------------------------------- */

static void hold(struct sim *s, const struct sim_link *from, const void *frame, size_t len)
{
    struct sim_house *h = &s->house;
    if (h->held_count == HOLD_MAX)
        return;
    struct event *e = mem_alloc(1, sizeof *e);
    e->a = from->id;
    e->frame = mem_alloc(len, 1);
    e->len = len;
    memcpy(e->frame, frame, len);
    h->held[h->held_count++] = e;
}

static void take(struct sim *s, uint32_t link, const void *frame, size_t len)
{
    struct server *srv = &s->house.s;
    struct route from = {.len = sizeof link};
    struct wire_msg msg;
    struct err err;
    zmq_msg_t message;
    memcpy(from.id, &link, sizeof link);
    zmq_msg_init_size(&message, len);
    memcpy(zmq_msg_data(&message), frame, len);
    srv->now_ms = s->now_ms;
    if (wire_decode(zmq_msg_data(&message), len, &msg, &err))
        sim_fail(s, "the broker does not understand a worker: %s", err.text);
    else {
        sim_trace(s, "%s from link %u", wire_type_name(msg.type), link);
        workers_message(srv, &from, &msg, &message);
    }
    zmq_msg_close(&message);
    house_settle(s);
}

void house_recv(struct sim *s, const struct sim_link *from, const void *frame, size_t len)
{
    if (!s->house.up)
        return;
    if (s->house.stopped)
        hold(s, from, frame, len);
    else
        take(s, from->id, frame, len);
}

void house_tick(struct sim *s)
{
    s->house.s.now_ms = s->now_ms;
    house_settle(s);
}

/* --- life ------------------------------------------------------------------------------------ */

static void configure(struct sim *s, struct queue_config *c)
{
    queue_config_default(c);
    c->random = dice_bits;
    c->random_arg = &s->dice;
    c->sink_bytes = s->knobs.sink_bytes;
    c->lease_bytes = s->knobs.lease_bytes;
    c->seen = judge_seen;
    c->verify_one_in = s->knobs.verify_one_in;
}

void house_boot(struct sim *s)
{
    struct sim_house *h = &s->house;
    struct queue_config config;
    h->s = (struct server){.config = &h->config, .now_ms = s->now_ms, .store = s->store};
    h->s.boot = dice_bits(&s->dice) | 1;
    h->s.sink = (struct sink *)(void *)s;
    h->s.assembly = assembly_create();
    h->s.routes = routes_create();
    h->s.catalogue = catalogue_create();
    h->s.uploads = uploads_create();
    configure(s, &config);
    h->s.queue = queue_create(&config, s->now_ms);
    for (uint32_t id = 1; id <= s->job_count; id++)
        memset(s->jobs[id].lost, 0, sizeof s->jobs[id].lost);
    h->up = true;
    h->stopped = false;
    h->boots++;
    sim_trace(s, "the broker is up");
    for (uint32_t id = 1; id <= s->job_count; id++) {
        struct disk_job *d = &s->disk.jobs[id];
        if (!d->there)
            continue;
        if (d->taken)
            continue; /* the sink knows what it is good for; the queue is not told */
        s->jobs[id].submitted = true;
        if (d->state == JOB_RUNNING && dice_below(s, 8) == 0)
            d->state = JOB_QUEUED; /* rebuilt from an older copy */
        struct catalogue_job *c = catalogue_put(s, &s->jobs[id]);
        buf_add(&c->table, d->table.data, d->table.len);
        queue_add(s, &s->jobs[id], d);
    }
    house_settle(s);
}

static void forget_held(struct sim_house *h)
{
    for (size_t i = 0; i < h->held_count; i++) {
        free(h->held[i]->frame);
        free(h->held[i]);
    }
    h->held_count = 0;
}

void house_kill(struct sim *s, int64_t again_ms)
{
    struct sim_house *h = &s->house;
    if (!h->up)
        return;
    sim_trace(s, "the broker dies");
    h->up = h->stopped = false;
    disk_power_cut(s);
    for (uint32_t id = 1; id <= s->job_count; id++)
        catalogue_drop(s, id);
    queue_destroy(h->s.queue);
    assembly_destroy(h->s.assembly);
    routes_destroy(h->s.routes);
    catalogue_destroy(h->s.catalogue);
    uploads_destroy(h->s.uploads);
    buf_fini(&h->s.out);
    forget_held(h);
    for (uint32_t i = 0; i < s->worker_count; i++)
        net_disconnect(s, i, true);
    if (again_ms >= 0)
        sim_at(s, s->now_ms + again_ms, EV_BOOT, 0, 0);
}

/* SIGSTOP and SIGCONT: what was said meanwhile is read at once, after the clock was. */
void house_stop(struct sim *s, bool stopped)
{
    struct sim_house *h = &s->house;
    if (!h->up || h->stopped == stopped)
        return;
    h->stopped = stopped;
    if (stopped)
        return;
    house_tick(s);
    for (size_t i = 0; i < h->held_count; i++)
        take(s, h->held[i]->a, h->held[i]->frame, h->held[i]->len);
    forget_held(h);
}

bool house_is_idle(const struct sim *s)
{
    const struct queue *q = s->house.s.queue;
    if (!s->house.up || s->disk.first || s->disk.group || s->disk.event_count)
        return false;
    for (size_t i = 0; i < q->job_count; i++)
        if (q->jobs[i]->lease_count > 0)
            return false;
    return true;
}
