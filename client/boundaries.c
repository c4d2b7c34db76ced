/* boundaries: where the solutions of a job's equation begin to grow, as curves a(q). The solver
 * traces them by itself (curves.h): no point of the grid needs to be solved, and a job file does as
 * well as a job. */
#include "command.h"
#include "curves.h"
#include "jobfile.h"
#include "origin.h"
#include "save.h"
#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { Q_COUNT_MAX = 100000 };

enum form { FORM_TEXT, FORM_CSV, FORM_JSON };

struct boundaries {
    struct session *session;
    const char *file; /* "-": standard output */
    enum form form;
    struct curves curves;
};

/* --- what is wanted -------------------------------------------------------------------------- */

static int parse_form(const char *name, enum form *out, struct err *err)
{
    static const char *const FORMS[] = {"txt", "csv", "json"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, FORMS[i]) == 0) {
            *out = (enum form)i;
            return 0;
        }
    err_set(err, ERR_USAGE, "curves cannot be written as \"%.40s\"", name);
    return err_hint(err, "end the file in .csv, .json or .txt, or say --format csv|json|txt");
}

static int choose_form(struct boundaries *b, struct err *err)
{
    const struct args *args = b->session->args;
    const char *name = args_value(args, "format");
    b->file = args_value(args, "output");
    b->file = b->file ? b->file : "-";
    if (name && b->session->json && strcmp(b->file, "-") == 0 && strcmp(name, "json") != 0)
        return err_set(err, ERR_USAGE, "--json and --format %.40s exclude each other here", name);
    if (!name && strcmp(b->file, "-") == 0) {
        b->form = b->session->json ? FORM_JSON : FORM_TEXT;
        return 0;
    }
    const char *slash = strrchr(b->file, '/'), *dot = strrchr(slash ? slash : b->file, '.');
    if (name || dot)
        return parse_form(name ? name : dot + 1, &b->form, err);
    err_set(err, ERR_USAGE, "the name \"%.200s\" does not tell the format", b->file);
    return err_hint(err, "end it in .csv, .json or .txt, or say --format csv|json|txt");
}

/* "FROM:TO:COUNT" into the job's grid. */
static int replace_q(struct job *job, const char *text, struct err *err)
{
    struct job_values q = {0};
    const char *to = strchr(text, ':'), *count = to ? strchr(to + 1, ':') : NULL;
    long n = 0;
    if (!count || !real_parse(text, (size_t)(to - text), &q.from) ||
        !real_parse(to + 1, (size_t)(count - to) - 1, &q.to)) {
        err_set(err, ERR_USAGE, "--q wants FROM:TO:COUNT, not \"%.60s\"", text);
        return err_hint(err, "for example --q 0:25:200");
    }
    if (integer_parse(count + 1, 1, Q_COUNT_MAX, "the count in --q", &n, err))
        return -1;
    if (n > 1 && q.from == q.to) {
        err_set(err, ERR_USAGE, "%ld values of q from %.6g to itself", n, q.from);
        return err_hint(err, "give two ends, or a count of 1");
    }
    q.count = (size_t)n;
    double *values = mem_alloc(q.count, sizeof *values);
    job_values_write(&q, values);
    q.values = values;
    free(job->q.values);
    job->q = q;
    job_cut_tiles(job);
    return 0;
}

/* --- what comes out -------------------------------------------------------------------------- */

static int write_curves(const struct boundaries *b, const char *name, struct err *err)
{
    struct buf text = {0};
    struct save save;
    if (b->form == FORM_JSON) {
        curves_json(&b->curves, name, &text);
        buf_str(&text, "\n");
    } else if (b->form == FORM_CSV) {
        curves_csv(&b->curves, &text);
    } else {
        curves_rows(&b->curves, &text);
    }
    int rc = save_open(&save, b->file, err);
    if (rc == 0)
        rc = save_write(&save, text.data, text.len, err);
    if (rc == 0)
        rc = save_commit(&save, err);
    save_abort(&save);
    buf_fini(&text);
    return rc && save.reader_gone ? 0 : rc;
}

static void say(const struct boundaries *b, const struct job *job)
{
    const struct curves *c = &b->curves;
    double low = job->a.values[0], high = low;
    for (size_t i = 1; i < job->a.count; i++) {
        low = fmin(low, job->a.values[i]);
        high = fmax(high, job->a.values[i]);
    }
    if (c->count == 0)
        session_say(b->session, "no edge of stability has its a between %.6g and %.6g", low, high);
    else if (c->damping > 0)
        session_say(b->session,
                    "%zu curves: lower_m and upper_m are the edges of what damping leaves of gap m",
                    c->count);
    else if (isnan(c->even_about))
        session_say(b->session,
                    "%zu curves: w is even about no time, so lower_m and upper_m are the edges of "
                    "gap m",
                    c->count);
    else
        session_say(b->session, "%zu curves: a_m even, b_m odd about t = %.6g", c->count,
                    c->even_about);
    if (!b->session->json || strcmp(b->file, "-") == 0)
        return;
    struct buf text = {0};
    struct json_out *o = json_object();
    json_put_string(o, "file", b->file);
    json_put_integer(o, "curves", (int64_t)c->count);
    json_put_integer(o, "values", (int64_t)c->values);
    json_print(o, false, &text);
    session_print_json(&text);
    json_out_destroy(o);
    buf_fini(&text);
}

static int trace(struct boundaries *b, struct job *job, struct err *err)
{
    const char *q = args_value(b->session->args, "q");
    if (q && replace_q(job, q, err))
        return -1;
    if (curves_ask(job, &b->curves, err))
        return -1;
    int rc = write_curves(b, job->name, err);
    if (rc == 0)
        say(b, job);
    curves_fini(&b->curves);
    return rc;
}

/* --- where the job is ------------------------------------------------------------------------ */

static bool is_job_file(const char *word)
{
    size_t len = strlen(word);
    struct stat st;
    if (strcmp(word, "-") == 0 || (len > 5 && strcmp(word + len - 5, ".json") == 0))
        return true;
    return stat(word, &st) == 0 && S_ISREG(st.st_mode);
}

int command_boundaries(struct session *s, struct err *err)
{
    struct boundaries b = {.session = s};
    const char *word = s->args->words[0];
    if (choose_form(&b, err))
        return -1;
    if (is_job_file(word)) {
        struct jobfile file;
        s->file = word;
        if (jobfile_read(word, &file, err))
            return -1;
        int rc = trace(&b, file.job, err);
        jobfile_fini(&file);
        return rc;
    }
    struct origin origin = {0};
    struct link *link = NULL;
    int rc = origin_open(s, word, &origin, &link, err);
    if (rc == 0)
        rc = trace(&b, origin.job, err);
    origin_close(&origin);
    link_close(link);
    return rc;
}
