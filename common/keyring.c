/* See keyring.h. */
#include "keyring.h"

#include "buf.h"
#include "file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ALLOWED_MAX = 4 << 20, PATH_SIZE = 4096 };

static const char HEAD[] = "# Who may come in. ROLE NAME PUBLIC-KEY SINCE; the role is client, "
                           "worker, admin or revoked.\n";

static int path_in(const char *folder, const char *name, const char *ending, char path[PATH_SIZE],
                   struct err *err)
{
    if (snprintf(path, PATH_SIZE, "%s/%s%s", folder, name, ending) >= PATH_SIZE)
        return err_set(err, ERR_STORAGE, "the path %s is too long", folder);
    return 0;
}

/* --- the allowed file ------------------------------------------------------------------------ */

static bool parse_line(char *line, struct keyring_entry *e)
{
    char *words[4] = {0}, *rest = line;
    for (size_t i = 0; i < 4; i++)
        words[i] = strtok_r(i == 0 ? line : NULL, " \t\r", &rest);
    enum role role = 0;
    if (!words[2] || !key_name_is_good(words[1]) || !key_is_z85(words[2]) ||
        (strcmp(words[0], "revoked") != 0 && role_parse(words[0], &role)))
        return false;
    *e = (struct keyring_entry){.role = strcmp(words[0], "revoked") == 0 ? 0 : role};
    memcpy(e->name, words[1], strlen(words[1]) + 1);
    memcpy(e->public, words[2], KEY_CHARS + 1);
    snprintf(e->since, sizeof e->since, "%s", words[3] ? words[3] : "-");
    return true;
}

static void parse(struct buf *text, struct keyring *out)
{
    int number = 1;
    buf_text(text);
    for (char *line = (char *)text->data, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (*line == '#' || line[strspn(line, " \t\r")] == '\0')
            continue;
        struct keyring_entry e;
        if (parse_line(line, &e)) {
            out->entries = mem_resize(out->entries, out->count + 1, sizeof e);
            out->entries[out->count++] = e;
        } else if (out->broken++ == 0) {
            out->first_broken = number;
        }
    }
}

static int read_all(int fd, struct buf *text)
{
    for (;;) {
        ssize_t n = read(fd, buf_grow(text, 65536), 65536);
        text->len -= 65536 - (size_t)(n > 0 ? n : 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (text->len > ALLOWED_MAX) {
            errno = EFBIG;
            return -1;
        }
        if (n <= 0)
            return n < 0 ? -1 : 0;
    }
}

int keyring_read(const char *folder, struct keyring *out, struct err *err)
{
    char path[PATH_SIZE];
    struct stat st;
    struct buf text = {0};
    *out = (struct keyring){0};
    if (path_in(folder, "allowed", "", path, err))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    bool missing = fd < 0 && errno == ENOENT;
    if (fd < 0 || fstat(fd, &st))
        rc = err_errno(err, ERR_NOT_AUTHORISED, "cannot read %s", path);
    else if (!S_ISREG(st.st_mode) || (st.st_mode & 022))
        rc = err_set(err, ERR_NOT_AUTHORISED,
                     "%s may be changed by others (mode %04o): chmod 600 it", path,
                     (unsigned)st.st_mode & 07777);
    else if (read_all(fd, &text))
        rc = err_errno(err, ERR_NOT_AUTHORISED, "cannot read %s", path);
    else if (text.len > 0 && memchr(text.data, '\0', text.len))
        rc = err_set(err, ERR_NOT_AUTHORISED, "%s is damaged: it is no text", path);
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        parse(&text, out);
    else if (missing)
        err_hint(err, "make the first key: hillsweep keys new admin NAME --keys %.150s", folder);
    buf_fini(&text);
    return rc;
}

void keyring_fini(struct keyring *k)
{
    free(k->entries);
    *k = (struct keyring){0};
}

static int write_allowed(const char *folder, const struct keyring *k, struct err *err)
{
    char path[PATH_SIZE];
    struct buf text = {0};
    if (path_in(folder, "allowed", "", path, err))
        return -1;
    buf_str(&text, HEAD);
    for (size_t i = 0; i < k->count; i++) {
        const struct keyring_entry *e = &k->entries[i];
        buf_printf(&text, "%s %s %s %s\n", e->role ? role_name(e->role) : "revoked", e->name,
                   e->public, e->since);
    }
    int rc = file_put(path, text.data, text.len, false, err);
    buf_fini(&text);
    return rc;
}

/* What cannot be read is not written over. */
static int read_for_change(const char *folder, struct keyring *k, struct err *err)
{
    if (keyring_read(folder, k, err))
        return -1;
    if (k->broken == 0)
        return 0;
    err_set(err, ERR_NOT_AUTHORISED, "%s/allowed:%d: this line is not understood", folder,
            k->first_broken);
    keyring_fini(k);
    return err_hint(err, "a line is: ROLE NAME PUBLIC-KEY SINCE; mend or remove it first");
}

static void now_as_text(char out[32])
{
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(out, 32, "%FT%TZ", &tm);
}

/* --- changes --------------------------------------------------------------------------------- */

/* The folder locked against other changes; -1. */
static int lock(const char *folder, struct err *err)
{
    struct stat st;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        err_errno(err, ERR_STORAGE, "cannot open the folder of keys %s", folder);
        return -1;
    }
    if (fstat(fd, &st) || (st.st_mode & 022)) {
        err_set(err, ERR_NOT_AUTHORISED, "%s may be changed by others (mode %04o)", folder,
                (unsigned)st.st_mode & 07777);
        err_hint(err, "chmod 700 %.200s", folder);
    } else if (flock(fd, LOCK_EX)) {
        err_errno(err, ERR_STORAGE, "cannot lock %s", folder);
    } else {
        return fd;
    }
    close(fd);
    return -1;
}

int keyring_broker(const char *folder, struct key *key, struct err *err)
{
    char path[PATH_SIZE];
    if (path_in(folder, "broker", ".key", path, err))
        return -1;
    if (access(path, F_OK)) {
        err_set(err, ERR_NOT_AUTHORISED, "%s has no broker.key", folder);
        return err_hint(err, "make the first key: hillsweep keys new admin NAME --keys %.150s",
                        folder);
    }
    if (key_read(path, key, err))
        return -1;
    if (key->role == ROLE_BROKER)
        return 0;
    key_wipe(key);
    return err_set(err, ERR_NOT_AUTHORISED, "%s is not a broker's key", path);
}

/* Makes what a new folder lacks. */
static int found(const char *folder, struct err *err)
{
    char broker[PATH_SIZE], allowed[PATH_SIZE];
    struct key key = {.role = ROLE_BROKER};
    if (path_in(folder, "broker", ".key", broker, err) ||
        path_in(folder, "allowed", "", allowed, err))
        return -1;
    if (access(broker, F_OK) != 0) {
        key_make(&key);
        int rc = key_write(broker, &key, true, err);
        key_wipe(&key);
        if (rc)
            return -1;
    }
    return access(allowed, F_OK) == 0 ? 0 : write_allowed(folder, &(struct keyring){0}, err);
}

static bool next_key(const char *folder, struct key *key)
{
    char path[PATH_SIZE];
    return path_in(folder, "broker-next", ".key", path, NULL) == 0 &&
           key_read(path, key, NULL) == 0;
}

static int add(const char *folder, enum role role, const char *name, const char *path,
               struct err *err)
{
    struct keyring k;
    struct key broker, next, key = {.role = role};
    if (found(folder, err) || keyring_broker(folder, &broker, err))
        return -1;
    memcpy(key.pins[0], broker.public, sizeof broker.public);
    key_wipe(&broker);
    if (next_key(folder, &next))
        memcpy(key.pins[1], next.public, sizeof next.public);
    key_wipe(&next);
    if (read_for_change(folder, &k, err))
        return -1;
    int rc = 0;
    for (size_t i = 0; i < k.count && rc == 0; i++)
        if (k.entries[i].role && strcmp(k.entries[i].name, name) == 0)
            rc = err_set(err, ERR_OTHER, "there is a key of the name %s already (%s)", name,
                         role_name(k.entries[i].role));
    snprintf(key.name, sizeof key.name, "%s", name);
    key_make(&key);
    if (rc == 0)
        rc = key_write(path, &key, true, err);
    if (rc == 0) { /* the list last: whoever is on it has a key */
        struct keyring_entry e = {.role = role};
        snprintf(e.name, sizeof e.name, "%s", name);
        memcpy(e.public, key.public, sizeof e.public);
        now_as_text(e.since);
        k.entries = mem_resize(k.entries, k.count + 1, sizeof e);
        k.entries[k.count++] = e;
        rc = write_allowed(folder, &k, err);
        if (rc)
            unlink(path);
    }
    key_wipe(&key);
    keyring_fini(&k);
    return rc;
}

int keyring_new(const char *folder, enum role role, const char *name, char *path, size_t size,
                struct err *err)
{
    char full[PATH_SIZE];
    if (!key_name_is_good(name) || strcmp(name, "local") == 0 || strncmp(name, "broker", 6) == 0) {
        err_set(err, ERR_USAGE, "\"%.80s\" cannot be a key's name", name);
        return err_hint(err, "1 to 32 of A-Z a-z 0-9 . _ -, beginning with a letter or digit; not "
                             "local, nor broker...");
    }
    if (path_in(folder, name, ".key", full, err))
        return -1;
    if (mkdir(folder, 0700) && errno != EEXIST)
        return err_errno(err, ERR_STORAGE, "cannot make the folder of keys %s", folder);
    int fd = lock(folder, err);
    if (fd < 0)
        return -1;
    int rc = add(folder, role, name, full, err);
    close(fd);
    snprintf(path, size, "%s", full);
    return rc;
}

static int take_out(const char *folder, const char *name, struct err *err)
{
    struct keyring k;
    size_t hits = 0;
    if (read_for_change(folder, &k, err))
        return -1;
    for (size_t i = 0; i < k.count; i++) {
        if (k.entries[i].role == 0 || strcmp(k.entries[i].name, name) != 0)
            continue;
        k.entries[i].role = 0;
        now_as_text(k.entries[i].since);
        hits++;
    }
    int rc = 0;
    if (hits == 0) {
        rc = err_set(err, ERR_OTHER, "no key of the name %.80s may come in", name);
        err_hint(err, "hillsweep keys list --keys %.150s", folder);
    } else {
        rc = write_allowed(folder, &k, err);
    }
    keyring_fini(&k);
    return rc;
}

int keyring_revoke(const char *folder, const char *name, struct err *err)
{
    char path[PATH_SIZE];
    int fd = lock(folder, err);
    if (fd < 0)
        return -1;
    int rc = take_out(folder, name, err);
    if (rc == 0 && path_in(folder, name, ".key", path, err) == 0)
        unlink(path);
    close(fd);
    return rc;
}

/* --- the broker's own key --------------------------------------------------------------------- */

static void pin(struct key *key, const char *public)
{
    if (strcmp(key->pins[0], public) == 0)
        return;
    memcpy(key->pins[1], public, KEY_CHARS + 1);
}

int keyring_pin(const char *file, const char *public, struct err *err)
{
    struct key key;
    if (!key_is_z85(public))
        return err_set(err, ERR_USAGE, "\"%.80s\" is not a public key: 40 characters of Z85",
                       public);
    if (key_read(file, &key, err))
        return -1;
    pin(&key, public);
    int rc = key_write(file, &key, false, err);
    key_wipe(&key);
    return rc;
}

/* Every NAME.key in the folder; `only` leaves that pin alone in it. */
static int pin_everywhere(const char *folder, const char *public, bool only, struct err *err)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int rc = 0;
    if (!dir)
        return err_errno(err, ERR_STORAGE, "cannot read %s", folder);
    while (rc == 0 && (e = readdir(dir))) {
        char path[PATH_SIZE];
        struct key key;
        size_t len = strlen(e->d_name);
        if (*e->d_name == '.' || len < 5 || strcmp(e->d_name + len - 4, ".key") != 0 ||
            strncmp(e->d_name, "broker", 6) == 0)
            continue;
        if ((rc = path_in(folder, e->d_name, "", path, err)) || (rc = key_read(path, &key, err)))
            break;
        if (only)
            memset(key.pins, 0, sizeof key.pins);
        memcpy(key.pins[*key.pins[0] ? 1 : 0], public, KEY_CHARS + 1);
        rc = key_write(path, &key, false, err);
        key_wipe(&key);
    }
    closedir(dir);
    return rc;
}

static int prepare(const char *folder, char public[KEY_CHARS + 1], struct err *err)
{
    char path[PATH_SIZE];
    struct key next;
    if (path_in(folder, "broker-next", ".key", path, err))
        return -1;
    if (!next_key(folder, &next)) {
        next = (struct key){.role = ROLE_BROKER};
        key_make(&next);
        if (key_write(path, &next, true, err)) {
            key_wipe(&next);
            return -1;
        }
    }
    memcpy(public, next.public, KEY_CHARS + 1);
    key_wipe(&next);
    return pin_everywhere(folder, public, false, err);
}

int keyring_prepare(const char *folder, char public[KEY_CHARS + 1], struct err *err)
{
    int fd = lock(folder, err);
    if (fd < 0)
        return -1;
    int rc = prepare(folder, public, err);
    close(fd);
    return rc;
}

int keyring_rotate(const char *folder, char public[KEY_CHARS + 1], struct err *err)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    int fd = lock(folder, err);
    if (fd < 0)
        return -1;
    int rc = prepare(folder, public, err);
    if (rc == 0)
        rc = path_in(folder, "broker-next", ".key", from, err) ||
                     path_in(folder, "broker", ".key", to, err)
                 ? -1
                 : 0;
    if (rc == 0 && (rename(from, to) || fsync(fd)))
        rc = err_errno(err, ERR_STORAGE, "cannot replace %s", to);
    if (rc == 0)
        rc = pin_everywhere(folder, public, true, err);
    close(fd);
    return rc;
}
