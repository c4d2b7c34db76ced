/* The figures that the queue is held to, in virtual time: the same on every machine. Each scenario
 * is played with many seeds (delays, moments and phases differ), and its worst figure is printed.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE = 32 };

static struct sim *begin(uint64_t seed, uint32_t workers, uint32_t threads)
{
    struct sim *s = sim_create(seed, false);
    s->calm = true;
    s->knobs = (struct sim_knobs){
        .group_ms = 10, .sink_bytes = 32u << 20, .lease_bytes = 4u << 20, .hold_bytes = 16u << 20};
    s->worker_count = workers;
    for (uint32_t i = 0; i < workers; i++) {
        struct sim_worker *w = &s->workers[i];
        snprintf(w->host, sizeof w->host, "host-%u", i);
        w->threads = threads;
        w->slow = 1;
        w->next_ms = INT64_MAX;
    }
    house_boot(s);
    for (uint32_t i = 0; i < workers; i++)
        sim_at(s, dice_between(s, 1000, 1500), EV_START, i, 0);
    return s;
}

/* A job of side x side tiles of a point, each so long on a good machine. */
static void submit(struct sim *s, uint32_t side, int64_t tile_ms)
{
    struct sim_job *j = sim_job_new(s, side, side, 1, 1, 1, true);
    j->point_us = tile_ms * 1000;
    disk_submit(s, j->id);
}

static void run_for(struct sim *s, int64_t ms)
{
    sim_run(s, s->now_ms + ms, NULL);
}

static uint32_t durable(const struct sim *s, uint32_t job)
{
    uint32_t n = 0;
    for (uint32_t t = 0; t < s->jobs[job].tiles; t++)
        n += s->disk.jobs[job].tile[t].durable;
    return n;
}

static int report(const char *what, double worst, double bound, const char *unit)
{
    bool well = worst <= bound;
    printf("%-66s %8.2f %-3s (at most %.2f)%s\n", what, worst, unit, bound, well ? "" : "  MISSED");
    return !well;
}

/* Ends a scenario; a failure of the judge's counts as missed. */
static bool end(struct sim *s)
{
    bool failed = s->failed;
    if (failed)
        printf("seed %llu: %s\n", (unsigned long long)s->seed, s->why);
    sim_destroy(s);
    return !failed;
}

/* --- the end of a job ------------------------------------------------------------------------ */

static bool almost_done(struct sim *s)
{
    return durable(s, 1) * 100 >= s->jobs[1].tiles * 99;
}

static int last_percent(uint64_t seeds)
{
    double worst = 0;
    for (uint64_t seed = 1; seed <= (seeds + 3) / 4; seed++) {
        struct sim *s = begin(seed, 10, 1);
        int64_t tile_ms = dice_between(s, 20, 200);
        s->workers[dice_below(s, 10)].slow = 10;
        submit(s, LARGE, tile_ms);
        sim_run(s, 10000000, almost_done);
        int64_t then = s->now_ms;
        sim_run(s, 10000000, sim_all_over);
        double times = (double)(s->now_ms - then) / (double)(10 * tile_ms);
        worst = times > worst ? times : worst;
        if (!end(s))
            return 1;
    }
    return report("one of ten workers 10 x slower: last 1 % / its slowest single tile", worst, 1.5,
                  "x");
}

/* --- whose turn it is ------------------------------------------------------------------------ */

static int small_behind_large(uint64_t seeds)
{
    double worst = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct sim *s = begin(seed, 4, 2);
        submit(s, LARGE, 250); /* what a tile of 512 x 512 takes on a slow core */
        run_for(s, dice_between(s, 2000, 12000));
        int64_t then = s->now_ms;
        submit(s, 2, 100);
        run_for(s, 3000);
        double wait = s->first_lease_ms[2] ? (double)(s->first_lease_ms[2] - then) : 3000;
        worst = wait > worst ? wait : worst;
        if (!end(s))
            return 1;
    }
    return report("a small job behind a large one: until it starts", worst / 1000, 1, "s");
}

/* Work of true cost that each job was given, as the shares of three equal jobs. */
static int shares(uint64_t seeds)
{
    static const int64_t tile_ms[] = {90, 160, 300};
    double worst = 0;
    for (uint64_t seed = 1; seed <= (seeds + 9) / 10; seed++) {
        struct sim *s = begin(seed, 5, 2);
        for (int k = 0; k < 3; k++)
            submit(s, LARGE, tile_ms[k]);
        run_for(s, 25000);
        double work[3], sum = 0;
        for (int k = 0; k < 3; k++)
            sum += work[k] = (double)s->points_leased[k + 1] * (double)s->jobs[k + 1].point_us;
        for (int k = 0; k < 3; k++) {
            double off = 100 * (3 * work[k] / sum - 1);
            off = off < 0 ? -off : off;
            worst = off > worst ? off : worst;
        }
        if (!end(s))
            return 1;
    }
    return report("three equal jobs, tiles of 90, 160 and 300 ms: off a fair share", worst, 5, "%");
}

/* --- machines that go away ------------------------------------------------------------------- */

enum loss { KILLED, STOPPED, UNPLUGGED };

static bool all_again(struct sim *s)
{
    return s->again_left == 0;
}

static void lose(struct sim *s, uint32_t worker, enum loss how)
{
    judge_watch(s, worker);
    s->forgot_ms = 0;
    if (how == KILLED)
        farm_kill(s, worker, -1);
    else if (how == STOPPED)
        farm_stop(s, worker, true);
    else
        net_cut(s, worker, true, true);
}

static int lost_worker(uint64_t seeds, enum loss how, const char *what, double bound)
{
    char text[96];
    double noticed = 0, again = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct sim *s = begin(seed, 4, 2);
        submit(s, LARGE, dice_between(s, 70, 250));
        run_for(s, dice_between(s, 3000, 5000));
        int64_t then = s->now_ms;
        lose(s, dice_below(s, 4), how);
        sim_run(s, then + 20000, all_again);
        double n = (double)(s->forgot_ms - then), a = (double)(s->now_ms - s->forgot_ms);
        noticed = n > noticed ? n : noticed;
        again = a > again ? a : again;
        if (!end(s))
            return 1;
    }
    snprintf(text, sizeof text, "a worker is %s: until it is noticed", what);
    int missed = report(text, noticed / 1000, bound, "s");
    snprintf(text, sizeof text, "a worker is %s: from then until its tiles are out again", what);
    return missed + report(text, again / 1000, 0.5, "s");
}

static bool all_at_work(struct sim *s)
{
    const struct queue *q = s->house.s.queue;
    if (!s->house.up || q->workers_up < s->worker_count)
        return false;
    for (size_t i = 0; i < q->worker_count; i++)
        if (q->workers[i]->state == WORKER_UP && q->workers[i]->lease_count == 0)
            return false;
    return true;
}

static int broker_back(uint64_t seeds)
{
    double worst = 0, solved_twice = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct sim *s = begin(seed, 6, 2);
        submit(s, LARGE, dice_between(s, 100, 250));
        run_for(s, dice_between(s, 3000, 5000));
        int64_t away = dice_between(s, 20, 3000), then = s->now_ms + away;
        house_kill(s, away);
        run_for(s, away + 1);
        sim_run(s, then + 30000, all_at_work);
        double back = (double)(s->now_ms - then);
        worst = back > worst ? back : worst;
        sim_run(s, 10000000, sim_all_over);
        solved_twice += s->tiles_solved - LARGE * LARGE;
        if (!end(s))
            return 1;
    }
    return report("the broker is back after kill -9: until all workers are at work", worst / 1000,
                  5, "s") +
           report("the same: tiles computed twice, of 1024, on average",
                  solved_twice / (double)seeds, 2, "");
}

int figures_print(uint64_t seeds)
{
    return last_percent(seeds) + small_behind_large(seeds) + shares(seeds) +
           lost_worker(seeds, KILLED, "killed", 0.7) + lost_worker(seeds, STOPPED, "stopped", 4) +
           lost_worker(seeds, UNPLUGGED, "unplugged", 4) + broker_back(seeds);
}
