/* See terminal.h. */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct terminal terminal_decide(bool is_tty, int width, const char *term, const char *no_color,
                                const char *clicolor_force)
{
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    bool forced = clicolor_force && *clicolor_force && strcmp(clicolor_force, "0") != 0;
    struct terminal t = {
        .redraw = is_tty && !dumb,
        .colour = (is_tty && !dumb) || forced,
        .width = width > 0 ? width : 80,
    };
    if (no_color && *no_color)
        t.colour = false;
    return t;
}

struct terminal terminal_of(int fd)
{
    struct winsize size = {0};
    bool tty = isatty(fd) == 1;
    int width = tty && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
    return terminal_decide(tty, width, getenv("TERM"), getenv("NO_COLOR"),
                           getenv("CLICOLOR_FORCE"));
}
