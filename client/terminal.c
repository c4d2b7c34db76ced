/* See terminal.h. */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH = 80, HEIGHT = 24 };

static bool is_set(const char *value)
{
    return value && *value;
}

static bool is_on(const char *value)
{
    return is_set(value) && strcmp(value, "0") != 0;
}

static bool is_off(const char *value)
{
    return value && strcmp(value, "0") == 0;
}

static bool has(const char *text, const char *part)
{
    return text && strstr(text, part);
}

static enum terminal_colours depth(const struct terminal_signs *s)
{
    if (has(s->colorterm, "truecolor") || has(s->colorterm, "24bit") || has(s->term, "direct"))
        return COLOURS_TRUE;
    return has(s->term, "256color") ? COLOURS_256 : COLOURS_16;
}

static bool is_utf8(const char *locale)
{
    const char *set = locale ? strchr(locale, '.') : NULL;
    return set && (strncasecmp(set, ".UTF-8", 6) == 0 || strncasecmp(set, ".utf8", 5) == 0);
}

struct terminal terminal_decide(const struct terminal_signs *s)
{
    bool dumb = !is_set(s->term) || strcmp(s->term, "dumb") == 0;
    struct terminal t = {
        .redraw = s->is_tty && !dumb,
        .unicode = is_utf8(s->locale),
        .width = s->width > 0 ? s->width : WIDTH,
        .height = s->height > 0 ? s->height : HEIGHT,
    };
    bool colour = (t.redraw && !is_off(s->clicolor)) || is_on(s->clicolor_force);
    if (colour && !is_set(s->no_color))
        t.colours = depth(s);
    return t;
}

void terminal_measure(struct terminal *t, int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        t->width = size.ws_col;
        t->height = size.ws_row;
    }
}

/* The first of these that is set decides, as setlocale(3) has it. */
static const char *locale_name(void)
{
    static const char *const NAMES[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(NAMES[i]);
        if (is_set(value))
            return value;
    }
    return NULL;
}

struct terminal terminal_of(int fd)
{
    struct terminal_signs signs = {
        .is_tty = isatty(fd) == 1,
        .term = getenv("TERM"),
        .colorterm = getenv("COLORTERM"),
        .no_color = getenv("NO_COLOR"),
        .clicolor = getenv("CLICOLOR"),
        .clicolor_force = getenv("CLICOLOR_FORCE"),
        .locale = locale_name(),
    };
    struct terminal t = terminal_decide(&signs);
    if (signs.is_tty)
        terminal_measure(&t, fd);
    return t;
}
