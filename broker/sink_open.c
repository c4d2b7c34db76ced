/* Opening and closing the sink: the lock on DATA, the database, its recovery, the thread. */
#include "sink_private.h"

#include "buf.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS     1000
#define LONG_BYTES   (1u << 20)
#define LOCK_WAIT_MS 5000
#define LOCK_NAP_MS  10

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
    s->long_bytes = config->long_bytes ? config->long_bytes : LONG_BYTES;
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
    writer_destroy(s->writer);
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
    free(s->bands.list);
    free(s->band);
    free(s->scratch);
    free(s->packed);
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
