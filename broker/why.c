/* What a broker knows of a job that does not run, or not faster: facts, of which the client makes
 * sentences. */
#include "server_private.h"

#include <string.h>

static void put_why_workers(struct json_out *o, const struct queue_why *why)
{
    struct json_out *w = json_put_object(o, "workers");
    json_put_integer(w, "connected", why->workers);
    json_put_integer(w, "silent", why->workers_silent);
    json_put_integer(w, "here", why->workers_here);
    json_put_integer(w, "elsewhere", why->workers_elsewhere);
    json_put_integer(w, "resting", why->workers_resting);
    json_put_integer(w, "idle", why->workers_idle);
    json_put_integer(w, "banned", why->workers_banned);
    json_put_string(w, "ban_reason", why->ban_reason);
    json_put_integer(w, "without_window", why->workers_starved);
    json_put_integer(w, "threads_here", why->threads_here);
    json_put_number(w, "cpu_threads", why->cpu_threads);
}

struct json_out *why_report(struct server *s, const struct catalogue_job *job)
{
    struct json_out *o = json_object();
    struct queue_why why;
    if (queue_job_why(s->queue, s->now_ms, job->id, &why))
        memset(&why, 0, sizeof why);
    json_put(o, "status", clients_status(s, job));
    put_why_workers(o, &why);
    struct json_out *tiles = json_put_object(o, "tiles");
    json_put_integer(tiles, "open", why.tiles[TILE_OPEN]);
    json_put_integer(tiles, "held", why.tiles[TILE_HELD]);
    json_put_integer(tiles, "leased", why.tiles[TILE_LEASED]);
    json_put_integer(tiles, "arrived", why.tiles[TILE_ARRIVED]);
    json_put_integer(tiles, "done", why.tiles[TILE_DONE]);
    json_put_integer(tiles, "cut", why.tiles[TILE_CUT]);
    json_put_number(o, "hold_s", (double)why.hold_ms / 1000);
    json_put_string(o, "storage", why.stall_reason);
    json_put_number(o, "sink_share", why.sink_share);
    json_put_integer(o, "points_on_their_way", (int64_t)why.points_on_their_way);
    json_put_number(o, "oldest_lease_s", (double)why.oldest_lease_ms / 1000);
    json_put_integer(o, "jobs_before", why.jobs_before);
    json_put_integer(o, "job_before", why.job_before);
    json_put_integer(o, "priority_before", why.priority_before);
    json_put_integer(o, "jobs_beside", why.jobs_beside);
    return o;
}
