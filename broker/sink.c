/* The sink's thread (sink.h) and its patience. It takes all orders that have arrived at once; so a
 * group is as large as the disk is slow; tiles whose neighbours are to come soon wait for them
 * (sink_bands.c). */
#include "sink_private.h"

#include "buf.h"
#include "bulk.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define QUIET_MS_MAX 20
#define GATHER_BYTES (12u << 20) /* less than one worker may have sent: it waits for us, too */

void sink_tell(struct sink *s)
{
    if (s->wake)
        s->wake(s->wake_arg);
}

int64_t sink_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void *sink_room(unsigned char **memory, size_t *have, size_t bytes)
{
    if (bytes > *have) {
        free(*memory);
        *memory = mem_alloc(bytes, 1);
        *have = bytes;
    }
    return *memory;
}

static struct timespec after_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

/* Sleeps for a retry's time; false when the sink is to stop. */
static bool pause_before_retry(struct sink *s)
{
    struct timespec until = after_ms(s->retry_ms);
    pthread_mutex_lock(&s->mutex);
    int rc = 0;
    while (!s->stop && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&s->cond, &s->mutex, &until);
    bool go_on = !s->stop;
    pthread_mutex_unlock(&s->mutex);
    return go_on;
}

bool sink_persist(struct sink *s, sink_step *step, void *arg)
{
    struct err err = {0};
    bool last = false;
    while (!s->given_up && step(s, arg, &err) != 0) {
        s->given_up = last;
        if (!s->stalled) {
            s->stalled = true;
            sink_push(s, &(struct sink_event){.type = SINK_STALLED, .err = err});
            sink_tell(s);
        }
        last = !pause_before_retry(s);
        err = (struct err){0};
    }
    if (s->given_up)
        return false;
    if (s->stalled)
        sink_push(s, &(struct sink_event){.type = SINK_RESUMED});
    s->stalled = false;
    return true;
}

/* Where results come in a stream that keeps the disk busy: waits for more, for as long as the last
 * group has taken. Then what is left to wait for at the end of a group, the disk and the journal of
 * the file system, is waited for less often. */
static void gather(struct sink *s)
{
    struct timespec until = after_ms(s->gather_ms);
    if (!s->orders || s->gather_ms == 0 || s->bands.bytes >= GATHER_BYTES)
        return;
    s->gather_bytes = GATHER_BYTES - s->bands.bytes;
    for (int rc = 0; !s->stop && !s->writer_news && rc != ETIMEDOUT && !sink_is_gathered(s);)
        rc = pthread_cond_timedwait(&s->cond, &s->mutex, &until);
    s->gather_bytes = 0;
}

/* Nothing comes any more when nothing has come for some times as long as usual: workers that have
 * in hand what they may hold wait for us. But while a group is under way they may well wait for
 * that one, whose end will be heard of. */
static int quiet_ms(const struct sink *s)
{
    double ms = 1 + 3 * s->gap_ms;
    return ms < QUIET_MS_MAX ? (int)ms : QUIET_MS_MAX;
}

/* All orders that have come, or none: because of news of the writer; or, `quiet`, since the sink is
 * to stop (*stop), or nothing came for a while, although there is something that waits for more. */
static struct order *take_orders(struct sink *s, bool *quiet, bool *stop)
{
    int rc = 0;
    pthread_mutex_lock(&s->mutex);
    struct timespec until = after_ms(quiet_ms(s));
    while (!s->orders && !s->stop && !s->writer_news && rc != ETIMEDOUT)
        rc = s->bands.count > 0 && !s->under_way
                 ? pthread_cond_timedwait(&s->cond, &s->mutex, &until)
                 : pthread_cond_wait(&s->cond, &s->mutex);
    gather(s);
    struct order *all = s->orders;
    *stop = s->stop;
    *quiet = !all && (s->stop || rc == ETIMEDOUT);
    s->writer_news = false;
    s->order_bytes = 0;
    s->orders = NULL;
    s->orders_end = &s->orders;
    pthread_mutex_unlock(&s->mutex);
    return all;
}

static void carry_out(struct sink *s, struct order *todo)
{
    while (todo) {
        struct order *first = todo;
        if (first->type >= ORDER_SUBMIT) {
            todo = first->next;
            sink_land(s, true);
            sink_alone(s, first);
        } else {
            todo = sink_group(s, first);
        }
        sink_tell(s);
    }
}

void *sink_main(void *arg)
{
    struct sink *s = arg;
    bool quiet, stop;
    struct order *orders;
    bulk_thread("sink");
    do {
        orders = take_orders(s, &quiet, &stop);
        sink_land(s, false);
        sink_mend_all(s); /* no order need follow what has landed */
        if (orders || s->bands.count > 0)
            carry_out(s, sink_bands(s, orders, quiet));
    } while (!stop || orders || s->bands.count > 0);
    sink_land(s, true);
    struct err err = {0};
    if (!s->given_up && sink_rest(s, &err) != 0)
        log_debug("%s", err.text); /* the statuses are written again at the next start */
    return NULL;
}
