/* The picture in a terminal, and the band around an ETA. */
#include "heatmap.h"
#include "pace.h"
#include "watch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- cells as the broker sends them --- */

static void cell(struct buf *b, float value, uint8_t status)
{
    buf_add(b, &value, sizeof value);
    buf_add(b, &status, 1);
}

/* 2 x 2 cells: F(q, a) = 0, 1 at the first q (a low, a high), 2 and not done at the second. */
static struct heatmap two_by_two(void)
{
    struct heatmap map = {0};
    struct buf b = {0};
    struct err err;
    cell(&b, 0, 1);
    cell(&b, 1, 1);
    cell(&b, 2, 4);
    cell(&b, 77, 0);
    assert_int_equal(heatmap_read(&map, 2, 2, b.data, b.len, &err), 0);
    assert_int_equal(heatmap_read(&map, 2, 2, b.data, b.len - 1, &err), -1);
    assert_int_equal(heatmap_read(&map, 3, 2, b.data, b.len, &err), -1);
    assert_int_equal(heatmap_read(&map, SIZE_MAX / 2, 2, b.data, b.len, &err), -1);
    buf_fini(&b);
    return map;
}

static char *line_of(const struct heatmap *map, const struct terminal *t, int columns, int lines,
                     int line)
{
    struct shade shade;
    struct buf out = {0};
    heatmap_shade(map, &shade);
    heatmap_line(map, &shade, t, columns, lines, line, &out);
    char *text = strdup(buf_text(&out));
    buf_fini(&out);
    return text;
}

static void assert_line(const struct heatmap *map, const struct terminal *t, int columns, int lines,
                        int line, const char *expected)
{
    char *text = line_of(map, t, columns, lines, line);
    assert_string_equal(text, expected);
    free(text);
}

static void without_colours_it_is_a_ramp(void **state)
{
    struct heatmap map = two_by_two();
    struct terminal plain = {.unicode = true, .width = 80, .height = 24};
    (void)state;
    assert_line(&map, &plain, 2, 2, 0, "+ "); /* a high: 1, and not done */
    assert_line(&map, &plain, 2, 2, 1, ".@"); /* a low: 0 and 2 */
    assert_line(&map, &plain, 4, 2, 1, "..@@");
    map.status[3] = 2;
    assert_line(&map, &plain, 2, 2, 0, "+!");
    heatmap_fini(&map);
}

static void halves_carry_two_cells_in_24_bits(void **state)
{
    struct heatmap map = two_by_two();
    struct terminal t = {.unicode = true, .colours = COLOURS_TRUE, .width = 80, .height = 24};
    struct rgb low = colormap_at(COLORMAP_VIRIDIS, 0), middle = colormap_at(COLORMAP_VIRIDIS, 0.5);
    struct rgb high = colormap_at(COLORMAP_VIRIDIS, 1);
    char expected[256];
    (void)state;
    snprintf(expected, sizeof expected,
             "\x1b[48;2;%d;%d;%dm\x1b[38;2;%d;%d;%dm\u2580" /* 0 below, 1 above */
             "\x1b[49m\x1b[38;2;%d;%d;%dm\u2584\x1b[0m",    /* 2 below, nothing above */
             low.r, low.g, low.b, middle.r, middle.g, middle.b, high.r, high.g, high.b);
    assert_line(&map, &t, 2, 1, 0, expected);
    heatmap_fini(&map);
}

static void other_depths_and_alphabets(void **state)
{
    struct heatmap map = two_by_two();
    struct terminal t = {.colours = COLOURS_16, .width = 80, .height = 24};
    (void)state;
    assert_line(&map, &t, 2, 2, 1, "\x1b[44m \x1b[103m \x1b[0m"); /* blue and bright yellow */
    t.colours = COLOURS_256;
    assert_line(&map, &t, 2, 2, 1, "\x1b[48;5;53m \x1b[48;5;220m \x1b[0m");
    assert_line(&map, &t, 2, 2, 0, "\x1b[48;5;30m \x1b[49m \x1b[0m");
    map.status[0] = map.status[1] = map.status[2] = 0;
    assert_line(&map, &t, 2, 2, 0, "  "); /* nothing done: nothing but the terminal's own */
    heatmap_fini(&map);
}

static void pictures_fit_their_room(void **state)
{
    struct heatmap map = {.q = 10, .a = 10};
    struct terminal halves = {.unicode = true, .colours = COLOURS_16}, plain = {.unicode = true};
    int columns, lines;
    (void)state;
    heatmap_fit(&map, &halves, 75, 20, &columns, &lines);
    assert_int_equal(columns, 70);
    assert_int_equal(lines, 20);
    heatmap_fit(&map, &plain, 75, 19, &columns, &lines);
    assert_int_equal(lines, 10);
    map.q = map.a = 1000;
    heatmap_fit(&map, &halves, 75, 19, &columns, &lines);
    assert_int_equal(columns, 75);
    assert_int_equal(lines, 19);
}

/* Each value has some colour: no NaN, infinity or extreme leads out of the tables. */
static void any_value_is_drawn(void **state)
{
    static const float VALUES[] = {0, -1, 1, 1e30f, -1e30f, 3e-39f, NAN, INFINITY, -INFINITY};
    enum { N = sizeof VALUES / sizeof VALUES[0] };
    (void)state;
    for (int colours = COLOURS_NONE; colours <= COLOURS_TRUE; colours++)
        for (unsigned first = 0; first < N; first++)
            for (unsigned count = 1; first + count <= N; count++) {
                struct heatmap map = {0};
                struct buf b = {0};
                struct terminal t = {.unicode = true, .colours = (enum terminal_colours)colours};
                for (unsigned i = 0; i < count; i++)
                    cell(&b, VALUES[first + i], (uint8_t)(1 + i % 4));
                assert_int_equal(heatmap_read(&map, count, 1, b.data, b.len, NULL), 0);
                char *text = line_of(&map, &t, (int)count, 1, 0);
                assert_true(*text != '\0');
                free(text);
                buf_fini(&b);
                heatmap_fini(&map);
            }
}

/* --- the frame --- */

static void a_frame_says_what_it_shows(void **state)
{
    static const char JOB[] =
        "{\"name\": \"small\", \"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 3]},"
        " \"z\": {\"start\": [1, 0], \"t\": [0, 3]}, \"grid\": {\"q\": [0, 2.5], \"a\": [-1, 1]},"
        " \"output\": {\"F\": \"z(3)\"}}";
    struct err err = {0};
    struct job *job;
    struct job_view view = {.id = 1, .state = VIEW_RUNNING, .points_done = 3, .points_total = 4};
    struct buf out = {0};
    int lines;
    (void)state;
    assert_int_equal(job_parse(JOB, strlen(JOB), NULL, &job, &err), 0);
    struct watch w = {.job = job, .terminal = {.width = 24, .height = 9}, .map = two_by_two()};
    watch_frame(&w, &view, &out, &lines);
    assert_string_equal(buf_text(&out), "small:  F = z(3)\n"
                                        " 1 ++++++++++          \n"
                                        "   ++++++++++          \n"
                                        " a ..........@@@@@@@@@@\n"
                                        "-1 ..........@@@@@@@@@@\n"
                                        "   0         q      2.5\n"
                                        "   F  0 .=#@ 2\n");
    assert_int_equal(lines, 7);
    buf_fini(&out);
    heatmap_fini(&w.map);
    job_destroy(job);
}

/* --- the band --- */

static double band_after(const double *rates, size_t n, double eta_s)
{
    struct pace p = {0};
    double points = 0;
    pace_tell(&p, 0, 0);
    for (size_t i = 0; i < n; i++) {
        points += rates[i % 4] * 0.5;
        pace_tell(&p, (int64_t)(i + 1) * 500, (uint64_t)points);
    }
    return pace_band_s(&p, eta_s);
}

static void a_steady_job_has_a_narrow_band(void **state)
{
    static const double STEADY[] = {1000, 1000, 1000, 1000}, ROUGH[] = {500, 1500, 800, 1200};
    (void)state;
    assert_true(band_after(STEADY, 3, 60) < 0); /* not known yet */
    assert_true(band_after(STEADY, 8, -1) < 0);
    double steady = band_after(STEADY, 20, 60), rough = band_after(ROUGH, 8, 60);
    assert_true(steady >= 0 && steady < 0.1);
    /* sd / mean = 0.43, k = 8, n = 120: 1.64 * 60 * 0.43 * sqrt(1/8 + 1/120) = 15.4 */
    assert_true(rough > 13 && rough < 18);
    assert_true(band_after(ROUGH, 24, 60) < rough);
    assert_true(band_after(ROUGH, 4000, 60) < band_after(ROUGH, 24, 60)); /* blocks are merged */
}

static void a_standing_job_has_none(void **state)
{
    static const double NOTHING[] = {0, 0, 0, 0};
    struct pace p = {0};
    (void)state;
    assert_true(band_after(NOTHING, 20, 60) < 0);
    pace_tell(&p, 0, 1000);
    pace_tell(&p, 5000, 10); /* fewer than before: it begins anew */
    assert_int_equal(p.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_colours_it_is_a_ramp),
        cmocka_unit_test(halves_carry_two_cells_in_24_bits),
        cmocka_unit_test(other_depths_and_alphabets),
        cmocka_unit_test(pictures_fit_their_room),
        cmocka_unit_test(any_value_is_drawn),
        cmocka_unit_test(a_frame_says_what_it_shows),
        cmocka_unit_test(a_steady_job_has_a_narrow_band),
        cmocka_unit_test(a_standing_job_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
