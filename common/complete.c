/* See complete.h. */
#include "complete.h"

#include <ctype.h>
#include <string.h>

enum { POSITIONS = 8, WORD = 64 };

/* What a placeholder stands for. */
struct kind {
    bool folders, files, json, jobs;
    char words[128]; /* separated by spaces */
};

static bool is_lower(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!islower((unsigned char)text[i]) && text[i] != '-' && !isdigit((unsigned char)text[i]))
            return false;
    return len > 0;
}

static bool is(const char *text, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(text, name, len) == 0;
}

static struct kind kind_of(const char *placeholder, size_t len)
{
    struct kind kind = {0};
    size_t at = 0;
    while (at < len) {
        const char *p = placeholder + at;
        size_t n = 0;
        while (at + n < len && p[n] != '|' && p[n] != '[' && p[n] != ']')
            n++;
        kind.folders |= is(p, n, "DIR");
        kind.files |= is(p, n, "FILE");
        kind.json |= is(p, n, "JOB.json");
        kind.jobs |= is(p, n, "JOB");
        if (is_lower(p, n) && strlen(kind.words) + n + 2 < sizeof kind.words) {
            strcat(kind.words, *kind.words ? " " : "");
            strncat(kind.words, p, n);
        }
        at += n + 1;
    }
    return kind;
}

/* The kinds of a command's arguments, in order. */
static size_t kinds_of(const char *words, struct kind kinds[POSITIONS])
{
    size_t count = 0;
    for (words += strspn(words, " "); *words && count < POSITIONS; words += strspn(words, " ")) {
        size_t len = strcspn(words, " ");
        kinds[count++] = kind_of(words, len);
        words += len;
    }
    return count;
}

/* "hillsweep-worker" -> "_hillsweep_worker" */
static void function_name(const struct manual *m, char out[WORD])
{
    snprintf(out, WORD, "_%s", m->program);
    for (char *p = out; *p; p++)
        if (*p == '-')
            *p = '_';
}

/* --- bash ------------------------------------------------------------------------------------ */

static void bash_reply(const struct manual *m, const struct kind *k, FILE *out)
{
    if (k->jobs)
        fprintf(out,
                "            COMPREPLY+=($(compgen -W \"last $(%s list --names 2>/dev/null)\" -- "
                "\"$cur\"))\n",
                m->program);
    if (*k->words)
        fprintf(out, "            COMPREPLY+=($(compgen -W '%s' -- \"$cur\"))\n", k->words);
    if (k->json)
        fputs("            COMPREPLY+=($(compgen -f -X '!*.json' -- \"$cur\"; "
              "compgen -d -S / -- \"$cur\"))\n            compopt -o nospace\n",
              out);
    if (k->folders)
        fputs("            COMPREPLY+=($(compgen -d -- \"$cur\"))\n", out);
    if (k->files)
        fputs("            COMPREPLY+=($(compgen -f -- \"$cur\"))\n", out);
}

/* One case for each option that takes a value. */
static void bash_values(const struct manual *m, const char *command, const struct option_spec *o,
                        FILE *out)
{
    for (; o && o->name; o++) {
        if (!o->help || !o->value)
            continue;
        struct kind k = kind_of(o->value, strlen(o->value));
        fprintf(out, "        %s:--%s", command, o->name);
        if (o->letter)
            fprintf(out, "|%s:-%c", command, o->letter);
        fputs(")\n", out);
        bash_reply(m, &k, out);
        fputs("            return ;;\n", out);
    }
}

/* The options' names; with_value: only those that take one, separated by |. */
static void bash_names(const struct option_spec *o, bool with_value, const char *between, FILE *out)
{
    for (; o && o->name; o++) {
        if (!o->help || (with_value && !o->value))
            continue;
        fprintf(out, "%s--%s", between, o->name);
        if (o->letter && with_value)
            fprintf(out, "%s-%c", between, o->letter);
    }
}

static void bash_command(const struct manual *m, const struct manual_command *c, FILE *out)
{
    struct kind kinds[POSITIONS];
    size_t count = kinds_of(c->words, kinds);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "        %s:%zu)\n", c->name, i);
        bash_reply(m, &kinds[i], out);
        fputs("            ;;\n", out);
    }
}

static void bash_options(const struct manual *m, FILE *out)
{
    fputs("    if [[ $cur == -* ]]; then\n        case $command in\n", out);
    for (const struct manual_command *c = m->commands; c && c->name; c++) {
        fprintf(out, "        %s) words='", c->name);
        bash_names(c->options, false, " ", out);
        fputs("' ;;\n", out);
    }
    fputs("        esac\n        COMPREPLY=($(compgen -W \"$words", out);
    bash_names(m->options, false, " ", out);
    fputs("\" -- \"$cur\"))\n        return\n    fi\n", out);
}

static void bash(const struct manual *m, FILE *out)
{
    char name[WORD];
    function_name(m, name);
    fprintf(out,
            "# bash completion for %s\n"
            "%s()\n{\n"
            "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
            "    local command= words= i at=0\n    COMPREPLY=()\n"
            "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
            "        case ${COMP_WORDS[i]} in\n        ''",
            m->program, name);
    bash_names(m->options, true, "|", out);
    for (const struct manual_command *c = m->commands; c && c->name; c++)
        bash_names(c->options, true, "|", out);
    fprintf(out,
            ") ((i++)) ;;\n        -*|=|:) ;;\n"
            "        *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((at++)); fi ;;\n"
            "        esac\n    done\n    case $command:$prev in\n");
    for (const struct manual_command *c = m->commands; c && c->name; c++)
        bash_values(m, c->name, c->options, out);
    bash_values(m, "*", m->options, out);
    fputs("    esac\n", out);
    bash_options(m, out);
    fputs("    case $command:$at in\n", out);
    if (m->commands) {
        fputs("        :*) COMPREPLY=($(compgen -W 'help", out);
        for (const struct manual_command *c = m->commands; c->name; c++)
            fprintf(out, " %s", c->name);
        fputs("' -- \"$cur\")) ;;\n", out);
    }
    for (const struct manual_command *c = m->commands; c && c->name; c++)
        bash_command(m, c, out);
    fprintf(out, "    esac\n}\ncomplete -F %s %s\n", name, m->program);
}

/* --- zsh ------------------------------------------------------------------------------------- */

/* Text between single quotes within an _arguments specification. */
static void zsh_text(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_action(const struct kind *k, FILE *out)
{
    if (k->jobs)
        fputs(k->folders ? "_hillsweep_jobs_or_folders" : "_hillsweep_jobs", out);
    else if (*k->words)
        fprintf(out, "(%s)", k->words);
    else if (k->json)
        fputs("_files -g \"*.json\"", out);
    else if (k->folders)
        fputs("_files -/", out);
    else if (k->files)
        fputs("_files", out);
    else
        fputc(' ', out);
}

static void zsh_options(const struct option_spec *o, FILE *out)
{
    for (; o && o->name; o++) {
        if (!o->help)
            continue;
        fputs(" \\\n        ", out);
        if (o->letter)
            fprintf(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
        else
            fprintf(out, "'--%s[", o->name);
        zsh_text(o->help, out);
        fputc(']', out);
        if (o->value) {
            struct kind k = kind_of(o->value, strlen(o->value));
            fputc(':', out);
            zsh_text(o->value, out);
            fputc(':', out);
            zsh_action(&k, out);
        }
        fputc('\'', out);
    }
}

static void zsh_command(const struct manual *m, const struct manual_command *c, FILE *out)
{
    struct kind kinds[POSITIONS];
    size_t count = kinds_of(c->words, kinds);
    fprintf(out, "    %s) _arguments", c->name);
    zsh_options(c->options, out);
    zsh_options(m->options, out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, " \\\n        '%zu:argument:", i + 1);
        zsh_action(&kinds[i], out);
        fputc('\'', out);
    }
    fputs(" ;;\n", out);
}

static void zsh_commands(const struct manual *m, FILE *out)
{
    fputs(" \\\n        '1:command:->command' '*::argument:->argument'\n"
          "    case $state in\n    command)\n        local -a commands=(\n",
          out);
    for (const struct manual_command *c = m->commands; c->name; c++) {
        fprintf(out, "            '%s:", c->name);
        zsh_text(c->summary, out);
        fputs("'\n", out);
    }
    fputs("        )\n        _describe command commands ;;\n"
          "    argument)\n    case $words[1] in\n",
          out);
    for (const struct manual_command *c = m->commands; c->name; c++)
        zsh_command(m, c, out);
    fputs("    esac ;;\n    esac\n", out);
}

static void zsh(const struct manual *m, FILE *out)
{
    char name[WORD];
    function_name(m, name);
    fprintf(out, "#compdef %s\n", m->program);
    if (m->commands)
        fprintf(out,
                "_hillsweep_jobs()\n{\n    local -a jobs=(last ${(f)\"$(%s list --names "
                "2>/dev/null)\"})\n    compadd -a jobs\n}\n"
                "_hillsweep_jobs_or_folders()\n{\n    _hillsweep_jobs\n    _files -/\n}\n",
                m->program);
    fprintf(out, "%s()\n{\n    local curcontext=$curcontext state line\n    _arguments -C", name);
    zsh_options(m->options, out);
    if (m->commands)
        zsh_commands(m, out);
    else
        fputc('\n', out);
    fprintf(out, "}\n%s \"$@\"\n", name);
}

/* --- fish ------------------------------------------------------------------------------------ */

static void fish_quoted(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text; text++)
        fprintf(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    fputc('\'', out);
}

static void fish_candidates(const struct manual *m, const struct kind *k, FILE *out)
{
    if (k->files || k->json)
        fputs(" -F", out);
    if (k->jobs)
        fprintf(out, " -a 'last (%s list --names 2>/dev/null)'", m->program);
    if (k->folders)
        fputs(" -a '(__fish_complete_directories)'", out);
    if (*k->words)
        fprintf(out, " -a '%s'", k->words);
}

static void fish_options(const struct manual *m, const char *command, const struct option_spec *o,
                         FILE *out)
{
    for (; o && o->name; o++) {
        if (!o->help)
            continue;
        fprintf(out, "complete -c %s", m->program);
        if (command)
            fprintf(out, " -n '__fish_seen_subcommand_from %s'", command);
        if (o->letter)
            fprintf(out, " -s %c", o->letter);
        fprintf(out, " -l %s", o->name);
        if (o->value) {
            struct kind k = kind_of(o->value, strlen(o->value));
            fputs(k.files || k.json ? " -r" : " -x", out);
            fish_candidates(m, &k, out);
        }
        fputs(" -d ", out);
        fish_quoted(o->help, out);
        fputc('\n', out);
    }
}

static void fish(const struct manual *m, FILE *out)
{
    fprintf(out, "# fish completion for %s\ncomplete -c %s -f\n", m->program, m->program);
    fish_options(m, NULL, m->options, out);
    for (const struct manual_command *c = m->commands; c && c->name; c++) {
        struct kind kinds[POSITIONS];
        size_t count = kinds_of(c->words, kinds);
        fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d ", m->program, c->name);
        fish_quoted(c->summary, out);
        fputc('\n', out);
        for (size_t i = 0; i < count; i++) { /* fish does not count arguments */
            fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s'", m->program, c->name);
            fish_candidates(m, &kinds[i], out);
            fputc('\n', out);
        }
        fish_options(m, c->name, c->options, out);
    }
}

int complete_script(const struct manual *m, const char *shell, FILE *out, struct err *err)
{
    if (strcmp(shell, "bash") == 0) {
        bash(m, out);
    } else if (strcmp(shell, "zsh") == 0) {
        zsh(m, out);
    } else if (strcmp(shell, "fish") == 0) {
        fish(m, out);
    } else {
        err_set(err, ERR_USAGE, "there is no completion for \"%.20s\"", shell);
        return err_hint(err, "it is made for bash, zsh and fish");
    }
    return 0;
}
