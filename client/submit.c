/* submit: see submit.h and the table in commands.c. */
#include "submit.h"

#include "command.h"
#include "crc32c.h"
#include "door.h"
#include "json.h"
#include "text.h"
#include "wait.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t submit_key_of(const struct jobfile *job)
{
    uint32_t low = crc32c(0, job->canonical.data, job->canonical.len);
    uint32_t high = crc32c(0x68696c6c, job->canonical.data, job->canonical.len);
    return (uint64_t)high << 32 | low | 1; /* never 0 */
}

static void make_request(const struct buf *document, uint64_t key, int priority, struct buf *out)
{
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, key);
    struct json_out *object = json_object();
    json_put_string(object, "key", text);
    json_put_integer(object, "bytes", (int64_t)document->len);
    json_put_integer(object, "crc32c", crc32c(0, document->data, document->len));
    json_put_integer(object, "priority", priority);
    json_print(object, false, out);
    json_out_destroy(object);
}

int submit_job(struct link *link, const struct jobfile *job, uint64_t key, int priority,
               struct job_view *view, struct buf *json, struct err *err)
{
    struct buf document = {0}, request = {0};
    job_encode(job->job, &document);
    make_request(&document, key, priority, &request);
    int rc = link_submit(link, key, document.data, document.len, buf_text(&request), json, err);
    if (rc == 0)
        rc = view_parse((const char *)json->data, json->len, view, err);
    else if (err)
        err->line = err->column = 0; /* places in the document, which the user never sees */
    buf_fini(&document);
    buf_fini(&request);
    return rc;
}

static int submit(struct session *s, const struct jobfile *job, struct link *link, struct err *err)
{
    struct job_view view;
    struct buf json = {0};
    long priority = 0;
    const char *text = args_value(s->args, "priority");
    if (text && integer_parse(text, -1000, 1000, "a priority", &priority, err))
        return -1;
    int rc = submit_job(link, job, door_random() | 1, (int)priority, &view, &json, err);
    bool watch = args_has(s->args, "watch");
    if (rc == 0 && (watch || args_has(s->args, "wait"))) {
        struct wait_show show = {job->job, NULL};
        if (!s->json) {
            printf("%u\n", view.id);
            fflush(stdout);
        }
        rc = wait_for_job(s, link, view.id, LINK_FOREVER, watch ? &show : NULL, err);
    } else if (rc == 0 && s->json) {
        session_print_json(&json);
    } else if (rc == 0) {
        printf("%u\n", view.id);
        session_say(s, "job %u is queued; to follow it: hillsweep watch %u", view.id, view.id);
    }
    buf_fini(&json);
    return rc;
}

int command_submit(struct session *s, struct err *err)
{
    struct jobfile job;
    struct link *link;
    s->file = s->args->words[0];
    if (jobfile_read(s->file, &job, err))
        return -1;
    int rc = session_link(s, &link, err);
    if (rc == 0) {
        rc = submit(s, &job, link, err);
        link_close(link);
    }
    jobfile_fini(&job);
    return rc;
}
