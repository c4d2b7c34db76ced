/* Workers as clients see them, and the admin's wishes of them: the operations `workers`,
 * `worker_pause`, `worker_resume` and `worker_limit` of PROTOCOL.md, section 5. */
#include "server_private.h"

#include "log.h"
#include <stdlib.h>
#include <string.h>

static void add_worker(struct json_out *list, const struct queue_worker_info *w)
{
    struct json_out *e = json_add_object(list);
    json_put_integer(e, "worker", w->worker);
    json_put_string(e, "state", w->state);
    json_put_string(e, "host", w->host);
    json_put_integer(e, "pid", w->pid);
    json_put_integer(e, "threads", w->threads);
    json_put_integer(e, "limit_percent", w->limit_percent);
    json_put_bool(e, "paused", w->paused);
    json_put_string(e, "isa", w->isa);
    json_put_string(e, "version", w->version);
    json_put_integer(e, "job", w->job);
    json_put_integer(e, "leases", w->leases);
    json_put_integer(e, "tiles_done", w->tiles_done);
    json_put_number(e, "rate", w->points_per_s);
    json_put_number(e, "heard_s", (double)w->heard_ms_ago / 1000);
    json_put_string(e, "reason", w->reason);
    json_put_number(e, "aside_s", (double)w->aside_ms / 1000);
}

/* A worker's number, its host (all workers there), or "all"; NULL is all, too. */
static bool is_named(const struct queue_worker_info *w, const char *word)
{
    char *end;
    if (!word || strcmp(word, "all") == 0 || strcmp(word, w->host) == 0)
        return true;
    unsigned long number = strtoul(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0' && number == w->worker;
}

/* What a worker takes of a message at most; its texts are printable ASCII, as a rule. */
static size_t room_of(const struct queue_worker_info *w)
{
    enum { KEYS_AND_NUMBERS = 320 };
    return KEYS_AND_NUMBERS + 2 * strlen(w->host) + 2 * strlen(w->reason) + strlen(w->version);
}

static struct json_out *list(struct server *s, const char *word, uint64_t from, size_t room)
{
    struct json_out *o = json_object();
    struct json_out *workers = json_put_array(o, "workers");
    struct queue_worker_info w;
    for (uint64_t place = from, at = from; queue_worker_next(s->queue, s->now_ms, &place, &w);
         at = place) {
        if (!is_named(&w, word))
            continue;
        if (room_of(&w) > room) {
            json_put_integer(o, "next", (int64_t)at);
            break;
        }
        room -= room_of(&w);
        add_worker(workers, &w);
    }
    return o;
}

struct json_out *roster_list(struct server *s, uint64_t from)
{
    enum { BYTES = 64 << 10 }; /* some hundred workers: about a millisecond of the loop */
    return list(s, NULL, from, BYTES);
}

static void tell(struct server *s, const struct queue_worker_info *w, enum roster_wish wish,
                 uint8_t percent)
{
    if (w->worker == 0) { /* a machine that is set aside */
        if (wish == ROSTER_RESUME)
            queue_machine_forgive(s->queue, s->now_ms, w->host);
    } else if (wish == ROSTER_LIMIT) {
        queue_worker_limit(s->queue, s->now_ms, w->worker, percent);
        log_info("worker limited worker=%u host=%s percent=%u", w->worker, w->host, percent);
    } else {
        queue_worker_pause(s->queue, s->now_ms, w->worker, wish == ROSTER_PAUSE);
        log_info("worker %s worker=%u host=%s", wish == ROSTER_PAUSE ? "paused" : "resumed",
                 w->worker, w->host);
    }
}

struct json_out *roster_wish(struct server *s, enum roster_wish wish, const struct json *args,
                             struct err *err)
{
    struct queue_worker_info w;
    const char *word = json_get_string(args, "worker", "");
    int64_t percent = json_get_integer(args, "percent", wish == ROSTER_LIMIT ? -1 : 100);
    size_t named = 0;
    if (percent < 1 || percent > 100) {
        err_set(err, ERR_USAGE, "a limit is a whole share from 1%% to 100%% of a core's time");
        return NULL;
    }
    for (uint64_t place = 0; queue_worker_next(s->queue, s->now_ms, &place, &w);) {
        if (!is_named(&w, word))
            continue;
        tell(s, &w, wish, (uint8_t)percent);
        named++;
    }
    if (named == 0 && strcmp(word, "all") != 0) {
        err_set(err, ERR_USAGE, "no worker is called \"%.60s\"", word);
        err_hint(err, "name one by its number or host as `hillsweep workers` shows it, or all");
        return NULL;
    }
    return list(s, word, 0, WIRE_PART_MAX - 64);
}
