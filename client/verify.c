/* verify: has the broker look at every stored byte of a job, and waits until what was damaged has
 * been computed again. For the folder of a run the private broker and worker are started for it. */
#include "clock.h"
#include "command.h"
#include "crew.h"
#include "json.h"
#include "link.h"
#include "origin.h"
#include "runfolder.h"
#include "signals.h"
#include "text.h"
#include "wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    FIRST_MS = 10,
    LONGEST_MS = 500,
    BROKER_AWAY_MS = 60000,
    LISTED = 10, /* damaged tiles that are named */
};

/* What the broker has found so far (PROTOCOL, section 5). */
struct report {
    char state[16], reason[512];
    int64_t total, checked, damaged, repaired, differ;
    struct buf tiles, mended; /* as words */
};

struct verification {
    struct session *session;
    struct link *link;
    char label[128]; /* "job 7" or the folder */
    int64_t until_ms;
    bool said;
    struct buf json;
    struct report report;
};

static void list_tiles(const struct json *damaged, struct buf *out)
{
    size_t n = 0;
    buf_clear(out);
    for (const struct json *t = damaged ? json_first(damaged) : NULL; t; t = json_next(t), n++)
        if (n < LISTED)
            buf_printf(out, "%s%.0f", n ? ", " : "", json_number(t));
    if (n > LISTED)
        buf_printf(out, " and %zu more", n - LISTED);
}

static void list_mended(const struct json *mended, struct buf *out)
{
    buf_clear(out);
    for (const struct json *m = mended ? json_first(mended) : NULL; m; m = json_next(m)) {
        int64_t n = json_get_integer(m, "count", 1);
        buf_printf(out, "%s%s", out->len ? ", " : "", json_get_string(m, "file", "?"));
        if (n > 1)
            buf_printf(out, " (%" PRId64 " tiles)", n);
    }
}

static int read_report(const struct buf *json, struct report *r, struct err *err)
{
    static const struct json_limits limits = {.bytes = 1 << 20, .values = 4096, .numbers = 4096};
    struct json *tree;
    if (json_parse((const char *)json->data, json->len, &limits, &tree, err) != 0)
        return -1;
    snprintf(r->state, sizeof r->state, "%s", json_get_string(tree, "state", ""));
    snprintf(r->reason, sizeof r->reason, "%s", json_get_string(tree, "reason", ""));
    r->total = json_get_integer(tree, "tiles_total", 0);
    r->checked = json_get_integer(tree, "tiles_checked", 0);
    r->damaged = json_get_integer(tree, "tiles_damaged", 0);
    r->repaired = json_get_integer(tree, "tiles_repaired", 0);
    r->differ = json_get_integer(tree, "tiles_differ", 0);
    list_tiles(json_get(tree, "damaged"), &r->tiles);
    list_mended(json_get(tree, "mended"), &r->mended);
    json_destroy(tree);
    return 0;
}

static bool is_over(const struct report *r)
{
    return strcmp(r->state, "done") == 0 || strcmp(r->state, "failed") == 0;
}

static int timed_out(const struct verification *v, struct err *err)
{
    const struct report *r = &v->report;
    err_set(err, ERR_TIMED_OUT,
            "%s: %" PRId64 " of %" PRId64 " tiles checked, %" PRId64 " of %" PRId64
            " damaged ones computed again",
            v->label, r->checked, r->total, r->repaired, r->damaged);
    return err_hint(err, "it goes on; ask again with the same command");
}

static void say_damage(struct verification *v)
{
    const struct report *r = &v->report;
    if (v->said || strcmp(r->state, "repairing") != 0)
        return;
    v->said = true;
    session_say(v->session, "%s: %" PRId64 " tile%s damaged and %s computed again", v->label,
                r->damaged, r->damaged == 1 ? " is" : "s are", r->damaged == 1 ? "is" : "are");
}

/* Asks under one key until the broker says that it is over. */
static int follow(struct verification *v, uint32_t job, struct err *err)
{
    uint64_t key;
    char request[80];
    struct buf notice = {0};
    int64_t pause = FIRST_MS;
    if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key)
        return err_errno(err, ERR_OTHER, "no random numbers");
    snprintf(request, sizeof request, "{\"job\":%" PRIu32 ",\"key\":\"%016" PRIx64 "\"}", job,
             key | 1);
    int rc;
    for (;;) {
        rc = link_call(v->link, "verify", request, &v->json, err);
        if (rc == 0)
            rc = read_report(&v->json, &v->report, err);
        if (rc != 0 || is_over(&v->report))
            break;
        say_damage(v);
        if (clock_ms() >= v->until_ms) {
            rc = timed_out(v, err);
            break;
        }
        rc = link_pause(v->link, pause, &notice, err) < 0 ? -1 : 0;
        if (rc != 0)
            break;
        pause = 2 * pause < LONGEST_MS ? 2 * pause : LONGEST_MS;
    }
    buf_fini(&notice);
    return rc;
}

/* --- the answer ------------------------------------------------------------------------------ */

static void print_report(struct verification *v)
{
    struct report *r = &v->report;
    char tiles[TEXT_MAX];
    printf("%s: %s tile%s checked", v->label, count_format((uint64_t)r->checked, tiles),
           r->checked == 1 ? "" : "s");
    if (r->damaged == 0 && r->mended.len == 0)
        printf(", every byte is as it was stored");
    if (r->damaged > 0)
        printf("; %s: %s", r->repaired == r->damaged ? "damaged and computed again" : "damaged",
               buf_text(&r->tiles));
    if (r->mended.len > 0)
        printf("; mended: %s", buf_text(&r->mended));
    printf("\n");
}

static int conclude(struct verification *v, struct err *err)
{
    const struct report *r = &v->report;
    if (v->session->json)
        session_print_json(&v->json);
    else if (strcmp(r->state, "done") == 0)
        print_report(v);
    if (strcmp(r->state, "failed") == 0) {
        err_set(err, ERR_STORAGE, "%s could not be checked: %s", v->label, r->reason);
        return err_hint(err, "bring the file back, or delete the job and submit it again");
    }
    if (r->repaired < r->damaged) {
        err_set(err, ERR_STORAGE,
                "%s was ended before its time, so %" PRId64 " damaged tiles are lost", v->label,
                r->damaged - r->repaired);
        return err_hint(err, "status.npy says 0 there: not done");
    }
    if (r->differ > 0) {
        err_set(err, ERR_OTHER, "%s: %" PRId64 " tiles came out with other bytes than at first",
                v->label, r->differ);
        return err_hint(err, "another version or another machine's mathematics computed them; "
                             "`hillsweep workers` names who is there");
    }
    return 0;
}

static int verify(struct verification *v, const char *word, struct err *err)
{
    struct job_view view;
    int rc = wait_find_job(v->link, word, &view, &v->json, err);
    if (rc == 0 && !*v->label)
        snprintf(v->label, sizeof v->label, "job %" PRIu32, view.id);
    if (rc == 0)
        rc = follow(v, view.id, err);
    return rc ? rc : conclude(v, err);
}

/* --- where the job lies ---------------------------------------------------------------------- */

static int verify_job(struct verification *v, const char *word, struct err *err)
{
    static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct signals signals;
    if (signals_open(&signals, SIGNALS, err))
        return -1;
    int rc = session_link(v->session, &v->link, err);
    if (rc == 0) {
        link_watch(v->link, signals.fd, signals_interrupt, &signals);
        link_set_patience(v->link, BROKER_AWAY_MS);
        rc = verify(v, word, err);
        link_close(v->link);
    }
    signals_close(&signals);
    return rc;
}

static int verify_folder(struct verification *v, const char *path, struct err *err)
{
    struct runfolder folder;
    struct crew crew;
    if (runfolder_open_whole(path, &folder, err))
        return -1;
    struct crew_plan plan = {.data = folder.data,
                             .results = folder.path,
                             .quiet = v->session->quiet || v->session->json};
    snprintf(v->label, sizeof v->label, "%.127s", folder.path);
    int rc = crew_start(&crew, &plan, err);
    if (rc == 0) {
        rc = link_open(crew.dir.endpoint, "hillsweep verify", NULL, LINK_FOREVER, &v->link, err);
        if (rc == 0) {
            link_set_patience(v->link, LINK_FOREVER);
            link_watch(v->link, crew.events_fd, crew_wake, &crew);
            rc = verify(v, "1", err);
            link_close(v->link);
        }
        crew_end(&crew, rc != 0);
    }
    runfolder_close(&folder);
    return rc;
}

int command_verify(struct session *s, struct err *err)
{
    const char *word = s->args->words[0], *timeout = args_value(s->args, "timeout");
    int64_t ms = 0;
    if (timeout && duration_parse(timeout, &ms, err))
        return -1;
    struct verification v = {.session = s, .until_ms = timeout ? clock_ms() + ms : LINK_FOREVER};
    bool folder = runfolder_is(word);
    int rc = folder ? verify_folder(&v, word, err) : verify_job(&v, word, err);
    if (rc && !folder)
        origin_explain(word, err);
    buf_fini(&v.json);
    buf_fini(&v.report.tiles);
    buf_fini(&v.report.mended);
    return rc;
}
