/* See catalogue.h. An array sorted by number: there are thousands of jobs at most. */
#include "catalogue.h"

#include "expr.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct catalogue {
    struct catalogue_job **jobs;
    size_t count;
};

struct catalogue *catalogue_create(void)
{
    return mem_alloc(1, sizeof(struct catalogue));
}

static void entry_destroy(struct catalogue_job *e)
{
    job_destroy(e->job);
    buf_fini(&e->document);
    buf_fini(&e->table);
    buf_fini(&e->table_pending);
    free(e->table_waiters);
    free(e);
}

void catalogue_destroy(struct catalogue *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        entry_destroy(c->jobs[i]);
    free(c->jobs);
    free(c);
}

struct catalogue_job *catalogue_add(struct catalogue *c, uint32_t id, struct job *job)
{
    struct catalogue_job *e = mem_alloc(1, sizeof *e);
    e->id = id;
    e->job = job;
    e->shape.fields = (uint16_t)job->output_count;
    e->shape.errors = job->errors;
    job_encode(job, &e->document);
    c->jobs = mem_resize(c->jobs, c->count + 1, sizeof *c->jobs);
    size_t at = c->count++;
    for (; at > 0 && c->jobs[at - 1]->id > id; at--)
        c->jobs[at] = c->jobs[at - 1];
    c->jobs[at] = e;
    return e;
}

void catalogue_remove(struct catalogue *c, uint32_t id)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->jobs[i]->id != id)
            continue;
        entry_destroy(c->jobs[i]);
        memmove(c->jobs + i, c->jobs + i + 1, (--c->count - i) * sizeof *c->jobs);
        return;
    }
}

struct catalogue_job *catalogue_job(const struct catalogue *c, uint32_t id)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->jobs[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->count && c->jobs[low]->id == id ? c->jobs[low] : NULL;
}

struct catalogue_job *catalogue_by_key(const struct catalogue *c, uint64_t key)
{
    for (size_t i = c->count; i > 0; i--)
        if (c->jobs[i - 1]->key == key && c->jobs[i - 1]->stage != CATALOGUE_LEAVING)
            return c->jobs[i - 1];
    return NULL;
}

struct catalogue_job *catalogue_at(const struct catalogue *c, size_t i)
{
    return i < c->count ? c->jobs[i] : NULL;
}

size_t catalogue_before(const struct catalogue *c, int64_t id)
{
    size_t low = 0, high = c->count; /* they lie in the order of their numbers */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->jobs[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct catalogue_job *newest(const struct catalogue *c)
{
    for (size_t i = c->count; i > 0; i--)
        if (c->jobs[i - 1]->stage == CATALOGUE_THERE)
            return c->jobs[i - 1];
    return NULL;
}

static struct catalogue_job *by_name(const struct catalogue *c, const char *word)
{
    for (size_t i = c->count; i > 0; i--)
        if (c->jobs[i - 1]->stage == CATALOGUE_THERE &&
            strcmp(c->jobs[i - 1]->job->name, word) == 0)
            return c->jobs[i - 1];
    return NULL;
}

/* NULL with err when it begins several names, without when it begins none. */
static struct catalogue_job *by_prefix(const struct catalogue *c, const char *word, struct err *err)
{
    struct catalogue_job *found = NULL;
    size_t len = strlen(word);
    for (size_t i = c->count; i > 0; i--) {
        struct catalogue_job *e = c->jobs[i - 1];
        if (e->stage != CATALOGUE_THERE || strncmp(e->job->name, word, len) != 0)
            continue;
        if (found && strcmp(found->job->name, e->job->name) != 0) {
            err_set(err, ERR_NO_SUCH_JOB,
                    "\"%s\" begins the names of several jobs (%u \"%s\", %u \"%s\")", word, e->id,
                    e->job->name, found->id, found->job->name);
            err_hint(err, "give the number");
            return NULL;
        }
        if (!found)
            found = e;
    }
    return found;
}

/* The newest job whose name differs from the word in capitals only, or by a slip; of ten thousand
 * jobs not all are looked at. */
static void suggest(const struct catalogue *c, const char *word, struct err *err)
{
    enum { LOOKED_AT = 1000 };
    size_t oldest = c->count > LOOKED_AT ? c->count - LOOKED_AT : 0;
    for (size_t i = *word ? c->count : 0; i > oldest; i--) {
        const struct catalogue_job *e = c->jobs[i - 1];
        const char *const name[] = {e->job->name, NULL};
        if (e->stage != CATALOGUE_THERE || !*e->job->name)
            continue;
        if (strncasecmp(e->job->name, word, strlen(word)) == 0 || expr_nearest(word, name)) {
            err_hint(err, "did you mean %u \"%s\"?", e->id, e->job->name);
            return;
        }
    }
    err_hint(err, "hillsweep list shows the jobs");
}

struct catalogue_job *catalogue_find(const struct catalogue *c, const char *word, struct err *err)
{
    if (c->count == 0) {
        err_set(err, ERR_NO_SUCH_JOB, "no job \"%s\": the broker has no jobs", word);
        err_hint(err, "submit one: hillsweep submit JOB.json");
        return NULL;
    }
    if (strcmp(word, "last") == 0) {
        struct catalogue_job *last = newest(c);
        if (last)
            return last;
    }
    char *end;
    unsigned long number = strtoul(word, &end, 10);
    struct catalogue_job *found = NULL;
    struct err ambiguous = {0};
    if (*word >= '0' && *word <= '9' && *end == '\0')
        found = number <= UINT32_MAX ? catalogue_job(c, (uint32_t)number) : NULL;
    else if (*word && !(found = by_name(c, word)))
        found = by_prefix(c, word, &ambiguous);
    if (found && found->stage == CATALOGUE_THERE)
        return found;
    if (ambiguous.code) {
        *err = ambiguous;
        return NULL;
    }
    err_set(err, ERR_NO_SUCH_JOB, "no job \"%s\"", word);
    suggest(c, word, err);
    return NULL;
}
