#ifndef COMMON_HANGUP_H
#define COMMON_HANGUP_H

#include <stdbool.h>

/* Whether SIGHUP is ignored: whoever started this program wants it to outlive its terminal
 * (nohup), and it has to stay so. */
bool hangup_is_ignored(void);

#endif
