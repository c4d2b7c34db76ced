/* common/job: what is refused, where, why and with which advice; what is read; that the canonical
 * text and the document say the same as the job; the tiles. */
#include "job.h"

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

/* The job of the README: what the tests below change. */
static const char base[] =
    "{\n"
    "  \"name\": \"driven mode\",\n"
    "  \"y\": {\"f\": \"1 + 0.3*cos(1.7*t)\", \"t\": [0, 20], \"start\": [1, 0]},\n"
    "  \"w\": {\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"cspline\", "
    "\"knots\": 2401},\n"
    "  \"z\": {\"start\": [1, 0], \"t\": {\"from\": 0, \"to\": 10, \"count\": 201}},\n"
    "  \"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": 100},\n"
    "           \"a\": {\"from\": -2, \"to\": 7, \"count\": 100}},\n"
    "  \"output\": {\"F\": \"1 + z(t[157])\"},\n"
    "  \"tolerance\": 1e-9\n"
    "}\n";

#define W "{\"is\": \"y\", \"t\": [0, 12], \"interpolation\": \"cspline\", \"knots\": 2401}"
/* A job on t = 0, 1, 2 with other keys, other keys of z, and an output. */
#define WITHOUT_W(keys, of_z, output)                                                              \
    "{" keys "\"z\": {" of_z "\"start\": [1, 0], \"t\": [0, 1, 2]}, "                              \
    "\"grid\": {\"q\": [1], \"a\": [2]}, \"output\": {\"F\": \"" output "\"}}"
#define ZT "{\"from\": 0, \"to\": 10, \"count\": 201}"
#define GQ "{\"from\": 0, \"to\": 4, \"count\": 100}"
#define GA "{\"from\": -2, \"to\": 7, \"count\": 100}"

/* base with the first `find` replaced; returns owned. A ~ marks a place: it is taken out, and *line
 * and *column tell where it was. */
static char *change(const char *text, const char *find, const char *replace, int *line, int *column)
{
    const char *at = strstr(text, find);
    if (!at)
        fail_msg("not in the base job: %s", find);
    struct buf b = {0};
    buf_add(&b, text, (size_t)(at - text));
    buf_str(&b, replace);
    buf_str(&b, at + strlen(find));
    char *out = mem_strdup(buf_text(&b)), *mark = strchr(out, '~');
    buf_fini(&b);
    if (!mark)
        return out;
    memmove(mark, mark + 1, strlen(mark));
    *line = *column = 1;
    for (const char *p = out; p < mark; p++) {
        *column = *p == '\n' ? 1 : *column + ((*p & 0xC0) != 0x80);
        *line += *p == '\n';
    }
    return out;
}

static struct job *parse(const char *text)
{
    struct job *job;
    struct err err = {0};
    if (job_parse(text, strlen(text), NULL, &job, &err))
        fail_msg("%s\n%d:%d %s: %s; %s", text, err.line, err.column, err.path, err.text, err.hint);
    return job;
}

static struct job *parse_changed(const char *find, const char *replace)
{
    char *text = change(base, find, replace, NULL, NULL);
    struct job *job = parse(text);
    free(text);
    return job;
}

static char *text_of(const struct job *job)
{
    struct buf b = {0};
    job_format(job, &b);
    char *text = mem_strdup(buf_text(&b));
    buf_fini(&b);
    return text;
}

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

static uint64_t hash(const double *x, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], 8);
        h = (h ^ bits) * 0x100000001b3u;
    }
    return h;
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

/* ---- tiles ---- */

/* Every point is in exactly one tile, numbered in band order, none is too large. */
static void check_partition(const struct job *job)
{
    uint64_t points = 0;
    size_t bytes = job->output_count * (job->errors ? 12 : 8) + 1;
    struct job_tile last = {0};
    for (uint32_t i = 0; i < job_tile_count(job); i++) {
        struct job_tile t = job_tile(job, i);
        assert_true(t.q0 < t.q1 && t.q1 <= job->q.count && t.a0 < t.a1 && t.a1 <= job->a.count);
        assert_true(t.q1 - t.q0 <= JOB_TILE_ROWS_MAX && t.a1 - t.a0 <= JOB_TILE_COLUMNS_MAX);
        assert_true(job_tile_points(job, i) <= JOB_TILE_POINTS_MAX);
        assert_true(job_tile_points(job, i) * bytes <= JOB_TILE_BYTES);
        if (i > 0 && last.a1 < job->a.count)
            assert_true(t.q0 == last.q0 && t.a0 == last.a1);
        else
            assert_true(t.a0 == 0 && t.q0 == (i ? last.q1 : 0));
        points += job_tile_points(job, i);
        last = t;
    }
    assert_true(last.q1 == job->q.count && last.a1 == job->a.count);
    assert_true(points == job_points(job));
}

static struct buf grid_text(size_t q, size_t a, const char *more)
{
    struct buf b = {0};
    buf_printf(&b,
               "{\"w\": {\"is\": \"cos(2*t)\", \"t\": [0, 100000]}, \"z\": {\"start\": [1, 0], "
               "\"t\": [0]},"
               "\"grid\": {\"q\": {\"from\": 0, \"to\": 4, \"count\": %zu},"
               "\"a\": {\"from\": -2, \"to\": 7, \"count\": %zu}}, %s}",
               q, a, more);
    return b;
}

static struct job *parse_grid(size_t q, size_t a, const char *more)
{
    struct buf b = grid_text(q, a, more);
    struct job *job = parse(buf_text(&b));
    buf_fini(&b);
    return job;
}

static struct job *lean_grid(size_t q, size_t a, const char *more)
{
    struct buf b = grid_text(q, a, more), document = {0};
    uint32_t head[2] = {(uint32_t)b.len, 0};
    struct job *job;
    buf_add(&document, head, sizeof head);
    buf_add(&document, b.data, b.len);
    assert_int_equal(job_decode_lean(document.data, document.len, &job, NULL), 0);
    buf_fini(&b);
    buf_fini(&document);
    return job;
}

static void tiles_partition_the_grid(void **state)
{
    (void)state;
    static const char *const more[] = {
        "\"output\": {\"F\": \"z(7.85)\"}",
        "\"output\": {\"F\": \"z(7.85)\"}, \"errors\": false",
        "\"output\": {\"F\": \"z(40)\"}, \"tolerance\": 1e-14",
        "\"output\": {\"F\": \"z(1e5)\"}",
        "\"output\": {\"F\": \"z(1e4)\"}, \"solver\": \"point\"",
        "\"output\": {\"F\": \"z(1)\", \"G\": \"z(2)\", \"H\": \"z(3)\", \"I\": \"dz(3)\"}",
    };
    static const size_t sides[] = {1, 2, 31, 100, 511, 512, 513, 1000, 1025};
    for (size_t m = 0; m < sizeof more / sizeof more[0]; m++)
        for (size_t i = 0; i < 9; i++)
            for (size_t k = 0; k < 9; k++) {
                struct job *job = parse_grid(sides[i], sides[k], more[m]);
                check_partition(job);
                double ns = job_point_cost_ns(job), work = ns * (double)job_points(job);
                uint32_t tiles = job_tile_count(job);
                for (uint32_t t = 0; t < tiles; t++)
                    assert_true((double)job_tile_points(job, t) * ns <= 250e6 ||
                                job_tile_points(job, t) == 1);
                if (work < 5e6 && job_points(job) <= 512)
                    assert_int_equal(tiles, 1);
                /* Shared by 64, but tiles that are solved as a whole are not cut below 256 x 256.
                 */
                if (work >= 64 * 5e6 && job_points(job) >= 64 && job->solver == JOB_POINT)
                    assert_true(tiles >= 64);
                struct job_tile first = job_tile(job, 0);
                if (work >= 64 * 5e6 && tiles < 64 && job->solver != JOB_POINT)
                    assert_true(first.q1 * first.a1 <= 256 * 256);
                job_destroy(job);
            }
}

/* Tiles of a wide grid lie in bands that are there at once; those of all others are square. */
static void bands_of_wide_grids_are_flat(void **state)
{
    (void)state;
    static const struct {
        size_t a, rows, columns;
    } grids[] = {{500, 512, 512},   {1000, 512, 512},  {2000, 322, 814},
                 {4000, 161, 1628}, {10000, 64, 4096}, {40000, 32, 8192}};
    for (size_t i = 0; i < sizeof grids / sizeof grids[0]; i++) {
        struct job *job = parse_grid(40000, grids[i].a, "\"output\": {\"F\": \"z(1)\"}");
        assert_int_equal(job->q_blocks, (40000 + grids[i].rows - 1) / grids[i].rows);
        assert_int_equal(job->a_blocks, (grids[i].a + grids[i].columns - 1) / grids[i].columns);
        if (grids[i].a <= 10000) /* beyond that a band is longer, not flatter */
            assert_true(job_tile(job, 0).q1 * grids[i].a * 13 < 9u << 20);
        check_partition(job);
        job_destroy(job);
    }
}

static void large_grids_have_few_tiles(void **state)
{
    (void)state;
    struct job *job =
        parse_grid(JOB_AXIS_MAX, 23841, "\"output\": {\"F\": \"z(1)\"}, \"errors\": false");
    assert_true(job_tile_count(job) <= JOB_TILES_MAX);
    assert_int_equal(job_points(job), (uint64_t)JOB_AXIS_MAX * 23841);
    struct job_tile last = job_tile(job, job_tile_count(job) - 1);
    assert_true(last.q1 == JOB_AXIS_MAX && last.a1 == 23841);
    job_destroy(job);
    job = parse_grid(JOB_AXIS_MAX, 1000, "\"output\": {\"F\": \"z(1e5)\"}");
    assert_true(job_tile_count(job) <= JOB_TILES_MAX);
    job_destroy(job);
}

/* The partition is written down, and what is written is taken. */
static void tiles_can_be_given(void **state)
{
    (void)state;
    struct job *job = parse_grid(1000, 700, "\"output\": {\"F\": \"z(1)\"}, \"tiles\": [3, 2]");
    assert_int_equal(job->q_blocks, 3);
    assert_int_equal(job->a_blocks, 2);
    check_partition(job);
    struct job_tile t = job_tile(job, 3);
    assert_true(t.q0 == 333 && t.q1 == 666 && t.a0 == 350 && t.a1 == 700);
    job_destroy(job);

    static const char *const wrong[] = {"[1, 2]", "[3, 0]", "[1001, 2]", "[2, 1]"};
    for (size_t i = 0; i < 4; i++) {
        char text[512];
        struct err err = {0};
        snprintf(
            text, sizeof text,
            "{\"w\": {\"is\": \"1\", \"t\": [0, 1]}, \"z\": {\"start\": [1, 0], \"t\": [0]}, "
            "\"grid\": "
            "{\"q\": {\"from\": 0, \"to\": 1, \"count\": 1000}, \"a\": {\"from\": 0, \"to\": 1, "
            "\"count\": 700}}, \"output\": {\"F\": \"z(1)\"}, \"tiles\": %s}",
            wrong[i]);
        assert_int_equal(job_parse(text, strlen(text), NULL, &job, &err), -1);
        if (i < 3)
            assert_memory_equal(err.path, "tiles[", 6);
        else
            assert_non_null(strstr(err.text, "tiles of 350000 points, at most 262144"));
    }

    /* Two outputs with their errors: 512 x 512 points of 25 bytes are more than a lease carries. */
    char *text = change(base, "1e-9", "1e-9, \"tiles\": ~[1, 1]", &(int){0}, &(int){0});
    char *more =
        change(text, "\"F\": \"1 + z(t[157])\"", "\"F\": \"z(1)\", \"G\": \"dz(1)\"", NULL, NULL);
    char *q = change(more, GQ, "{\"from\": 0, \"to\": 1, \"count\": 512}", NULL, NULL);
    char *a = change(q, GA, "{\"from\": 0, \"to\": 1, \"count\": 512}", NULL, NULL);
    struct err err = {0};
    assert_int_equal(job_parse(a, strlen(a), NULL, &job, &err), -1);
    assert_string_equal(err.path, "tiles");
    assert_non_null(strstr(err.text, "more than 4 MiB"));
    free(text);
    free(more);
    free(q);
    free(a);
}

/* Cutting takes large steps where many blocks make no difference. The hash is that of cutting one
 * block after the other. */
static void cuts_are_those_of_single_steps(void **state)
{
    (void)state;
    static const char *const times[] = {"1e-3", "1", "30", "1000", "99999"};
    static const char *const solvers[] = {"auto", "point"};
    static const size_t sides[] = {1, 3, 64, 65, 257, 1000, 1023, 4099, 23841, 100003, 4194304};
    double cuts[2 * 11 * 11 * 5 * 2];
    size_t n = 0;
    for (size_t k = 0; k < 11 * 11 * 5 * 2; k++) {
        size_t q = sides[k / 10 % 11], a = sides[k / 110];
        char more[128];
        if ((uint64_t)q * a > JOB_POINTS_MAX)
            continue;
        snprintf(more, sizeof more, "\"output\": {\"F\": \"z(%s)\"}, \"solver\": \"%s\"",
                 times[k % 5], solvers[k / 5 % 2]);
        struct job *job = lean_grid(q, a, more);
        cuts[n++] = job->q_blocks;
        cuts[n++] = job->a_blocks;
        job_destroy(job);
    }
    assert_true(hash(cuts, n) == 0x6637e95ec2689985);
}

/* All that is known of a job but the values of its ranges, which can be asked for. */
static void lean_jobs_say_the_same(void **state)
{
    (void)state;
    static const char *const axes[] = {
        "[1, 2, 3]", "{\"from\": 1, \"count\": 1}", "{\"from\": -7, \"to\": 3, \"count\": 5000}",
        "{\"from\": 1, \"to\": 9, \"count\": 70, \"scale\": \"log\"}"};
    for (size_t i = 0; i < 16; i++) {
        char *text = change(base, GQ, axes[i % 4], NULL, NULL);
        char *both = change(text, GA, axes[i / 4], NULL, NULL);
        struct job *job = parse(both), *lean = NULL;
        struct buf document = {0}, again = {0};
        job_encode(job, &document);
        assert_int_equal(job_decode_lean(document.data, document.len, &lean, NULL), 0);
        job_encode(lean, &again);
        assert_true(again.len == document.len);
        assert_memory_equal(again.data, document.data, document.len);
        assert_true(job_point_cost_ns(lean) == job_point_cost_ns(job));
        assert_int_equal(job_tile_count(lean), job_tile_count(job));
        assert_true((lean->q.values != NULL) == lean->q.listed && !lean->times.values);
        double *q = malloc(lean->q.count * sizeof *q);
        job_values_write(&lean->q, q);
        assert_memory_equal(q, job->q.values, job->q.count * sizeof *q);
        free(q);
        buf_fini(&document);
        buf_fini(&again);
        job_destroy(job);
        job_destroy(lean);
        free(both);
        free(text);
    }
}

static void expensive_points_make_small_tiles(void **state)
{
    (void)state;
    struct job *cheap = parse_grid(2000, 2000, "\"output\": {\"F\": \"z(1)\"}");
    struct job *dear = parse_grid(2000, 2000, "\"output\": {\"F\": \"z(1000)\"}");
    assert_true(job_point_cost_ns(dear) > 20 * job_point_cost_ns(cheap));
    assert_true(job_tile_count(dear) > 4 * job_tile_count(cheap));
    job_destroy(cheap);
    job_destroy(dear);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_jobs_are_refused),
        cmocka_unit_test(long_expressions_are_refused),
        cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(files_become_tables),
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
        cmocka_unit_test(tiles_partition_the_grid),
        cmocka_unit_test(bands_of_wide_grids_are_flat),
        cmocka_unit_test(large_grids_have_few_tiles),
        cmocka_unit_test(tiles_can_be_given),
        cmocka_unit_test(cuts_are_those_of_single_steps),
        cmocka_unit_test(lean_jobs_say_the_same),
        cmocka_unit_test(expensive_points_make_small_tiles),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
