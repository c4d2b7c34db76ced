/* check: what a job is and what it will cost, before anything is queued. The solver is asked
 * through hillsweep-worker --probe, and a broker, if one answers, for its workers; without them
 * there is a rough figure and a word about it. */
#include "advice.h"
#include "answer.h"
#include "command.h"
#include "config.h"
#include "jobfile.h"
#include "json.h"
#include "number.h"
#include "page.h"
#include "probe.h"
#include "roster.h"
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define HEAD_BYTES   4096.0 /* of every result file */
#define WIRE_BYTES_S 117e6  /* 1 GbE after its headers */
#define DISK_BYTES_S 150e6  /* a plain disk, written in long runs */
#define LONG_RUN_S   1800.0
#define SHORT_RUN_S  1.0 /* below it nobody asks where it is solved */

enum { BROKER_MS = 300 }; /* check is not about the broker: it waits no longer for one */

/* Those that a broker has at the moment. */
struct fleet {
    bool asked; /* it has answered */
    char broker[CONFIG_VALUE_MAX], why_not[400];
    int64_t workers, threads;
    double share; /* threads, each by its worker's limit; paused ones count nothing */
    double seconds;
    const char *binds;
};

/* All that check finds out. */
struct check {
    const struct job *job;
    double points, file_bytes, result_bytes, free_bytes; /* free: negative when not known */
    double wire_bytes;                                   /* that come from another machine */
    bool probed;
    char probe_missing[400]; /* why it was not probed */
    double seconds, setup_s, point_ns;
    int64_t threads;
    struct advice_samples samples;
    enum advice_error error;
    char isa[16], failed_reason[256], worst_field[JOB_FIELD_MAX + 1];
    const char *binds;
    struct fleet fleet;
    struct advice advice;
};

/* --- what there is to know ------------------------------------------------------------------- */

static void measure_files(struct check *c)
{
    struct statvfs disk;
    double fields = (double)c->job->output_count, error_bytes = c->job->errors ? 4 : 0;
    c->points = (double)job_points(c->job);
    c->result_bytes = c->wire_bytes = c->points * (fields * (8 + error_bytes) + 1);
    double files = fields * (c->job->errors ? 2 : 1) + 1 + 2;
    c->file_bytes =
        c->result_bytes + files * HEAD_BYTES + 8 * (double)(c->job->q.count + c->job->a.count);
    c->free_bytes = statvfs(".", &disk) == 0 ? (double)disk.f_bavail * (double)disk.f_frsize : -1;
}

static void take_probe(struct check *c, const struct json *answer)
{
    const struct json *status = json_get(answer, "status");
    struct advice_samples *s = &c->samples;
    c->probed = true;
    c->seconds = json_get_number(answer, "seconds", 0);
    c->setup_s = json_get_number(answer, "setup_ms", 0) / 1000;
    c->point_ns =
        json_get_number(answer, "point_cost_ns", json_get_number(answer, "planned_ns", 0));
    c->wire_bytes = json_get_number(answer, "wire_bytes", c->result_bytes);
    c->threads = json_get_integer(answer, "threads", 1);
    snprintf(c->isa, sizeof c->isa, "%s", json_get_string(answer, "isa", ""));
    snprintf(c->failed_reason, sizeof c->failed_reason, "%s",
             json_get_string(answer, "failed_reason", ""));
    s->worst_error = json_get_number(answer, "worst_error", (double)NAN);
    s->points = json_get_integer(answer, "sampled_points", 0);
    s->w_turns = json_get_integer(answer, "w_turns", -1);
    s->failed_reason = c->failed_reason;
    snprintf(c->worst_field, sizeof c->worst_field, "%s",
             json_get_string(answer, "worst_field", ""));
    s->worst_field = c->worst_field;
    s->worst_stated = json_get_number(answer, "worst_stated", (double)NAN);
    s->exact_stated = json_get_number(answer, "exact_stated", (double)NAN);
    if (!status)
        return;
    s->failed = json_get_integer(status, "failed", 0);
    s->overflow = json_get_integer(status, "overflow", 0);
    s->limited = json_get_integer(status, "limited", 0);
}

/* -1 only when the solver refuses the job. */
static int ask_solver(struct check *c, const struct jobfile *file, struct err *err)
{
    struct json *answer;
    struct err why;
    c->samples = (struct advice_samples){.worst_error = (double)NAN,
                                         .w_turns = -1,
                                         .worst_stated = (double)NAN,
                                         .exact_stated = (double)NAN};
    if (probe_ask(&file->canonical, "--probe", &answer, &why) == 0) {
        take_probe(c, answer);
        json_destroy(answer);
        return 0;
    }
    if (why.code == ERR_JOB_REFUSED) {
        why.line = why.column = 0; /* places in the canonical text */
        *err = why;
        return -1;
    }
    snprintf(c->probe_missing, sizeof c->probe_missing, "%.390s", why.text);
    c->threads = 1;
    c->point_ns = job_point_cost_ns(c->job);
    c->seconds = c->points * c->point_ns * 1e-9;
    return 0;
}

/* What takes longest, and how long. The parts overlap. */
static const char *slowest(double solver_s, double wire_s, double disk_s, double *seconds)
{
    *seconds = fmax(solver_s, fmax(wire_s, disk_s));
    if (*seconds == solver_s)
        return "solver";
    return *seconds == wire_s ? "wire" : "disk";
}

static double disk_s(const struct check *c)
{
    return c->result_bytes / DISK_BYTES_S;
}

static double wire_s(const struct check *c)
{
    return c->wire_bytes / WIRE_BYTES_S;
}

static void count_fleet(struct fleet *f, const struct json *answer)
{
    const struct json *list = json_get(answer, "workers");
    for (const struct json *w = list ? json_first(list) : NULL; w; w = json_next(w)) {
        double threads = json_get_number(w, "threads", 0);
        double limit = json_get_number(w, "limit_percent", 100);
        f->workers++;
        f->threads += (int64_t)threads;
        if (!json_get_bool(w, "paused", false))
            f->share += threads * (limit > 0 && limit < 100 ? limit / 100 : 1);
    }
}

/* The broker's workers, if it answers at once; that it does not is no error of check's. */
static void ask_broker(struct check *c, struct session *s)
{
    struct fleet *f = &c->fleet;
    struct link *link;
    struct config config;
    struct buf text = {0};
    struct json *answer = NULL;
    struct err why = {0};
    f->binds = "solver";
    if (config_load(args_value(s->args, "broker"), args_value(s->args, "keys"), &config, &why) == 0)
        snprintf(f->broker, sizeof f->broker, "%s", config.broker);
    if (*why.text == '\0' && session_link(s, &link, &why) == 0) {
        if (!args_has(s->args, "connect-timeout"))
            link_set_connect(link, BROKER_MS);
        if (roster_fetch(link, &text, &why) == 0)
            json_parse((const char *)text.data, text.len, &ROSTER_LIMITS, &answer, &why);
        link_close(link);
    }
    if (answer) {
        f->asked = true;
        count_fleet(f, answer);
        bool near = strncmp(f->broker, "ipc:", 4) == 0;
        double solver_s = f->share > 0 ? c->setup_s + c->points * c->point_ns * 1e-9 / f->share : 0;
        f->binds = slowest(solver_s, near ? 0 : wire_s(c), disk_s(c), &f->seconds);
    } else {
        snprintf(f->why_not, sizeof f->why_not, "%.390s", why.text);
    }
    json_destroy(answer);
    buf_fini(&text);
}

static void advise_on_cost(struct check *c)
{
    char text[TEXT_MAX], more[TEXT_MAX];
    if (c->probed && wire_s(c) > c->seconds && wire_s(c) > SHORT_RUN_S)
        advice_add(&c->advice, "at_home",
                   "faster at home: sending the results over 1 GbE takes %s, solving them here %s",
                   duration_format(wire_s(c), text), duration_format(c->seconds, more));
    if (c->seconds > LONG_RUN_S)
        advice_add(&c->advice, "long",
                   "a broker with more workers shortens this: hillsweep submit");
    if (c->free_bytes >= 0 && c->file_bytes > c->free_bytes)
        advice_add(&c->advice, "disk", "the disk here has only %s free",
                   bytes_format(c->free_bytes, text));
}

/* --- how it is told -------------------------------------------------------------------------- */

enum { LEFT = 11 };

/* Whole on one line where a program reads it. */
__attribute__((format(printf, 2, 3))) static void line(const char *label, const char *fmt, ...)
{
    const struct page page = page_on(stdout, SIZE_MAX, SIZE_MAX);
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("%-*s", LEFT, label);
    page_flow(&page, text, strlen(text), LEFT, LEFT);
}

static void print_fleet(const struct fleet *f)
{
    char text[TEXT_MAX];
    if (!f->asked)
        line("workers", "none: %s", f->why_not);
    else if (f->workers == 0)
        line("workers", "none is connected at %s", f->broker);
    else if (f->share <= 0)
        line("workers", "%lld at %s, all paused", (long long)f->workers, f->broker);
    else
        line("workers", "about %s on %lld worker%s, %lld thread%s, at %s; binds: the %s",
             duration_format(f->seconds, text), (long long)f->workers, f->workers == 1 ? "" : "s",
             (long long)f->threads, f->threads == 1 ? "" : "s", f->broker, f->binds);
}

static void print_error(const struct check *c)
{
    static const char *const LED[] = {
        [ERROR_METHOD] = "the method",
        [ERROR_INTERPOLATION] = "the interpolation of w",
        [ERROR_ROUNDING] = "rounding",
    };
    if (c->error == ERROR_UNKNOWN)
        return;
    line("error", "at most points led by %s; at worst %.3g times the tolerance (%lld samples)",
         LED[c->error], c->samples.worst_error, (long long)c->samples.points);
}

static void print_fields(const struct job *job)
{
    char number[NUMBER_TEXT];
    struct buf names = {0};
    for (size_t i = 0; i < job->output_count; i++)
        buf_printf(&names, "%s%s", i ? " " : "", job->outputs[i].name);
    number_format(job->tolerance, number);
    line("fields", "%s%s, tolerance %s", buf_text(&names),
         job->errors ? ", each with its error" : "", number);
    buf_fini(&names);
}

static void print_time(const struct check *c)
{
    char a[TEXT_MAX], b[TEXT_MAX];
    line("time", "about %s here on %lld thread%s (%.3g %s a point%s%s)",
         duration_format(c->seconds, a), (long long)c->threads, c->threads == 1 ? "" : "s",
         c->point_ns < 1000 ? c->point_ns : c->point_ns / 1000, c->point_ns < 1000 ? "ns" : "us",
         c->probed ? ", " : ": a rough figure for a slow core", c->isa);
    line("binds", "the %s (over 1 GbE the results take %s)", c->binds,
         duration_format(wire_s(c), b));
}

static void print_plain(const struct session *s, const struct check *c)
{
    char a[TEXT_MAX], b[TEXT_MAX];
    const struct job *job = c->job;
    if (*job->name)
        line("job", "%s", job->name);
    line("points", "%s (%zu q x %zu a)", count_format((uint64_t)c->points, a), job->q.count,
         job->a.count);
    line("tiles", "%u", job_tile_count(job));
    print_fields(job);
    print_error(c);
    bool known = c->free_bytes >= 0;
    line("on disk", "%s%s%s%s", bytes_format(c->file_bytes, a), known ? " of " : "",
         known ? bytes_format(c->free_bytes, b) : "", known ? " free here" : "");
    line("memory", "%s in numpy for one field; a worker needs less than 64 MB",
         bytes_format(c->points * 8, a));
    print_time(c);
    print_fleet(&c->fleet);
    for (size_t i = 0; i < c->advice.count; i++)
        line(i ? "" : "advice", "%s", c->advice.items[i].text);
    if (!c->probed)
        session_say(s, "the solver was not asked: %s", c->probe_missing);
    session_say(s, "next: hillsweep run %s, or hillsweep submit %s", s->file, s->file);
}

static void put_lists(struct json_out *out, const struct check *c)
{
    struct json_out *fields = json_put_array(out, "fields");
    for (size_t i = 0; i < c->job->output_count; i++)
        json_add_string(fields, c->job->outputs[i].name);
    struct json_out *shape = json_put_array(out, "shape");
    json_add_integer(shape, (int64_t)c->job->q.count);
    json_add_integer(shape, (int64_t)c->job->a.count);
    struct json_out *advice = json_put_array(out, "advice");
    for (size_t i = 0; i < c->advice.count; i++) {
        struct json_out *o = json_add_object(advice);
        json_put_string(o, "kind", c->advice.items[i].kind);
        json_put_string(o, "text", c->advice.items[i].text);
    }
}

static void put_fleet(struct json_out *out, const struct fleet *f)
{
    struct json_out *o = json_put_object(out, "fleet");
    json_put_string(o, "broker", f->broker);
    json_put_bool(o, "answered", f->asked);
    json_put_integer(o, "workers", f->workers);
    json_put_integer(o, "threads", f->threads);
    json_put_number(o, "seconds", f->share > 0 ? f->seconds : (double)NAN);
    json_put_string(o, "binds", f->binds);
}

static void print_json(const struct check *c)
{
    struct json_out *out = json_object();
    struct buf text = {0};
    json_put_string(out, "name", c->job->name);
    json_put_integer(out, "points", (int64_t)job_points(c->job));
    json_put_integer(out, "tiles", job_tile_count(c->job));
    json_put_number(out, "tolerance", c->job->tolerance);
    json_put_number(out, "disk_bytes", c->file_bytes);
    json_put_number(out, "disk_free_bytes", c->free_bytes >= 0 ? c->free_bytes : (double)NAN);
    json_put_number(out, "memory_bytes", c->points * 8);
    json_put_number(out, "wire_bytes", c->wire_bytes);
    json_put_number(out, "wire_s", wire_s(c));
    json_put_bool(out, "probed", c->probed);
    json_put_number(out, "seconds", c->seconds);
    json_put_number(out, "point_ns", c->point_ns);
    json_put_integer(out, "threads", c->threads);
    json_put_string(out, "isa", c->isa);
    json_put_integer(out, "sampled_points", c->samples.points);
    json_put_integer(out, "sampled_failed", c->samples.failed);
    json_put_integer(out, "sampled_overflow", c->samples.overflow);
    json_put_integer(out, "sampled_limited", c->samples.limited);
    json_put_number(out, "worst_error", c->job->errors ? c->samples.worst_error : (double)NAN);
    json_put_string(out, "worst_field", c->worst_field);
    json_put_number(out, "worst_stated", c->samples.worst_stated);
    json_put_number(out, "exact_stated", c->samples.exact_stated);
    json_put_string(out, "leading_error", advice_error_name(c->error));
    json_put_string(out, "binds", c->binds);
    put_fleet(out, &c->fleet);
    put_lists(out, c);
    json_print(out, false, &text);
    session_print_json(&text);
    json_out_destroy(out);
    buf_fini(&text);
}

int command_check(struct session *s, struct err *err)
{
    struct jobfile file;
    s->file = s->args->words[0];
    if (jobfile_read(s->file, &file, err))
        return -1;
    struct check c = {.job = file.job};
    double ignored;
    measure_files(&c);
    int rc = ask_solver(&c, &file, err);
    if (rc == 0) {
        c.error = advice_leading_error(c.job, &c.samples);
        c.binds = slowest(c.seconds, 0, disk_s(&c), &ignored);
        ask_broker(&c, s);
        advice_of_job(c.job, &c.advice);
        advice_of_samples(c.job, &c.samples, &c.advice);
        advise_on_cost(&c);
        if (s->json)
            print_json(&c);
        else
            print_plain(s, &c);
    }
    jobfile_fini(&file);
    return rc;
}
