/* What somebody meant who wrote a name that is not there: a slip of the finger, or the habit of
 * another system (np.sin, Sin[...], ln, a typographic minus). */
#include "expr_private.h"
#include "buf.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 48

static const struct {
    const char *foreign, *ours;
} aliases[] = {
    {"ln", "log"},
    {"lg", "log10"},
    {"power", "pow"},
    {"fabs", "abs"},
    {"absolute", "abs"},
    {"sgn", "sign"},
    {"signum", "sign"},
    {"heaviside", "step"},
    {"theta", "step"},
    {"unitstep", "step"},
    {"heavisidetheta", "step"},
    {"maximum", "max"},
    {"fmax", "max"},
    {"minimum", "min"},
    {"fmin", "min"},
    {"fmod", "mod"},
    {"remainder", "mod"},
    {"ceiling", "ceil"},
    {"cuberoot", "cbrt"},
    {"tg", "tan"},
    {"sh", "sinh"},
    {"ch", "cosh"},
    {"th", "tanh"},
};

static const struct {
    const char *character, *write;
} lookalikes[] = {
    {"\xe2\x88\x92", "an ordinary minus, -"},
    {"\xe2\x80\x93", "an ordinary minus, -"},
    {"\xc3\x97", "* for a product"},
    {"\xc2\xb7", "* for a product"},
    {"\xe2\x8b\x85", "* for a product"},
    {"\xc3\xb7", "/ for a quotient"},
    {"\xcf\x80", "pi"},
    {"\xc2\xb2", "^2"},
    {"\xc2\xb3", "^3"},
    {"\xe2\x88\x9a", "sqrt(...)"},
    {"\xc2\xa0", "an ordinary space"},
    {"%", "mod(x, y) for a remainder"},
    {"<", "step(x), which is 1 for x >= 0"},
    {">", "step(x), which is 1 for x >= 0"},
    {"=", "the expression alone"},
    {"'", "dz(...) for the derivative of z"},
    {"|", "abs(...)"},
    {"[", "round brackets, ( )"},
    {"{", "round brackets, ( )"},
};

static int least(int a, int b, int c)
{
    int ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Damerau-Levenshtein distance with adjacent swaps only (optimal string alignment); upper and lower
 * case are the same. Both words are shorter than WORD_MAX. */
static int distance(const char *a, const char *b)
{
    int rows[3][WORD_MAX + 1];
    int *before = rows[0], *last = rows[1], *now = rows[2];
    int n = (int)strlen(b);
    for (int j = 0; j <= n; j++)
        last[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        now[0] = i;
        for (int j = 1; j <= n; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            now[j] = least(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == y && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        int *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[n];
}

const char *expr_nearest(const char *word, const char *const *list)
{
    size_t len = strlen(word);
    if (len >= WORD_MAX)
        return NULL;
    int allowed = len <= 1 ? 0 : len <= 4 ? 1 : 2;
    const char *best = NULL;
    for (; *list; list++) {
        size_t n = strlen(*list), apart = n < len ? len - n : n - len;
        if (n >= WORD_MAX || (int)apart > allowed)
            continue;
        int d = distance(word, *list);
        if (d <= allowed) {
            allowed = d - 1;
            best = *list;
        }
    }
    return best;
}

/* All names of the scope, NULL-terminated; returns owned (the array, not the names). */
static const char **all_names(const struct expr_scope *scope)
{
    const char *const *functions = expr_function_names();
    size_t function_count = 0, n = 0;
    while (functions[function_count])
        function_count++;
    const char **names = mem_alloc(
        scope->variable_count + scope->solution_count + function_count + 3, sizeof *names);
    for (size_t i = 0; i < scope->variable_count; i++)
        names[n++] = scope->variables[i];
    for (size_t i = 0; i < scope->solution_count; i++)
        names[n++] = scope->solutions[i];
    names[n++] = "pi";
    names[n++] = "e";
    for (size_t i = 0; i < function_count; i++)
        names[n++] = functions[i];
    return names;
}

/* A function's name in another system's spelling, or NULL. */
static const char *translate(const char *word)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (strcasecmp(word, aliases[i].foreign) == 0)
            return aliases[i].ours;
    if (strncasecmp(word, "arc", 3) != 0)
        return NULL;
    char inverse[WORD_MAX];
    snprintf(inverse, sizeof inverse, "a%s", word + 3);
    for (const char *const *f = expr_function_names(); *f; f++)
        if (strcasecmp(inverse, *f) == 0)
            return *f;
    return NULL;
}

static void list_names(struct err *err, const struct expr_scope *scope, bool functions)
{
    struct buf text = {0};
    const char **names = all_names(scope);
    size_t own = scope->variable_count + scope->solution_count;
    buf_str(&text, functions ? "functions are" : "names are");
    for (size_t i = functions ? scope->variable_count : 0; names[i]; i++) {
        if (!functions && i == own + 2)
            break;
        if (!functions || i < own || i >= own + 2)
            buf_printf(&text, " %s", names[i]);
    }
    err_hint(err, "%s", buf_text(&text));
    free(names);
    buf_fini(&text);
}

void expr_hint_name(struct err *err, const struct expr_scope *scope, const char *name, size_t len,
                    char bracket)
{
    char word[WORD_MAX];
    snprintf(word, sizeof word, "%.*s", (int)(len < WORD_MAX ? len : WORD_MAX), name);
    const char *dot = strrchr(word, '.');
    const char *bare = dot ? dot + 1 : word;

    const char **names = all_names(scope);
    const char *meant = translate(bare);
    if (!meant)
        meant = expr_nearest(bare, names);
    free(names);

    if (!meant)
        list_names(err, scope, bracket == '(' || bracket == '[');
    else if (bracket == '[')
        err_hint(err, "did you mean %s(...), with round brackets?", meant);
    else if (dot)
        err_hint(err, "did you mean %s? Names have no prefix here", meant);
    else
        err_hint(err, "did you mean %s?", meant);
}

void expr_hint_character(struct err *err, const char *at)
{
    for (size_t i = 0; i < sizeof lookalikes / sizeof lookalikes[0]; i++) {
        const char *character = lookalikes[i].character;
        if (strncmp(at, character, strlen(character)) == 0) {
            err_hint(err, "write %s", lookalikes[i].write);
            return;
        }
    }
}
