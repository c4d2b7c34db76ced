/* Quantiles of times: never too short, at most an eighth too long, and forgotten after a while. */
#include "lag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

static bool near(double x, double y)
{
    return x >= y * (1 - 1e-12) && x <= y * (1 + 1e-12);
}

static void test_nothing(void **state)
{
    (void)state;
    struct lag p = {0};
    assert_true(lag_quantile(&p, 0.99) == 0 && lag_quantile(&p, 1) == 0);
}

static void test_quantiles_of_a_ramp(void **state)
{
    (void)state;
    static const double qs[] = {0.001, 0.01, 0.5, 0.9, 0.99, 0.999};
    struct lag p = {0};
    for (uint64_t us = 1; us <= 100000; us++)
        lag_add(&p, S, us * 1000, 1);
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
        double exact = qs[i] * 0.1, got = lag_quantile(&p, qs[i]);
        assert_true(got >= exact * (1 - 1e-9) && got <= exact * 1.126);
    }
    assert_true(near(lag_quantile(&p, 1), 0.1));
}

/* One turn of 10 ms in a second that was idle otherwise: whoever comes at any moment. */
static void test_weights_are_shares_of_time(void **state)
{
    (void)state;
    struct lag p = {0};
    lag_add(&p, S, 0, 990000000);
    lag_add(&p, S, 10000000, 10000000);
    assert_true(lag_quantile(&p, 0.98) == 0);
    assert_true(near(lag_quantile(&p, 0.995), 0.01));
}

static void test_small_and_huge(void **state)
{
    (void)state;
    struct lag p = {0};
    for (uint64_t ns = 0; ns < 5000; ns++) {
        struct lag one = {0};
        lag_add(&one, S, ns, 1);
        assert_true(lag_quantile(&one, 0.5) == 1e-9 * (double)ns); /* never beyond the longest */
    }
    lag_add(&p, S, UINT64_MAX / 2, 1);
    assert_true(lag_quantile(&p, 0.5) == 1e-9 * (double)(UINT64_MAX / 2));
}

static void test_what_is_long_ago_is_forgotten(void **state)
{
    (void)state;
    struct lag p = {0};
    lag_add(&p, 10 * S, S, 1);
    lag_add(&p, 71 * S, 1000, 1);
    assert_true(near(lag_quantile(&p, 1), 1)); /* the minute before */
    lag_add(&p, 132 * S, 1000, 1);
    assert_true(near(lag_quantile(&p, 1), 1e-6));
    lag_add(&p, 133 * S, S, 1);
    lag_add(&p, 900 * S, 1000, 1); /* nothing for long: that is no minute before */
    assert_true(near(lag_quantile(&p, 1), 1e-6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_quantiles_of_a_ramp),
        cmocka_unit_test(test_weights_are_shares_of_time),
        cmocka_unit_test(test_small_and_huge),
        cmocka_unit_test(test_what_is_long_ago_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
