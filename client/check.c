/* check: what a job is and what it will cost, before anything is queued. The solver is asked
 * through hillsweep-worker --probe; without it there is a rough figure and a word about it. */
#include "command.h"
#include "jobfile.h"
#include "json.h"
#include "number.h"
#include "probe.h"
#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/statvfs.h>

#define HEAD_BYTES   4096.0 /* of every result file */
#define WIRE_BYTES_S 117e6  /* 1 GbE after its headers */
#define DISK_BYTES_S 150e6  /* a plain disk, written in long runs */
#define LONG_RUN_S   1800.0
#define SHORT_RUN_S  1.0   /* below it nobody asks where it is solved */
#define TIGHTEST     1e-13 /* tolerances below are finer than a double can state */
#define ADVICE_MAX   10

/* All that check finds out. */
struct check {
    const struct job *job;
    double points, file_bytes, wire_bytes;
    bool probed;
    char probe_missing[400]; /* why it was not probed */
    double seconds, point_ns, worst_error;
    int64_t threads, sampled, failed, overflow, limited;
    char isa[16], failed_reason[256];
    const char *binds;
    char advice[ADVICE_MAX][300];
    size_t advice_count;
};

static void advise(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void advise(struct check *c, const char *fmt, ...)
{
    if (c->advice_count == ADVICE_MAX)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->advice[c->advice_count++], sizeof c->advice[0], fmt, ap);
    va_end(ap);
}

static void measure_files(struct check *c)
{
    double fields = (double)c->job->output_count, error_bytes = c->job->errors ? 4 : 0;
    c->points = (double)job_points(c->job);
    c->wire_bytes = c->points * (fields * (8 + error_bytes) + 1);
    double files = fields * (c->job->errors ? 2 : 1) + 1 + 2;
    c->file_bytes =
        c->wire_bytes + files * HEAD_BYTES + 8 * (double)(c->job->q.count + c->job->a.count);
}

static void take_probe(struct check *c, const struct json *answer)
{
    const struct json *status = json_get(answer, "status");
    c->probed = true;
    c->seconds = json_get_number(answer, "seconds", 0);
    c->point_ns =
        json_get_number(answer, "point_cost_ns", json_get_number(answer, "planned_ns", 0));
    c->worst_error = json_get_number(answer, "worst_error", 0);
    c->threads = json_get_integer(answer, "threads", 1);
    c->sampled = json_get_integer(answer, "sampled_points", 0);
    snprintf(c->isa, sizeof c->isa, "%s", json_get_string(answer, "isa", ""));
    snprintf(c->failed_reason, sizeof c->failed_reason, "%s",
             json_get_string(answer, "failed_reason", ""));
    if (!status)
        return;
    c->failed = json_get_integer(status, "failed", 0);
    c->overflow = json_get_integer(status, "overflow", 0);
    c->limited = json_get_integer(status, "limited", 0);
}

/* -1 only when the solver refuses the job. */
static int ask_solver(struct check *c, const struct jobfile *file, struct err *err)
{
    struct json *answer;
    struct err why;
    if (probe_ask(file, &answer, &why) == 0) {
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

static void find_what_binds(struct check *c)
{
    double wire_s = c->wire_bytes / WIRE_BYTES_S, disk_s = c->wire_bytes / DISK_BYTES_S;
    c->binds = "solver";
    if (disk_s > c->seconds)
        c->binds = "disk";
    if (wire_s > c->seconds && wire_s > disk_s)
        c->binds = "wire";
}

static void advise_on_drive(struct check *c)
{
    const struct job *job = c->job;
    bool table = !job->w_is;
    if (!table && job->interpolation == JOB_LINEAR)
        advise(c,
               "linear interpolation on %zu knots: its error falls only as 1/knots^2; "
               "\"interpolation\": \"exact\" has none and costs no more",
               job->knots);
    else if (!table && job->interpolation != JOB_EXACT && c->worst_error > 1)
        advise(c,
               "the %s interpolation on %zu knots is coarser than the tolerance; "
               "\"interpolation\": \"exact\" has no such error",
               job_interpolation_name(job->interpolation), job->knots);
    else if (table && job->interpolation == JOB_LINEAR)
        advise(c,
               "linear interpolation of the table: \"cspline\" or \"steffen\" follow smooth data "
               "far more closely");
}

static void advise_on_samples(struct check *c)
{
    char text[TEXT_MAX];
    if (c->worst_error > 1)
        advise(c, "the stated error of some samples is %.3g times the tolerance", c->worst_error);
    if (c->failed)
        advise(c, "%s of %lld sample points failed: %s", count_format((uint64_t)c->failed, text),
               (long long)c->sampled, c->failed_reason);
    if (c->overflow)
        advise(c, "%s of %lld sample points are too large for a double; lnabs(T) never overflows",
               count_format((uint64_t)c->overflow, text), (long long)c->sampled);
    if (c->limited)
        advise(c, "at %s of %lld sample points rounding, not the tolerance, decides the error",
               count_format((uint64_t)c->limited, text), (long long)c->sampled);
    if (c->job->tolerance < TIGHTEST)
        advise(c, "a tolerance below %.0e is finer than doubles can hold", TIGHTEST);
}

static void advise_on_cost(struct check *c)
{
    char text[TEXT_MAX], more[TEXT_MAX];
    struct statvfs disk;
    double wire_s = c->wire_bytes / WIRE_BYTES_S;
    if (c->probed && wire_s > c->seconds && wire_s > SHORT_RUN_S)
        advise(c, "faster at home: sending the results over 1 GbE takes %s, solving them here %s",
               duration_format(wire_s, text), duration_format(c->seconds, more));
    if (c->seconds > LONG_RUN_S)
        advise(c, "a broker with more workers shortens this: hillsweep submit");
    if (statvfs(".", &disk) == 0 && c->file_bytes > (double)disk.f_bavail * (double)disk.f_frsize)
        advise(c, "the disk here has only %s free",
               bytes_format((double)disk.f_bavail * (double)disk.f_frsize, text));
}

static void print_plain(const struct session *s, const struct check *c)
{
    char a[TEXT_MAX], b[TEXT_MAX], number[NUMBER_TEXT];
    const struct job *job = c->job;
    if (*job->name)
        printf("job        %s\n", job->name);
    printf("points     %s (%zu q x %zu a)\n", count_format((uint64_t)c->points, a), job->q.count,
           job->a.count);
    printf("tiles      %u\n", job_tile_count(job));
    printf("fields    ");
    for (size_t i = 0; i < job->output_count; i++)
        printf(" %s", job->outputs[i].name);
    number_format(job->tolerance, number);
    printf("%s, tolerance %s\n", job->errors ? ", each with its error" : "", number);
    printf("on disk    %s\n", bytes_format(c->file_bytes, a));
    printf("in numpy   %s for one field; a worker needs less than 64 MB\n",
           bytes_format(c->points * 8, a));
    printf("time       about %s on %lld thread%s (%.3g ns a point%s%s)\n",
           duration_format(c->seconds, a), (long long)c->threads, c->threads == 1 ? "" : "s",
           c->point_ns, c->probed ? ", " : ": a rough figure for a slow core", c->isa);
    printf("binds      the %s (over 1 GbE the results take %s)\n", c->binds,
           duration_format(c->wire_bytes / WIRE_BYTES_S, b));
    for (size_t i = 0; i < c->advice_count; i++)
        printf("%s%s\n", i ? "           " : "advice     ", c->advice[i]);
    if (!c->probed)
        session_say(s, "the solver was not asked: %s", c->probe_missing);
}

static void put_list(struct json_out *out, const struct check *c)
{
    struct json_out *fields = json_put_array(out, "fields");
    for (size_t i = 0; i < c->job->output_count; i++)
        json_add_string(fields, c->job->outputs[i].name);
    struct json_out *shape = json_put_array(out, "shape");
    json_add_integer(shape, (int64_t)c->job->q.count);
    json_add_integer(shape, (int64_t)c->job->a.count);
    struct json_out *advice = json_put_array(out, "advice");
    for (size_t i = 0; i < c->advice_count; i++)
        json_add_string(advice, c->advice[i]);
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
    json_put_number(out, "memory_bytes", c->points * 8);
    json_put_number(out, "wire_bytes", c->wire_bytes);
    json_put_number(out, "wire_s", c->wire_bytes / WIRE_BYTES_S);
    json_put_bool(out, "probed", c->probed);
    json_put_number(out, "seconds", c->seconds);
    json_put_number(out, "point_ns", c->point_ns);
    json_put_integer(out, "threads", c->threads);
    json_put_string(out, "isa", c->isa);
    json_put_integer(out, "sampled_points", c->sampled);
    json_put_integer(out, "sampled_failed", c->failed);
    json_put_number(out, "worst_error", c->probed && c->job->errors ? c->worst_error : (double)NAN);
    json_put_string(out, "binds", c->binds);
    put_list(out, c);
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
    measure_files(&c);
    int rc = ask_solver(&c, &file, err);
    if (rc == 0) {
        find_what_binds(&c);
        advise_on_drive(&c);
        advise_on_samples(&c);
        advise_on_cost(&c);
        if (s->json)
            print_json(&c);
        else
            print_plain(s, &c);
    }
    jobfile_fini(&file);
    return rc;
}
