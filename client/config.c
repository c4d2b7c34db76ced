/* See config.h. */
#include "config.h"

#include "expr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKER, KEYS, NAME_COUNT };

static const char *const NAMES[] = {"broker", "keys", NULL};

static bool is_said(const struct config *c, int name)
{
    return name == BROKER ? *c->broker != '\0' : *c->keys != '\0';
}

/* False when it is empty or too long. */
static bool take(struct config *out, int name, const char *value, const char *from)
{
    size_t size = name == BROKER ? sizeof out->broker : sizeof out->keys;
    if (!*value || strlen(value) >= size)
        return false;
    snprintf(name == BROKER ? out->broker : out->keys, size, "%s", value);
    if (name == BROKER)
        snprintf(out->from, sizeof out->from, "%.256s", from);
    return true;
}

static const char *what_it_is(int name)
{
    return name == BROKER ? "an endpoint such as " CONFIG_DEFAULT_BROKER
                          : "a key file, or a folder of them";
}

static char *trim(char *s)
{
    s += strspn(s, " \t\r\n");
    size_t len = strlen(s);
    while (len > 0 && strchr(" \t\r\n", s[len - 1]))
        s[--len] = '\0';
    return s;
}

/* What is said already stays: the flag and the environment come first. */
static int read_line(char *line, const char *file, int number, const bool *said, struct config *out,
                     struct err *err)
{
    line[strcspn(line, "#")] = '\0';
    char *name = trim(line);
    if (!*name)
        return 0;
    char *equals = strchr(name, '=');
    if (!equals)
        return err_set(err, ERR_USAGE, "%.200s:%d: a line is \"name = value\"", file, number);
    *equals = '\0';
    char *value = trim(equals + 1);
    name = trim(name);
    for (int i = 0; i < NAME_COUNT; i++) {
        if (strcmp(name, NAMES[i]) != 0)
            continue;
        if (said[i] || take(out, i, value, file))
            return 0;
        return err_set(err, ERR_USAGE, "%.200s:%d: %s is %s", file, number, name, what_it_is(i));
    }
    err_set(err, ERR_USAGE, "%.200s:%d: there is no setting \"%.40s\"", file, number, name);
    const char *near = expr_nearest(name, NAMES);
    return near ? err_hint(err, "did you mean %s?", near) : -1;
}

static int read_file(const char *file, struct config *out, struct err *err)
{
    bool said[NAME_COUNT];
    for (int i = 0; i < NAME_COUNT; i++)
        said[i] = is_said(out, i);
    FILE *in = fopen(file, "re");
    if (!in && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (!in)
        return err_errno(err, ERR_OTHER, "cannot read %.256s", file);
    char line[2048];
    int rc = 0;
    for (int number = 1; rc == 0 && fgets(line, sizeof line, in); number++)
        rc = read_line(line, file, number, said, out, err);
    fclose(in);
    return rc;
}

/* `empty` values say nothing. */
static int read_word(const char *value, int name, const char *from, bool empty, struct config *out,
                     struct err *err)
{
    if (!value || is_said(out, name) || (empty && !*value))
        return 0;
    if (take(out, name, value, from))
        return 0;
    return err_set(err, ERR_USAGE, "%s is %s", from, what_it_is(name));
}

int config_read(const struct config_places *p, struct config *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    if (read_word(p->flag, BROKER, "--broker", false, out, err) ||
        read_word(p->environment, BROKER, "HILLSWEEP_BROKER", true, out, err) ||
        read_word(p->keys_flag, KEYS, "--keys", false, out, err) ||
        read_word(p->keys_environment, KEYS, "HILLSWEEP_KEYS", true, out, err) ||
        (p->user_file && read_file(p->user_file, out, err)) ||
        (p->machine_file && read_file(p->machine_file, out, err)))
        return -1;
    return read_word(CONFIG_DEFAULT_BROKER, BROKER, "the default", false, out, err);
}

int config_load(const char *broker_flag, const char *keys_flag, struct config *out, struct err *err)
{
    char file[512] = "";
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        snprintf(file, sizeof file, "%s/hillsweep/config", xdg);
    else if (home && *home)
        snprintf(file, sizeof file, "%s/.config/hillsweep/config", home);
    struct config_places places = {
        .flag = broker_flag,
        .environment = getenv("HILLSWEEP_BROKER"),
        .keys_flag = keys_flag,
        .keys_environment = getenv("HILLSWEEP_KEYS"),
        .user_file = *file ? file : NULL,
        .machine_file = "/etc/hillsweep/config",
    };
    return config_read(&places, out, err);
}
