/* Problems with up to 160,000 radians of phase: large a, and large q, where K = u + a v + q w
 * changes its sign. Their tables show what a solver keeps of so many oscillations, and how it gets
 * through turning points and barriers. */
#include "problems.h"

static struct taylor rescaled(quad x, quad s, struct taylor y)
{
    return add(constant(x), scale(s, y));
}

/* A wave that is long compared to all oscillations; damped. */
static void fast_affine(quad t0, double middle, const struct taylor *y, struct coefficients *out)
{
    (void)middle, (void)y;
    out->w = cosine(linear(2, 0, t0));
    out->u = scale(1000, sine(linear(1, 0, t0)));
    out->v = rescaled(1, 0.25, cosine(linear(3, 0, t0)));
    out->damping = rescaled(0.125, 0.0625, sine(linear(1, 0, t0)));
}

#define COS2T(about_, a)                                                                           \
    .about = about_, .w = "{\"is\": \"cos(2*t)\", \"t\": [0, 12]}", .z = "\"start\": [1, 0]",      \
    .q1 = (a) / 10, .a0 = (a) / 2, .a1 = (a), .q_count = 21, .a_count = 51, .last = 10,            \
    .times = "[0, 10]", .last_index = 1, .coefficients = w_is_cos2t, .points = 100, .fast = 1

const struct problem fast_problems[] = {
    {.name = "fast_1e2", COS2T("w(t) = cos(2t); a to 100.", 1e2)},
    {.name = "fast_1e4", COS2T("w(t) = cos(2t); a to 1e4.", 1e4)},
    {.name = "fast_1e6", COS2T("w(t) = cos(2t); a to 1e6.", 1e6)},
    {.name = "fast_1e8", COS2T("w(t) = cos(2t); a to 1e8.", 1e8)},
    {.name = "fast_driven",
     .about = "y'' + (4 + sin 3t) y = 0, y(0)=1, y'(0)=0; w = y; a to 1e6, large q.",
     .y = "{\"f\": \"4 + sin(3*t)\", \"t\": [0, 12], \"start\": [1, 0]}",
     .w = "{\"is\": \"y\", \"t\": [0, 12]}",
     .z = "\"start\": [1, 0]",
     .q0 = -4e5,
     .q1 = 4e5,
     .q_count = 21,
     .a0 = 6e5,
     .a1 = 1e6,
     .a_count = 51,
     .last = 10,
     .times = "[0, 10]",
     .last_index = 1,
     .y_start = {1, 0},
     .f = stiff_f,
     .coefficients = w_is_y,
     .points = 100,
     .fast = 1},
    {.name = "fast_spline",
     .about = "w is the natural cubic spline through a rough table; a to 1e6.",
     .z = "\"start\": [1, 0]",
     .q0 = -1e5,
     .q1 = 1e5,
     .q_count = 21,
     .a0 = 2e5,
     .a1 = 1e6,
     .a_count = 51,
     .last = 7.6,
     .times = "[0, 7.6]",
     .last_index = 1,
     .coefficients = spline,
     .breaks = spline_breaks,
     .points = 100,
     .fast = 1},
    {.name = "fast_turn",
     .about = "w(t) = cos(2t), q up to 30 a and negative a: turning points and barriers.",
     .w = "{\"is\": \"cos(2*t)\", \"t\": [0, 12]}",
     .z = "\"start\": [1, 0]",
     .q0 = -2e5,
     .q1 = 3e5,
     .q_count = 31,
     .a0 = -1e4,
     .a1 = 5e5,
     .a_count = 61,
     .last = 3,
     .times = "[0, 3]",
     .last_index = 1,
     .coefficients = w_is_cos2t,
     .points = 200,
     .fast = 1},
    {.name = "fast_affine",
     .about = "w = cos 2t, u = 1000 sin t, v = 1 + cos(3t)/4, damping (2 + sin t)/16; a to 1e6.",
     .w = "{\"is\": \"cos(2*t)\", \"t\": [0, 12]}",
     .z = "\"start\": [1, 0], \"u\": \"1000*sin(t)\", \"v\": \"1 + cos(3*t)/4\", "
          "\"damping\": \"(2 + sin(t))/16\"",
     .q0 = -1e5,
     .q1 = 1e5,
     .q_count = 21,
     .a0 = 1e4,
     .a1 = 1e6,
     .a_count = 51,
     .last = 6,
     .times = "[0, 6]",
     .last_index = 1,
     .coefficients = fast_affine,
     .points = 100,
     .fast = 1},
};

const int fast_problem_count = sizeof fast_problems / sizeof *fast_problems;
