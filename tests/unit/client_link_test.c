/* The link against a broker that the test plays itself, on a thread of its own. */
#include "answer.h"
#include "clock.h"
#include "crc32c.h"
#include "follow.h"
#include "joblist.h"
#include "json.h"
#include "link.h"
#include "wire.h"

#include "door.h"

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
    unsigned requests;
    uint64_t first_tag;
    unsigned char *document; /* uploaded */
    uint32_t uploaded;
    unsigned statuses;
    bool tags_repeat, joined;
};

static void send_frame(struct broker *b, zmq_msg_t *route, const void *data, size_t len)
{
    zmq_send(b->socket, zmq_msg_data(route), zmq_msg_size(route), ZMQ_SNDMORE);
    zmq_send(b->socket, data, len, 0);
}

static void send_msg(struct broker *b, zmq_msg_t *route, struct wire_msg *m)
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

static void reply(struct broker *b, zmq_msg_t *route, uint64_t tag, uint16_t code, const char *json)
{
    struct wire_msg m = {.type = WIRE_REPLY, .tag = tag};
    m.reply.code = code;
    m.reply.json = wire_str(json);
    send_msg(b, route, &m);
}

static void status_json(char *out, size_t size, bool done)
{
    snprintf(out, size, "{\"id\":1,\"state\":\"%s\",\"points_total\":4,\"points_done\":%d}",
             done ? "done" : "running", done ? 4 : 1);
}

/* A page of at most three of the jobs 1 to 7, with lower numbers than the request says. */
static void answer_list(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
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

static void answer(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
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

static void on_request(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
{
    if (b->requests++ == 0)
        b->first_tag = m->tag;
    b->tags_repeat = m->tag == b->first_tag;
    switch (b->manner) {
    case ANSWER_LATE:
        if (b->requests < 2)
            return;
        answer(b, route, m);
        answer(b, route, m);
        return;
    case AWAY:
        if (b->requests < 2 || b->requests > 4)
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
static unsigned char file_byte(uint64_t i)
{
    return (unsigned char)(i * 31 + i / 977);
}

static void on_fetch(struct broker *b, zmq_msg_t *route, const struct wire_msg *m)
{
    struct buf data = {0};
    uint64_t from = m->fetch.offset, to = from + m->fetch.length;
    if (b->requests++ % 5 == 2)
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

static void on_upload(struct broker *b, const struct wire_msg *m)
{
    if (!b->document)
        b->document = mem_alloc(m->part.total, 1);
    memcpy(b->document + m->part.offset, m->part.data.data, m->part.data.len);
    b->uploaded += (uint32_t)m->part.data.len;
}

static void *serve(void *arg)
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

static struct broker *broker_start(enum manner manner)
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
static void broker_join(struct broker *b)
{
    zmq_ctx_shutdown(b->context);
    pthread_join(b->thread, NULL);
    b->joined = true;
}

static void broker_stop(struct broker *b)
{
    if (!b->joined)
        broker_join(b);
    zmq_ctx_term(b->context);
    unlink(b->endpoint + 6);
    rmdir(b->folder);
    free(b->document);
    free(b);
}

static struct link *connect_to(const struct broker *b)
{
    struct link *link;
    struct err err;
    assert_int_equal(link_open(b->endpoint, "the test", NULL, 5000, &link, &err), 0);
    return link;
}

static void call_is_answered(enum manner manner, unsigned requests)
{
    struct broker *b = broker_start(manner);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct err err;
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), 0);
    assert_string_equal(buf_text(&json), "{\"version\": \"test\"}");
    link_close(link);
    broker_join(b);
    assert_int_equal(b->requests, requests);
    assert_true(b->tags_repeat);
    buf_fini(&json);
    broker_stop(b);
}

static void a_request_is_answered(void **state)
{
    (void)state;
    call_is_answered(ANSWER, 1);
}

static void jobs_come_in_pages(void **state)
{
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct job_view *views;
    struct err err;
    size_t count;
    assert_int_equal(joblist_fetch(link, &json, &err), 0);
    link_close(link);
    broker_join(b);
    assert_int_equal(b->requests, 3);
    assert_int_equal(view_parse_list(buf_text(&json), json.len, &views, &count, &err), 0);
    assert_int_equal(count, 7);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(views[i].id, i + 1);
    free(views);
    buf_fini(&json);
    broker_stop(b);
}

static void a_lost_request_is_repeated_with_its_tag(void **state)
{
    (void)state;
    call_is_answered(ANSWER_LATE, 2);
}

static void what_is_not_the_answer_is_ignored(void **state)
{
    (void)state;
    call_is_answered(GARBAGE, 1);
}

static void a_refusal_is_an_error(void **state)
{
    (void)state;
    struct broker *b = broker_start(REFUSE);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct err err;
    assert_int_equal(link_call(link, "status", "{\"job\":9}", &json, &err), -1);
    assert_int_equal(err.code, ERR_NO_SUCH_JOB);
    assert_string_equal(err.text, "no job 9");
    assert_string_equal(err.hint, "list");
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static void another_version_is_told(void **state)
{
    (void)state;
    struct broker *b = broker_start(OTHER_VERSION);
    struct link *link = connect_to(b);
    struct buf json = {0};
    struct err err;
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), -1);
    assert_int_equal(err.code, ERR_VERSION);
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static void nobody_is_unreachable(void **state)
{
    struct link *link;
    struct buf json = {0};
    struct err err;
    (void)state;
    assert_int_equal(link_open("ipc:///tmp/hillsweep-nobody", "the test", NULL, 50, &link, &err),
                     0);
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), -1);
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_non_null(strstr(err.text, "ipc:///tmp/hillsweep-nobody"));
    assert_non_null(strstr(err.text, "the test"));
    link_close(link);
    assert_int_equal(link_open("carrier://pigeon", "the test", NULL, 50, &link, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    buf_fini(&json);
}

static void a_file_comes_in_pages(void **state)
{
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    struct buf data = {0};
    struct link_page page;
    struct err err;
    uint64_t offset = 4096;
    assert_int_equal(link_fetch(link, 1, "F.npy", offset, FILE_BYTES, &data, &page, &err), 0);
    assert_int_equal(data.len, FILE_BYTES - offset); /* up to the file's end */
    assert_int_equal(page.file_bytes, FILE_BYTES);
    for (size_t i = 0; i < data.len; i++)
        if (data.data[i] != file_byte(offset + i))
            fail_msg("byte %zu is wrong", i);
    link_close(link);
    buf_fini(&data);
    broker_stop(b);
}

static void a_document_goes_up_in_parts(void **state)
{
    enum { BYTES = 700001 };
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    unsigned char *document = mem_alloc(BYTES, 1);
    struct buf json = {0};
    struct err err;
    for (size_t i = 0; i < BYTES; i++)
        document[i] = file_byte(i);
    assert_int_equal(link_submit(link, 99, document, BYTES, "{}", &json, &err), 0);
    link_close(link);
    broker_join(b);
    assert_int_equal(b->uploaded, BYTES);
    assert_memory_equal(b->document, document, BYTES);
    free(document);
    buf_fini(&json);
    broker_stop(b);
}

static void a_job_is_followed_to_its_end(void **state)
{
    (void)state;
    struct broker *b = broker_start(ANSWER);
    struct link *link = connect_to(b);
    struct progress quiet;
    struct job_view view = {0};
    struct buf json = {0};
    struct err err;
    progress_init(&quiet, NULL, (struct terminal){.width = 80});
    struct follow follow = {link, 1, &quiet, NULL, NULL, NULL, LINK_FOREVER, 1, 2};
    assert_int_equal(follow_job(&follow, &view, &json, &err), 0);
    assert_int_equal(view.state, VIEW_DONE);
    assert_int_equal(view.points_done, 4);
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static void note_silence(void *arg, const struct job_view *view)
{
    assert_int_equal(view->points_done, 1);
    assert_non_null(strstr(view->reason, "the broker has not answered for"));
    ++*(int *)arg;
}

static void a_broker_that_is_away_is_told_of(void **state)
{
    (void)state;
    struct broker *b = broker_start(AWAY);
    struct link *link = connect_to(b);
    struct progress quiet;
    struct job_view view = {0};
    struct buf json = {0};
    struct err err;
    int told = 0;
    progress_init(&quiet, NULL, (struct terminal){.width = 80});
    struct follow follow = {link, 1, &quiet, NULL, note_silence, &told, LINK_FOREVER, 1, 2};
    assert_int_equal(follow_job(&follow, &view, &json, &err), 0);
    assert_int_equal(view.state, VIEW_DONE);
    assert_true(told > 0);
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static int met(void *arg, const struct job_view *view, const struct buf *json, struct err *err)
{
    (void)view, (void)json, (void)err;
    link_set_connect(arg, 0);
    return 0;
}

/* It is away when the wait is to end. */
static void a_wait_ends_in_time_whoever_is_away(void **state)
{
    (void)state;
    struct broker *b = broker_start(AWAY);
    struct link *link = connect_to(b);
    struct progress quiet;
    struct job_view view = {0};
    struct buf json = {0};
    struct err err;
    progress_init(&quiet, NULL, (struct terminal){.width = 80});
    struct follow follow = {link, 1, &quiet, met, NULL, link, clock_ms() + 200, 1, 2};
    assert_int_equal(follow_job(&follow, &view, &json, &err), -1);
    assert_int_equal(err.code, ERR_TIMED_OUT);
    assert_non_null(strstr(err.text, "job 1 was running when"));
    link_close(link);
    buf_fini(&json);
    broker_stop(b);
}

static int say_stop(void *arg, struct err *err)
{
    char byte;
    assert_int_equal(read(*(int *)arg, &byte, 1), 1);
    return err_set(err, ERR_INTERRUPTED, "stop");
}

static void a_watcher_ends_a_wait(void **state)
{
    int ends[2];
    struct link *link;
    struct buf json = {0};
    struct err err;
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(link_open("ipc:///tmp/hillsweep-nobody", "", NULL, LINK_FOREVER, &link, &err),
                     0);
    link_watch(link, ends[0], say_stop, &ends[0]);
    assert_int_equal(link_call(link, "ping", "{}", &json, &err), -1);
    assert_int_equal(err.code, ERR_INTERRUPTED);
    link_close(link);
    close(ends[0]);
    close(ends[1]);
    buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered),
        cmocka_unit_test(jobs_come_in_pages),
        cmocka_unit_test(a_lost_request_is_repeated_with_its_tag),
        cmocka_unit_test(what_is_not_the_answer_is_ignored),
        cmocka_unit_test(a_refusal_is_an_error),
        cmocka_unit_test(another_version_is_told),
        cmocka_unit_test(nobody_is_unreachable),
        cmocka_unit_test(a_file_comes_in_pages),
        cmocka_unit_test(a_document_goes_up_in_parts),
        cmocka_unit_test(a_job_is_followed_to_its_end),
        cmocka_unit_test(a_broker_that_is_away_is_told_of),
        cmocka_unit_test(a_wait_ends_in_time_whoever_is_away),
        cmocka_unit_test(a_watcher_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
