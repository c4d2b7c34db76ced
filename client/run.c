/* run: solve a job here, with a private broker and one worker, in a folder that can be carried on.
 */
#include "clock.h"
#include "command.h"
#include "crew.h"
#include "follow.h"
#include "jobfile.h"
#include "json.h"
#include "number.h"
#include "runfolder.h"
#include "submit.h"
#include "text.h"
#include "wait.h"
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_MS = 5,
    LONGEST_MS = 500, /* the end is pushed */
};

/* One run. */
struct run {
    struct session *session;
    struct jobfile job;
    struct runfolder folder;
    struct crew crew;
    struct job_view view;
    struct progress progress;
    struct watch watch;  /* with --watch */
    struct buf status;   /* JSON */
    const char *threads; /* NULL: as many as a guest may take */
    const char *limit;   /* of each core's time, or NULL */
    int64_t started_ms;
    uint64_t points_before; /* done by earlier runs */
};

static int check_limit(const char *text, struct err *err)
{
    double percent = 0;
    size_t n = number_parse(text, strlen(text), 1, &percent);
    if (n > 0 && (!text[n] || strcmp(text + n, "%") == 0) && percent >= 0.1 && percent <= 100)
        return 0;
    err_set(err, ERR_USAGE, "--limit takes a share of each core's time, not \"%.20s\"", text);
    return err_hint(err, "from 0.1%% to 100%%, for example --limit 50%%");
}

/* Before anything is made, and also where there is nothing left to do. */
static int read_options(struct run *run, struct err *err)
{
    long n;
    run->threads = args_value(run->session->args, "jobs");
    run->limit = args_value(run->session->args, "limit");
    if (run->threads && integer_parse(run->threads, 1, 1024, "-j", &n, err))
        return -1;
    return run->limit ? check_limit(run->limit, err) : 0;
}

/* The folder's job if its broker knows it already, else the job is submitted. */
static int find_or_submit(struct run *run, struct link *link, struct err *err)
{
    struct err unknown;
    if (run->folder.state == RUNFOLDER_BEGUN) {
        if (wait_find_job(link, "1", &run->view, &run->status, &unknown) == 0)
            return 0;
        if (unknown.code != ERR_NO_SUCH_JOB) {
            *err = unknown;
            return -1;
        }
    }
    return submit_job(link, &run->job, submit_key_of(&run->job), 0, &run->view, &run->status, err);
}

static int wake(void *arg, struct err *err)
{
    struct run *run = arg;
    crew_progress(&run->crew, run->view.points_done + run->view.points_failed);
    progress_clear(&run->progress);
    if (run->watch.out)
        watch_break(&run->watch);
    return crew_wake(&run->crew, err);
}

static int solve_over(struct run *run, struct link *link, struct err *err)
{
    char percent[8];
    link_set_patience(link, LINK_FOREVER); /* the crew sees to it that somebody answers */
    link_watch(link, run->crew.events_fd, wake, run);
    if (find_or_submit(run, link, err))
        return -1;
    run->points_before = run->view.points_done;
    if (run->points_before && !view_ended(&run->view)) {
        snprintf(percent, sizeof percent, "%d%%",
                 (int)(100.0 * (double)run->points_before / (double)run->view.points_total));
        session_say(run->session, "carrying on in %s at %s", run->folder.path, percent);
    }
    struct follow follow = {.link = link,
                            .job = run->view.id,
                            .progress = &run->progress,
                            .seen_arg = &run->watch,
                            .until_ms = LINK_FOREVER,
                            .first_ms = FIRST_MS,
                            .longest_ms = LONGEST_MS};
    if (args_has(run->session->args, "watch")) {
        if (watch_open(&run->watch, run->session, link, run->job.job, NULL, &run->progress, err))
            return -1;
        follow.seen = watch_seen;
        follow.silent = watch_silent;
    }
    int rc = follow_job(&follow, &run->view, &run->status, err);
    if (follow.seen)
        watch_close(&run->watch);
    return rc;
}

static int solve(struct run *run, struct err *err)
{
    struct crew_plan plan = {
        .data = run->folder.data,
        .results = run->folder.path,
        .limit = run->limit,
        .threads = run->threads,
        .full = args_has(run->session->args, "full"),
        .verbose = args_has(run->session->args, "verbose"),
        .quiet = run->session->quiet || run->session->json,
    };
    struct link *link;
    if (crew_start(&run->crew, &plan, err))
        return -1;
    session_progress(run->session, &run->progress);
    int rc = link_open(run->crew.dir.endpoint, "hillsweep run", NULL, LINK_FOREVER, &link, err);
    if (rc == 0) {
        rc = solve_over(run, link, err);
        progress_clear(&run->progress);
        if (rc == 0)
            crew_dismiss(&run->crew); /* they leave while we tidy up */
        link_close(link);
    }
    crew_end(&run->crew, rc != 0);
    return rc;
}

static void say_files(const struct run *run)
{
    const struct job *job = run->job.job;
    char solved[TEXT_MAX], took[TEXT_MAX];
    session_say(run->session, "%s points in %s: %s/%s.npy",
                count_format(run->view.points_total - run->points_before, solved),
                duration_format((double)(clock_ms() - run->started_ms) / 1000, took),
                run->folder.path, job->outputs[0].name);
    const char *here = strchr(run->folder.path, '/') ? "" : "./";
    session_say(run->session, "  a chart: hillsweep plot %s%s -o %s.png", here, run->folder.path,
                job->outputs[0].name);
    session_say(run->session, "  as text: hillsweep results %s%s -o %s.csv", here, run->folder.path,
                job->outputs[0].name);
}

/* Says how it ended; the exit code. */
static int report_end(const struct run *run, struct err *err)
{
    char failed[TEXT_MAX];
    if (run->session->json) { /* the status says how it ended, as that of wait does */
        session_print_json(&run->status);
        return view_exit_code(&run->view);
    }
    if (run->view.state != VIEW_DONE) {
        err_set(err, (enum err_code)view_exit_code(&run->view), "the job %s%s%s",
                run->view.state == VIEW_CANCELLED ? "was cancelled" : "has failed",
                *run->view.reason ? ": " : "", run->view.reason);
        return err_hint(err, "to begin anew remove %s", run->folder.path);
    }
    say_files(run);
    if (run->view.points_failed)
        session_say(run->session, "%s points failed: they are nan, and 2 in %s/status.npy",
                    count_format(run->view.points_failed, failed), run->folder.path);
    return view_exit_code(&run->view);
}

/* The status of a job that is done, under the names that a broker gives it, as far as a folder
 * knows them. */
static void print_done(const struct run *run)
{
    const struct job *job = run->job.job;
    struct json_out *out = json_object();
    struct buf text = {0};
    json_put_integer(out, "id", 1);
    json_put_string(out, "name", job->name);
    json_put_string(out, "state", view_state_name(VIEW_DONE));
    json_put_integer(out, "points_total", (int64_t)job_points(job));
    json_put_integer(out, "points_done", (int64_t)(job_points(job) - run->folder.points_failed));
    json_put_integer(out, "points_failed", (int64_t)run->folder.points_failed);
    json_put_integer(out, "rows_done", (int64_t)job->q.count);
    json_put_number(out, "rate", 0);
    json_put_null(out, "eta_s");
    json_put_integer(out, "workers", 0);
    json_put_string(out, "reason", "");
    json_put_string(out, "folder", run->folder.path);
    struct json_out *fields = json_put_array(out, "fields");
    for (size_t i = 0; i < job->output_count; i++)
        json_add_string(fields, job->outputs[i].name);
    struct json_out *shape = json_put_array(out, "shape");
    json_add_integer(shape, (int64_t)job->q.count);
    json_add_integer(shape, (int64_t)job->a.count);
    json_print(out, false, &text);
    session_print_json(&text);
    json_out_destroy(out);
    buf_fini(&text);
}

/* The folder holds the finished job: nothing to do. */
static int already_done(const struct run *run)
{
    if (run->session->json)
        print_done(run);
    session_say(run->session, "%s is done already: %s/%s.npy", run->folder.path, run->folder.path,
                run->job.job->outputs[0].name);
    return run->folder.points_failed ? ERR_POINTS_FAILED : 0;
}

static void say_how_to_carry_on(const struct run *run, struct err *err)
{
    double total = (double)run->view.points_total;
    const char *to = args_value(run->session->args, "output");
    if (err->code != ERR_INTERRUPTED)
        return;
    err_set(err, ERR_INTERRUPTED, "interrupted at %d%%; what is done is safe in %s",
            total > 0 ? (int)(100.0 * (double)run->view.points_done / total) : 0, run->folder.path);
    err_hint(err, "to carry on: hillsweep run %s%s%s", run->session->args->words[0],
             to ? " -o " : "", to ? to : "");
}

/* Whether the job was refused, by the broker or by the solver, before anything was solved. */
static bool nothing_came_of_it(const struct run *run, int rc, const struct err *err)
{
    if (rc == 0 || run->folder.state != RUNFOLDER_FRESH)
        return false;
    if (run->view.id == 0) /* never queued */
        return err->code == ERR_STORAGE || err->code == ERR_JOB_REFUSED;
    return run->view.state == VIEW_FAILED && run->view.points_done + run->view.points_failed == 0;
}

static int run_in_folder(struct run *run, const char *path, struct err *err)
{
    if (runfolder_open(path, &run->job, &run->folder, err))
        return -1;
    int rc;
    if (run->folder.state == RUNFOLDER_DONE) {
        rc = already_done(run);
    } else if (solve(run, err)) {
        say_how_to_carry_on(run, err);
        rc = -1;
    } else {
        rc = report_end(run, err);
    }
    bool removed = nothing_came_of_it(run, rc, err) && runfolder_remove(&run->folder);
    if (removed && rc < 0 && run->view.state == VIEW_FAILED)
        err_hint(err,
                 "change the job and run it again; hillsweep check says at once what is wrong");
    runfolder_close(&run->folder);
    buf_fini(&run->status);
    return rc;
}

int command_run(struct session *s, struct err *err)
{
    char path[RUNFOLDER_PATH_MAX];
    const char *file = s->args->words[0], *to = args_value(s->args, "output");
    s->file = file;
    if (strcmp(file, "-") == 0 && !to)
        return err_set(err, ERR_USAGE, "a job from standard input needs -o DIR");
    struct run *run = mem_alloc(1, sizeof *run);
    run->session = s;
    run->started_ms = clock_ms();
    int rc = read_options(run, err);
    if (rc == 0)
        rc = jobfile_read(file, &run->job, err);
    if (rc == 0) {
        s->file = NULL;
        runfolder_default(file, path);
        rc = run_in_folder(run, to ? to : path, err);
        jobfile_fini(&run->job);
    }
    free(run);
    return rc;
}
