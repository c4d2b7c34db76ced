/* See shortest.h. The names g, k, h, vb and round-to-odd are the paper's; the form with 128-bit
 * powers of ten is the one of A. Bolz (https://github.com/abolz/Drachennest). The powers are not a
 * table in the source: they are computed once, exactly, in some 30 microseconds. */
#include "shortest.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* --- powers of ten --------------------------------------------------------------------------- */

enum { POWER_LEAST = -292, POWER_MOST = 324, BIG_WORDS = 14 };

/* 10^n = (hi, lo) * 2^(floor(log2(10^n)) - 127), rounded up where it is not exact. */
struct power {
    uint64_t hi, lo;
};

static struct power powers[POWER_MOST - POWER_LEAST + 1];
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;

struct big {
    uint64_t words[BIG_WORDS]; /* the lowest first */
};

static void multiply_by_5(struct big *b)
{
    unsigned __int128 carry = 0;
    for (int i = 0; i < BIG_WORDS; i++) {
        carry += (unsigned __int128)b->words[i] * 5;
        b->words[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

static void divide_by_5(struct big *b)
{
    unsigned __int128 rest = 0;
    for (int i = BIG_WORDS - 1; i >= 0; i--) {
        rest = rest << 64 | b->words[i];
        b->words[i] = (uint64_t)(rest / 5);
        rest %= 5;
    }
}

/* Bits [from, from + 64) of b; below bit 0 there are zeros. */
static uint64_t word_at(const struct big *b, int from)
{
    uint64_t out = 0;
    for (int i = 0; i < BIG_WORDS; i++) {
        int shift = 64 * i - from;
        if (shift > -64 && shift < 64)
            out |= shift >= 0 ? b->words[i] << shift : b->words[i] >> -shift;
    }
    return out;
}

/* The highest 128 bits; rounded up when bits are left below or `more` says so. */
static struct power highest(const struct big *b, bool more)
{
    int top = BIG_WORDS - 1;
    while (b->words[top] == 0)
        top--;
    int from = 64 * (top + 1) - __builtin_clzll(b->words[top]) - 128;
    for (int i = 0; 64 * i < from; i++)
        more |= (64 * (i + 1) <= from ? b->words[i] : b->words[i] << (64 - (from - 64 * i))) != 0;
    struct power p = {word_at(b, from + 64), word_at(b, from)};
    p.lo += more;
    p.hi += more && p.lo == 0;
    return p;
}

/* The mantissas of 10^n and 5^n are the same. floor(floor(x / 5) / 5) = floor(x / 25), so dividing
 * again and again stays exact. */
static void powers_make(void)
{
    struct big b = {{1}};
    for (int n = 0; n <= POWER_MOST; n++, multiply_by_5(&b))
        powers[n - POWER_LEAST] = highest(&b, false);
    b = (struct big){{0}};
    b.words[BIG_WORDS - 1] = 1;
    for (int n = -1; n >= POWER_LEAST; n--) {
        divide_by_5(&b);
        powers[n - POWER_LEAST] = highest(&b, true);
    }
}

/* --- Schubfach ------------------------------------------------------------------------------- */

static int floor_log2_pow10(int n)
{
    return n * 1741647 >> 19;
}

/* floor(g * c / 2^128), its last bit set when something was cut off. */
static uint64_t round_to_odd(struct power g, uint64_t c)
{
    unsigned __int128 low = (unsigned __int128)g.lo * c, high = (unsigned __int128)g.hi * c;
    high += (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c * 2^q with the rounding interval's ends; `closer`: the lower neighbour is at half the distance.
 */
static struct shortest decimal_of(uint64_t c, int q, bool closer)
{
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
    int h = q + floor_log2_pow10(-k) + 1;
    struct power g = powers[-k - POWER_LEAST];
    uint64_t low = round_to_odd(g, (4 * c - 2 + closer) << h) + (c & 1);
    uint64_t vb = round_to_odd(g, (4 * c) << h);
    uint64_t high = round_to_odd(g, (4 * c + 2) << h) - (c & 1);
    uint64_t s = vb / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool below = low <= 40 * tens, above = 40 * tens + 40 <= high;
        if (below != above)
            return (struct shortest){tens + above, k + 1};
    }
    bool below = low <= 4 * s, above = 4 * s + 4 <= high;
    if (below != above)
        return (struct shortest){s + above, k};
    uint64_t middle = 4 * s + 2;
    return (struct shortest){s + (vb > middle || (vb == middle && (s & 1))), k};
}

struct shortest shortest_decimal(double value)
{
    enum { FRACTION = 52, BIAS = 1075 };
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << FRACTION) - 1);
    int exponent = (int)(bits >> FRACTION & 0x7ff);
    if (exponent == 0) {
        pthread_once(&powers_once, powers_make);
        return decimal_of(fraction, 1 - BIAS, false);
    }
    uint64_t c = fraction | (uint64_t)1 << FRACTION;
    int q = exponent - BIAS;
    if (q <= 0 && q > -FRACTION - 1 && (c & (((uint64_t)1 << -q) - 1)) == 0)
        return (struct shortest){c >> -q, 0}; /* an integer */
    pthread_once(&powers_once, powers_make);
    return decimal_of(c, q, fraction == 0 && exponent > 1);
}
