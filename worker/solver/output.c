/* What the outputs ask of the solution: which vectors, at which times. Everything is numbered once,
 * so that a time that three outputs use is solved and judged once. */
#include "sweep_private.h"

#include "buf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of their names in the scope below. */
static const struct {
    enum vector_kind vector;
    int row, is_log;
} kinds[] = {
    {VECTOR_START, 0, 0}, {VECTOR_START, 1, 0}, {VECTOR_ONE, 0, 0},   {VECTOR_ONE, 1, 0},
    {VECTOR_TWO, 0, 0},   {VECTOR_TWO, 1, 0},   {VECTOR_START, 0, 1},
};
static const char *const solutions[] = {"z", "dz", "z1", "dz1", "z2", "dz2", "lnabs"};
static const char *const variables[] = {"a", "q"};

static int compile(struct output *o, const struct sweep_output *text, const struct sweep_spec *spec,
                   struct err *err)
{
    struct expr_scope scope = {.variables = variables,
                               .variable_count = 2,
                               .solutions = solutions,
                               .solution_count = sizeof solutions / sizeof *solutions,
                               .times = spec->times,
                               .time_count = spec->time_count};
    o->name = mem_strdup(text->name);
    if (expr_compile(text->text, &scope, &o->expr, err) == 0)
        return 0;
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "output.%.100s", text->name);
    return -1;
}

static int check_time(const struct output *o, double t, const struct sweep_spec *spec,
                      struct err *err)
{
    if (t >= spec->times[0] && t <= spec->w_to)
        return 0;
    err_set(err, ERR_JOB_REFUSED, "the time %.9g is outside [%.9g, %.9g]", t, spec->times[0],
            spec->w_to);
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "output.%.100s", o->name);
    return -1;
}

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Collects the distinct times of all outputs, increasing. */
static int collect_times(struct outputs *o, const struct sweep_spec *spec, struct err *err)
{
    size_t total = 0, distinct = 0;
    for (size_t k = 0; k < o->count; k++)
        total += expr_solution_count(o->output[k].expr);
    o->record = mem_alloc(total + 1, sizeof *o->record);
    for (size_t k = 0; k < o->count; k++) {
        for (size_t i = 0; i < expr_solution_count(o->output[k].expr); i++) {
            size_t solution;
            double t;
            expr_solution(o->output[k].expr, i, &solution, &t);
            if (check_time(&o->output[k], t, spec, err) != 0)
                return -1;
            o->record[o->record_count++] = t;
        }
    }
    qsort(o->record, o->record_count, sizeof *o->record, compare);
    for (size_t i = 0; i < o->record_count; i++)
        if (distinct == 0 || o->record[i] != o->record[distinct - 1])
            o->record[distinct++] = o->record[i];
    o->record_count = distinct;
    o->quantity = mem_alloc(total + 1, sizeof *o->quantity);
    o->probe = mem_alloc(total + 1, sizeof *o->probe);
    return 0;
}

static size_t find_record(const struct outputs *o, double t)
{
    const double *at = bsearch(&t, o->record, o->record_count, sizeof *o->record, compare);
    return (size_t)(at - o->record);
}

static size_t find_probe(struct outputs *o, const struct probe *p)
{
    for (size_t i = 0; i < o->probe_count; i++) {
        const struct probe *have = &o->probe[i];
        if (have->vector == p->vector && have->row == p->row && have->record == p->record)
            return i;
    }
    o->probe[o->probe_count] = *p;
    o->uses[p->vector] = 1;
    return o->probe_count++;
}

static size_t find_quantity(struct outputs *o, size_t solution, double t)
{
    struct probe p = {kinds[solution].vector, kinds[solution].row, find_record(o, t)};
    struct quantity want = {find_probe(o, &p), kinds[solution].is_log};
    for (size_t i = 0; i < o->quantity_count; i++)
        if (o->quantity[i].probe == want.probe && o->quantity[i].is_log == want.is_log)
            return i;
    o->quantity[o->quantity_count] = want;
    return o->quantity_count++;
}

int outputs_init(struct outputs *o, const struct sweep_spec *spec, struct err *err)
{
    memset(o, 0, sizeof *o);
    o->output = mem_alloc(spec->output_count + 1, sizeof *o->output);
    for (size_t k = 0; k < spec->output_count; k++) {
        o->count = k + 1;
        if (compile(&o->output[k], &spec->outputs[k], spec, err) != 0)
            return -1;
    }
    if (collect_times(o, spec, err) != 0)
        return -1;
    for (size_t k = 0; k < o->count; k++) {
        struct output *out = &o->output[k];
        out->quantity_count = expr_solution_count(out->expr);
        out->quantity = mem_alloc(out->quantity_count + 1, sizeof *out->quantity);
        for (size_t i = 0; i < out->quantity_count; i++) {
            size_t solution;
            double t;
            expr_solution(out->expr, i, &solution, &t);
            out->quantity[i] = find_quantity(o, solution, t);
        }
    }
    return 0;
}

void outputs_fini(struct outputs *o)
{
    for (size_t k = 0; k < o->count; k++) {
        free(o->output[k].name);
        expr_destroy(o->output[k].expr);
        free(o->output[k].quantity);
    }
    free(o->output);
    free(o->quantity);
    free(o->probe);
    free(o->record);
    memset(o, 0, sizeof *o);
}
