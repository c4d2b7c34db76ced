/* Every message survives the wire, and no damaged frame gets through or does harm. */
#include "crc32c.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum wire_type types[] = {
    WIRE_HELLO,   WIRE_HEARTBEAT, WIRE_GET_JOB,  WIRE_GET_TABLE, WIRE_PUT_TABLE,
    WIRE_RESULT,  WIRE_RETURN,    WIRE_JOB_FAIL, WIRE_BYE,       WIRE_WELCOME,
    WIRE_REFUSED, WIRE_WHO,       WIRE_LEASE,    WIRE_JOB_PART,  WIRE_TABLE_PART,
    WIRE_ACK,     WIRE_DROP,      WIRE_PONG,     WIRE_REQUEST,   WIRE_UPLOAD,
    WIRE_FETCH,   WIRE_REPLY,     WIRE_PAGE,     WIRE_NOTICE,    WIRE_RESULTS,
};

static const struct wire_holding holdings[] = {{1, 2, 3, 4, 5, {6, 7}, true},
                                               {8, 9, 10, 0, 0, {11, 12}, false}};
static const struct wire_progress progress[] = {{{13, 14}, 1ull << 40, 15}};
static const struct wire_tiles tiles[] = {{16, 17, 18}, {19, 20, 21}};

static const uint8_t codings[] = {WIRE_RAW, WIRE_SAME};
static const struct wire_whole wholes[] = {{9, 10, 2, codings, {"01234567s", 9}},
                                           {11, 12, 2, codings, {"89abcdefs", 9}}};

static void add_wholes(struct buf *out)
{
    wire_whole_add(out, &wholes[0]);
    wire_whole_add(out, &wholes[1]);
}

static void fill_worker(struct wire_msg *m)
{
    struct wire_span text = wire_str("some words");
    switch (m->type) {
    case WIRE_HELLO:
        m->hello.store = 77;
        m->hello.threads = 8;
        m->hello.hold_bytes = 1 << 24;
        m->hello.self_test = 0xdeadbeef;
        m->hello.pid = 4711;
        m->hello.paused = true;
        m->hello.limit_percent = 20;
        m->hello.version = wire_str("0.1.0");
        m->hello.host = text;
        m->hello.isa = wire_str("avx2");
        m->hello.holdings = (struct wire_list){.count = 2, .items = holdings};
        break;
    case WIRE_HEARTBEAT:
        m->heartbeat.hold_bytes = 5;
        m->heartbeat.sent_bytes = 1ull << 50;
        m->heartbeat.progress = (struct wire_list){.count = 1, .items = progress};
        break;
    case WIRE_RESULT:
        m->result.job = 3;
        m->result.tile = 4;
        m->result.first = 5;
        m->result.count = 6;
        m->result.token = (struct token){1, 2};
        m->result.plane = 2;
        m->result.coding = WIRE_SAME;
        m->result.plane_bytes = 10;
        m->result.offset = 0;
        m->result.solve_us = 99;
        m->result.crc = 12345;
        m->result.data = text;
        break;
    case WIRE_LEASE:
        m->lease.job = 1;
        m->lease.first_tile = 2;
        m->lease.tile_count = 3;
        m->lease.first = 4;
        m->lease.count = 5;
        m->lease.token = (struct token){6, 7};
        m->lease.flags = WIRE_LEASE_STRAGGLER;
        break;
    case WIRE_ACK:
        m->tiles.window = 1ull << 33;
        m->tiles.tiles = (struct wire_list){.count = 2, .items = tiles};
        break;
    default:
        break;
    }
}

static size_t encode(enum wire_type type, struct buf *out)
{
    struct wire_msg m = {.type = type, .sender = 0x1122334455667788, .tag = 42};
    fill_worker(&m);
    if (type == WIRE_PAGE)
        m.page.data = wire_str("page");
    if (type == WIRE_REQUEST)
        m.request.op = wire_str("status"), m.request.json = wire_str("{\"job\":7}");
    struct buf list = {0};
    if (type == WIRE_RESULTS) {
        add_wholes(&list);
        m.results.job = 3;
        m.results.token = (struct token){1, 2};
        m.results.count = 2;
        m.results.wholes = (struct wire_span){list.data, list.len};
    }
    if (type == WIRE_FETCH)
        m.fetch.file = wire_str("F.npy"), m.fetch.offset = 1ull << 40, m.fetch.length = 9;
    buf_clear(out);
    wire_encode(&m, out);
    buf_fini(&list);
    return out->len;
}

static void test_every_type_survives(void **state)
{
    (void)state;
    struct buf a = {0}, b = {0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        encode(types[i], &a);
        struct wire_msg m;
        struct err err = {0};
        assert_int_equal(wire_decode(a.data, a.len, &m, &err), 0);
        assert_int_equal(m.type, types[i]);
        assert_int_equal(m.sender, 0x1122334455667788);
        assert_int_equal(m.tag, 42);
        if (types[i] != WIRE_HELLO && types[i] != WIRE_HEARTBEAT && types[i] != WIRE_ACK) {
            buf_clear(&b);
            wire_encode(&m, &b);
            assert_int_equal(a.len, b.len);
            assert_memory_equal(a.data, b.data, a.len);
        }
        assert_string_not_equal(wire_type_name(types[i]), "?");
    }
    buf_fini(&a);
    buf_fini(&b);
}

static void test_lists(void **state)
{
    (void)state;
    struct buf a = {0};
    struct wire_msg m;
    encode(WIRE_HELLO, &a);
    assert_int_equal(wire_decode(a.data, a.len, &m, NULL), 0);
    assert_int_equal(m.hello.holdings.count, 2);
    struct wire_holding h = wire_holding_at(&m.hello.holdings, 0);
    assert_int_equal(h.job, 1);
    assert_int_equal(h.count, 5);
    assert_int_equal(h.token.lo, 7);
    assert_true(h.solved);
    h = wire_holding_at(&m.hello.holdings, 1);
    assert_int_equal(h.tile_count, 10);
    assert_false(h.solved);
    assert_int_equal(m.hello.version.len, 5);
    assert_memory_equal(m.hello.host.data, "some words", 10);
    encode(WIRE_HEARTBEAT, &a);
    assert_int_equal(wire_decode(a.data, a.len, &m, NULL), 0);
    assert_int_equal(wire_progress_at(&m.heartbeat.progress, 0).points_done, 1ull << 40);
    encode(WIRE_ACK, &a);
    assert_int_equal(wire_decode(a.data, a.len, &m, NULL), 0);
    assert_int_equal(wire_tiles_at(&m.tiles.tiles, 1).tile_count, 21);
    assert_int_equal(m.tiles.window, 1ull << 33);
    buf_fini(&a);
}

static void test_answers_of_whole_tiles(void **state)
{
    (void)state;
    struct buf a = {0};
    struct wire_msg m;
    struct wire_whole w;
    encode(WIRE_RESULTS, &a);
    assert_int_equal(wire_decode(a.data, a.len, &m, NULL), 0);
    assert_int_equal(m.results.count, 2);
    struct wire_span left = m.results.wholes;
    for (int i = 0; i < 2; i++) {
        assert_true(wire_whole_next(&left, &w));
        assert_int_equal(w.tile, wholes[i].tile);
        assert_int_equal(w.solve_us, wholes[i].solve_us);
        assert_int_equal(w.planes, 2);
        assert_memory_equal(w.codings, codings, 2);
        assert_int_equal(w.data.len, 9);
        assert_memory_equal(w.data.data, wholes[i].data.data, 9);
    }
    assert_false(wire_whole_next(&left, &w));
    buf_fini(&a);
}

/* Of what came, whatever the sender says of it; the frame's own checksum is right in both cases. */
static void test_a_result_tells_the_checksum_of_its_data(void **state)
{
    (void)state;
    unsigned char data[5000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * i >> 5);
    struct buf a = {0};
    for (size_t len = 0; len <= sizeof data; len += 1250) {
        struct wire_msg m = {.type = WIRE_RESULT}, out;
        m.result.crc = len == 2500 ? 1 : crc32c(0, data, len);
        m.result.data = (struct wire_span){data, len};
        buf_clear(&a);
        wire_encode(&m, &a);
        assert_int_equal(wire_decode(a.data, a.len, &out, NULL), 0);
        assert_int_equal(out.result.data.len, len);
        assert_int_equal(out.result.data_crc, crc32c(0, data, len));
        assert_int_equal(out.result.data_crc == out.result.crc, len != 2500);
    }
    buf_fini(&a);
}

static void test_any_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct buf a = {0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t len = encode(types[i], &a);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            a.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            struct wire_msg m;
            struct err err = {0};
            assert_int_equal(wire_decode(a.data, len, &m, &err), -1);
            assert_true(err.text[0]);
            a.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
    }
    buf_fini(&a);
}

static uint32_t crc_of(const unsigned char *frame, size_t len)
{
    return crc32c(crc32c(0, frame, WIRE_HEADER - 4), frame + WIRE_HEADER, len - WIRE_HEADER);
}

/* A right checksum over nonsense: what a hostile peer sends. */
static void test_wrong_lengths_behind_a_right_checksum(void **state)
{
    (void)state;
    struct buf a = {0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (uint32_t body = 0; body < 120; body++) {
            struct wire_msg m = {.type = WIRE_NOTICE};
            char filler[120];
            memset(filler, 0xff, sizeof filler);
            m.reply.json = (struct wire_span){filler, body};
            buf_clear(&a);
            wire_encode(&m, &a);
            uint16_t type = (uint16_t)types[i];
            memcpy(a.data + 6, &type, 2);
            unsigned char *exact = malloc(a.len); /* so that ASan sees any step past the end */
            memcpy(exact, a.data, a.len);
            uint32_t crc = crc_of(exact, a.len);
            memcpy(exact + 28, &crc, 4);
            struct wire_msg out;
            wire_decode(exact, a.len, &out, NULL); /* either way, without harm */
            free(exact);
        }
    }
    buf_fini(&a);
}

static void test_truncated_and_long(void **state)
{
    (void)state;
    struct buf a = {0};
    size_t len = encode(WIRE_HELLO, &a);
    struct wire_msg m;
    for (size_t n = 0; n < len; n++)
        assert_int_equal(wire_decode(a.data, n, &m, NULL), -1);
    buf_add(&a, "x", 1);
    assert_int_equal(wire_decode(a.data, len + 1, &m, NULL), -1);
    buf_fini(&a);
}

static void test_other_version_is_named(void **state)
{
    (void)state;
    struct buf a = {0};
    encode(WIRE_WHO, &a);
    a.data[4] = 9;
    struct wire_msg m;
    struct err err = {0};
    assert_int_equal(wire_decode(a.data, a.len, &m, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    assert_int_equal(m.tag, 42);
    buf_fini(&a);
}

static void test_crc32c(void **state)
{
    (void)state;
    unsigned char zeros[32] = {0}, ones[32], ramp[32];
    memset(ones, 0xff, 32);
    for (int i = 0; i < 32; i++)
        ramp[i] = (unsigned char)i;
    /* RFC 3720, appendix B.4 */
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(crc32c(0, ramp, 32), 0x46dd794e);
    assert_int_equal(crc32c(crc32c(0, ramp, 7), ramp + 7, 25), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
}

/* One bit after the other, as the polynomial's definition has it. */
static uint32_t slow_crc(const unsigned char *p, size_t n)
{
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < 8 * n; i++)
        c = (c >> 1) ^ ((c ^ (uint32_t)p[i / 8] >> i % 8) & 1 ? 0x82f63b78u : 0);
    return ~c;
}

/* Long ones are computed in stretches; wherever they are cut, begin and end. */
static void test_crc32c_of_any_length(void **state)
{
    (void)state;
    enum { MOST = 40000 };
    static const size_t some[] = {0,     1,     7,     255,         256,     767,
                                  768,   769,   1536,  2303,        9999,    12287,
                                  12288, 12289, 13056, 24576 + 769, MOST - 8};
    unsigned char *bytes = malloc(MOST);
    uint32_t x = 1;
    for (size_t i = 0; i < MOST; i++)
        bytes[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        const unsigned char *p = bytes + i % 8;
        size_t n = some[i], cut = n * i / 17;
        uint32_t right = slow_crc(p, n), first = crc32c(0, p, cut);
        assert_int_equal(crc32c(0, p, n), right);
        assert_int_equal(crc32c(first, p + cut, n - cut), right);
        assert_int_equal(crc32c_join(first, crc32c(0, p + cut, n - cut), n - cut), right);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_survives),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_answers_of_whole_tiles),
        cmocka_unit_test(test_a_result_tells_the_checksum_of_its_data),
        cmocka_unit_test(test_any_flipped_bit_is_refused),
        cmocka_unit_test(test_wrong_lengths_behind_a_right_checksum),
        cmocka_unit_test(test_truncated_and_long),
        cmocka_unit_test(test_other_version_is_named),
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_crc32c_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
