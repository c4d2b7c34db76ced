/* Any bytes as the leaves of a tile: of a job whose values are at times, or (odd first byte) of one
 * whose numbers follow from the monodromy matrix. Whatever came, what is expanded has statuses and,
 * where they say so, numbers; a tile that was refused harms none that follows, and none harms what
 * lies beside it. */
#include "fuzz.h"

#include "expander.h"
#include "point_status.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A tile of a band: LEFT columns of others before it, and as many behind. */
enum { ROWS = 12, COLUMNS = 40, LEFT = 3, STRIDE = LEFT + COLUMNS + LEFT, BAND = ROWS * STRIDE };

/* Numbers that stand for those of other tiles. */
static const double OTHER = 12345.678;
enum { OTHER_STATUS = 99 };

static double values[2][BAND];
static float errors[2][BAND];
static uint8_t status[BAND];

static const struct output_text AT_TIMES[] = {{"F", "1 + z(3)"}, {"L", "lnabs(2) + exp(q*z(3))"}};
static const struct output_text OF_PERIOD[] = {{"M", "mu + trace"}, {"S", "stable*lnabs(50)"}};

static struct expander *make(int period)
{
    static const double times[] = {0, 2, 3};
    double q[ROWS], a[COLUMNS];
    for (int i = 0; i < ROWS; i++)
        q[i] = 0.3 * i;
    for (int i = 0; i < COLUMNS; i++)
        a[i] = 0.25 * i - 2;
    struct expander_spec spec = {
        .q = q,
        .a = a,
        .q_count = ROWS,
        .a_count = COLUMNS,
        .outputs = {period ? OF_PERIOD : AT_TIMES, 2, times, 3, 4, period ? M_PI : 0},
        .start = {"1", period ? "1/a" : "0"},
        .tolerance = 1e-9,
        .errors = true,
    };
    struct expander *e = expander_create(&spec, NULL);
    assert(e);
    return e;
}

static void lay_out(void)
{
    for (size_t i = 0; i < BAND; i++) {
        values[0][i] = values[1][i] = OTHER;
        errors[0][i] = errors[1][i] = (float)OTHER;
        status[i] = OTHER_STATUS;
    }
}

static bool is_others(size_t i)
{
    return i % STRIDE < LEFT || i % STRIDE >= LEFT + COLUMNS;
}

static void check_others(void)
{
    for (size_t i = 0; i < BAND; i++) {
        if (!is_others(i))
            continue;
        assert(status[i] == OTHER_STATUS);
        for (int k = 0; k < 2; k++)
            assert(values[k][i] == OTHER && errors[k][i] == (float)OTHER);
    }
}

static void check_own(void)
{
    for (size_t i = 0; i < BAND; i++) {
        if (is_others(i))
            continue;
        assert(status[i] >= POINT_DONE && status[i] <= POINT_LIMITED);
        for (int k = 0; k < 2; k++)
            assert(status[i] == POINT_FAILED || status[i] == POINT_OVERFLOW ||
                   isfinite(values[k][i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct expander *expanders[2];
    double *const field[] = {values[0] + LEFT, values[1] + LEFT};
    float *const error[] = {errors[0] + LEFT, errors[1] + LEFT};
    const struct expander_to to = {field, error, status + LEFT, STRIDE};
    const struct leaves_block tile = {0, ROWS, 0, COLUMNS};
    struct err err = {0};
    if (size == 0)
        return 0;
    int period = data[0] & 1;
    if (expanders[period] == NULL)
        expanders[period] = make(period);
    uint8_t *own = malloc(size); /* of its own length, for those who watch memory */
    memcpy(own, data, size);
    lay_out();
    if (expander_run(expanders[period], &tile, own + 1, size - 1, &to, &err) == 0) {
        uint32_t exceptions; /* these have whatever they like: the sink judges them */
        memcpy(&exceptions, own + 1 + 8, sizeof exceptions);
        if (exceptions == 0)
            check_own();
    } else {
        assert(err.text[0]);
    }
    check_others();
    free(own);
    return 0;
}
