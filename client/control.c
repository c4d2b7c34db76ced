/* cancel, pause, resume, delete, priority: requests that change a job and answer with its status.
 */
#include "answer.h"
#include "command.h"
#include "json.h"
#include "text.h"
#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* {"job": word} and, for priority, the new one. */
static int make_request(const struct session *s, const char *word, bool priority, struct buf *out,
                        struct err *err)
{
    long value;
    answer_job_request(word, out);
    if (!priority)
        return 0;
    if (integer_parse(s->args->words[1], -1000, 1000, "a priority", &value, err))
        return -1;
    out->len--; /* the closing brace */
    buf_printf(out, ",\"priority\":%ld}", value);
    return 0;
}

static int request(struct session *s, struct link *link, const char *op, const char *word,
                   struct job_view *view, struct buf *json, struct err *err)
{
    struct buf text = {0};
    int rc = make_request(s, word, strcmp(op, "priority") == 0, &text, err);
    if (rc == 0)
        rc = link_call(link, op, buf_text(&text), json, err);
    if (rc == 0)
        rc = view_parse((const char *)json->data, json->len, view, err);
    if (rc == 0 && s->json)
        session_print_json(json);
    buf_fini(&text);
    return rc;
}

/* One request about the job that was named; *view is what has become of it. */
static int control(struct session *s, const char *op, struct job_view *view, struct err *err)
{
    struct link *link;
    struct buf json = {0};
    if (session_link(s, &link, err))
        return -1;
    int rc = request(s, link, op, s->args->words[0], view, &json, err);
    link_close(link);
    buf_fini(&json);
    return rc;
}

int command_cancel(struct session *s, struct err *err)
{
    struct job_view view;
    if (control(s, "cancel", &view, err))
        return -1;
    if (view.points_done > 0)
        session_say(s, "job %u is cancelled; what is done stays: hillsweep results %u --partial",
                    view.id, view.id);
    else
        session_say(s, "job %u is cancelled", view.id);
    return 0;
}

int command_pause(struct session *s, struct err *err)
{
    struct job_view view;
    if (control(s, "pause", &view, err))
        return -1;
    session_say(s, "job %u rests; to let it go on: hillsweep resume %u", view.id, view.id);
    return 0;
}

int command_resume(struct session *s, struct err *err)
{
    struct job_view view;
    if (control(s, "resume", &view, err))
        return -1;
    session_say(s, "job %u goes on; to follow it: hillsweep watch %u", view.id, view.id);
    return 0;
}

int command_priority(struct session *s, struct err *err)
{
    struct job_view view;
    if (control(s, "priority", &view, err))
        return -1;
    session_say(s, "job %u has the priority %d", view.id, view.priority);
    return 0;
}

/* On a terminal somebody is asked. True: go on. */
static bool confirm(const struct session *s, const struct job_view *view)
{
    char total[TEXT_MAX], done[TEXT_MAX], answer[16] = "";
    if (args_has(s->args, "yes") || s->json || s->quiet || !isatty(STDIN_FILENO) ||
        !isatty(STDERR_FILENO))
        return true;
    fprintf(stderr, "delete job %u%s%s, %s of %s points, and its results? [y/N] ", view->id,
            *view->name ? " " : "", view->name, count_format(view->points_done, done),
            count_format(view->points_total, total));
    if (!fgets(answer, sizeof answer, stdin))
        fputc('\n', stderr);
    return answer[0] == 'y' || answer[0] == 'Y';
}

/* The word is looked up once: "last" may be another job after the question. */
int command_delete(struct session *s, struct err *err)
{
    struct link *link;
    struct job_view view;
    struct buf json = {0};
    char number[16];
    if (session_link(s, &link, err))
        return -1;
    int rc = wait_find_job(link, s->args->words[0], &view, &json, err);
    snprintf(number, sizeof number, "%u", view.id);
    if (rc == 0 && view_ended(&view) && !confirm(s, &view))
        rc = err_set(err, ERR_OTHER, "nothing was deleted");
    if (rc == 0)
        rc = request(s, link, "delete", number, &view, &json, err);
    if (rc == 0)
        session_say(s, "job %u is deleted, and its results", view.id);
    link_close(link);
    buf_fini(&json);
    return rc;
}
