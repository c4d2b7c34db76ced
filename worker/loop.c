/* See loop.h.
 *
 * Everything is done in `turn`, once per wake-up: it gives the talk the time and arms the timer
 * with its answer. It runs in the check phase, after the socket's own check has handed out what
 * arrived: libuv runs the handle that was started first last. Sending at that point is safe for
 * ZeroMQ's edge-triggered descriptor, because the socket's prepare looks again before the loop
 * sleeps; that also wakes the loop when a connection comes up, so that HELLO needs no timer. */
#include "loop.h"

#include "door.h"
#include "guest.h"
#include "hangup.h"
#include "sandbox.h"
#include "log.h"
#include "selftest.h"
#include "service.h"
#include "signs.h"
#include "talk.h"
#include "wake.h"
#include "zloop.h"
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HOLD_BYTES = 16 << 20,
    HOLD_BYTES_PER_THREAD = 2 << 20,
    LEAVE_MS = 1000,         /* to get answers acknowledged after a signal */
    LIFELINE_LEAVE_MS = 500, /* ... after the lifeline's end: all of it within a second */
    JOIN_MS = 200,           /* solver threads yield every millisecond */
    LINGER_MS = 200,         /* for BYE to leave the process */
    PATIENCE_MS = 3000,      /* then it says that it is still waiting for a broker */
};

struct loop {
    const struct loop_config *config;
    uv_loop_t uv;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t timer, watch, watchdog;
    struct wake wake;
    uv_poll_t lifeline;
    uv_signal_t signals[3];
    struct zloop *socket;
    struct pool *pool;
    struct talk *talk;
    struct signs_reader *signs;
    struct rules rules;
    int64_t start_ms;
    struct door *door;
    enum door_view view;
    bool heard, impatient, leaving;
};

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};

static int64_t now_ms(const struct loop *l)
{
    return (int64_t)uv_now(&l->uv);
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* keeps the loop from sleeping while there is more to send */
}

static void on_timer(uv_timer_t *handle);

static void arm(struct loop *l, int64_t at_ms)
{
    int64_t now = now_ms(l);
    if (at_ms <= now)
        uv_idle_start(&l->idle, on_idle);
    else
        uv_idle_stop(&l->idle);
    if (at_ms == INT64_MAX || at_ms <= now)
        uv_timer_stop(&l->timer);
    else
        uv_timer_start(&l->timer, on_timer, (uint64_t)(at_ms - now), 0);
}

static void grow_impatient(struct loop *l)
{
    if (l->heard || l->impatient || now_ms(l) < l->start_ms + PATIENCE_MS)
        return;
    l->impatient = true;
    log_info("no broker answers at %s; waiting for it", l->config->endpoint);
}

/* Who knocks at the wrong door says so, once, and goes on: a broker may be mended. Only a key that
 * the broker does not know ends the worker. */
static void look_at_door(struct loop *l)
{
    struct err err;
    char text[1024];
    enum door_view view = door_look(l->door, now_ms(l));
    if (view == l->view)
        return;
    l->view = view;
    if (view == DOOR_WAITING || view == DOOR_IN)
        return;
    door_explain(l->door, view, &err);
    if (view == DOOR_REFUSED)
        talk_refused(l->talk, &err);
    else
        log_warnx("%s", err_format(&err, text, sizeof text));
}

static void turn(struct loop *l)
{
    struct err err;
    look_at_door(l);
    arm(l, talk_tick(l->talk, now_ms(l)));
    if (talk_ended(l->talk, &err))
        uv_stop(&l->uv);
    grow_impatient(l);
}

/* --- what wakes the loop -------------------------------------------------------------------- */

static void on_check(uv_check_t *handle)
{
    turn(handle->data);
}

/* Timers run before the loop sleeps, not after: nothing else would look in between. */
static void on_timer(uv_timer_t *handle)
{
    turn(handle->data);
}

/* Who else needs the machine? */
static void on_watch(uv_timer_t *handle)
{
    struct loop *l = handle->data;
    struct signs signs = signs_read(l->signs, now_ms(l));
    talk_rest(l->talk, rules_judge(&l->rules, &signs, now_ms(l)));
    turn(l);
}

static void on_wake(void *arg)
{
    (void)arg; /* a task is finished; the check phase comes next */
}

static void on_message(void *arg, const void *route, size_t route_len, zmq_msg_t *frame, int frames)
{
    struct loop *l = arg;
    (void)route, (void)route_len;
    if (frames != 1)
        return; /* no message of the protocol */
    l->heard = true;
    talk_recv(l->talk, zmq_msg_data(frame), zmq_msg_size(frame), now_ms(l));
}

static int on_send(void *arg, const void *frame, size_t len)
{
    struct loop *l = arg;
    return zloop_send(l->socket, NULL, 0, frame, len);
}

static void leave(struct loop *l, int64_t wait_ms, const char *reason)
{
    guest_end_within((unsigned)(wait_ms / 1000) + 1);
    talk_leave(l->talk, now_ms(l), wait_ms, reason);
}

/* The first signal ends in order, the second one at once. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct loop *l = handle->data;
    service_say("STOPPING=1");
    leave(l, l->leaving ? 0 : LEAVE_MS, strsignal(number));
    l->leaving = true;
}

static void on_lifeline(uv_poll_t *handle, int status, int events)
{
    struct loop *l = handle->data;
    char bytes[64];
    (void)status, (void)events;
    ssize_t n = read(l->config->lifeline, bytes, sizeof bytes);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    uv_poll_stop(handle);
    leave(l, LIFELINE_LEAVE_MS, "the program that started this worker has ended");
}

/* --- beginning and end ---------------------------------------------------------------------- */

static int watch_lifeline(struct loop *l, struct err *err)
{
    int fd = l->config->lifeline;
    if (fd < 0)
        return 0;
    if (uv_poll_init(&l->uv, &l->lifeline, fd)) /* makes it non-blocking, too */
        return err_set(err, ERR_USAGE, "--lifeline %d is not an open pipe", fd);
    l->lifeline.data = l;
    uv_poll_start(&l->lifeline, UV_READABLE | UV_DISCONNECT, on_lifeline);
    if (!guest_follow_parent())
        return err_set(err, ERR_INTERRUPTED, "the program that started this worker has ended");
    return 0;
}

static void open_watch(struct loop *l)
{
    l->rules = l->config->rules;
    uv_timer_init(&l->uv, &l->watch);
    l->watch.data = l;
    if (!rules_any(&l->rules))
        return;
    l->signs = signs_open(l->config->root ? l->config->root : "");
    uv_timer_start(&l->watch, on_watch, 0, SIGNS_PERIOD_MS);
}

static int open_handles(struct loop *l, struct err *err)
{
    uv_check_init(&l->uv, &l->check);
    uv_idle_init(&l->uv, &l->idle);
    uv_timer_init(&l->uv, &l->timer);
    service_watchdog(&l->uv, &l->watchdog);
    l->check.data = l->timer.data = l;
    uv_check_start(&l->check, on_check); /* before the socket's, see above */
    l->socket = zloop_create(&l->uv, door_socket(l->door), false, on_message, NULL, l);
    for (size_t i = 0; i < sizeof signal_numbers / sizeof *signal_numbers; i++) {
        uv_signal_init(&l->uv, &l->signals[i]);
        l->signals[i].data = l;
        if (signal_numbers[i] != SIGHUP || !hangup_is_ignored())
            uv_signal_start(&l->signals[i], on_signal, signal_numbers[i]);
    }
    open_watch(l);
    return watch_lifeline(l, err);
}

static uint64_t default_hold(unsigned threads)
{
    uint64_t bytes = (uint64_t)threads * HOLD_BYTES_PER_THREAD;
    return bytes > HOLD_BYTES ? bytes : HOLD_BYTES;
}

/* The connection comes up while the known answers are solved. */
static int open_talk(struct loop *l, struct err *err)
{
    const struct loop_config *c = l->config;
    struct err failure;
    struct talk_config talk = {
        .session = door_random() | 1,
        .host = c->host,
        .pid = (uint32_t)getpid(),
        .hold_bytes = c->hold_bytes ? c->hold_bytes : default_hold(c->threads),
        .self_test = selftest_run(&failure),
        .share = c->share,
        .silence_ms = c->silence_ms,
    };
    if (talk.self_test == 0)
        log_warnx("the self-test failed: %s", failure.text);
    bool courteous = c->rules.used[RULE_CORE];
    enum pool_manners manners = c->full ? POOL_EQUAL : courteous ? POOL_COURTEOUS : POOL_IDLE;
    l->pool = pool_create(c->threads, manners, wake_send, &l->wake, err);
    if (!l->pool)
        return -1;
    l->talk = talk_create(&talk, l->pool, on_send, l);
    return 0;
}

static void close_one(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* False: a solver thread is still running, so that nothing may be freed. */
static bool close_all(struct loop *l)
{
    if (!pool_destroy(l->pool, JOIN_MS))
        return false;
    talk_destroy(l->talk);
    signs_close(l->signs);
    zloop_close(l->socket);
    uv_walk(&l->uv, close_one, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0);
    wake_fini(&l->wake);
    return true;
}

static void enter_sandbox(const struct loop *l)
{
    struct err why;
    if (!l->config->sandbox)
        return;
    if (sandbox_enter(&why) == SANDBOX_ON)
        log_debug("in its sandbox: no programs, no writing, no listening");
    else
        log_warnx("works without its sandbox: %s", why.text);
}

static int run(struct loop *l, struct err *err)
{
    if (open_talk(l, err) || open_handles(l, err))
        return -1;
    enter_sandbox(l);
    l->start_ms = now_ms(l);
    service_say("READY=1\nSTATUS=lends %u threads to %s", l->config->threads, l->config->endpoint);
    turn(l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    talk_ended(l->talk, err);
    return err->code == ERR_NONE ? 0 : -1;
}

static int open_door(struct loop *l, void *zmq, struct err *err)
{
    struct key key;
    bool have;
    const char *to = l->config->endpoint;
    int rc = key_for(to, l->config->keys, ROLE_WORKER, &key, &have, err);
    if (rc == 0)
        rc = door_open(zmq, to, have ? &key : NULL, &l->door, err);
    key_wipe(&key);
    return rc;
}

int loop_run(const struct loop_config *config, struct err *err)
{
    struct loop l = {.config = config};
    void *zmq = zmq_ctx_new();
    signal(SIGPIPE, SIG_IGN);
    if (open_door(&l, zmq, err)) {
        zmq_ctx_term(zmq);
        return -1;
    }
    uv_loop_init(&l.uv);
    int rc = wake_open(&l.wake, &l.uv, on_wake, NULL, err) || run(&l, err) ? -1 : 0;
    bool ended = close_all(&l);
    door_close(l.door, LINGER_MS);
    zmq_ctx_term(zmq);
    if (!ended) {
        log_debug("a solver thread did not yield in %d ms", JOIN_MS);
        _exit(rc ? (int)err->code : 0);
    }
    return rc;
}
