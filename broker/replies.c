/* What clients are told: replies as JSON, and the status of a job. See PROTOCOL.md section 5. */
#include "server_private.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void reply_json(struct server *s, const struct route *to, uint64_t tag, struct json_out *json)
{
    struct buf text = {0};
    json_print(json, false, &text);
    json_out_destroy(json);
    struct wire_msg m = {.type = WIRE_REPLY, .tag = tag};
    m.reply.json = (struct wire_span){text.data, text.len};
    if (text.len > WIRE_PART_MAX) {
        struct err err;
        err_set(&err, ERR_OTHER, "the answer has %zu bytes, more than one message may carry",
                text.len);
        reply_error(s, to, tag, &err);
    } else {
        server_send(s, to, &m);
    }
    buf_fini(&text);
}

void reply_error(struct server *s, const struct route *to, uint64_t tag, const struct err *err)
{
    struct json_out *o = json_error(err);
    struct buf text = {0};
    json_print(o, false, &text);
    json_out_destroy(o);
    struct wire_msg m = {.type = WIRE_REPLY, .tag = tag};
    m.reply.code = (uint16_t)err->code;
    m.reply.json = (struct wire_span){text.data, text.len};
    server_send(s, to, &m);
    buf_fini(&text);
}

void reply_refused(struct server *s, const struct route *to, uint64_t tag, const struct err *why,
                   uint32_t retry_ms)
{
    char text[sizeof why->text + sizeof why->hint];
    err_format(why, text, sizeof text);
    struct wire_msg m = {.type = WIRE_REFUSED, .tag = tag};
    m.refused.code = (uint16_t)why->code;
    m.refused.retry_ms = retry_ms;
    m.refused.text = wire_str(text);
    server_send(s, to, &m);
}

static void put_time(struct json_out *o, const char *key, int64_t unix_s)
{
    char text[32];
    time_t t = (time_t)unix_s;
    struct tm tm;
    if (unix_s > 0 && gmtime_r(&t, &tm) && strftime(text, sizeof text, "%FT%TZ", &tm))
        json_put_string(o, key, text);
    else
        json_put_null(o, key);
}

static void put_fields(struct json_out *o, const struct job *job)
{
    struct json_out *fields = json_put_array(o, "fields");
    for (size_t i = 0; i < job->output_count; i++)
        json_add_string(fields, job->outputs[i].name);
    struct json_out *shape = json_put_array(o, "shape");
    json_add_integer(shape, (int64_t)job->q.count);
    json_add_integer(shape, (int64_t)job->a.count);
}

struct json_out *clients_status(struct server *s, const struct catalogue_job *job)
{
    struct queue_job_info info;
    struct json_out *o = json_object();
    int rc = queue_job_info(s->queue, s->now_ms, job->id, &info);
    if (rc)
        memset(&info, 0, sizeof info);
    char folder[PATH_BYTES];
    sink_folder(s->sink, job->id, folder, sizeof folder);
    json_put_integer(o, "id", job->id);
    json_put_string(o, "name", job->job->name);
    json_put_string(o, "state", job_state_name(info.state));
    json_put_integer(o, "points_total", (int64_t)job_points(job->job));
    json_put_integer(o, "points_done", (int64_t)info.points_done);
    json_put_integer(o, "points_failed", (int64_t)info.points_failed);
    json_put_integer(o, "rows_done", info.rows_done);
    json_put_integer(o, "tiles_total", info.tiles_total);
    json_put_integer(o, "tiles_done", info.tiles_done);
    json_put_integer(o, "tiles_recomputed_after_ack", info.tiles_recomputed_after_ack);
    json_put_number(o, "rate", info.rate);
    json_put_number(o, "eta_s", info.eta_s);
    json_put_integer(o, "workers", info.workers);
    json_put_string(o, "reason", info.reason);
    json_put_integer(o, "priority", info.priority);
    json_put_string(o, "folder", folder);
    json_put_string(o, "owner", job->owner);
    put_fields(o, job->job);
    put_time(o, "submitted", job->submitted_s);
    put_time(o, "finished", job->finished_s);
    return o;
}
