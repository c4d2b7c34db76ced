/* See link.h. Everything is built on two functions: link_transmit and link_receive, which both go
 * through wait_for(), the only place where the client sleeps. */
#include "link_private.h"

#include "answer.h"
#include "clock.h"
#include "crc32c.h"
#include "door.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    LOOK_MS = 250, /* how often a wait looks at the door */
    LOOK_FIRST_MS = 20,
    STRANGE_MS = 500, /* for so long a door may look like another broker's */
    PAGES_MAX = 4,    /* pages in flight: hides 50 ms of latency at 20 MB/s */
};

int link_open(const char *endpoint, const char *from, const struct key *key, int64_t connect_ms,
              struct link **out, struct err *err)
{
    void *context = zmq_ctx_new();
    if (!context)
        return err_set(err, ERR_OTHER, "cannot start ZeroMQ: %s", zmq_strerror(zmq_errno()));
    struct door *door;
    if (door_open(context, endpoint, key, &door, err)) {
        zmq_ctx_term(context);
        return err_prefix(err, "%s", from);
    }
    struct link *link = mem_alloc(1, sizeof *link);
    *link = (struct link){
        .context = context,
        .socket = door_socket(door),
        .door = door,
        .endpoint = mem_strdup(endpoint),
        .from = mem_strdup(from),
        .sender = door_random(),
        .next_tag = door_random() | 1,
        .connect_ms = connect_ms,
        .patience_ms = LINK_PATIENCE_MS,
        .watch_fd = -1,
    };
    zmq_msg_init(&link->message);
    *out = link;
    return 0;
}

void link_close(struct link *link)
{
    if (!link)
        return;
    zmq_msg_close(&link->message);
    door_close(link->door, 0);
    zmq_ctx_term(link->context);
    buf_fini(&link->frame);
    buf_fini(&link->notice);
    free(link->endpoint);
    free(link->from);
    free(link);
}

void link_set_patience(struct link *link, int64_t ms)
{
    link->patience_ms = ms;
}

void link_set_connect(struct link *link, int64_t ms)
{
    link->connect_ms = ms;
}

bool link_answered(const struct link *link)
{
    return link->answered;
}

void link_on_silence(struct link *link, link_silence_fn *fn, void *arg)
{
    link->silence = fn;
    link->silence_arg = arg;
}

void link_watch(struct link *link, int fd, link_wake_fn *fn, void *arg)
{
    link->watch_fd = fd;
    link->wake = fn;
    link->wake_arg = arg;
}

int64_t link_later(int64_t now, int64_t ms)
{
    return ms > INT64_MAX - now ? INT64_MAX : now + ms;
}

/* When a request that is made now is given up. */
int64_t link_deadline(const struct link *link)
{
    int64_t ms = link->connect_ms;
    if (link->met && link->patience_ms > ms)
        ms = link->patience_ms;
    return link_later(clock_ms(), ms);
}

int link_unreachable(const struct link *link, struct err *err)
{
    enum door_view view = door_look(link->door, clock_ms());
    if (view == DOOR_STRANGER)
        return door_explain(link->door, view, err);
    err_set(err, ERR_UNREACHABLE, "no broker answers at %s (from %s)", link->endpoint, link->from);
    if (link->met)
        return err_hint(err, "it answered before: look at its log, then try again");
    return err_hint(err,
                    "start one with: hillsweep-broker --listen %s; or solve here without "
                    "one: hillsweep run JOB.json",
                    link->endpoint);
}

/* A door that is shut for good need not be waited at. One that closes in our face without a word
 * may be a broker in trouble: it is given a moment. */
static bool is_shut(struct link *link, struct err *err)
{
    int64_t now = clock_ms();
    enum door_view view = door_look(link->door, now);
    if (view != DOOR_STRANGER)
        link->strange_ms = 0;
    else if (link->strange_ms == 0)
        link->strange_ms = now;
    bool strange = view == DOOR_STRANGER && now - link->strange_ms >= STRANGE_MS;
    if (view != DOOR_REFUSED && view != DOOR_KEYLESS && !strange)
        return false;
    door_explain(link->door, view, err);
    return true;
}

static void note_silence(const struct link *link)
{
    int64_t ms = clock_ms() - link->asked_ms;
    if (link->silence && link->asked_ms > 0 && ms >= LINK_SILENCE_MS)
        link->silence(link->silence_arg, ms);
}

/* 1 when the socket is ready for `events`, 0 at `until`, -1 when the watcher or the door says so.
 */
static int wait_for(struct link *link, short events, int64_t until, struct err *err)
{
    for (;;) {
        int64_t slice = link->met ? LOOK_MS : LOOK_FIRST_MS;
        int64_t left = until == INT64_MAX ? slice : until - clock_ms();
        zmq_pollitem_t items[2] = {
            {.socket = link->socket, .events = events},
            {.fd = link->watch_fd, .events = ZMQ_POLLIN},
        };
        int n = zmq_poll(items, link->watch_fd >= 0 ? 2 : 1,
                         left < 0 ? 0 : (long)(left < slice ? left : slice));
        if (n < 0 && zmq_errno() != EINTR)
            return err_set(err, ERR_OTHER, "cannot wait for the broker: %s",
                           zmq_strerror(zmq_errno()));
        if (n > 0 && items[1].revents && link->wake(link->wake_arg, err))
            return -1;
        if (n > 0 && items[0].revents)
            return 1;
        if (is_shut(link, err))
            return -1;
        note_silence(link);
        if (clock_ms() >= until)
            return 0;
    }
}

int link_transmit(struct link *link, const struct wire_msg *msg, int64_t deadline, struct err *err)
{
    buf_clear(&link->frame);
    wire_encode(msg, &link->frame);
    while (zmq_send(link->socket, link->frame.data, link->frame.len, ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() != EAGAIN && zmq_errno() != EINTR)
            return err_set(err, ERR_OTHER, "cannot send to the broker: %s",
                           zmq_strerror(zmq_errno()));
        int ready = wait_for(link, ZMQ_POLLOUT, deadline, err);
        if (ready < 0)
            return -1;
        if (ready == 0)
            return link_unreachable(link, err);
    }
    return 0;
}

int link_receive(struct link *link, int64_t until, struct wire_msg *msg, struct err *err)
{
    for (;;) {
        zmq_msg_close(&link->message);
        zmq_msg_init(&link->message);
        if (zmq_msg_recv(&link->message, link->socket, ZMQ_DONTWAIT) < 0) {
            int ready = wait_for(link, ZMQ_POLLIN, until, err);
            if (ready <= 0)
                return ready;
            continue;
        }
        struct err broken;
        if (wire_decode(zmq_msg_data(&link->message), zmq_msg_size(&link->message), msg, &broken)) {
            if (broken.code != ERR_VERSION)
                continue;
            *err = broken;
            return -1;
        }
        link->met = true;
        if (link->asked_ms > 0)
            link->asked_ms = clock_ms();
        if (msg->type == WIRE_REFUSED) {
            err_set(err, (enum err_code)msg->refused.code, "%.*s", (int)msg->refused.text.len,
                    (const char *)msg->refused.text.data);
            return -1;
        }
        if (msg->type == WIRE_NOTICE) {
            buf_clear(&link->notice);
            buf_add(&link->notice, msg->reply.json.data, msg->reply.json.len);
        }
        return 1;
    }
}

static int upload(struct link *link, uint64_t key, const unsigned char *data, size_t len,
                  int64_t deadline, struct err *err)
{
    for (size_t at = 0; at < len; at += WIRE_PART_MAX) {
        size_t n = len - at < WIRE_PART_MAX ? len - at : WIRE_PART_MAX;
        struct wire_msg part = {.type = WIRE_UPLOAD, .sender = link->sender, .tag = key};
        part.part.total = (uint32_t)len;
        part.part.offset = (uint32_t)at;
        part.part.data = (struct wire_span){data + at, n};
        if (link_transmit(link, &part, deadline, err))
            return -1;
    }
    return 0;
}

/* Takes the reply to `tag`: 1 (done, or failed with err->code set), 0 when msg is something else.
 */
static int take_reply(const struct wire_msg *msg, uint64_t tag, struct buf *answer, struct err *err)
{
    if ((msg->type != WIRE_REPLY && msg->type != WIRE_PAGE) || msg->tag != tag)
        return 0;
    err->code = ERR_NONE;
    if (msg->type == WIRE_PAGE) {
        buf_clear(answer);
        buf_add(answer, msg->page.data.data, msg->page.data.len);
    } else if (msg->reply.code != 0) {
        answer_error(msg->reply.json.data, msg->reply.json.len, msg->reply.code, err);
    } else {
        buf_clear(answer);
        buf_add(answer, msg->reply.json.data, msg->reply.json.len);
    }
    return 1;
}

struct request {
    const char *op, *json;
    uint64_t key; /* of the document */
    const void *document;
    size_t len;
};

static int converse(struct link *link, const struct request *request, struct buf *answer,
                    struct err *err)
{
    struct wire_msg msg, ask = {.type = WIRE_REQUEST, .sender = link->sender};
    ask.tag = link->next_tag++;
    ask.request.op = wire_str(request->op);
    ask.request.json = wire_str(request->json);
    int64_t deadline = link_deadline(link);
    link->answered = false;
    for (;;) {
        if (request->document &&
            upload(link, request->key, request->document, request->len, deadline, err))
            return -1;
        if (link_transmit(link, &ask, deadline, err))
            return -1;
        int64_t repeat = link_later(clock_ms(), LINK_REPEAT_MS);
        int got;
        while ((got = link_receive(link, repeat < deadline ? repeat : deadline, &msg, err)) == 1)
            if ((link->answered = take_reply(&msg, ask.tag, answer, err)))
                return err->code == ERR_NONE ? 0 : -1;
        if (got < 0)
            return -1;
        if (clock_ms() >= deadline)
            return link_unreachable(link, err);
    }
}

static int exchange(struct link *link, const struct request *request, struct buf *answer,
                    struct err *err)
{
    struct err scratch;
    link->asked_ms = clock_ms();
    int rc = converse(link, request, answer, err ? err : &scratch);
    link->asked_ms = 0;
    return rc;
}

int link_call(struct link *link, const char *op, const char *json, struct buf *answer,
              struct err *err)
{
    struct request request = {.op = op, .json = json};
    return exchange(link, &request, answer, err);
}

int link_submit(struct link *link, uint64_t key, const void *document, size_t len, const char *json,
                struct buf *answer, struct err *err)
{
    struct request request = {"submit", json, key, document, len};
    struct err first;
    int rc = exchange(link, &request, answer, &first);
    /* A broker that was started again in between has lost the parts that came before. */
    if (rc && first.code == ERR_OTHER)
        rc = exchange(link, &request, answer, &first);
    if (rc && err)
        *err = first;
    return rc;
}

static bool take_notice(struct link *link, struct buf *notice)
{
    if (link->notice.len == 0)
        return false;
    buf_clear(notice);
    buf_add(notice, link->notice.data, link->notice.len);
    buf_clear(&link->notice);
    return true;
}

int link_pause(struct link *link, int64_t ms, struct buf *notice, struct err *err)
{
    struct wire_msg msg;
    struct err scratch;
    int64_t until = link_later(clock_ms(), ms);
    int got = 1;
    while (!take_notice(link, notice))
        if ((got = link_receive(link, until, &msg, err ? err : &scratch)) != 1)
            break;
    return got;
}
