/* What the outputs ask of the solution: which vectors, at which times. Everything is numbered once,
 * so that a time that three outputs use is solved and judged once. */
#include "outputs.h"

#include "buf.h"
#include <float.h>
#include <math.h>
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
/* What belongs to a period comes in the order of enum derived_kind. */
static const char *const variables[] = {"a", "q", "trace", "mu", "nu", "stable"};
enum { VARIABLES = 2, VARIABLES_OF_PERIOD = 6 };

double outputs_period_end(const struct outputs_spec *spec)
{
    return fmin(spec->times[0] + spec->period, spec->w_to);
}

/* How many whole periods lie between times[0] and t. *within (may be NULL) is that much earlier
 * than t: within the first period, and times[0] itself where the rest is no more than the times'
 * roundings. The first period's end is within it; any time is where there is no period. */
static uint64_t period_split(const struct outputs_spec *spec, double t, double *within)
{
    double from = spec->times[0], slack = 4 * DBL_EPSILON * (fabs(t) + fabs(from)), unused;
    within = within != NULL ? within : &unused;
    *within = spec->period > 0 ? fmin(t, outputs_period_end(spec)) : t;
    if (!(spec->period > 0) || t - from <= spec->period + slack)
        return 0;
    double rest = fmod(t - from, spec->period);
    double periods = floor((t - from - rest) / spec->period + 0.5);
    int late = rest >= spec->period - slack;
    *within = rest <= slack || late ? from : from + rest;
    return (uint64_t)periods + (uint64_t)late;
}

static int compile(struct output *o, const struct output_text *text,
                   const struct outputs_spec *spec, struct err *err)
{
    struct expr_scope scope = {.variables = variables,
                               .variable_count = spec->period > 0 ? VARIABLES_OF_PERIOD : VARIABLES,
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

static int refuse_time(const struct output *o, double t, const struct outputs_spec *spec,
                       struct err *err)
{
    err_set(err, ERR_JOB_REFUSED, "the time %.9g is outside [%.9g, %.9g]", t, spec->times[0],
            spec->w_to);
    if (err != NULL)
        snprintf(err->path, sizeof err->path, "output.%.100s", o->name);
    return -1;
}

/* What an output asks for: solution i of its expression. */
struct demand {
    size_t solution;
    double t;
};

static struct demand demand_of(const struct output *o, size_t i)
{
    struct demand d;
    expr_solution(o->expr, i, &d.solution, &d.t);
    return d;
}

static int survey(struct outputs *o, const struct outputs_spec *spec, struct err *err)
{
    int with_period = spec->period > 0;
    for (size_t k = 0; k < o->count; k++) {
        struct output *out = &o->output[k];
        for (size_t i = 0; i < expr_solution_count(out->expr); i++) {
            double t = demand_of(out, i).t;
            if (!(t >= spec->times[0] && (t <= spec->w_to || with_period)))
                return refuse_time(out, t, spec, err);
            o->has_monodromy |= period_split(spec, t, NULL) > 0;
        }
        for (size_t i = VARIABLES; with_period && i < VARIABLES_OF_PERIOD; i++)
            o->has_monodromy |= expr_uses(out->expr, i);
        o->counts_zeros |= with_period && expr_uses(out->expr, VARIABLES + DERIVED_NU);
    }
    return 0;
}

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double monodromy_time(const struct outputs *o, const struct outputs_spec *spec)
{
    double end = outputs_period_end(spec);
    return o->half ? 0.5 * spec->times[0] + 0.5 * end : end;
}

/* Collects the distinct times of all outputs, increasing. */
static void collect_times(struct outputs *o, const struct outputs_spec *spec, const double *node,
                          size_t nodes)
{
    size_t total = 0, distinct = 0;
    for (size_t k = 0; k < o->count; k++)
        total += expr_solution_count(o->output[k].expr);
    o->record = mem_alloc(total + nodes + 2, sizeof *o->record);
    for (size_t k = 0; k < o->count; k++) {
        for (size_t i = 0; i < expr_solution_count(o->output[k].expr); i++) {
            double t;
            if (period_split(spec, demand_of(&o->output[k], i).t, &t) == 0 || t > spec->times[0])
                o->record[o->record_count++] = t;
        }
    }
    if (o->has_monodromy)
        o->record[o->record_count++] = monodromy_time(o, spec);
    for (size_t i = 0; i < nodes; i++)
        o->record[o->record_count++] = node[i];
    qsort(o->record, o->record_count, sizeof *o->record, compare);
    for (size_t i = 0; i < o->record_count; i++)
        if (distinct == 0 || o->record[i] != o->record[distinct - 1])
            o->record[distinct++] = o->record[i];
    o->record_count = distinct;
    o->quantity = mem_alloc(3 * total + 9, sizeof *o->quantity);
    o->probe = mem_alloc(2 * total + 5, sizeof *o->probe);
    o->derived = mem_alloc(total + 4, sizeof *o->derived);
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

static size_t find_quantity(struct outputs *o, enum vector_kind vector, int row, double t,
                            enum quantity_kind kind)
{
    struct probe p = {vector, row, find_record(o, t)};
    struct quantity want = {find_probe(o, &p), kind};
    for (size_t i = 0; i < o->quantity_count; i++)
        if (o->quantity[i].probe == want.probe && o->quantity[i].kind == want.kind)
            return i;
    o->quantity[o->quantity_count] = want;
    return o->quantity_count++;
}

static struct derived *add_derived(struct outputs *o, enum derived_kind kind)
{
    struct derived *d = &o->derived[o->derived_count++];
    *d = (struct derived){.kind = kind, .quantity = o->quantity_count};
    o->quantity[o->quantity_count++] = (struct quantity){NO_QUANTITY, QUANTITY_DERIVED};
    return d;
}

/* What is lost of a time that is whole periods after `within`. */
static double time_error(const struct outputs_spec *spec, double t, double within)
{
    double from = spec->times[0], rest = fmod(t - from, spec->period);
    double slip = within == from ? fmin(rest, spec->period - rest) : 0;
    return slip + (from != 0 ? DBL_EPSILON * (fabs(t) + fabs(from)) : 0);
}

/* z(T) after whole periods. */
static size_t find_late(struct outputs *o, const struct outputs_spec *spec,
                        const struct demand *want, uint64_t periods, double within)
{
    enum vector_kind vector = kinds[want->solution].vector;
    int row = kinds[want->solution].row, is_log = kinds[want->solution].is_log;
    for (size_t i = 0; i < o->derived_count; i++) {
        const struct derived *d = &o->derived[i];
        if (d->kind == DERIVED_LATE && d->time == want->t && d->vector == vector && d->row == row &&
            d->is_log == is_log)
            return d->quantity;
    }
    size_t entry[2] = {NO_QUANTITY, NO_QUANTITY};
    for (int i = 0; within > spec->times[0] && i < 2; i++)
        entry[i] = find_quantity(o, i == 0 ? VECTOR_ONE : VECTOR_TWO, row, within, QUANTITY_SCALED);
    struct derived *d = add_derived(o, DERIVED_LATE);
    d->time = want->t;
    d->vector = vector;
    d->row = row;
    d->is_log = is_log;
    d->periods = periods;
    d->time_error = time_error(spec, want->t, within);
    memcpy(d->entry, entry, sizeof entry);
    o->most_periods = periods > o->most_periods ? periods : o->most_periods;
    return d->quantity;
}

static size_t find_derived(struct outputs *o, enum derived_kind kind)
{
    for (size_t i = 0; i < o->derived_count; i++)
        if (o->derived[i].kind == kind)
            return o->derived[i].quantity;
    return add_derived(o, kind)->quantity;
}

static size_t find_demand(struct outputs *o, const struct outputs_spec *spec,
                          const struct demand *want)
{
    double within;
    uint64_t periods = period_split(spec, want->t, &within);
    if (periods > 0)
        return find_late(o, spec, want, periods, within);
    return find_quantity(o, kinds[want->solution].vector, kinds[want->solution].row, within,
                         kinds[want->solution].is_log ? QUANTITY_LOG : QUANTITY_VALUE);
}

static void number_monodromy(struct outputs *o, const struct outputs_spec *spec)
{
    double t = monodromy_time(o, spec);
    for (int i = 0; i < 4; i++)
        o->entry[i] = find_quantity(o, i < 2 ? VECTOR_ONE : VECTOR_TWO, i % 2, t, QUANTITY_SCALED);
    o->zeros = NO_QUANTITY;
    if (o->counts_zeros)
        o->zeros = find_quantity(o, VECTOR_TWO, 0, t, QUANTITY_ZEROS);
}

void outputs_number(struct outputs *o, const struct outputs_spec *spec, int half,
                    const double *node, size_t nodes)
{
    size_t derived = spec->period > 0 ? VARIABLES_OF_PERIOD - VARIABLES : 0;
    o->half = half;
    collect_times(o, spec, node, nodes);
    if (o->has_monodromy)
        number_monodromy(o, spec);
    for (size_t k = 0; k < o->count; k++) {
        struct output *out = &o->output[k];
        size_t at_times = expr_solution_count(out->expr);
        out->quantity_count = derived + at_times;
        out->quantity = mem_alloc(out->quantity_count + 1, sizeof *out->quantity);
        for (size_t i = 0; i < derived; i++)
            out->quantity[i] = expr_uses(out->expr, VARIABLES + i)
                                   ? find_derived(o, (enum derived_kind)i)
                                   : NO_QUANTITY;
        for (size_t i = 0; i < at_times; i++) {
            struct demand want = demand_of(out, i);
            out->quantity[derived + i] = find_demand(o, spec, &want);
        }
    }
}

int outputs_init(struct outputs *o, const struct outputs_spec *spec, struct err *err)
{
    memset(o, 0, sizeof *o);
    o->output = mem_alloc(spec->output_count + 1, sizeof *o->output);
    for (size_t k = 0; k < spec->output_count; k++) {
        o->count = k + 1;
        if (compile(&o->output[k], &spec->outputs[k], spec, err) != 0)
            return -1;
    }
    return survey(o, spec, err);
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
    free(o->derived);
    memset(o, 0, sizeof *o);
}

size_t outputs_only_quantity(const struct outputs *o, size_t probe)
{
    size_t found = o->quantity_count, times = 0;
    for (size_t j = 0; j < o->quantity_count; j++) {
        if (o->quantity[j].probe != probe)
            continue;
        found = j;
        times +=
            o->quantity[j].kind == QUANTITY_VALUE || o->quantity[j].kind == QUANTITY_SCALED ? 1 : 2;
    }
    return times == 1 ? found : o->quantity_count;
}

int starts_compile(const char *const text[2], struct expr *start[2], struct err *err)
{
    struct expr_scope scope = {.variables = variables, .variable_count = VARIABLES};
    for (int i = 0; i < 2; i++) {
        if (expr_compile(text[i], &scope, &start[i], err) != 0) {
            if (err != NULL)
                snprintf(err->path, sizeof err->path, "z.start[%d]", i);
            return -1;
        }
    }
    return 0;
}

int starts_alike(struct expr *const start[2])
{
    return expr_is_constant(start[0]) && expr_is_constant(start[1]);
}
