/* plot: a field of a job or of a folder as a picture. It shows what there is, also of a job that is
 * still running. */
#include "frontier.h"
#include "chart.h"
#include "command.h"
#include "json.h"
#include "number.h"
#include "points.h"
#include "save.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_LEAST = 200, SIZE_MOST = 4000 };

#define MUCH 5e8 /* bytes to read: worth a word */

struct plot {
    struct session *session;
    struct origin origin;
    struct points points; /* one field */
    const char *file;
    enum canvas_kind kind;
    long width, height;
    struct shade_wish wish;
    struct axis q, a;
    struct raster raster;
    struct shade shade;
    struct contour boundary;
    const char *boundary_label;
    char title[160], subtitle[320];
};

/* --- what is wanted -------------------------------------------------------------------------- */

static int choose_kind(struct plot *p, struct err *err)
{
    const char *name = args_value(p->session->args, "format");
    const char *slash = strrchr(p->file, '/'), *dot = strrchr(slash ? slash : p->file, '.');
    if (!name && strcmp(p->file, "-") == 0)
        return 0; /* png */
    if (name || dot)
        return canvas_kind_parse(name ? name : dot + 1, &p->kind, err);
    err_set(err, ERR_USAGE, "the name \"%.200s\" does not tell the picture's format", p->file);
    return err_hint(err, "end it in .png, .svg or .pdf, or say --format png|svg|pdf");
}

static int parse_size(struct plot *p, struct err *err)
{
    const char *text = args_value(p->session->args, "size");
    char width[16];
    p->width = 960;
    p->height = 720;
    if (!text)
        return 0;
    size_t len = strcspn(text, "xX");
    if (!text[len] || len >= sizeof width) {
        err_set(err, ERR_USAGE, "--size wants WIDTHxHEIGHT, not \"%.40s\"", text);
        return err_hint(err, "for example --size 1600x1200, in pixels");
    }
    snprintf(width, sizeof width, "%.*s", (int)len, text);
    return integer_parse(width, SIZE_LEAST, SIZE_MOST, "the width in --size", &p->width, err) ||
                   integer_parse(text + len + 1, SIZE_LEAST, SIZE_MOST, "the height in --size",
                                 &p->height, err)
               ? -1
               : 0;
}

static int parse_range(struct plot *p, struct err *err)
{
    const char *text = args_value(p->session->args, "range");
    if (!text)
        return 0;
    size_t len = strcspn(text, ":");
    if (!text[len] || !real_parse(text, len, &p->wish.low) ||
        !real_parse(text + len + 1, strlen(text + len + 1), &p->wish.high) ||
        !(p->wish.low < p->wish.high)) {
        err_set(err, ERR_USAGE, "--range wants LOW:HIGH with LOW < HIGH, not \"%.60s\"", text);
        return err_hint(err, "for example --range -2:2");
    }
    p->wish.has_range = true;
    return 0;
}

static int parse_scale(struct plot *p, struct err *err)
{
    const struct args *args = p->session->args;
    const char *map = args_value(args, "colours");
    bool log = args_has(args, "log"), linear = args_has(args, "linear");
    if (log && linear)
        return err_set(err, ERR_USAGE, "--log and --linear are one or the other");
    p->wish.has_scale = log || linear;
    p->wish.scale = log ? SCALE_SYMLOG : SCALE_LINEAR;
    p->wish.has_map = map != NULL;
    return map ? colormap_parse(map, &p->wish.map, err) : 0;
}

static int read_wishes(struct plot *p, struct err *err)
{
    p->file = args_value(p->session->args, "output");
    p->file = p->file ? p->file : "chart.png";
    return choose_kind(p, err) || parse_size(p, err) || parse_range(p, err) || parse_scale(p, err)
               ? -1
               : 0;
}

/* --- reading --------------------------------------------------------------------------------- */

static void say_much(const struct plot *p)
{
    char bytes[TEXT_MAX];
    double much = 9 * (double)job_points(p->origin.job);
    if (much > MUCH)
        session_say(p->session, "reading %s of %s", bytes_format(much, bytes), p->origin.label);
}

static int read_points(struct plot *p, struct err *err)
{
    const struct job *job = p->origin.job;
    struct buf status = {0}, values = {0};
    size_t most = points_batch(&p->points), width = job->a.count;
    int rc = points_open(&p->points, NULL, err);
    for (size_t row = 0; row < job->q.count && rc == 0; row += most) {
        size_t count = job->q.count - row < most ? job->q.count - row : most;
        rc = points_status(&p->points, row, count, &status, err);
        if (rc == 0)
            rc = points_values(&p->points, 0, row, count, status.data, &values, err);
        for (size_t i = 0; i < count && rc == 0; i++)
            raster_add(&p->raster, row + i, (const double *)values.data + i * width,
                       status.data + i * width);
    }
    buf_fini(&status);
    buf_fini(&values);
    return rc;
}

static void choose_shade(struct plot *p)
{
    const struct raster *r = &p->raster;
    double *means = mem_alloc(r->width * r->height, sizeof *means);
    for (size_t x = 0; x < r->width; x++)
        for (size_t y = 0; y < r->height; y++)
            raster_pixel(r, x, y, &means[x * r->height + y]);
    shade_choose(means, r->width * r->height, &p->wish, &p->shade);
    free(means);
}

/* --- drawing --------------------------------------------------------------------------------- */

static void write_titles(struct plot *p)
{
    const struct job *job = p->origin.job;
    const struct job_output *output = &job->outputs[p->points.fields[0]];
    char q[TEXT_MAX], a[TEXT_MAX], tolerance[32], done[32] = "";
    uint64_t open = p->raster.points[RASTER_NOT_DONE], all = job_points(job);
    scale_label(job->tolerance, tolerance);
    if (open > 0) /* never "100 %" while a point is missing */
        snprintf(done, sizeof done, "  ·  %.0f %% done",
                 floor(100 * ((double)(all - open) / (double)all)));
    snprintf(p->title, sizeof p->title, "%s", *job->name ? job->name : p->origin.label);
    snprintf(p->subtitle, sizeof p->subtitle, "%s = %.200s  ·  %s × %s points  ·  tolerance %s%s",
             output->name, output->text, count_format(job->q.count, q),
             count_format(job->a.count, a), tolerance, done);
}

static int draw(struct plot *p, struct buf *picture, struct err *err)
{
    struct canvas *canvas;
    if (canvas_open(p->kind, (double)p->width, (double)p->height, p->origin.job->name, picture,
                    &canvas, err))
        return -1;
    struct chart chart = {
        .width = (double)p->width,
        .height = (double)p->height,
        .title = p->title,
        .subtitle = p->subtitle,
        .field = points_name(&p->points, 0),
        .q = &p->q,
        .a = &p->a,
        .raster = &p->raster,
        .shade = &p->shade,
        .boundary = &p->boundary,
        .boundary_label = p->boundary_label,
    };
    chart_draw(canvas, &chart);
    int rc = canvas_finish(canvas, err);
    canvas_close(canvas);
    return rc;
}

static int write_file(const struct plot *p, const struct buf *picture, struct err *err)
{
    struct save save;
    int rc = save_open(&save, p->file, err);
    if (rc == 0)
        rc = save_write(&save, picture->data, picture->len, err);
    if (rc == 0)
        rc = save_commit(&save, err);
    save_abort(&save);
    return rc && save.reader_gone ? 0 : rc;
}

static void say(const struct plot *p)
{
    static const char *const SCALES[] = {"linear", "log", "symlog"};
    const struct raster *r = &p->raster;
    char points[TEXT_MAX], done[TEXT_MAX + 4] = "";
    uint64_t all = job_points(p->origin.job), open = r->points[RASTER_NOT_DONE];
    if (open > 0)
        snprintf(done, sizeof done, "%s of ", count_format(all - open, points));
    session_say(p->session, "%s: %s of %s, %s%s points", p->file, points_name(&p->points, 0),
                p->origin.label, done, count_format(all, points));
    if (!p->session->json)
        return;
    struct buf text = {0};
    struct json_out *out = json_object();
    json_put_string(out, "file", p->file);
    json_put_string(out, "field", points_name(&p->points, 0));
    json_put_integer(out, "points", (int64_t)job_points(p->origin.job));
    json_put_integer(out, "points_failed", (int64_t)r->points[RASTER_FAILED]);
    json_put_integer(out, "points_not_done", (int64_t)r->points[RASTER_NOT_DONE]);
    json_put_number(out, "least", r->low); /* null when there is none */
    json_put_number(out, "greatest", r->high);
    json_put_string(out, "scale", SCALES[p->shade.scale.kind]);
    json_put_string(out, "colours", colormap_name(p->shade.map));
    json_put_bool(out, "boundary", p->boundary.count > 0);
    json_print(out, false, &text);
    session_print_json(&text);
    json_out_destroy(out);
    buf_fini(&text);
}

static int find_frontier(struct plot *p, struct err *err)
{
    if (args_has(p->session->args, "boundaries"))
        return frontier_trace(p->origin.job, &p->q, &p->a, &p->boundary, &p->boundary_label, err);
    return frontier_find(&p->origin, &p->q, &p->a, &p->boundary, &p->boundary_label, err);
}

static int plot(struct plot *p, struct err *err)
{
    double sharp = canvas_sharpness(p->kind);
    struct chart_rect area;
    struct buf picture = {0};
    if (points_choose(&p->points, &p->origin, p->session->args, 1, err))
        return -1;
    if (p->points.count > 1)
        return err_set(err, ERR_USAGE, "a chart shows one field: name it once with --field");
    axis_init(&p->q, &p->origin.job->q);
    axis_init(&p->a, &p->origin.job->a);
    area = chart_area((double)p->width, (double)p->height, &p->a);
    raster_init(&p->raster, &p->q, &p->a, (size_t)fmin(area.w * sharp, SIZE_MOST),
                (size_t)fmin(area.h * sharp, SIZE_MOST));
    say_much(p);
    int rc = read_points(p, err);
    if (rc == 0)
        rc = find_frontier(p, err);
    if (rc == 0) {
        choose_shade(p);
        write_titles(p);
        rc = draw(p, &picture, err);
    }
    if (rc == 0)
        rc = write_file(p, &picture, err);
    if (rc == 0)
        say(p);
    buf_fini(&picture);
    return rc;
}

int command_plot(struct session *s, struct err *err)
{
    struct plot *p = mem_alloc(1, sizeof *p);
    struct link *link = NULL;
    p->session = s;
    int rc = read_wishes(p, err);
    if (rc == 0)
        rc = origin_open(s, s->args->words[0], &p->origin, &link, err);
    if (rc == 0)
        rc = plot(p, err);
    origin_close(&p->origin);
    contour_fini(&p->boundary);
    raster_fini(&p->raster);
    axis_fini(&p->q);
    axis_fini(&p->a);
    free(p);
    link_close(link);
    return rc;
}
