/* .npy heads, rows of text, files that appear whole, the progress line, statuses. */
#include "answer.h"
#include "buf.h"
#include "formats.h"
#include "npyhead.h"
#include "progress.h"
#include "save.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static size_t make_head(char *out, int version, const char *dict)
{
    size_t len = strlen(dict), start = version == 1 ? 10 : 12;
    memset(out, 0, 64);
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (char)version;
    out[8] = (char)(len & 255);
    out[9] = (char)(len >> 8);
    memcpy(out + start, dict, len);
    return start + len;
}

static void heads_are_read(void **state)
{
    char head[512];
    struct npyhead h;
    struct err err;
    (void)state;
    for (int version = 1; version <= 3; version++) {
        size_t len = make_head(
            head, version, "{'descr': '<f8', 'fortran_order': False, 'shape': (100, 37), }   \n");
        assert_int_equal(npyhead_parse(head, len, &h, &err), 0);
        assert_int_equal(h.kind, 'f');
        assert_int_equal(h.item_bytes, 8);
        assert_int_equal(h.shape[0], 100);
        assert_int_equal(h.shape[1], 37);
        assert_int_equal(h.data_offset, len);
        assert_int_equal(h.data_bytes, 100 * 37 * 8);
    }
    size_t len = make_head(head, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }\n");
    assert_int_equal(npyhead_parse(head, len, &h, &err), 0);
    assert_int_equal(h.kind, 'u');
    assert_int_equal(h.dimensions, 1);
    assert_int_equal(h.shape[0], 5);
    assert_int_equal(h.shape[1], 1);
}

static void broken_heads_are_refused(void **state)
{
    static const char *const bad[] = {
        "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 2), }",
        "{'descr': '>f8', 'fortran_order': False, 'shape': (1, 2), }",
        "{'descr': '<O', 'fortran_order': False, 'shape': (1, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 3), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2",
        "{'descr': '<f8', 'fortran_order': False}",
        "",
    };
    char head[512];
    struct npyhead h;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        size_t len = make_head(head, 1, bad[i]);
        assert_int_equal(npyhead_parse(head, len, &h, &err), -1);
        assert_int_equal(err.code, ERR_STORAGE);
    }
    size_t len = make_head(head, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }");
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(npyhead_parse(head, cut, &h, NULL), -1);
    head[0] = 'x';
    assert_int_equal(npyhead_parse(head, len, &h, NULL), -1);
}

static void formats_are_found(void **state)
{
    enum format f;
    struct err err;
    (void)state;
    assert_int_equal(format_of_file("a/b.c/F.npy", &f, &err), 0);
    assert_int_equal(f, FORMAT_NPY);
    assert_int_equal(format_of_file("F.csv", &f, &err), 0);
    assert_int_equal(f, FORMAT_CSV);
    assert_int_equal(format_of_file("F.txt", &f, &err), 0);
    assert_int_equal(f, FORMAT_TXT);
    assert_int_equal(format_of_file("x.npy/F", &f, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_int_equal(format_of_file("F.cvs", &f, &err), -1);
    assert_string_equal(err.hint, "did you mean csv?");
}

/* Every number of a row reads back as the same double, whatever the double. */
static void rows_keep_every_bit(void **state)
{
    enum { N = 4000 };
    static double a[N], f[N], g[N];
    static uint8_t status[N];
    const double *fields[] = {f, g};
    uint64_t x = 88172645463325252u;
    (void)state;
    for (int i = 0; i < N; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(&f[i], &x, 8);
        if (!isfinite(f[i]))
            f[i] = 0.1 * i;
        a[i] = -2 + 9.0 * i / (N - 1);
        g[i] = -f[i] / 3;
        status[i] = 1;
    }
    for (int format = FORMAT_CSV; format <= FORMAT_TXT; format++) {
        struct row_writer w;
        struct buf out = {0};
        row_writer_init(&w, (enum format)format, a, N, 2);
        row_writer_rows(&w, 0.1 + 0.2, 0, N, fields, status, &out);
        const char *at = buf_text(&out);
        for (int i = 0; i < N; i++) {
            double expected[4] = {0.1 + 0.2, a[i], f[i], g[i]};
            for (int k = 0; k < 4; k++) {
                char *end;
                double value = strtod(at, &end);
                assert_memory_equal(&value, &expected[k], 8);
                assert_int_equal(*end, k == 3 ? '\n' : format == FORMAT_CSV ? ',' : ' ');
                at = end + 1;
            }
        }
        assert_int_equal(*at, '\0');
        buf_fini(&out);
        row_writer_fini(&w);
    }
}

static void what_is_not_known_is_nan(void **state)
{
    static const double a[] = {-1, 0.5, 1e300, 7, 8}, f[] = {1, 2, 3, INFINITY, -INFINITY};
    static const uint8_t status[] = {1, 2, 0, 3, 4};
    static const char *const names[] = {"F"};
    const double *fields[] = {f};
    struct row_writer w;
    struct buf out = {0};
    (void)state;
    row_writer_init(&w, FORMAT_CSV, a, 5, 1);
    row_writer_head(&w, names, &out);
    row_writer_rows(&w, 4, 0, 5, fields, status, &out);
    assert_string_equal(buf_text(&out),
                        "q,a,F\n4,-1,1\n4,0.5,nan\n4,1e+300,nan\n4,7,inf\n4,8,-inf\n");
    buf_fini(&out);
    row_writer_fini(&w);
}

static void files_appear_whole(void **state)
{
    char folder[] = "/tmp/hillsweep-save-XXXXXX", path[64], text[8] = "";
    struct save s;
    struct err err;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/F.npy", folder);
    assert_int_equal(save_open(&s, path, &err), 0);
    assert_int_equal(save_write(&s, "abc", 3, &err), 0);
    assert_int_equal(save_flush(&s, &err), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(save_commit(&s, &err), 0);
    FILE *in = fopen(path, "r");
    assert_int_equal(fread(text, 1, 8, in), 3);
    fclose(in);
    assert_string_equal(text, "abc");

    /* one that is given up leaves the old one and nothing else */
    assert_int_equal(save_open(&s, path, &err), 0);
    assert_int_equal(save_write(&s, "xyz", 3, &err), 0);
    save_abort(&s);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 3);
    unlink(path);
    assert_int_equal(rmdir(folder), 0);
}

static void a_full_disk_is_a_storage_error(void **state)
{
    struct save s;
    struct err err = {0};
    (void)state;
    assert_int_equal(save_open(&s, "/dev/full", &err), 0);
    assert_true(s.direct);
    assert_int_equal(save_write(&s, "abc", 3, &err), 0);
    assert_int_equal(save_flush(&s, &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    save_abort(&s);
    assert_int_equal(save_open(&s, "/dev/null/F.npy", &err), -1);
    assert_int_equal(err.code, ERR_STORAGE);
    assert_int_equal(save_open(&s, "/tmp", &err), -1);
}

#define STATUS                                                                                     \
    "{\"id\":7,\"name\":\"chart\",\"state\":\"running\",\"points_total\":10000,"                   \
    "\"points_done\":4210,\"points_failed\":3,\"rows_done\":41,\"rate\":1250000.5,"                \
    "\"eta_s\":3.2,\"workers\":2,\"reason\":null,\"unknown\":[1,{}]}"

static void statuses_are_read(void **state)
{
    struct job_view v;
    struct err err;
    (void)state;
    assert_int_equal(view_parse(STATUS, strlen(STATUS), &v, &err), 0);
    assert_int_equal(v.id, 7);
    assert_string_equal(v.name, "chart");
    assert_int_equal(v.state, VIEW_RUNNING);
    assert_int_equal(v.points_done, 4210);
    assert_int_equal(v.rows_done, 41);
    assert_true(v.rate == 1250000.5);
    assert_string_equal(v.reason, "");
    assert_false(view_ended(&v));
    static const char *const bad[] = {"", "{", "[]", "{}", "{\"id\":1,\"state\":\"dancing\"}"};
    for (int i = 0; i < 5; i++)
        assert_int_equal(view_parse(bad[i], strlen(bad[i]), &v, &err), -1);
}

static void ends_have_exit_codes(void **state)
{
    struct job_view v = {.state = VIEW_DONE};
    (void)state;
    assert_int_equal(view_exit_code(&v), 0);
    v.points_failed = 1;
    assert_int_equal(view_exit_code(&v), 3);
    v.state = VIEW_CANCELLED;
    assert_int_equal(view_exit_code(&v), 10);
    v.state = VIEW_FAILED;
    assert_int_equal(view_exit_code(&v), 1);
}

static void errors_travel_as_json(void **state)
{
    struct err there, back;
    struct buf text = {0};
    (void)state;
    err_set(&there, ERR_JOB_REFUSED, "\"x\" is \\ not\na number");
    err_hint(&there, "try 3");
    there.line = 3, there.column = 14;
    snprintf(there.path, sizeof there.path, "grid.a.count");
    answer_error_format(&there, &text);
    assert_int_equal(answer_error((const char *)text.data, text.len, 8, &back), -1);
    assert_int_equal(back.code, ERR_JOB_REFUSED);
    assert_string_equal(back.text, there.text);
    assert_string_equal(back.hint, there.hint);
    assert_string_equal(back.path, there.path);
    assert_int_equal(back.line, 3);
    assert_int_equal(back.column, 14);
    assert_int_equal(answer_error("garbage", 7, 11, &back), -1);
    assert_int_equal(back.code, ERR_STORAGE);
    buf_fini(&text);
}

static void the_line_says_all(void **state)
{
    struct job_view v;
    struct err err;
    struct buf out = {0};
    (void)state;
    assert_int_equal(view_parse(STATUS, strlen(STATUS), &v, &err), 0);
    progress_line(&v, NULL, true, 0, &out);
    assert_string_equal(buf_text(&out),
                        "[4,210/10,000  42%  1.25 M/s  ETA 3.2 s  2 workers  3 failed]");
    buf_clear(&out);
    progress_line(&v, NULL, true, 20, &out);
    assert_string_equal(buf_text(&out), "[4,210/10,000  42%  ");
    buf_clear(&out);
    v.rate = 0; /* the first moments */
    v.eta_s = -1;
    progress_line(&v, NULL, true, 0, &out);
    assert_string_equal(buf_text(&out), "[4,210/10,000  42%  2 workers  3 failed]");
    buf_clear(&out);
    v.state = VIEW_PAUSED;
    v.points_failed = 0;
    v.workers = 1;
    snprintf(v.reason, sizeof v.reason, "the disk is full");
    progress_line(&v, NULL, true, 0, &out);
    assert_string_equal(buf_text(&out), "[4,210/10,000  42%  paused  1 worker] the disk is full");
    buf_fini(&out);
}

/* On a terminal the line is drawn again in place, at most ten times a second; elsewhere a short run
 * says nothing and a long one a line now and then, at once when it stalls. */
static void progress_knows_its_stream(void **state)
{
    struct job_view v = {.id = 1, .state = VIEW_RUNNING, .points_total = 10, .eta_s = -1};
    struct progress p;
    char *text = NULL;
    size_t size = 0;
    (void)state;
    FILE *out = open_memstream(&text, &size);
    progress_init(&p, out, (struct terminal){.redraw = true, .width = 80});
    progress_show(&p, &v, 1000);
    size_t once = size;
    progress_show(&p, &v, 1050);
    assert_int_equal(size, once);
    progress_show(&p, &v, 1100);
    assert_true(size > once);
    assert_int_equal(text[0], '\r');
    assert_null(memchr(text, '\n', size));
    fclose(out);
    free(text);

    out = open_memstream(&text, &size);
    progress_init(&p, out, (struct terminal){.width = 80});
    progress_show(&p, &v, 1000);
    progress_show(&p, &v, 2000);
    fflush(out);
    assert_int_equal(size, 0);
    progress_show(&p, &v, 3000);
    once = size;
    assert_true(once > 0);
    progress_show(&p, &v, 4000);
    assert_int_equal(size, once);
    v.state = VIEW_PAUSED;
    progress_show(&p, &v, 4001);
    assert_true(size > once);
    assert_null(memchr(text, '\r', size));
    fclose(out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(broken_heads_are_refused),
        cmocka_unit_test(formats_are_found),
        cmocka_unit_test(rows_keep_every_bit),
        cmocka_unit_test(what_is_not_known_is_nan),
        cmocka_unit_test(files_appear_whole),
        cmocka_unit_test(a_full_disk_is_a_storage_error),
        cmocka_unit_test(statuses_are_read),
        cmocka_unit_test(ends_have_exit_codes),
        cmocka_unit_test(errors_travel_as_json),
        cmocka_unit_test(the_line_says_all),
        cmocka_unit_test(progress_knows_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
