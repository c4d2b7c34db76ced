/* Five thousand workers, jobs of a million tiles, a thousand other jobs that are queued: what a
 * broker holds in memory for each, how soon workers are welcome, and how long work and messages
 * wait at several loads, while a person asks for status. A worker takes as long for a tile as the
 * load says and sends each answer by itself; a broker for each load, which finds jobs and files of
 * the one before, so that the figures it exports are of that load alone. */
#include "dispatch.h"

#include "door.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    SIDE = 1000,
    BIG_JOBS = 4,
    HOSTS = 1000,
    FIRST = 10,
    KIB = 1024,
    ASKED_MAX = 4096,
    SETTLE_S = 2
};

struct scale {
    struct house h;
    struct farm *f;
    unsigned workers, jobs;
};

/* --- a person who looks ---------------------------------------------------------------------- */

struct person {
    const struct house *h;
    atomic_bool gone;
    double ms[ASKED_MAX];
    size_t asked, failed;
};

static void *look(void *arg)
{
    struct person *p = arg;
    give_way(); /* and so does what he starts */
    while (!p->gone && p->asked < ASKED_MAX) {
        double start_s = seconds_now();
        p->failed += house_command(p->h, "status", "last") != 0;
        p->ms[p->asked++] = 1000 * (seconds_now() - start_s);
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return NULL;
}

static void say_person(struct person *p)
{
    double middle = median(p->ms, p->asked);
    printf("        hillsweep status, %zu times meanwhile: median %.0f ms, longest %.0f ms, %zu"
           " unanswered\n",
           p->asked, middle, p->asked ? p->ms[p->asked - 1] : NAN, p->failed);
}

/* --- steps ----------------------------------------------------------------------------------- */

static bool all_welcome(const struct farm_figures *now, void *arg)
{
    return now->welcome == ((struct scale *)arg)->workers;
}

static bool no_chatter(const struct farm_figures *now, void *arg)
{
    (void)arg;
    return now->chatter == 0;
}

static bool never(const struct farm_figures *now, void *arg)
{
    (void)now, (void)arg;
    return false;
}

/* Jobs are queued while nobody is there: what each takes is what the process has grown by. */
static int queue_jobs(struct scale *s)
{
    size_t empty = house_memory(&s->h);
    double start_s = seconds_now();
    if (house_submit(&s->h, 1, SIDE, s->jobs, 0))
        return -1;
    size_t queued = house_memory(&s->h);
    printf("%u jobs of %d tiles queued in %.0f s: %.1f KiB each\n", s->jobs, SIDE,
           seconds_now() - start_s, (double)(queued - empty) / KIB / s->jobs);
    for (int i = 0; i < BIG_JOBS; i++)
        if (house_submit(&s->h, SIDE, SIDE, 1, FIRST - i)) /* one after the other */
            return -1;
    double grown = (double)house_memory(&s->h) - (double)queued;
    printf("%d jobs of 10^6 tiles, to go first: %.2f bytes a pending tile\n", BIG_JOBS,
           grown / (1e6 * BIG_JOBS));
    printf("at most it may take 64 MB and 32 KiB a worker: %.0f MiB\n",
           64e6 / KIB / KIB + 32.0 / KIB * s->workers);
    return 0;
}

/* All at once, and they are given work at once. */
static int come_in(struct scale *s, double tiles_per_s)
{
    size_t before = house_memory(&s->h);
    double start_s = seconds_now();
    struct farm_config config = {.endpoint = s->h.endpoint,
                                 .workers = s->workers,
                                 .bundle = 256,
                                 .solve_us = 1,
                                 .together = 1,
                                 .hosts = HOSTS};
    s->f = farm_create(&config);
    farm_pace(s->f, tiles_per_s);
    if (!farm_run(s->f, 60, all_welcome, s)) {
        struct farm_figures f = farm_figures(s->f);
        fprintf(stderr, "only %u of %u workers are welcome after a minute\n", f.welcome,
                s->workers);
        return -1;
    }
    printf("        %u workers welcome after %.1f s: %.1f KiB each\n", s->workers,
           seconds_now() - start_s, (double)(house_memory(&s->h) - before) / KIB / s->workers);
    return 0;
}

static void say_load(struct scale *s, const struct farm_figures *before,
                     const struct house_cpu *cpu)
{
    struct farm_figures now = farm_figures(s->f);
    printf("        %.0f tiles/s durable, most memory %.1f MiB",
           (double)(now.acked - before->acked) / cpu->at_s,
           (double)house_memory_most(&s->h) / KIB / KIB);
    if (now.asked_who > 0 || now.broken > 0)
        printf(", %u WHO, %u broken", now.asked_who, now.broken);
    printf("\n        messages of a worker until now: %.0f to the broker, %.0f back\n",
           (double)now.said / s->workers, (double)now.heard / s->workers);
    say_latency(&s->h);
    house_say_cpu(cpu);
    farm_say_types(&now, before, cpu->at_s, "s");
}

/* tiles_per_s 0: as fast as all can. */
static int at_load(struct scale *s, double tiles_per_s, double seconds)
{
    static struct person person;
    pthread_t thread;
    if (tiles_per_s > 0)
        printf("%.0f tiles/s, of %.0f ms each:\n", tiles_per_s, 1000 * s->workers / tiles_per_s);
    else
        printf("as fast as all can:\n");
    fflush(stdout);
    char period[32]; /* one or two of them are told of: not the time when they came in */
    snprintf(period, sizeof period, "%g", seconds / 2);
    setenv("HILLSWEEP_LATENCY_S", period, 1);
    if (house_again(&s->h) || come_in(s, tiles_per_s))
        return -1;
    if (tiles_per_s > 0)
        farm_run(s->f, SETTLE_S, never, NULL);
    person = (struct person){.h = &s->h};
    pthread_create(&thread, NULL, look, &person);
    struct farm_figures before = farm_figures(s->f);
    struct house_cpu start = house_cpu(&s->h);
    if (tiles_per_s <= 0)
        seconds /= 2; /* or there would be no tiles left of the large jobs */
    farm_run(s->f, seconds, never, NULL);
    struct house_cpu cpu = house_cpu_since(house_cpu(&s->h), start);
    say_load(s, &before, &cpu);
    person.gone = true;
    pthread_join(thread, NULL);
    say_person(&person);
    farm_destroy(s->f);
    s->f = NULL;
    return 0;
}

/* A broker that has lived long. Libzmq's pipes are lists of chunks of 256 messages, of which each
 * direction keeps two once it has carried as many. */
static int grow_old(struct scale *s)
{
    enum { MESSAGES = 600, CHATTER_S = 100 };
    if (house_again(&s->h) || come_in(s, s->workers / 4.0))
        return -1;
    farm_chatter(s->f, MESSAGES);
    bool done = farm_run(s->f, CHATTER_S, no_chatter, NULL);
    size_t old = house_memory(&s->h);
    struct farm_figures f = farm_figures(s->f);
    printf("        %s %.0f messages of each worker and %.0f back: %.1f MiB\n",
           done ? "after" : "broken off after", (double)f.said / s->workers,
           (double)f.heard / s->workers, (double)old / KIB / KIB);
    farm_destroy(s->f);
    s->f = NULL;
    return done ? 0 : -1;
}

int scale_bench(const char *under, unsigned workers, unsigned jobs, const char *loads,
                double seconds)
{
    struct scale s = {.workers = workers, .jobs = jobs};
    if (house_open(&s.h, under, HOUSE_TCP))
        return -1;
    int rc = queue_jobs(&s);
    while (rc == 0 && *loads) {
        char *end;
        rc = at_load(&s, strtod(loads, &end), seconds);
        loads = *end ? end + 1 : end;
    }
    if (rc == 0) {
        printf("an old broker:\n");
        rc = grow_old(&s);
    }
    house_close(&s.h);
    return rc;
}
