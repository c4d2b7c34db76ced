/* Solver threads (pool.h) and what they run (recipe.h), in place of the real ones: they take
 * virtual time, and they lie, hang, starve and crash where the seed says so. */
#include "sim.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { YIELD_MS = 5, BUILD_MS = 30 };

enum fate { FATE_WELL, FATE_CRASH, FATE_HANG, FATE_CANCELLED };

struct thread {
    struct task *task;
    int64_t start_ms, end_ms; /* INT64_MAX: it hangs */
    enum fate fate;
};

struct pool {
    struct sim *s;
    uint32_t worker;
    struct thread threads[SIM_THREADS];
    struct task *out[SIM_TASKS];
    size_t out_count;
    struct task *waiting[SIM_TASKS], *done[SIM_TASKS];
    size_t waiting_count, done_count;
    double share;
};

struct recipe {
    struct buf document, table;
    const struct sim_job *job; /* NULL: not built */
};

/* Recipes are made without a word of whose they are: set around every call of a talk. */
static struct sim *now_sim;
static uint32_t now_worker;

void solver_enter(struct sim *s, uint32_t worker)
{
    now_sim = s;
    now_worker = worker;
}

/* --- recipes --------------------------------------------------------------------------------- */

struct recipe *recipe_create(struct buf *document, unsigned threads)
{
    struct recipe *p = mem_alloc(1, sizeof *p);
    (void)threads;
    p->document = *document;
    *document = (struct buf){0};
    return p;
}

void recipe_destroy(struct recipe *p)
{
    if (!p)
        return;
    buf_fini(&p->document);
    buf_fini(&p->table);
    free(p);
}

const struct job *recipe_job(const struct recipe *p)
{
    return p->job ? &p->job->shape : NULL;
}

const struct buf *recipe_table(const struct recipe *p)
{
    return &p->table;
}

/* No samples, then who made it and of what. */
static void build(struct recipe *p, struct task *t)
{
    static const char key[] = "\"job "; /* its name */
    const char *at = memmem(p->document.data, p->document.len, key, sizeof key - 1);
    uint32_t id = at ? (uint32_t)strtoul(at + sizeof key - 1, NULL, 10) : 0, none = 0;
    if (id == 0 || id > now_sim->job_count) {
        t->failed = err_set(&t->err, ERR_OTHER, "not a job of this simulation");
        return;
    }
    p->job = &now_sim->jobs[id];
    if (p->job->refused)
        t->failed = err_set(&t->err, ERR_JOB_REFUSED, "f(t) has no solution");
    buf_add(&p->table, &none, sizeof none);
    buf_add(&p->table, &now_worker, sizeof now_worker);
    buf_add(&p->table, &id, sizeof id);
}

static void adopt(const struct recipe *p, struct task *t)
{
    uint32_t word[3] = {0};
    if (t->table.len == sizeof word)
        memcpy(word, t->table.data, sizeof word);
    if (t->table.len != sizeof word || word[2] != p->job->id)
        sim_fail(now_sim, "job %u: another job's table", p->job->id);
    if (now_sim->workers[now_worker].odd && word[1] != now_worker)
        t->failed = err_set(&t->err, ERR_OTHER, "w(t) differs from the job's own");
}

/* --- tasks ----------------------------------------------------------------------------------- */

static void fill(struct sim *s, const struct sim_worker *w, struct task *t, int64_t cpu_us)
{
    const struct sim_job *j = t->recipe->job;
    uint32_t n = (uint32_t)job_tile_points(&j->shape, t->tile);
    unsigned char truth[SIM_TILE_BYTES], *at = truth;
    size_t len;
    disk_truth(j, t->tile, truth, &len);
    for (uint32_t f = 0; f < j->shape.output_count; f++) {
        memcpy(planes_field(t->planes, f), at + t->first * sizeof(double),
               t->count * sizeof(double));
        at += n * sizeof(double);
        if (!j->shape.errors)
            continue;
        memcpy(planes_errors(t->planes, f), at + t->first * sizeof(float),
               t->count * sizeof(float));
        at += n * sizeof(float);
    }
    memcpy(planes_status(t->planes), at + t->first, t->count);
    if (dice_ppm(s, w->lie_ppm))
        planes_field(t->planes, 0)[dice_below(s, t->count)] *=
            1 + 0x1p-40 * (double)(w - s->workers + 1);
    bool piece = t->count < n;
    if (dice_ppm(s, (piece ? 10 : 1) * w->garble_ppm))
        planes_status(t->planes)[0] = 77;
    planes_code(t->planes, (uint32_t)cpu_us);
}

static bool is_poisoned(const struct task *t, bool hangs)
{
    const struct sim_job *j = t->recipe->job;
    for (uint32_t i = 0; i < j->poison_count; i++) {
        const struct sim_poison *p = &j->poison[i];
        if (p->tile == t->tile && p->hangs == hangs && p->point >= t->first &&
            p->point - t->first < t->count)
            return true;
    }
    return false;
}

static int64_t stretch(const struct sim_worker *w, const struct pool *c, int64_t ms)
{
    double share = c->share;
    if (w->starved > 1)
        share /= w->starved;
    return (int64_t)((double)ms * w->slow / share) + 1;
}

static void start_thread(struct pool *c, struct thread *th, struct task *t, int64_t at_ms)
{
    const struct sim_worker *w = &c->s->workers[c->worker];
    *th = (struct thread){t, at_ms, at_ms + BUILD_MS, FATE_WELL};
    if (t->cancel) {
        th->end_ms = at_ms;
        th->fate = FATE_CANCELLED;
        return;
    }
    if (t->kind != TASK_SOLVE)
        return;
    sim_trace(c->s, "%s begins job %u tile %u points %u+%u", w->host, t->recipe->job->id, t->tile,
              t->first, t->count);
    th->end_ms = at_ms + stretch(w, c, t->recipe->job->point_us * t->count / 1000);
    if (is_poisoned(t, false))
        th->fate = FATE_CRASH;
    if (is_poisoned(t, true) || (!c->s->calm && dice_ppm(c->s, w->hang_ppm))) {
        th->fate = FATE_HANG;
        th->end_ms = INT64_MAX;
    }
}

static void feed_threads(struct pool *c, int64_t at_ms)
{
    const struct sim_worker *w = &c->s->workers[c->worker];
    for (uint32_t i = 0; i < w->threads && c->waiting_count > 0; i++) {
        if (c->threads[i].task)
            continue;
        start_thread(c, &c->threads[i], c->waiting[0], at_ms);
        memmove(c->waiting, c->waiting + 1, --c->waiting_count * sizeof c->waiting[0]);
    }
}

static void finish(struct pool *c, struct thread *th)
{
    struct task *t = th->task;
    const struct sim_worker *w = &c->s->workers[c->worker];
    if (th->fate == FATE_CANCELLED)
        t->failed = -1;
    else if (t->kind == TASK_BUILD)
        build(t->recipe, t);
    else if (t->kind == TASK_ADOPT)
        adopt(t->recipe, t);
    else
        fill(c->s, w, t, t->recipe->job->point_us * t->count * w->slow);
    if (t->kind == TASK_SOLVE && !t->failed) {
        c->s->tiles_solved++;
        t->points_done = t->count;
        t->cpu_ns = (uint64_t)(t->recipe->job->point_us * t->count * w->slow) * 1000;
    }
    if (t->kind == TASK_SOLVE)
        sim_trace(c->s, "%s %s job %u tile %u points %u+%u", w->host,
                  t->failed ? "gives up" : "has solved", t->recipe->job->id, t->tile, t->first,
                  t->count);
    c->done[c->done_count++] = t;
    *th = (struct thread){0};
}

static struct thread *first_to_end(struct pool *c)
{
    struct thread *first = NULL;
    for (int i = 0; i < SIM_THREADS; i++)
        if (c->threads[i].task && (!first || c->threads[i].end_ms < first->end_ms))
            first = &c->threads[i];
    return first;
}

/* What the solver has used and done so far, as heartbeats tell it. */
static void progress(struct pool *c, int64_t now_ms)
{
    const struct sim_worker *w = &c->s->workers[c->worker];
    for (int i = 0; i < SIM_THREADS; i++) {
        struct thread *th = &c->threads[i];
        if (!th->task || th->task->kind != TASK_SOLVE)
            continue;
        double ran = (double)(now_ms - th->start_ms);
        th->task->cpu_ns = (uint64_t)(ran * c->share * 1e6 / (w->starved > 1 ? w->starved : 1));
        if (th->fate == FATE_WELL)
            th->task->points_done =
                (uint64_t)(ran / (double)(th->end_ms - th->start_ms + 1) * th->task->count);
    }
}

/* True: a task has ended the process. */
bool solver_advance(struct pool *c, int64_t now_ms)
{
    for (struct thread *th; (th = first_to_end(c)) && th->end_ms <= now_ms;) {
        int64_t at = th->end_ms;
        if (th->fate == FATE_CRASH)
            return true;
        finish(c, th);
        feed_threads(c, at);
    }
    progress(c, now_ms);
    return false;
}

/* --- pool.h ---------------------------------------------------------------------------------- */

unsigned pool_threads(const struct pool *c)
{
    return c->s->workers[c->worker].threads;
}

size_t pool_room(const struct pool *c)
{
    return 4 * pool_threads(c) + 12 - c->out_count;
}

void pool_submit(struct pool *c, struct task *t)
{
    c->out[c->out_count++] = t;
    c->waiting[c->waiting_count++] = t;
    feed_threads(c, c->s->now_ms);
}

struct task *pool_collect(struct pool *c)
{
    if (c->done_count == 0)
        return NULL;
    struct task *t = c->done[0];
    memmove(c->done, c->done + 1, --c->done_count * sizeof c->done[0]);
    size_t i = 0;
    while (c->out[i] != t)
        i++;
    c->out[i] = c->out[--c->out_count];
    return t;
}

void pool_cancel(struct pool *c, struct task *t)
{
    if (t->cancel)
        return;
    t->cancel = true;
    for (int i = 0; i < SIM_THREADS; i++) {
        struct thread *th = &c->threads[i];
        if (th->task != t || th->end_ms <= c->s->now_ms + YIELD_MS)
            continue;
        th->end_ms = c->s->now_ms + YIELD_MS;
        th->fate = FATE_CANCELLED;
    }
}

size_t pool_out(const struct pool *c)
{
    return c->out_count;
}

struct task *pool_task(const struct pool *c, size_t i)
{
    return c->out[i];
}

void pool_limit(struct pool *c, double share)
{
    c->share = share;
}

struct pool *solver_new(struct sim *s, uint32_t worker)
{
    struct pool *c = mem_alloc(1, sizeof *c);
    c->s = s;
    c->worker = worker;
    c->share = 1;
    return c;
}

void solver_free(struct pool *c)
{
    while (c->out_count > 0)
        task_destroy(c->out[--c->out_count]);
    free(c);
}

int64_t solver_due_ms(struct pool *c)
{
    const struct thread *th = first_to_end(c);
    if (c->done_count > 0)
        return c->s->now_ms + 1;
    if (!th)
        return INT64_MAX;
    return th->end_ms > c->s->now_ms ? th->end_ms : c->s->now_ms + 1;
}

void solver_slept(struct pool *c, int64_t ms)
{
    for (int i = 0; i < SIM_THREADS; i++) {
        struct thread *th = &c->threads[i];
        if (!th->task)
            continue;
        th->start_ms += ms;
        if (th->end_ms != INT64_MAX)
            th->end_ms += ms;
    }
}

bool solver_is_idle(const struct pool *c)
{
    for (size_t i = 0; i < c->out_count; i++)
        if (c->out[i]->kind == TASK_SOLVE)
            return false;
    return true;
}
