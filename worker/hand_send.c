/* What of the hand is sent and told to the broker; see hand.h.
 *
 * Answers wait to be sent in a queue of ids, in the order of solving; entries of pieces that are
 * gone or sent are skipped. */
#include "hand_private.h"

#include <assert.h>
#include <string.h>

void hand_enqueue(struct hand *h, struct piece *p, uint64_t id)
{
    if (p->queued)
        return;
    p->queued = true;
    if (h->queue_tail == h->queue_room && h->queue_head > h->queue_room / 2) {
        h->queue_tail -= h->queue_head;
        memmove(h->queue, h->queue + h->queue_head, h->queue_tail * sizeof *h->queue);
        h->queue_head = 0;
    }
    if (h->queue_tail == h->queue_room) {
        h->queue_room = h->queue_room ? 2 * h->queue_room : 64;
        h->queue = mem_resize(h->queue, h->queue_room, sizeof *h->queue);
    }
    h->queue[h->queue_tail++] = id;
}

/* The piece at the head of the send queue, or NULL; what need not be sent is taken off. */
static struct piece *head(struct hand *h, struct lease **l)
{
    while (h->queue_head < h->queue_tail) {
        struct piece *p = hand_piece(h, h->queue[h->queue_head], l);
        if (p && p->state == PIECE_SOLVED && !planes_all_sent(p->planes, p->place))
            return p;
        if (p)
            p->queued = false;
        h->queue_head++;
    }
    h->queue_head = h->queue_tail = 0;
    return NULL;
}

bool hand_part(struct hand *h, uint64_t room, struct hand_part *out)
{
    struct lease *l;
    struct piece *p = head(h, &l);
    if (!p || !planes_part(p->planes, p->place, room, &out->part))
        return false;
    out->id = h->queue[h->queue_head];
    out->job = l->terms.job;
    out->tile = l->terms.first_tile + (uint32_t)out->id;
    out->first = l->terms.first;
    out->count = p->points;
    out->solve_us = planes_solve_us(p->planes);
    out->token = l->terms.token;
    return true;
}

void hand_sent(struct hand *h, const struct hand_part *part, int64_t now_ms)
{
    struct lease *l;
    struct piece *p = hand_piece(h, part->id, &l);
    assert(p && p->state == PIECE_SOLVED);
    p->place = planes_after(p->planes, &part->part);
    if (planes_all_sent(p->planes, p->place))
        p->sent_ms = now_ms;
}

bool hand_whole(struct hand *h, uint64_t room, struct hand_whole *out)
{
    struct lease *l;
    struct piece *p = head(h, &l);
    if (!p || l->terms.count || p->place.plane || p->place.offset ||
        !planes_whole(p->planes, room, &h->whole, h->whole_codings, &out->whole.planes))
        return false;
    out->id = h->queue[h->queue_head];
    out->job = l->terms.job;
    out->token = l->terms.token;
    out->whole.tile = l->terms.first_tile + (uint32_t)out->id;
    out->whole.solve_us = planes_solve_us(p->planes);
    out->whole.codings = h->whole_codings;
    out->whole.data = (struct wire_span){h->whole.data, h->whole.len};
    return true;
}

void hand_whole_sent(struct hand *h, uint64_t id, int64_t now_ms)
{
    struct lease *l;
    struct piece *p = hand_piece(h, id, &l);
    assert(p && p->state == PIECE_SOLVED);
    p->place = planes_end(p->planes);
    p->sent_ms = now_ms;
}

void hand_whole_unsent(struct hand *h, uint64_t id)
{
    struct lease *l;
    struct piece *p = hand_piece(h, id, &l);
    assert(p && p->state == PIECE_SOLVED);
    p->place = (struct planes_place){0};
    p->sent_ms = 0;
    hand_enqueue(h, p, id);
}

size_t hand_wholes(const struct hand *h, uint64_t bytes, size_t max)
{
    size_t n = 0;
    for (size_t i = h->queue_head; i < h->queue_tail && n < max; i++) {
        struct lease *l;
        const struct piece *p = hand_piece(h, h->queue[i], &l);
        if (!p || p->state != PIECE_SOLVED || planes_all_sent(p->planes, p->place))
            continue;
        if (l->terms.count || p->place.plane || p->place.offset || planes_bytes(p->planes) > bytes)
            return 0;
        n++;
    }
    return n;
}

/* Calls for every solved piece, in the order of leases. */
typedef bool again_fn(struct piece *p, int64_t before_ms);

static size_t again(struct hand *h, again_fn *wants, int64_t before_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < h->lease_count; i++) {
        struct lease *l = &h->leases[i];
        for (uint32_t k = 0; k < l->terms.tile_count; k++) {
            struct piece *p = &l->pieces[k];
            if (p->state != PIECE_SOLVED || !wants(p, before_ms))
                continue;
            hand_enqueue(h, p, hand_id(l, k));
            count++;
        }
    }
    return count;
}

static bool from_the_beginning(struct piece *p, int64_t before_ms)
{
    (void)before_ms;
    p->place = (struct planes_place){0};
    return true;
}

void hand_send_again(struct hand *h)
{
    again(h, from_the_beginning, 0);
}

/* The last plane as a rule. Should that not help, parts may be missing that the count of bytes does
 * not tell of (because others came twice): all of it at the 2nd, 4th, 8th ... time. */
static bool its_reminder(struct piece *p, int64_t before_ms)
{
    if (!planes_all_sent(p->planes, p->place) || p->sent_ms >= before_ms)
        return false;
    if (p->nudges < UINT8_MAX)
        p->nudges++;
    bool all = p->nudges > 1 && (p->nudges & (p->nudges - 1)) == 0;
    p->place = all ? (struct planes_place){0} : planes_last(p->planes);
    return true;
}

size_t hand_nudge(struct hand *h, int64_t before_ms)
{
    return again(h, its_reminder, before_ms);
}

/* --- what the broker is told ---------------------------------------------------------------- */

size_t hand_holdings(const struct hand *h, struct wire_holding *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < h->lease_count; i++) {
        const struct lease *l = &h->leases[i];
        for (uint32_t from = 0, to; from < l->terms.tile_count; from = to) {
            const struct piece *p = &l->pieces[from];
            bool solved = p->state == PIECE_SOLVED;
            for (to = from + 1; to < l->terms.tile_count; to++)
                if (p->state == PIECE_GONE ? l->pieces[to].state != PIECE_GONE
                                           : l->pieces[to].state == PIECE_GONE ||
                                                 (l->pieces[to].state == PIECE_SOLVED) != solved)
                    break;
            if (p->state == PIECE_GONE)
                continue;
            if (n == max)
                return n;
            out[n++] = hand_run(l, from, to, solved);
        }
    }
    return n;
}

size_t hand_progress(const struct hand *h, struct wire_progress *out, uint64_t *ids, size_t max)
{
    size_t n = h->lease_count < max ? h->lease_count : max;
    for (size_t i = 0; i < n; i++) {
        const struct lease *l = &h->leases[i];
        out[i] =
            (struct wire_progress){l->terms.token, l->points_done, (uint32_t)(l->cpu_us / 1000)};
        if (ids)
            ids[i] = hand_id(l, 0);
    }
    return n;
}

bool hand_same_lease(uint64_t id, uint64_t other)
{
    return id >> 32 == other >> 32;
}
