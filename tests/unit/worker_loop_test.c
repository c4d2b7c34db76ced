/* The whole worker against a broker made of this test: what it says, in which order, how it obeys
 * the window, what survives silence, and how it ends. */
#include "worker_bench.h"

static void from_hello_to_bye(void **state)
{
    struct bench *b = *state;
    struct answer a[2];
    struct err err;
    expect(b, WIRE_HELLO);
    assert_int_equal(b->msg.hello.store, 0);
    assert_int_equal(b->msg.hello.threads, 2);
    assert_int_equal(b->msg.hello.pid, b->child);
    assert_int_equal(b->msg.hello.self_test, selftest_run(&err));
    assert_int_not_equal(b->msg.hello.self_test, 0);
    assert_int_equal(b->msg.hello.hold_bytes, 16 << 20);
    assert_int_equal(b->msg.hello.holdings.count, 0);
    assert_memory_equal(b->msg.hello.host.data, "testhost", 8);
    welcome(b, store, wide);
    lease(b, 0, 2, token);

    expect(b, WIRE_GET_JOB); /* the document comes in two parts, and nonsense between them */
    assert_int_equal(b->msg.get.offset, 0);
    part(b, WIRE_JOB_PART, &b->document, 0, 100);
    expect(b, WIRE_GET_JOB);
    assert_int_equal(b->msg.get.offset, 100);
    part(b, WIRE_JOB_PART, &b->document, 50, 10);
    send_bytes(b, "nonsense", 8);
    part(b, WIRE_JOB_PART, &b->document, 100, WIRE_PART_MAX);
    serve_table(b);

    collect(b, a, 2);
    for (uint32_t tile = 0; tile < 2; tile++) {
        check_answer(b, tile, &a[tile]);
        forget(&a[tile]);
    }
    do /* an answer that is not acknowledged keeps its lease alive */
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.sent_bytes < b->result_bytes);
    assert_int_equal(b->msg.heartbeat.sent_bytes, b->result_bytes);
    assert_int_equal(b->msg.heartbeat.progress.count, 1);
    struct wire_progress p = wire_progress_at(&b->msg.heartbeat.progress, 0);
    assert_true(token_equal(p.token, token));
    assert_int_equal(p.points_done, job_tile_points(b->job, 0) + job_tile_points(b->job, 1));
    ack(b, WIRE_ACK, 0, 2);
    do
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.progress.count > 0);

    kill(b->child, SIGTERM);
    expect(b, WIRE_BYE);
    assert_int_equal(await_end(b), 0);
}

static void the_table_is_not_made_twice(void **state)
{
    struct bench *b = *state;
    struct answer a;
    struct buf table = {0};
    begin(b, wide, 0, 1);
    collect(b, &a, 1);
    ack(b, WIRE_ACK, 0, 1);
    forget(&a);
    lease(b, 1, 1, token); /* the job is known: no question, just the answer */
    do {
        assert_true(receive(b, now_ms() + PATIENCE_MS));
        assert_int_not_equal(b->msg.type, WIRE_GET_JOB);
        assert_int_not_equal(b->msg.type, WIRE_GET_TABLE);
        assert_int_not_equal(b->msg.type, WIRE_PUT_TABLE);
    } while (b->msg.type != WIRE_RESULT);
    assert_int_equal(b->msg.result.tile, 1);
    buf_fini(&table);
}

/* receive() asserts the window at each part. */
static void the_window_is_obeyed(void **state)
{
    struct bench *b = *state;
    struct answer a = {0};
    const uint64_t half = job_tile_points(b->job, 0) * 4; /* of the values */
    begin(b, half, 0, 1);
    while (b->result_bytes + 8 <= half) {
        expect(b, WIRE_RESULT);
        add_part(b, &a);
    }
    expect(b, WIRE_HEARTBEAT); /* it has stopped, and lives */
    assert_int_equal(b->msg.heartbeat.sent_bytes, b->result_bytes);
    expect(b, WIRE_HEARTBEAT);
    while (!is_whole(&a)) {
        b->window += 8000;
        pong(b);
        uint64_t before = b->result_bytes;
        while (!is_whole(&a) && b->result_bytes + 8 < b->window) {
            expect(b, WIRE_RESULT);
            add_part(b, &a);
        }
        assert_true(b->result_bytes > before);
    }
    check_answer(b, 0, &a);
    forget(&a);
}

static struct wire_holding only_holding(struct bench *b)
{
    assert_int_equal(b->msg.hello.holdings.count, 1);
    return wire_holding_at(&b->msg.hello.holdings, 0);
}

static void silence_and_who_bring_hello_with_all_it_holds(void **state)
{
    struct bench *b = *state;
    struct answer a[2];
    begin(b, wide, 0, 2);
    collect(b, a, 2);
    forget(&a[0]);
    forget(&a[1]);
    uint64_t session = b->msg.sender;
    while (b->msg.type != WIRE_HELLO) /* and no PONG to its heartbeats */
        assert_true(receive(b, now_ms() + PATIENCE_MS));
    assert_int_equal(b->msg.sender, session);
    assert_int_equal(b->msg.hello.store, store);
    struct wire_holding h = only_holding(b);
    assert_true(h.solved && h.first_tile == 0 && h.tile_count == 2 && h.job == JOB);
    assert_true(token_equal(h.token, token));

    welcome(b, store, wide); /* everything is sent again */
    collect(b, a, 2);
    for (uint32_t tile = 0; tile < 2; tile++) {
        check_answer(b, tile, &a[tile]);
        forget(&a[tile]);
    }
    ack(b, WIRE_ACK, 0, 1);
    say(b, &(struct wire_msg){.type = WIRE_WHO});
    expect(b, WIRE_HELLO);
    h = only_holding(b);
    assert_true(h.solved && h.first_tile == 1 && h.tile_count == 1);

    welcome(b, store + 1, wide); /* the DATA of another broker: nothing is held any more */
    say(b, &(struct wire_msg){.type = WIRE_WHO});
    expect(b, WIRE_HELLO);
    assert_int_equal(b->msg.hello.store, store + 1);
    assert_int_equal(b->msg.hello.holdings.count, 0);
}

static void a_broker_that_was_started_again_gets_everything(void **state)
{
    struct bench *b = *state;
    struct answer a;
    begin(b, wide, 0, 1);
    collect(b, &a, 1);
    forget(&a);
    shut(b);
    serve(b);
    expect(b, WIRE_HELLO);
    struct wire_holding h = only_holding(b);
    assert_true(h.solved && h.first_tile == 0 && h.tile_count == 1);
    welcome(b, store, wide);
    collect(b, &a, 1);
    check_answer(b, 0, &a);
    forget(&a);

    b->boot++; /* or so quickly that nobody noticed */
    pong(b);
    expect(b, WIRE_HELLO);
}

enum { SLOW_TILES = 8, SOLVED_AT_ONCE = 3 };

static void what_is_dropped_is_forgotten(void **state)
{
    struct bench *b = *state;
    begin(b, wide, 0, SLOW_TILES);
    do
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.progress.count == 0);
    ack(b, WIRE_DROP, 0, SLOW_TILES);
    do
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.progress.count > 0);
}

/* RETURN messages until no more of the tiles is missing than may have been solved; then those are
 * acknowledged, whichever they are. */
static void expect_returned(struct bench *b, uint32_t count, uint32_t solved, const char *reason)
{
    uint32_t back = 0;
    while (back + solved < count) {
        expect(b, WIRE_RETURN);
        assert_true(token_equal(b->msg.give_back.token, token));
        assert_int_equal(b->msg.give_back.job, JOB);
        assert_int_equal(b->msg.give_back.reason.len, strlen(reason));
        assert_memory_equal(b->msg.give_back.reason.data, reason, strlen(reason));
        back += b->msg.give_back.tile_count;
    }
    assert_true(back <= count);
    ack(b, WIRE_ACK, 0, count);
}

static void sigterm_gives_the_rest_back(void **state)
{
    struct bench *b = *state;
    begin(b, wide, 0, SLOW_TILES);
    expect(b, WIRE_HEARTBEAT);
    kill(b->child, SIGTERM);
    expect_returned(b, SLOW_TILES, SOLVED_AT_ONCE, strsignal(SIGTERM));
    expect(b, WIRE_BYE);
    assert_int_equal(await_end(b), 0);
}

/* With an answer that nobody acknowledges it waits for a second. */
static void sigterm_does_not_wait_for_ever(void **state)
{
    struct bench *b = *state;
    struct answer a;
    begin(b, wide, 0, 1);
    collect(b, &a, 1);
    forget(&a);
    kill(b->child, SIGTERM);
    assert_int_equal(await_end(b), 0);
}

static void the_lifelines_end_is_the_workers_end(void **state)
{
    struct bench *b = *state;
    begin(b, wide, 0, SLOW_TILES);
    expect(b, WIRE_HEARTBEAT);
    close(b->lifeline);
    b->lifeline = -1;
    assert_int_equal(await_end(b), 0);
}

static void a_pause_is_obeyed(void **state)
{
    struct bench *b = *state;
    begin(b, wide, 0, SLOW_TILES);
    expect(b, WIRE_HEARTBEAT);
    b->paused = true;
    pong(b);
    expect_returned(b, SLOW_TILES, SOLVED_AT_ONCE, "paused");
    do
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.hold_bytes != 0 || b->msg.heartbeat.progress.count != 0);
    lease(b, 0, 1, token); /* crossed the pause on its way */
    expect_returned(b, 1, 0, "paused");
    b->paused = false;
    pong(b);
    do
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.hold_bytes == 0);
}

static void refuse(struct bench *b, uint16_t code, uint32_t retry_ms)
{
    expect(b, WIRE_HELLO);
    say(b, &(struct wire_msg){
               .type = WIRE_REFUSED,
               .refused = {code, retry_ms, wire_str("a sentence")},
           });
}

static void refused_for_a_while_and_for_good(void **state)
{
    struct bench *b = *state;
    refuse(b, ERR_OTHER, 50);
    refuse(b, ERR_VERSION, 0);
    assert_int_equal(await_end(b), ERR_VERSION);
}

static void a_broker_of_another_version(void **state)
{
    struct bench *b = *state;
    struct buf out = {0};
    expect(b, WIRE_HELLO);
    wire_encode(&(struct wire_msg){.type = WIRE_WHO}, &out);
    out.data[4]++;
    send_bytes(b, out.data, out.len);
    buf_fini(&out);
    assert_int_equal(await_end(b), ERR_VERSION);
}

static void a_table_that_differs_is_an_alarm(void **state)
{
    struct bench *b = *state;
    struct buf table = {0};
    expect(b, WIRE_HELLO);
    welcome(b, store, wide);
    lease(b, 0, 1, token);
    serve_job(b);
    say(b, &(struct wire_msg){.type = WIRE_TABLE_PART, .part = {JOB, 0, 0, {"", 0}}});
    take_table(b, &table);
    for (size_t i = table.len / 2; i < table.len; i++) /* past the samples: segments */
        table.data[i] ^= 0x55;
    part(b, WIRE_TABLE_PART, &table, 0, WIRE_PART_MAX);
    buf_fini(&table);
    expect(b, WIRE_JOB_FAIL);
    assert_int_equal(b->msg.job_fail.job, JOB);
    assert_int_equal(b->msg.job_fail.code, ERR_OTHER);
    lease(b, 0, 1, token); /* leased again: it says so again */
    expect(b, WIRE_JOB_FAIL);
}

static void a_job_that_cannot_be_built(void **state)
{
    struct bench *b = *state;
    expect(b, WIRE_HELLO);
    welcome(b, store, wide);
    lease(b, 0, 1, token);
    expect(b, WIRE_GET_JOB);
    struct buf nonsense = {.data = (unsigned char *)"nonsense", .len = 8};
    part(b, WIRE_JOB_PART, &nonsense, 0, 8);
    expect(b, WIRE_JOB_FAIL);
    assert_int_equal(b->msg.job_fail.code, ERR_JOB_REFUSED);
    do
        expect(b, WIRE_HEARTBEAT);
    while (b->msg.heartbeat.progress.count > 0);
}

/* What is lost is asked for again. */
static void questions_are_repeated(void **state)
{
    struct bench *b = *state;
    expect(b, WIRE_HELLO);
    expect(b, WIRE_HELLO);
    welcome(b, store, wide);
    lease(b, 0, 1, token);
    expect(b, WIRE_GET_JOB);
    expect(b, WIRE_GET_JOB);
    part(b, WIRE_JOB_PART, &b->document, 0, WIRE_PART_MAX);
    say(b, &(struct wire_msg){.type = WIRE_TABLE_PART, .part = {JOB, 0, 0, {"", 0}}});
    expect(b, WIRE_PUT_TABLE);
    expect(b, WIRE_PUT_TABLE);
}

static void a_piece_is_some_points_of_a_tile(void **state)
{
    struct bench *b = *state;
    enum { FIRST = 395, COUNT = 1210 }; /* ends and begins within rows */
    struct answer whole, some = {0};
    begin(b, wide, 0, 1);
    collect(b, &whole, 1);
    ack(b, WIRE_ACK, 0, 1);
    say(b, &(struct wire_msg){
               .type = WIRE_LEASE,
               .lease = {JOB, 0, 1, FIRST, COUNT, token, 0},
           });
    while (!is_whole(&some)) {
        expect(b, WIRE_RESULT);
        assert_int_equal(b->msg.result.first, FIRST);
        assert_int_equal(b->msg.result.count, COUNT);
        add_part(b, &some);
    }
    assert_int_equal(some.total[0], COUNT * 8);
    assert_memory_equal(some.bytes[0], whole.bytes[0] + FIRST * 8, COUNT * 8);
    if (some.coding[1] == WIRE_RAW)
        assert_memory_equal(some.bytes[1], whole.bytes[1] + FIRST * 4, COUNT * 4);
    forget(&whole);
    forget(&some);
}

int main(void)
{
#define TEST(f)      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SLOW_TEST(f) cmocka_unit_test_setup_teardown(f, setup_slow, teardown)
    const struct CMUnitTest tests[] = {
        TEST(from_hello_to_bye),
        TEST(the_table_is_not_made_twice),
        TEST(the_window_is_obeyed),
        cmocka_unit_test_setup_teardown(silence_and_who_bring_hello_with_all_it_holds,
                                        setup_impatient, teardown),
        TEST(a_broker_that_was_started_again_gets_everything),
        SLOW_TEST(what_is_dropped_is_forgotten),
        SLOW_TEST(sigterm_gives_the_rest_back),
        TEST(sigterm_does_not_wait_for_ever),
        SLOW_TEST(the_lifelines_end_is_the_workers_end),
        SLOW_TEST(a_pause_is_obeyed),
        TEST(refused_for_a_while_and_for_good),
        TEST(a_broker_of_another_version),
        TEST(a_table_that_differs_is_an_alarm),
        TEST(a_job_that_cannot_be_built),
        TEST(questions_are_repeated),
        TEST(a_piece_is_some_points_of_a_tile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
