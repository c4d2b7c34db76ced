#ifndef CLIENT_CONFIG_H
#define CLIENT_CONFIG_H

#include "err.h"

/* Where the broker is and which key opens it: the flag, else HILLSWEEP_BROKER and HILLSWEEP_KEYS,
 * else the user's file, else the machine's, else the default. A file has lines "name = value" of
 * the names broker and keys; "#" begins a comment. */

#define CONFIG_DEFAULT_BROKER "tcp://127.0.0.1:7117"
#define CONFIG_VALUE_MAX      256
#define CONFIG_PATH_MAX       1024

struct config_places {
    const char *flag;        /* --broker; NULL when not given */
    const char *environment; /* NULL or "" when not set */
    const char *user_file;   /* NULL: none */
    const char *machine_file;
    const char *keys_flag, *keys_environment; /* --keys; NULL or "" when not said */
};

struct config {
    char broker[CONFIG_VALUE_MAX];
    char from[CONFIG_VALUE_MAX + 64]; /* where that was said, for messages */
    char keys[CONFIG_PATH_MAX];       /* "": not said */
};

/* A file that does not exist says nothing; one with an unknown name or a broken line is ERR_USAGE.
 */
int config_read(const struct config_places *places, struct config *out, struct err *err);

/* The places of this process: the environment and the files of DESIGN. */
int config_load(const char *broker_flag, const char *keys_flag, struct config *out,
                struct err *err);

#endif
