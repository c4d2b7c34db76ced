/* See rundir.h. A folder is only touched when it bears our prefix, is ours and is no symbolic link,
 * and only the two names that a run makes are removed from it. */
#include "rundir.h"

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

#define PREFIX    "hillsweep-run."
#define BASE_MAX  50 /* leaves room for the prefix, six letters and the socket's name */
#define GRACE_S   60 /* a folder without a lock may be one that is just being made */
#define LOCK_NAME "lock"
#define SOCK_NAME "broker"

/* $XDG_RUNTIME_DIR when it is a short path to a folder of ours. */
static const char *find_base(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    if (dir && dir[0] == '/' && strlen(dir) <= BASE_MAX && stat(dir, &st) == 0 &&
        S_ISDIR(st.st_mode) && st.st_uid == geteuid() && access(dir, W_OK | X_OK) == 0)
        return dir;
    return "/tmp";
}

static void remove_files(const char *folder)
{
    static const char *const NAMES[] = {SOCK_NAME, LOCK_NAME};
    char path[512];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void sweep_one(const char *folder)
{
    struct stat st;
    if (lstat(folder, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return;
    char path[512];
    snprintf(path, sizeof path, "%s/" LOCK_NAME, folder);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        if (errno == ENOENT && time(NULL) - st.st_mtime > GRACE_S)
            remove_files(folder);
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_files(folder);
    close(fd);
}

void rundir_sweep(const char *base)
{
    DIR *dir = opendir(base);
    if (!dir)
        return;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char path[400];
        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        int n = snprintf(path, sizeof path, "%s/%s", base, entry->d_name);
        if (n > 0 && (size_t)n < sizeof path)
            sweep_one(path);
    }
    closedir(dir);
}

/* Locks the new folder; 1 when a sweeper was faster and has taken it away. */
static int lock_folder(struct rundir *dir, struct err *err)
{
    char path[120];
    struct stat st;
    snprintf(path, sizeof path, "%s/" LOCK_NAME, dir->path);
    dir->lock_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return errno == ENOENT ? 1 : err_errno(err, ERR_OTHER, "cannot create %s", path);
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0 && fstat(dir->lock_fd, &st) == 0 &&
        st.st_nlink > 0)
        return 0;
    close(dir->lock_fd);
    dir->lock_fd = -1;
    return 1;
}

int rundir_create(struct rundir *dir, struct err *err)
{
    const char *base = find_base();
    dir->lock_fd = -1;
    rundir_sweep(base);
    for (int attempt = 0; attempt < 5; attempt++) {
        snprintf(dir->path, sizeof dir->path, "%s/" PREFIX "XXXXXX", base);
        if (!mkdtemp(dir->path))
            return err_errno(err, ERR_OTHER, "cannot create a folder under %s", base);
        int rc = lock_folder(dir, err);
        if (rc < 0)
            rmdir(dir->path);
        if (rc == 0)
            snprintf(dir->endpoint, sizeof dir->endpoint, "ipc://%s/" SOCK_NAME, dir->path);
        if (rc <= 0)
            return rc;
    }
    return err_set(err, ERR_OTHER, "cannot lock a folder under %s", base);
}

void rundir_remove(struct rundir *dir)
{
    if (dir->lock_fd < 0)
        return;
    remove_files(dir->path);
    close(dir->lock_fd);
    dir->lock_fd = -1;
}
