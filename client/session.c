/* See session.h. */
#include "session.h"

#include "answer.h"
#include "config.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

int session_link(struct session *s, struct link **link, struct err *err)
{
    struct config config;
    int64_t connect_ms = LINK_CONNECT_MS;
    const char *timeout = args_value(s->args, "connect-timeout");
    if (timeout && duration_parse(timeout, &connect_ms, err))
        return -1;
    if (config_load(args_value(s->args, "broker"), args_value(s->args, "keys"), &config, err))
        return -1;
    struct key key;
    bool have;
    int rc = key_for(config.broker, config.keys, ROLE_CLIENT | ROLE_ADMIN, &key, &have, err);
    if (rc == 0)
        rc = link_open(config.broker, config.from, have ? &key : NULL, connect_ms, link, err);
    key_wipe(&key);
    return rc;
}

void session_say(const struct session *s, const char *fmt, ...)
{
    if (s->quiet || s->json)
        return;
    fflush(stdout); /* what was printed before comes before */
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void session_print_json(const struct buf *json)
{
    fwrite(json->data, 1, json->len, stdout);
    if (json->len == 0 || json->data[json->len - 1] != '\n')
        putchar('\n');
}

void session_progress(const struct session *s, struct progress *progress)
{
    progress_init(progress, s->quiet || s->json ? NULL : stderr, s->terminal);
}

static void report_plain(const struct session *s, const struct err *err)
{
    fputs(s->terminal.colours ? "\x1b[31mhillsweep:\x1b[0m " : "hillsweep: ", stderr);
    if (s->file && err->code == ERR_JOB_REFUSED) {
        fprintf(stderr, "%s:", s->file);
        if (err->line > 0)
            fprintf(stderr, "%d:%d:", err->line, err->column);
        fputc(' ', stderr);
    }
    if (*err->path)
        fprintf(stderr, "%s: ", err->path);
    fprintf(stderr, "%s\n", err->text);
    if (*err->hint)
        fprintf(stderr, "  hint: %s\n", err->hint);
}

void session_report(const struct session *s, const struct err *err)
{
    if (!s->json) {
        report_plain(s, err);
        return;
    }
    struct buf text = {0};
    answer_error_format(err, &text);
    fputs(buf_text(&text), stderr);
    buf_fini(&text);
}
