#ifndef TESTS_FAKE_BROKER_H
#define TESTS_FAKE_BROKER_H

/* A broker that the test plays itself, on a thread of its own, for tests of the client's link. */
#include "answer.h"
#include "crc32c.h"
#include "door.h"
#include "joblist.h"
#include "json.h"
#include "link.h"
#include "wire.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#define FILE_BYTES 3000000u /* a dozen pages */

/* What the broker does with a request. */
enum manner {
    ANSWER,       /* properly */
    ANSWER_LATE,  /* only the second time it is asked, and twice then */
    AWAY,         /* the first request alone, then after three seconds */
    GARBAGE,      /* broken frames and strange tags first */
    REFUSE,       /* with an error */
    OTHER_VERSION /* of the protocol */
};

struct broker {
    pthread_t thread;
    void *context, *socket;
    enum manner manner;
    char endpoint[64], folder[40];
    unsigned asked, requests; /* messages; those that do not repeat the one before */
    uint64_t last_tag;
    unsigned char *document; /* uploaded */
    uint32_t uploaded;       /* up to here */
    unsigned statuses;
    bool joined;
};

static inline void send_frame(struct broker *b, zmq_msg_t *route, const void *data, size_t len)
{
    zmq_send(b->socket, zmq_msg_data(route), zmq_msg_size(route), ZMQ_SNDMORE);
    zmq_send(b->socket, data, len, 0);
}

static inline void send_msg(struct broker *b, zmq_msg_t *route, struct wire_msg *m)
{
    struct buf frame = {0};
    m->sender = 42;
    wire_encode(m, &frame);
    if (b->manner == OTHER_VERSION) { /* as a broker of version 2 would send it */
        frame.data[4] = 2;
        uint32_t crc = crc32c(crc32c(0, frame.data, 28), frame.data + 32, frame.len - 32);
        memcpy(frame.data + 28, &crc, 4);
    }
    send_frame(b, route, frame.data, frame.len);
    buf_fini(&frame);
}

static inline void reply(struct broker *b, zmq_msg_t *route, uint64_t tag, uint16_t code,
                         const char *json)
{
    struct wire_msg m = {.type = WIRE_REPLY, .tag = tag};
    m.reply.code = code;
    m.reply.json = wire_str(json);
    send_msg(b, route, &m);
}

static inline void status_json(char *out, size_t size, bool done)
{
    snprintf(out, size, "{\"id\":1,\"state\":\"%s\",\"points_total\":4,\"points_done\":%d}",
             done ? "done" : "running", done ? 4 : 1);
}

/* A page of at most three of the jobs 1 to 7, with lower numbers than the request says. */
static inline void answer_list(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
{
    static const struct json_limits limits = {1000, 10, 10};
    char json[128] = "{\"jobs\": [";
    struct json *args;
    assert_int_equal(json_parse(m->request.json.data, m->request.json.len, &limits, &args, NULL),
                     0);
    int64_t before = json_get_integer(args, "before", 8), end = before < 8 ? before : 8;
    int64_t first = end > 3 ? end - 3 : 1;
    for (int64_t i = first; i < end; i++)
        snprintf(json + strlen(json), sizeof json - strlen(json), "%s{\"id\": %d}",
                 i > first ? ", " : "", (int)i);
    snprintf(json + strlen(json), sizeof json - strlen(json), "], \"left_off\": %d}",
             (int)first - 1);
    json_destroy(args);
    reply(b, route, m->tag, 0, json);
}

static inline void answer(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
{
    char json[128];
    if (m->request.op.len == 6 && memcmp(m->request.op.data, "status", 6) == 0) {
        status_json(json, sizeof json, ++b->statuses > 3);
        reply(b, route, m->tag, 0, json);
    } else if (m->request.op.len == 5 && memcmp(m->request.op.data, "watch", 5) == 0) {
        status_json(json, sizeof json, false);
        reply(b, route, m->tag, 0, json);
        struct wire_msg notice = {.type = WIRE_NOTICE, .tag = m->tag};
        notice.reply.json = wire_str(json);
        send_msg(b, route, &notice);
    } else if (m->request.op.len == 4 && memcmp(m->request.op.data, "list", 4) == 0) {
        answer_list(b, route, m);
    } else {
        reply(b, route, m->tag, 0, "{\"version\": \"test\"}");
    }
}

static inline void on_request(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
{
    b->asked++;
    b->requests += m->tag != b->last_tag;
    b->last_tag = m->tag;
    switch (b->manner) {
    case ANSWER_LATE:
        if (b->asked < 2)
            return;
        answer(b, route, m);
        answer(b, route, m);
        return;
    case AWAY:
        if (b->asked < 2 || b->asked > 4)
            answer(b, route, m);
        return;
    case GARBAGE:
        send_frame(b, route, "nonsense", 8);
        send_frame(b, route, "", 0);
        reply(b, route, m->tag + 1000, 0, "{\"version\": \"wrong\"}");
        answer(b, route, m);
        return;
    case REFUSE:
        reply(b, route, m->tag, 5, "{\"code\":5,\"message\":\"no job 9\",\"hint\":\"list\"}");
        return;
    case ANSWER:
    case OTHER_VERSION:
        answer(b, route, m);
    }
}

/* A byte of the file is a function of its place. */
static inline unsigned char file_byte(uint64_t i)
{
    return (unsigned char)(i * 31 + i / 977);
}

static inline void on_fetch(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
{
    struct buf data = {0};
    uint64_t from = m->fetch.offset, to = from + m->fetch.length;
    if (b->asked++ % 5 == 2)
        return; /* some are lost */
    to = to > FILE_BYTES ? FILE_BYTES : to;
    for (uint64_t i = from; i < to; i++) {
        unsigned char byte = file_byte(i);
        buf_add(&data, &byte, 1);
    }
    struct wire_msg page = {.type = WIRE_PAGE, .tag = m->tag};
    page.page.file_bytes = FILE_BYTES;
    page.page.offset = from;
    page.page.final = 1;
    page.page.data = (struct wire_span){data.data, data.len};
    send_msg(b, route, &page);
    buf_fini(&data);
}

static inline void on_upload(struct broker *b, const struct wire_msg *m)
{
    if (!b->document)
        b->document = mem_alloc(m->part.total, 1);
    memcpy(b->document + m->part.offset, m->part.data.data, m->part.data.len);
    uint32_t end = m->part.offset + (uint32_t)m->part.data.len;
    b->uploaded = end > b->uploaded ? end : b->uploaded;
}

static inline void *serve(void *arg)
{
    struct broker *b = arg;
    for (;;) {
        zmq_msg_t route, frame;
        struct wire_msg m;
        zmq_msg_init(&route);
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&route, b->socket, 0) < 0 || zmq_msg_recv(&frame, b->socket, 0) < 0)
            break; /* the context has ended */
        if (wire_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &m, NULL) == 0) {
            if (m.type == WIRE_REQUEST)
                on_request(b, &route, &m);
            else if (m.type == WIRE_FETCH)
                on_fetch(b, &route, &m);
            else if (m.type == WIRE_UPLOAD)
                on_upload(b, &m);
        }
        zmq_msg_close(&route);
        zmq_msg_close(&frame);
    }
    zmq_close(b->socket);
    return NULL;
}

static inline struct broker *broker_start(enum manner manner)
{
    struct broker *b = mem_alloc(1, sizeof *b);
    struct err err;
    b->manner = manner;
    strcpy(b->folder, "/tmp/hillsweep-link-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->endpoint, sizeof b->endpoint, "ipc://%s/broker", b->folder);
    b->context = zmq_ctx_new();
    assert_int_equal(door_bind(b->context, b->endpoint, NULL, &b->socket, &err), 0);
    assert_int_equal(pthread_create(&b->thread, NULL, serve, b), 0);
    return b;
}

/* Ends the thread: what it wrote may be read after that. */
static inline void broker_join(struct broker *b)
{
    zmq_ctx_shutdown(b->context);
    pthread_join(b->thread, NULL);
    b->joined = true;
}

static inline void broker_stop(struct broker *b)
{
    if (!b->joined)
        broker_join(b);
    zmq_ctx_term(b->context);
    unlink(b->endpoint + 6);
    rmdir(b->folder);
    free(b->document);
    free(b);
}

static inline struct link *connect_to(const struct broker *b)
{
    struct link *link;
    struct err err;
    assert_int_equal(link_open(b->endpoint, "the test", NULL, 60000, &link, &err), 0);
    return link;
}

#endif
