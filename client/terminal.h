#ifndef CLIENT_TERMINAL_H
#define CLIENT_TERMINAL_H

#include <stdbool.h>

/* What the stream that talks to the user can show. */
struct terminal {
    bool redraw; /* a line may be drawn again in place */
    bool colour;
    int width; /* columns; 80 when unknown */
};

/* Pure: NO_COLOR over CLICOLOR_FORCE over the terminal itself; TERM=dumb cannot redraw. */
struct terminal terminal_decide(bool is_tty, int width, const char *term, const char *no_color,
                                const char *clicolor_force);

struct terminal terminal_of(int fd);

#endif
