/* workers: who is working, and the admin's wishes of one, of all of a host, or of all. */
#include "command.h"
#include "json.h"
#include "roster.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { HOST_TEXT = 96 };

static int host_format(const struct json *w, char out[HOST_TEXT])
{
    return snprintf(out, HOST_TEXT, "%s:%lld", json_get_string(w, "host", "?"),
                    (long long)json_get_integer(w, "pid", 0));
}

static int widest_host(const struct json *w)
{
    char host[HOST_TEXT];
    int widest = (int)strlen("HOST:PID");
    for (; w; w = json_next(w)) {
        int n = host_format(w, host);
        widest = n > widest ? n : widest;
    }
    return widest < HOST_TEXT ? widest : HOST_TEXT - 1;
}

static void print_worker(const struct json *w, int width)
{
    char rate[TEXT_MAX], host[HOST_TEXT];
    host_format(w, host);
    printf("%6lld  %-*s  %-9s  %7lld  %9s  %8lld  %-8s",
           (long long)json_get_integer(w, "worker", 0), width, host,
           json_get_string(w, "state", "?"), (long long)json_get_integer(w, "threads", 0),
           rate_format(json_get_number(w, "rate", 0), rate),
           (long long)json_get_integer(w, "tiles_done", 0), json_get_string(w, "isa", ""));
    const char *reason = json_get_string(w, "reason", "");
    printf("%s%s\n", *reason ? "  " : "", reason);
}

static int print_workers(struct session *s, const struct buf *json, struct err *err)
{
    struct json *root;
    if (json_parse((const char *)json->data, json->len, &ROSTER_LIMITS, &root, err))
        return err_prefix(err, "the broker's answer cannot be read");
    const struct json *list = json_get(root, "workers");
    const struct json *w = list ? json_first(list) : NULL;
    int width = widest_host(w);
    if (w)
        printf("%6s  %-*s  %-9s  %7s  %9s  %8s  %-8s  %s\n", "WORKER", width, "HOST:PID", "STATE",
               "THREADS", "RATE", "TILES", "CODE", "WHY");
    else
        session_say(s, "no workers; start one with: hillsweep-worker --broker ENDPOINT");
    for (; w; w = json_next(w))
        print_worker(w, width);
    json_destroy(root);
    return 0;
}

static const struct wish {
    const char *word, *op, *done; /* done: what is said of the workers that it reached */
    size_t words;
} WISHES[] = {
    {"pause", "worker_pause", "rests until hillsweep workers resume", 2},
    {"resume", "worker_resume", "goes on", 2},
    {"limit", "worker_limit", "keeps to the limit", 3},
};

static const struct wish *find_wish(const struct args *args, struct err *err)
{
    for (size_t i = 0; i < sizeof WISHES / sizeof WISHES[0]; i++) {
        const struct wish *wish = &WISHES[i];
        if (strcmp(args->words[0], wish->word) != 0)
            continue;
        if (args->word_count == wish->words)
            return wish;
        err_set(err, ERR_USAGE, "workers %s takes %s", wish->word,
                wish->words == 3 ? "a worker and a share" : "one worker");
        err_hint(err, "for example hillsweep workers %s 3%s", wish->word,
                 wish->words == 3 ? " 20%" : "");
        return NULL;
    }
    err_set(err, ERR_USAGE, "workers does not know the word \"%.40s\"", args->words[0]);
    err_hint(err, "it is pause, resume or limit, or no word at all");
    return NULL;
}

static int add_percent(const char *text, struct json_out *request, struct err *err)
{
    char digits[8] = "";
    long percent;
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '%')
        len--;
    snprintf(digits, sizeof digits, "%.*s", (int)(len < 7 ? len : 7), text);
    if (integer_parse(digits, 1, 100, "a limit, in percent,", &percent, err))
        return -1;
    json_put_integer(request, "percent", percent);
    return 0;
}

static int make_request(const struct session *s, struct buf *out, struct err *err)
{
    const struct args *args = s->args;
    struct json_out *request = json_object();
    int rc = 0;
    if (args->word_count > 1)
        json_put_string(request, "worker", args->words[1]);
    if (args->word_count > 2)
        rc = add_percent(args->words[2], request, err);
    json_print(request, false, out);
    json_out_destroy(request);
    return rc;
}

static int ask(struct session *s, const char *op, struct buf *request, struct buf *json,
               struct err *err)
{
    struct link *link;
    if (session_link(s, &link, err))
        return -1;
    int rc = strcmp(op, "workers") == 0 ? roster_fetch(link, json, err)
                                        : link_call(link, op, buf_text(request), json, err);
    link_close(link);
    return rc;
}

int command_workers(struct session *s, struct err *err)
{
    struct buf request = {0}, json = {0};
    const struct wish *wish = s->args->word_count ? find_wish(s->args, err) : NULL;
    if (s->args->word_count && !wish)
        return -1;
    int rc = make_request(s, &request, err);
    if (rc == 0)
        rc = ask(s, wish ? wish->op : "workers", &request, &json, err);
    if (rc == 0 && s->json)
        session_print_json(&json);
    else if (rc == 0)
        rc = print_workers(s, &json, err);
    if (rc == 0 && wish)
        session_say(s, "%s %s", s->args->words[1], wish->done);
    buf_fini(&request);
    buf_fini(&json);
    return rc;
}
