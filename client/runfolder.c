/* See runfolder.h. */
#include "runfolder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_NAME ".hillsweep"
#define LOCK_NAME "run.lock"

enum { STATUS_OPEN = 0, STATUS_FAILED = 2 };

void runfolder_default(const char *job_file, char out[RUNFOLDER_PATH_MAX])
{
    size_t len = strlen(job_file);
    bool json = len > 5 && strcmp(job_file + len - 5, ".json") == 0 && job_file[len - 6] != '/';
    if (json)
        snprintf(out, RUNFOLDER_PATH_MAX, "%.*s", (int)(len - 5), job_file);
    else
        snprintf(out, RUNFOLDER_PATH_MAX, "%s.results", job_file);
}

static char *join(const char *folder, const char *name, const char *ending)
{
    struct buf path = {0};
    buf_printf(&path, "%s/%s%s", folder, name, ending);
    char *out = mem_strdup(buf_text(&path));
    buf_fini(&path);
    return out;
}

static bool exists(const char *folder, const char *name, const char *ending)
{
    char *path = join(folder, name, ending);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

/* mkdir -p */
static int make_folders(const char *path, bool *made, struct err *err)
{
    char part[RUNFOLDER_PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(part, 0777) && errno != EEXIST)
            return err_errno(err, ERR_STORAGE, "cannot create %s", part);
        *at = '/';
    }
    *made = mkdir(part, 0777) == 0;
    if (!*made && errno != EEXIST)
        return err_errno(err, ERR_STORAGE, "cannot create %s", part);
    struct stat st;
    if (stat(path, &st) || !S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, "%s is not a folder", path);
    return 0;
}

static int another_job(const char *path, const char *name, struct err *err)
{
    err_set(err, ERR_JOB_REFUSED, "the folder %s holds the results of another job%s%s%s", path,
            *name ? " (\"" : "", name, *name ? "\")" : "");
    return err_hint(err, "name another folder with -o, or remove that one");
}

/* A folder without job.json may hold anything but files that the results would overwrite. */
static int check_strange(const struct runfolder *f, const struct job *job, struct err *err)
{
    const char *taken = exists(f->path, "status", ".npy") ? "status" : NULL;
    for (size_t i = 0; i < job->output_count && !taken; i++)
        if (exists(f->path, job->outputs[i].name, ".npy") ||
            exists(f->path, job->outputs[i].name, ".partial.npy"))
            taken = job->outputs[i].name;
    if (!taken)
        return 0;
    err_set(err, ERR_JOB_REFUSED, "the folder %s has a %s.npy that is not of this job", f->path,
            taken);
    return err_hint(err, "name another folder with -o");
}

static bool all_final(const struct runfolder *f, const struct job *job)
{
    for (size_t i = 0; i < job->output_count; i++)
        if (!exists(f->path, job->outputs[i].name, ".npy"))
            return false;
    return true;
}

/* Compares the job that is in the folder, if there is one, and finds the state. */
static int compare(struct runfolder *f, const struct jobfile *job, struct err *err)
{
    struct jobfile there;
    f->state = RUNFOLDER_FRESH;
    if (!exists(f->path, "job", ".json"))
        return exists(f->path, DATA_NAME, "/hillsweep.db") ? 0 : check_strange(f, job->job, err);
    char *file = join(f->path, "job", ".json");
    int rc = jobfile_read(file, &there, err);
    free(file);
    if (rc) {
        if (err)
            err->line = err->column = 0;
        err_prefix(err, "%s/job.json", f->path);
        return err_hint(err, "it is not the job of a run: name another folder with -o");
    }
    if (there.canonical.len != job->canonical.len ||
        memcmp(there.canonical.data, job->canonical.data, job->canonical.len) != 0)
        rc = another_job(f->path, there.job->name, err);
    else
        f->state = all_final(f, job->job) ? RUNFOLDER_DONE : RUNFOLDER_BEGUN;
    jobfile_fini(&there);
    return rc;
}

/* Counts the points of a finished folder that failed. One that is not done was damaged, and has not
 * been computed again yet. */
static int count_failed(struct runfolder *f, struct err *err)
{
    unsigned char bytes[65536];
    char *file = join(f->path, "status", ".npy");
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n;
    off_t at = 4096; /* the head of every result file */
    int rc = fd < 0 ? err_errno(err, ERR_STORAGE, "cannot read %s", file) : 0;
    while (rc == 0 && (n = pread(fd, bytes, sizeof bytes, at)) != 0) {
        if (n < 0)
            rc = err_errno(err, ERR_STORAGE, "cannot read %s", file);
        for (ssize_t i = 0; i < n; i++)
            f->points_failed += bytes[i] == STATUS_FAILED;
        if (n > 0 && memchr(bytes, STATUS_OPEN, (size_t)n))
            f->state = RUNFOLDER_BEGUN;
        at += n;
    }
    if (fd >= 0)
        close(fd);
    free(file);
    return rc;
}

static int lock(struct runfolder *f, struct err *err)
{
    if (mkdir(f->data, 0700) && errno != EEXIST)
        return err_errno(err, ERR_STORAGE, "cannot create %s", f->data);
    char *file = join(f->data, LOCK_NAME, "");
    f->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = 0;
    if (f->lock_fd < 0) {
        rc = err_errno(err, ERR_STORAGE, "cannot create %s", file);
    } else if (flock(f->lock_fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        rc = err_set(err, ERR_STORAGE, "another run is at work in %s", f->path);
        err_hint(err, "wait for it, or name another folder with -o");
    }
    free(file);
    return rc;
}

static int set_paths(const char *path, struct runfolder *out, struct err *err)
{
    *out = (struct runfolder){.lock_fd = -1};
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof out->path)
        return err_set(err, ERR_USAGE, "the name of the folder is empty or too long");
    snprintf(out->path, sizeof out->path, "%.*s", (int)len, path);
    snprintf(out->data, sizeof out->data, "%s/" DATA_NAME, out->path);
    return 0;
}

bool runfolder_is(const char *word)
{
    return strchr(word, '/') || exists(word, DATA_NAME, "");
}

int runfolder_open_whole(const char *path, struct runfolder *out, struct err *err)
{
    if (set_paths(path, out, err))
        return -1;
    if (exists(out->path, DATA_NAME, "/"))
        return lock(out, err);
    err_set(err, ERR_USAGE, "%s is not the folder of a run: it has no " DATA_NAME, out->path);
    return err_hint(err, "a job of a broker is named by its number, its name or `last`");
}

int runfolder_open(const char *path, const struct jobfile *job, struct runfolder *out,
                   struct err *err)
{
    if (set_paths(path, out, err))
        return -1;
    int rc = make_folders(out->path, &out->made, err);
    if (rc == 0)
        rc = compare(out, job, err);
    if (rc == 0 && out->state == RUNFOLDER_DONE)
        rc = count_failed(out, err);
    if (rc == 0 && out->state == RUNFOLDER_DONE)
        return 0;
    if (rc == 0)
        rc = lock(out, err);
    if (rc)
        runfolder_close(out);
    return rc;
}

void runfolder_close(struct runfolder *f)
{
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    f->lock_fd = -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

bool runfolder_remove(const struct runfolder *f)
{
    return f->made && nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0;
}

int runfolder_busy(const char *path)
{
    char *file = join(path, DATA_NAME, "/" LOCK_NAME);
    int fd = open(file, O_RDWR | O_CLOEXEC);
    free(file);
    if (fd < 0)
        return 0;
    int busy = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
    close(fd);
    return busy;
}
