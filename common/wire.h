#ifndef COMMON_WIRE_H
#define COMMON_WIRE_H

#include "buf.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The messages of PROTOCOL.md as structs, encoded to and decoded from bytes. Pure: no sockets.
 * A decoded message borrows strings, data and lists from the frame it came from. */

#define WIRE_MAGIC     0x31575348u
#define WIRE_VERSION   1
#define WIRE_HEADER    32
#define WIRE_FRAME_MAX 262144u
#define WIRE_PART_MAX  261888u     /* data bytes of one part; a multiple of 8 */
#define WIRE_BLOB_MAX  (17u << 20) /* a whole document or table */
#define WIRE_WHOLE_MAX 4096u       /* data bytes of an answer that RESULTS carries */
#define WIRE_PORT      7117

/* Of its short answers a worker keeps back fewer than this many, and no longer than that, while it
 * waits for an ACK. */
#define WIRE_GATHER(threads) ((threads) > 4u ? (threads) : 4u)
#define WIRE_GATHER_MS       20

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_HEARTBEAT = 2,
    WIRE_GET_JOB = 3,
    WIRE_GET_TABLE = 4,
    WIRE_PUT_TABLE = 5,
    WIRE_RESULT = 6,
    WIRE_RETURN = 7,
    WIRE_JOB_FAIL = 8,
    WIRE_BYE = 9,
    WIRE_RESULTS = 10,
    WIRE_WELCOME = 17,
    WIRE_REFUSED = 18,
    WIRE_WHO = 19,
    WIRE_JOB_PART = 20,
    WIRE_TABLE_PART = 21,
    WIRE_LEASE = 22,
    WIRE_ACK = 23,
    WIRE_DROP = 24,
    WIRE_PONG = 25,
    WIRE_REQUEST = 33,
    WIRE_UPLOAD = 34,
    WIRE_FETCH = 35,
    WIRE_REPLY = 49,
    WIRE_PAGE = 50,
    WIRE_NOTICE = 51,
};

enum wire_coding {
    WIRE_RAW = 0,
    WIRE_SAME = 1,
    WIRE_LEAVES = 2, /* of the plane that stands for all others, WIRE_LEAVES_PLANE */
};
#define WIRE_LEAVES_PLANE(fields) ((uint16_t)(2 * (fields) + 1))

enum {
    WIRE_LEASE_VERIFY = 1,
    WIRE_LEASE_STRAGGLER = 2,
    WIRE_LEASE_LEAVES = 4, /* answers may come as leaves */
};

struct token {
    uint64_t hi, lo;
};

struct wire_span { /* borrowed bytes; a string when the field is a str */
    const void *data;
    size_t len;
};

struct wire_holding {
    uint32_t job, first_tile, tile_count, first, count;
    struct token token;
    bool solved;
};

struct wire_progress {
    struct token token;
    uint64_t points_done;
    uint32_t cpu_ms;
};

struct wire_tiles {
    uint32_t job, first_tile, tile_count;
};

/* One answer of RESULTS: the coded planes of a whole tile, one after the other. */
struct wire_whole {
    uint32_t tile, solve_us;
    uint8_t planes;         /* those that the job has */
    const uint8_t *codings; /* of each; enum wire_coding */
    struct wire_span data;
};

/* A list inside a message: for encoding set `items` (array of the struct above); a decoded message
 * has `raw` instead, read with the wire_*_at functions. */
struct wire_list {
    uint32_t count;
    const void *items;
    const unsigned char *raw;
};

struct wire_msg {
    enum wire_type type;
    uint64_t sender, tag;
    union {
        struct {
            uint64_t store;
            uint16_t threads;
            uint32_t hold_bytes, self_test, pid;
            bool paused;           /* the admin's wish, as the newest PONG had it */
            uint8_t limit_percent; /* 0: none was said */
            struct wire_span version, host, isa;
            struct wire_list holdings;
        } hello;
        struct {
            uint32_t hold_bytes;
            uint64_t sent_bytes;
            struct wire_list progress;
        } heartbeat;
        struct { /* GET_JOB, GET_TABLE */
            uint32_t job, offset;
        } get;
        struct { /* PUT_TABLE, JOB_PART, TABLE_PART; UPLOAD (job 0) */
            uint32_t job, total, offset;
            struct wire_span data;
        } part;
        struct {
            uint32_t job, tile, first, count;
            struct token token;
            uint16_t plane;
            uint8_t coding;
            uint32_t plane_bytes, offset, solve_us, crc;
            uint32_t data_crc; /* decoded: of the data that came, for crc to be held against */
            struct wire_span data;
        } result;
        struct { /* RESULTS: answers read with wire_whole_next */
            uint32_t job;
            struct token token;
            uint32_t count;
            struct wire_span wholes;
        } results;
        struct { /* RETURN */
            struct token token;
            uint32_t job, first_tile, tile_count;
            struct wire_span reason;
        } give_back;
        struct {
            uint32_t job;
            uint16_t code;
            struct wire_span text;
        } job_fail;
        struct {
            struct wire_span reason;
        } bye;
        struct {
            uint64_t store, window;
            uint32_t worker;
            uint16_t heartbeat_ms;
            struct wire_span version;
        } welcome;
        struct {
            uint16_t code;
            uint32_t retry_ms;
            struct wire_span text;
        } refused;
        struct {
            uint32_t job, first_tile, tile_count, first, count;
            struct token token;
            uint16_t flags;
        } lease;
        struct { /* ACK, DROP (window 0) */
            uint64_t window;
            struct wire_list tiles;
        } tiles;
        struct {
            uint64_t window;
            uint8_t paused, limit_percent;
        } pong;
        struct {
            struct wire_span op, json;
        } request;
        struct {
            uint32_t job;
            struct wire_span file;
            uint64_t offset;
            uint32_t length;
        } fetch;
        struct { /* REPLY, NOTICE (code 0) */
            uint16_t code;
            struct wire_span json;
        } reply;
        struct {
            uint64_t file_bytes, offset;
            uint8_t final;
            struct wire_span data;
        } page;
    };
};

/* Appends the frame to out. The caller keeps the lengths within the limits (asserted). */
void wire_encode(const struct wire_msg *msg, struct buf *out);

/* Decodes one frame. 0, or -1 with ERR_OTHER (malformed) or ERR_VERSION (another protocol version;
 * msg->sender and tag are then set all the same). */
int wire_decode(const void *frame, size_t len, struct wire_msg *msg, struct err *err);

struct wire_holding wire_holding_at(const struct wire_list *list, uint32_t i);
struct wire_progress wire_progress_at(const struct wire_list *list, uint32_t i);
struct wire_tiles wire_tiles_at(const struct wire_list *list, uint32_t i);

/* Appends an answer to those of a RESULTS that is being made. */
void wire_whole_add(struct buf *wholes, const struct wire_whole *whole);
/* Takes the next answer off; false when none is left, or what is left is none. A decoded RESULTS
 * has as many as its count says, and nothing after them. */
bool wire_whole_next(struct wire_span *wholes, struct wire_whole *out);

struct wire_span wire_str(const char *s);
const char *wire_type_name(enum wire_type type);

static inline bool token_equal(struct token a, struct token b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

#endif
