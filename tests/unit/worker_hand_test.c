/* The work in hand: no piece is lost, solved twice or kept for ever, and memory is accounted for.
 */
#include "hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 40 x 30 points in 4 x 3 tiles of 10 x 10, one field with errors: 1300 bytes a tile, raw. */
enum { TILES = 12, TILE_POINTS = 100, TILE_BYTES = TILE_POINTS * 13, JOB = 7 };

static struct job shape = {
    .q = {.count = 40},
    .a = {.count = 30},
    .output_count = 1,
    .errors = true,
    .q_blocks = 4,
    .a_blocks = 3,
};

static struct hand_lease lease(uint32_t first_tile, uint32_t tile_count, uint64_t token)
{
    return (struct hand_lease){JOB, first_tile, tile_count, 0, 0, {token, ~token}, false};
}

static void add(struct hand *h, uint32_t first_tile, uint32_t tile_count, uint64_t token)
{
    struct hand_lease l = lease(first_tile, tile_count, token);
    assert_true(hand_add(h, &l));
    assert_int_equal(hand_open(h, JOB, &shape), 0);
}

static struct planes *answer(uint32_t points, double value)
{
    struct planes *p = planes_create(1, true, points);
    for (uint32_t i = 0; i < points; i++) {
        planes_field(p, 0)[i] = value + i;
        planes_errors(p, 0)[i] = 1;
    }
    memset(planes_status(p), 1, points);
    planes_code(p, 10);
    return p;
}

static struct hand_pick take(struct hand *h)
{
    struct hand_pick pick;
    assert_true(hand_take(h, &pick));
    hand_check(h);
    return pick;
}

static void put(struct hand *h, const struct hand_pick *pick)
{
    assert_true(hand_put(h, pick->id, answer(pick->count, pick->tile), 2000));
    hand_check(h);
}

static void send_one(struct hand *h, int64_t now_ms)
{
    struct hand_part part;
    assert_true(hand_part(h, UINT64_MAX, &part));
    hand_sent(h, &part, now_ms);
    hand_check(h);
}

static size_t send_all(struct hand *h, int64_t now_ms)
{
    struct hand_part part;
    size_t n = 0;
    for (; hand_part(h, UINT64_MAX, &part); n++)
        hand_sent(h, &part, now_ms);
    hand_check(h);
    return n;
}

static size_t ack(struct hand *h, uint32_t first_tile, uint32_t tile_count)
{
    size_t n = hand_ack(h, &(struct wire_tiles){JOB, first_tile, tile_count});
    hand_check(h);
    return n;
}

static int setup(void **state)
{
    *state = hand_create(1 << 20);
    return 0;
}

static int teardown(void **state)
{
    hand_destroy(*state);
    return 0;
}

static void a_lease_from_grant_to_ack(void **state)
{
    struct hand *h = *state;
    struct hand_pick pick;
    struct hand_lease l = lease(3, 2, 1);
    assert_true(hand_add(h, &l));
    assert_false(hand_take(h, &pick)); /* the job is not there yet */
    assert_true(hand_uses(h, JOB));
    assert_int_equal(hand_open(h, JOB, &shape), 0);
    struct hand_pick first = take(h), second = take(h);
    assert_int_equal(first.tile, 3);
    assert_int_equal(second.tile, 4);
    assert_int_equal(first.count, TILE_POINTS);
    assert_int_equal(hand_totals(h).bytes, 2 * TILE_BYTES);
    assert_false(hand_take(h, &pick));

    put(h, &second); /* answers go out in the order of solving */
    put(h, &first);
    assert_int_equal(hand_totals(h).bytes, 2 * (TILE_POINTS * 8 + 4 + 1));
    struct hand_part part;
    assert_true(hand_part(h, UINT64_MAX, &part));
    assert_int_equal(part.tile, 4);
    assert_int_equal(part.first, 0);
    assert_int_equal(part.count, TILE_POINTS);
    assert_int_equal(part.solve_us, 10);
    assert_true(token_equal(part.token, (struct token){1, ~1ull}));
    assert_int_equal(send_all(h, 5), 2 * 3);
    assert_false(hand_part(h, UINT64_MAX, &part));

    assert_int_equal(ack(h, 4, 1), 1);
    assert_true(hand_uses(h, JOB));
    assert_int_equal(ack(h, 0, TILES), 1);
    assert_false(hand_uses(h, JOB));
    assert_int_equal(hand_totals(h).bytes, 0);
    assert_int_equal(hand_totals(h).leases, 0);
}

static void it_stops_taking_when_full_but_holds_two(void **state)
{
    (void)state;
    struct hand *h = hand_create(100); /* less than a tile */
    struct hand_pick pick, picks[2];
    add(h, 0, 4, 1);
    assert_int_equal(hand_totals(h).hold_bytes, 2 * TILE_BYTES);
    picks[0] = take(h);
    picks[1] = take(h);
    assert_false(hand_take(h, &pick));
    put(h, &picks[0]); /* solved answers count as well */
    put(h, &picks[1]);
    assert_false(hand_take(h, &pick));
    ack(h, 0, 1);
    assert_int_equal(take(h).tile, 2);
    assert_false(hand_take(h, &pick));
    ack(h, 1, 1);
    assert_true(hand_take(h, &pick));
    hand_destroy(h);
}

static void nonsense_is_refused(void **state)
{
    struct hand *h = *state;
    struct hand_lease l = lease(0, 0, 1);
    assert_false(hand_add(h, &l));
    l = lease(0, UINT32_MAX, 1);
    assert_false(hand_add(h, &l));
    l = lease(UINT32_MAX - 1, 2, 1);
    assert_false(hand_add(h, &l));
    l = lease(0, 2, 1);
    l.count = 5; /* a piece of two tiles */
    assert_false(hand_add(h, &l));
    l = lease(0, 1, 1);
    l.first = 5; /* a piece without points */
    assert_false(hand_add(h, &l));
    assert_int_equal(hand_totals(h).leases, 0);

    l = lease(0, 2, 5);
    assert_true(hand_add(h, &l));
    assert_true(hand_add(h, &l)); /* the same token: the same lease */
    assert_int_equal(hand_totals(h).waiting, 2);

    l = lease(TILES - 1, 2, 6); /* beyond the grid */
    assert_true(hand_add(h, &l));
    l = lease(2, 1, 7);
    l.first = TILE_POINTS - 1;
    l.count = 2; /* beyond the tile */
    assert_true(hand_add(h, &l));
    assert_int_equal(hand_open(h, JOB, &shape), 2);
    assert_int_equal(hand_totals(h).leases, 1);
    hand_check(h);
}

static void what_is_dropped_is_not_wanted_any_more(void **state)
{
    struct hand *h = *state;
    add(h, 0, 3, 1);
    struct hand_pick a = take(h), b = take(h);
    assert_true(hand_is_solving(h, a.id));
    assert_int_equal(hand_drop(h, &(struct wire_tiles){JOB + 1, 0, TILES}), 0);
    assert_int_equal(hand_drop(h, &(struct wire_tiles){JOB, 0, 1}), 1);
    assert_false(hand_is_solving(h, a.id));
    assert_false(hand_put(h, a.id, answer(a.count, 0), 1)); /* late */
    put(h, &b);
    assert_int_equal(hand_drop(h, &(struct wire_tiles){JOB, 1, UINT32_MAX}), 2);
    assert_false(hand_put(h, b.id, answer(b.count, 0), 1));
    assert_int_equal(hand_totals(h).bytes, 0);
    hand_check(h);
    add(h, 0, 1, 2); /* ids are never used again */
    assert_false(hand_is_solving(h, a.id));
    struct hand_pick c = take(h);
    assert_true(c.id != a.id);
}

static void acked_by_somebody_else(void **state)
{
    struct hand *h = *state;
    add(h, 0, 3, 1);
    struct hand_pick a = take(h);
    assert_int_equal(ack(h, 0, 2), 2); /* one being solved, one waiting */
    assert_false(hand_is_solving(h, a.id));
    assert_int_equal(take(h).tile, 2);
}

/* An ACK names a tile; of two pieces of it only the one that was sent can be meant. */
static void a_piece_leaves_when_it_was_sent(void **state)
{
    struct hand *h = *state;
    for (uint32_t i = 0; i < 2; i++) {
        struct hand_lease l = lease(5, 1, 10 + i);
        l.first = 50 * i;
        l.count = 50;
        assert_true(hand_add(h, &l));
    }
    assert_int_equal(hand_open(h, JOB, &shape), 0);
    struct hand_pick a = take(h), b = take(h);
    assert_int_equal(b.first, 50);
    assert_int_equal(b.count, 50);
    put(h, &a);
    assert_int_equal(ack(h, 5, 1), 0);
    send_all(h, 0);
    assert_int_equal(ack(h, 5, 1), 1);
    assert_true(hand_is_solving(h, b.id));
    put(h, &b);
    struct hand_part part;
    assert_true(hand_part(h, UINT64_MAX, &part));
    assert_int_equal(part.first, 50);
    assert_int_equal(part.count, 50);
}

static void holdings_are_runs_of_the_same_fate(void **state)
{
    struct hand *h = *state;
    struct wire_holding out[8];
    add(h, 0, 6, 1);
    struct hand_pick picks[4];
    for (int i = 0; i < 4; i++)
        picks[i] = take(h);
    put(h, &picks[0]);
    put(h, &picks[1]);
    put(h, &picks[3]);
    ack(h, 1, 1);
    /* tile: 0 solved, 1 gone, 2 solving, 3 solved, 4 and 5 waiting */
    assert_int_equal(hand_holdings(h, out, 8), 4);
    static const struct wire_tiles runs[] = {{JOB, 0, 1}, {JOB, 2, 1}, {JOB, 3, 1}, {JOB, 4, 2}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(out[i].first_tile, runs[i].first_tile);
        assert_int_equal(out[i].tile_count, runs[i].tile_count);
        assert_int_equal(out[i].solved, i == 0 || i == 2);
        assert_int_equal(out[i].count, 0);
        assert_int_equal(out[i].token.hi, 1);
    }
    assert_int_equal(hand_holdings(h, out, 2), 2);

    struct wire_holding run;
    assert_true(hand_give_back(h, &run));
    assert_int_equal(run.first_tile, 2);
    assert_int_equal(run.tile_count, 1);
    assert_true(hand_give_back(h, &run));
    assert_int_equal(run.first_tile, 4);
    assert_int_equal(run.tile_count, 2);
    assert_false(hand_give_back(h, &run));
    hand_check(h);
    assert_int_equal(hand_totals(h).solved, 2);
    assert_false(hand_is_solving(h, picks[2].id));
}

static void progress_names_every_lease(void **state)
{
    struct hand *h = *state;
    struct wire_progress p[4];
    uint64_t ids[4];
    add(h, 0, 2, 1);
    add(h, 2, 2, 2);
    struct hand_pick a = take(h);
    put(h, &a);
    assert_int_equal(hand_progress(h, p, ids, 4), 2);
    assert_int_equal(p[0].token.hi, 1);
    assert_int_equal(p[0].points_done, TILE_POINTS);
    assert_int_equal(p[0].cpu_ms, 2);
    assert_int_equal(p[1].points_done, 0);
    assert_true(hand_same_lease(ids[0], a.id));
    assert_false(hand_same_lease(ids[1], a.id));
    ack(h, 0, 2);
    assert_int_equal(hand_progress(h, p, NULL, 4), 1);
    assert_int_equal(p[0].token.hi, 2);
}

static void answers_are_sent_again_after_hello(void **state)
{
    struct hand *h = *state;
    add(h, 0, 2, 1);
    struct hand_pick a = take(h), b = take(h);
    put(h, &a);
    put(h, &b);
    assert_int_equal(send_all(h, 0), 6);
    hand_send_again(h);
    hand_send_again(h); /* twice is not twice as much */
    send_one(h, 0);
    assert_int_equal(send_all(h, 0), 5);
    hand_send_again(h);
    send_one(h, 0);
    ack(h, 0, 1); /* the head of the queue leaves half sent */
    struct hand_part part;
    assert_true(hand_part(h, UINT64_MAX, &part));
    assert_int_equal(part.tile, 1);
    assert_int_equal(send_all(h, 0), 3);
}

static void an_unanswered_answer_reminds_the_broker(void **state)
{
    struct hand *h = *state;
    add(h, 0, 2, 1);
    struct hand_pick a = take(h), b = take(h);
    put(h, &a);
    send_all(h, 1000);
    put(h, &b);
    assert_int_equal(hand_nudge(h, 1000), 0); /* one too young, one not sent */
    assert_int_equal(hand_nudge(h, 1001), 1);
    send_one(h, 1500);
    send_one(h, 1500);
    send_one(h, 1500); /* all of b */
    struct hand_part part;
    assert_true(hand_part(h, UINT64_MAX, &part));
    assert_int_equal(part.part.plane, 2); /* the statuses of a: one byte */
    assert_int_equal(part.part.len, 1);
    assert_int_equal(send_all(h, 2000), 1);
    assert_int_equal(hand_nudge(h, 1001), 0);
    assert_int_equal(hand_nudge(h, 2001), 2);
    assert_true(hand_part(h, UINT64_MAX, &part));
    assert_int_equal(send_all(h, 3000), 1 + 3); /* one byte of b, and all of a: its second time */
    assert_int_equal(hand_nudge(h, 3001), 2);
    assert_int_equal(send_all(h, 4000), 3 + 1);
}

/* 805 bytes: they need not travel plane by plane. */
static void short_answers_go_whole(void **state)
{
    struct hand *h = *state;
    struct hand_whole w;
    add(h, 0, 2, 1);
    struct hand_pick a = take(h), b = take(h);
    assert_false(hand_whole(h, UINT64_MAX, &w));
    put(h, &a);
    put(h, &b);
    assert_false(hand_whole(h, 804, &w)); /* the window does not hold it */
    assert_true(hand_whole(h, 805, &w));
    assert_true(w.id == a.id && w.job == JOB && w.token.hi == 1);
    assert_true(w.whole.tile == 0 && w.whole.solve_us == 10 && w.whole.planes == 3);
    assert_memory_equal(w.whole.codings, ((uint8_t[]){WIRE_RAW, WIRE_SAME, WIRE_SAME}), 3);
    assert_int_equal(w.whole.data.len, 8 * TILE_POINTS + 4 + 1);
    hand_whole_sent(h, w.id, 1000);
    assert_true(hand_whole(h, UINT64_MAX, &w));
    assert_int_equal(w.whole.tile, 1);
    double first;
    memcpy(&first, w.whole.data.data, sizeof first);
    assert_true(first == 1);
    hand_whole_sent(h, w.id, 1000);
    assert_false(hand_whole(h, UINT64_MAX, &w));
    hand_whole_unsent(h, a.id); /* the pipe was full */
    hand_check(h);
    assert_true(hand_whole(h, UINT64_MAX, &w));
    assert_int_equal(w.whole.tile, 0);
    send_one(h, 0); /* begun as parts, it goes on as parts */
    assert_false(hand_whole(h, UINT64_MAX, &w));
    assert_int_equal(send_all(h, 1000), 2);
    assert_int_equal(hand_nudge(h, 1001), 2);
    assert_false(hand_whole(h, UINT64_MAX, &w)); /* a byte reminds the broker */
    assert_int_equal(send_all(h, 2000), 2);
    assert_int_equal(hand_nudge(h, 2001), 2);
    assert_true(hand_whole(h, UINT64_MAX, &w)); /* the second time it is all */
    ack(h, 0, 2);
}

/* Anything in any order: the invariants hold, and in the end all can be emptied. */
static void random_walk(void **state)
{
    (void)state;
    struct hand *h = hand_create(5 * TILE_BYTES);
    struct hand_pick solving[64];
    size_t n = 0, solved = 0;
    unsigned seed = 12345;
    for (uint64_t step = 1; step <= 30000; step++) {
        struct hand_pick pick;
        struct hand_part part;
        struct wire_holding run;
        uint32_t tile = (uint32_t)rand_r(&seed) % TILES, count = 1 + (uint32_t)rand_r(&seed) % 3;
        struct wire_tiles tiles = {JOB, tile, count};
        switch (rand_r(&seed) % 12) {
        case 0:
            if (tile + count <= TILES && hand_totals(h).leases < 40)
                add(h, tile, count, step);
            break;
        case 1:
            hand_ack(h, &tiles);
            break;
        case 2:
            hand_drop(h, &tiles);
            break;
        case 3:
            if (rand_r(&seed) % 50 == 0)
                hand_send_again(h);
            if (rand_r(&seed) % 50 == 0)
                hand_nudge(h, (int64_t)step - 20);
            if (rand_r(&seed) % 200 == 0)
                hand_give_back(h, &run);
            break;
        case 4:
        case 5:
        case 6:
            if (n < 64 && hand_take(h, &pick))
                solving[n++] = pick;
            break;
        case 7:
        case 8:
            if (n > 0) {
                size_t i = (size_t)rand_r(&seed) % n;
                bool wanted = hand_is_solving(h, solving[i].id);
                pick = solving[i];
                assert_int_equal(hand_put(h, pick.id, answer(pick.count, 0), 1), wanted);
                solved += wanted;
                solving[i] = solving[--n];
            }
            break;
        default:
            if (hand_part(h, 900, &part))
                hand_sent(h, &part, (int64_t)step);
        }
        hand_check(h);
        assert_true(hand_totals(h).bytes <= hand_totals(h).hold_bytes);
    }
    assert_true(solved > 1000);
    hand_forget_job(h, JOB);
    assert_int_equal(hand_totals(h).leases, 0);
    assert_int_equal(hand_totals(h).bytes, 0);
    hand_destroy(h);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_lease_from_grant_to_ack),
        cmocka_unit_test(it_stops_taking_when_full_but_holds_two),
        TEST(nonsense_is_refused),
        TEST(what_is_dropped_is_not_wanted_any_more),
        TEST(acked_by_somebody_else),
        TEST(a_piece_leaves_when_it_was_sent),
        TEST(holdings_are_runs_of_the_same_fate),
        TEST(progress_names_every_lease),
        TEST(answers_are_sent_again_after_hello),
        TEST(an_unanswered_answer_reminds_the_broker),
        TEST(short_answers_go_whole),
        cmocka_unit_test(random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
