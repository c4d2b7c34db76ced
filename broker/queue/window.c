/* Send windows. A worker may have sent `granted` bytes in all since its HELLO. What it has been
 * granted and not sent, and what it has sent and is not settled (durable, compared or dropped),
 * counts against the sink's budget, whoever it is. A worker is granted what it has in hand, up to
 * an equal share, but never less than its largest result: a part of a result is never settled. With
 * more workers than results fit the budget, some wait until something is settled. Results of a few
 * bytes take more than their bytes in the broker's memory: a share is less where they are such. And
 * they travel together: while some of a worker's are with the sink, so that another ACK will
 * follow, it is granted half its share at a time, or as many as fill a message, and not what each
 * of them gives back (Clark's remedy for silly windows, RFC 813). */
#include "queue_private.h"

/* A part is cut no shorter than this (planes.h): what is left of a window below it may be of no
 * use. */
enum { USEFUL_BYTES = 4096, RESULT_COSTS = 320 /* what a result takes beside its data */ };

/* What it may still send. It may have sent more than that, or the same twice. */
static uint64_t open_bytes(const struct worker *w)
{
    return w->granted > w->received ? w->granted - w->received : 0;
}

static bool is_used_up(const struct worker *w)
{
    return open_bytes(w) < USEFUL_BYTES;
}

/* They travel together, and an ACK for them comes soon. */
static bool has_short_answers(const struct worker *w)
{
    return w->answer_bytes > 0 && w->answer_bytes < WIRE_WHOLE_MAX;
}

/* Room beyond what it has in hand: for a few short answers of the next lease, so that it need not
 * be told of more with each. */
static uint64_t ahead_bytes(const struct queue *q, const struct worker *w)
{
    enum { AHEAD_BYTES = 1024, OF_BUDGET = 8 };
    if (!has_short_answers(w))
        return 0;
    uint64_t most = q->config.sink_bytes / OF_BUDGET / (q->workers_up ? q->workers_up : 1);
    return most < AHEAD_BYTES ? most : AHEAD_BYTES;
}

bool window_covers(const struct worker *w)
{
    return has_short_answers(w) && open_bytes(w) + w->unsettled >= w->bytes_in_hand;
}

uint64_t window_in_use(const struct worker *w)
{
    return open_bytes(w) + w->unsettled;
}

/* Of a window for short answers: half of it, or what fills a message. */
static uint64_t worth_telling(const struct worker *w, uint64_t share)
{
    enum { MESSAGE_ANSWERS = 256 };
    uint64_t half = share / 2, message = w->answer_bytes * MESSAGE_ANSWERS;
    return half > message ? half : message < share ? message : share;
}

static void set_starved(struct queue *q, struct worker *w, bool starved)
{
    if (w->starved == starved)
        return;
    w->starved = starved;
    if (starved) {
        w->starved_next = NULL;
        w->starved_prev = q->starved_last;
        *(q->starved_last ? &q->starved_last->starved_next : &q->starved_first) = w;
        q->starved_last = w;
    } else {
        *(w->starved_prev ? &w->starved_prev->starved_next : &q->starved_first) = w->starved_next;
        *(w->starved_next ? &w->starved_next->starved_prev : &q->starved_last) = w->starved_prev;
    }
}

void window_reset(struct queue *q, struct worker *w)
{
    q->granted_sum -= window_in_use(w);
    w->granted = w->received = 0;
    w->unsettled = w->at_sink; /* parts of unfinished results are sent again */
    q->granted_sum += window_in_use(w);
    window_renew(q, w);
}

void window_close(struct queue *q, struct worker *w)
{
    q->granted_sum -= window_in_use(w);
    w->granted = w->received = 0;
    w->unsettled = w->at_sink;
    q->granted_sum += window_in_use(w);
    set_starved(q, w, false);
}

/* It has more to send than it was granted. */
static void ask_for_more(struct queue *q, struct worker *w)
{
    uint64_t granted = w->granted, window = window_renew(q, w);
    if (window > granted)
        action_pong(q, w, window);
}

/* A worker that sends more than it may is believed (its bytes are here) but gets nothing for it:
 * its window stays as it was. Were it moved to what has come, a message that came twice would be
 * room for another one, and that one again. One that has used up its window joins those who wait
 * for room: what others have settled by then is all that would have told it otherwise. */
void window_received(struct queue *q, struct worker *w, uint64_t bytes, bool kept)
{
    q->granted_sum -= window_in_use(w);
    w->received += bytes;
    if (kept)
        w->unsettled += bytes;
    q->granted_sum += window_in_use(w);
    if (is_used_up(w) && !w->starved && !has_short_answers(w))
        ask_for_more(q, w);
}

void window_settled(struct queue *q, struct worker *w, uint64_t bytes)
{
    if (bytes > w->unsettled)
        bytes = w->unsettled;
    w->unsettled -= bytes;
    q->granted_sum -= bytes;
    struct worker *first;
    while ((first = q->starved_first) && !q->stalled && q->granted_sum < q->config.sink_bytes) {
        action_pong(q, first, window_renew(q, first));
        if (q->starved_first == first)
            break; /* that was all the room */
    }
}

/* All of a result is with the sink; the sink is done with it. */
void window_at_sink(struct queue *q, struct worker *w, uint64_t bytes)
{
    w->at_sink += bytes;
    q->at_sink += bytes;
    w->results_at_sink++;
    q->results_at_sink++;
}

void window_leave_sink(struct queue *q, struct worker *w, uint64_t bytes)
{
    uint64_t known = bytes < w->at_sink ? bytes : w->at_sink;
    w->at_sink -= known;
    q->at_sink -= known;
    if (w->results_at_sink > 0) {
        w->results_at_sink--;
        q->results_at_sink--;
    }
    window_settled(q, w, bytes);
}

bool window_told(struct queue *q, struct worker *w, uint64_t sent)
{
    if (sent <= w->received || sent > w->granted)
        return false;
    window_received(q, w, sent - w->received, false);
    return true;
}

/* When nothing is with the sink, no room will come by itself: what was granted is at workers that
 * do not use it, or in results that are not whole. Then the first of those that wait goes beyond
 * the budget until a result of its own is whole. */
static bool may_exceed(const struct queue *q, const struct worker *w)
{
    if (q->at_sink > 0 || !is_used_up(w))
        return false;
    return !q->starved_first || q->starved_first == w;
}

/* What a worker may have granted and not settled, of results of so many bytes. */
static uint64_t share_of(const struct queue *q, double bytes)
{
    uint64_t share = q->config.sink_bytes / (q->workers_up > 1 ? q->workers_up : 2);
    return bytes > 0 ? (uint64_t)((double)share * bytes / (bytes + RESULT_COSTS)) : share;
}

uint64_t window_to_solve(const struct queue *q, uint64_t bytes)
{
    enum { LEAST = 64 };
    if (bytes >= WIRE_WHOLE_MAX)
        return UINT64_MAX;
    uint64_t share = share_of(q, (double)bytes);
    return share > LEAST * bytes ? share : LEAST * bytes;
}

uint64_t window_renew(struct queue *q, struct worker *w)
{
    if (w->state == WORKER_GONE || q->stalled)
        return w->granted;
    uint64_t budget = q->config.sink_bytes;
    if (w->tiles_in_hand > 0)
        w->answer_bytes = w->bytes_in_hand / w->tiles_in_hand;
    uint64_t share = share_of(q, (double)w->answer_bytes);
    uint64_t most = w->bytes_in_hand + ahead_bytes(q, w);
    if (share < w->largest_bytes)
        share = w->largest_bytes;
    if (share > most)
        share = most;
    uint64_t used = window_in_use(w), room = budget > q->granted_sum ? budget - q->granted_sum : 0;
    uint64_t more = share > used ? share - used : 0;
    if (w->at_sink > 0 && has_short_answers(w) && more < worth_telling(w, share)) {
        set_starved(q, w, false);
        return w->granted;
    }
    if (more > room && !may_exceed(q, w))
        more = room;
    q->granted_sum -= used;
    w->granted += more;
    q->granted_sum += window_in_use(w);
    set_starved(q, w, is_used_up(w) && share > used + more);
    return w->granted;
}

uint64_t queue_worker_window(const struct queue *q, uint32_t worker)
{
    const struct worker *w = worker_find(q, worker);
    return w ? w->granted : 0;
}
