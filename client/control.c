/* cancel, pause, resume, delete, priority: requests that change a job and answer with its status.
 */
#include "answer.h"
#include "command.h"
#include "json.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* {"job": ...} and, for priority, the new one. */
static int make_request(const struct session *s, bool priority, struct buf *out, struct err *err)
{
    long value;
    answer_job_request(s->args->words[0], out);
    if (!priority)
        return 0;
    if (integer_parse(s->args->words[1], -1000, 1000, "a priority", &value, err))
        return -1;
    out->len--; /* the closing brace */
    buf_printf(out, ",\"priority\":%ld}", value);
    return 0;
}

static int control(struct session *s, const char *op, const char *what, struct err *err)
{
    struct link *link;
    struct job_view view;
    struct buf request = {0}, json = {0};
    int rc = make_request(s, strcmp(op, "priority") == 0, &request, err);
    if (rc == 0 && (rc = session_link(s, &link, err)) == 0) {
        rc = link_call(link, op, buf_text(&request), &json, err);
        link_close(link);
    }
    if (rc == 0)
        rc = view_parse((const char *)json.data, json.len, &view, err);
    if (rc == 0 && s->json)
        session_print_json(&json);
    else if (rc == 0)
        session_say(s, "job %u %s", view.id, what);
    buf_fini(&request);
    buf_fini(&json);
    return rc;
}

int command_cancel(struct session *s, struct err *err)
{
    return control(s, "cancel", "is cancelled; what is done stays", err);
}

int command_pause(struct session *s, struct err *err)
{
    return control(s, "pause", "rests", err);
}

int command_resume(struct session *s, struct err *err)
{
    return control(s, "resume", "goes on", err);
}

int command_delete(struct session *s, struct err *err)
{
    return control(s, "delete", "is deleted, and its results", err);
}

int command_priority(struct session *s, struct err *err)
{
    return control(s, "priority", "has its new priority", err);
}
