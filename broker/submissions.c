/* Submissions: a document that was uploaded becomes a job, within the quotas, and is answered when
 * it is durable, however often it was asked for meanwhile. */
#include "clients_private.h"

#include "crc32c.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The uploaded document, checked; NULL with c->err. Returned owned. */
static struct job *uploaded_job(struct call *c, uint64_t key)
{
    size_t len;
    const void *document = uploads_get(c->s->uploads, entrance_own(c->from, key), &len);
    int64_t bytes = json_get_integer(c->args, "bytes", -1);
    int64_t crc = json_get_integer(c->args, "crc32c", -1);
    if (!document || bytes != (int64_t)len || crc != (int64_t)crc32c(0, document, len)) {
        err_set(&c->err, ERR_OTHER, "the job's document has not arrived whole");
        err_hint(&c->err, "send it again");
        return NULL;
    }
    struct job *job = NULL;
    if (job_decode_lean(document, len, &job, &c->err))
        return NULL;
    return job;
}

static bool is_same_route(const struct route *a, const struct route *b)
{
    return a->len == b->len && memcmp(a->id, b->id, a->len) == 0;
}

static void remember_submission(struct call *c, uint32_t job)
{
    for (const struct submission *sub = c->s->submissions; sub; sub = sub->next)
        if (sub->job == job && sub->tag == c->tag && is_same_route(&sub->route, c->from))
            return; /* one answer is enough */
    struct submission *sub = mem_alloc(1, sizeof *sub);
    *sub = (struct submission){c->s->submissions, job, *c->from, c->tag};
    c->s->submissions = sub;
}

/* What one job, and what all jobs together, may ask of the house. */
static int check_quota(struct call *c, const struct job *job)
{
    enum { JOBS_MAX = 10000 };
    static const uint64_t documents_max = (uint64_t)1 << 30;
    const struct server_config *config = c->s->config;
    double hours = job_point_cost_ns(job) * (double)job_points(job) / 3.6e12;
    if (hours > config->quota_hours) {
        err_set(&c->err, ERR_JOB_REFUSED,
                "%" PRIu64 " points are estimated at %.3g processor hours, more than this broker's "
                "quota of %.3g",
                job_points(job), hours, config->quota_hours);
        return err_hint(&c->err, "fewer points, shorter times, or a larger --quota at the broker");
    }
    uint64_t bytes = 0;
    size_t count = 0;
    const struct catalogue_job *e;
    for (; (e = catalogue_at(c->s->catalogue, count)); count++)
        bytes += e->document.len + e->table.len;
    if (count < JOBS_MAX && bytes < documents_max)
        return 0;
    err_set(&c->err, ERR_JOB_REFUSED, "the broker holds %zu jobs of %" PRIu64 " MiB already", count,
            bytes >> 20);
    return err_hint(&c->err, "delete some that have ended: hillsweep delete JOB");
}

int call_submit(struct call *c)
{
    struct server *s = c->s;
    uint64_t key = strtoull(json_get_string(c->args, "key", "0"), NULL, 16);
    if (key == 0)
        return err_set(&c->err, ERR_OTHER, "the submission has no key");
    struct catalogue_job *known = catalogue_by_key(s->catalogue, key);
    if (known && !entrance_owns(s, c->from, known))
        return err_set(&c->err, ERR_OTHER, "another submission has this key");
    if (known) { /* repeated: the first one counts */
        if (known->stage == CATALOGUE_THERE)
            reply_json(s, c->from, c->tag, clients_status(s, known));
        else
            remember_submission(c, known->id);
        return 0;
    }
    if (s->config->results && catalogue_at(s->catalogue, 0))
        return err_set(&c->err, ERR_JOB_REFUSED, "this private broker holds a job already");
    int64_t priority;
    if (call_priority(c, 0, &priority))
        return -1;
    struct job *job = uploaded_job(c, key);
    if (!job)
        return -1;
    uploads_remove(s->uploads, entrance_own(c->from, key));
    if (check_quota(c, job)) {
        job_destroy(job);
        return -1;
    }
    struct catalogue_job *e = catalogue_add(s->catalogue, s->next_job++, job);
    e->key = key;
    e->priority = (int32_t)priority;
    gate_name(s->gate, c->from->user, e->owner);
    e->submitted_s = (int64_t)time(NULL);
    remember_submission(c, e->id);
    sink_submit(s->sink, e->id, key, e->priority, e->owner, job);
    return 0;
}

void clients_submitted(struct server *s, uint32_t id, const struct err *err)
{
    struct catalogue_job *job = catalogue_job(s->catalogue, id);
    struct submission **at = &s->submissions;
    while (*at) {
        struct submission *sub = *at;
        if (sub->job != id) {
            at = &sub->next;
            continue;
        }
        if (err)
            reply_error(s, &sub->route, sub->tag, err);
        else
            reply_json(s, &sub->route, sub->tag, clients_status(s, job));
        *at = sub->next;
        free(sub);
    }
}
