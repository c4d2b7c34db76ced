#ifndef TESTS_WORKER_BENCH_H
#define TESTS_WORKER_BENCH_H

/* A worker in a child process, so that signals are real, and the broker that a test makes for it,
 * one message at a time. Nothing sleeps: every step waits for a message or for the child's end. */

#include "crc32c.h"
#include "door.h"
#include "loop.h"
#include "recipe.h"
#include "selftest.h"
#include "wire.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

/* Only where silence is the matter may the worker grow impatient while a busy machine keeps the
 * test from answering. */
enum { JOB = 3, PATIENCE_MS = 60000, HEARTBEAT_MS = 100, SILENCE_MS = 2000 };

static const uint64_t store = 77;
static const struct token token = {0x1111, 0x2222};

/* Many tiles of some 100 kB, solved in less than a millisecond each. */
static const char job_text[] =
    "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 10]},"
    " \"z\": {\"start\": [1, 0], \"t\": {\"from\": 0, \"to\": 10, \"count\": 201}},"
    " \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 700},"
    "            \"a\": {\"from\": -2, \"to\": 7, \"count\": 400}},"
    " \"output\": {\"F\": \"1 + z(t[157])\"}, \"tolerance\": 1e-9, \"solver\": \"point\","
    " \"tiles\": [8, 8]}";

/* A tile takes a while. */
static const char slow_text[] = "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 300]},"
                                " \"z\": {\"start\": [1, 0], \"t\": [0, 300]},"
                                " \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 300},"
                                "            \"a\": {\"from\": 5, \"to\": 7, \"count\": 300}},"
                                " \"output\": {\"F\": \"z(300)\"}, \"tolerance\": 1e-9,"
                                " \"solver\": \"point\", \"tiles\": [8, 8]}";

struct bench {
    char folder[32], endpoint[64];
    void *context, *socket;
    pid_t child;
    int lifeline;
    uint64_t boot;
    unsigned char route[16];
    size_t route_len;
    zmq_msg_t frame; /* the last one received */
    struct wire_msg msg;
    struct job *job;
    struct buf document;
    uint64_t window; /* granted so far */
    uint64_t hello_tag;
    bool paused;
    uint64_t result_bytes;
};

/* --- the worker's process ------------------------------------------------------------------- */

struct worker_options {
    double share;
    bool lifeline, impatient;
};

static inline void start_worker(struct bench *b, const struct worker_options *o)
{
    int pipes[2] = {-1, -1};
    if (o->lifeline)
        assert_int_equal(pipe(pipes), 0);
    b->lifeline = pipes[1];
    b->child = fork();
    assert_true(b->child >= 0);
    if (b->child == 0) {
        if (o->lifeline)
            close(pipes[1]);
        struct loop_config config = {
            .endpoint = b->endpoint,
            .host = "testhost",
            .threads = 2,
            .share = o->share,
            .full = true, /* no waiting for the other tests */
            .lifeline = pipes[0],
            .silence_ms = o->impatient ? SILENCE_MS : PATIENCE_MS,
        };
        struct err err = {0};
        int rc = loop_run(&config, &err);
        _exit(rc ? (int)err.code : 0);
    }
    if (o->lifeline)
        close(pipes[0]);
}

static inline int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The child's exit code. */
static inline int await_end(struct bench *b)
{
    int fd = (int)syscall(SYS_pidfd_open, b->child, 0), status;
    assert_true(fd >= 0);
    struct pollfd p = {fd, POLLIN, 0};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
    close(fd);
    assert_int_equal(waitpid(b->child, &status, 0), b->child);
    b->child = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* --- the broker ----------------------------------------------------------------------------- */

static inline void serve(struct bench *b)
{
    struct err err;
    b->context = zmq_ctx_new();
    b->boot = door_random();
    if (door_bind(b->context, b->endpoint, NULL, &b->socket, &err))
        fail_msg("%s", err.text);
}

static inline void shut(struct bench *b)
{
    zmq_close(b->socket);
    zmq_ctx_term(b->context);
    b->socket = b->context = NULL;
}

static inline void send_bytes(struct bench *b, const void *bytes, size_t len)
{
    if (zmq_send(b->socket, b->route, b->route_len, ZMQ_SNDMORE) < 0) {
        assert_int_equal(errno, EHOSTUNREACH); /* it left while this was on its way */
        return;
    }
    assert_true(zmq_send(b->socket, bytes, len, 0) >= 0);
}

static inline void say(struct bench *b, struct wire_msg *msg)
{
    struct buf out = {0};
    msg->sender = b->boot;
    wire_encode(msg, &out);
    send_bytes(b, out.data, out.len);
    buf_fini(&out);
}

static inline void pong(struct bench *b)
{
    say(b, &(struct wire_msg){.type = WIRE_PONG, .pong = {b->window, b->paused, 100}});
}

/* The next message into b->msg; false when none comes in time. */
static inline bool receive(struct bench *b, int64_t until_ms)
{
    int64_t left = until_ms - now_ms();
    zmq_pollitem_t item = {b->socket, 0, ZMQ_POLLIN, 0};
    if (zmq_poll(&item, 1, left > 0 ? (long)left : 0) <= 0)
        return false;
    int n = zmq_recv(b->socket, b->route, sizeof b->route, 0);
    assert_in_range(n, 1, sizeof b->route);
    b->route_len = (size_t)n;
    zmq_msg_close(&b->frame);
    zmq_msg_init(&b->frame);
    assert_true(zmq_msg_recv(&b->frame, b->socket, 0) >= 0);
    assert_false(zmq_msg_more(&b->frame));
    struct err err;
    if (wire_decode(zmq_msg_data(&b->frame), zmq_msg_size(&b->frame), &b->msg, &err))
        fail_msg("%s", err.text);
    if (b->msg.type == WIRE_HELLO)
        b->hello_tag = b->msg.tag;
    if (b->msg.type == WIRE_RESULT) {
        b->result_bytes += b->msg.result.data.len;
        assert_true(b->result_bytes <= b->window);
    }
    return true;
}

/* Waits for a message of this type; heartbeats are answered, others passed over. */
static inline void expect(struct bench *b, enum wire_type type)
{
    int64_t until = now_ms() + PATIENCE_MS;
    for (;;) {
        if (!receive(b, until))
            fail_msg("no %s came", wire_type_name(type));
        if (b->msg.type == type)
            return;
        if (b->msg.type == WIRE_HEARTBEAT)
            pong(b);
    }
}

static inline void welcome(struct bench *b, uint64_t store_id, uint64_t window)
{
    b->window = window;
    b->result_bytes = 0;
    say(b, &(struct wire_msg){
               .type = WIRE_WELCOME,
               .tag = b->hello_tag,
               .welcome = {store_id, window, 1, HEARTBEAT_MS, wire_str("0.1.0")},
           });
}

static inline void lease(struct bench *b, uint32_t first_tile, uint32_t tile_count, struct token t)
{
    say(b, &(struct wire_msg){
               .type = WIRE_LEASE,
               .lease = {JOB, first_tile, tile_count, 0, 0, t, 0},
           });
}

static inline void part(struct bench *b, enum wire_type type, const struct buf *blob,
                        uint32_t offset, size_t most)
{
    size_t n = blob->len - offset < most ? blob->len - offset : most;
    say(b, &(struct wire_msg){
               .type = type,
               .part = {JOB, (uint32_t)blob->len, offset, {blob->data + offset, n}},
           });
}

/* Takes the worker's table and makes it the job's own. */
static inline void take_table(struct bench *b, struct buf *table)
{
    expect(b, WIRE_PUT_TABLE);
    do {
        assert_int_equal(b->msg.part.offset, table->len);
        buf_add(table, b->msg.part.data.data, b->msg.part.data.len);
        if (table->len < b->msg.part.total)
            expect(b, WIRE_PUT_TABLE);
    } while (table->len < b->msg.part.total);
}

static inline void serve_job(struct bench *b)
{
    expect(b, WIRE_GET_JOB);
    part(b, WIRE_JOB_PART, &b->document, 0, WIRE_PART_MAX);
}

static inline void serve_table(struct bench *b)
{
    struct buf table = {0};
    say(b, &(struct wire_msg){.type = WIRE_TABLE_PART, .part = {JOB, 0, 0, {"", 0}}});
    take_table(b, &table);
    for (uint32_t at = 0; at < table.len; at += WIRE_PART_MAX)
        part(b, WIRE_TABLE_PART, &table, at, WIRE_PART_MAX);
    buf_fini(&table);
}

/* HELLO, WELCOME, a lease of these tiles, the job and its table. */
static inline void begin(struct bench *b, uint64_t window, uint32_t first_tile, uint32_t tile_count)
{
    expect(b, WIRE_HELLO);
    welcome(b, store, window);
    lease(b, first_tile, tile_count, token);
    serve_job(b);
    serve_table(b);
}

static inline void ack(struct bench *b, enum wire_type type, uint32_t first_tile,
                       uint32_t tile_count)
{
    struct wire_tiles run = {JOB, first_tile, tile_count};
    say(b, &(struct wire_msg){
               .type = type,
               .tiles = {b->window, {.count = 1, .items = &run}},
           });
}

/* --- a tile's answer ------------------------------------------------------------------------ */

enum { PLANES = 3 };

struct answer {
    unsigned char *bytes[PLANES];
    uint32_t have[PLANES], total[PLANES];
    uint8_t coding[PLANES];
};

static inline bool is_whole(const struct answer *a)
{
    for (int i = 0; i < PLANES; i++)
        if (a->total[i] == 0 || a->have[i] < a->total[i])
            return false;
    return true;
}

static inline void add_part(struct bench *b, struct answer *a)
{
    uint16_t plane = b->msg.result.plane;
    const struct wire_span *data = &b->msg.result.data;
    assert_true(plane < PLANES && token_equal(b->msg.result.token, token));
    assert_int_equal(b->msg.result.job, JOB);
    assert_int_equal(b->msg.result.crc, crc32c(0, data->data, data->len));
    assert_int_equal(b->msg.result.offset, a->have[plane]);
    a->total[plane] = b->msg.result.plane_bytes;
    a->coding[plane] = b->msg.result.coding;
    a->bytes[plane] = realloc(a->bytes[plane], a->total[plane]);
    memcpy(a->bytes[plane] + a->have[plane], data->data, data->len);
    a->have[plane] += (uint32_t)data->len;
}

/* The whole answers to tiles [0, count), in whatever order they come. */
static inline void collect(struct bench *b, struct answer *a, uint32_t count)
{
    memset(a, 0, count * sizeof *a);
    for (uint32_t i = 0; i < count; i++) {
        while (!is_whole(&a[i])) {
            expect(b, WIRE_RESULT);
            assert_true(b->msg.result.tile < count);
            add_part(b, &a[b->msg.result.tile]);
        }
    }
}

static inline void forget(struct answer *a)
{
    for (int i = 0; i < PLANES; i++)
        free(a->bytes[i]);
}

static inline int never(void *arg, size_t points_done)
{
    (void)arg, (void)points_done;
    return 0;
}

/* The same tile solved here, plane by plane. */
static inline void check_answer(struct bench *b, uint32_t tile, const struct answer *a)
{
    struct buf document = {0};
    struct err err;
    buf_add(&document, b->document.data, b->document.len);
    struct recipe *recipe = recipe_create(&document, 1);
    assert_int_equal(recipe_build(recipe, &err), 0);
    uint32_t points = (uint32_t)job_tile_points(b->job, tile);
    struct planes *planes = planes_create(1, true, points);
    assert_int_equal(recipe_solve(recipe, 0, tile, 0, points, planes, never, NULL), 0);
    assert_int_equal(a->total[0], points * 8);
    assert_memory_equal(a->bytes[0], planes_field(planes, 0), points * 8);
    assert_memory_equal(a->bytes[1], planes_errors(planes, 0), a->total[1]);
    assert_memory_equal(a->bytes[2], planes_status(planes), a->total[2]);
    assert_int_equal(a->coding[2], WIRE_SAME);
    planes_destroy(planes);
    recipe_destroy(recipe);
}

/* --- the stage ------------------------------------------------------------------------------ */

static inline int stage(void **state, const char *text)
{
    struct bench *b = calloc(1, sizeof *b);
    struct err err;
    strcpy(b->folder, "/tmp/hillsweep.XXXXXX");
    if (!mkdtemp(b->folder))
        return -1;
    snprintf(b->endpoint, sizeof b->endpoint, "ipc://%s/broker", b->folder);
    if (job_parse(text, strlen(text), NULL, &b->job, &err))
        return -1;
    job_encode(b->job, &b->document);
    zmq_msg_init(&b->frame);
    b->lifeline = -1;
    *state = b;
    return 0;
}

static inline int setup_with(void **state, const struct worker_options *options)
{
    if (stage(state, job_text))
        return -1;
    start_worker(*state, options);
    serve(*state); /* after the fork: no threads of ours are copied */
    return 0;
}

static inline int setup(void **state)
{
    return setup_with(state, &(struct worker_options){.share = 1});
}

static inline int setup_impatient(void **state)
{
    return setup_with(state, &(struct worker_options){.share = 1, .impatient = true});
}

/* A worker that rests for seconds after a millisecond's work: of many tiles it solves a few at
 * most. */
static inline int setup_slow(void **state)
{
    if (stage(state, slow_text))
        return -1;
    start_worker(*state, &(struct worker_options){.share = 0.0002, .lifeline = true});
    serve(*state);
    return 0;
}

static inline int teardown(void **state)
{
    struct bench *b = *state;
    if (b->child > 0) {
        kill(b->child, SIGKILL);
        waitpid(b->child, NULL, 0);
    }
    zmq_msg_close(&b->frame);
    if (b->socket)
        shut(b);
    if (b->lifeline >= 0)
        close(b->lifeline);
    unlink(b->endpoint + strlen("ipc://"));
    rmdir(b->folder);
    job_destroy(b->job);
    buf_fini(&b->document);
    free(b);
    return 0;
}

static const uint64_t wide = 1 << 30;

#endif
