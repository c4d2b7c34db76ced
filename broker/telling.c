/* What workers are told: the queue's actions as messages. See PROTOCOL.md section 4. */
#include "server_private.h"

#include "log.h"
#include "unfold.h"
#include <string.h>

/* Values at a time cost the sink less as leaves than it costs to take them off a socket. What
 * follows from the monodromy matrix costs more than that: it is left to the many solver threads
 * unless a wire lies between. */
static bool takes_leaves(const struct server *s, uint32_t worker, uint32_t id, uint16_t flags)
{
    const struct catalogue_job *job = catalogue_job(s->catalogue, id);
    enum server_leaves which = s->config->leaves;
    if (which == SERVER_LEAVES_NONE || !job || !unfold_takes(job->job))
        return false;
    /* What is computed again to verify comes as points, so that our expansion is verified as well,
     * unless its last bits may be another C library's. */
    if (flags & WIRE_LEASE_VERIFY && !job->job->monodromy && !job->job->libm)
        return false;
    return which == SERVER_LEAVES_ALL || !job->job->monodromy || routes_far(s->routes, worker);
}

static void send_lease(struct server *s, const struct queue_action *a)
{
    struct wire_msg m = {.type = WIRE_LEASE};
    m.lease.job = a->job;
    m.lease.first_tile = a->tile;
    m.lease.tile_count = a->tile_count;
    m.lease.first = a->first;
    m.lease.count = a->count;
    m.lease.token = a->token;
    m.lease.flags = a->flags;
    if (takes_leaves(s, a->worker, a->job, a->flags))
        m.lease.flags |= WIRE_LEASE_LEAVES;
    log_debug("leased worker=%u job=%u tile=%u tiles=%u flags=%u", a->worker, a->job, a->tile,
              a->tile_count, a->flags);
    server_send_worker(s, a->worker, &m);
}

static void send_tiles(struct server *s, const struct queue_action *a, enum wire_type type)
{
    struct wire_tiles tiles[1 + QUEUE_ALSO_MAX] = {{a->job, a->tile, a->tile_count}};
    struct wire_msg m = {.type = type};
    m.tiles.window = a->window;
    memcpy(tiles + 1, a->also, a->also_count * sizeof *tiles);
    m.tiles.tiles = (struct wire_list){.count = 1 + a->also_count, .items = tiles};
    for (uint32_t i = 0; i <= a->also_count; i++)
        log_debug("%s worker=%u job=%u tile=%u tiles=%u",
                  type == WIRE_ACK ? "acknowledged" : "dropped", a->worker, tiles[i].job,
                  tiles[i].first_tile, tiles[i].tile_count);
    server_send_worker(s, a->worker, &m);
}

static void send_pong(struct server *s, const struct queue_action *a)
{
    struct wire_msg m = {.type = WIRE_PONG};
    m.pong.window = a->window;
    m.pong.paused = a->paused;
    m.pong.limit_percent = a->limit_percent;
    server_send_worker(s, a->worker, &m);
}

/* The pieces of a tile that was cut are together: one result for the sink. */
static void store_pieces(struct server *s, const struct queue_action *a)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, a->job);
    if (!job)
        return;
    struct assembly_shape shape = job->shape;
    shape.tile_points = (uint32_t)job_tile_points(job->job, a->tile);
    size_t count;
    const uint32_t *failed = queue_tile_failed_points(s->queue, a->job, a->tile, &count);
    sink_store(s->sink, assembly_join(s->assembly, a->job, a->tile, &shape, failed, count));
}

/* A worker that may no more: told so, and its work goes out again. */
void workers_dismiss(struct server *s, uint32_t worker, const struct err *why)
{
    const struct route *to = routes_of(s->routes, worker);
    if (to)
        reply_refused(s, to, 0, why, 0);
    queue_worker_bye(s->queue, s->now_ms, worker);
    routes_remove(s->routes, worker);
    assembly_forget_worker(s->assembly, worker);
}

static void refuse_worker(struct server *s, const struct queue_action *a)
{
    struct err err = {0};
    const struct route *to = routes_of(s->routes, a->worker);
    err_set(&err, ERR_OTHER, "%s", a->text);
    if (to)
        reply_refused(s, to, 0, &err, a->retry_ms);
}

void workers_action(struct server *s, const struct queue_action *a)
{
    switch (a->type) {
    case ACTION_LEASE:
        send_lease(s, a);
        break;
    case ACTION_ACK:
        send_tiles(s, a, WIRE_ACK);
        break;
    case ACTION_DROP:
        send_tiles(s, a, WIRE_DROP);
        break;
    case ACTION_PONG:
    case ACTION_PROBE:
        send_pong(s, a);
        break;
    case ACTION_WHO:
        server_send_worker(s, a->worker, &(struct wire_msg){.type = WIRE_WHO});
        break;
    case ACTION_REFUSE:
        refuse_worker(s, a);
        break;
    case ACTION_DISTRUST:
        log_warnx("not believed, computed anew job=%u tile=%u", a->job, a->tile);
        sink_distrust(s->sink, a->job, a->tile);
        break;
    case ACTION_FORGET:
        routes_remove(s->routes, a->worker);
        assembly_forget_worker(s->assembly, a->worker);
        break;
    case ACTION_STORE_PIECES:
        store_pieces(s, a);
        break;
    case ACTION_FORGET_PIECES:
        assembly_forget_pieces(s->assembly, a->job, a->tile);
        break;
    default:
        break;
    }
}
