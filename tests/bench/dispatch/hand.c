/* One worker of the bench: says HELLO, answers leases with numbers that follow from the tile alone,
 * keeps to its window and its heartbeats, and knows what it holds until it is acknowledged. */
#include "farm_private.h"

#include "crc32c.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    HOLD_BYTES = 16 << 20,
    PLANE_VALUES = 0,
    PLANE_STATUS = 2,
    ANSWER_BYTES = sizeof(double) + 1,
};

/* --- saying ---------------------------------------------------------------------------------- */

static int post(struct farm *f, struct hand *w, struct wire_msg *m)
{
    m->sender = w->session;
    buf_clear(&f->frame);
    wire_encode(m, &f->frame);
    f->figures.said++;
    return zmq_send(w->socket, f->frame.data, f->frame.len, ZMQ_DONTWAIT) < 0 ? -1 : 0;
}

static void free_frame(void *data, void *hint)
{
    (void)hint;
    free(data);
}

/* As post, for long ones: libzmq takes the frame as it is. */
static int post_long(struct farm *f, struct hand *w, struct wire_msg *m)
{
    struct buf frame = {0};
    zmq_msg_t msg;
    m->sender = w->session;
    buf_grow(&frame, m->result.data.len + 256);
    frame.len = 0;
    wire_encode(m, &frame);
    f->figures.said++;
    zmq_msg_init_data(&msg, frame.data, frame.len, free_frame, NULL);
    if (zmq_msg_send(&msg, w->socket, ZMQ_DONTWAIT) >= 0)
        return 0;
    zmq_msg_close(&msg);
    return -1;
}

void hand_hello(struct farm *f, struct hand *w)
{
    char host[32];
    snprintf(host, sizeof host, "machine%u", (unsigned)(w - f->hands) % f->config.hosts);
    struct wire_msg m = {.type = WIRE_HELLO, .tag = w->tag};
    m.hello.threads = 1;
    m.hello.hold_bytes = HOLD_BYTES;
    m.hello.self_test = 1;
    m.hello.pid = (uint32_t)(w - f->hands) + 1;
    m.hello.version = wire_str(HILLSWEEP_VERSION);
    m.hello.host = wire_str(host);
    m.hello.isa = wire_str("none");
    post(f, w, &m);
}

void hand_heartbeat(struct farm *f, struct hand *w)
{
    struct wire_progress *progress = mem_alloc(w->count, sizeof *progress);
    for (size_t i = 0; i < w->count; i++)
        progress[i] = (struct wire_progress){w->leases[i].token, w->leases[i].sent, 0};
    struct wire_msg m = {.type = WIRE_HEARTBEAT};
    m.heartbeat.hold_bytes = HOLD_BYTES;
    m.heartbeat.sent_bytes = w->sent;
    m.heartbeat.progress = (struct wire_list){.count = (uint32_t)w->count, .items = progress};
    post(f, w, &m);
    free(progress);
}

static double value_of(uint32_t tile)
{
    return 1 + 1.0 / (tile + 1);
}

static const uint8_t done = 1;

/* One plane a message, as answers too long for RESULTS travel. */
static int say_planes(struct farm *f, struct hand *w, struct held *l)
{
    double value = value_of(l->first + l->sent);
    const struct wire_span planes[] = {{&value, sizeof value}, {&done, 1}};
    const uint16_t numbers[] = {PLANE_VALUES, PLANE_STATUS};
    for (int i = 0; i < 2; i++) {
        struct wire_msg m = {.type = WIRE_RESULT};
        m.result.job = l->job;
        m.result.tile = l->first + l->sent;
        m.result.count = 1;
        m.result.token = l->token;
        m.result.plane = numbers[i];
        m.result.plane_bytes = (uint32_t)planes[i].len;
        m.result.solve_us = f->config.solve_us;
        m.result.crc = crc32c(0, planes[i].data, planes[i].len);
        m.result.data = planes[i];
        if (post(f, w, &m))
            return -1; /* the first plane comes twice then: it is not taken twice */
    }
    l->sent++;
    w->sent += ANSWER_BYTES;
    f->figures.answers++;
    return 0;
}

static int say_wholes(struct farm *f, struct hand *w, struct held *l)
{
    static const uint8_t codings[] = {WIRE_RAW, WIRE_RAW};
    uint32_t n = l->count - l->sent;
    uint64_t fit = (w->window - w->sent) / ANSWER_BYTES;
    n = n < f->config.bundle ? n : f->config.bundle;
    n = n < fit ? n : (uint32_t)fit;
    if (f->config.tiles_per_s > 0) {
        n = n < w->solved ? n : (uint32_t)w->solved;
        w->solved -= n;
    }
    buf_clear(&f->wholes);
    for (uint32_t i = 0; i < n; i++) {
        unsigned char data[ANSWER_BYTES];
        double value = value_of(l->first + l->sent + i);
        memcpy(data, &value, sizeof value);
        data[sizeof value] = done;
        wire_whole_add(
            &f->wholes,
            &(struct wire_whole){
                l->first + l->sent + i, f->config.solve_us, 2, codings, {data, sizeof data}});
    }
    struct wire_msg m = {.type = WIRE_RESULTS};
    m.results.job = l->job;
    m.results.token = l->token;
    m.results.count = n;
    m.results.wholes = (struct wire_span){f->wholes.data, f->wholes.len};
    if (post(f, w, &m))
        return -1;
    l->sent += n;
    w->sent += n * ANSWER_BYTES;
    f->figures.answers += n;
    return 0;
}

static uint32_t crc_of_part(struct farm *f, uint32_t plane, uint32_t offset, struct wire_span data)
{
    uint32_t len = (uint32_t)data.len;
    struct known *k = &f->known[(offset / 8 * 31 + len / 8 * 7 + plane) % KNOWN];
    if (k->len != len || k->offset != offset || k->plane != plane)
        *k = (struct known){plane, offset, len, crc32c(0, data.data, len)};
    return k->crc;
}

static const void *plane_data(const struct farm *f, uint32_t plane)
{
    return plane == PLANE_STATUS   ? (const void *)&done
           : plane == PLANE_VALUES ? (const void *)f->values
                                   : (const void *)f->errors;
}

/* The next part of a real tile's answer: values and errors raw, statuses alike. */
static int say_part(struct farm *f, struct hand *w, struct held *l)
{
    static const size_t element[] = {sizeof(double), sizeof(float), 1};
    const struct job *job = f->config.job;
    uint32_t points = (uint32_t)job_tile_points(job, l->first + l->sent);
    bool status = l->plane == PLANE_STATUS;
    uint32_t all = status ? 1 : (uint32_t)(points * element[l->plane]), len = all - l->offset;
    uint64_t room = w->window - w->sent;
    len = len < WIRE_PART_MAX ? len : WIRE_PART_MAX;
    if (len > room)
        len = room < 4096 ? 0 : (uint32_t)room & ~7u;
    if (len == 0)
        return -1;
    struct wire_msg m = {.type = WIRE_RESULT};
    m.result.job = l->job;
    m.result.tile = l->first + l->sent;
    m.result.count = points;
    m.result.token = l->token;
    m.result.plane = (uint16_t)l->plane;
    m.result.coding = status ? WIRE_SAME : WIRE_RAW;
    m.result.plane_bytes = all;
    m.result.offset = l->offset;
    m.result.solve_us = f->config.solve_us;
    m.result.data = (struct wire_span){(const char *)plane_data(f, l->plane) + l->offset, len};
    m.result.crc = crc_of_part(f, l->plane, l->offset, m.result.data);
    if (post_long(f, w, &m))
        return -1;
    w->sent += len;
    l->offset += len;
    if (l->offset < all)
        return 0;
    l->offset = 0;
    if (++l->plane > PLANE_STATUS) {
        l->plane = 0;
        l->sent++;
        f->figures.answers++;
    }
    return 0;
}

/* Answers what it can; what cannot go now waits for the next ACK, PONG or turn. */
void hand_answer(struct farm *f, struct hand *w)
{
    w->wants = false;
    while (w->next < w->count) {
        struct held *l = &w->leases[w->next];
        if (l->sent == l->count || l->left == 0) {
            w->next++;
            continue;
        }
        if (f->config.tiles_per_s > 0 && w->solved < 1)
            return;
        bool room = f->config.job || w->window >= w->sent + ANSWER_BYTES;
        w->wants = !room || (f->config.job      ? say_part
                             : f->config.bundle ? say_wholes
                                                : say_planes)(f, w, l);
        if (w->wants)
            return;
    }
}

/* --- hearing --------------------------------------------------------------------------------- */

static void note_ask(struct farm *f, struct hand *w, double now_s)
{
    if (w->asked_s > 0 && f->figures.leases > 0 && f->ask_count < ASKS)
        f->asks[f->ask_count++] = (float)(1000 * (now_s - w->asked_s));
    w->asked_s = 0;
}

static void on_lease(struct farm *f, struct hand *w, const struct wire_msg *m)
{
    double now_s = seconds_now();
    if (w->calling)
        return; /* it was sent before our HELLO had come, which has not named it */
    note_ask(f, w, now_s);
    if (f->figures.leases++ == 0)
        f->figures.first_s = now_s;
    f->figures.stragglers += m->lease.flags & WIRE_LEASE_STRAGGLER ? 1 : 0;
    if (w->count == w->room) {
        w->room = w->room ? 2 * w->room : 8;
        w->leases = mem_resize(w->leases, w->room, sizeof *w->leases);
    }
    uint32_t n = m->lease.tile_count;
    assert(m->lease.count == 0); /* nobody dies here, so there are no pieces */
    w->leases[w->count++] =
        (struct held){m->lease.token, m->lease.job, m->lease.first_tile, n, 0, n, 0, 0};
    w->in_flight += n;
    f->in_flight += n;
    if (f->in_flight > f->figures.most_in_flight)
        f->figures.most_in_flight = f->in_flight;
    if (w->in_flight > f->figures.most_of_one)
        f->figures.most_of_one = w->in_flight;
    hand_answer(f, w);
}

static void count_acked(struct farm *f, const struct wire_tiles *t)
{
    if (t->job >= f->jobs) {
        f->seen = mem_resize(f->seen, t->job + 1, sizeof *f->seen);
        while (f->jobs <= t->job)
            f->seen[f->jobs++] = (struct seen){0};
    }
    struct seen *seen = &f->seen[t->job];
    uint32_t end = t->first_tile + t->tile_count;
    if (end > seen->room) {
        seen->tile = mem_resize(seen->tile, 2 * (size_t)end, 1);
        memset(seen->tile + seen->room, 0, 2 * (size_t)end - seen->room);
        seen->room = 2 * end;
    }
    for (uint32_t i = t->first_tile; i < end; i++) {
        f->figures.acked += !seen->tile[i];
        seen->tile[i] = 1;
    }
}

static uint32_t overlap(const struct held *l, const struct wire_tiles *t)
{
    if (l->job != t->job)
        return 0;
    uint64_t from = l->first > t->first_tile ? l->first : t->first_tile;
    uint64_t l_end = (uint64_t)l->first + l->count, t_end = (uint64_t)t->first_tile + t->tile_count;
    uint64_t to = l_end < t_end ? l_end : t_end;
    return to > from ? (uint32_t)(to - from) : 0;
}

static void let_go(struct farm *f, struct hand *w, const struct wire_tiles *t)
{
    size_t kept = 0, next = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct held l = w->leases[i];
        uint32_t n = overlap(&l, t);
        n = n < l.left ? n : l.left; /* a straggler's tile may be settled twice */
        l.left -= n;
        w->in_flight -= n;
        f->in_flight -= n;
        next += i < w->next && l.left > 0;
        if (l.left > 0)
            w->leases[kept++] = l;
    }
    w->count = kept;
    w->next = next;
    if (kept == 0 && w->asked_s <= 0)
        w->asked_s = seconds_now();
}

static void on_tiles(struct farm *f, struct hand *w, const struct wire_msg *m)
{
    for (uint32_t i = 0; i < m->tiles.tiles.count; i++) {
        struct wire_tiles t = wire_tiles_at(&m->tiles.tiles, i);
        if (m->type == WIRE_ACK) {
            count_acked(f, &t);
            f->figures.last_s = seconds_now();
        }
        let_go(f, w, &t);
    }
}

static void set_window(struct farm *f, struct hand *w, uint64_t window)
{
    if (window > w->window)
        w->window = window;
    if (w->wants)
        hand_answer(f, w);
}

static void hear(struct farm *f, struct hand *w, const struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_WELCOME:
        if (m->tag != w->tag)
            break;
        w->calling = false;
        f->figures.welcome += !w->welcome;
        w->welcome = true;
        w->window = m->welcome.window;
        w->asked_s = 0;
        break;
    case WIRE_LEASE:
        on_lease(f, w, m);
        break;
    case WIRE_ACK:
    case WIRE_DROP:
        on_tiles(f, w, m);
        if (m->type == WIRE_ACK)
            set_window(f, w, m->tiles.window);
        break;
    case WIRE_PONG:
        set_window(f, w, m->pong.window);
        break;
    case WIRE_WHO: /* it was not heard for too long, this machine being busy */
        f->figures.asked_who++;
        f->in_flight -= w->in_flight;
        w->in_flight = 0;
        w->count = w->next = 0;
        w->window = w->sent = 0;
        w->tag++;
        w->calling = true;
        hand_hello(f, w);
        break;
    case WIRE_REFUSED:
        fprintf(stderr, "refused: %.*s\n", (int)m->refused.text.len,
                (const char *)m->refused.text.data);
        exit(1);
    default:
        fprintf(stderr, "unexpected %s\n", wire_type_name(m->type));
        exit(1);
    }
}

void hand_hear(struct farm *f, struct hand *w)
{
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, w->socket, ZMQ_DONTWAIT) < 0)
            break;
        struct wire_msg m;
        struct err err;
        f->figures.heard++;
        if (wire_decode(zmq_msg_data(&frame), zmq_msg_size(&frame), &m, &err)) {
            fprintf(stderr, "not understood: %s\n", err.text);
            exit(1);
        }
        hear(f, w, &m);
        zmq_msg_close(&frame);
    }
}
