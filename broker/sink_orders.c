/* The caller's side of the sink: orders that go in, events that come out (sink.h). */
#include "sink_private.h"

#include "buf.h"
#include "queue.h"

#include <stdlib.h>
#include <string.h>

static struct order *order_new(enum order_type type, uint32_t job)
{
    struct order *o = mem_alloc(1, sizeof *o);
    o->type = type;
    o->job = job;
    return o;
}

void sink_order_free(struct order *o)
{
    while (o->results) {
        struct sink_result *r = o->results;
        o->results = r->next;
        r->release(r);
    }
    free(o->table);
    free(o->text);
    free(o);
}

/* Enough to be written in long stretches, or something else that is not to wait. */
bool sink_is_gathered(const struct sink *s)
{
    return s->order_bytes >= s->gather_bytes || s->orders_last->type != ORDER_RESULT;
}

static void note_gap(struct sink *s)
{
    int64_t now = sink_now_ms();
    double gap = (double)(now - s->put_ms), most = 2 * s->gap_ms + 1;
    s->gap_ms += ((gap < most ? gap : most) - s->gap_ms) / 8;
    s->put_ms = now;
}

static void order_put(struct sink *s, struct order *o)
{
    pthread_mutex_lock(&s->mutex);
    bool wake = !s->orders;
    *s->orders_end = s->orders_last = o;
    s->orders_end = &o->next;
    s->order_bytes += o->result_bytes;
    if (o->type == ORDER_RESULT)
        note_gap(s);
    wake = wake || (s->gather_bytes > 0 && sink_is_gathered(s));
    pthread_mutex_unlock(&s->mutex);
    if (wake)
        pthread_cond_signal(&s->cond);
}

/* Small results that come one after the other make one order: there may be a hundred thousand. */
static bool joins(const struct order *o, const struct sink_result *r)
{
    enum { RESULTS = 1024, BYTES = 1 << 20 };
    return o && o->type == ORDER_RESULT && o->job == r->job && o->result_count < RESULTS &&
           o->result_bytes + sink_result_bytes(r) <= BYTES;
}

void sink_order_join(struct order *o, struct sink_result *r)
{
    r->next = NULL;
    *o->results_end = r;
    o->results_end = &r->next;
    o->result_count++;
    o->result_bytes += sink_result_bytes(r);
}

void sink_push(struct sink *s, const struct sink_event *event)
{
    struct told told = {event->type,   event->job,        event->tile,
                        event->worker, event->frontier,   event->points_failed,
                        event->crc,    event->data_bytes, NULL};
    if (event->err.code || event->err.text[0]) {
        told.err = mem_alloc(1, sizeof *told.err);
        *told.err = event->err;
    }
    pthread_mutex_lock(&s->mutex);
    struct news *n = &s->news;
    if (n->count == n->room) {
        n->room = n->room ? 2 * n->room : 64;
        n->list = mem_resize(n->list, n->room, sizeof *n->list);
    }
    n->list[n->count++] = told;
    pthread_mutex_unlock(&s->mutex);
}

/* Takes all that there are at once, for this call and later ones. */
static bool take_news(struct sink *s)
{
    struct news empty = s->taken;
    empty.count = 0;
    s->taken_next = 0;
    pthread_mutex_lock(&s->mutex);
    s->taken = s->news;
    s->news = empty;
    pthread_mutex_unlock(&s->mutex);
    return s->taken.count > 0;
}

bool sink_next(struct sink *s, struct sink_event *event)
{
    if (s->taken_next == s->taken.count && !take_news(s))
        return false;
    struct told *t = &s->taken.list[s->taken_next++];
    event->type = t->type;
    event->job = t->job;
    event->tile = t->tile;
    event->worker = t->worker;
    event->frontier = t->frontier;
    event->points_failed = t->points_failed;
    event->crc = t->crc;
    event->data_bytes = t->data_bytes;
    event->err.code = ERR_NONE;
    event->err.line = event->err.column = 0;
    event->err.path[0] = event->err.text[0] = event->err.hint[0] = '\0';
    if (t->err)
        event->err = *t->err;
    free(t->err);
    t->err = NULL;
    return true;
}

void sink_submit(struct sink *s, uint32_t id, uint64_t key, int32_t priority, const char *owner,
                 const struct job *job)
{
    struct order *o = order_new(ORDER_SUBMIT, id);
    o->key = key;
    o->priority = priority;
    o->text = mem_strdup(owner ? owner : "");
    o->spec = job;
    if (id >= s->next_job)
        s->next_job = id + 1;
    order_put(s, o);
}

void sink_table(struct sink *s, uint32_t job, const void *table, size_t bytes)
{
    struct order *o = order_new(ORDER_TABLE, job);
    o->table = mem_alloc(bytes, 1);
    memcpy(o->table, table, bytes);
    o->table_bytes = bytes;
    order_put(s, o);
}

void sink_store(struct sink *s, struct sink_result *result)
{
    pthread_mutex_lock(&s->mutex);
    bool joined = s->orders && joins(s->orders_last, result);
    if (joined) {
        sink_order_join(s->orders_last, result);
        s->order_bytes += result->data_bytes;
    }
    pthread_mutex_unlock(&s->mutex);
    if (joined)
        return;
    struct order *o = order_new(ORDER_RESULT, result->job);
    o->results_end = &o->results;
    sink_order_join(o, result);
    order_put(s, o);
}

void sink_frontier(struct sink *s, uint32_t job, uint32_t frontier)
{
    struct order *o = order_new(ORDER_FRONTIER, job);
    o->frontier = frontier;
    order_put(s, o);
}

void sink_job_state(struct sink *s, uint32_t job, int state, const char *reason)
{
    bool over = state == JOB_DONE || state == JOB_FAILED || state == JOB_CANCELLED;
    struct order *o = order_new(over ? ORDER_OVER : ORDER_STATE, job);
    o->state = state;
    o->text = mem_strdup(reason ? reason : "");
    order_put(s, o);
}

void sink_job_priority(struct sink *s, uint32_t job, int32_t priority)
{
    struct order *o = order_new(ORDER_PRIORITY, job);
    o->priority = priority;
    order_put(s, o);
}

void sink_finish(struct sink *s, uint32_t job)
{
    order_put(s, order_new(ORDER_FINISH, job));
}

void sink_delete(struct sink *s, uint32_t job)
{
    order_put(s, order_new(ORDER_DELETE, job));
}

void sink_verify(struct sink *s, uint32_t job)
{
    order_put(s, order_new(ORDER_VERIFY, job));
}

void sink_distrust(struct sink *s, uint32_t job, uint32_t tile)
{
    struct order *o = order_new(ORDER_DISTRUST, job);
    o->frontier = tile;
    order_put(s, o);
}

void sink_order_again(struct sink *s, struct order *o)
{
    o->next = NULL;
    pthread_mutex_lock(&s->mutex);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->mutex);
    if (stop)
        sink_order_free(o);
    else
        order_put(s, o);
}
