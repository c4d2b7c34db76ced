/* What workers send, and what the queue has to say to them. See PROTOCOL.md section 4. */
#include "server_private.h"

#include "log.h"
#include "unfold.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 1000 };

static void refuse(struct server *s, const struct route *to, const struct err *err,
                   uint32_t retry_ms)
{
    char text[sizeof err->text + sizeof err->hint];
    err_format(err, text, sizeof text);
    struct wire_msg m = {.type = WIRE_REFUSED};
    m.refused.code = (uint16_t)err->code;
    m.refused.retry_ms = retry_ms;
    m.refused.text = wire_str(text);
    server_send(s, to, &m);
}

static bool same_version(const struct wire_span *version)
{
    return version->len == strlen(HILLSWEEP_VERSION) &&
           memcmp(version->data, HILLSWEEP_VERSION, version->len) == 0;
}

static bool is_far(const struct wire_span *host)
{
    char own[64] = "";
    gethostname(own, sizeof own - 1);
    return strlen(own) != host->len || memcmp(own, host->data, host->len) != 0;
}

static void greet(struct server *s, const struct route *from, const struct wire_msg *hello,
                  uint32_t worker)
{
    routes_put(s->routes, from, worker);
    routes_set_far(s->routes, worker, is_far(&hello->hello.host));
    struct wire_msg m = {.type = WIRE_WELCOME, .tag = hello->tag};
    m.welcome.store = s->store;
    m.welcome.worker = worker;
    m.welcome.window = queue_worker_window(s->queue, worker);
    m.welcome.heartbeat_ms = HEARTBEAT_MS;
    m.welcome.version = wire_str(HILLSWEEP_VERSION);
    server_send(s, from, &m);
}

static void on_hello(struct server *s, const struct route *from, const struct wire_msg *msg)
{
    struct err err = {0};
    if (!same_version(&msg->hello.version)) {
        err_set(&err, ERR_VERSION, "this broker is hillsweep %s, the worker is %.*s",
                HILLSWEEP_VERSION, (int)msg->hello.version.len,
                (const char *)msg->hello.version.data);
        err_hint(&err, "install the same version on both machines");
        refuse(s, from, &err, 0);
        return;
    }
    uint64_t session = entrance_own(from, msg->sender); /* no two keys are ever the same worker */
    uint32_t worker = 0, retry_ms = 0;
    if (queue_worker_greeted(s->queue, session, msg->tag, &worker)) {
        if (worker)
            greet(s, from, msg, worker);
        return;
    }
    struct wire_msg hello = *msg;
    if (hello.hello.store != s->store) {
        hello.hello.holdings.count = 0; /* of other jobs with the same numbers: WELCOME ends them */
        hello.hello.paused = false;     /* by another broker's admin */
        hello.hello.limit_percent = 0;
    }
    worker = queue_worker_hello(s->queue, s->now_ms, session, &hello, &retry_ms, &err);
    if (!worker) {
        refuse(s, from, &err, retry_ms);
        return;
    }
    assembly_forget_worker(s->assembly, worker); /* it sends unfinished results again */
    greet(s, from, msg, worker);
}

/* One part of a blob from offset on, in a message of the given type. */
static void send_part(struct server *s, uint32_t worker, enum wire_type type, uint32_t job,
                      const struct buf *blob, uint32_t offset)
{
    struct wire_msg m = {.type = type};
    m.part.job = job;
    m.part.total = blob ? (uint32_t)blob->len : 0;
    m.part.offset = offset < m.part.total ? offset : m.part.total;
    size_t left = m.part.total - m.part.offset;
    m.part.data.data = blob && blob->data ? blob->data + m.part.offset : NULL;
    m.part.data.len = left < WIRE_PART_MAX ? left : WIRE_PART_MAX;
    server_send_worker(s, worker, &m);
}

static void on_get_job(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->get.job);
    send_part(s, worker, WIRE_JOB_PART, msg->get.job, job ? &job->document : NULL, msg->get.offset);
}

void workers_send_table(struct server *s, uint32_t worker, const struct catalogue_job *job,
                        uint32_t offset)
{
    send_part(s, worker, WIRE_TABLE_PART, job->id, &job->table, offset);
}

static void on_get_table(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->get.job);
    if (job)
        workers_send_table(s, worker, job, msg->get.offset);
}

static void wait_for_table(struct catalogue_job *job, uint32_t worker)
{
    for (size_t i = 0; i < job->table_waiter_count; i++)
        if (job->table_waiters[i] == worker)
            return;
    job->table_waiters =
        mem_resize(job->table_waiters, job->table_waiter_count + 1, sizeof *job->table_waiters);
    job->table_waiters[job->table_waiter_count++] = worker;
}

/* A drive table: the samples must fit; the rest is the workers' own business. */
static bool table_is_sound(const unsigned char *table, size_t len)
{
    uint32_t samples;
    if (len < sizeof samples)
        return false;
    memcpy(&samples, table, sizeof samples);
    return samples <= (len - sizeof samples) / (2 * sizeof(double));
}

/* One worker at a time: the parts of many tables would push each other out. */
static bool is_sent_by_another(struct server *s, struct catalogue_job *job, uint32_t worker)
{
    enum { TURN_MS = 2000 };
    if (job->table_sender && job->table_sender != worker && s->now_ms < job->table_turn_ms)
        return true;
    job->table_sender = worker;
    job->table_turn_ms = s->now_ms + TURN_MS;
    return false;
}

/* Of the set of parts; a client's sets have random keys. */
static uint64_t table_key(uint32_t worker, uint32_t job)
{
    return (uint64_t)worker << 32 | job;
}

static void on_put_table(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->part.job);
    if (!job || job->stage != CATALOGUE_THERE)
        return;
    if (job->table.len > 0) { /* another one was first: its table is the job's own */
        workers_send_table(s, worker, job, 0);
        return;
    }
    if (job->table_ordered || is_sent_by_another(s, job, worker)) {
        wait_for_table(job, worker);
        return;
    }
    uint64_t key = table_key(worker, job->id);
    const struct route *from = routes_of(s->routes, worker);
    bool complete;
    struct err err;
    if (uploads_add(s->uploads, s->now_ms, from ? from->user : 0, key, msg->part.total,
                    msg->part.offset, msg->part.data, &complete, &err)) {
        log_warnx("worker %u: drive table of job %u: %s", worker, job->id, err.text);
        return;
    }
    if (!complete)
        return;
    size_t len;
    const void *table = uploads_get(s->uploads, key, &len);
    wait_for_table(job, worker);
    if (table_is_sound(table, len)) {
        job->table_ordered = true;
        buf_clear(&job->table_pending);
        buf_add(&job->table_pending, table, len);
        sink_table(s->sink, job->id, table, len);
    }
    uploads_remove(s->uploads, key);
}

static void complete(struct server *s, uint32_t worker, const struct wire_msg *msg,
                     struct sink_result *result)
{
    log_debug("arrived worker=%u job=%u tile=%u bytes=%" PRIu64 " leaves=%d", worker, result->job,
              result->tile, result->data_bytes, result->room_bytes > 0);
    switch (queue_result_complete(s->queue, s->now_ms, worker, msg, result->data_bytes)) {
    case COMPLETE_STORE:
        sink_store(s->sink, result);
        break;
    case COMPLETE_COMPARE:
        result->compare = true;
        sink_store(s->sink, result);
        break;
    case COMPLETE_PIECE:
        assembly_keep_piece(s->assembly, result);
        break;
    case COMPLETE_DROP:
        result->release(result);
        break;
    }
}

static void on_result(struct server *s, uint32_t worker, const struct wire_msg *msg,
                      zmq_msg_t *frame)
{
    if (queue_result_part(s->queue, s->now_ms, worker, msg) != VERDICT_TAKE)
        return;
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->result.job);
    assert(job); /* the queue's jobs are the catalogue's */
    struct assembly_shape shape = job->shape;
    shape.tile_points = (uint32_t)job_tile_points(job->job, msg->result.tile);
    struct sink_result *result;
    struct err err;
    switch (assembly_add(s->assembly, worker, msg, frame, &shape, &result, &err)) {
    case ASSEMBLY_MORE:
        break;
    case ASSEMBLY_COMPLETE:
        complete(s, worker, msg, result);
        break;
    case ASSEMBLY_BAD:
        s->dropped++;
        log_warnx("worker %u: result of job %u tile %u: %s", worker, job->id, msg->result.tile,
                  err.text);
        queue_parts_dropped(s->queue, s->now_ms, worker, msg->result.data.len);
        break;
    case ASSEMBLY_AGAIN:
        queue_parts_dropped(s->queue, s->now_ms, worker, msg->result.data.len);
        break;
    }
}

/* Each answer as if it had come in a message of its own. */
static void on_results(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->results.job);
    struct wire_span left = msg->results.wholes;
    struct wire_whole whole;
    struct wire_msg one = {.type = WIRE_RESULT};
    struct err err;
    one.result.job = msg->results.job;
    one.result.token = msg->results.token;
    while (wire_whole_next(&left, &whole)) {
        bool there = job && whole.tile < job_tile_count(job->job);
        struct assembly_shape shape = there ? job->shape : (struct assembly_shape){0};
        shape.tile_points = there ? (uint32_t)job_tile_points(job->job, whole.tile) : 0;
        one.result.tile = whole.tile;
        one.result.count = shape.tile_points;
        one.result.solve_us = whole.solve_us;
        one.result.data = whole.data;
        if (queue_result_part(s->queue, s->now_ms, worker, &one) != VERDICT_TAKE)
            continue;
        struct sink_result *result =
            assembly_whole(s->assembly, worker, one.result.job, &whole, &shape, &err);
        if (result) {
            complete(s, worker, &one, result);
            continue;
        }
        s->dropped++;
        log_warnx("worker %u: result of job %u tile %u: %s", worker, one.result.job, whole.tile,
                  err.text);
        queue_parts_dropped(s->queue, s->now_ms, worker, whole.data.len);
        return; /* who knows what the others are; what is missing is asked for */
    }
}

/* A HEARTBEAT names every lease that more may come of. */
struct sweep {
    struct server *s;
    uint32_t worker;
    const struct wire_list *named;
};

static bool may_become_whole(void *arg, const struct wire_holding *result)
{
    const struct sweep *sweep = arg;
    if (!queue_result_wanted(sweep->s->queue, sweep->worker, result))
        return false;
    for (uint32_t i = 0; i < sweep->named->count; i++)
        if (token_equal(wire_progress_at(sweep->named, i).token, result->token))
            return true;
    return false;
}

static void on_heartbeat(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    queue_worker_heartbeat(s->queue, s->now_ms, worker, msg);
    struct sweep sweep = {s, worker, &msg->heartbeat.progress};
    uint64_t bytes = assembly_sweep(s->assembly, worker, may_become_whole, &sweep);
    if (bytes > 0)
        queue_parts_dropped(s->queue, s->now_ms, worker, bytes);
}

void workers_message(struct server *s, const struct route *from, const struct wire_msg *msg,
                     zmq_msg_t *frame)
{
    if (msg->type == WIRE_HELLO) {
        on_hello(s, from, msg);
        return;
    }
    uint32_t worker = routes_worker(s->routes, from->id, from->len);
    if (!worker) {
        server_send(s, from, &(struct wire_msg){.type = WIRE_WHO});
        return;
    }
    switch (msg->type) {
    case WIRE_HEARTBEAT:
        on_heartbeat(s, worker, msg);
        return;
    case WIRE_RESULT:
        on_result(s, worker, msg, frame);
        return;
    case WIRE_RESULTS:
        on_results(s, worker, msg);
        return;
    case WIRE_RETURN:
        queue_worker_return(s->queue, s->now_ms, worker, msg);
        return;
    case WIRE_JOB_FAIL:
        queue_worker_job_fail(s->queue, s->now_ms, worker, msg);
        return;
    case WIRE_BYE:
        queue_worker_bye(s->queue, s->now_ms, worker);
        return;
    default:
        break;
    }
    queue_worker_heard(s->queue, s->now_ms, worker);
    if (msg->type == WIRE_GET_JOB)
        on_get_job(s, worker, msg);
    else if (msg->type == WIRE_GET_TABLE)
        on_get_table(s, worker, msg);
    else if (msg->type == WIRE_PUT_TABLE)
        on_put_table(s, worker, msg);
}

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
    struct wire_tiles tiles = {a->job, a->tile, a->tile_count};
    struct wire_msg m = {.type = type};
    m.tiles.window = a->window;
    if (a->tile_count > 0)
        log_debug("%s worker=%u job=%u tile=%u tiles=%u",
                  type == WIRE_ACK ? "acknowledged" : "dropped", a->worker, a->job, a->tile,
                  a->tile_count);
    m.tiles.tiles = (struct wire_list){.count = a->tile_count > 0, .items = &tiles};
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
        refuse(s, to, why, 0);
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
        refuse(s, to, &err, a->retry_ms);
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
