/* See manual.h. */
#include "manual.h"

#include "complete.h"

#include <ctype.h>
#include <string.h>

enum { LEFT = 29, COMMAND = 22 }; /* columns of an option and of a command, before its help */

/* --- help ------------------------------------------------------------------------------------ */

static void option_text(const struct option_spec *o, char *out, size_t size)
{
    char letter[6] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(out, size, "%s--%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
}

static void help_options(const struct option_spec *o, FILE *out)
{
    char left[80];
    for (; o && o->name; o++) {
        if (!o->help)
            continue;
        option_text(o, left, sizeof left);
        fprintf(out, "  %-*s %s\n", LEFT, left, o->help);
    }
}

static void help_commands(const struct manual_command *c, FILE *out)
{
    fputs("\nCommands:\n", out);
    for (; c->name; c++) {
        char left[48];
        int n = snprintf(left, sizeof left, "%s %s", c->name, c->words);
        bool fits = n <= COMMAND;
        fprintf(out, "  %-*s%s%*s %s\n", COMMAND, left, fits ? "" : "\n  ", fits ? 0 : COMMAND, "",
                c->summary);
    }
}

void manual_help(const struct manual *m, FILE *out)
{
    fprintf(out, "Examples:\n%s\n%s\n", m->examples, m->about ? m->about : "");
    fprintf(out, "Usage: %s %s\n", m->program, m->usage);
    if (m->commands)
        help_commands(m->commands, out);
    fputs(m->commands ? "\nOptions of every command:\n" : "\nOptions:\n", out);
    help_options(m->options, out);
    if (m->more)
        fprintf(out, "\n%s", m->more);
}

void manual_help_command(const struct manual *m, const struct manual_command *c, FILE *out)
{
    fprintf(out, "Examples:\n%s\nUsage: %s %s%s%s [OPTIONS]\n\n", c->examples, m->program, c->name,
            *c->words ? " " : "", c->words);
    if (c->about)
        fprintf(out, "%s\n", c->about);
    if (c->options) {
        fputs("Options:\n", out);
        help_options(c->options, out);
        fputc('\n', out);
    }
    fputs("Options of every command:\n", out);
    help_options(m->options, out);
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

/* The description of an example line begins after the first run of three spaces. */
static void roff_examples(const char *text, FILE *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n"), skip = strspn(text, " ");
        const char *gap = strstr(text + skip, "   ");
        size_t command = gap && gap < text + len ? (size_t)(gap - text) : len;
        fputs(".TP\n.B ", out);
        roff(text + skip, command - skip, out);
        fputc('\n', out);
        size_t said = command + strspn(text + command, " ");
        if (said < len)
            roff(text + said, len - said, out);
        else
            fputs("\\&", out);
        fputc('\n', out);
        text += len + (text[len] == '\n');
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
    else if (shell)
        return complete_script(m, shell, stdout, err) ? -1 : 1;
    else
        return 0;
    return 1;
}
