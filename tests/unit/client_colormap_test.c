/* Colour maps: even in lightness, apart for every kind of colour vision. */
#include "colormap.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct linear {
    double r, g, b;
};

static double from_srgb(uint8_t c)
{
    double v = c / 255.0;
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static struct linear linear_at(enum colormap map, double x)
{
    struct rgb c = colormap_at(map, x);
    return (struct linear){from_srgb(c.r), from_srgb(c.g), from_srgb(c.b)};
}

/* CIE 1976 L*. */
static double lightness(struct linear c)
{
    double y = 0.2126 * c.r + 0.7152 * c.g + 0.0722 * c.b;
    return y > 0.008856 ? 116 * cbrt(y) - 16 : 903.3 * y;
}

static double light_at(enum colormap map, double x)
{
    return lightness(linear_at(map, x));
}

static void sequential_maps_rise_evenly(void **state)
{
    (void)state;
    for (enum colormap map = COLORMAP_VIRIDIS; map <= COLORMAP_CIVIDIS; map++) {
        double first = light_at(map, 0), all = light_at(map, 1) - first;
        assert_true(all > 60);
        for (int i = 1; i <= 16; i++) {
            double even = first + all * i / 16;
            assert_true(light_at(map, i / 16.0) > light_at(map, (i - 1) / 16.0));
            assert_true(fabs(light_at(map, i / 16.0) - even) < 5);
        }
    }
}

static void the_diverging_map_is_even_on_both_sides(void **state)
{
    (void)state;
    double middle = light_at(COLORMAP_BLUES_REDS, 0.5);
    struct rgb neutral = colormap_at(COLORMAP_BLUES_REDS, 0.5);
    assert_true(middle > 94 && neutral.r == neutral.g && neutral.g == neutral.b);
    for (int i = 1; i <= 16; i++) {
        double x = i / 32.0, below = light_at(COLORMAP_BLUES_REDS, 0.5 - x);
        double above = light_at(COLORMAP_BLUES_REDS, 0.5 + x);
        assert_true(fabs(below - above) < 5);
        assert_true(below < light_at(COLORMAP_BLUES_REDS, 0.5 - x + 1 / 32.0));
        assert_true(above < light_at(COLORMAP_BLUES_REDS, 0.5 + x - 1 / 32.0));
    }
}

/* Machado, Oliveira and Fernandes 2009, severity 1: protanopia, deuteranopia, tritanopia. */
static const double VISION[3][3][3] = {
    {{0.152286, 1.052583, -0.204868},
     {0.114503, 0.786281, 0.099216},
     {-0.003882, -0.048116, 1.051998}},
    {{0.367322, 0.860646, -0.227968},
     {0.280085, 0.672501, 0.047413},
     {-0.011820, 0.042940, 0.968881}},
    {{1.255528, -0.076749, -0.178779},
     {-0.078411, 0.930809, 0.147602},
     {0.004733, 0.691367, 0.303900}},
};

static double apart(struct linear a, struct linear b, const double m[3][3])
{
    double d[3] = {a.r - b.r, a.g - b.g, a.b - b.b}, sum = 0;
    for (int i = 0; i < 3; i++) {
        double v = m[i][0] * d[0] + m[i][1] * d[1] + m[i][2] * d[2];
        sum += v * v;
    }
    return sqrt(sum);
}

static void both_signs_differ_for_every_vision(void **state)
{
    (void)state;
    for (int v = 0; v < 3; v++)
        for (double x = 0.15; x <= 0.5; x += 0.05) {
            struct linear below = linear_at(COLORMAP_BLUES_REDS, 0.5 - x);
            struct linear above = linear_at(COLORMAP_BLUES_REDS, 0.5 + x);
            assert_true(apart(below, above, VISION[v]) > 0.1);
        }
}

static void ends_and_what_is_no_number(void **state)
{
    (void)state;
    struct rgb low = colormap_at(COLORMAP_VIRIDIS, -3), high = colormap_at(COLORMAP_VIRIDIS, 7);
    assert_int_equal(low.r << 16 | low.g << 8 | low.b, 0x440154);
    assert_int_equal(high.r << 16 | high.g << 8 | high.b, 0xfde725);
    assert_int_equal(colormap_at(COLORMAP_CIVIDIS, (double)NAN).r, COLORMAP_NOT_DONE.r);
}

static void names(void **state)
{
    (void)state;
    enum colormap map;
    struct err err;
    assert_int_equal(colormap_parse("cividis", &map, NULL), 0);
    assert_int_equal(map, COLORMAP_CIVIDIS);
    assert_int_equal(colormap_parse("virdis", &map, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.hint, "did you mean viridis?");
    assert_int_equal(colormap_parse("jet", &map, &err), -1);
    assert_non_null(*err.hint ? err.hint : NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequential_maps_rise_evenly),
        cmocka_unit_test(the_diverging_map_is_even_on_both_sides),
        cmocka_unit_test(both_signs_differ_for_every_vision),
        cmocka_unit_test(ends_and_what_is_no_number),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
