/* What a seed means: an installation, some jobs, and what happens to them. All faults end at
 * faults_end_ms; then everything must come to its end by itself. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

enum what {
    KILL_WORKER,
    KILL_BROKER,
    STOP_WORKER,
    STOP_BROKER,
    TERMINATE_WORKER,
    CUT_BOTH,
    CUT_UP,
    CUT_DOWN,
    CUT_SHORT, /* the connection breaks, and is made again */
    STARVE,
    STALL_DISK,
    SLOW_DISK,
    ROT,
    FAULTS, /* what follows is no fault */
    PAUSE = FAULTS,
    RESUME,
    CANCEL,
    PRIORITY,
    DELETE,
    TAKE, /* somebody removes the job's files */
    SUBMIT,
    REST_WORKER, /* the admin pauses a worker, or limits it, */
    WAKE_WORKERS,
    CALM,
};

static const char *const names[] = {
    "kill a worker",
    "kill the broker",
    "stop a worker",
    "stop the broker",
    "terminate",
    "cut both ways",
    "cut worker to broker",
    "cut broker to worker",
    "break a link",
    "starve",
    "the disk is full",
    "the disk is slow",
    "a tile rots",
    "pause",
    "resume",
    "cancel",
    "priority",
    "delete",
    "take away",
    "submit",
    "rest a worker",
    "wake all workers",
    "calm",
};

/* --- drawing --------------------------------------------------------------------------------- */

static void draw_network(struct sim *s)
{
    struct sim_knobs *k = &s->knobs;
    k->delay_ms = dice_between(s, 0, 10);
    switch (dice_below(s, 4)) {
    case 0: /* as ZeroMQ is */
        k->spike_ppm = 20000;
        k->spike_ms = 3000;
        break;
    case 1:
        k->loss_ppm = 30000;
        k->spike_ppm = 5000;
        k->spike_ms = 1000;
        break;
    case 2:
        k->twice_ppm = 50000;
        k->reorder_ppm = 200000;
        k->delay_ms = dice_between(s, 5, 60);
        break;
    default:
        k->loss_ppm = 10000;
        k->twice_ppm = 10000;
        k->reorder_ppm = 30000;
        k->spike_ppm = 10000;
        k->spike_ms = 2000;
    }
}

/* With dice of its own, so that the other seeds stay what they are. */
static void draw_doom(struct sim *s)
{
    static const enum wire_type types[] = {
        WIRE_HELLO,    WIRE_WELCOME,   WIRE_WHO,        WIRE_LEASE,     WIRE_RESULT, WIRE_RESULTS,
        WIRE_RETURN,   WIRE_ACK,       WIRE_DROP,       WIRE_HEARTBEAT, WIRE_PONG,   WIRE_GET_JOB,
        WIRE_JOB_PART, WIRE_PUT_TABLE, WIRE_TABLE_PART, WIRE_JOB_FAIL,  WIRE_BYE,
    };
    enum { TYPES = sizeof types / sizeof types[0] };
    struct sim_dice dice = {s->seed * 0xff51afd7ed558ccdu};
    uint64_t drawn = dice_bits(&dice) >> 32;
    if (s->knobs.loss_ppm > 0)
        s->knobs.doomed = drawn % (2 * TYPES) < TYPES ? types[drawn % TYPES] : (enum wire_type)0;
}

static void draw_worker(struct sim *s, uint32_t i)
{
    struct sim_worker *w = &s->workers[i];
    snprintf(w->host, sizeof w->host, "host-%u", i);
    w->threads = 1 + dice_below(s, SIM_THREADS);
    w->slow = 1;
    w->next_ms = INT64_MAX;
    if (i == 0)
        return; /* one good machine there is */
    switch (dice_below(s, 8)) {
    case 0:
        w->slow = 3 + dice_below(s, 10);
        break;
    case 1:
        w->lie_ppm = 100000;
        break;
    case 2:
        w->hang_ppm = 60000;
        w->garble_ppm = dice_below(s, 4) ? 0 : 50000;
        break;
    case 3:
        w->odd = dice_below(s, 2);
        break;
    case 4:
        w->weak = dice_below(s, 3) == 0;
        break;
    default:
        break;
    }
}

static void draw_job(struct sim *s)
{
    if (s->job_count == SIM_JOBS)
        return;
    uint32_t q_blocks = (uint32_t)dice_between(s, 1, 5), a_blocks = (uint32_t)dice_between(s, 1, 5);
    uint32_t q_side = (uint32_t)dice_between(s, 1, 4), a_side = (uint32_t)dice_between(s, 1, 4);
    struct sim_job *j =
        sim_job_new(s, q_blocks, a_blocks, q_side, a_side, 1 + dice_below(s, 2), dice_below(s, 2));
    int64_t tile_ms = dice_between(s, 5, dice_below(s, 4) ? 300 : 1500);
    j->point_us = tile_ms * 1000 / (q_side * a_side) + 1;
    j->priority = dice_below(s, 3) ? 0 : (int32_t)dice_between(s, -1, 1);
    j->refused = dice_below(s, 40) == 0;
    if (dice_below(s, 5) == 0)
        j->poison_count = 1 + dice_below(s, SIM_POISON);
    for (uint32_t i = 0; i < j->poison_count; i++) {
        struct sim_poison *p = &j->poison[i];
        p->tile = dice_below(s, j->tiles);
        p->point = dice_below(s, (uint32_t)job_tile_points(&j->shape, p->tile));
        p->hangs = j->point_us <= 10000 && dice_below(s, 4) == 0;
    }
}

static void draw_faults(struct sim *s)
{
    int64_t end = s->knobs.faults_end_ms;
    uint32_t count = 5 + dice_below(s, 8), doings = dice_below(s, 8);
    for (uint32_t i = 0; i < count; i++)
        sim_at(s, dice_between(s, 100, end), EV_FAULT, dice_below(s, FAULTS), 0);
    for (uint32_t i = 0; i < doings; i++)
        sim_at(s, dice_between(s, 100, end), EV_FAULT, PAUSE + dice_below(s, CALM - PAUSE), 0);
    sim_at(s, end + 1, EV_FAULT, CALM, 0);
}

void script_draw(struct sim *s)
{
    struct sim_knobs *k = &s->knobs;
    k->faults_end_ms = dice_between(s, 4000, 15000);
    k->group_ms = dice_below(s, 3) ? dice_between(s, 2, 30) : dice_between(s, 100, 800);
    k->sink_bytes = dice_below(s, 2) ? 32u << 20 : 200 + dice_below(s, 4000);
    k->lease_bytes = dice_below(s, 2) ? 4u << 20 : 100 + dice_below(s, 2000);
    k->hold_bytes = dice_below(s, 2) ? 1u << 20 : 2 * SIM_TILE_BYTES + dice_below(s, 4000);
    k->whole_bytes = dice_below(s, 2) ? 0 : 1 + dice_below(s, 200);
    k->verify_one_in = dice_below(s, 2) ? 1 + dice_below(s, 2) : 256;
    draw_network(s);
    draw_doom(s);
    s->worker_count = (uint32_t)dice_between(s, 1, 6);
    for (uint32_t i = 0; i < s->worker_count; i++)
        draw_worker(s, i);
    for (uint32_t n = 1 + dice_below(s, 3); n > 0; n--)
        draw_job(s);
    draw_faults(s);
}

/* --- happening ------------------------------------------------------------------------------- */

static uint32_t some_job(struct sim *s)
{
    return 1 + dice_below(s, s->job_count);
}

static void submit(struct sim *s, uint32_t job)
{
    disk_submit(s, job);
    sim_trace(s, "job %u is submitted: %u tiles, priority %d", job, s->jobs[job].tiles,
              s->jobs[job].priority);
    for (uint32_t i = 0; i < s->jobs[job].poison_count; i++)
        sim_trace(s, "  point %u of tile %u %s", s->jobs[job].poison[i].point,
                  s->jobs[job].poison[i].tile, s->jobs[job].poison[i].hangs ? "hangs" : "kills");
}

static void delete_job(struct sim *s, uint32_t job)
{
    struct server *srv = &s->house.s;
    struct queue_job_info info;
    if (queue_job_info(srv->queue, s->now_ms, job, &info) || !job_state_is_over(info.state))
        return;
    queue_job_remove(srv->queue, s->now_ms, job);
    assembly_forget_pieces(srv->assembly, job, ASSEMBLY_ALL_TILES);
    catalogue_job(srv->catalogue, job)->stage = CATALOGUE_LEAVING;
    s->jobs[job].deleted = true;
    disk_delete(s, job);
}

static void rest_worker(struct sim *s)
{
    struct queue *q = s->house.s.queue;
    uint32_t worker = q->worker_count ? 1 + dice_below(s, (uint32_t)q->worker_count) : 0;
    if (dice_below(s, 3) == 0)
        queue_worker_limit(q, s->now_ms, worker, 25);
    else if (queue_worker_pause(q, s->now_ms, worker, true) == 0)
        farm_rests(s, worker_find(q, worker)->session, true);
}

static void wake_workers(struct sim *s)
{
    struct queue *q = s->house.s.queue;
    for (uint32_t worker = 1; worker <= q->worker_count; worker++) {
        queue_worker_limit(q, s->now_ms, worker, 100);
        if (queue_worker_pause(q, s->now_ms, worker, false) == 0)
            farm_rests(s, worker_find(q, worker)->session, false);
    }
}

/* What clients ask for; nobody is there to ask when the broker is not. */
static void ask(struct sim *s, enum what what)
{
    struct server *srv = &s->house.s;
    uint32_t job = some_job(s);
    struct err err;
    if (!s->house.up || s->house.stopped)
        return;
    srv->now_ms = s->now_ms;
    switch (what) {
    case PAUSE:
        queue_job_pause(srv->queue, s->now_ms, job, &err);
        break;
    case RESUME:
        queue_job_resume(srv->queue, s->now_ms, job, &err);
        break;
    case CANCEL:
        queue_job_cancel(srv->queue, s->now_ms, job, &err);
        break;
    case PRIORITY:
        if (queue_job_priority(srv->queue, s->now_ms, job, (int32_t)dice_between(s, -1, 1), &err) ==
            0)
            disk_priority(s, job, job_find(srv->queue, job)->priority);
        break;
    case DELETE:
        delete_job(s, job);
        break;
    case TAKE:
        if (dice_below(s, 4) == 0)
            disk_take(s, job);
        break;
    case SUBMIT:
        if (s->job_count < SIM_JOBS) {
            draw_job(s);
            submit(s, s->job_count);
        }
        break;
    case REST_WORKER:
        rest_worker(s);
        break;
    case WAKE_WORKERS:
        wake_workers(s);
        break;
    default:
        break;
    }
    house_settle(s);
}

static void heal_later(struct sim *s, enum what what, uint32_t worker, int64_t after_ms)
{
    sim_at(s, s->now_ms + after_ms, EV_HEAL, what, worker);
}

static void happen(struct sim *s, enum what what)
{
    uint32_t w = dice_below(s, s->worker_count);
    s->faults++;
    switch (what) {
    case KILL_WORKER:
        farm_kill(s, w, dice_between(s, 50, 6000));
        break;
    case KILL_BROKER:
        house_kill(s, dice_between(s, 20, 8000));
        break;
    case STOP_WORKER:
        farm_stop(s, w, true);
        heal_later(s, what, w, dice_between(s, 100, 9000));
        break;
    case STOP_BROKER:
        house_stop(s, true);
        heal_later(s, what, 0, dice_between(s, 100, 7000));
        break;
    case TERMINATE_WORKER:
        farm_leave(s, w);
        break;
    case CUT_BOTH:
    case CUT_UP:
    case CUT_DOWN:
        net_cut(s, w, what != CUT_DOWN, what != CUT_UP);
        heal_later(s, what, w, dice_between(s, 50, 9000));
        break;
    case CUT_SHORT:
        net_disconnect(s, w, true);
        break;
    case STARVE:
        s->workers[w].starved = 20 + dice_below(s, 200);
        heal_later(s, what, w, dice_between(s, 1000, 9000));
        break;
    case STALL_DISK:
        disk_stall(s, true);
        heal_later(s, what, 0, dice_between(s, 100, 6000));
        break;
    case ROT:
        disk_rot(s);
        break;
    default:
        s->disk.slow_until_ms = s->now_ms + dice_between(s, 500, 5000);
    }
}

static void heal(struct sim *s, enum what what, uint32_t w)
{
    if (what == STOP_WORKER)
        farm_stop(s, w, false);
    else if (what == STOP_BROKER)
        house_stop(s, false);
    else if (what == STARVE)
        s->workers[w].starved = 1;
    else if (what == STALL_DISK)
        disk_stall(s, false);
    else
        net_heal(s, w);
}

/* What was paused goes on; once more when those are back who were away when the calm began. */
static void resume_all(struct sim *s)
{
    struct err err;
    for (uint32_t id = 1; id <= s->job_count; id++)
        queue_job_resume(s->house.s.queue, s->now_ms, id, &err);
    wake_workers(s);
    house_settle(s);
}

/* From now on everything works. */
static void be_calm(struct sim *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++) {
        heal(s, CUT_BOTH, i);
        heal(s, STOP_WORKER, i);
        heal(s, STARVE, i);
    }
    disk_stall(s, false);
    house_stop(s, false);
    s->calm = true;
    if (s->house.up)
        resume_all(s);
}

void script_event(struct sim *s, const struct event *e)
{
    sim_trace(s, "-- %s%s", e->type == EV_HEAL ? "no longer: " : "", names[e->a]);
    if (e->type == EV_HEAL)
        heal(s, (enum what)e->a, e->b);
    else if (e->a == CALM)
        be_calm(s);
    else if (e->a < FAULTS)
        happen(s, (enum what)e->a);
    else
        ask(s, (enum what)e->a);
}

/* --- one seed -------------------------------------------------------------------------------- */

static bool is_over(struct sim *s)
{
    if (!s->calm || s->events < 200 || !sim_is_quiet(s))
        return false;
    return !judge_is_strict(s) || s->house.s.queue->rechecks_open == 0;
}

bool script_play(struct sim *s)
{
    enum { STUCK_MS = 3600000, SLEEPING_MS = 20000, SWEEP_MS = 6000 };
    script_draw(s);
    house_boot(s);
    for (uint32_t id = 1; id <= s->job_count; id++)
        submit(s, id);
    for (uint32_t i = 0; i < s->worker_count; i++)
        sim_at(s, dice_between(s, 0, 2000), EV_START, i, 0);
    sim_run(s, s->knobs.faults_end_ms + SLEEPING_MS, is_over);
    if (!s->failed && s->house.up)
        resume_all(s);
    do {
        if (!sim_run(s, s->now_ms + STUCK_MS, is_over) && !s->failed)
            sim_fail(s, "it does not come to an end");
        if (!s->failed) /* parts that will not become whole are swept out by heartbeats */
            sim_run(s, s->now_ms + SWEEP_MS, NULL);
    } while (!s->failed && !is_over(s)); /* a tile may be found wrong after the end */
    if (!s->failed)
        judge_end(s);
    if (s->failed)
        judge_tell(s);
    return !s->failed;
}
