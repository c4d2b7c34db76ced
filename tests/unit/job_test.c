/* common/job: what is read; that the canonical text and the document say the same as the job. */
#include "job_rig.h"

/* + - * / sqrt have the same bits everywhere. */
static void knows_what_calls_libm(void **state)
{
    (void)state;
    static const struct {
        const char *output;
        bool libm;
    } cases[] = {
        {"\"F\": \"1 + z(t[1])\"", false},
        {"\"F\": \"q*sqrt(abs(z(t[1])))\"", false},
        {"\"F\": \"exp(z(t[1]))\"", true},
        {"\"F\": \"lnabs(t[1])\"", true},
        {"\"F\": \"lnabs(t[1])\", \"G\": \"z(t[1])\"", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 1]}, \"z\": {\"start\": [1, 0],"
                 " \"t\": [0, 1]}, \"grid\": {\"q\": [1], \"a\": [1]}, \"output\": {%s}}",
                 cases[i].output);
        struct job *job = parse(text);
        assert_int_equal(job->libm, cases[i].libm);
        job_destroy(job);
    }
}

/* ---- what is read ---- */

static void reads_the_job(void **state)
{
    (void)state;
    struct job *job = parse(base);
    assert_string_equal(job->name, "driven mode");
    assert_string_equal(job->y_f, "1 + 0.3*cos(1.7*t)");
    assert_true(job->y_from == 0 && job->y_to == 20 && job->y_start[0] == 1 &&
                job->y_start[1] == 0);
    assert_string_equal(job->w_is, "y");
    assert_true(job->w_from == 0 && job->w_to == 12);
    assert_int_equal(job->interpolation, JOB_CSPLINE);
    assert_int_equal(job->knots, 2401);
    assert_string_equal(job->z_start[0], "1");
    assert_string_equal(job->z_start[1], "0");
    assert_int_equal(job->times.count, 201);
    assert_true(job->times.values[157] == 7.8500000000000005);
    assert_int_equal(job->q.count, 100);
    assert_true(job->a.values[88] == 6.0 || job->a.values[99] == 7.0);
    assert_int_equal(job->output_count, 1);
    assert_string_equal(job->outputs[0].name, "F");
    assert_string_equal(job->outputs[0].text, "1 + z(t[157])");
    assert_true(job->last_time == 7.8500000000000005);
    assert_int_equal(job->stop_count, 1);
    assert_true(job->tolerance == 1e-9);
    assert_true(job->errors);
    assert_null(job->u);
    assert_int_equal(job_points(job), 10000);
    job_destroy(job);
    job_destroy(NULL);
}

static void reads_what_is_allowed(void **state)
{
    (void)state;
    struct job *job =
        parse("{\"w\": {\"is\": \"cos(2*t)\", \"t\": [-1, 20]},"
              " \"z\": {\"start\": [\"1/sqrt(2*sqrt(a))\", -0.5], \"t\": [0, 1, 2.5],"
              "        \"damping\": 0.1, \"u\": \"t^2\"},"
              " \"grid\": {\"q\": [3, 1, 1, -2], \"a\": {\"from\": 5, \"count\": 1}},"
              " \"output\": {\"f\": \"z(15)\", \"F\": \"lnabs(t[2]) + a*q\", \"G_1\": 1},"
              " \"errors\": false, \"solver\": \"point\"}");
    assert_string_equal(job->name, "");
    assert_null(job->y_f);
    assert_int_equal(job->interpolation, JOB_EXACT);
    assert_int_equal(job->knots, 0);
    assert_true(job->tolerance == 1e-9);
    assert_false(job->errors);
    assert_int_equal(job->solver, JOB_POINT);
    assert_string_equal(job->z_start[1], "-0.5");
    assert_string_equal(job->damping, "0.1");
    assert_string_equal(job->u, "t^2");
    assert_int_equal(job->q.count, 4);
    assert_int_equal(job->a.count, 1);
    assert_true(job->a.values[0] == 5);
    assert_int_equal(job->output_count, 3);
    assert_true(job->last_time == 15);
    char *text = text_of(job);
    assert_non_null(strstr(text, "\"start\": [\"1/sqrt(2*sqrt(a))\", -0.5]"));
    assert_non_null(strstr(text, "\"a\": {\"from\": 5, \"to\": 5, \"count\": 1}"));
    free(text);
    job_destroy(job);
}

/* ddz may do without w, which is then zero over the times of z. */
static void a_job_without_w(void **state)
{
    (void)state;
    struct job *job = parse(WITHOUT_W("", "\"ddz\": \"-a*dz - q*sin(z)\", ", "lnabs(2)"));
    assert_string_equal(job->ddz, "-a*dz - q*sin(z)");
    assert_string_equal(job->w_is, "0");
    assert_true(job->w_from == 0 && job->w_to == 2);
    char *text = text_of(job);
    assert_non_null(strstr(text, "\"ddz\": \"-a*dz - q*sin(z)\""));
    struct job *again = parse(text);
    char *same = text_of(again);
    assert_string_equal(same, text);
    free(text);
    free(same);
    job_destroy(job);
    job_destroy(again);
}

/* The examples are jobs. */
static void examples_are_jobs(void **state)
{
    (void)state;
    static const char *const names[] = {"answer",   "driven", "expanding", "mathieu",
                                        "measured", "modes",  "pendulum",  "preheat"};
    const char *examples = TRUTH_FOLDER "/../../client/examples";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[1024], text[8192];
        snprintf(path, sizeof path, "%s/%s.json", examples, names[i]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        size_t n = fread(text, 1, sizeof text, f);
        fclose(f);
        struct job *job = NULL;
        struct err err = {0};
        if (job_parse(text, n, examples, &job, &err))
            fail_msg("%s: %s: %s", names[i], err.path, err.text);
        assert_true(job->name[0] != '\0');
        job_destroy(job);
    }
}

struct range {
    const char *from, *to;
    size_t count;
    uint64_t hash; /* of the bits of all values */
};

static void check_ranges(const struct range *ranges, size_t n, const char *scale)
{
    for (size_t i = 0; i < n; i++) {
        char q[160];
        snprintf(q, sizeof q, "{\"from\": %s, \"to\": %s, \"count\": %zu, \"scale\": \"%s\"}",
                 ranges[i].from, ranges[i].to, ranges[i].count, scale);
        struct job *job = parse_changed(GQ, q);
        assert_int_equal(job->q.count, ranges[i].count);
        if (hash(job->q.values, job->q.count) != ranges[i].hash)
            fail_msg("%s", q);
        job_destroy(job);
    }
}

/* Hashes of numpy.linspace's results (numpy 1.24.2), among them steps that underflow. */
static void linear_is_numpys_linspace(void **state)
{
    (void)state;
    static const struct range ranges[] = {
        {"0.0", "4.0", 100, 0xecf65ac95cb04bc1},
        {"-2.0", "7.0", 100, 0x272416de69ef645b},
        {"0.0", "10.0", 201, 0x7c5b7981db2b9059},
        {"0.1", "0.7", 7, 0x1539676d431c6205},
        {"-0.001", "100000.0", 1000, 0xabf4ae304916f920},
        {"4.0", "0.0", 33, 0xbaa3a16bc31f675f},
        {"0.0", "5e-324", 4, 0x4d22117f9dcb327f},
        {"1e-323", "3e-323", 9, 0x6069a528d3d66eed},
        {"3.0", "3.0", 5, 0xaf844fd9252be94f},
        {"0.3", "7.0", 1, 0xe64de18c11fe5562},
        {"-1.5", "2.5", 2, 0x82d68807b4eb6fed},
        {"0.3333333333333333", "0.6666666666666666", 4194304, 0x3b34a36cd890a380},
    };
    check_ranges(ranges, sizeof ranges / sizeof ranges[0], "linear");
}

/* Hashes of from * (to/from)^(j/(count-1)) in 60 decimal digits, rounded once. */
static void logarithmic_is_rounded_once(void **state)
{
    (void)state;
    static const struct range ranges[] = {
        {"1.0", "1000.0", 4, 0xcb14367f9dce13f5},     {"0.001", "1000.0", 25, 0x0b039761fc0c181c},
        {"-0.1", "-7.0", 50, 0x1293a8d05c82c5a7},     {"5.0", "0.02", 77, 0x31572422935b4045},
        {"1e-300", "1e-25", 300, 0x7da526082f9beaa1}, {"0.5", "3.0", 1, 0xddc3bd4c8601b7df},
        {"2.0", "3.0", 2, 0x15ca8807b4eb6fed},        {"0.001", "1000.0", 2001, 0x88a1bfa6abcc90c9},
    };
    check_ranges(ranges, sizeof ranges / sizeof ranges[0], "log");
}

/* ---- text and document ---- */

/* One change, or two. */
static const char *const good[][4] = {
    {"1e-9", "1e-9"},
    {"1e-9", "1e-9, \"errors\": false, \"tiles\": [7, 9]"},
    {"\"driven mode\"", "\"a \\\"quoted\\\" \\u00e9 name\""},
    {W, "{\"is\": \"y^2 + dy\", \"t\": [0, 12], \"breaks\": [1, 2.5]}"},
    {W, "{\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"periodic\", \"knots\": 2}"},
    {W, "{\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"akima\", \"knots\": 5}"},
    {W, "{\"table\": {\"t\": [0, 4, 8, 12], \"w\": [1, 0.1, 0.30000000000000004, 1]}}"},
    {W, "{\"table\": {\"t\": [0, 4, 12], \"w\": [1, 0, 1]}, \"interpolation\": \"periodic\", "
        "\"t\": [0, 11]}"},
    {W, "{\"table\": {\"t\": [0, 12], \"w\": [1, 0]}, \"interpolation\": \"linear\"}"},
    {ZT, "[0, 0.1, 0.2, 0.30000000000000004, 5e-1]", "157", "4"},
    {GQ, "{\"from\": 1e-3, \"to\": 10, \"count\": 50, \"scale\": \"log\"}"},
    {GQ, "[-0.0, 1e300, 5e-324]"},
    {"\"start\": [1, 0], \"t\": {", "\"start\": [\"a\", \"1.0\"], \"t\": {"},
    {"201}}", "201}, \"ddz\": \"-a*dz - q*sin(z)*w + t\"}"},
    {W, "{\"is\": \"y^2\", \"t\": [0, 12], \"interpolation\": \"coupled\"}"},
    {W, "{\"is\": \"y\", \"t\": [0, 12], \"period\": \"10/3\"}", "1 + z(t[157])", "mu + z(1e7)"},
    {W, "{\"is\": \"sin(t)\", \"period\": \"2*pi\"}", "t[157]", "-1 + 10*pi"},
    {W, "{\"table\": {\"t\": [0, 4, 8, 12], \"w\": [1, 0.1, 0.3, 1]}, \"period\": 12}"},
    {"201}}", "201}, \"u\": \"y\", \"v\": 2, \"damping\": \"0.1 + dy^2\"}"},
    {"\"F\": \"1 + z(t[157])\"",
     "\"F\": \"z(t[1])\", \"f\": \"z1(t[2])*dz2(t[2])\", \"L\": \"lnabs(12)\""},
};

static void same_job(const struct job *x, const struct job *y)
{
    char *a = text_of(x), *b = text_of(y);
    assert_string_equal(a, b);
    assert_int_equal(x->q.count, y->q.count);
    assert_memory_equal(x->q.values, y->q.values, x->q.count * 8);
    assert_memory_equal(x->times.values, y->times.values, x->times.count * 8);
    assert_true(x->last_time == y->last_time && x->stop_count == y->stop_count);
    assert_true(x->period == y->period && x->w_to == y->w_to && x->monodromy == y->monodromy);
    assert_int_equal(x->libm, y->libm);
    assert_int_equal(job_tile_count(x), job_tile_count(y));
    free(a);
    free(b);
}

static struct job *decoded(const struct job *job)
{
    struct buf document = {0};
    struct job *again;
    struct err err = {0};
    job_encode(job, &document);
    if (job_decode(document.data, document.len, &again, &err))
        fail_msg("%s: %s", err.path, err.text);
    struct buf second = {0};
    job_encode(again, &second);
    assert_int_equal(second.len, document.len);
    assert_memory_equal(second.data, document.data, document.len);
    buf_fini(&document);
    buf_fini(&second);
    return again;
}

static void formats_are_fixed_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *const *g = good[i];
        char *once = change(base, g[0], g[1], NULL, NULL);
        char *twice = g[2] ? change(once, g[2], g[3], NULL, NULL) : mem_strdup(once);
        struct job *job = parse(twice);
        free(once);
        free(twice);
        char *text = text_of(job);
        struct job *again = parse(text), *sent = decoded(job);
        same_job(job, again);
        same_job(job, sent);
        free(text);
        job_destroy(job);
        job_destroy(again);
        job_destroy(sent);
    }
}

static void text_is_canonical(void **state)
{
    (void)state;
    struct job *job = parse(base);
    char *text = text_of(job);
    assert_string_equal(
        text, "{\n"
              "  \"name\": \"driven mode\",\n"
              "  \"y\": {\"f\": \"1 + 0.3*cos(1.7*t)\", \"t\": [0, 20], \"start\": [1, 0]},\n"
              "  \"w\": {\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"cspline\", \"knots\": "
              "2401},\n"
              "  \"z\": {\"start\": [1, 0], \"t\": {\"from\": 0, \"to\": 10, \"count\": 201}},\n"
              "  \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 100}, "
              "\"a\": {\"from\": -2, \"to\": 7, \"count\": 100}},\n"
              "  \"output\": {\"F\": \"1 + z(t[157])\"},\n"
              "  \"tolerance\": 1e-09,\n"
              "  \"errors\": true,\n"
              "  \"tiles\": [1, 1]\n"
              "}\n");
    free(text);
    job_destroy(job);
}

/* Lists of many lengths in text and document: the doubles keep their bits. */
static char *text_with_lists(size_t n)
{
    struct buf w = {0};
    buf_str(&w, "{\"table\": {\"t\": [");
    for (size_t i = 0; i < n; i++)
        buf_printf(&w, "%s%.17g", i ? ", " : "", 12.0 * (double)i / (double)(n - 1));
    buf_str(&w, "], \"w\": [");
    for (size_t i = 0; i < n; i++)
        buf_printf(&w, "%s%.17g", i ? ", " : "", 1.0 / (3 + (double)i));
    buf_str(&w, "]}, \"breaks\": [");
    for (size_t i = 0; i < n; i++)
        buf_printf(&w, "%s%.17g", i ? ", " : "", (double)i / (double)n);
    buf_str(&w, "]}");
    char *text = change(base, W, buf_text(&w), NULL, NULL);
    buf_fini(&w);
    return text;
}

static void long_lists_travel_as_doubles(void **state)
{
    (void)state;
    static const size_t counts[] = {3, JOB_INLINE, JOB_INLINE + 1, 1000, 50000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        size_t n = counts[i];
        char *text = text_with_lists(n);
        struct job *job = parse(text), *sent = decoded(job);
        assert_int_equal(job->table_count, n);
        assert_memory_equal(job->table_w, sent->table_w, n * 8);
        assert_memory_equal(job->table_t, sent->table_t, n * 8);
        assert_memory_equal(job->breaks, sent->breaks, n * 8);
        struct buf document = {0};
        job_encode(job, &document);
        size_t inline_too = n <= JOB_INLINE ? 0 : 3 * n * 8;
        assert_true(document.len >= inline_too && document.len < inline_too + 8192);
        buf_fini(&document);
        same_job(job, sent);
        job_destroy(job);
        job_destroy(sent);
        free(text);
    }

    /* A little more than all lists may have together. */
    char *text = text_with_lists(JOB_LISTED_MAX / 3 + 10);
    struct job *job;
    struct err err = {0};
    assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    assert_non_null(strstr(err.text, "640000"));
    assert_string_equal(err.path, "w.breaks");
    free(text);
}

/* The worst digits: the text of the longest lists must be short enough to be read again. */
static void the_longest_lists_fit_the_text(void **state)
{
    (void)state;
    struct buf q = {0};
    buf_str(&q, "[");
    for (int i = 0; i < JOB_LISTED_MAX - 3; i++)
        buf_str(&q, i ? ",-1.2345678901234567e-300" : "-1.2345678901234567e-300");
    buf_str(&q, "]");
    struct job *job = parse_changed(GQ, buf_text(&q));
    buf_fini(&q);
    struct buf text = {0};
    job_format(job, &text);
    assert_true(text.len <= JOB_DATA_MAX);
    struct job *again = parse(buf_text(&text)), *sent = decoded(job);
    assert_memory_equal(job->q.values, again->q.values, job->q.count * 8);
    assert_memory_equal(job->q.values, sent->q.values, job->q.count * 8);
    buf_fini(&text);
    job_destroy(job);
    job_destroy(again);
    job_destroy(sent);
}

/* A document with its JSON part given. */
static int decode_text(const char *json, const double *data, uint32_t count, struct err *err)
{
    struct buf b = {0};
    uint32_t lens[2] = {(uint32_t)strlen(json), count};
    struct job *job = NULL;
    buf_add(&b, lens, sizeof lens); /* the tests run on little-endian machines */
    buf_str(&b, json);
    buf_add(&b, data, count * sizeof *data);
    int rc = job_decode(b.data, b.len, &job, err);
    buf_fini(&b);
    if (!rc)
        job_destroy(job);
    return rc;
}

static void placeholders_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *q, *says; /* NULL: accepted */
    } cases[] = {
        {"{\"data\": [0, 3]}", NULL},
        {"{\"data\": [0, 2]}", "belong to no list"},
        {"{\"data\": [0, 4]}", "does not describe"},
        {"{\"data\": [1, 2]}", "does not describe"},
        {"{\"data\": [-1, 3]}", "does not describe"},
        {"{\"data\": [0, 9007199254740992]}", "does not describe"},
        {"{\"data\": [0, 0]}", "does not describe"},
        {"{\"data\": [0, -3]}", "does not describe"},
        {"{\"data\": [0, 2.5]}", "does not describe"},
        {"{\"data\": [0]}", "does not describe"},
        {"{\"data\": \"x\"}", "does not describe"},
        {"{\"data\": [0, 3], \"from\": 1}", "does not describe"},
        {"[1, 2]", "belong to no list"},
    };
    double data[] = {1, 2, 3};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        char *json = change(base, GQ, cases[i].q, NULL, NULL);
        int rc = decode_text(json, data, 3, &err);
        if (rc != (cases[i].says ? -1 : 0) || (rc && !strstr(err.text, cases[i].says)))
            fail_msg("%s: %s", cases[i].q, err.text);
        free(json);
    }
    struct err err = {0};
    char *json = change(base, GQ, "{\"data\": [0, 3]}", NULL, NULL);
    data[1] = (double)INFINITY;
    assert_int_equal(decode_text(json, data, 3, &err), -1);
    assert_non_null(strstr(err.text, "not finite"));
    free(json);

    /* The second list may not have the first one's doubles again. */
    char *one = change(base, GQ, "{\"data\": [0, 2]}", NULL, NULL);
    char *two = change(one, GA, "{\"data\": [0, 2]}", NULL, NULL);
    data[1] = 2;
    assert_int_equal(decode_text(two, data, 2, &err), -1);
    assert_string_equal(err.path, "grid.a");
    free(one);
    free(two);

    /* Files are read by nobody but the client. */
    json = change(base, W, "{\"file\": \"/etc/hostname\"}", NULL, NULL);
    assert_int_equal(decode_text(json, data, 0, &err), -1);
    assert_non_null(strstr(err.text, "only the client reads files"));
    free(json);
}

/* Truncated anywhere, or with any byte changed: an answer, never a crash, and never a job that is
 * not a valid one. */
static void damaged_documents_do_no_harm(void **state)
{
    (void)state;
    char *text = text_with_lists(JOB_INLINE + 3);
    struct job *job = parse(text), *got;
    struct buf d = {0};
    job_encode(job, &d);
    for (size_t n = 0; n < d.len; n++) {
        unsigned char *copy = malloc(n ? n : 1);
        memcpy(copy, d.data, n);
        struct err err = {0};
        assert_int_equal(job_decode(copy, n, &got, &err), -1);
        assert_int_equal(err.code, ERR_JOB_REFUSED);
        free(copy);
    }
    static const unsigned char bytes[] = {0, '1', '"', '}', '-', 0xFF};
    int accepted = 0;
    for (size_t i = 0; i < d.len; i++)
        for (size_t k = 0; k < sizeof bytes; k++) {
            unsigned char *copy = malloc(d.len);
            memcpy(copy, d.data, d.len);
            copy[i] = bytes[k];
            if (!job_decode(copy, d.len, &got, NULL)) {
                accepted++;
                job_destroy(decoded(got));
                job_destroy(got);
            }
            free(copy);
        }
    assert_true(accepted > 0);
    static const uint32_t lens[][2] = {
        {~0u, 0}, {0, ~0u}, {JOB_JSON_MAX + 1, 0}, {0, 1u << 29}, {8, 0}};
    for (size_t i = 0; i < 5; i++) {
        memcpy(d.data, lens[i], 8);
        assert_int_equal(job_decode(d.data, d.len, &got, NULL), -1);
    }
    buf_fini(&d);
    job_destroy(job);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_calls_libm),
        cmocka_unit_test(reads_the_job),
        cmocka_unit_test(reads_what_is_allowed),
        cmocka_unit_test(a_job_without_w),
        cmocka_unit_test(examples_are_jobs),
        cmocka_unit_test(linear_is_numpys_linspace),
        cmocka_unit_test(logarithmic_is_rounded_once),
        cmocka_unit_test(text_is_canonical),
        cmocka_unit_test(formats_are_fixed_points),
        cmocka_unit_test(long_lists_travel_as_doubles),
        cmocka_unit_test(the_longest_lists_fit_the_text),
        cmocka_unit_test(placeholders_are_checked),
        cmocka_unit_test(damaged_documents_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
