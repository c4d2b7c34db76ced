/* See sink.h. The caller's side, the thread's loop and its patience. The thread takes all orders
 * that have arrived at once; so a group is as large as the disk is slow. */
#include "sink_private.h"

#include "buf.h"
#include "log.h"
#include "queue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS     1000
#define LOCK_WAIT_MS 5000
#define LOCK_NAP_MS  10
#define GATHER_BYTES (8u << 20) /* less than one worker may have sent: it waits for us, too */

/* --- orders and events ----------------------------------------------------------------------- */

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
static bool is_gathered(const struct sink *s)
{
    return s->order_bytes >= GATHER_BYTES || s->orders_last->type != ORDER_RESULT;
}

static void order_put(struct sink *s, struct order *o)
{
    pthread_mutex_lock(&s->mutex);
    bool wake = !s->orders;
    *s->orders_end = s->orders_last = o;
    s->orders_end = &o->next;
    s->order_bytes += o->result_bytes;
    wake = wake || (s->gathering && is_gathered(s));
    pthread_mutex_unlock(&s->mutex);
    if (wake)
        pthread_cond_signal(&s->cond);
}

/* Small results that come one after the other make one order: there may be a hundred thousand. */
static bool joins(const struct order *o, const struct sink_result *r)
{
    enum { RESULTS = 1024, BYTES = 1 << 20 };
    return o && o->type == ORDER_RESULT && o->job == r->job && o->result_count < RESULTS &&
           o->result_bytes + r->data_bytes <= BYTES;
}

static void join(struct order *o, struct sink_result *r)
{
    r->next = NULL;
    *o->results_end = r;
    o->results_end = &r->next;
    o->result_count++;
    o->result_bytes += r->data_bytes;
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
        join(s->orders_last, result);
        s->order_bytes += result->data_bytes;
    }
    pthread_mutex_unlock(&s->mutex);
    if (joined)
        return;
    struct order *o = order_new(ORDER_RESULT, result->job);
    o->results_end = &o->results;
    join(o, result);
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

/* --- the thread ------------------------------------------------------------------------------ */

void sink_tell(struct sink *s)
{
    if (s->wake)
        s->wake(s->wake_arg);
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

/* All orders that have come; NULL when the sink is to stop and there are none. */
static struct order *take_orders(struct sink *s)
{
    pthread_mutex_lock(&s->mutex);
    while (!s->orders && !s->stop)
        pthread_cond_wait(&s->cond, &s->mutex);
    struct timespec until = after_ms(s->gather_ms);
    s->gathering = s->gather_ms > 0;
    for (int rc = 0; s->gathering && !s->stop && rc != ETIMEDOUT && !is_gathered(s);)
        rc = pthread_cond_timedwait(&s->cond, &s->mutex, &until);
    s->gathering = false;
    s->order_bytes = 0;
    struct order *all = s->orders;
    s->orders = NULL;
    s->orders_end = &s->orders;
    pthread_mutex_unlock(&s->mutex);
    return all;
}

static void *sink_main(void *arg)
{
    struct sink *s = arg;
    struct order *todo;
    while ((todo = take_orders(s))) {
        while (todo) {
            struct order *first = todo;
            if (first->type >= ORDER_SUBMIT) {
                todo = first->next;
                sink_alone(s, first);
            } else {
                todo = sink_group(s, first);
            }
            sink_tell(s);
        }
    }
    struct err err = {0};
    if (!s->given_up && sink_rest(s, &err) != 0)
        log_debug("%s", err.text); /* the statuses are written again at the next start */
    return NULL;
}

/* --- opening and closing --------------------------------------------------------------------- */

static int refuse_second(const char *path, const char *data, int fd, struct err *err)
{
    char pid[32] = "";
    if (errno != EWOULDBLOCK)
        return disk_fail(err, "lock", path);
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    err_set(err, ERR_STORAGE, "another broker (pid %s) uses %s", pid[0] ? pid : "unknown", data);
    return err_hint(err, "connect to that one, or give this one another data folder");
}

/* The broker of a run that was killed needs a moment to notice that and to leave; another run in
 * the folder there is not, the client sees to that. */
static int take_lock(const struct sink *s, int fd)
{
    const struct timespec nap = {.tv_nsec = LOCK_NAP_MS * 1000000L};
    int left = s->results ? LOCK_WAIT_MS / LOCK_NAP_MS : 0;
    int rc;
    while ((rc = flock(fd, LOCK_EX | LOCK_NB)) != 0 && errno == EWOULDBLOCK && left-- > 0)
        nanosleep(&nap, NULL);
    return rc;
}

/* One broker a DATA. The kernel drops the lock when its process ends, however it ends. */
static int lock_data(struct sink *s, struct err *err)
{
    char path[PATH_MAX], pid[32];
    snprintf(path, sizeof path, "%s/lock", s->data);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return disk_fail(err, "open", path);
    if (take_lock(s, fd) != 0) {
        refuse_second(path, s->data, fd, err);
        close(fd);
        return -1;
    }
    s->lock_fd = fd;
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
        log_debug("the lock does not tell the pid"); /* only the message of a second broker */
    return 0;
}

static struct sink *sink_create(const struct sink_config *config)
{
    struct sink *s = mem_alloc(1, sizeof *s);
    s->data = mem_strdup(config->data);
    s->results = config->results ? mem_strdup(config->results) : NULL;
    s->wake = config->wake;
    s->wake_arg = config->wake_arg;
    s->disk = config->disk ? config->disk : &disk_system;
    s->retry_ms = config->retry_ms ? config->retry_ms : RETRY_MS;
    s->lock_fd = -1;
    s->orders_end = &s->orders;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->cond, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

/* 1: it is damaged. */
static int open_database(struct sink *s, const char *path, struct err *err)
{
    int rc = store_open(path, s->disk, &s->store, err);
    if (rc != 0)
        return rc;
    s->next_job = store_next_job(s->store);
    s->seq = store_seq(s->store);
    rc = sink_recover(s, err);
    return rc != 0 && store_is_damaged(s->store) ? 1 : rc;
}

static int sink_open_data(struct sink *s, struct err *err)
{
    char path[PATH_MAX];
    if (strlen(s->data) > PATH_MAX - 64)
        return err_set(err, ERR_STORAGE, "the path of the data folder is too long");
    if (disk_make_folder(s->disk, s->data, NULL, err) != 0 || lock_data(s, err) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/hillsweep.db", s->data);
    int rc = open_database(s, path, err);
    if (rc <= 0)
        return rc;
    log_warnx("%s; it is rebuilt from the result files", err->text);
    sink_recovered_free(s);
    sink_lives_free(s);
    store_close(s->store);
    s->store = NULL;
    s->rebuilt = true;
    if (store_set_aside(path, s->disk, err) != 0)
        return -1;
    rc = open_database(s, path, err);
    if (rc == 0)
        log_info("database rebuilt jobs=%zu", s->live_count);
    return rc ? -1 : 0;
}

int sink_open(const struct sink_config *config, struct sink **out, struct err *err)
{
    struct sink *s = sink_create(config);
    if (sink_open_data(s, err) != 0) {
        sink_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

int sink_start(struct sink *s, struct err *err)
{
    assert(!s->started);
    int rc = pthread_create(&s->thread, NULL, sink_main, s);
    if (rc != 0)
        return err_set(err, ERR_OTHER, "cannot start the sink's thread: %s", strerror(rc));
    s->started = true;
    return 0;
}

void sink_close(struct sink *s)
{
    if (!s)
        return;
    if (s->started) {
        pthread_mutex_lock(&s->mutex);
        s->stop = true;
        pthread_mutex_unlock(&s->mutex);
        pthread_cond_signal(&s->cond);
        pthread_join(s->thread, NULL);
    }
    while (s->orders) { /* of a sink that was never started */
        struct order *o = s->orders;
        s->orders = o->next;
        sink_order_free(o);
    }
    sink_lives_free(s);
    sink_recovered_free(s);
    store_close(s->store);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->cond);
    for (size_t i = s->taken_next; i < s->taken.count; i++)
        free(s->taken.list[i].err);
    for (size_t i = 0; i < s->news.count; i++)
        free(s->news.list[i].err);
    free(s->taken.list);
    free(s->news.list);
    free(s->band);
    free(s->scratch);
    free(s->data);
    free(s->results);
    free(s);
}

uint64_t sink_store_id(const struct sink *s)
{
    return store_id(s->store);
}

uint32_t sink_next_job(const struct sink *s)
{
    return s->next_job;
}

size_t sink_job_count(const struct sink *s)
{
    return s->recovered_count;
}

struct sink_job *sink_job(struct sink *s, size_t i)
{
    assert(i < s->recovered_count);
    return &s->recovered[i];
}
