/* What one worker of the bench answers: numbers that follow from the tile alone, within its window.
 */
#include "farm_private.h"

#include "crc32c.h"
#include <string.h>

enum {
    PLANE_VALUES = 0,
    PLANE_STATUS = 2,
    ANSWER_BYTES = sizeof(double) + 1,
    GRAIN = 64 << 10, /* of the parts that a window allows */
};

int hand_post(struct farm *f, struct hand *w, struct wire_msg *m)
{
    m->sender = w->session;
    buf_clear(&f->frame);
    wire_encode(m, &f->frame);
    f->figures.said++;
    f->figures.types[m->type % FARM_TYPES]++;
    return peer_send(&w->peer, f->frame.data, f->frame.len);
}

/* Length and CRC of a frame whose last bytes are elsewhere. */
static void finish_frame(struct buf *frame, size_t data_len, uint32_t data_crc)
{
    enum { LEN = WIRE_HEADER - 8, CRC = WIRE_HEADER - 4 };
    uint32_t len = (uint32_t)(frame->len - WIRE_HEADER + data_len);
    memcpy(frame->data + LEN, &len, sizeof len);
    uint32_t crc = crc32c(0, frame->data, CRC);
    crc = crc32c(crc, frame->data + WIRE_HEADER, frame->len - WIRE_HEADER);
    crc = crc32c_join(crc, data_crc, data_len);
    memcpy(frame->data + CRC, &crc, sizeof crc);
}

/* As hand_post, for long ones, whose data are neither copied nor looked at. */
static int post_long(struct farm *f, struct hand *w, struct wire_msg *m)
{
    struct wire_span data = m->result.data;
    m->result.data.len = 0;
    m->sender = w->session;
    buf_clear(&f->frame);
    wire_encode(m, &f->frame); /* the data would be its end */
    finish_frame(&f->frame, data.len, m->result.crc);
    f->figures.said++;
    f->figures.types[m->type % FARM_TYPES]++;
    return peer_lend(&w->peer, &f->frame, data);
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
        if (hand_post(f, w, &m))
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
    if (hand_post(f, w, &m))
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
        len = (uint32_t)room / GRAIN * GRAIN; /* known parts again and again */
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
