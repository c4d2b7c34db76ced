/* Headers as NumPy's format description has them. */
#include "npy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *dtype, unsigned dimensions, const uint64_t *shape, const char *dict)
{
    char header[NPY_HEADER];
    npy_header(header, dtype, dimensions, shape);
    assert_memory_equal(header, "\x93NUMPY\x01\x00", 8);
    unsigned len = (unsigned char)header[8] + 256u * (unsigned char)header[9];
    assert_int_equal(10 + len, NPY_HEADER); /* a multiple of 64, as the format asks */
    assert_memory_equal(header + 10, dict, strlen(dict));
    for (size_t i = 10 + strlen(dict); i < NPY_HEADER - 1; i++)
        assert_int_equal(header[i], ' ');
    assert_int_equal(header[NPY_HEADER - 1], '\n');
}

static void test_headers(void **state)
{
    (void)state;
    const uint64_t small[] = {3, 4}, large[] = {UINT64_MAX, UINT64_MAX};
    check("<f8", 2, small, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }");
    check("<f4", 1, small, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
    check("|u1", 2, large,
          "{'descr': '|u1', 'fortran_order': False, "
          "'shape': (18446744073709551615, 18446744073709551615), }");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
