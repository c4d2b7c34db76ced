/* What workers need to know of a job: its document, and its drive table, which the first of them
 * sends and all others are given. See PROTOCOL.md section 4. */
#include "server_private.h"

#include "log.h"
#include <string.h>

/* One part of a blob from offset on, in a message of the given type. */
static void send_part(struct server *s, uint32_t worker, enum wire_type type, uint32_t job,
                      const struct buf *blob, uint32_t offset)
{
    struct wire_msg m = {.type = type};
    m.part.job = job;
    m.part.total = blob ? (uint32_t)blob->len : 0;
    m.part.offset = offset < m.part.total ? offset : m.part.total;
    size_t left = m.part.total - m.part.offset;
    m.part.data.data = blob && blob->data ? blob->data + m.part.offset : NULL;
    m.part.data.len = left < WIRE_PART_MAX ? left : WIRE_PART_MAX;
    server_send_worker(s, worker, &m);
}

void tables_get_job(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->get.job);
    send_part(s, worker, WIRE_JOB_PART, msg->get.job, job ? &job->document : NULL, msg->get.offset);
}

void tables_send(struct server *s, uint32_t worker, const struct catalogue_job *job,
                 uint32_t offset)
{
    send_part(s, worker, WIRE_TABLE_PART, job->id, &job->table, offset);
}

void tables_get(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->get.job);
    if (job)
        tables_send(s, worker, job, msg->get.offset);
}

static void wait_for_table(struct catalogue_job *job, uint32_t worker)
{
    for (size_t i = 0; i < job->table_waiter_count; i++)
        if (job->table_waiters[i] == worker)
            return;
    job->table_waiters =
        mem_resize(job->table_waiters, job->table_waiter_count + 1, sizeof *job->table_waiters);
    job->table_waiters[job->table_waiter_count++] = worker;
}

/* A drive table: the samples must fit; the rest is the workers' own business. */
static bool table_is_sound(const unsigned char *table, size_t len)
{
    uint32_t samples;
    if (len < sizeof samples)
        return false;
    memcpy(&samples, table, sizeof samples);
    return samples <= (len - sizeof samples) / (2 * sizeof(double));
}

/* One worker at a time: the parts of many tables would push each other out. */
static bool is_sent_by_another(struct server *s, struct catalogue_job *job, uint32_t worker)
{
    enum { TURN_MS = 2000 };
    if (job->table_sender && job->table_sender != worker && s->now_ms < job->table_turn_ms)
        return true;
    job->table_sender = worker;
    job->table_turn_ms = s->now_ms + TURN_MS;
    return false;
}

/* Of the set of parts; a client's sets have random keys. */
static uint64_t table_key(uint32_t worker, uint32_t job)
{
    return (uint64_t)worker << 32 | job;
}

void tables_put(struct server *s, uint32_t worker, const struct wire_msg *msg)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, msg->part.job);
    if (!job || job->stage != CATALOGUE_THERE)
        return;
    if (job->table.len > 0) { /* another one was first: its table is the job's own */
        tables_send(s, worker, job, 0);
        return;
    }
    if (job->table_ordered || is_sent_by_another(s, job, worker)) {
        wait_for_table(job, worker);
        return;
    }
    uint64_t key = table_key(worker, job->id);
    const struct route *from = routes_of(s->routes, worker);
    bool complete;
    struct err err;
    if (uploads_add(s->uploads, s->now_ms, from ? from->user : 0, key, msg->part.total,
                    msg->part.offset, msg->part.data, &complete, &err)) {
        log_warnx("worker %u: drive table of job %u: %s", worker, job->id, err.text);
        return;
    }
    if (!complete)
        return;
    size_t len;
    const void *table = uploads_get(s->uploads, key, &len);
    wait_for_table(job, worker);
    if (table_is_sound(table, len)) {
        job->table_ordered = true;
        buf_clear(&job->table_pending);
        buf_add(&job->table_pending, table, len);
        sink_table(s->sink, job->id, table, len);
    }
    uploads_remove(s->uploads, key);
}
