#ifndef CLIENT_TERMINAL_H
#define CLIENT_TERMINAL_H

#include <stdbool.h>

/* What the stream that talks to the user can show. */

enum terminal_colours { COLOURS_NONE, COLOURS_16, COLOURS_256, COLOURS_TRUE };

struct terminal {
    bool redraw;  /* a line may be drawn again in place */
    bool unicode; /* its characters are UTF-8 */
    enum terminal_colours colours;
    int width, height; /* 80 x 24 when unknown */
};

/* What it is decided from: the stream and the environment (NULL: not set). */
struct terminal_signs {
    bool is_tty;
    int width, height;
    const char *term, *colorterm, *no_color, *clicolor, *clicolor_force, *locale;
};

/* Pure: NO_COLOR over CLICOLOR_FORCE over CLICOLOR=0 over the terminal itself; TERM=dumb cannot
 * redraw. 24 bits where COLORTERM or TERM say so, 256 where TERM does, 16 otherwise. */
struct terminal terminal_decide(const struct terminal_signs *signs);

struct terminal terminal_of(int fd);

/* Asks again for the size, which the user may have changed. */
void terminal_measure(struct terminal *t, int fd);

#endif
