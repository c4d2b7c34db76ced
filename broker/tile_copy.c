/* Copying stretches of planes and looking at them on the way (tile_private.h): the bytes come from
 * memory that another core has written, so that the look costs nothing beside waiting for them. */
#include "tile_private.h"

#include <stdint.h>
#include <string.h>

#define INFINITE   0x7ff0000000000000
#define INFINITE32 0x7f800000

static bool odd_values(const unsigned char *at, size_t n)
{
    uint64_t odd = 0, bits;
    for (size_t i = 0; i < n; i += sizeof bits) {
        memcpy(&bits, at + i, sizeof bits);
        odd |= ((bits & INFINITE) + (INFINITE & -INFINITE)) >> 63; /* exponents of ones carry */
    }
    return odd;
}

static bool odd_errors(const unsigned char *at, size_t n)
{
    uint32_t odd = 0, bits;
    for (size_t i = 0; i < n; i += sizeof bits) {
        memcpy(&bits, at + i, sizeof bits);
        odd |= ((bits & INT32_MAX) + (UINT32_C(1) << 31) - INFINITE32 - 1) >> 31;
    }
    return odd;
}

static bool odd_statuses(const unsigned char *at, size_t n)
{
    unsigned char odd = 0;
    for (size_t i = 0; i < n; i++)
        odd |= at[i] ^ 1;
    return odd;
}

static bool portable(unsigned char *to, const unsigned char *from, size_t n, size_t element)
{
    enum { AT_ONCE = 4096 };
    bool odd = false;
    for (size_t m; n > 0; n -= m, to += m, from += m) {
        m = n < AT_ONCE ? n : AT_ONCE;
        memcpy(to, from, m);
        odd = (element == 8   ? odd_values(to, m)
               : element == 4 ? odd_errors(to, m)
                              : odd_statuses(to, m)) ||
              odd;
    }
    return !odd;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* The processor fetches ahead by itself, but not from page to page. */
enum { BLOCK = 128, AHEAD = 1536 };

__attribute__((target("avx2"))) static bool by_avx2(unsigned char *to, const unsigned char *from,
                                                    size_t n, size_t element)
{
    const __m256i inf = _mm256_set1_epi64x(INFINITE), inf32 = _mm256_set1_epi32(INFINITE32);
    const __m256i size32 = _mm256_set1_epi32(INT32_MAX);
    __m256i odd = _mm256_setzero_si256();
    size_t at = 0;
    for (; at + BLOCK <= n; at += BLOCK) {
        _mm_prefetch((const char *)from + at + AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)from + at + AHEAD + 64, _MM_HINT_T0);
        for (size_t i = at; i < at + BLOCK; i += sizeof(__m256i)) {
            __m256i x = _mm256_loadu_si256((const void *)(from + i));
            _mm256_storeu_si256((void *)(to + i), x);
            __m256i o = element == 8 ? _mm256_cmpeq_epi64(_mm256_and_si256(x, inf), inf)
                                     : _mm256_cmpgt_epi32(_mm256_and_si256(x, size32), inf32);
            odd = _mm256_or_si256(odd, o);
        }
    }
    bool usual = portable(to + at, from + at, n - at, element);
    return usual && _mm256_testz_si256(odd, odd);
}
#endif

bool tile_copy(unsigned char *to, const unsigned char *from, size_t n, size_t element)
{
#if defined(__x86_64__)
    if (element > 1 && __builtin_cpu_supports("avx2"))
        return by_avx2(to, from, n, element);
#endif
    return portable(to, from, n, element);
}
