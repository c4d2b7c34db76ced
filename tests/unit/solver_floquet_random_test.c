/* Random charts with a period, coarsely and with every digit there is: what both say of mu, trace,
 * nu, stable and late solutions differs by no more than both state. FLOQUET_SEEDS=3000 tries more
 * (some seconds for a thousand); a failure says its seed, and FLOQUET_SEED=17 repeats one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "solver_job.h"

static const struct drive_kind {
    const char *w, *damping, *u, *v;
    double period;
    size_t breaks;
    double at[3];
} kinds[] = {
    {.w = "cos(2*t)", .period = M_PI},
    {.w = "-2*cos(2*t)", .period = M_PI},
    {.w = "cos(2*t) + 0.3*sin(4*t + 1)", .period = M_PI},
    {.w = "cos(2*t)", .damping = "0.1 + 0.05*cos(2*t)", .period = M_PI},
    {.w = "sin(2*t)", .damping = "0.3*sin(2*t)", .period = M_PI},
    {.w = "cos(2*t)", .damping = "-0.02", .period = M_PI},
    {.w = "sign(t - 1)", .period = 2, .breaks = 3, .at = {0, 1, 2}},
    {.w = "t", .period = 1, .breaks = 2, .at = {0, 1}},
    {.w = "exp(sin(2*pi*t))", .u = "0.5*cos(2*pi*t)", .v = "1 + 0.2*cos(2*pi*t)", .period = 1},
    {.w = "0", .u = "cos(t)", .period = 2 * M_PI},
    {.w = "cos(t)^8", .period = M_PI},
};

/* Numbers of one seed (Numerical Recipes' 64-bit linear congruence). */
static double draw(uint64_t *seed, double from, double to)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return from + (to - from) * ((double)(*seed >> 11) * 0x1p-53);
}

/* What a seed stands for. */
struct chart {
    const struct drive_kind *kind;
    size_t side, outputs;
    double q0, q1, a0, a1, tolerance, times[2];
    enum sweep_method method;
    char text[3][64];
};

static void make_chart(struct chart *c, uint64_t seed)
{
    draw(&seed, 0, 1);
    c->kind = &kinds[(size_t)draw(&seed, 0, sizeof kinds / sizeof *kinds)];
    double period = c->kind->period, periods = pow(10, draw(&seed, 0, 3.5));
    c->side = (size_t)draw(&seed, 20, 60);
    c->q0 = draw(&seed, -10, 5);
    c->q1 = c->q0 + draw(&seed, 0, 15);
    c->a0 = draw(&seed, -8, 20);
    c->a1 = c->a0 + draw(&seed, 0.01, 20);
    c->tolerance = pow(10, -draw(&seed, 3, 11));
    c->method = draw(&seed, 0, 1) < 0.5 ? SWEEP_TILE : SWEEP_AUTO;
    c->outputs = draw(&seed, 0, 1) < 0.7 ? 6 : 7;
    c->times[0] = 0;
    c->times[1] = period;
    snprintf(c->text[0], sizeof c->text[0], "z(%.17g)", period * (1 + periods));
    snprintf(c->text[1], sizeof c->text[1], "lnabs(%.17g)", period * (1 + floor(periods)));
    snprintf(c->text[2], sizeof c->text[2], "dz2(%.17g)", period * draw(&seed, 1, 6));
}

static void solve_chart(const struct chart *c, int exactly, struct solver_job *j)
{
    const char *const texts[] = {"stable", "mu", "trace", c->text[0], c->text[1], c->text[2], "nu"};
    job_init(j, c->q0, c->q1, c->side, c->a0, c->a1, c->side);
    j->spec.w = c->kind->w;
    j->spec.damping = c->kind->damping;
    j->spec.u = c->kind->u;
    j->spec.v = c->kind->v;
    j->spec.w_to = j->spec.period = c->kind->period;
    j->spec.breaks = c->kind->at;
    j->spec.break_count = c->kind->breaks;
    j->spec.z_start[1] = "0.3*a";
    j->spec.times = c->times;
    j->spec.time_count = 2;
    j->spec.tolerance = exactly ? 1e-13 : c->tolerance;
    j->spec.method = exactly ? SWEEP_POINT : c->method;
    for (size_t k = 0; k < c->outputs; k++)
        j->outputs[k] = (struct output_text){"x", texts[k]};
    j->spec.output_count = c->outputs;
    job_run(j);
}

static void check_seed(uint64_t seed)
{
    struct chart c;
    struct solver_job rough, exact;
    make_chart(&c, seed);
    solve_chart(&c, 0, &rough);
    solve_chart(&c, 1, &exact);
    for (size_t i = 0; i < c.side * c.side; i++) {
        if (rough.field[0][i] * exact.field[0][i] < 0)
            fail_msg("stable is %g and %g at q %.17g a %.17g", rough.field[0][i], exact.field[0][i],
                     rough.q[i / c.side], rough.a[i % c.side]);
        for (size_t k = 1; k < c.outputs; k++)
            job_check_apart(&rough, &exact, k, i);
    }
    job_fini(&rough);
    job_fini(&exact);
}

static uint64_t seed_at_hand; /* 0: none */

static int say_seed(void **state)
{
    (void)state;
    if (seed_at_hand != 0)
        print_error("FLOQUET_SEED=%llu\n", (unsigned long long)seed_at_hand);
    return 0;
}

static void test_charts(void **state)
{
    const char *one = getenv("FLOQUET_SEED"), *many = getenv("FLOQUET_SEEDS");
    uint64_t from = one != NULL ? strtoull(one, NULL, 10) : 1;
    uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : 60;
    (void)state;
    for (uint64_t seed = from; seed < from + count; seed++) {
        seed_at_hand = seed;
        check_seed(seed);
    }
    seed_at_hand = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_charts, say_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
