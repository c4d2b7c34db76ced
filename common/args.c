/* See args.h. getopt_long is not used: it keeps its state in globals, prints by itself and cannot
 * say "did you mean". */
#include "args.h"

#include "expr.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct parser {
    const struct option_spec *own, *global;
    struct args *out;
    struct err *err;
};

static const struct option_spec *find_in(const struct option_spec *table, const char *name,
                                         size_t len, char letter)
{
    for (; table && table->name; table++)
        if (name ? strlen(table->name) == len && strncmp(table->name, name, len) == 0
                 : table->letter == letter)
            return table;
    return NULL;
}

static const struct option_spec *find(const struct parser *p, const char *name, size_t len,
                                      char letter)
{
    const struct option_spec *spec = find_in(p->own, name, len, letter);
    return spec ? spec : find_in(p->global, name, len, letter);
}

static int unknown_long(const struct parser *p, const char *name, size_t len)
{
    const char *names[64];
    size_t n = 0;
    const struct option_spec *tables[] = {p->own, p->global};
    for (int t = 0; t < 2; t++)
        for (const struct option_spec *s = tables[t]; s && s->name && n < 63; s++)
            names[n++] = s->name;
    names[n] = NULL;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), name);
    err_set(p->err, ERR_USAGE, "there is no option --%s", word);
    const char *near = expr_nearest(word, names);
    if (near)
        return err_hint(p->err, "did you mean --%s?", near);
    return err_hint(p->err, "--help lists the options");
}

static int add(const struct parser *p, const struct option_spec *spec, const char *value)
{
    struct args *out = p->out;
    if (out->option_count == ARGS_OPTIONS_MAX)
        return err_set(p->err, ERR_USAGE, "too many options");
    out->options[out->option_count].spec = spec;
    out->options[out->option_count++].value = value;
    return 0;
}

/* `next` is the following argument or NULL; *took says whether it was used as the value. */
static int parse_long(const struct parser *p, const char *text, const char *next, bool *took)
{
    size_t len = strcspn(text, "=");
    const struct option_spec *spec = len ? find(p, text, len, '\0') : NULL;
    if (!spec)
        return unknown_long(p, text, len);
    if (!spec->value) {
        if (text[len] == '=')
            return err_set(p->err, ERR_USAGE, "--%s takes no value", spec->name);
        return add(p, spec, NULL);
    }
    if (text[len] == '=')
        return add(p, spec, text + len + 1);
    if (!next)
        return err_set(p->err, ERR_USAGE, "--%s needs a value: --%s %s", spec->name, spec->name,
                       spec->value);
    *took = true;
    return add(p, spec, next);
}

static int parse_short(const struct parser *p, const char *text, const char *next, bool *took)
{
    for (; *text; text++) {
        const struct option_spec *spec = find(p, NULL, 0, *text);
        if (!spec) {
            err_set(p->err, ERR_USAGE, "there is no option -%c", *text);
            return err_hint(p->err, "--help lists the options");
        }
        if (!spec->value) {
            if (add(p, spec, NULL))
                return -1;
            continue;
        }
        if (text[1])
            return add(p, spec, text + 1);
        if (!next)
            return err_set(p->err, ERR_USAGE, "-%c needs a value: -%c %s", *text, *text,
                           spec->value);
        *took = true;
        return add(p, spec, next);
    }
    return 0;
}

int args_parse(int argc, char *const *argv, const struct option_spec *own,
               const struct option_spec *global, bool stop_at_word, struct args *out, int *used,
               struct err *err)
{
    struct parser p = {own, global, out, err};
    bool only_words = false;
    memset(out, 0, sizeof *out);
    int i = 0;
    for (; i < argc; i++) {
        const char *arg = argv[i];
        bool word = only_words || arg[0] != '-' || !arg[1] || isdigit((unsigned char)arg[1]);
        if (word && stop_at_word)
            break;
        if (word) {
            if (out->word_count == ARGS_WORDS_MAX)
                return err_set(err, ERR_USAGE, "too many arguments");
            out->words[out->word_count++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        bool took = false;
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (arg[1] == '-' ? parse_long(&p, arg + 2, next, &took)
                          : parse_short(&p, arg + 1, next, &took))
            return -1;
        i += took;
    }
    if (used)
        *used = i;
    return 0;
}

bool args_has(const struct args *args, const char *name)
{
    for (size_t i = 0; i < args->option_count; i++)
        if (strcmp(args->options[i].spec->name, name) == 0)
            return true;
    return false;
}

const char *args_value(const struct args *args, const char *name)
{
    for (size_t i = args->option_count; i > 0; i--)
        if (strcmp(args->options[i - 1].spec->name, name) == 0)
            return args->options[i - 1].value;
    return NULL;
}
