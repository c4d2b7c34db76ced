/* When answers go out: short ones gather while others are on their way to the disk, and only then.
 * The conversation is the real one; the solver threads are a pool that ends a task when the test
 * says so, and the broker is the test. */
#include "talk.h"

#include "planes.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { JOB = 3, THREADS = 6, OUT_MAX = 64 };

/* Slow points: one to a tile. */
static const char job_text[] =
    "{\"z\": {\"start\": [1, 0], \"t\": [0, 20000], "
    "\"ddz\": \"-a*z - q*dz*sin(t)\"}, \"grid\": {\"q\": {\"from\": 0, \"to\": 1, \"count\": 8},"
    " \"a\": {\"from\": 1, \"to\": 2, \"count\": 8}}, \"output\": {\"F\": \"z(20000)\"}}";

struct pool {
    struct task *out[OUT_MAX];
    bool done[OUT_MAX];
    size_t count;
};

unsigned pool_threads(const struct pool *c)
{
    (void)c;
    return THREADS;
}

size_t pool_room(const struct pool *c)
{
    return OUT_MAX - c->count;
}

void pool_submit(struct pool *c, struct task *t)
{
    assert_true(c->count < OUT_MAX);
    c->done[c->count] = false;
    c->out[c->count++] = t;
}

struct task *pool_collect(struct pool *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (!c->done[i])
            continue;
        struct task *t = c->out[i];
        memmove(c->out + i, c->out + i + 1, (c->count - i - 1) * sizeof *c->out);
        memmove(c->done + i, c->done + i + 1, c->count - i - 1);
        c->count--;
        return t;
    }
    return NULL;
}

void pool_cancel(struct pool *c, struct task *t)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->out[i] != t)
            continue;
        c->done[i] = true;
        t->failed = -1;
    }
}

size_t pool_out(const struct pool *c)
{
    return c->count;
}

struct task *pool_task(const struct pool *c, size_t i)
{
    return c->out[i];
}

void pool_limit(struct pool *c, double share)
{
    (void)c;
    (void)share;
}

struct bench {
    struct pool pool;
    struct talk *talk;
    struct buf document, table;
    uint64_t hello_tag;
    uint32_t messages, answers, parts; /* RESULTS, answers in them, RESULT */
    int64_t now_ms;
};

/* The oldest tasks are done. */
static void finish(struct bench *b, size_t n)
{
    for (size_t i = 0; i < b->pool.count && n > 0; i++) {
        struct task *t = b->pool.out[i];
        if (b->pool.done[i])
            continue;
        if (t->kind == TASK_BUILD)
            t->failed = recipe_build(t->recipe, &t->err);
        else if (t->kind == TASK_ADOPT)
            t->failed = recipe_adopt(t->recipe, t->table.data, t->table.len, &t->err);
        else {
            memset(planes_field(t->planes, 0), 0, t->count * sizeof(double));
            memset(planes_errors(t->planes, 0), 0, t->count * sizeof(float));
            memset(planes_status(t->planes), 1, t->count);
            planes_code(t->planes, 10);
        }
        b->pool.done[i] = true;
        n--;
    }
}

static int on_send(void *arg, const void *frame, size_t len)
{
    struct bench *b = arg;
    struct wire_msg m;
    struct err err;
    assert_int_equal(wire_decode(frame, len, &m, &err), 0);
    if (m.type == WIRE_HELLO)
        b->hello_tag = m.tag;
    if (m.type == WIRE_PUT_TABLE)
        buf_add(&b->table, m.part.data.data, m.part.data.len);
    b->messages += m.type == WIRE_RESULTS;
    b->answers += m.type == WIRE_RESULTS ? m.results.count : 0;
    b->parts += m.type == WIRE_RESULT;
    return 0;
}

static void say(struct bench *b, struct wire_msg *m)
{
    struct buf frame = {0};
    m->sender = 77;
    wire_encode(m, &frame);
    talk_recv(b->talk, frame.data, frame.len, b->now_ms);
    buf_fini(&frame);
}

/* Joined, the job built, and a lease of so many tiles at the solver threads. */
static void work(struct bench *b, uint32_t tiles, uint32_t count)
{
    struct wire_msg m = {.type = WIRE_WELCOME};
    talk_tick(b->talk, b->now_ms);
    m.tag = b->hello_tag;
    m.welcome.store = 5;
    m.welcome.window = 1u << 20;
    m.welcome.worker = 1;
    m.welcome.version = wire_str(HILLSWEEP_VERSION);
    say(b, &m);
    m = (struct wire_msg){.type = WIRE_LEASE};
    m.lease.job = JOB;
    m.lease.tile_count = tiles;
    m.lease.count = count;
    m.lease.token = (struct token){1, 2};
    say(b, &m);
    talk_tick(b->talk, b->now_ms);
    m = (struct wire_msg){.type = WIRE_JOB_PART};
    m.part.job = JOB;
    m.part.total = (uint32_t)b->document.len;
    m.part.data = (struct wire_span){b->document.data, b->document.len};
    say(b, &m);
    talk_tick(b->talk, b->now_ms);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    m = (struct wire_msg){.type = WIRE_TABLE_PART};
    m.part.job = JOB;
    say(b, &m); /* there is none yet */
    talk_tick(b->talk, b->now_ms);
    m.part.total = (uint32_t)b->table.len;
    m.part.data = (struct wire_span){b->table.data, b->table.len};
    say(b, &m);
    talk_tick(b->talk, b->now_ms);
    finish(b, b->pool.count && b->pool.out[0]->kind == TASK_ADOPT);
    talk_tick(b->talk, b->now_ms);
    assert_int_equal(b->pool.count, tiles);
    assert_int_equal(b->pool.out[0]->kind, TASK_SOLVE);
}

static void ack(struct bench *b, uint32_t first, uint32_t count)
{
    struct wire_tiles tiles = {JOB, first, count};
    struct wire_msg m = {.type = WIRE_ACK};
    m.tiles.window = 2u << 20;
    m.tiles.tiles = (struct wire_list){.count = 1, .items = &tiles};
    say(b, &m);
}

static void expect(const struct bench *b, uint32_t messages, uint32_t answers)
{
    assert_int_equal(b->messages, messages);
    assert_int_equal(b->answers, answers);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct talk_config config = {
        .session = 1, .host = "here", .hold_bytes = 1u << 20, .self_test = 1, .share = 1};
    struct job *job;
    struct err err;
    if (job_parse(job_text, strlen(job_text), NULL, &job, &err))
        fail_msg("%s", err.text);
    assert_int_equal(job_tile_count(job), 64);
    job_encode(job, &b->document);
    job_destroy(job);
    b->talk = talk_create(&config, &b->pool, on_send, b);
    b->now_ms = 1000;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    while (b->pool.count)
        task_destroy(b->pool.out[--b->pool.count]);
    talk_destroy(b->talk);
    buf_fini(&b->document);
    buf_fini(&b->table);
    free(b);
    return 0;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_the_first_answer_goes_at_once(void **state)
{
    struct bench *b = *state;
    work(b, 20, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    expect(b, 1, 1);
}

static void test_further_ones_gather_until_an_ack(void **state)
{
    struct bench *b = *state;
    work(b, 20, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    finish(b, 2);
    assert_int_equal(talk_tick(b->talk, b->now_ms + 1), b->now_ms + WIRE_GATHER_MS);
    finish(b, THREADS - 3);
    talk_tick(b->talk, b->now_ms + 2);
    expect(b, 1, 1);
    ack(b, 0, 1);
    talk_tick(b->talk, b->now_ms + 3);
    expect(b, 2, THREADS);
}

static void test_as_many_as_threads_do_not_wait(void **state)
{
    struct bench *b = *state;
    work(b, 20, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    finish(b, THREADS);
    talk_tick(b->talk, b->now_ms + 1);
    expect(b, 2, 1 + THREADS);
}

static void test_they_wait_for_a_moment_only(void **state)
{
    struct bench *b = *state;
    work(b, 20, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms + WIRE_GATHER_MS - 1);
    expect(b, 1, 1);
    talk_tick(b->talk, b->now_ms + WIRE_GATHER_MS);
    expect(b, 2, 2);
}

static void test_the_last_ones_do_not_wait(void **state)
{
    struct bench *b = *state;
    work(b, 4, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    finish(b, 2);
    talk_tick(b->talk, b->now_ms + 1);
    expect(b, 1, 1);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms + 2);
    expect(b, 2, 4);
}

static void test_who_leaves_does_not_wait(void **state)
{
    struct bench *b = *state;
    work(b, 20, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    finish(b, 1);
    talk_leave(b->talk, b->now_ms + 1, 800, "terminated");
    talk_tick(b->talk, b->now_ms + 1);
    expect(b, 2, 2);
}

/* The broker blames those who have not come. */
static void test_a_piece_does_not_wait(void **state)
{
    struct bench *b = *state;
    work(b, 20, 0);
    finish(b, 1);
    talk_tick(b->talk, b->now_ms);
    struct wire_msg m = {.type = WIRE_LEASE};
    m.lease.job = JOB;
    m.lease.first_tile = 40;
    m.lease.tile_count = m.lease.count = 1;
    m.lease.token = (struct token){3, 4};
    say(b, &m);
    talk_tick(b->talk, b->now_ms + 1);
    assert_int_equal(b->pool.count, 20);
    struct task *last = b->pool.out[19];
    memmove(b->pool.out + 1, b->pool.out, 19 * sizeof *b->pool.out);
    b->pool.out[0] = last;
    finish(b, 1);
    talk_tick(b->talk, b->now_ms + 2);
    assert_true(b->parts > 0);
    expect(b, 1, 1);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_the_first_answer_goes_at_once),
        WITH_BENCH(test_further_ones_gather_until_an_ack),
        WITH_BENCH(test_as_many_as_threads_do_not_wait),
        WITH_BENCH(test_they_wait_for_a_moment_only),
        WITH_BENCH(test_the_last_ones_do_not_wait),
        WITH_BENCH(test_who_leaves_does_not_wait),
        WITH_BENCH(test_a_piece_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
