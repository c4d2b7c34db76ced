#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include <uv.h>

/* Telling the service manager how a program is: systemd's protocol, sd_notify(3), spoken by hand.
 * It is one datagram to $NOTIFY_SOCKET, no reason to load a library into programs that parse what
 * strangers send. Where nobody listens nothing happens. */

/* Assignments as sd_notify(3) has them, one a line: "READY=1\nSTATUS=listening". */
void service_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Starts a timer that says WATCHDOG=1 twice in the time that the service manager allows for it: a
 * loop that hangs stops saying so. Does nothing beyond uv_timer_init when there is no watchdog. */
void service_watchdog(uv_loop_t *loop, uv_timer_t *timer);

#endif
