/* Five thousand workers, a million tiles of one job, a thousand jobs that wait: what a broker holds
 * in memory for each, how soon work goes out at half of what it can do, and whether it answers a
 * person meanwhile. */
#include "dispatch.h"

#include "door.h"
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIDE = 1000, HOSTS = 1000, FIRST = 10, KIB = 1024, ASKED_MAX = 4096 };

struct scale {
    struct house h;
    struct farm *f;
    unsigned workers;
    double start_s; /* when they began to come in */
    uint64_t tiles, jobs;
};

/* --- a person who looks ---------------------------------------------------------------------- */

struct person {
    const struct house *h;
    atomic_bool goes;
    double ms[ASKED_MAX];
    size_t asked, failed;
};

static void *look(void *arg)
{
    struct person *p = arg;
    while (!p->goes && p->asked < ASKED_MAX) {
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

static bool first_job(const struct farm_figures *now, void *arg)
{
    return now->acked >= ((struct scale *)arg)->tiles;
}

static bool all_jobs(const struct farm_figures *now, void *arg)
{
    const struct scale *s = arg;
    return now->acked >= s->tiles + s->jobs * SIDE;
}

static int come_in(struct scale *s, double tiles_per_s)
{
    size_t before = house_memory(&s->h);
    double start_s = s->start_s = seconds_now();
    struct farm_config config = {.endpoint = s->h.endpoint,
                                 .workers = s->workers,
                                 .bundle = 256,
                                 .solve_us = 1,
                                 .hosts = HOSTS};
    s->f = farm_create(&config);
    farm_pace(s->f, tiles_per_s);
    if (!farm_run(s->f, 120, all_welcome, s))
        return -1;
    printf("%u workers came in in %.1f s: %.1f KiB each\n", s->workers, seconds_now() - start_s,
           (double)(house_memory(&s->h) - before) / KIB / s->workers);
    return 0;
}

static void end(struct scale *s)
{
    if (s->f)
        farm_destroy(s->f);
    s->f = NULL;
    house_close(&s->h);
}

static double say_rate(struct scale *s, const char *what, uint64_t tiles, double start_s)
{
    double rate = (double)tiles / (seconds_now() - start_s);
    printf("%s: %.0f tiles/s, most memory %.1f MiB\n", what, rate,
           (double)house_memory_most(&s->h) / KIB / KIB);
    say_latency(&s->h);
    return rate;
}

/* One job alone, as fast as all can: the rate of which the next step takes half. */
static int saturate(struct scale *s, const char *under, double *rate)
{
    if (house_open(&s->h, under, HOUSE_TCP))
        return -1;
    int rc = come_in(s, 0);
    if (rc == 0)
        rc = house_submit(&s->h, (unsigned)(s->tiles / SIDE), SIDE, 1, 0);
    double start_s = seconds_now();
    if (rc == 0 && !farm_run(s->f, 300, first_job, s))
        rc = -1;
    char what[100];
    snprintf(what, sizeof what, "as fast as %u workers can", s->workers);
    *rate = say_rate(s, what, s->tiles, start_s);
    end(s);
    return rc;
}

/* Jobs are queued while nobody is there: what each takes is what the process has grown by. */
static int queue_jobs(struct scale *s)
{
    size_t empty = house_memory(&s->h);
    double start_s = seconds_now();
    if (house_submit(&s->h, 1, SIDE, (unsigned)s->jobs, 0))
        return -1;
    size_t queued = house_memory(&s->h);
    printf("%llu jobs of %d tiles queued in %.0f s: %.1f KiB each\n", (unsigned long long)s->jobs,
           SIDE, seconds_now() - start_s, (double)(queued - empty) / KIB / (double)s->jobs);
    if (house_submit(&s->h, (unsigned)(s->tiles / SIDE), SIDE, 1, FIRST))
        return -1;
    double grown = (double)house_memory(&s->h) - (double)queued;
    printf("one job of %llu tiles, to go first: %.1f bytes a pending tile\n",
           (unsigned long long)s->tiles, grown / (double)s->tiles);
    return 0;
}

static int at_half(struct scale *s)
{
    static struct person person;
    pthread_t thread;
    char what[100];
    person = (struct person){.h = &s->h};
    pthread_create(&thread, NULL, look, &person);
    bool done = farm_run(s->f, 300, first_job, s);
    person.goes = true;
    snprintf(what, sizeof what, "half of that, a lease answered together");
    say_rate(s, what, s->tiles, s->start_s); /* the first begin while others come in */
    pthread_join(thread, NULL);
    say_person(&person);
    return done ? 0 : -1;
}

static int the_queued(struct scale *s)
{
    char what[100];
    farm_pace(s->f, 0);
    double start_s = seconds_now();
    bool done = farm_run(s->f, 300, all_jobs, s);
    snprintf(what, sizeof what, "then the %llu jobs, as fast as all can",
             (unsigned long long)s->jobs);
    say_rate(s, what, s->jobs * SIDE, start_s);
    return done ? 0 : -1;
}

int scale_bench(const char *under, unsigned workers, unsigned tiles, unsigned jobs)
{
    struct scale s = {.workers = workers, .tiles = tiles / SIDE * SIDE, .jobs = jobs};
    double rate;
    if (saturate(&s, under, &rate))
        return -1;
    printf("\nat most it may take 64 MB and 32 KiB a worker: %.0f MiB\n",
           64e6 / KIB / KIB + 32.0 / KIB * workers);
    if (house_open(&s.h, under, HOUSE_TCP))
        return -1;
    int rc = queue_jobs(&s);
    rc = rc ? rc : come_in(&s, rate / 2);
    rc = rc ? rc : at_half(&s);
    rc = rc ? rc : the_queued(&s);
    struct farm_figures f = s.f ? farm_figures(s.f) : (struct farm_figures){0};
    if (rc || f.asked_who > 0)
        printf("%u came in, %llu tiles are durable, %u times a worker was asked who it is\n",
               f.welcome, (unsigned long long)f.acked, f.asked_who);
    end(&s);
    return rc;
}
