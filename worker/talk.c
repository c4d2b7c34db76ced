/* See talk.h. The messages are answered in handlers (one for each type, in a table); everything
 * that happens by itself is in talk_tick. What is lost when the connection cannot take a frame is
 * what somebody asks for again by himself (PROTOCOL.md, section 8); only HELLO and RESULT are kept.
 */
#include "talk_private.h"

#include "log.h"
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SILENCE_MS = 4000,
    HEARTBEAT_MS = 1000,
    TICK_MS = 10,         /* what is due and cannot be done yet is tried again */
    ROOM_FOR_RECIPES = 2, /* places in the pool that solving leaves free */
};

struct talk *talk_create(const struct talk_config *config, struct pool *pool, talk_send_fn *send,
                         void *arg)
{
    struct talk *t = mem_alloc(1, sizeof *t);
    t->config = *config;
    if (t->config.silence_ms == 0)
        t->config.silence_ms = SILENCE_MS;
    if (t->config.whole_bytes == 0)
        t->config.whole_bytes = WIRE_WHOLE_MAX;
    t->pool = pool;
    t->send = send;
    t->arg = arg;
    t->hand = hand_create(config->hold_bytes);
    t->shelf = shelf_create(pool_threads(pool));
    t->period_ms = HEARTBEAT_MS;
    t->hello_tag = 1;
    pool_limit(pool, config->share);
    return t;
}

void talk_destroy(struct talk *t)
{
    if (!t)
        return;
    hand_destroy(t->hand);
    shelf_destroy(t->shelf);
    buf_fini(&t->frame);
    buf_fini(&t->wholes);
    free(t);
}

static void end(struct talk *t, enum err_code code, const char *text, size_t len)
{
    t->state = TALK_ENDED;
    if (code != ERR_NONE)
        err_set(&t->end, code, "%.*s", (int)len, text);
}

/* --- states --------------------------------------------------------------------------------- */

static void call(struct talk *t, int64_t now_ms)
{
    t->state = TALK_CALLING;
    t->hello_tag++;
    t->hello_ms = now_ms;
}

/* --- what the broker says ------------------------------------------------------------------- */

static void on_welcome(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    if (t->state != TALK_CALLING || msg->tag != t->hello_tag)
        return; /* the answer to a HELLO that is no longer so */
    if (t->store != 0 && t->store != msg->welcome.store) {
        log_info("the broker has another store; all work in hand is forgotten");
        hand_clear(t->hand);
        shelf_clear(t->shelf);
    }
    log_info("joined worker=%u broker_version=%.*s window=%" PRIu64, msg->welcome.worker,
             (int)msg->welcome.version.len, (const char *)msg->welcome.version.data,
             msg->welcome.window);
    t->state = TALK_JOINED;
    t->store = msg->welcome.store;
    t->boot = msg->sender;
    t->window = msg->welcome.window;
    t->sent = 0;
    t->gather_ms = 0;
    t->period_ms = msg->welcome.heartbeat_ms ? msg->welcome.heartbeat_ms : HEARTBEAT_MS;
    t->heartbeat_ms = now_ms + t->period_ms;
    hand_send_again(t->hand);
    shelf_hurry(t->shelf);
    if (t->rest[0])
        talk_say_rest(t);
}

static void on_refused(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    const char *text = msg->refused.text.data;
    int len = (int)msg->refused.text.len;
    if (t->state == TALK_LEAVING || msg->refused.retry_ms == 0) {
        enum err_code code = msg->refused.code ? (enum err_code)msg->refused.code : ERR_OTHER;
        end(t, t->state == TALK_LEAVING ? ERR_NONE : code, text, msg->refused.text.len);
        return;
    }
    log_warnx("the broker refuses this worker for now: %.*s retry_ms=%u", len, text,
              msg->refused.retry_ms);
    hand_clear(t->hand);
    t->state = TALK_REFUSED;
    t->retry_ms = now_ms + msg->refused.retry_ms;
}

/* Many messages of one moment may each be answered with WHO; one HELLO answers them all. */
static void on_who(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)msg;
    if (t->state == TALK_JOINED)
        call(t, now_ms);
    else if (t->state == TALK_LEAVING)
        end(t, ERR_NONE, "",
            0); /* whatever is left in hand, its broker does not know it any more */
}

static struct shelf_part part_of(const struct wire_msg *msg)
{
    return (struct shelf_part){msg->part.job, msg->part.total, msg->part.offset,
                               msg->part.data.data, msg->part.data.len};
}

static void on_job_part(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)now_ms;
    struct shelf_part part = part_of(msg);
    shelf_job_part(t->shelf, &part);
}

static void on_table_part(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)now_ms;
    struct shelf_part part = part_of(msg);
    shelf_table_part(t->shelf, &part);
}

static bool job_is_used(void *arg, uint32_t job)
{
    return hand_uses(arg, job);
}

static void on_lease(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)now_ms;
    struct hand_lease lease = {msg->lease.job,
                               msg->lease.first_tile,
                               msg->lease.tile_count,
                               msg->lease.first,
                               msg->lease.count,
                               msg->lease.token,
                               (msg->lease.flags & WIRE_LEASE_LEAVES) != 0};
    struct wire_holding run = {.job = lease.job,
                               .first_tile = lease.first_tile,
                               .tile_count = lease.tile_count,
                               .token = lease.token};
    if (t->state == TALK_LEAVING)
        say_return(t, &run, "leaving");
    else if (talk_resting(t))
        say_return(t, &run, talk_resting(t));
    else if (!hand_add(t->hand, &lease))
        say_return(t, &run, "no such tiles");
    else {
        shelf_want(t->shelf, lease.job);
        shelf_trim(t->shelf, job_is_used, t->hand);
    }
}

static void widen(struct talk *t, uint64_t window)
{
    if (t->state != TALK_CALLING && window > t->window)
        t->window = window;
}

static void on_ack(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)now_ms;
    widen(t, msg->tiles.window);
    t->gather_ms = 0;
    for (uint32_t i = 0; i < msg->tiles.tiles.count; i++) {
        struct wire_tiles run = wire_tiles_at(&msg->tiles.tiles, i);
        hand_ack(t->hand, &run);
    }
}

static void on_drop(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)now_ms;
    for (uint32_t i = 0; i < msg->tiles.tiles.count; i++) {
        struct wire_tiles run = wire_tiles_at(&msg->tiles.tiles, i);
        hand_drop(t->hand, &run);
    }
}

static void on_pong(struct talk *t, const struct wire_msg *msg, int64_t now_ms)
{
    (void)now_ms;
    widen(t, msg->pong.window);
    talk_limit(t, msg->pong.limit_percent);
    if (t->state == TALK_JOINED)
        talk_pause(t, msg->pong.paused);
}

typedef void handler_fn(struct talk *t, const struct wire_msg *msg, int64_t now_ms);

static handler_fn *const handlers[] = {
    [WIRE_WELCOME] = on_welcome,
    [WIRE_REFUSED] = on_refused,
    [WIRE_WHO] = on_who,
    [WIRE_JOB_PART] = on_job_part,
    [WIRE_TABLE_PART] = on_table_part,
    [WIRE_LEASE] = on_lease,
    [WIRE_ACK] = on_ack,
    [WIRE_DROP] = on_drop,
    [WIRE_PONG] = on_pong,
};

void talk_recv(struct talk *t, const void *frame, size_t len, int64_t now_ms)
{
    struct wire_msg msg;
    struct err err;
    if (t->state == TALK_ENDED)
        return;
    if (wire_decode(frame, len, &msg, &err)) {
        t->strange++;
        log_debug("a frame is not understood: %s count=%" PRIu64, err.text, t->strange);
        if (err.code == ERR_VERSION)
            end(t, ERR_VERSION, err.text, strlen(err.text));
        return;
    }
    size_t type = (size_t)msg.type;
    if (type >= sizeof handlers / sizeof *handlers || !handlers[type]) {
        t->strange++;
        return;
    }
    t->heard_ms = now_ms;
    if (t->state == TALK_JOINED && msg.sender != t->boot)
        call(t, now_ms); /* the broker was started again */
    handlers[type](t, &msg, now_ms);
}

/* --- what happens by itself ----------------------------------------------------------------- */

static void collect(struct talk *t)
{
    for (struct task *task; (task = pool_collect(t->pool));) {
        const struct err *failure = task->failed ? &task->err : NULL;
        uint64_t cpu_us = atomic_load(&task->cpu_ns) / 1000;
        if (task->kind == TASK_BUILD)
            shelf_built(t->shelf, task->recipe, failure);
        else if (task->kind == TASK_ADOPT)
            shelf_adopted(t->shelf, task->recipe, failure);
        else if (!task->failed) {
            planes_trim(task->planes);
            hand_put(t->hand, task->id, task->planes, (uint32_t)cpu_us);
            task->planes = NULL;
        }
        shelf_return(t->shelf, task->recipe);
        task_destroy(task);
    }
}

static void submit(struct talk *t, struct task *task)
{
    shelf_lend(t->shelf, task->recipe);
    pool_submit(t->pool, task);
}

static void fail_job(struct talk *t, uint32_t job, const struct err *err)
{
    char text[1024];
    err_format(err, text, sizeof text);
    log_warnx("the job cannot be solved here: %s job=%u", text, job);
    say_job_fail(t, job, err->code, text);
    hand_forget_job(t->hand, job);
}

static void open_job(struct talk *t, uint32_t job, const struct recipe *recipe)
{
    size_t misfits = hand_open(t->hand, job, recipe_job(recipe));
    if (misfits > 0)
        log_warnx("leases of tiles that the job does not have job=%u leases=%zu", job, misfits);
}

static void act(struct talk *t, struct shelf_action *a)
{
    struct task *task;
    switch (a->type) {
    case SHELF_ASK_JOB:
        say_get(t, WIRE_GET_JOB, a->job, a->offset);
        break;
    case SHELF_ASK_TABLE:
        say_get(t, WIRE_GET_TABLE, a->job, a->offset);
        break;
    case SHELF_PUT_TABLE:
        say_table(t, a->job, recipe_table(a->recipe));
        break;
    case SHELF_BUILD:
        submit(t, task_create(TASK_BUILD, a->recipe));
        break;
    case SHELF_ADOPT:
        task = task_create(TASK_ADOPT, a->recipe);
        task->table = a->table;
        submit(t, task);
        break;
    case SHELF_READY:
        open_job(t, a->job, a->recipe);
        break;
    case SHELF_FAILED:
        fail_job(t, a->job, &a->err);
        break;
    case SHELF_GONE:
        hand_forget_job(t->hand, a->job);
        break;
    }
}

/* Tasks of pieces that have left the hand end; pieces that wait go to the pool. */
static void feed(struct talk *t)
{
    for (size_t i = 0; i < pool_out(t->pool); i++) {
        struct task *task = pool_task(t->pool, i);
        if (task->kind == TASK_SOLVE && !hand_is_solving(t->hand, task->id))
            pool_cancel(t->pool, task);
    }
    struct hand_pick pick;
    while (pool_room(t->pool) > ROOM_FOR_RECIPES && hand_take(t->hand, &pick)) {
        struct recipe *recipe = shelf_recipe(t->shelf, pick.job);
        assert(recipe); /* only leases of ready jobs are open */
        struct task *task = task_create(TASK_SOLVE, recipe);
        task->id = pick.id;
        task->tile = pick.tile;
        task->first = pick.first;
        task->count = pick.count;
        const struct job *job = recipe_job(recipe);
        task->planes = planes_create((uint32_t)job->output_count, job->errors, pick.count);
        if (pick.leaves)
            planes_offer_leaves(task->planes);
        submit(t, task);
    }
}

/* The broker learns at once of what it can act upon: less or more room, or nothing left to do. */
static bool has_news(struct talk *t)
{
    struct hand_totals totals = hand_totals(t->hand);
    bool has_work = totals.waiting + totals.solving > 0;
    bool ran_out = t->had_work && !has_work;
    t->had_work = has_work;
    return ran_out || talk_hold_bytes(t) != t->told_bytes;
}

static bool is_joined(const struct talk *t)
{
    return t->state == TALK_JOINED || t->state == TALK_LEAVING;
}

static void change_state(struct talk *t, int64_t now_ms)
{
    if (t->state == TALK_JOINED && now_ms >= t->heard_ms + t->config.silence_ms) {
        log_info("the broker is silent; calling it");
        call(t, now_ms);
    }
    if (t->state == TALK_REFUSED && now_ms >= t->retry_ms)
        call(t, now_ms);
    if (t->state == TALK_CALLING && now_ms >= t->hello_ms)
        say_hello(t, now_ms);
    if (t->state == TALK_LEAVING && (hand_totals(t->hand).solved == 0 || now_ms >= t->leave_ms)) {
        say_bye(t);
        end(t, ERR_NONE, "", 0);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const struct talk *t, int64_t now_ms)
{
    switch (t->state) {
    case TALK_CALLING:
        return t->hello_ms > now_ms ? t->hello_ms : INT64_MAX; /* the connection will wake us */
    case TALK_JOINED:
        return earlier(earlier(t->heard_ms + t->config.silence_ms, t->heartbeat_ms),
                       earlier(shelf_deadline(t->shelf), talk_gathers_until(t, now_ms)));
    case TALK_REFUSED:
        return t->retry_ms;
    case TALK_LEAVING:
        return earlier(t->leave_ms, t->heartbeat_ms);
    case TALK_ENDED:
        break;
    }
    return INT64_MAX;
}

int64_t talk_tick(struct talk *t, int64_t now_ms)
{
    struct shelf_action action;
    bool more = false;
    collect(t);
    if (t->state == TALK_ENDED)
        return INT64_MAX;
    while (t->state == TALK_JOINED && pool_room(t->pool) > 0 &&
           shelf_next(t->shelf, now_ms, &action))
        act(t, &action);
    feed(t);
    change_state(t, now_ms);
    if (is_joined(t)) {
        more = say_results(t, now_ms);
        if (has_news(t) || now_ms >= t->heartbeat_ms)
            say_heartbeat(t, now_ms);
    }
    if (more)
        return now_ms;
    int64_t at = deadline(t, now_ms);
    return at > now_ms ? at : now_ms + TICK_MS;
}

void talk_leave(struct talk *t, int64_t now_ms, int64_t wait_ms, const char *reason)
{
    if (t->state == TALK_ENDED)
        return;
    log_info("leaving reason=\"%s\"", reason);
    if (t->state == TALK_LEAVING) {
        t->leave_ms = earlier(t->leave_ms, now_ms + wait_ms);
    } else if (t->state != TALK_JOINED) {
        end(t, ERR_NONE, "", 0);
    } else {
        collect(t);
        t->state = TALK_LEAVING;
        t->leave_ms = now_ms + wait_ms;
        talk_give_back(t, reason);
    }
}

void talk_refused(struct talk *t, const struct err *why)
{
    if (t->state == TALK_ENDED)
        return;
    t->state = TALK_ENDED;
    t->end = *why;
}

bool talk_ended(const struct talk *t, struct err *err)
{
    *err = t->end;
    return t->state == TALK_ENDED;
}
