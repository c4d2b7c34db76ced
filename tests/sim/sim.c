/* The clock and the events of one seed, and the command line.
 *
 *   sim [SEEDS [FIRST]]     runs seeds FIRST (1) .. FIRST + SEEDS - 1 (10000), prints the coverage
 *   sim -v SEED             one seed, told as it happens
 *   sim figures [SEEDS]     the figures that the queue is held to */
#include "sim.h"

#include "log.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- dice ------------------------------------------------------------------------------------ */

/* splitmix64 */
uint64_t dice_bits(void *dice)
{
    struct sim_dice *d = dice;
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t dice_below(struct sim *s, uint32_t n)
{
    return (uint32_t)((dice_bits(&s->dice) >> 32) * n >> 32);
}

int64_t dice_between(struct sim *s, int64_t low, int64_t high)
{
    return low + dice_below(s, (uint32_t)(high - low + 1));
}

bool dice_ppm(struct sim *s, uint32_t ppm)
{
    return ppm > 0 && dice_below(s, 1000000) < ppm;
}

/* --- events: a heap by time, then by order --------------------------------------------------- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

struct event *sim_at(struct sim *s, int64_t at_ms, enum event_type type, uint32_t a, uint32_t b)
{
    if (s->heap_count == s->heap_cap) {
        s->heap_cap = s->heap_cap ? 2 * s->heap_cap : 256;
        s->heap = mem_resize(s->heap, s->heap_cap, sizeof *s->heap);
    }
    struct event e = {.at_ms = at_ms, .order = s->order++, .type = type, .a = a, .b = b};
    size_t at = s->heap_count++;
    for (; at > 0 && before(&e, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = e;
    return &s->heap[at];
}

static struct event take_first(struct sim *s)
{
    struct event first = s->heap[0], moved = s->heap[--s->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &moved))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = moved;
    return first;
}

static void handle(struct sim *s, struct event *e)
{
    s->events++;
    switch (e->type) {
    case EV_TO_BROKER:
    case EV_TO_WORKER:
        net_deliver(s, e);
        break;
    case EV_CONNECT:
        if (s->workers[e->a].life == e->b)
            net_connect(s, e->a);
        break;
    case EV_START:
        farm_start(s, e->a);
        break;
    case EV_BOOT:
        if (!s->house.up)
            house_boot(s);
        break;
    case EV_COMMIT:
        if (s->house.up && s->house.boots == e->a)
            disk_commit(s);
        break;
    case EV_DISK_SAYS:
        if (s->house.boots == e->a)
            house_read_disk(s);
        break;
    case EV_FAULT:
    case EV_HEAL:
        script_event(s, e);
        break;
    case EV_TYPES:
        break;
    }
}

/* --- the clock ------------------------------------------------------------------------------- */

static int64_t next_ms(const struct sim *s)
{
    int64_t next = s->heap_count > 0 ? s->heap[0].at_ms : INT64_MAX, due = net_due_ms(s);
    if (due < next)
        next = due;
    if (s->house.up && !s->house.stopped && s->house.next_ms < next)
        next = s->house.next_ms;
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].on && !s->workers[i].stopped && s->workers[i].next_ms < next)
            next = s->workers[i].next_ms;
    return next > s->now_ms ? next : s->now_ms;
}

static void step(struct sim *s)
{
    net_tick(s);
    while (!s->failed && s->heap_count > 0 && s->heap[0].at_ms <= s->now_ms) {
        struct event e = take_first(s);
        handle(s, &e);
        free(e.frame);
    }
    for (uint32_t i = 0; i < s->worker_count && !s->failed; i++)
        if (s->workers[i].on && !s->workers[i].stopped && s->workers[i].next_ms <= s->now_ms)
            farm_tick(s, i);
    if (s->house.up && !s->house.stopped && s->house.next_ms <= s->now_ms && !s->failed)
        house_tick(s);
}

bool sim_run(struct sim *s, int64_t until_ms, bool (*done)(struct sim *s))
{
    while (!s->failed) {
        if (done && done(s))
            return true;
        int64_t next = next_ms(s);
        if (next > until_ms)
            break;
        s->now_ms = next;
        step(s);
    }
    if (!s->failed)
        s->now_ms = until_ms > s->now_ms ? until_ms : s->now_ms;
    return false;
}

bool sim_all_over(struct sim *s)
{
    for (uint32_t id = 1; id <= s->job_count; id++) {
        const struct disk_job *d = &s->disk.jobs[id];
        if (d->there && !d->taken && !job_state_is_over((enum job_state)d->state))
            return false;
    }
    return true;
}

bool sim_is_quiet(struct sim *s)
{
    if (!sim_all_over(s) || !s->house.up || !house_is_idle(s))
        return false;
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (!farm_is_idle(s, i))
            return false;
    return true;
}

/* --- jobs ------------------------------------------------------------------------------------ */

/* Jobs that live as long as the process: parsing is not what is simulated. */
static const struct job *template(uint32_t q, uint32_t a, uint32_t fields, bool errors)
{
    static struct job *known[33][33][2][2];
    struct job **at = &known[q][a][fields - 1][errors];
    if (*at)
        return *at;
    struct buf text = {0};
    struct err err;
    buf_printf(&text,
               "{\"w\":{\"is\":\"cos(2*t)\",\"t\":[0,9]},"
               "\"z\":{\"start\":[1,0],\"t\":{\"from\":0,\"to\":8,\"count\":2}},"
               "\"grid\":{\"q\":{\"from\":1,\"to\":%u,\"count\":%u},"
               "\"a\":{\"from\":1,\"to\":%u,\"count\":%u}},\"errors\":%s,"
               "\"output\":{\"F\":\"z(t[1])\"%s}}",
               q, q, a, a, errors ? "true" : "false", fields > 1 ? ",\"G\":\"dz(t[1])\"" : "");
    if (job_parse((const char *)text.data, text.len, NULL, at, &err)) {
        fprintf(stderr, "sim: %s\n", err.text);
        abort();
    }
    buf_fini(&text);
    return *at;
}

struct sim_job *sim_job_new(struct sim *s, uint32_t q_blocks, uint32_t a_blocks, uint32_t q_side,
                            uint32_t a_side, uint32_t fields, bool errors)
{
    struct sim_job *j = &s->jobs[++s->job_count];
    *j = (struct sim_job){.id = s->job_count, .tiles = q_blocks * a_blocks};
    j->shape = *template(q_blocks * q_side, a_blocks * a_side, fields, errors);
    j->shape.q_blocks = q_blocks;
    j->shape.a_blocks = a_blocks;
    snprintf(j->shape.name, sizeof j->shape.name, "job %u", j->id);
    return j;
}

struct sim *sim_create(uint64_t seed, bool verbose)
{
    struct sim *s = mem_alloc(1, sizeof *s);
    s->seed = seed;
    s->dice.state = seed * 0x2545f4914f6cdd1du;
    s->verbose = verbose;
    s->now_ms = 1000;
    s->store = dice_bits(&s->dice) | 1;
    return s;
}

void sim_destroy(struct sim *s)
{
    s->verbose = false;
    for (uint32_t i = 0; i < s->worker_count; i++)
        farm_kill(s, i, -1);
    house_kill(s, -1);
    disk_fini(s);
    for (size_t i = 0; i < s->heap_count; i++)
        free(s->heap[i].frame);
    free(s->heap);
    for (uint32_t id = 1; id <= s->job_count; id++)
        buf_fini(&s->disk.jobs[id].table);
    free(s);
}

/* --- the command line ------------------------------------------------------------------------ */

static volatile uint64_t current;

/* A broken invariant ends the process: it must still be known of which seed. */
static void on_abort(int signal)
{
    char text[64];
    (void)signal;
    int n = snprintf(text, sizeof text, "sim: seed %" PRIu64 " broke an invariant\n", current);
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(3);
}

struct totals {
    uint64_t seeds, failed, events, faults, least_events, least_faults, tiles, virtual_ms;
};

static void play(uint64_t seed, bool verbose, struct totals *t)
{
    current = seed;
    struct sim *s = sim_create(seed, verbose);
    bool well = script_play(s);
    if (!well) {
        printf("seed %" PRIu64 " FAILED %s (repeat: sim -v %" PRIu64 ")\n", seed, s->why, seed);
        t->failed++;
    }
    t->seeds++;
    t->events += s->events;
    t->faults += s->faults;
    t->tiles += s->tiles_solved;
    t->virtual_ms += (uint64_t)s->now_ms;
    if (s->events < t->least_events)
        t->least_events = s->events;
    if (s->faults < t->least_faults)
        t->least_faults = s->faults;
    sim_destroy(s);
}

static int run_many(uint64_t seeds, uint64_t first)
{
    struct totals t = {.least_events = UINT64_MAX, .least_faults = UINT64_MAX};
    struct timespec start, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (uint64_t seed = first; seed < first + seeds && t.failed < 10; seed++)
        play(seed, false, &t);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double cpu = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    int unseen = judge_print_coverage(false);
    printf("sim: %" PRIu64 " seeds from %" PRIu64 ", %" PRIu64 " failed; %.1f events and %.1f "
           "faults a seed (at least %" PRIu64 " and %" PRIu64 "), %" PRIu64 " tiles solved, %.0f "
           "hours of virtual time, %.1f s of CPU time\n",
           t.seeds, first, t.failed, (double)t.events / (double)t.seeds,
           (double)t.faults / (double)t.seeds, t.least_events, t.least_faults, t.tiles,
           (double)t.virtual_ms / 3.6e6, cpu);
    return t.failed > 0 || (seeds >= 10000 && unseen > 0);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_open("sim", argc > 1 && strcmp(argv[1], "-v") == 0 ? LOG_INFO : LOG_WARN);
    signal(SIGABRT, on_abort);
    if (argc > 1 && strcmp(argv[1], "figures") == 0)
        return figures_print(argc > 2 ? strtoull(argv[2], NULL, 10) : 60) > 0;
    if (argc == 3 && strcmp(argv[1], "-v") == 0) {
        struct totals t = {0};
        play(strtoull(argv[2], NULL, 10), true, &t);
        return t.failed > 0;
    }
    return run_many(argc > 1 ? strtoull(argv[1], NULL, 10) : 10000,
                    argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
}
