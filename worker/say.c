/* What the worker says to the broker; see talk.h and PROTOCOL.md, section 6. */
#include "talk_private.h"

#include "crc32c.h"
#include "log.h"
#include <stdlib.h>

enum {
    HELLO_AGAIN_MS = 1000,
    NUDGE_MS = 5000,     /* an answer sent and not acknowledged for so long reminds the broker */
    PARTS_PER_TURN = 16, /* 4 MiB; then the loop looks at what has arrived */
    WHOLES_BYTES = 32 << 10, /* of short answers in one message, and */
    WHOLES_MAX = 256,        /*   as many */
    HOLDINGS_MAX = (WIRE_PART_MAX - 1024) / 37,
    PROGRESS_MAX = (WIRE_PART_MAX - 1024) / 28,
};

static int post(struct talk *t, struct wire_msg *msg)
{
    msg->sender = t->config.session;
    buf_clear(&t->frame);
    wire_encode(msg, &t->frame);
    return t->send(t->arg, t->frame.data, t->frame.len);
}

uint32_t talk_hold_bytes(const struct talk *t)
{
    if (talk_resting(t) || t->state == TALK_LEAVING)
        return 0;
    uint64_t bytes = hand_totals(t->hand).hold_bytes;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

void say_hello(struct talk *t, int64_t now_ms)
{
    struct wire_holding *holdings = mem_alloc(HOLDINGS_MAX, sizeof *holdings);
    struct wire_msg msg = {
        .type = WIRE_HELLO,
        .tag = t->hello_tag,
        .hello = {.store = t->store,
                  .threads = (uint16_t)pool_threads(t->pool),
                  .hold_bytes = talk_hold_bytes(t),
                  .self_test = t->config.self_test,
                  .pid = t->config.pid,
                  .paused = t->paused,
                  .limit_percent = t->limit_percent,
                  .version = wire_str(HILLSWEEP_VERSION),
                  .host = wire_str(t->config.host),
                  .isa = wire_str(solver_isa())},
    };
    msg.hello.holdings.count = (uint32_t)hand_holdings(t->hand, holdings, HOLDINGS_MAX);
    msg.hello.holdings.items = holdings;
    if (post(t, &msg) == 0) {
        t->hello_ms = now_ms + HELLO_AGAIN_MS;
        t->told_bytes = msg.hello.hold_bytes;
        log_debug("hello holdings=%u", msg.hello.holdings.count);
    }
    free(holdings);
}

/* What tasks that are out have done adds to what their leases have. */
static void add_live(const struct talk *t, struct wire_progress *progress, const uint64_t *ids,
                     size_t n)
{
    for (size_t i = 0; i < pool_out(t->pool); i++) {
        const struct task *task = pool_task(t->pool, i);
        if (task->kind != TASK_SOLVE || !hand_is_solving(t->hand, task->id))
            continue;
        for (size_t k = 0; k < n; k++) {
            if (!hand_same_lease(ids[k], task->id))
                continue;
            progress[k].points_done +=
                atomic_load_explicit(&task->points_done, memory_order_relaxed);
            progress[k].cpu_ms +=
                (uint32_t)(atomic_load_explicit(&task->cpu_ns, memory_order_relaxed) / 1000000);
            break;
        }
    }
}

void say_heartbeat(struct talk *t, int64_t now_ms)
{
    size_t max = hand_totals(t->hand).leases;
    max = max < PROGRESS_MAX ? max : PROGRESS_MAX;
    struct wire_progress *progress = mem_alloc(max, sizeof *progress);
    uint64_t *ids = mem_alloc(max, sizeof *ids);
    size_t n = hand_progress(t->hand, progress, ids, max);
    add_live(t, progress, ids, n);
    struct wire_msg msg = {
        .type = WIRE_HEARTBEAT,
        .heartbeat = {.hold_bytes = talk_hold_bytes(t),
                      .sent_bytes = t->sent,
                      .progress = {.count = (uint32_t)n, .items = progress}},
    };
    post(t, &msg);
    t->told_bytes = msg.heartbeat.hold_bytes;
    t->heartbeat_ms = now_ms + t->period_ms;
    hand_nudge(t->hand, now_ms - NUDGE_MS);
    free(progress);
    free(ids);
}

void say_return(struct talk *t, const struct wire_holding *run, const char *reason)
{
    struct wire_msg msg = {
        .type = WIRE_RETURN,
        .give_back = {.token = run->token,
                      .job = run->job,
                      .first_tile = run->first_tile,
                      .tile_count = run->tile_count,
                      .reason = wire_str(reason)},
    };
    post(t, &msg);
}

static uint64_t room_left(const struct talk *t)
{
    return t->window > t->sent ? t->window - t->sent : 0;
}

static uint64_t room_for_whole(const struct talk *t, uint64_t waiting)
{
    uint64_t room = room_left(t) - waiting;
    return room < t->config.whole_bytes ? room : t->config.whole_bytes;
}

/* Nagle's rule (RFC 896), for answers: while short ones are on their way to the disk the next ones
 * wait for each other, until an ACK comes, or there are as many as threads, or for a moment. So
 * messages become fewer when the broker is slow, and nothing waits when it is not. The last ones in
 * hand do not wait, for nothing would come after them. */
int64_t talk_gathers_until(const struct talk *t, int64_t now_ms)
{
    struct hand_totals totals = hand_totals(t->hand);
    if (now_ms >= t->gather_ms || totals.waiting + totals.solving == 0)
        return INT64_MAX;
    size_t enough = WIRE_GATHER(pool_threads(t->pool));
    size_t n = hand_wholes(t->hand, t->config.whole_bytes, enough);
    return n > 0 && n < enough ? t->gather_ms : INT64_MAX;
}

/* Short answers of one lease that wait go in one message. 1: sent; 0: what comes next is none; -1:
 * the pipe is full. */
static int say_wholes(struct talk *t, int64_t now_ms)
{
    struct hand_whole w;
    struct wire_msg msg = {.type = WIRE_RESULTS};
    uint64_t ids[WHOLES_MAX], bytes = 0;
    buf_clear(&t->wholes);
    while (msg.results.count < WHOLES_MAX && t->wholes.len < WHOLES_BYTES &&
           hand_whole(t->hand, room_for_whole(t, bytes), &w)) {
        if (msg.results.count && !hand_same_lease(w.id, ids[0]))
            break;
        msg.results.job = w.job;
        msg.results.token = w.token;
        ids[msg.results.count++] = w.id;
        bytes += w.whole.data.len;
        wire_whole_add(&t->wholes, &w.whole);
        hand_whole_sent(t->hand, w.id, now_ms);
    }
    if (msg.results.count == 0)
        return 0;
    msg.results.wholes = (struct wire_span){t->wholes.data, t->wholes.len};
    if (post(t, &msg) == 0) {
        t->sent += bytes;
        t->gather_ms = now_ms + WIRE_GATHER_MS;
        return 1;
    }
    for (uint32_t i = 0; i < msg.results.count; i++)
        hand_whole_unsent(t->hand, ids[i]);
    return -1;
}

/* Answers go out within the window; true when there is more that could go at once. */
bool say_results(struct talk *t, int64_t now_ms)
{
    struct hand_part p;
    if (talk_gathers_until(t, now_ms) != INT64_MAX)
        return false;
    for (int i = 0; i < PARTS_PER_TURN; i++) {
        int rc = say_wholes(t, now_ms);
        if (rc < 0)
            return false; /* the loop wakes when it is not */
        if (rc > 0)
            continue;
        if (!hand_part(t->hand, room_left(t), &p))
            return false;
        struct wire_msg msg = {
            .type = WIRE_RESULT,
            .result = {.job = p.job,
                       .tile = p.tile,
                       .first = p.first,
                       .count = p.count,
                       .token = p.token,
                       .plane = p.part.plane,
                       .coding = p.part.coding,
                       .plane_bytes = p.part.plane_bytes,
                       .offset = p.part.offset,
                       .solve_us = p.solve_us,
                       .crc = crc32c(0, p.part.data, p.part.len),
                       .data = {p.part.data, p.part.len}},
        };
        if (post(t, &msg))
            return false; /* the pipe is full; the loop wakes when it is not */
        t->sent += p.part.len;
        hand_sent(t->hand, &p, now_ms);
    }
    return true;
}

void say_table(struct talk *t, uint32_t job, const struct buf *table)
{
    for (size_t at = 0, n; at < table->len; at += n) {
        n = table->len - at < WIRE_PART_MAX ? table->len - at : WIRE_PART_MAX;
        struct wire_msg msg = {
            .type = WIRE_PUT_TABLE,
            .part = {job, (uint32_t)table->len, (uint32_t)at, {table->data + at, n}},
        };
        if (post(t, &msg))
            return;
    }
}

void say_job_fail(struct talk *t, uint32_t job, enum err_code code, const char *text)
{
    struct wire_msg msg = {
        .type = WIRE_JOB_FAIL,
        .job_fail = {job, (uint16_t)code, wire_str(text)},
    };
    post(t, &msg);
}

void say_get(struct talk *t, enum wire_type type, uint32_t job, uint32_t offset)
{
    struct wire_msg msg = {.type = type, .get = {job, offset}};
    post(t, &msg);
}

void say_bye(struct talk *t)
{
    struct wire_msg msg = {.type = WIRE_BYE, .bye = {wire_str("leaving")}};
    post(t, &msg);
}
