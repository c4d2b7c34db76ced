/* hillsweep-worker: command line and process. */
#include "edges.h"
#include "err.h"
#include "guest.h"
#include "json.h"
#include "log.h"
#include "loop.h"
#include "manual.h"
#include "number.h"
#include "survey.h"
#include <errno.h>
#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 4096, PROBE_BYTES_MAX = 64 << 20 };

struct settings {
    const char *broker, *name, *keys;
    unsigned threads; /* 0: as many as a guest may take */
    double share;
    int lifeline;
    bool probe, boundaries, full, no_sandbox;
    const char *yield; /* NULL: as a guest does */
    struct rules rules;
};

/* --- the command line ----------------------------------------------------------------------- */

static int parse_count(const char *option, const char *text, long min, long max, long *value,
                       struct err *err)
{
    char *end;
    errno = 0;
    *value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno || *value < min || *value > max)
        return err_set(err, ERR_USAGE, "--%s takes a whole number from %ld to %ld, not \"%s\"",
                       option, min, max, text);
    return 0;
}

static int set_broker(struct settings *s, const char *text, struct err *err)
{
    (void)err;
    s->broker = text;
    return 0;
}

static int set_keys(struct settings *s, const char *text, struct err *err)
{
    (void)err;
    s->keys = text;
    return 0;
}

static int set_threads(struct settings *s, const char *text, struct err *err)
{
    long value;
    if (parse_count("threads", text, 1, THREADS_MAX, &value, err))
        return -1;
    s->threads = (unsigned)value;
    return 0;
}

static int set_limit(struct settings *s, const char *text, struct err *err)
{
    double percent = 0;
    size_t len = strlen(text), n = number_parse(text, len, 1, &percent);
    if (n == 0 || (text[n] != '\0' && strcmp(text + n, "%") != 0) ||
        !(percent >= 0.1 && percent <= 100)) {
        err_set(err, ERR_USAGE, "--limit takes a share of each core's time, not \"%s\"", text);
        return err_hint(err, "from 0.1%% to 100%%, for example --limit 5%%");
    }
    s->share = percent / 100;
    return 0;
}

static int set_name(struct settings *s, const char *text, struct err *err)
{
    if (strlen(text) > 63)
        return err_set(err, ERR_USAGE, "--name takes at most 63 characters");
    s->name = text;
    return 0;
}

static int set_lifeline(struct settings *s, const char *text, struct err *err)
{
    long value;
    if (parse_count("lifeline", text, 0, 1 << 20, &value, err))
        return -1;
    s->lifeline = (int)value;
    return 0;
}

static int set_log(struct settings *s, const char *text, struct err *err)
{
    static const char *const names[] = {"warn", "info", "debug"};
    (void)s;
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            log_open("hillsweep-worker", (enum log_level)i);
            return 0;
        }
    }
    return err_set(err, ERR_USAGE, "--log takes warn, info or debug, not \"%s\"", text);
}

static int set_probe(struct settings *s, const char *text, struct err *err)
{
    (void)text, (void)err;
    s->probe = true;
    return 0;
}

static int set_boundaries(struct settings *s, const char *text, struct err *err)
{
    (void)text, (void)err;
    s->boundaries = true;
    return 0;
}

static int set_yield(struct settings *s, const char *text, struct err *err)
{
    s->yield = text;
    return rules_parse(text, &s->rules, err);
}

static int set_full(struct settings *s, const char *text, struct err *err)
{
    (void)text, (void)err;
    s->full = true;
    return 0;
}

static int set_no_sandbox(struct settings *s, const char *text, struct err *err)
{
    (void)text, (void)err;
    s->no_sandbox = true;
    return 0;
}

enum { SETTERS = 12 };

static int (*const setters[SETTERS])(struct settings *s, const char *text, struct err *err) = {
    set_broker, set_keys,       set_threads,  set_limit, set_name,  set_yield,
    set_full,   set_no_sandbox, set_lifeline, set_log,   set_probe, set_boundaries,
};

/* The first SETTERS rows have a setter each. */
static const struct option_spec OPTIONS[] = {
    {"broker", 0, "ENDPOINT", "tcp://host:port or ipc://path (default $HILLSWEEP_BROKER)"},
    {"keys", 0, "FILE|DIR", "this worker's key (default $HILLSWEEP_KEYS, /etc/hillsweep/keys)"},
    {"threads", 0, "N", "solver threads (default: all cores; one less on a desktop)"},
    {"limit", 0, "P%", "at most this share of each thread's time (default 100%)"},
    {"name", 0, "NAME", "what `hillsweep workers` shows (default: the host's name)"},
    {"yield", 0, "RULES",
     "rest on owner=60s, load=50%, cpu=50%, memory=10%, battery, core; a list with commas "
     "(default memory=10%,battery,core)"},
    {"full", 0, NULL, "this machine is the worker's alone: all cores, normal priority"},
    {"no-sandbox", 0, NULL, "may go on doing what a worker never does (for debuggers)"},
    {"lifeline", 0, "FD", "leave when this pipe ends"},
    {"log", 0, "warn|info|debug", "how much it says on standard error (default info)"},
    {"probe", 0, NULL, "read a job on standard input, print what it would cost here"},
    {"boundaries", 0, NULL, "read a job on standard input, print its edges of stability"},
    {"help", 'h', NULL, "this help"},
    {"version", 'V', NULL, "the version"},
    {"man", 0, NULL, NULL},
    {"completion", 0, "bash|zsh|fish", NULL},
    {NULL, 0, NULL, NULL},
};

static const struct manual MANUAL = {
    .program = "hillsweep-worker",
    .summary = "lends this machine's spare time to a broker of sweeps",
    .usage = "--broker ENDPOINT [OPTIONS]",
    .examples =
        "  hillsweep-worker --broker tcp://office:7117              lend this machine's cores\n"
        "  hillsweep-worker --broker tcp://office:7117 --limit 5%   a twentieth of them\n"
        "  hillsweep-worker --probe < job.json                      what would it cost here?\n",
    .about =
        "A worker solves tiles of the broker's jobs, only while nobody else wants the processor,\n"
        "and keeps each answer until the broker has it on disk. It waits for a broker for ever.\n"
        "It also rests while memory is short or the machine runs on its battery; --yield has more\n"
        "such rules (all, none). `hillsweep workers` shows why a worker rests.\n"
        "Stop it with Ctrl-C or SIGTERM at any time: what it has begun is given back.\n",
    .options = OPTIONS,
};

/* 0, 1 when there is nothing left to do, -1. */
static int parse(int argc, char **argv, struct settings *s, struct err *err)
{
    struct args args;
    if (args_parse(argc - 1, argv + 1, OPTIONS, NULL, false, &args, NULL, err))
        return -1;
    int about = manual_asked(&MANUAL, &args, err);
    if (about)
        return about;
    if (args.word_count > 0)
        return err_set(err, ERR_USAGE, "\"%.100s\" is one word too many", args.words[0]);
    for (size_t i = 0; i < args.option_count; i++) {
        long row = args.options[i].spec - OPTIONS;
        if (row < SETTERS && setters[row](s, args.options[i].value, err))
            return -1;
    }
    return 0;
}

/* --- what it does --------------------------------------------------------------------------- */

static int read_all(struct buf *text, struct err *err)
{
    for (;;) {
        ssize_t n = read(STDIN_FILENO, buf_grow(text, 65536), 65536);
        text->len -= 65536 - (size_t)(n > 0 ? n : 0);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_errno(err, ERR_OTHER, "cannot read the job from standard input");
        if (text->len > PROBE_BYTES_MAX)
            return err_set(err, ERR_JOB_REFUSED, "the job on standard input is too large");
    }
}

/* The error as the protocol's JSON, for the program that asked. */
static void print_error(const struct err *e, struct buf *out)
{
    struct json_out *o = json_error(e);
    json_print(o, true, out);
    json_out_destroy(o);
}

static int probe(const struct settings *s, struct err *err)
{
    struct buf text = {0}, out = {0};
    if (isatty(STDIN_FILENO)) {
        const char *option = s->boundaries ? "boundaries" : "probe";
        err_set(err, ERR_USAGE, "--%s reads a job on standard input", option);
        return err_hint(err, "hillsweep-worker --%s < job.json", option);
    }
    int rc = read_all(&text, err);
    if (rc == 0)
        rc = s->boundaries ? edges_run(text.data, text.len, &out, err)
                           : survey_run(text.data, text.len, s->threads, &out, err);
    if (rc)
        print_error(err, &out);
    fwrite(out.data, 1, out.len, stdout);
    if (fflush(stdout) && rc == 0)
        rc = err_errno(err, ERR_OTHER, "cannot write to standard output");
    buf_fini(&text);
    buf_fini(&out);
    return rc;
}

static int work(const struct settings *s, struct err *err)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    if (!s->broker || !*s->broker) {
        err_set(err, ERR_USAGE, "no broker is given");
        return err_hint(err, "for example --broker tcp://127.0.0.1:7117");
    }
    if (!s->full)
        guest_settle();
    struct loop_config config = {
        .endpoint = s->broker,
        .keys = s->keys,
        .host = s->name ? s->name : host,
        .threads = s->threads,
        .share = s->share,
        .full = s->full,
        .sandbox = !s->no_sandbox,
        .rules = s->rules,
        .root = getenv("HILLSWEEP_SIGNS"),
        .lifeline = s->lifeline,
    };
    return loop_run(&config, err);
}

static int settle_rules(struct settings *s, struct err *err)
{
    if (s->full && (rules_any(&s->rules) || s->rules.used[RULE_CORE])) {
        err_set(err, ERR_USAGE, "--full and --yield exclude each other");
        return err_hint(err, "a machine that others need too is not the worker's alone");
    }
    if (s->full || s->yield)
        return 0;
    return rules_parse(RULES_DEFAULT, &s->rules, err);
}

int main(int argc, char **argv)
{
    struct settings s = {.broker = getenv("HILLSWEEP_BROKER"),
                         .keys = getenv("HILLSWEEP_KEYS"),
                         .share = 1,
                         .lifeline = -1};
    struct err err = {0};
    char text[1024];
    gsl_set_error_handler_off();
    log_open("hillsweep-worker", LOG_INFO);
    int rc = parse(argc, argv, &s, &err);
    if (rc == 0)
        rc = settle_rules(&s, &err);
    if (s.threads == 0)
        s.threads = guest_threads(s.full);
    if (rc == 0)
        rc = s.probe || s.boundaries ? probe(&s, &err) : work(&s, &err);
    if (rc >= 0)
        return 0;
    log_warnx("%s", err_format(&err, text, sizeof text));
    return (int)err.code;
}
