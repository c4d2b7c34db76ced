/* common/job: what is refused, where, why and with which advice; files of data. */
#include "job_rig.h"

/* ---- refusals ---- */

struct wrong {
    const char *find, *replace, *path, *says, *hint;
};

static const struct wrong wrongs[] = {
    /* not JSON */
    {base, "~", "", "the text is empty", ""},
    {base, "~hello", "", "a value is expected here, not 'h'", "double quotes"},
    {base, "~[1, 2]", "", "a job is an object, not a list", "\"grid\""},
    {"\"count\": 100}", "\"count\": 100, ~}", "grid.q.count", "a comma before }", "last comma"},
    {"201}},\n  \"grid\"", "201}}\n  ~\"grid\"", "z", "a comma or } is expected here",
     "comma missing"},
    {"\"to\": 4", "\"to\": ~1e999", "grid.q.to", "1e999 is out of range", "1.8e308"},
    {"\"to\": 4", "\"to\": ~NaN", "grid.q.to", "NaN is not a number", "finite"},
    {"\"to\": 4", "\"to\": ~-Infinity", "grid.q.to", "an infinity is not a number", "finite"},
    {"\"tolerance\": 1e-9\n}\n", "\"tolerance\": 1e-9\n~", "tolerance", "the text ends where",
     "missing"},
    {"\"tolerance\": 1e-9", "\"tolerance\": 1e-9,\n  ~\"tolerance\": 1e-8", "tolerance",
     "\"tolerance\" is there twice", "keep one"},
    {"\"start\": [1, 0]}", "\"start\": [1, 0], ~\"f\": \"2\"}", "y.f", "\"f\" is there twice",
     "keep one"},

    /* keys */
    {"\"tolerance\"", "~\"tolerence\"", "tolerence", "unknown key \"tolerence\"",
     "did you mean \"tolerance\"?"},
    {"\"tolerance\"", "~\"tol\"", "tol", "unknown key \"tol\"", "did you mean \"tolerance\"?"},
    {"\"tolerance\"", "~\"colour\"", "colour", "unknown key", "the keys here are name, y, w, z"},
    {"\"knots\"", "~\"knot\"", "w.knot", "unknown key \"knot\"", "did you mean \"knots\"?"},
    {"\"count\": 100", "~\"num\": 100", "grid.q.num", "unknown key", "did you mean \"count\"?"},
    {"\"is\"", "~\"IS\"", "w.IS", "unknown key \"IS\"", "did you mean \"is\"?"},
    {"\"q\": " GQ, "\"q\": " GQ ", ~\"b\": 1", "grid.b", "unknown key \"b\"",
     "the keys here are q, a"},
    {"\"w\": " W ",", "", "w", "\"w\" is missing", "add \"w\": {\"is\""},
    {"\"grid\": {\"q\": " GQ ",", "\"grid\": ~{", "grid.q", "\"q\" is missing",
     "add \"q\": {\"from\""},
    {"{\"f\": \"1 + 0.3*cos(1.7*t)\", ", "~{", "y.f", "\"f\" is missing", "add \"f\":"},
    {", \"start\": [1, 0]}", "}", "y.start", "\"start\" is missing", "add \"start\": [1, 0]"},
    {"\"name\": \"driven mode\"", "\"name\": ~7", "name",
     "\"name\" is a number, it has to be a string", "write \"name\": \"driven mode\""},
    {"\"driven mode\"", "~\"12\"", "name", "\"12\" cannot be a name", "\"job 12\""},
    {"\"driven mode\"", "~\"last\"", "name", "\"last\" cannot be a name", "letter"},
    {"\"driven mode\"", "~\"a\\u001bb\"", "name", "control character", "take it out"},
    {"\"driven mode\"", "~\"-x\"", "name", "may not begin with -", "take it out"},
    {"\"driven mode\"", "~\"1234567890123456789012345678901234567890123456789012345678901234x\"",
     "name", "65 bytes, at most 64", "shorten"},

    /* y */
    {"\"t\": [0, 20]", "\"t\": ~[0]", "y.t", "t has 1 numbers, two are needed", "\"t\": [0, 1]"},
    {"\"t\": [0, 20]", "\"t\": [20, ~0]", "y.t[1]", "ends at 0, not after its beginning 20",
     "write [0, 20]"},
    {"\"t\": [0, 20]", "\"t\": [3, ~3]", "y.t[1]", "ends at 3", "larger"},
    {"\"t\": [0, 20]", "\"t\": [0, ~\"20\"]", "y.t[1]", "this is a string, a number is needed",
     "without quotes"},
    {"\"t\": [0, 20]", "\"t\": ~20", "y.t", "\"t\" is a number, it has to be a list",
     "write \"t\": [0, 20]"},
    {"\"t\": [0, 20]", "\"t\": [0, ~11]", "y.t[1]",
     "y is solved from 0 to 11, but w is needed from 0 to 12", "write [0, 12]"},
    {"\"t\": [0, 20]", "\"t\": [~0.5, 20]", "y.t[0]", "y is solved from 0.5 to 20",
     "write [0, 20]"},
    {"\"start\": [1, 0]}", "\"start\": ~[1, 0, 0]}", "y.start", "start has 3 numbers", "\"start\""},
    {"cos(1.7*t)", "~foo(1.7*t)", "y.f", "foo", ""},
    {"cos(1.7*t)", "~coz(1.7*t)", "y.f", "coz", "did you mean cos?"},
    {"cos(1.7*t)", "cos~(1.7*t", "y.f", "never closed", "add a \")\""},
    {"1 + 0.3*cos", "\\u0031\\t+ \\u0030.3*~coz", "y.f", "coz", "did you mean cos?"},
    {"1.7*t)", "1.7*~y)", "y.f", "y", ""},

    /* w */
    {"{\"is\": \"y\", ", "~{", "w.is", "nothing says what w is", "a \"table\" or a \"file\""},
    {"\"is\": \"y\"", "\"is\": \"1\", \"file\": ~\"x\"", "w.file", "only the client reads files",
     ""},
    {"\"is\": \"y\"", "\"is\": \"1\", ~\"table\": {\"t\": [0, 1], \"w\": [0, 1]}", "w.table",
     "w has both \"is\" and \"table\"", "keep one"},
    {"\"is\": \"y\"", "\"is\": \"~zz^2\"", "w.is", "zz", ""},
    {"\"is\": \"y\"", "\"is\": ~[1]", "w.is", "\"is\" is a list", "\"is\": \"cos(2*t)\""},
    {"\"t\": [0, 12], ", "", "w.t", "\"t\" is missing", "add \"t\": [0, 12]"},
    {"\"cspline\"", "~\"cubic\"", "w.interpolation", "\"cubic\" is not known here",
     "choose one of"},
    {"\"cspline\"", "~\"csplin\"", "w.interpolation", "not known", "did you mean \"cspline\"?"},
    {W, "{\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"coupled\", ~\"knots\": 9}", "w.knots",
     "\"coupled\" has no knots", "leave"},
    {W, "{\"table\": {\"t\": [0, 12], \"w\": [0, 1]}, \"interpolation\": ~\"coupled\"}",
     "w.interpolation", "\"coupled\" is not possible", "cspline"},
    {", \"knots\": 2401", "", "w.knots", "cspline needs to know how many knots", "\"knots\": 2401"},
    {"\"cspline\"", "\"exact\"", "w.knots", "\"exact\" has no knots", "leave \"knots\" out"},
    {"2401", "~2", "w.knots", "2 knots cannot carry cspline, which needs 3", "2401"},
    {"\"cspline\", \"knots\": 2401", "\"akima\", \"knots\": ~4", "w.knots",
     "4 knots cannot carry akima, which needs 5", "2401"},
    {"\"cspline\", \"knots\": 2401", "\"linear\", \"knots\": ~1", "w.knots", "1 knots", "2401"},
    {"2401", "~2400.5", "w.knots", "has to be a whole number", "write 2400"},
    {"2401", "~1e7", "w.knots", "at most 1048576", "whole number"},
    {"2401", "2401, \"breaks\": [3, ~2]", "w.breaks[1]", "2 comes after 3", "sort"},
    {"2401", "2401, \"breaks\": [3, ~12.5]", "w.breaks[1]", "outside of w.t, [0, 12]", "leave"},
    {"2401", "2401, \"period\": ~12.5", "w.period", "the period 12.5 is longer than w.t, [0, 12]",
     "let w.t reach 12.5"},
    {"2401", "2401, \"period\": ~0", "w.period", "a period of 0 is not possible", "pi"},
    {"2401", "2401, \"period\": ~\"-pi\"", "w.period", "a period of -3.14159", "pi"},
    {"2401", "2401, \"period\": \"2*~t\"", "w.period", "t", ""},
    {"2401", "2401, \"period\": ~[2]", "w.period", "\"period\" is a list", "\"period\": \"pi\""},
    {W, "{\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"coupled\", ~\"period\": 2}",
     "w.period", "coupled", "exact"},
    {W, "{\"table\": {\"t\": [0, 5, 12], \"w\": [0, 1, 0]}, \"period\": ~13}", "w.period",
     "the period 13 is longer than w.t, [0, 12]", "let the table reach 13"},
    {base,
     WITHOUT_W("\"w\": {\"is\": \"t\", \"t\": [0, 2], ~\"period\": 1}, ", "\"ddz\": \"-w\", ",
               "z(1)"),
     "w.period", "ddz", "leave"},
    {base,
     "{\"w\": {\"is\": \"cos(2*t)\", \"period\": 3}, \"z\": {\"start\": [1, 0], \"t\": [~1, "
     "9]}, \"grid\": {\"q\": [1], \"a\": [2]}, \"output\": {\"F\": \"mu\"}}",
     "z.t[0]", "a period from the first time, 1, is not within w.t, [0, 3]", "begin at 0"},
    {base,
     "{\"w\": {\"is\": \"cos(2*t)\", \"period\": 3}, \"z\": {\"start\": [1, 0], \"t\": [0, "
     "9]}, \"grid\": {\"q\": [1], \"a\": [2]}, \"output\": {\"F\": ~\"z(3.1e9)\"}}",
     "output.F", "z(3100000000) is more than 1e+09 periods", "mu"},
    {W, "{\"table\": {\"t\": [0, 1], \"w\": ~[0, 1, 2]}}", "w.table.w",
     "w has 3 values, but t has 2", "one w for each t"},
    {W, "{\"table\": {\"t\": [0, 1, ~1, 12], \"w\": [0, 1, 2, 3]}}", "w.table.t[2]",
     "1 comes after 1", "twice"},
    {W, "{\"table\": {\"t\": [0, 5, ~1, 12], \"w\": [0, 1, 2, 3]}}", "w.table.t[2]",
     "1 comes after 5", "sort"},
    {W, "{\"table\": {\"t\": [0, ~null], \"w\": [0, 1]}}", "w.table.t[1]", "this is null",
     "numbers"},
    {W, "{\"table\": ~{\"t\": [0, 1]}}", "w.table.w", "\"w\" is missing", "add \"w\""},
    {W, "{\"table\": ~{\"t\": [0, 12], \"w\": [0, 1]}}", "w.table", "2 rows, cspline needs 3",
     "linear"},
    {W, "{\"table\": ~{\"t\": [], \"w\": []}}", "w.table", "0 rows", "give more rows"},
    {W, "{\"table\": {\"t\": [0, 5, 12], \"w\": [0, 1, 2]}, \"interpolation\": ~\"exact\"}",
     "w.interpolation", "\"exact\" is not possible", "cspline"},
    {W, "{\"table\": {\"t\": [0, 5, 12], \"w\": [0, 1, 2]}, ~\"knots\": 7}", "w.knots",
     "the times of the table are the knots", "leave"},
    {W, "{\"table\": ~{\"t\": [0, 5, 12], \"w\": [0, 1, 2]}, \"interpolation\": \"periodic\"}",
     "w.table", "periodic needs equal ends", "write 0 for both"},
    {W, "{\"table\": {\"t\": [0, 5, 12], \"w\": [0, 1, 2]}, \"t\": [0, ~13]}", "w.t[1]",
     "the table reaches from 0 to 12 only", "write [0, 12]"},
    {W, "{\"table\": {\"t\": ~{\"data\": [0, 2]}, \"w\": [0, 1]}}", "w.table.t",
     "this is an object", "["},

    /* z */
    {"[1, 0], \"t\": {", "~[1], \"t\": {", "z.start", "start has 1 values", "\"start\": [1, 0]"},
    {"[1, 0], \"t\": {", "[1, ~true], \"t\": {", "z.start[1]", "this is true or false", "sqrt"},
    {"[1, 0], \"t\": {", "[\"1/sqrt(2*~b)\", 0], \"t\": {", "z.start[0]", "b", ""},
    {"{\"start\": [1, 0], \"t\": {", "~{\"t\": {", "z.start", "\"start\" is missing",
     "add \"start\""},
    {", \"t\": " ZT, "", "z.t", "\"t\" is missing", "\"count\": 201"},
    {"\"to\": 10", "\"to\": ~12.5", "z.t.to", "the time 12.5 is after w.t, [0, 12]", "end at 12"},
    {"\"from\": 0, \"to\": 10", "\"from\": ~-1, \"to\": 10", "z.t.from",
     "the time -1 is before w.t", "begin at 0"},
    {"\"count\": 201", "\"count\": ~131073", "z.t.count", "at most 131072 are possible", "whole"},
    {"\"to\": 10", "\"to\": ~0", "z.t.to", "201 times from 0 to 0 do not increase", "later"},
    {ZT, "[0, 1, ~1]", "z.t[2]", "1 comes after 1", "twice"},
    {ZT, "[0, 1, 2, ~13, 14]", "z.t[3]", "the time 13 is after w.t, [0, 12]", "let w.t reach 13"},
    {ZT, "~[]", "z.t", "the list is empty", "from/to/count"},
    {ZT, "{\"from\": 0, \"to\": 10, \"count\": ~0}", "z.t.count",
     "count is 0, it has to be at least 1", "whole number"},
    {"201}}", "201}, \"ddz\": \"-sin(~x)\"}", "z.ddz", "x", ""},
    {"201}}", "201}, \"ddz\": \"-~y*z\"}", "z.ddz", "y", ""},
    {"201}}", "201}, \"ddz\": ~[1]}", "z.ddz", "\"ddz\" is a list", "sin(z)"},
    {"201}}", "201}, \"ddz\": \"-z\", ~\"damping\": 1}", "z.damping", "ddz takes the place of",
     "write it into ddz"},
    {"201}}", "201}, ~\"u\": 1, \"ddz\": \"-z\"}", "z.u", "ddz takes the place of",
     "leave ddz out"},
    {base, WITHOUT_W("", "\"ddz\": \"-w*z\", ", "z(1)"), "w", "ddz uses w", "add \"w\""},
    {base, WITHOUT_W("", "", "z(1)"), "w", "\"w\" is missing", "add \"w\""},
    {base, WITHOUT_W("", "\"ddz\": \"-z\", ", "z(2.5)"), "output.F", "z(2.5) is after", "0 to 2"},
    {base, WITHOUT_W("", "\"ddz\": \"-z\", ", "z1(1)"), "output.F", "z1 is a fundamental solution",
     "take z and dz"},
    {base, WITHOUT_W("\"solver\": ~\"tile\", ", "\"ddz\": \"-z\", ", "z(1)"), "solver",
     "point by point", "leave"},
    {base,
     WITHOUT_W("\"w\": {\"is\": \"t\", \"t\": [0, 2], \"interpolation\": ~\"coupled\"}, ", "",
               "z(1)"),
     "w.interpolation", "the job has no y", "leave it out"},
    {"201}}", "201}, \"damping\": \"0.1*~x\"}", "z.damping", "x", ""},
    {"201}}", "201}, \"v\": ~[1]}", "z.v", "\"v\" is a list", "\"v\": \"1\""},

    /* grid */
    {"\"count\": 100", "\"count\": ~0", "grid.q.count", "count is 0, it has to be at least 1",
     "whole number from 1 to 4194304"},
    {"\"count\": 100", "\"count\": ~-5", "grid.q.count", "count is -5", "whole number"},
    {"\"count\": 100", "\"count\": ~2.5", "grid.q.count", "2.5, it has to be a whole number",
     "write 2"},
    {"\"count\": 100", "\"count\": ~\"100\"", "grid.q.count", "\"count\" is a string",
     "write \"count\": 100"},
    {"\"count\": 100", "\"count\": ~1000000000", "grid.q.count", "at most 4194304", "whole number"},
    {GQ ",\n           \"a\": " GA, GQ ",\n \"a\": {\"from\": 0, \"to\": 1, \"count\": ~1e9}",
     "grid.a.count", "at most 4194304", "whole number"},
    {"{\"q\": " GQ ",\n           \"a\": " GA,
     "~{\"q\": {\"from\": 0, \"to\": 4, \"count\": 1000000}, "
     "\"a\": {\"from\": 0, \"to\": 1, \"count\": 1000000}",
     "grid", "1000000 x 1000000 points are too many", "fewer"},
    {GQ, "~0.3", "grid.q", "\"q\" is a number, it has to be a list or an object", "write \"q\": {"},
    {GQ, "~{\"from\": 0, \"count\": 100}", "grid.q.to", "\"to\" is missing", "\"to\": 10"},
    {GQ, "~{\"to\": 0, \"count\": 100}", "grid.q.from", "\"from\" is missing", "add \"from\""},
    {GQ, "{\"from\": -1e308, \"to\": ~1e308, \"count\": 2}", "grid.q.to", "more than a double",
     "nearer"},
    {GQ, "{\"from\": 0, \"to\": 4, \"count\": 9, \"scale\": ~\"log\"}", "grid.q.scale",
     "cannot go from 0 to 4", "positive"},
    {GQ, "{\"from\": -1, \"to\": 4, \"count\": 9, \"scale\": ~\"log\"}", "grid.q.scale",
     "cannot go from -1 to 4", "linear"},
    {GQ, "{\"from\": 1e-200, \"to\": 1e100, \"count\": 9, \"scale\": ~\"log\"}", "grid.q.scale",
     "too wide", "280"},
    {GQ, "{\"from\": 1, \"to\": 4, \"count\": 9, \"scale\": ~\"lin\"}", "grid.q.scale",
     "\"lin\" is not known", "\"linear\", \"log\""},
    {GQ, "[0, 1, ~[2]]", "grid.q[2]", "this is a list, a number is needed", "numbers"},

    /* output */
    {"\"output\": {\"F\": \"1 + z(t[157])\"}", "\"output\": ~{}", "output", "there is no output",
     "\"F\": \"z(t[200])\""},
    {"\"output\": {\"F\": \"1 + z(t[157])\"},\n  ", "", "output", "\"output\" is missing",
     "add \"output\""},
    {"{\"F\": \"1 + z(t[157])\"}", "~\"z(t[157])\"", "output",
     "\"output\" is a string, it has to be an object", "\"F\":"},
    {"\"F\"", "~\"status\"", "output.status", "may not be called \"status\"", "status_out"},
    {"\"F\"", "~\"q\"", "output.q", "may not be called \"q\"", "another name"},
    {"\"F\"", "~\"1st\"", "output.1st", "\"1st\" is not a name", "begin with a letter"},
    {"\"F\"", "~\"z/2\"", "output.z/2", "is not a name", "letters, digits and _"},
    {"\"F\"", "~\"\"", "output.", "is not a name", "begin with a letter"},
    {"\"F\"", "~\"F23456789012345678901234567890123\"", "output.F23456789012345678901234567890123",
     "is not a name", "32 at most"},
    {"t[157]", "~t[201]", "output.F", "t[201] is past the last time, t[200]", ""},
    {"t[157]", "~t[-1]", "output.F", "t[-1] is before the first time", "t[200]"},
    {"\"1 + z(t[157])\"", "~\"z(12.5)\"", "output.F", "z(12.5) is after the end of w.t, 12",
     "w.t reach 12.5"},
    {"\"1 + z(t[157])\"", "~\"1 + dz(-1)\"", "output.F", "dz(-1) is before the first time of z, 0",
     "from 0"},
    {"1 + z(t[157])", "1 + ~foo(t[157])", "output.F", "foo", ""},
    {"1 + z(t[157])", "1 + ~b", "output.F", "b", ""},
    {"1 + z(t[157])", "1 + z~(t[157]", "output.F", "never closed", "add a \")\""},
    {"1 + z(t[157])", "1 +~", "output.F", "a value is missing", ""},
    {"\"1 + z(t[157])\"", "\"~\"", "output.F", "empty", ""},
    {"\"1 + z(t[157])\"", "~null", "output.F", "\"F\" is null, it has to be an expression",
     "z(t[200])"},
    {"\"1 + z(t[157])\"", "~\"mu\"", "output.F", "belong to a period of w", "\"period\": \"pi\""},
    {"\"1 + z(t[157])\"", "~\"stable*z(1)\"", "output.F", "belong to a period of w",
     "repeats itself"},

    /* the rest */
    {"1e-9", "~0", "tolerance", "a tolerance of 0 is not possible", "1e-9 is the default"},
    {"1e-9", "~1", "tolerance", "a tolerance of 1 is not possible", "0.1"},
    {"1e-9", "~-1e-9", "tolerance", "is not possible", "default"},
    {"1e-9", "~1e-15", "tolerance", "is not possible", "default"},
    {"1e-9", "1e-9, \"solver\": ~\"fast\"", "solver", "not known", "\"auto\", \"point\", \"tile\""},
    {"1e-9", "1e-9, \"errors\": ~1", "errors", "\"errors\" is a number, it has to be true or false",
     "\"errors\": true"},
    {"1e-9", "1e-9, \"tiles\": ~[1]", "tiles", "two numbers are needed", "[8, 8]"},
    {"1e-9", "1e-9, \"tiles\": [~0, 1]", "tiles[0]", "0 blocks of 100 values of q",
     "from 1 to 100"},
    {"1e-9", "1e-9, \"tiles\": [1, ~101]", "tiles[1]", "101 blocks of 100 values of a",
     "from 1 to 100"},
    {"1e-9", "1e-9, \"tiles\": [1, ~1.5]", "tiles[1]", "1.5 blocks", "whole number"},
};

/* Whether the error is as the table says; prints it when not. */
static int differs(const struct err *err, const struct wrong *w, int line, int column)
{
    bool place = line == 0 || (err->line == line && err->column == column);
    if (err->code == ERR_JOB_REFUSED && place && strcmp(err->path, w->path) == 0 &&
        strstr(err->text, w->says) && strstr(err->hint, w->hint) && err->line > 0)
        return 0;
    print_error("%s\n  wanted %d:%d %s: %s; %s\n  got    %d:%d %s: %s; %s\n", w->replace, line,
                column, w->path, w->says, w->hint, err->line, err->column, err->path, err->text,
                err->hint);
    return 1;
}

static void wrong_jobs_are_refused(void **state)
{
    (void)state;
    size_t count = sizeof wrongs / sizeof wrongs[0];
    int bad = 0;
    assert_true(count >= 100);
    for (size_t i = 0; i < count; i++) {
        int line = 0, column = 0;
        char *text = change(base, wrongs[i].find, wrongs[i].replace, &line, &column);
        struct job *job = NULL;
        struct err err = {0};
        if (job_parse(text, strlen(text), NULL, &job, &err) == 0) {
            print_error("accepted: %s\n", wrongs[i].replace);
            job_destroy(job);
            bad++;
        } else {
            assert_null(job);
            bad += differs(&err, &wrongs[i], line, column);
        }
        assert_int_equal(job_parse(text, strlen(text), NULL, &job, NULL) == 0, 0);
        free(text);
    }
    assert_int_equal(bad, 0);
}

/* Every refusal comes with advice, unless expr.c had none to give. */
static void long_expressions_are_refused(void **state)
{
    (void)state;
    struct buf deep = {0};
    buf_str(&deep, "\"");
    for (int i = 0; i < 10000; i++)
        buf_str(&deep, "(");
    buf_str(&deep, "z(1)");
    for (int i = 0; i < 10000; i++)
        buf_str(&deep, ")");
    buf_str(&deep, "\"");
    char *text = change(base, "\"1 + z(t[157])\"", buf_text(&deep), NULL, NULL);
    struct job *job;
    struct err err = {0};
    assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
    assert_int_equal(err.code, ERR_JOB_REFUSED);
    assert_string_equal(err.path, "output.F");
    assert_int_equal(err.line, 8);
    free(text);

    buf_clear(&deep);
    buf_str(&deep, "\"");
    for (int i = 0; i < 100; i++)
        buf_str(&deep, "(");
    buf_str(&deep, "\"");
    text = change(base, "\"1 + z(t[157])\"", buf_text(&deep), NULL, NULL);
    assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
    assert_non_null(strstr(err.text, "nested too deeply"));
    free(text);

    /* Sixty outputs of two thousand characters do not fit a document's JSON. */
    buf_clear(&deep);
    for (int i = 0; i < 60; i++) {
        buf_printf(&deep, "%s\"f%d\": \"1%*s+ z(1)\"", i ? ", " : "", i, 2000, "");
    }
    text = change(base, "\"F\": \"1 + z(t[157])\"", buf_text(&deep), NULL, NULL);
    assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
    assert_non_null(strstr(err.text, "without its lists, at most 65536"));
    free(text);

    buf_clear(&deep);
    for (int i = 0; i < 65; i++)
        buf_printf(&deep, "%s\"f%d\": \"z(1)\"", i ? ", " : "", i);
    text = change(base, "\"F\": \"1 + z(t[157])\"", buf_text(&deep), NULL, NULL);
    assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
    assert_non_null(strstr(err.text, "65 outputs, at most 64"));
    free(text);
    buf_fini(&deep);
}

/* ---- w.file ---- */

static char folder[] = "/tmp/job_test.XXXXXX";

static void write_file(const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(content, 1, strlen(content), f);
    assert_int_equal(fclose(f), 0);
}

static int parse_file(const char *content, struct job **job, struct err *err, int *line,
                      int *column)
{
    if (content)
        write_file("drive.txt", content);
    char *text = change(base, W, "{\"file\": ~\"drive.txt\"}", line, column);
    int rc = job_parse(text, strlen(text), folder, job, err);
    free(text);
    return rc;
}

static void wrong_files_are_refused(void **state)
{
    (void)state;
    static const struct wrong files[] = {
        {"", NULL, "w.file", "drive.txt cannot be read: No such file", "relative to the folder"},
        {"", "", "w.file", "drive.txt: there are no numbers in it", "two columns"},
        {"", "# nothing\n\n  \n", "w.file", "there are no numbers", "two columns"},
        {"", "0 1\n2 1\n1 1\n12 1\n", "w.file", "drive.txt:3: t = 1 is not after t = 2 of line 2",
         "sort"},
        {"", "0 1\n#\n0 1\n", "w.file", "drive.txt:3: t = 0 is not after t = 0 of line 1", "once"},
        {"", "\x93NUMPY\x01 {'descr'", "w.file", "drive.txt is a .npy file", "numpy.savetxt"},
        {"", "t w\n0 1\n", "w.file", "drive.txt:1: \"t\" is not a number", "# before headings"},
        {"", "0 1\n\n1 one\n", "w.file", "drive.txt:3: \"one\" is not a number", "#"},
        {"", "0 1\n1 2x\n", "w.file", "drive.txt:2: \"2x\" is not a number", "#"},
        {"", "0 1\n1 nan\n", "w.file", "drive.txt:2: \"nan\" is not a number", "#"},
        {"", "0 1\n1 1e999\n", "w.file", "drive.txt:2: a number is out of range", "finite"},
        {"", "0 1\n1\n", "w.file", "drive.txt:2: there is one number", "t and w"},
        {"", "0 1\n1 2 3\n", "w.file", "drive.txt:2: there are more than two columns",
         "t and w only"},
        {"", "0 1\n1,,2\n1 \x1b[31m\n", "w.file", "drive.txt:3: \"?[31m\" is not", "#"},
        {"", "0 1\n12 2\n", "w.file", "2 rows, cspline needs 3", "linear"},
        {"", "0 1\n1 2\n2 1\n", "z.t.to", "the time 10 is after w.t, [0, 2]", "end at 2"},
    };
    int bad = 0;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int line = 0, column = 0;
        struct job *job;
        struct err err = {0};
        assert_int_equal(parse_file(files[i].replace, &job, &err, &line, &column), -1);
        bool elsewhere = strcmp(files[i].path, "w.file") != 0;
        bad += differs(&err, &files[i], elsewhere ? 0 : line, column);
    }
    assert_int_equal(bad, 0);

    /* Neither a folder nor a pipe nor what has no end is read. */
    static const char *const odd[] = {".", "/dev/zero", "pipe"};
    char pipe_path[64];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    for (size_t i = 0; i < 3; i++) {
        char w[64];
        struct job *job;
        struct err err = {0};
        snprintf(w, sizeof w, "{\"file\": \"%s\"}", odd[i]);
        char *text = change(base, W, w, NULL, NULL);
        assert_int_equal(job_parse(text, strlen(text), folder, &job, &err), -1);
        assert_non_null(strstr(err.text, "cannot be read"));
        free(text);
    }
    unlink(pipe_path);
}

static void files_become_tables(void **state)
{
    (void)state;
    struct job *job;
    struct err err = {0};
    int line, column;
    if (parse_file("\xEF\xBB\xBF# t w\r\n0 1\r\n\r\n 0.5,\t-.5 # kink\n+2 ; 1e-3\n12\t7", &job,
                   &err, &line, &column))
        fail_msg("%s", err.text);
    assert_int_equal(job->table_count, 4);
    assert_memory_equal(job->table_t, ((double[]){0, 0.5, 2, 12}), 32);
    assert_memory_equal(job->table_w, ((double[]){1, -0.5, 1e-3, 7}), 32);
    assert_int_equal(job->interpolation, JOB_CSPLINE);
    assert_true(job->w_from == 0 && job->w_to == 12);
    char *text = text_of(job);
    assert_non_null(
        strstr(text, "\"table\": {\"t\": [0, 0.5, 2, 12], \"w\": [1, -0.5, 0.001, 7]}"));
    job_destroy(job);
    job_destroy(parse(text)); /* needs no file any more */
    free(text);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/drive.txt", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_jobs_are_refused),
        cmocka_unit_test(long_expressions_are_refused),
        cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(files_become_tables),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
