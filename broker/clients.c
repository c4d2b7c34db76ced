/* Requests of clients: a table of operations. See PROTOCOL.md section 5. */
#include "clients_private.h"

#include "log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct json_limits request_limits = {
    .bytes = JOB_JSON_MAX, .values = 256, .numbers = 256};

static void answer_status(struct call *c, const struct catalogue_job *job)
{
    reply_json(c->s, c->from, c->tag, clients_status(c->s, job));
}

/* The job that the arguments name ("job": a number or a word), or NULL with c->err. */
static struct catalogue_job *named_job(struct call *c)
{
    const struct json *v = json_get(c->args, "job");
    char number[24];
    int64_t id;
    const char *word = v ? json_string(v) : NULL;
    if (v && json_integer(v, &id) == 0) {
        snprintf(number, sizeof number, "%" PRId64, id);
        word = number;
    }
    if (!word) {
        err_set(&c->err, ERR_USAGE, "the request names no job");
        return NULL;
    }
    return catalogue_find(c->s->catalogue, word, &c->err);
}

/* The same, for who would change it. */
static struct catalogue_job *own_job(struct call *c)
{
    struct catalogue_job *job = named_job(c);
    if (!job || entrance_owns(c->s, c->from, job))
        return job;
    err_set(&c->err, ERR_NOT_AUTHORISED, "job %u was submitted by %s", job->id, job->owner);
    err_hint(&c->err, "who submitted it and admins may do that");
    return NULL;
}

int call_priority(struct call *c, int64_t otherwise, int64_t *priority)
{
    *priority = json_get_integer(c->args, "priority", otherwise);
    if (*priority < -1000 || *priority > 1000)
        return err_set(&c->err, ERR_USAGE, "a priority is a whole number from -1000 to 1000");
    return 0;
}

static int op_ping(struct call *c)
{
    struct json_out *o = json_object();
    char id[24];
    json_put_string(o, "version", HILLSWEEP_VERSION);
    snprintf(id, sizeof id, "%016" PRIx64, c->s->boot);
    json_put_string(o, "boot", id);
    snprintf(id, sizeof id, "%016" PRIx64, c->s->store);
    json_put_string(o, "store", id);
    json_put_string(o, "listen", c->s->config->listen);
    struct json_out *lag = json_put_object(o, "loop_lag_s");
    json_put_number(lag, "p99", lag_quantile(&c->s->lag, 0.99));
    json_put_number(lag, "p999", lag_quantile(&c->s->lag, 0.999));
    json_put_number(lag, "max", lag_quantile(&c->s->lag, 1));
    struct json_out *dispatch = json_put_object(o, "dispatch_s");
    json_put_number(dispatch, "p50", lag_quantile(&c->s->dispatch, 0.5));
    json_put_number(dispatch, "p99", lag_quantile(&c->s->dispatch, 0.99));
    reply_json(c->s, c->from, c->tag, o);
    return 0;
}

static int op_status(struct call *c)
{
    struct catalogue_job *job = named_job(c);
    if (!job)
        return -1;
    answer_status(c, job);
    return 0;
}

/* What a status takes of a message at most, but for texts that are full of quotation marks. */
static size_t room_of(const struct catalogue_job *job)
{
    enum { KEYS_AND_NUMBERS = 512, FIELD = 36, REASON = 256 };
    return KEYS_AND_NUMBERS + REASON + FIELD * job->job->output_count + strlen(job->job->name) +
           strlen(job->owner);
}

/* The newest jobs of those with lower numbers than `before`: a page of them, which takes a
 * millisecond of the loop at most. Who wants more asks again, before the oldest of these. */
static int op_list(struct call *c)
{
    enum { BYTES = 64 << 10, JOBS = BYTES / 512 };
    struct json_out *o = json_object(), *jobs = json_put_array(o, "jobs"), *page[JOBS];
    int64_t before = json_get_integer(c->args, "before", INT64_MAX);
    size_t at = catalogue_before(c->s->catalogue, before), n = 0, room = BYTES;
    for (; at > 0 && n < JOBS; at--) {
        const struct catalogue_job *job = catalogue_at(c->s->catalogue, at - 1);
        if (n > 0 && room_of(job) > room)
            break;
        room -= room_of(job) < room ? room_of(job) : room;
        if (job->stage == CATALOGUE_THERE)
            page[n++] = clients_status(c->s, job);
    }
    while (n > 0)
        json_add(jobs, page[--n]);
    json_put_integer(o, "left_off", (int64_t)at);
    reply_json(c->s, c->from, c->tag, o);
    return 0;
}

typedef int control_fn(struct queue *q, int64_t now_ms, uint32_t job, struct err *err);

static int control(struct call *c, control_fn *f)
{
    struct catalogue_job *job = own_job(c);
    if (!job || f(c->s->queue, c->s->now_ms, job->id, &c->err))
        return -1;
    answer_status(c, job);
    return 0;
}

static int op_cancel(struct call *c)
{
    return control(c, queue_job_cancel);
}

static int op_pause(struct call *c)
{
    return control(c, queue_job_pause);
}

static int op_resume(struct call *c)
{
    return control(c, queue_job_resume);
}

static int op_priority(struct call *c)
{
    struct catalogue_job *job = own_job(c);
    int64_t priority;
    if (!job || call_priority(c, INT64_MAX, &priority))
        return -1;
    if (queue_job_priority(c->s->queue, c->s->now_ms, job->id, (int32_t)priority, &c->err))
        return -1;
    sink_job_priority(c->s->sink, job->id, (int32_t)priority);
    answer_status(c, job);
    return 0;
}

static int op_delete(struct call *c)
{
    struct catalogue_job *job = own_job(c);
    if (!job)
        return -1;
    struct queue_job_info info;
    if (queue_job_info(c->s->queue, c->s->now_ms, job->id, &info))
        return err_set(&c->err, ERR_NO_SUCH_JOB, "no job %u", job->id);
    if (!job_state_is_over(info.state)) {
        err_set(&c->err, ERR_USAGE, "job %u is %s", job->id, job_state_name(info.state));
        return err_hint(&c->err, "cancel it first: hillsweep cancel %u", job->id);
    }
    if (c->s->config->results)
        return err_set(&c->err, ERR_USAGE, "the job of a private broker is not deleted");
    answer_status(c, job);
    log_info("job deleted job=%u", job->id);
    uint32_t id = job->id;
    queue_job_remove(c->s->queue, c->s->now_ms, id);
    assembly_forget_pieces(c->s->assembly, id, ASSEMBLY_ALL_TILES);
    sink_delete(c->s->sink, id); /* its entry here goes when the sink is done with it */
    job->stage = CATALOGUE_LEAVING;
    return 0;
}

static int op_workers(struct call *c)
{
    int64_t from = json_get_integer(c->args, "from", 0);
    reply_json(c->s, c->from, c->tag, roster_list(c->s, from > 0 ? (uint64_t)from : 0));
    return 0;
}

static int worker_wish(struct call *c, enum roster_wish wish)
{
    if (!entrance_is(c->s, c->from, ROLE_ADMIN)) {
        err_set(&c->err, ERR_NOT_AUTHORISED, "only an admin may do that to workers");
        return err_hint(&c->err, "use a key of the role admin, or ipc:// on the broker's machine");
    }
    struct json_out *o = roster_wish(c->s, wish, c->args, &c->err);
    if (!o)
        return -1;
    reply_json(c->s, c->from, c->tag, o);
    return 0;
}

static int op_worker_pause(struct call *c)
{
    return worker_wish(c, ROSTER_PAUSE);
}

static int op_worker_resume(struct call *c)
{
    return worker_wish(c, ROSTER_RESUME);
}

static int op_worker_limit(struct call *c)
{
    return worker_wish(c, ROSTER_LIMIT);
}

static int op_why(struct call *c)
{
    struct catalogue_job *job = named_job(c);
    if (!job)
        return -1;
    reply_json(c->s, c->from, c->tag, why_report(c->s, job));
    return 0;
}

/* A picture of a field, for those who watch it grow; PAGE answers it. */
static int op_snapshot(struct call *c)
{
    struct catalogue_job *job = named_job(c);
    if (!job)
        return -1;
    const char *field = json_get_string(c->args, "field", "");
    int64_t q = json_get_integer(c->args, "q", 0), a = json_get_integer(c->args, "a", 0);
    if (q < 1 || a < 1 || q > SNAPSHOT_CELLS_MAX || a > SNAPSHOT_CELLS_MAX / q)
        return err_set(&c->err, ERR_USAGE, "a snapshot has 1 to %d cells", SNAPSHOT_CELLS_MAX);
    return snapshot_take(c->s, c->from, c->tag, job, field, (uint32_t)q, (uint32_t)a, &c->err);
}

/* The first request of a key starts it; the others ask how it goes. */
static int op_verify(struct call *c)
{
    struct catalogue_job *job = own_job(c);
    uint64_t key = strtoull(json_get_string(c->args, "key", "0"), NULL, 16);
    struct queue_job_info info;
    bool fresh;
    if (!job)
        return -1;
    if (key == 0 || queue_job_info(c->s->queue, c->s->now_ms, job->id, &info) != 0)
        return err_set(&c->err, ERR_OTHER, "the verification has no key");
    struct verification *v = verifications_get(c->s->verifications, key, job->id, &fresh);
    if (fresh)
        sink_verify(c->s->sink, job->id);
    bool over = info.state == JOB_FAILED || info.state == JOB_CANCELLED;
    reply_json(c->s, c->from, c->tag, verification_report(v, job_tile_count(job->job), over));
    return 0;
}

static int op_watch(struct call *c)
{
    struct catalogue_job *job = named_job(c);
    if (!job)
        return -1;
    answer_status(c, job);
    watchers_add(c->s, c->from, c->tag, job->id);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct call *c);
} operations[] = {
    {"ping", op_ping},
    {"submit", call_submit},
    {"status", op_status},
    {"list", op_list},
    {"cancel", op_cancel},
    {"pause", op_pause},
    {"resume", op_resume},
    {"delete", op_delete},
    {"priority", op_priority},
    {"workers", op_workers},
    {"watch", op_watch},
    {"verify", op_verify},
    {"why", op_why},
    {"snapshot", op_snapshot},
    {"worker_pause", op_worker_pause},
    {"worker_resume", op_worker_resume},
    {"worker_limit", op_worker_limit},
};

static int run(struct call *c, const struct wire_span *op)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strlen(operations[i].name) == op->len &&
            memcmp(operations[i].name, op->data, op->len) == 0)
            return operations[i].run(c);
    err_set(&c->err, ERR_VERSION, "this broker (hillsweep %s) does not know the operation \"%.*s\"",
            HILLSWEEP_VERSION, (int)(op->len < 40 ? op->len : 40), (const char *)op->data);
    return err_hint(&c->err, "install the same version on both sides");
}

static void on_request(struct server *s, const struct route *from, const struct wire_msg *msg)
{
    struct call c = {.s = s, .from = from, .tag = msg->tag};
    struct json *args = NULL;
    const struct wire_span *text = &msg->request.json;
    if (json_parse(text->data, text->len, &request_limits, &args, &c.err) == 0) {
        c.args = args;
        if (run(&c, &msg->request.op) == 0) {
            json_destroy(args);
            return;
        }
    }
    json_destroy(args);
    reply_error(s, from, msg->tag, &c.err);
}

static void on_upload(struct server *s, const struct route *from, const struct wire_msg *msg)
{
    bool complete;
    struct err err;
    if (uploads_add(s->uploads, s->now_ms, from->user, entrance_own(from, msg->tag),
                    msg->part.total, msg->part.offset, msg->part.data, &complete, &err))
        reply_error(s, from, msg->tag, &err);
}

void clients_message(struct server *s, const struct route *from, const struct wire_msg *msg)
{
    if (msg->type == WIRE_REQUEST)
        on_request(s, from, msg);
    else if (msg->type == WIRE_UPLOAD)
        on_upload(s, from, msg);
    else if (msg->type == WIRE_FETCH)
        pages_fetch(s, from, msg);
}
