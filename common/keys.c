/* See keys.h. Files are judged by their descriptor, not by their name, so that what is checked is
 * what is read. */
#include "keys.h"

#include "buf.h"
#include "door.h"
#include "file.h"
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { FILE_MAX = 4096 };

static const struct {
    enum role role;
    const char *name;
} ROLES[] = {{ROLE_CLIENT, "client"},
             {ROLE_WORKER, "worker"},
             {ROLE_ADMIN, "admin"},
             {ROLE_BROKER, "broker"}};

const char *role_name(enum role role)
{
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++)
        if (ROLES[i].role == role)
            return ROLES[i].name;
    return "nobody";
}

static int any_role(const char *text, enum role *role)
{
    for (size_t i = 0; i < sizeof ROLES / sizeof *ROLES; i++) {
        if (strcmp(text, ROLES[i].name) == 0) {
            *role = ROLES[i].role;
            return 0;
        }
    }
    return -1;
}

int role_parse(const char *text, enum role *role)
{
    return any_role(text, role) || *role == ROLE_BROKER ? -1 : 0;
}

bool key_name_is_good(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= KEY_NAME_MAX && strspn(name, allowed) == len && *name != '.' &&
           *name != '-';
}

bool key_is_z85(const char *text)
{
    unsigned char raw[32];
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    if (strlen(text) != KEY_CHARS || strspn(text, alphabet) != KEY_CHARS)
        return false;
    bool fits = zmq_z85_decode(raw, text) != NULL; /* five characters may exceed 32 bits */
    explicit_bzero(raw, sizeof raw);
    return fits;
}

/* A public key is typed as a word of a command line: none begins as an option does. */
void key_make(struct key *key)
{
    do {
        int rc = zmq_curve_keypair(key->public, key->secret);
        assert(rc == 0); /* a libzmq without CURVE is refused when the program is built */
    } while (key->public[0] == '-');
}

void key_wipe(struct key *key)
{
    explicit_bzero(key, sizeof *key);
}

/* --- reading --------------------------------------------------------------------------------- */

static int no_key(struct err *err, const char *path, int line, const char *what)
{
    err_set(err, ERR_NOT_AUTHORISED, "%s is not a key file: line %d: %s", path, line, what);
    return err_hint(err, "hillsweep keys new makes key files; copy one whole");
}

static const char *take_key(char *to, const char *value)
{
    if (!key_is_z85(value))
        return "a key has 40 characters of Z85";
    memcpy(to, value, KEY_CHARS + 1);
    return NULL;
}

static const char *take_pin(struct key *key, const char *value)
{
    for (size_t i = 0; i < KEY_PINS; i++)
        if (!*key->pins[i])
            return take_key(key->pins[i], value);
    return "more pins than two";
}

/* NULL, or what is wrong with the line. */
static const char *take_line(struct key *key, const char *name, const char *value)
{
    if (strcmp(name, "role") == 0)
        return any_role(value, &key->role) ? "the role is client, worker, admin or broker" : NULL;
    if (strcmp(name, "public") == 0)
        return take_key(key->public, value);
    if (strcmp(name, "secret") == 0)
        return take_key(key->secret, value);
    if (strcmp(name, "broker") == 0)
        return take_pin(key, value);
    if (strcmp(name, "name") != 0)
        return "name, role, public, secret and broker are what it may say";
    if (!key_name_is_good(value))
        return "the name is not one";
    snprintf(key->name, sizeof key->name, "%s", value);
    return NULL;
}

static int parse(const char *path, char *text, struct key *key, struct err *err)
{
    int number = 1;
    for (char *line = text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (*line == '#' || line[strspn(line, " \t")] == '\0')
            continue;
        char *equals = strstr(line, " = ");
        if (!equals)
            return no_key(err, path, number, "a line is \"name = value\"");
        *equals = '\0';
        const char *wrong = take_line(key, line, equals + 3);
        if (wrong)
            return no_key(err, path, number, wrong);
    }
    if (!key->role || !*key->public || !*key->secret)
        return no_key(err, path, number, "role, public or secret is missing");
    char public[KEY_CHARS + 1];
    if (zmq_curve_public(public, key->secret) || strcmp(public, key->public) != 0)
        return no_key(err, path, number, "the public key does not belong to the secret one");
    if (key->role != ROLE_BROKER && !*key->pins[0])
        return no_key(err, path, number, "the broker's public key is missing");
    return 0;
}

static int check_secrecy(int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return err_errno(err, ERR_NOT_AUTHORISED, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_NOT_AUTHORISED, "%s is not a file", path);
    if (geteuid() != 0 && st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, ERR_NOT_AUTHORISED, "%s belongs to another user", path);
    if ((st.st_mode & 077) == 0)
        return 0;
    err_set(err, ERR_NOT_AUTHORISED,
            "%s may be used by others (mode %04o): a secret key must be 0600", path,
            (unsigned)st.st_mode & 07777);
    return err_hint(err, "chmod 600 %.180s; if others may have seen it, make a new one", path);
}

/* A process that knows a secret leaves no core file and is traced by nobody but root. (Leak
 * checkers trace their own process.) */
static void hide_memory(void)
{
#ifndef SANITIZED
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

int key_read(const char *path, struct key *key, struct err *err)
{
    char text[FILE_MAX + 1];
    *key = (struct key){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us */
    if (fd < 0)
        return err_errno(err, ERR_NOT_AUTHORISED, "cannot read the key %s", path);
    int rc = check_secrecy(fd, path, err);
    ssize_t n = rc ? 0 : read(fd, text, FILE_MAX);
    if (n < 0)
        rc = err_errno(err, ERR_NOT_AUTHORISED, "cannot read the key %s", path);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (rc == 0)
        rc = parse(path, text, key, err);
    explicit_bzero(text, sizeof text);
    if (rc)
        key_wipe(key);
    else
        hide_memory();
    return rc;
}

/* --- writing --------------------------------------------------------------------------------- */

int key_write(const char *path, const struct key *key, bool fresh, struct err *err)
{
    struct buf text = {0};
    buf_printf(&text, "# a secret key of hillsweep: keep it 0600\nrole = %s\n",
               role_name(key->role));
    if (*key->name)
        buf_printf(&text, "name = %s\n", key->name);
    buf_printf(&text, "public = %s\nsecret = %s\n", key->public, key->secret);
    for (size_t i = 0; i < KEY_PINS; i++)
        if (*key->pins[i])
            buf_printf(&text, "broker = %s\n", key->pins[i]);
    int rc = file_put(path, text.data, text.len, fresh, err);
    explicit_bzero(text.data, text.len);
    buf_fini(&text);
    return rc;
}

/* --- finding --------------------------------------------------------------------------------- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool ends_in_key(const char *name)
{
    size_t len = strlen(name);
    return *name != '.' && len > 4 && strcmp(name + len - 4, ".key") == 0;
}

static int two_fit(struct err *err, const char *folder, const char *a, const char *b)
{
    err_set(err, ERR_NOT_AUTHORISED, "%s has several keys that fit: %s, %s", folder, a, b);
    return err_hint(err, "name one: --keys %.100s/%.100s", folder, a);
}

/* The only key that fits; *found false when there is none. */
static int search(const char *folder, unsigned roles, struct key *key, bool *found, struct err *err)
{
    char first[256] = "", path[4096];
    struct dirent *e;
    DIR *dir = opendir(folder);
    *found = false;
    if (!dir)
        return err_errno(err, ERR_NOT_AUTHORISED, "cannot read the folder of keys %s", folder);
    int rc = 0;
    while (rc == 0 && (e = readdir(dir))) {
        struct key one;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (!ends_in_key(e->d_name) || (rc = key_read(path, &one, err)))
            continue;
        if (one.role & roles) {
            if (*found)
                rc = two_fit(err, folder, first, e->d_name);
            *found = true;
            snprintf(first, sizeof first, "%s", e->d_name);
            *key = one;
        }
        key_wipe(&one);
    }
    closedir(dir);
    return rc;
}

static int none_fits(struct err *err, const char *place, unsigned roles)
{
    const char *wanted = roles & ROLE_WORKER ? "worker" : "client";
    err_set(err, ERR_NOT_AUTHORISED, "%s has no key for a %s", place, wanted);
    return err_hint(err, "where the broker's keys are: hillsweep keys new %s NAME --keys DIR",
                    wanted);
}

int key_find(const char *place, unsigned roles, struct key *key, struct err *err)
{
    bool found = true;
    if (is_folder(place) ? search(place, roles, key, &found, err) : key_read(place, key, err))
        return -1;
    if (found && (key->role & roles))
        return 0;
    key_wipe(key);
    return none_fits(err, place, roles);
}

static int search_defaults(unsigned roles, struct key *key, bool *have, struct err *err)
{
    char mine[4096] = "";
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        snprintf(mine, sizeof mine, "%s/hillsweep/keys", xdg);
    else if (home && *home)
        snprintf(mine, sizeof mine, "%s/.config/hillsweep/keys", home);
    const char *const places[] = {mine, "/etc/hillsweep/keys"};
    for (size_t i = 0; i < 2 && !*have; i++)
        if (is_folder(places[i]) && access(places[i], R_OK | X_OK) == 0 &&
            search(places[i], roles, key, have, err))
            return -1;
    return 0;
}

int key_for(const char *endpoint, const char *place, unsigned roles, struct key *key, bool *have,
            struct err *err)
{
    enum door_kind kind;
    *have = false;
    if (door_kind(endpoint, &kind, err))
        return -1;
    if (kind == DOOR_IPC)
        return 0;
    if (place && strcmp(place, KEYS_NONE) == 0)
        return 0;
    if (place && *place) {
        *have = true;
        return key_find(place, roles, key, err);
    }
    return kind == DOOR_NETWORK ? search_defaults(roles, key, have, err) : 0;
}
