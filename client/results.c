/* results: from an origin (a broker's job or a folder) to a file or standard output. Rows go out as
 * they become durable; a file appears when it is whole. */
#include "clock.h"
#include "command.h"
#include "formats.h"
#include "json.h"
#include "ncfile.h"
#include "progress.h"
#include "save.h"
#include "signals.h"
#include "points.h"
#include "resume.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_POINTS 4096 /* rows of text made at once */

enum { WAIT_MS = 1000, LATE_MS = 20, LATES_MAX = 250 };

/* One export. */
struct export
{
    struct session *session;
    struct origin origin;
    struct save save;
    struct signals signals;
    struct progress progress;
    int wake_fd;
    enum format format;
    bool partial;   /* do not wait for the rest: nan */
    bool resumable; /* cut short it can be carried on */
    struct points points;
    struct ncfile *nc;
    uint64_t rows, failed;
};

/* A broker's rows are durable a moment before status.npy says so: then *known is the rows before.
 */
static int read_status(struct export *x, uint64_t row, size_t count, struct buf *out, size_t *known,
                       struct err *err)
{
    size_t width = x->origin.job->a.count;
    if (points_status(&x->points, row, count, out, err))
        return -1;
    const uint8_t *open = x->partial ? NULL : memchr(out->data, POINT_OPEN, count * width);
    *known = open ? (size_t)(open - out->data) / width : count;
    for (size_t i = 0; i < *known * width; i++)
        x->failed += out->data[i] == POINT_FAILED;
    return 0;
}

struct batch {
    struct buf status, fields[JOB_OUTPUTS_MAX], errors[JOB_OUTPUTS_MAX], text;
    struct row_writer writer;
};

static void batch_fini(struct batch *b)
{
    buf_fini(&b->status);
    buf_fini(&b->text);
    for (size_t k = 0; k < JOB_OUTPUTS_MAX; k++) {
        buf_fini(&b->fields[k]);
        buf_fini(&b->errors[k]);
    }
    row_writer_fini(&b->writer);
}

static int write_text(struct export *x, struct batch *b, uint64_t row, size_t count,
                      struct err *err)
{
    size_t width = x->origin.job->a.count;
    for (size_t r = 0; r < count; r++) {
        const double *fields[JOB_OUTPUTS_MAX];
        for (size_t k = 0; k < x->points.count; k++)
            fields[k] = (const double *)b->fields[k].data + r * width;
        for (size_t i = 0; i < width; i += TEXT_POINTS) {
            buf_clear(&b->text);
            row_writer_rows(&b->writer, x->origin.job->q.values[row + r], i,
                            i + TEXT_POINTS < width ? i + TEXT_POINTS : width, fields,
                            b->status.data + r * width, &b->text);
            if (save_write(&x->save, b->text.data, b->text.len, err))
                return -1;
        }
    }
    return 0;
}

static int write_nc(struct export *x, struct batch *b, uint64_t row, size_t count, struct err *err)
{
    const double *fields[JOB_OUTPUTS_MAX];
    const float *errors[JOB_OUTPUTS_MAX] = {NULL};
    for (size_t k = 0; k < x->points.count; k++) {
        fields[k] = (const double *)b->fields[k].data;
        if (x->origin.job->errors &&
            points_errors(&x->points, k, row, count, b->status.data, &b->errors[k], err))
            return -1;
        errors[k] = (const float *)(const void *)b->errors[k].data;
    }
    return ncfile_rows(x->nc, (size_t)row, count, fields, errors, b->status.data, err);
}

/* Returns the number of rows written, or -1. */
static int write_batch(struct export *x, struct batch *b, uint64_t row, size_t count,
                       struct err *err)
{
    if (read_status(x, row, count, &b->status, &count, err))
        return -1;
    if (count == 0)
        return 0;
    for (size_t k = 0; k < x->points.count; k++)
        if (points_values(&x->points, k, row, count, b->status.data, &b->fields[k], err))
            return -1;
    int rc;
    if (x->format == FORMAT_NC)
        rc = write_nc(x, b, row, count, err);
    else if (x->format == FORMAT_NPY)
        rc = save_write(&x->save, b->fields[0].data, b->fields[0].len, err);
    else
        rc = write_text(x, b, row, count, err);
    return rc ? rc : (int)count;
}

/* Writes the rows up to `end`. */
static int write_rows(struct export *x, struct batch *b, uint64_t end, struct err *err)
{
    uint64_t most = points_batch(&x->points);
    while (x->rows < end) {
        uint64_t count = end - x->rows < most ? end - x->rows : most;
        if (signals_interrupt(&x->signals, err))
            return -1;
        int written = write_batch(x, b, x->rows, (size_t)count, err);
        if (written < 0)
            return -1;
        if (written == 0)
            break;
        x->rows += (uint64_t)written;
    }
    return x->save.direct ? save_flush(&x->save, err) : 0;
}

/* Why rows that are missing will never come. */
static int will_not_come(const struct export *x, struct err *err)
{
    const struct job_view *v = &x->origin.view;
    if (v->state == VIEW_CANCELLED)
        err_set(err, ERR_CANCELLED, "%s was cancelled when %llu of %zu rows were done",
                x->origin.label, (unsigned long long)x->origin.rows_done, x->origin.job->q.count);
    else
        err_set(err, ERR_OTHER, "%s %s: %llu of %zu rows are done%s%s", x->origin.label,
                v->id ? "has failed" : "is not finished and no run is at work there",
                (unsigned long long)x->origin.rows_done, x->origin.job->q.count,
                *v->reason ? ": " : "", v->reason);
    return err_hint(err, "--partial takes what there is, the rest as nan");
}

static int write_body(struct export *x, struct batch *b, struct err *err)
{
    uint64_t all = x->origin.job->q.count;
    int lates = 0;
    for (;;) {
        if (write_rows(x, b, x->partial ? all : x->origin.rows_done, err))
            return -1;
        if (x->rows == all)
            return 0;
        bool late = x->rows < x->origin.rows_done; /* only status.npy is missing */
        if (late && x->origin.final && ++lates > LATES_MAX)
            return err_set(err, ERR_STORAGE, "status.npy of %s calls points open that are done",
                           x->origin.label);
        if (!late && view_ended(&x->origin.view))
            return will_not_come(x, err);
        progress_show(&x->progress, &x->origin.view, clock_ms());
        if (origin_wait(&x->origin, late ? LATE_MS : WAIT_MS, err) ||
            origin_refresh(&x->origin, err))
            return -1;
    }
}

/* Its data; what the library adds is small. */
static uint64_t nc_bytes(const struct export *x, size_t drive_count)
{
    const struct job *job = x->origin.job;
    size_t of_point = x->points.count * (sizeof(double) + (job->errors ? sizeof(float) : 0)) + 1;
    uint64_t points = (uint64_t)job->q.count * job->a.count;
    return points * of_point + (job->q.count + job->a.count + 2 * drive_count) * sizeof(double);
}

/* The file is made anew under its temporary name, which `save` will sync and rename. */
static int begin_nc(struct export *x, struct err *err)
{
    struct buf drive = {0};
    char version[32];
    struct ncfile_about about = {
        .job = x->origin.job,
        .fields = x->points.fields,
        .field_count = x->points.count,
        .final = !x->partial || x->origin.final,
        .broker = version,
    };
    int rc = origin_version(&x->origin, version, err);
    if (rc == 0)
        rc = origin_drive(&x->origin, &drive, err);
    about.drive = (const double *)(const void *)drive.data;
    about.drive_count = drive.len / (2 * sizeof(double));
    if (rc == 0)
        rc = save_reserve(&x->save, nc_bytes(x, about.drive_count), err);
    if (rc == 0)
        rc = ncfile_create(x->save.temporary, &about, &x->nc, err);
    buf_fini(&drive);
    return rc;
}

static int end_nc(struct export *x, struct err *err)
{
    int rc = ncfile_close(x->nc, err);
    x->nc = NULL;
    return rc;
}

/* The failed points of the rows that are there already. */
static int count_failed(struct export *x, struct batch *b, struct err *err)
{
    size_t most = points_batch(&x->points), known;
    for (uint64_t row = 0; row < x->rows; row += most) {
        size_t count = (size_t)(x->rows - row < most ? x->rows - row : most);
        if (read_status(x, row, count, &b->status, &known, err))
            return -1;
    }
    return 0;
}

static int carry_on(struct export *x, struct batch *b, struct err *err)
{
    if (resume_rows(&x->save, &x->points, x->format, &b->text, &x->rows, err))
        return -1;
    if (x->rows > 0)
        session_say(x->session, "%s: carrying on after %llu of %zu rows", x->save.path,
                    (unsigned long long)x->rows, x->origin.job->q.count);
    return count_failed(x, b, err);
}

static int write_head(struct export *x, struct batch *b, struct err *err)
{
    const char *names[JOB_OUTPUTS_MAX];
    int rc = points_open(&x->points, x->format == FORMAT_NPY ? &b->text : NULL, err);
    if (rc == 0 && x->format == FORMAT_NC)
        return begin_nc(x, err);
    for (size_t k = 0; k < x->points.count; k++)
        names[k] = points_name(&x->points, k);
    if (rc == 0 && x->format != FORMAT_NPY)
        row_writer_head(&b->writer, names, &b->text);
    if (rc == 0 && x->resumable)
        rc = carry_on(x, b, err);
    return rc || x->rows > 0 ? rc : save_write(&x->save, b->text.data, b->text.len, err);
}

/* Ends a wait: a signal, or the reader of our output is gone. */
static int on_wake(void *arg, struct err *err)
{
    struct export *x = arg;
    if (signals_interrupt(&x->signals, err))
        return -1;
    x->save.reader_gone = true;
    return err_set(err, ERR_INTERRUPTED, "the reader has gone");
}

static int watch_ends(struct export *x, struct err *err)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct epoll_event in = {.events = EPOLLIN}, none = {.events = 0};
    if (signals_open(&x->signals, SIGNALS, err))
        return -1;
    x->wake_fd = epoll_create1(EPOLL_CLOEXEC);
    if (x->wake_fd < 0 || epoll_ctl(x->wake_fd, EPOLL_CTL_ADD, x->signals.fd, &in))
        return err_errno(err, ERR_OTHER, "cannot wait for signals");
    struct stat st;
    if (x->save.direct && fstat(x->save.fd, &st) == 0 && S_ISFIFO(st.st_mode))
        epoll_ctl(x->wake_fd, EPOLL_CTL_ADD, x->save.fd, &none); /* EPOLLERR comes unasked */
    origin_watch(&x->origin, x->wake_fd, on_wake, x);
    return 0;
}

static int export(struct export *x, struct err *err)
{
    struct batch b = {0};
    const struct job *job = x->origin.job;
    if (x->format == FORMAT_CSV || x->format == FORMAT_TXT)
        row_writer_init(&b.writer, x->format, job->a.values, job->a.count, x->points.count);
    int rc = watch_ends(x, err);
    if (rc == 0)
        rc = write_head(x, &b, err);
    if (rc == 0)
        rc = write_body(x, &b, err);
    progress_clear(&x->progress);
    if (end_nc(x, rc == 0 ? err : NULL))
        rc = -1;
    if (rc == 0)
        rc = save_commit(&x->save, err);
    bool quiet = rc && x->save.reader_gone;
    if (rc && x->resumable && (err->code == ERR_INTERRUPTED || err->code == ERR_UNREACHABLE)) {
        err_hint(err, "the same command carries on after %llu of %zu rows",
                 (unsigned long long)x->rows, job->q.count);
        save_keep(&x->save);
    }
    save_abort(&x->save);
    batch_fini(&b);
    signals_close(&x->signals);
    if (x->wake_fd >= 0)
        close(x->wake_fd);
    return quiet ? 0 : rc;
}

/* By default the first field for npy and all for the others. */
static int choose_fields(struct export *x, struct err *err)
{
    size_t all = x->format == FORMAT_NPY ? 1 : JOB_OUTPUTS_MAX;
    if (points_choose(&x->points, &x->origin, x->session->args, all, err))
        return -1;
    if (x->points.count > 1 && x->format == FORMAT_NPY)
        return err_set(err, ERR_USAGE, "a .npy file has one field: name it with --field");
    return 0;
}

static int choose_format(const struct session *s, const char *to, enum format *format,
                         struct err *err)
{
    const char *name = args_value(s->args, "format");
    if (name)
        return format_parse(name, format, err);
    *format = FORMAT_TXT;
    struct stat st;
    bool device = stat(to, &st) == 0 && !S_ISREG(st.st_mode) && !strchr(to, '.');
    return strcmp(to, "-") == 0 || device ? 0 : format_of_file(to, format, err);
}

static void say_result(const struct export *x, const char *to)
{
    char points[TEXT_MAX], failed[TEXT_MAX];
    uint64_t n = x->rows * x->origin.job->a.count;
    if (x->failed)
        session_say(x->session, "%s of %s points failed (nan)", count_format(x->failed, failed),
                    count_format(n, points));
    if (x->save.direct)
        return;
    session_say(x->session, "%s: %s points of %s", to, count_format(n, points), x->origin.label);
    if (!x->session->json)
        return;
    struct buf text = {0};
    struct json_out *out = json_object();
    json_put_string(out, "file", to);
    json_put_integer(out, "points", (int64_t)n);
    json_put_integer(out, "points_failed", (int64_t)x->failed);
    json_put_bool(out, "final", x->origin.final);
    json_print(out, false, &text);
    session_print_json(&text);
    json_out_destroy(out);
    buf_fini(&text);
}

static int open_file(struct export *x, const char *to, struct err *err)
{
    struct stat st;
    bool plain = strcmp(to, "-") != 0 && (stat(to, &st) != 0 || S_ISREG(st.st_mode));
    x->resumable = plain && !x->partial && x->format != FORMAT_NC;
    if (x->resumable && save_resume(&x->save, to, resume_identity(&x->points, x->format), err))
        return -1;
    if (!x->resumable && save_open(&x->save, to, err))
        return -1;
    x->resumable = x->save.resumed;
    return 0;
}

static int results(struct session *s, struct export *x, const char *to, struct err *err)
{
    x->session = s;
    x->wake_fd = x->signals.fd = -1;
    x->partial = args_has(s->args, "partial");
    session_progress(s, &x->progress);
    if (strcmp(to, "-") == 0)
        x->progress.out = NULL; /* rows are progress enough */
    if (choose_format(s, to, &x->format, err) || choose_fields(x, err) || open_file(x, to, err))
        return -1;
    if (x->format == FORMAT_NC && x->save.direct) {
        save_abort(&x->save);
        err_set(err, ERR_USAGE, "NetCDF cannot be written to a stream");
        return err_hint(err, "name a file: -o FILE.nc");
    }
    int rc = export(x, err);
    if (rc == 0 && !x->save.reader_gone)
        say_result(x, to);
    return rc;
}

int command_results(struct session *s, struct err *err)
{
    const char *word = s->args->words[0], *to = args_value(s->args, "output");
    if (!to)
        to = s->args->word_count > 1 ? s->args->words[1] : "-";
    struct link *link = NULL;
    struct export *x = mem_alloc(1, sizeof *x);
    int rc = origin_open(s, word, &x->origin, &link, err);
    if (rc == 0) {
        rc = results(s, x, to, err);
        origin_close(&x->origin);
    }
    free(x);
    link_close(link);
    return rc;
}
