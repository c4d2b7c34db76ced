/* The workers of the bench. Each is a DEALER that says HELLO, answers every lease at once with
 * numbers that follow from the tile alone, keeps to its window and its heartbeats, and knows what
 * it holds until it is acknowledged. One thread serves all: ZeroMQ's descriptors are in one epoll
 * set, and ZMQ_EVENTS is read until nothing is left, since they are edge-triggered. */
#include "farm_private.h"

#include "door.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <zmq.h>

/* --- life ------------------------------------------------------------------------------------ */

/* Without the monitor of common/door.h, which would take twice the descriptors. */
static void *dealer(struct farm *f)
{
    const struct key *key = f->config.key;
    int linger = 0, soon_ms = 50;
    void *s = zmq_socket(f->zmq, ZMQ_DEALER);
    if (!s) {
        fprintf(stderr, "no socket: %s\n", zmq_strerror(zmq_errno()));
        exit(1);
    }
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(s, ZMQ_RECONNECT_IVL, &soon_ms, sizeof soon_ms);
    if (key) {
        zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->public, KEY_CHARS + 1);
        zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->secret, KEY_CHARS + 1);
        zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, key->pins[0], KEY_CHARS + 1);
    }
    zmq_connect(s, f->config.endpoint);
    return s;
}

static void hand_open(struct farm *f, unsigned i)
{
    struct hand *w = &f->hands[i];
    w->socket = dealer(f);
    w->session = door_random();
    w->tag = 1;
    int fd;
    size_t len = sizeof fd;
    zmq_getsockopt(w->socket, ZMQ_FD, &fd, &len);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
    int rc = epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event);
    assert(rc == 0);
}

/* Finite values that nothing compresses, and errors such as they have. */
static void make_noise(struct farm *f)
{
    uint64_t x = 88172645463325252u;
    f->values = mem_alloc(JOB_TILE_POINTS_MAX, sizeof *f->values);
    f->errors = mem_alloc(JOB_TILE_POINTS_MAX, sizeof *f->errors);
    for (size_t i = 0; i < JOB_TILE_POINTS_MAX; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17; /* xorshift64 */
        f->values[i] = 1 + (double)(x >> 11) * 0x1p-53;
        f->errors[i] = (float)(1e-10 * f->values[i]);
    }
}

struct farm *farm_create(const struct farm_config *config)
{
    struct farm *f = mem_alloc(1, sizeof *f);
    f->config = *config;
    f->zmq = zmq_ctx_new();
    zmq_ctx_set(f->zmq, ZMQ_MAX_SOCKETS, (int)config->workers + 16);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->hands = mem_alloc(config->workers, sizeof *f->hands);
    f->asks = mem_alloc(ASKS, sizeof *f->asks);
    if (config->job)
        make_noise(f);
    for (unsigned i = 0; i < config->workers; i++)
        hand_open(f, i);
    return f;
}

void farm_destroy(struct farm *f)
{
    for (unsigned i = 0; i < f->config.workers; i++) {
        zmq_close(f->hands[i].socket);
        free(f->hands[i].leases);
    }
    zmq_ctx_term(f->zmq);
    for (uint32_t i = 0; i < f->jobs; i++)
        free(f->seen[i].tile);
    free(f->seen);
    free(f->hands);
    free(f->asks);
    buf_fini(&f->frame);
    buf_fini(&f->wholes);
    free(f->values);
    free(f->errors);
    free(f);
}

/* A worker that needs time for its tiles answers those of a lease together. */
static void pace(struct farm *f, struct hand *w, double now_s)
{
    double left = 0;
    for (size_t i = w->next; i < w->count; i++)
        left += w->leases[i].count - w->leases[i].sent;
    w->solved += f->config.tiles_per_s / f->config.workers * (now_s - w->paced_s);
    w->paced_s = now_s;
    if (w->solved > left)
        w->solved = left; /* it waits for work */
    if (left <= 0)
        return;
    const struct held *l = &w->leases[w->next];
    uint32_t enough = l->count - l->sent < PACED_TILES ? l->count - l->sent : PACED_TILES;
    if (w->solved >= enough)
        hand_answer(f, w);
}

void farm_pace(struct farm *f, double tiles_per_s)
{
    f->config.tiles_per_s = tiles_per_s;
    if (tiles_per_s > 0)
        f->config.solve_us = (unsigned)(1e6 * f->config.workers / tiles_per_s);
    for (unsigned i = 0; i < f->config.workers; i++) {
        f->hands[i].paced_s = seconds_now();
        f->hands[i].solved = 0;
        if (tiles_per_s <= 0)
            hand_answer(f, &f->hands[i]);
    }
}

/* Heartbeats, and HELLO until there is a WELCOME; a few workers a turn, so that they are spread. */
static void beat(struct farm *f, double now_s)
{
    for (unsigned i = 0; i < f->config.workers; i++) {
        struct hand *w = &f->hands[i];
        if (w->beat_s == 0)
            w->beat_s = now_s + 1e-3 * PERIOD_MS * i / f->config.workers - 1e-3 * PERIOD_MS;
        if (f->config.tiles_per_s > 0)
            pace(f, w, now_s);
        else if (w->wants)
            hand_answer(f, w);
        if (now_s < w->beat_s + 1e-3 * PERIOD_MS)
            continue;
        w->beat_s = now_s;
        if (w->welcome)
            hand_heartbeat(f, w);
        else
            hand_hello(f, w);
        hand_hear(f, w); /* what was sent may have swallowed the edge */
    }
}

bool farm_run(struct farm *f, double seconds, farm_until *until, void *arg)
{
    enum { EVENTS = 256, LOOK_MS = 2 };
    struct epoll_event events[EVENTS];
    double end_s = seconds_now() + seconds, look_s = 0, now_s;
    while ((now_s = seconds_now()) < end_s) {
        int n = epoll_wait(f->epoll, events, EVENTS, LOOK_MS);
        for (int i = 0; i < n; i++) {
            struct hand *w = &f->hands[events[i].data.u32];
            int ready = 0;
            size_t len = sizeof ready;
            do {
                hand_hear(f, w);
                zmq_getsockopt(w->socket, ZMQ_EVENTS, &ready, &len);
            } while (ready & ZMQ_POLLIN);
        }
        if (now_s < look_s)
            continue;
        look_s = now_s + 1e-3 * LOOK_MS;
        beat(f, now_s);
        if (until(&f->figures, arg))
            return true;
    }
    return false;
}

static int by_size(const void *x, const void *y)
{
    const float *a = x, *b = y;
    return *a < *b ? -1 : *a > *b;
}

struct farm_figures farm_figures(const struct farm *f)
{
    struct farm_figures now = f->figures;
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    now.cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    if (f->ask_count > 0) {
        qsort(f->asks, f->ask_count, sizeof *f->asks, by_size);
        now.ask_p50_ms = f->asks[f->ask_count / 2];
        now.ask_p99_ms = f->asks[f->ask_count * 99 / 100];
    }
    return now;
}
