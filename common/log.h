#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/* Log lines on standard error: "hillsweep-broker: text key=value". warn adds
 * strerror(errno), warnx does not. The only global of the project. */

enum log_level { LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Sets the program's name (borrowed for ever) and what is printed: WARN, INFO or DEBUG and above.
 */
void log_open(const char *program, enum log_level level);

void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warnx(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
