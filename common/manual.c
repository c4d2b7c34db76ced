/* See manual.h. */
#include "manual.h"

#include "complete.h"
#include "page.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum {
    LEFT = 32, /* columns before the help of an option */
    COMMAND = 25,
    EXAMPLE = 6,
    WIDTH_USUAL = 80, /* where there is no terminal to ask */
    WIDTH_MOST = 100,
};

/* --- help ------------------------------------------------------------------------------------ */

/* A line of examples: the command, and what is said of it after three spaces or more. */
struct example {
    const char *command, *said; /* said: NULL, nothing */
    size_t command_len, said_len, len;
};

static struct example example_at(const char *text)
{
    struct example e = {.command = text + strspn(text, " "), .len = strcspn(text, "\n")};
    const char *end = text + e.len, *gap = strstr(e.command, "   ");
    e.command_len = (size_t)((gap && gap < end ? gap : end) - e.command);
    if (gap && gap < end) {
        e.said = gap + strspn(gap, " ");
        e.said_len = (size_t)(end - e.said);
    }
    return e;
}

/* Beside its command, or where one is too long for that all of them below theirs. */
static void help_examples(const struct page *p, const char *text)
{
    bool beside = true;
    for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        struct example e = example_at(at);
        beside = beside && (!e.said || e.len <= p->width);
    }
    fputs("Examples:\n", p->out);
    while (*text) {
        struct example e = example_at(text);
        fwrite(text, 1, beside ? e.len : (size_t)(e.command - text) + e.command_len, p->out);
        fputc('\n', p->out);
        if (e.said && !beside) {
            page_indent(p, EXAMPLE);
            page_flow(p, e.said, e.said_len, EXAMPLE, EXAMPLE);
        }
        text += e.len + (text[e.len] == '\n');
    }
    fputc('\n', p->out);
}

static void option_text(const struct option_spec *o, char *out, size_t size)
{
    char letter[6] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, size, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
}

/* A name and what is said of it, in two columns. */
static void help_entry(const struct page *p, const char *name, const char *text, size_t left)
{
    size_t at = 2 + strlen(name);
    fprintf(p->out, "  %s", name);
    if (at >= left) {
        fputc('\n', p->out);
        at = 0;
    }
    page_indent(p, left - at);
    page_flow(p, text, strlen(text), left, left);
}

static void help_usage(const struct page *p, const struct manual *m, const char *usage)
{
    char text[256];
    snprintf(text, sizeof text, "%s %s", m->program, usage);
    fputs("Usage: ", p->out);
    page_flow(p, text, strlen(text), 7, 7);
    fputc('\n', p->out);
}

static bool any_shown(const struct option_spec *o)
{
    for (; o && o->name; o++)
        if (o->help)
            return true;
    return false;
}

static void help_options(const struct page *p, const char *title, const struct option_spec *o)
{
    char name[80];
    if (!any_shown(o))
        return;
    fprintf(p->out, "%s:\n", title);
    for (; o->name; o++) {
        if (!o->help)
            continue;
        option_text(o, name, sizeof name);
        help_entry(p, name, o->help, LEFT);
    }
}

static void help_commands(const struct page *p, const struct manual_command *c)
{
    char name[64];
    fputs("Commands:\n", p->out);
    for (; c->name; c++) {
        snprintf(name, sizeof name, "%s %s", c->name, c->words);
        help_entry(p, name, c->summary, COMMAND);
    }
    fputc('\n', p->out);
}

void manual_help(const struct manual *m, FILE *out)
{
    const struct page p = page_on(out, WIDTH_USUAL, WIDTH_MOST);
    help_examples(&p, m->examples);
    if (m->about) {
        page_paragraphs(&p, m->about);
        fputc('\n', out);
    }
    help_usage(&p, m, m->usage);
    if (m->commands)
        help_commands(&p, m->commands);
    help_options(&p, m->commands ? "Options of every command" : "Options", m->options);
    if (m->more) {
        fputc('\n', out);
        page_paragraphs(&p, m->more);
    }
}

void manual_help_command(const struct manual *m, const struct manual_command *c, FILE *out)
{
    const struct page p = page_on(out, WIDTH_USUAL, WIDTH_MOST);
    help_examples(&p, c->examples);
    char usage[128];
    snprintf(usage, sizeof usage, "%s %s [OPTIONS]", c->name, c->words);
    help_usage(&p, m, usage);
    if (c->about) {
        page_paragraphs(&p, c->about);
        fputc('\n', out);
    }
    if (any_shown(c->options)) {
        help_options(&p, "Options", c->options);
        fputc('\n', out);
    }
    help_options(&p, "Options of every command", m->options);
}

/* --- the manual page ------------------------------------------------------------------------- */

/* Text as roff takes it: backslashes and hyphens escaped, no line that begins with a control
 * character. */
static void roff(const char *text, size_t len, FILE *out)
{
    bool start = true;
    for (size_t i = 0; i < len; i++) {
        if (start && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", out);
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else
            fputc(text[i], out);
        start = text[i] == '\n';
    }
}

/* Paragraphs: an empty line between two becomes .PP. Lines flow. */
static void roff_paragraphs(const char *text, FILE *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (len == 0)
            fputs(".PP", out);
        else
            roff(text, len, out);
        fputc('\n', out);
        text += len + (text[len] == '\n');
    }
}

static void roff_examples(const char *text, FILE *out)
{
    while (*text) {
        struct example e = example_at(text);
        fputs(".TP\n.B ", out);
        roff(e.command, e.command_len, out);
        fputc('\n', out);
        if (e.said)
            roff(e.said, e.said_len, out);
        else
            fputs("\\&", out);
        fputc('\n', out);
        text += e.len + (text[e.len] == '\n');
    }
}

static void roff_options(const struct option_spec *o, FILE *out)
{
    for (; o && o->name; o++) {
        if (!o->help)
            continue;
        fputs(".TP\n", out);
        if (o->letter)
            fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", out);
        roff(o->name, strlen(o->name), out);
        fputs("\\fR", out);
        if (o->value) {
            fputs(" \\fI", out);
            roff(o->value, strlen(o->value), out);
            fputs("\\fR", out);
        }
        fputc('\n', out);
        roff(o->help, strlen(o->help), out);
        fputc('\n', out);
    }
}

static void roff_command(const struct manual_command *c, FILE *out)
{
    fputs(".SS ", out);
    roff(c->name, strlen(c->name), out);
    fputc(' ', out);
    roff(c->words, strlen(c->words), out);
    fputc('\n', out);
    fputc((unsigned char)toupper((unsigned char)c->summary[0]), out);
    roff(c->summary + 1, strlen(c->summary + 1), out);
    fputs(".\n", out);
    if (c->about)
        roff_paragraphs(c->about, out);
    roff_options(c->options, out);
    roff_examples(c->examples, out);
}

void manual_page(const struct manual *m, FILE *out)
{
    fputs(".TH ", out);
    for (const char *p = m->program; *p; p++)
        if (*p == '-')
            fputs("\\-", out);
        else
            fputc(toupper((unsigned char)*p), out);
    fputs(" 1 \"\" \"hillsweep " HILLSWEEP_VERSION "\" \"User Commands\"\n.SH NAME\n", out);
    roff(m->program, strlen(m->program), out);
    fputs(" \\- ", out);
    roff(m->summary, strlen(m->summary), out);
    fputs("\n.SH SYNOPSIS\n.B ", out);
    roff(m->program, strlen(m->program), out);
    fputs("\n", out);
    roff(m->usage, strlen(m->usage), out);
    fputs("\n.SH DESCRIPTION\n", out);
    if (m->about)
        roff_paragraphs(m->about, out);
    if (m->commands)
        fputs(".SH COMMANDS\n", out);
    for (const struct manual_command *c = m->commands; c && c->name; c++)
        roff_command(c, out);
    fputs(".SH OPTIONS\n", out);
    if (m->commands)
        fputs("Every command takes these.\n", out);
    roff_options(m->options, out);
    fputs(".SH EXAMPLES\n", out);
    roff_examples(m->examples, out);
    if (m->more) {
        fputs(".SH NOTES\n", out);
        roff_paragraphs(m->more, out);
    }
    fputs(".SH SEE ALSO\n.BR hillsweep (1),\n.BR hillsweep\\-broker (1),\n"
          ".BR hillsweep\\-worker (1)\n",
          out);
}

int manual_asked(const struct manual *m, const struct args *args, struct err *err)
{
    const char *shell = args_value(args, "completion");
    if (args_has(args, "help"))
        manual_help(m, stdout);
    else if (args_has(args, "version"))
        printf("%s " HILLSWEEP_VERSION "\n", m->program);
    else if (args_has(args, "man"))
        manual_page(m, stdout);
    else if (!shell)
        return 0;
    else if (complete_script(m, shell, stdout, err))
        return -1;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 1;
    return err_errno(err, ERR_STORAGE, "cannot write to standard output");
}
