/* See crc32c.h. Slicing by eight in portable code, SSE 4.2 where the processor has it. Its
 * instruction has an answer after three cycles but may be begun in each: three stretches side by
 * side, joined (M. Adler, crc32c.c), take a third of the time.
 *
 * Polynomials modulo P are bit-reversed: the highest bit is x^0. A CRC followed by n zero bytes is
 * the CRC times x^(8 n). */
#include "crc32c.h"

#include <pthread.h>
#include <string.h>

#define P 0x82f63b78u

enum { STRETCHES = 2, LONG = 4096, SHORT = 256, POWERS = 67 };

static uint32_t table[8][256];
static uint32_t power[POWERS];                  /* x^(2^i) */
static uint32_t shift_table[STRETCHES][4][256]; /* by LONG, by SHORT bytes, for each byte */
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static uint32_t times_x(uint32_t a)
{
    return a & 1 ? (a >> 1) ^ P : a >> 1;
}

static uint32_t times(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1, b = times_x(b))
        product ^= a & bit ? b : 0;
    return product;
}

/* x^(8 len) */
static uint32_t zeros(uint64_t len)
{
    uint32_t x = UINT32_C(1) << 31;
    for (int i = 3; len; i++, len >>= 1)
        x = len & 1 ? times(power[i], x) : x;
    return x;
}

static void tables_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = times_x(c);
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int s = 1; s < 8; s++)
            table[s][i] = (table[s - 1][i] >> 8) ^ table[0][table[s - 1][i] & 255];
    power[0] = UINT32_C(1) << 30;
    for (int i = 1; i < POWERS; i++)
        power[i] = times(power[i - 1], power[i - 1]);
    const uint32_t by[STRETCHES] = {zeros(LONG), zeros(SHORT)};
    for (int k = 0; k < STRETCHES; k++)
        for (uint32_t i = 0; i < 4 * 256; i++)
            shift_table[k][i / 256][i % 256] = times(by[k], i % 256 << i / 256 * 8);
}

uint32_t crc32c_join(uint32_t first, uint32_t second, uint64_t len)
{
    pthread_once(&table_once, tables_make);
    return times(zeros(len), first) ^ second;
}

static uint32_t portable(uint32_t c, const unsigned char *p, size_t n)
{
    pthread_once(&table_once, tables_make);
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t lo = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                           (uint32_t)p[3] << 24);
        c = table[7][lo & 255] ^ table[6][lo >> 8 & 255] ^ table[5][lo >> 16 & 255] ^
            table[4][lo >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    }
    for (; n > 0; n--, p++)
        c = c >> 8 ^ table[0][(c ^ *p) & 255];
    return c;
}

#if defined(__x86_64__)
static uint64_t shifted(int stretch, uint64_t c)
{
    const uint32_t(*t)[256] = shift_table[stretch];
    return t[0][c & 255] ^ t[1][c >> 8 & 255] ^ t[2][c >> 16 & 255] ^ t[3][c >> 24 & 255];
}

static uint64_t word(const unsigned char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* Three stretches of `len` bytes. */
__attribute__((target("sse4.2"))) static uint64_t three(uint64_t c, int stretch, size_t len,
                                                        const unsigned char *p)
{
    uint64_t second = 0, third = 0;
    for (const unsigned char *end = p + len; p < end; p += 8) {
        c = __builtin_ia32_crc32di(c, word(p));
        second = __builtin_ia32_crc32di(second, word(p + len));
        third = __builtin_ia32_crc32di(third, word(p + 2 * len));
    }
    return shifted(stretch, shifted(stretch, c) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t hardware(uint32_t crc, const unsigned char *p,
                                                           size_t n)
{
    uint64_t c = crc;
    if (n >= 3 * SHORT) {
        pthread_once(&table_once, tables_make);
        for (; n >= 3 * LONG; n -= 3 * LONG, p += 3 * LONG)
            c = three(c, 0, LONG, p);
        for (; n >= 3 * SHORT; n -= 3 * SHORT, p += 3 * SHORT)
            c = three(c, 1, SHORT, p);
    }
    for (; n >= 8; n -= 8, p += 8)
        c = __builtin_ia32_crc32di(c, word(p));
    for (; n > 0; n--, p++)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~hardware(~crc, data, len);
#endif
    return ~portable(~crc, data, len);
}
