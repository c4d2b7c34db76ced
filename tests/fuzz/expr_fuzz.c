/* Any text as an expression. Evaluation of one value and of a batch give the same bits. */
#include "fuzz.h"

#include "expr.h"
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const variables[] = {"a", "q"}, *const solutions[] = {"z", "dz"};
    static const double times[] = {0, 0.5, 1}, column[] = {0.5, -2, 3};
    const struct expr_scope scope = {variables, 2, solutions, 2, times, 3};
    if (size > 5000)
        return 0;
    char text[5001];
    memcpy(text, data, size);
    text[size] = '\0';
    struct expr *e;
    struct err err = {0};
    if (expr_compile(text, &scope, &e, &err)) {
        assert(err.code && err.text[0] && err.column >= 1);
        return 0;
    }
    size_t n = expr_input_count(e);
    const double **in = calloc(n, sizeof *in);
    double *one = calloc(n, sizeof *one), out[3];
    for (size_t i = 0; i < n; i++)
        in[i] = column;
    expr_eval_batch(e, 3, in, out);
    for (int k = 0; k < 3; k++) {
        for (size_t i = 0; i < n; i++)
            one[i] = column[k];
        double value = expr_eval(e, one);
        assert(memcmp(&value, &out[k], sizeof value) == 0 || (value != value && out[k] != out[k]));
    }
    free(in);
    free(one);
    expr_destroy(e);
    return 0;
}
