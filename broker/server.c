/* See server.h. All ZeroMQ and libuv of the broker meet here. Every wake-up ends in `settle`: the
 * queue's pending actions are carried out, and one timer is armed with the next thing that is due.
 */
#include "server_private.h"

#include "door.h"
#include "hangup.h"
#include "log.h"
#include "service.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* By default a message of up to 8 KiB stays where it was received, and keeps all of that, 18 KiB,
 * for as long as it waits. zmq.h of 4.3.4 hides the name among drafts; the library of Debian 12
 * knows it. Long messages are received in their own memory in any case. */
#ifndef ZMQ_ZERO_COPY_RECV
#define ZMQ_ZERO_COPY_RECV 10
#endif

enum {
    PEERS = 8192,
    PRIVATE_HOLD_MS = 500,
    SLICE_NS = 200000, /* of a turn of the loop, for giving out work and for the sink */
};

int server_send(struct server *s, const struct route *to, struct wire_msg *msg)
{
    if (gate_roles(s->gate, to->user) == 0 && msg->type != WIRE_REFUSED) {
        if (msg->type == WIRE_REPLY || msg->type == WIRE_PAGE)
            entrance_refuse(s, to, msg->tag);
        errno = EHOSTUNREACH; /* revoked: he is gone, whatever his connection does */
        return -1;
    }
    msg->sender = s->boot;
    buf_clear(&s->out);
    wire_encode(msg, &s->out);
    int rc = zloop_send(s->zloop, to->id, to->len, s->out.data, s->out.len);
    if (rc)
        log_debug("%s not sent: %s", wire_type_name(msg->type), zmq_strerror(errno));
    else if (msg->type == WIRE_LEASE) { /* since the turn began that brought what made room */
        uint64_t now_ns = uv_hrtime();
        lag_add(&s->dispatch, now_ns, now_ns - s->turn_ns, 1);
    }
    return rc;
}

void server_send_worker(struct server *s, uint32_t worker, struct wire_msg *msg)
{
    const struct route *to = routes_of(s->routes, worker);
    if (!to) {
        queue_worker_unreachable(s->queue, s->now_ms, worker);
        return;
    }
    if (server_send(s, to, msg) && errno == EHOSTUNREACH)
        queue_worker_unreachable(s->queue, s->now_ms, worker);
}

/* --- the queue's actions --------------------------------------------------------------------- */

static void job_state_changed(struct server *s, const struct queue_action *a)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, a->job);
    if (a->state == JOB_FINISHING) { /* the sink marks it done itself when the files are named */
        sink_finish(s->sink, a->job);
        return;
    }
    log_info("job %s job=%u%s%s", job_state_name(a->state), a->job, a->text[0] ? " reason=" : "",
             a->text);
    if (job && job_state_is_over(a->state))
        job->finished_s = (int64_t)time(NULL);
    if (a->state == JOB_DONE)
        return;
    sink_job_state(s->sink, a->job, (int)a->state, a->text);
    if (job_state_is_over(a->state))
        assembly_forget_pieces(s->assembly, a->job, ASSEMBLY_ALL_TILES);
}

static void act(struct server *s, const struct queue_action *a)
{
    switch (a->type) {
    case ACTION_FRONTIER:
        sink_frontier(s->sink, a->job, a->frontier);
        break;
    case ACTION_JOB_STATE:
        job_state_changed(s, a);
        break;
    case ACTION_ALARM:
        log_warnx("%s", a->text);
        break;
    default:
        workers_action(s, a);
    }
}

static void on_timer(uv_timer_t *timer);

static void act_pending(struct server *s)
{
    struct queue_action action;
    while (queue_pending(s->queue, &action))
        act(s, &action);
}

static void on_more(uv_idle_t *idle);

/* All that events have put out, and work to workers until the time is over: the next turn of the
 * loop, which looks for messages first, goes on. Whether there was anything to do. */
static bool give_out(struct server *s, uint64_t until_ns)
{
    struct queue_action action;
    bool any = false;
    for (;; any = true) {
        if (!queue_pending(s->queue, &action)) {
            if (uv_hrtime() >= until_ns) {
                uv_idle_start(&s->more, on_more);
                return false;
            }
            if (!queue_next(s->queue, &action))
                return any;
        }
        act(s, &action);
    }
}

/* A message that could not be sent may be due for something earlier than what it came from. */
static void settle(struct server *s)
{
    int64_t next;
    uint64_t until_ns = uv_hrtime() + SLICE_NS;
    give_out(s, until_ns);
    do
        next = queue_tick(s->queue, s->now_ms);
    while (give_out(s, until_ns));
    int64_t watch = watchers_tick(s);
    if (watch < next)
        next = watch;
    if (s->stopping)
        return;
    uint64_t wait = next <= s->now_ms ? 1 : (uint64_t)(next - s->now_ms);
    uv_timer_start(&s->timer, on_timer, next == INT64_MAX ? 60000 : wait, 0);
}

static void wake_up(struct server *s)
{
    if (s->turn_ns == 0)
        s->turn_ns = uv_hrtime();
    uv_update_time(&s->loop);
    s->now_ms = (int64_t)uv_now(&s->loop);
}

static void on_more(uv_idle_t *idle)
{
    struct server *s = idle->data;
    uv_idle_stop(idle);
    wake_up(s);
    settle(s);
}

static void on_timer(uv_timer_t *timer)
{
    struct server *s = timer->data;
    wake_up(s);
    uploads_expire(s->uploads, s->now_ms);
    settle(s);
}

/* --- messages -------------------------------------------------------------------------------- */

static void malformed(struct server *s, const struct route *from, const struct wire_msg *msg,
                      const struct err *err)
{
    s->dropped++;
    log_debug("message dropped: %s", err->text);
    if (err->code != ERR_VERSION)
        return;
    struct err why = *err;
    err_hint(&why, "install hillsweep %s on both machines", HILLSWEEP_VERSION);
    reply_refused(s, from, msg->tag, &why, 0);
}

/* All else sees nothing pending, and leaves nothing: a worker that says goodbye and comes again is
 * forgotten in between. */
static void on_other_message(struct server *s, const struct route *from, const struct wire_msg *msg,
                             zmq_msg_t *frame)
{
    act_pending(s);
    if (msg->type >= WIRE_HELLO && msg->type <= WIRE_RESULTS)
        workers_message(s, from, msg, frame);
    else if (msg->type >= WIRE_REQUEST && msg->type <= WIRE_FETCH)
        clients_message(s, from, msg);
    else
        s->dropped++; /* only the broker says such things */
    act_pending(s);
}

static void on_message(void *arg, const void *route, size_t route_len, zmq_msg_t *frame, int frames)
{
    struct server *s = arg;
    struct route from = {.len = (uint8_t)route_len};
    if (route_len > ROUTE_MAX || frames != 1) {
        s->dropped++;
        return;
    }
    memcpy(from.id, route, route_len);
    from.user = gate_user(s->gate, frame);
    if (from.user == 0) { /* nobody comes by without a name where names are asked for */
        s->dropped++;
        return;
    }
    wake_up(s);
    struct wire_msg msg;
    struct err err;
    if (wire_decode(zmq_msg_data(frame), zmq_msg_size(frame), &msg, &err))
        malformed(s, &from, &msg, &err);
    else if (!entrance_admits(s, &from, &msg))
        s->dropped++;
    else if (msg.type == WIRE_RESULT || msg.type == WIRE_RESULTS)
        workers_message(s, &from, &msg, frame); /* what follows from it waits for on_drained */
    else
        on_other_message(s, &from, &msg, frame);
}

/* What results bring about is done for all of a turn together: an acknowledgement tells of many
 * tiles, and who has room for a lease is asked once. */
static void on_drained(void *arg)
{
    struct server *s = arg;
    settle(s);
}

/* --- the sink's events ----------------------------------------------------------------------- */

/* Some of what the sink tells; false: that was all. */
static bool hear_sink(struct server *s)
{
    enum { EVENTS = 128 };
    struct sink_event event;
    int n = 0;
    for (; n < EVENTS && sink_next(s->sink, &event); n++)
        events_take(s, &event);
    act_pending(s);
    return n == EVENTS;
}

/* After a large group there are tens of thousands: messages are read in between. */
static void on_sink(void *arg)
{
    struct server *s = arg;
    uint64_t until_ns = uv_hrtime() + SLICE_NS;
    bool more;
    wake_up(s);
    while ((more = hear_sink(s)) && uv_hrtime() < until_ns)
        ;
    if (more)
        wake_send(&s->sink_wake);
    settle(s);
}

static void on_crowd(uv_timer_t *timer)
{
    entrance_look(timer->data);
}

static void on_gate(void *arg)
{
    struct server *s = arg;
    wake_up(s);
    entrance_changed(s);
    settle(s);
}

/* --- life ------------------------------------------------------------------------------------ */

static void stop(struct server *s, const char *why)
{
    if (!s->stopping) {
        log_info("leaving: %s", why);
        service_say("STOPPING=1");
    }
    s->stopping = true;
    uv_stop(&s->loop);
}

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};

static void on_signal(uv_signal_t *handle, int number)
{
    stop(handle->data, strsignal(number));
}

static void on_lifeline(uv_poll_t *handle, int status, int events)
{
    (void)events;
    struct server *s = handle->data;
    char byte;
    int fd;
    uv_fileno((uv_handle_t *)handle, &fd);
    ssize_t n = status < 0 ? 0 : read(fd, &byte, 1);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        stop(s, "the lifeline has ended");
}

static void handles_open(struct server *s)
{
    s->crowd.data = s;
    uv_timer_init(&s->loop, &s->crowd);
    uv_idle_init(&s->loop, &s->more);
    s->more.data = s;
    turns_open(s);
    s->timer.data = s->lifeline.data = s;
    uv_timer_init(&s->loop, &s->timer);
    service_watchdog(&s->loop, &s->watchdog);
    for (size_t i = 0; i < sizeof signal_numbers / sizeof *signal_numbers; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        if (signal_numbers[i] != SIGHUP || !hangup_is_ignored())
            uv_signal_start(&s->signals[i], on_signal, signal_numbers[i]);
    }
    if (s->config->lifeline_fd >= 0 &&
        uv_poll_init(&s->loop, &s->lifeline, s->config->lifeline_fd) == 0) {
        s->lifeline_open = true;
        uv_poll_start(&s->lifeline, UV_READABLE | UV_DISCONNECT, on_lifeline);
    }
}

static uint64_t random_bits(void *arg)
{
    (void)arg;
    return door_random();
}

static int server_open(struct server *s, struct err *err)
{
    s->sink_wake.fd = s->gate_wake.fd = -1;
    if (wake_open(&s->sink_wake, &s->loop, on_sink, s, err) ||
        wake_open(&s->gate_wake, &s->loop, on_gate, s, err))
        return -1;
    unsigned room = door_room(PEERS);
    if (room < PEERS)
        log_info("open files are limited: no more than %u connections", room);
    struct sink_config sink_config = {.data = s->config->data,
                                      .results = s->config->results,
                                      .wake = wake_send,
                                      .wake_arg = &s->sink_wake};
    if (sink_open(&sink_config, &s->sink, err))
        return -1;
    s->zmq_ctx = zmq_ctx_new();
    assert(s->zmq_ctx);
    zmq_ctx_set(s->zmq_ctx, ZMQ_MAX_SOCKETS, (int)room + 16);
    zmq_ctx_set(s->zmq_ctx, ZMQ_ZERO_COPY_RECV, 0);
    if (entrance_open(s, err))
        return -1;
    s->boot = door_random() | 1;
    s->store = sink_store_id(s->sink);
    wake_up(s);
    struct queue_config queue_config;
    queue_config_default(&queue_config);
    queue_config.random = random_bits;
    if (s->config->results) /* its one worker is back at once or not at all */
        queue_config.hold_ms = PRIVATE_HOLD_MS;
    s->queue = queue_create(&queue_config, s->now_ms);
    events_recover(s);
    if (sink_start(s->sink, err))
        return -1;
    uv_timer_start(&s->crowd, on_crowd, DOOR_LOOK_MS, DOOR_LOOK_MS);
    s->zloop = zloop_create(&s->loop, s->socket, true, on_message, on_drained, s);
    return 0;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* The sink ends first (its thread wakes the loop), then every handle, then the sockets. */
static void server_fini(struct server *s)
{
    s->stopping = true;
    sink_close(s->sink);
    if (s->gate)
        gate_stop(s->gate);
    zloop_close(s->zloop);
    uv_walk(&s->loop, close_handle, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    if (s->socket)
        zmq_close(s->socket);
    gate_close(s->gate);
    if (s->zmq_ctx)
        zmq_ctx_term(s->zmq_ctx);
    int rc = uv_loop_close(&s->loop);
    assert(rc == 0);
    wake_fini(&s->sink_wake);
    wake_fini(&s->gate_wake);
    while (s->submissions) {
        struct submission *sub = s->submissions;
        s->submissions = sub->next;
        free(sub);
    }
    queue_destroy(s->queue);
    assembly_destroy(s->assembly);
    routes_destroy(s->routes);
    catalogue_destroy(s->catalogue);
    uploads_destroy(s->uploads);
    watchers_destroy(s->watchers);
    verifications_destroy(s->verifications);
    buf_fini(&s->out);
}

static void say_ready(const struct server_config *config)
{
    service_say("READY=1\nSTATUS=listening on %s", config->listen);
    if (config->ready_fd < 0)
        return;
    if (write(config->ready_fd, "ready\n", 6) != 6)
        log_warn("nobody reads --ready-fd");
    close(config->ready_fd);
}

int server_run(const struct server_config *config, struct err *err)
{
    struct server s = {.config = config};
    uv_loop_init(&s.loop);
    uv_loop_configure(&s.loop, UV_METRICS_IDLE_TIME);
    handles_open(&s);
    s.assembly = assembly_create();
    s.routes = routes_create();
    s.catalogue = catalogue_create();
    s.uploads = uploads_create();
    s.watchers = watchers_create();
    s.verifications = verifications_create();
    int rc = server_open(&s, err);
    if (rc == 0) {
        log_info("listening endpoint=%s data=%s version=%s", config->listen, config->data,
                 HILLSWEEP_VERSION);
        say_ready(config);
        settle(&s);
        uv_run(&s.loop, UV_RUN_DEFAULT);
    }
    server_fini(&s);
    return rc;
}
