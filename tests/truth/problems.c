/* The problems of the tables. "driven", "mathieu" and "preheat" are the question's family; the
 * others were chosen to be unlike them: other spans, negative q, the general affine form, tables,
 * jumps, bound states, large a, long times, start values that depend on the point. */
#include "problems.h"

#include <math.h>
#include <stdio.h>

static struct taylor rescaled_sum(quad x, quad s, struct taylor y)
{
    return add(constant(x), scale(s, y));
}

/* --- the question's family --- */

static struct taylor driven_f(quad t0)
{
    return rescaled_sum(1, 0.3, cosine(linear(1.7, 0, t0)));
}

static struct taylor preheat_f(quad t0)
{
    return linear(0.05, 1, t0);
}

void w_is_y(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)t0, (void)middle;
    out->w = *y;
}

static void w_is_y2(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)t0, (void)middle;
    out->w = mul(*y, *y);
}

void w_is_cos2t(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)middle, (void)y;
    out->w = cosine(linear(2, 0, t0));
}

/* --- other y --- */

static struct taylor tilted_f(quad t0)
{
    return rescaled_sum(1.3, -0.5, sine(linear(0.9, 0, t0)));
}

static struct taylor blend_f(quad t0)
{
    return rescaled_sum(2, 1, cosine(linear(1, 0, t0)));
}

static void blend(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)t0, (void)middle;
    out->w = add(*y, scale(0.5, derivative(*y)));
}

struct taylor stiff_f(quad t0)
{
    return rescaled_sum(4, 1, sine(linear(3, 0, t0)));
}

/* --- the affine form --- */

static void affine(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)middle, (void)y;
    struct taylor c = cosine(linear(2, 0, t0));
    out->w = rescaled_sum(-0.25, 1, mul(c, mul(c, c)));
    out->u = linear(0.2, 0, t0);
    out->v = rescaled_sum(1, 0.3, cosine(linear(3, 0, t0)));
    out->damping = rescaled_sum(0.1, 0.05, sine(linear(1, 0, t0)));
}

/* --- tables --- */

enum { SPLINE_KNOTS = 33, POLYLINE_KNOTS = 34 };

static double spline_t(int i)
{
    return i * 0.25;
}

static double spline_w(int i)
{
    return (13 * i % 29 - 14) / 16.0;
}

static double polyline_t(int i)
{
    return i * 0.25 + 7 * i % 5 / 32.0;
}

static double polyline_w(int i)
{
    return (11 * i % 23 - 10) / 8.0;
}

static int knot_after(double (*knot)(int), int count, double t)
{
    int i = 1;
    while (i < count - 1 && knot(i) <= t)
        i++;
    return i;
}

static int knots_as_breaks(double (*knot)(int), int count, quad *at)
{
    for (int i = 0; i < count; i++)
        at[i] = knot(i);
    return count;
}

/* The natural cubic spline on equidistant knots: m[i] is its second derivative at knot i. */
static void spline_moments(quad *m)
{
    quad h = 0.25, diagonal[SPLINE_KNOTS], right[SPLINE_KNOTS];
    m[0] = m[SPLINE_KNOTS - 1] = 0;
    for (int i = 1; i < SPLINE_KNOTS - 1; i++) {
        diagonal[i] = 4;
        right[i] = 6 * ((quad)spline_w(i + 1) - 2 * (quad)spline_w(i) + spline_w(i - 1)) / (h * h);
        if (i > 1) {
            diagonal[i] -= 1 / diagonal[i - 1];
            right[i] -= right[i - 1] / diagonal[i - 1];
        }
    }
    for (int i = SPLINE_KNOTS - 2; i > 0; i--)
        m[i] = (right[i] - m[i + 1]) / diagonal[i];
}

void spline(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)y;
    quad m[SPLINE_KNOTS], h = 0.25;
    spline_moments(m);
    int i = knot_after(spline_t, SPLINE_KNOTS, middle) - 1;
    quad x = t0 - spline_t(i), w = spline_w(i), next = spline_w(i + 1);
    quad b = (next - w) / h - h * (2 * m[i] + m[i + 1]) / 6, c = m[i] / 2,
         d = (m[i + 1] - m[i]) / (6 * h);
    out->w = (struct taylor){
        {w + x * (b + x * (c + x * d)), b + x * (2 * c + 3 * x * d), c + 3 * x * d, d}};
}

int spline_breaks(quad *at)
{
    return knots_as_breaks(spline_t, SPLINE_KNOTS, at);
}

static void polyline(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)y;
    int i = knot_after(polyline_t, POLYLINE_KNOTS, middle) - 1;
    quad slope =
        ((quad)polyline_w(i + 1) - polyline_w(i)) / ((quad)polyline_t(i + 1) - polyline_t(i));
    out->w = linear(slope, polyline_w(i) - slope * polyline_t(i), t0);
}

static int polyline_breaks(quad *at)
{
    return knots_as_breaks(polyline_t, POLYLINE_KNOTS, at);
}

const char *problem_w(const struct problem *p)
{
    static char text[4096];
    int is_spline = p->coefficients == spline, at = 0;
    if (!is_spline && p->coefficients != polyline)
        return p->w;
    int count = is_spline ? SPLINE_KNOTS : POLYLINE_KNOTS;
    for (int row = 0; row < 2; row++) {
        double (*of)(int) =
            row == 0 ? is_spline ? spline_t : polyline_t : (is_spline ? spline_w : polyline_w);
        at += snprintf(text + at, sizeof text - (size_t)at, "%s\"%s\": [",
                       row == 0 ? "{\"table\": {" : ", ", row == 0 ? "t" : "w");
        for (int i = 0; i < count; i++)
            at +=
                snprintf(text + at, sizeof text - (size_t)at, "%s%.17g", i > 0 ? ", " : "", of(i));
        at += snprintf(text + at, sizeof text - (size_t)at, "]");
    }
    snprintf(text + at, sizeof text - (size_t)at, "}, \"interpolation\": \"%s\"}",
             is_spline ? "cspline" : "linear");
    return text;
}

/* --- jumps and kinks, decay, chirp, two frequencies --- */

/* |sin t| + (t >= 2.5) */
static void jumps(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)y;
    struct taylor s = sine(linear(1, 0, t0));
    out->w = add(scale(sin(middle) < 0 ? -1 : 1, s), constant(middle > 2.5));
}

static int jump_breaks(quad *at)
{
    at[0] = 2.5;
    at[1] = M_PIq;
    at[2] = 2 * M_PIq;
    return 3;
}

static void well(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)middle, (void)y;
    struct taylor t = linear(1, -6, t0);
    out->w = inverse(add(constant(1), mul(t, t)));
}

static void chirp(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)middle, (void)y;
    struct taylor t = linear(1, 0, t0);
    out->w = cosine(scale(0.5, mul(t, t)));
}

static void two_tones(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)middle, (void)y;
    out->w = add(cosine(linear(1, 0, t0)), scale(0.5, cosine(linear(1.618, 0, t0))));
}

static void mode_start(quad a, quad q, quad z[2])
{
    z[0] = 1 / sqrtq(2 * sqrtq(a));
    z[1] = q / 4 - sqrtq(sqrtq(a));
}

static void tilted_start(quad a, quad q, quad z[2])
{
    (void)a, (void)q;
    z[0] = 0.3;
    z[1] = -1.1;
}

#define DRIVEN_Y(to) "{\"f\": \"1 + 0.3*cos(1.7*t)\", \"t\": [0, " #to "], \"start\": [1, 0]}"
#define QUESTION                                                                                   \
    .q0 = 0, .q1 = 4, .q_count = 100, .a0 = -2, .a1 = 7, .a_count = 100, .z = "\"start\": [1, 0]", \
    .last = 157 * (10.0 / 200), .last_index = 157,                                                 \
    .times = "{\"from\": 0, \"to\": 10, \"count\": 201}", .points = 200

const struct problem problems[] = {
    {.name = "driven",
     .about = "y'' + (1 + 0.3 cos(1.7 t)) y = 0, y(0)=1, y'(0)=0; w = y.",
     .y = DRIVEN_Y(20),
     .w = "{\"is\": \"y\", \"t\": [0, 12]}",
     .y_start = {1, 0},
     .f = driven_f,
     .coefficients = w_is_y,
     QUESTION},
    {.name = "mathieu",
     .about = "w(t) = cos(2t).",
     .w = "{\"is\": \"cos(2*t)\", \"t\": [0, 12]}",
     .coefficients = w_is_cos2t,
     QUESTION},
    {.name = "preheat",
     .about = "y'' + (1 + 0.05 t) y = 0, y(0)=1, y'(0)=0; w = y^2.",
     .y = "{\"f\": \"1 + 0.05*t\", \"t\": [0, 20], \"start\": [1, 0]}",
     .w = "{\"is\": \"y^2\", \"t\": [0, 12]}",
     .y_start = {1, 0},
     .f = preheat_f,
     .coefficients = w_is_y2,
     QUESTION},
    {.name = "driven_40",
     .about = "As driven, to T = 40.",
     .y = DRIVEN_Y(50),
     .w = "{\"is\": \"y\", \"t\": [0, 45]}",
     .z = "\"start\": [1, 0]",
     .q1 = 4,
     .a0 = -2,
     .a1 = 7,
     .q_count = 100,
     .a_count = 100,
     .last = 40,
     .times = "[0, 40]",
     .last_index = 1,
     .y_start = {1, 0},
     .f = driven_f,
     .coefficients = w_is_y,
     .points = 100},
    {.name = "mathieu_long",
     .about = "w(t) = cos(2t), to T = 200.",
     .w = "{\"is\": \"cos(2*t)\", \"t\": [0, 200]}",
     .z = "\"start\": [1, 0]",
     .q1 = 4,
     .a0 = -2,
     .a1 = 7,
     .q_count = 100,
     .a_count = 100,
     .last = 200,
     .times = "[0, 200]",
     .last_index = 1,
     .coefficients = w_is_cos2t,
     .points = 100},
    {.name = "tilted",
     .about = "y'' + (1.3 - 0.5 sin(0.9 t)) y = 0, y(-1)=0.4, y'(-1)=-0.7; w = y.",
     .y = "{\"f\": \"1.3 - 0.5*sin(0.9*t)\", \"t\": [-1, 9], \"start\": [0.4, -0.7]}",
     .w = "{\"is\": \"y\", \"t\": [-1, 8.5]}",
     .z = "\"start\": [0.3, -1.1]",
     .q0 = -3,
     .q1 = 1.5,
     .q_count = 67,
     .a0 = -1.5,
     .a1 = 9,
     .a_count = 83,
     .from = -0.5,
     .last = 7.25,
     .times = "[-0.5, 7.25]",
     .last_index = 1,
     .y_from = -1,
     .y_start = {0.4, -0.7},
     .f = tilted_f,
     .coefficients = w_is_y,
     .start = tilted_start,
     .points = 100},
    {.name = "blend",
     .about = "y'' + (2 + cos t) y = 0, y(0)=0.25, y'(0)=1; w = y + y'/2; negative q.",
     .y = "{\"f\": \"2 + cos(t)\", \"t\": [0, 12], \"start\": [0.25, 1]}",
     .w = "{\"is\": \"y + dy/2\", \"t\": [0, 10]}",
     .z = "\"start\": [1, 0]",
     .q0 = -4,
     .q1 = -0.25,
     .q_count = 50,
     .a0 = -2,
     .a1 = 7,
     .a_count = 100,
     .last = 9.3,
     .times = "[0, 9.3]",
     .last_index = 1,
     .y_start = {0.25, 1},
     .f = blend_f,
     .coefficients = blend,
     .points = 100},
    {.name = "high",
     .about = "y'' + (4 + sin 3t) y = 0, y(0)=1, y'(0)=0; w = y; a to 2000.",
     .y = "{\"f\": \"4 + sin(3*t)\", \"t\": [0, 12], \"start\": [1, 0]}",
     .w = "{\"is\": \"y\", \"t\": [0, 12]}",
     .z = "\"start\": [1, 0]",
     .q0 = 0,
     .q1 = 50,
     .q_count = 31,
     .a0 = 0,
     .a1 = 2000,
     .a_count = 101,
     .last = 10,
     .times = "[0, 10]",
     .last_index = 1,
     .y_start = {1, 0},
     .f = stiff_f,
     .coefficients = w_is_y,
     .points = 100},
    {.name = "affine",
     .about = "w = cos(2t)^3 - 0.25, u = 0.2 t, v = 1 + 0.3 cos(3t), damping 0.1 + 0.05 sin t.",
     .w = "{\"is\": \"cos(2*t)^3 - 0.25\", \"t\": [0, 20]}",
     .z = "\"start\": [1, 0], \"u\": \"0.2*t\", \"v\": \"1 + 0.3*cos(3*t)\", "
          "\"damping\": \"0.1 + 0.05*sin(t)\"",
     .q0 = -2,
     .q1 = 5,
     .q_count = 40,
     .a0 = -1,
     .a1 = 12,
     .a_count = 90,
     .last = 19,
     .times = "[0, 19]",
     .last_index = 1,
     .coefficients = affine,
     .points = 100},
    {.name = "spline",
     .about = "w is the natural cubic spline through a rough table.",
     .z = "\"start\": [1, 0]",
     .q0 = -5,
     .q1 = 5,
     .q_count = 61,
     .a0 = -2,
     .a1 = 10,
     .a_count = 61,
     .last = 7.6,
     .times = "[0, 7.6]",
     .last_index = 1,
     .coefficients = spline,
     .breaks = spline_breaks,
     .points = 100},
    {.name = "polyline",
     .about = "w is a polyline through a table of uneven times.",
     .z = "\"start\": [1, 0]",
     .q0 = -5,
     .q1 = 5,
     .q_count = 61,
     .a0 = -2,
     .a1 = 10,
     .a_count = 61,
     .last = 7.9,
     .times = "[0, 7.9]",
     .last_index = 1,
     .coefficients = polyline,
     .breaks = polyline_breaks,
     .points = 100},
    {.name = "jumps",
     .about = "w = |sin t|, and 1 more from t = 2.5 on.",
     .w = "{\"is\": \"abs(sin(t)) + step(t - 2.5)\", \"t\": [0, 8], "
          "\"breaks\": [2.5, 3.1415926535897931, 6.2831853071795862]}",
     .z = "\"start\": [1, 0]",
     .q0 = -4,
     .q1 = 8,
     .q_count = 51,
     .a0 = -6,
     .a1 = 6,
     .a_count = 71,
     .last = 7.7,
     .times = "[0, 7.7]",
     .last_index = 1,
     .coefficients = jumps,
     .breaks = jump_breaks,
     .points = 100},
    {.name = "well",
     .about = "w = 1 / (1 + (t - 6)^2): a well that binds; a from -1.",
     .w = "{\"is\": \"1/(1 + (t - 6)^2)\", \"t\": [0, 12]}",
     .z = "\"start\": [1, 0]",
     .q0 = -6,
     .q1 = 12,
     .q_count = 73,
     .a0 = -1,
     .a1 = 3,
     .a_count = 60,
     .last = 12,
     .times = "[0, 12]",
     .last_index = 1,
     .coefficients = well,
     .points = 100},
    {.name = "chirp",
     .about = "w = cos(t^2/2).",
     .w = "{\"is\": \"cos(t^2/2)\", \"t\": [0, 11]}",
     .z = "\"start\": [1, 0]",
     .q0 = 0,
     .q1 = 60,
     .q_count = 41,
     .a0 = 0,
     .a1 = 100,
     .a_count = 101,
     .last = 10.5,
     .times = "[0, 10.5]",
     .last_index = 1,
     .coefficients = chirp,
     .points = 100},
    {.name = "mode",
     .about = "w = cos t + 0.5 cos(1.618 t); z(0) = 1/sqrt(2 sqrt(a)), z'(0) = q/4 - a^(1/4).",
     .w = "{\"is\": \"cos(t) + 0.5*cos(1.618*t)\", \"t\": [0, 25]}",
     .z = "\"start\": [\"1/sqrt(2*sqrt(a))\", \"q/4 - sqrt(sqrt(a))\"]",
     .q0 = -2,
     .q1 = 6,
     .q_count = 45,
     .a0 = 0.5,
     .a1 = 30,
     .a_count = 77,
     .last = 25,
     .times = "[0, 25]",
     .last_index = 1,
     .coefficients = two_tones,
     .start = mode_start,
     .points = 100},
};

const int problem_count = sizeof problems / sizeof *problems;
