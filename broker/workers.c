/* What workers send. See PROTOCOL.md section 4. */
#include "server_private.h"

#include "log.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { HEARTBEAT_MS = 1000 };

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
        reply_refused(s, from, 0, &err, 0);
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
        reply_refused(s, from, 0, &err, retry_ms);
        return;
    }
    assembly_forget_worker(s->assembly, worker); /* it sends unfinished results again */
    greet(s, from, msg, worker);
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
        tables_get_job(s, worker, msg);
    else if (msg->type == WIRE_GET_TABLE)
        tables_get(s, worker, msg);
    else if (msg->type == WIRE_PUT_TABLE)
        tables_put(s, worker, msg);
}
