/* The workers of the bench: life and time. One thread serves all, in one epoll set; what a worker
 * has to do by itself (heartbeats, answers that took time) is due at a time of its own. */
#include "farm_private.h"

#include "door.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/* --- life ------------------------------------------------------------------------------------ */

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

static void *open_all(void *arg)
{
    struct farm *f = arg;
    const struct farm_config *c = &f->config;
    peers_init(&f->peers, c->endpoint, c->key, c->of_libzmq);
    for (unsigned i = 0; i < c->workers; i++) {
        f->hands[i].session = door_random();
        f->hands[i].tag = 1;
        peer_open(&f->peers, &f->hands[i].peer, i);
    }
    return NULL;
}

struct farm *farm_create(const struct farm_config *config)
{
    struct farm *f = mem_alloc(1, sizeof *f);
    f->config = *config;
    if (f->config.together == 0)
        f->config.together = FARM_TOGETHER;
    f->hands = mem_alloc(config->workers, sizeof *f->hands);
    f->due_s = mem_alloc(config->workers, sizeof *f->due_s);
    f->asks = mem_alloc(ASKS, sizeof *f->asks);
    if (config->job)
        make_noise(f);
    run_aside(open_all, f);
    return f;
}

void farm_destroy(struct farm *f)
{
    for (unsigned i = 0; i < f->config.workers; i++) {
        peer_close(&f->hands[i].peer);
        free(f->hands[i].leases);
    }
    peers_fini(&f->peers);
    for (uint32_t i = 0; i < f->jobs; i++)
        free(f->seen[i].tile);
    free(f->seen);
    free(f->hands);
    free(f->due_s);
    free(f->asks);
    buf_fini(&f->frame);
    buf_fini(&f->wholes);
    free(f->values);
    free(f->errors);
    free(f);
}

/* --- time ------------------------------------------------------------------------------------ */

/* A worker that needs time for its tiles answers those of a lease together. When it can next. */
static double pace(struct farm *f, struct hand *w, double now_s)
{
    double left = 0, one_s = f->config.workers / f->config.tiles_per_s;
    for (size_t i = w->next; i < w->count; i++)
        left += w->leases[i].count - w->leases[i].sent;
    w->solved += (now_s - w->paced_s) / one_s;
    w->paced_s = now_s;
    if (left > 0 && w->phase > 0) { /* work came to all at once; answers are not to */
        w->solved = w->phase;
        w->phase = 0;
    }
    if (w->solved > left)
        w->solved = left; /* it waits for work */
    if (left <= 0)
        return INFINITY;
    const struct held *l = &w->leases[w->next];
    uint32_t enough = l->count - l->sent;
    enough = enough < f->config.together ? enough : f->config.together;
    if (w->solved < enough)
        return now_s + (enough - w->solved) * one_s;
    hand_answer(f, w);
    return now_s;
}

void farm_pace(struct farm *f, double tiles_per_s)
{
    f->config.tiles_per_s = tiles_per_s;
    if (tiles_per_s > 0)
        f->config.solve_us = (unsigned)(1e6 * f->config.workers / tiles_per_s);
    for (unsigned i = 0; i < f->config.workers; i++) {
        f->hands[i].paced_s = seconds_now();
        f->hands[i].solved = 0;
        f->hands[i].phase = (double)i / f->config.workers;
        f->hands[i].wants = true;
        f->due_s[i] = 0;
    }
}

void farm_chatter(struct farm *f, unsigned times)
{
    for (unsigned i = 0; i < f->config.workers; i++)
        f->hands[i].to_ask = times;
    f->figures.chatter = (uint64_t)times * f->config.workers;
}

/* Heartbeats, HELLO until there is a WELCOME, answers that are due or could not go. */
static void look_at(struct farm *f, unsigned i, double now_s)
{
    struct hand *w = &f->hands[i];
    double period_s = 1e-3 * PERIOD_MS, next_s = INFINITY;
    if (f->config.tiles_per_s > 0)
        next_s = pace(f, w, now_s);
    else if (w->wants)
        hand_answer(f, w);
    if (w->wants)
        next_s = now_s;
    if (w->beat_s == 0) /* they are spread */
        w->beat_s = now_s + period_s * i / f->config.workers;
    if (now_s >= w->beat_s) {
        w->beat_s = now_s + period_s;
        if (w->peer.state == PEER_AWAY)
            peer_open(&f->peers, &w->peer, i);
        else if (w->welcome && !w->calling)
            hand_heartbeat(f, w);
        else
            hand_hello(f, w);
    }
    hand_chatter(f, w);
    f->due_s[i] = next_s < w->beat_s ? next_s : w->beat_s;
    hand_hear(f, w); /* what was sent may have swallowed the edge */
}

static void beat(struct farm *f, double now_s)
{
    for (unsigned i = 0; i < f->config.workers; i++)
        if (f->due_s[i] <= now_s)
            look_at(f, i, now_s);
}

struct run {
    struct farm *f;
    double seconds;
    farm_until *until;
    void *arg;
    bool reached;
};

static void *run(void *arg)
{
    enum { EVENTS = 256, LOOK_MS = 1 };
    struct run *r = arg;
    struct farm *f = r->f;
    struct epoll_event events[EVENTS];
    double end_s = seconds_now() + r->seconds, look_s = 0, now_s;
    while ((now_s = seconds_now()) < end_s && !r->reached) {
        int n = epoll_wait(f->peers.epoll, events, EVENTS, LOOK_MS);
        for (int i = 0; i < n; i++)
            hand_hear(f, &f->hands[events[i].data.u32]);
        if (now_s < look_s)
            continue;
        look_s = now_s + 1e-3 * LOOK_MS;
        beat(f, now_s);
        r->reached = r->until(&f->figures, r->arg);
    }
    return NULL;
}

bool farm_run(struct farm *f, double seconds, farm_until *until, void *arg)
{
    struct run r = {f, seconds, until, arg, false};
    run_aside(run, &r);
    return r.reached;
}

/* --- figures --------------------------------------------------------------------------------- */

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

void farm_say_types(const struct farm_figures *now, const struct farm_figures *before, double units,
                    const char *per)
{
    printf("        messages a %s:", per);
    for (unsigned i = 0; i < FARM_TYPES; i++) {
        uint64_t n = now->types[i] - before->types[i];
        if (n > 0)
            printf(" %s %.3g", wire_type_name((enum wire_type)i), (double)n / units);
    }
    printf("\n");
}
