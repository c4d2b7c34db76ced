/* See config.h. */
#include "config.h"

#include "expr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {"broker", NULL};

static char *trim(char *s)
{
    s += strspn(s, " \t\r\n");
    size_t len = strlen(s);
    while (len > 0 && strchr(" \t\r\n", s[len - 1]))
        s[--len] = '\0';
    return s;
}

static int read_line(char *line, const char *file, int number, struct config *out, struct err *err)
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
    if (strcmp(name, "broker") != 0) {
        err_set(err, ERR_USAGE, "%.200s:%d: there is no setting \"%.40s\"", file, number, name);
        const char *near = expr_nearest(name, NAMES);
        return near ? err_hint(err, "did you mean %s?", near) : -1;
    }
    if (!*value || strlen(value) >= sizeof out->broker)
        return err_set(err, ERR_USAGE, "%.200s:%d: broker is an endpoint such as %s", file, number,
                       CONFIG_DEFAULT_BROKER);
    snprintf(out->broker, sizeof out->broker, "%s", value);
    snprintf(out->from, sizeof out->from, "%.256s", file);
    return 0;
}

static int read_file(const char *file, struct config *out, struct err *err)
{
    FILE *in = fopen(file, "re");
    if (!in && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (!in)
        return err_errno(err, ERR_OTHER, "cannot read %.256s", file);
    char line[1024];
    int rc = 0;
    for (int number = 1; rc == 0 && fgets(line, sizeof line, in); number++)
        rc = read_line(line, file, number, out, err);
    fclose(in);
    return rc;
}

static int take(const char *value, const char *from, struct config *out, struct err *err)
{
    if (!*value || strlen(value) >= sizeof out->broker)
        return err_set(err, ERR_USAGE, "%s is an endpoint such as %s", from, CONFIG_DEFAULT_BROKER);
    snprintf(out->broker, sizeof out->broker, "%s", value);
    snprintf(out->from, sizeof out->from, "%s", from);
    return 0;
}

int config_read(const struct config_places *places, struct config *out, struct err *err)
{
    memset(out, 0, sizeof *out);
    if (places->flag)
        return take(places->flag, "--broker", out, err);
    if (places->environment && *places->environment)
        return take(places->environment, "HILLSWEEP_BROKER", out, err);
    if (places->user_file && read_file(places->user_file, out, err))
        return -1;
    if (!*out->broker && places->machine_file && read_file(places->machine_file, out, err))
        return -1;
    return *out->broker ? 0 : take(CONFIG_DEFAULT_BROKER, "the default", out, err);
}

int config_load(const char *flag, struct config *out, struct err *err)
{
    char file[512] = "";
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        snprintf(file, sizeof file, "%s/hillsweep/config", xdg);
    else if (home && *home)
        snprintf(file, sizeof file, "%s/.config/hillsweep/config", home);
    struct config_places places = {
        .flag = flag,
        .environment = getenv("HILLSWEEP_BROKER"),
        .user_file = *file ? file : NULL,
        .machine_file = "/etc/hillsweep/config",
    };
    return config_read(&places, out, err);
}
