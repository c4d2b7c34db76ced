/* The making of a job's files (jobdir.h). All are written first and then synced, so that the file
 * system can put them into one transaction. Until the caller has committed the job nothing refers
 * to them, so no file needs to appear at once; what was made is remembered, to be taken back. */
#include "jobdir_private.h"

#include "buf.h"
#include "loaders.h"
#include "log.h"
#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct made {
    char name[JOBDIR_NAME];
    int fd;
};

struct making {
    struct jobdir *d;
    struct made *files;
    size_t count;
};

static uint64_t all_bytes(const struct job *job)
{
    uint64_t bytes = 2 * NPY_HEADER + (job->q.count + job->a.count) * sizeof(double);
    for (unsigned slot = 0; slot < jobdir_slots(job); slot++)
        if (jobdir_has_slot(job, slot))
            bytes += jobdir_slot_bytes(job, slot);
    return bytes;
}

static const char *human(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1000 && unit < 5; unit++)
        value /= 1000;
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

static int too_small(const struct jobdir *d, uint64_t available, struct err *err)
{
    char needed[32], left[32];
    err_set(err, ERR_STORAGE, "the results need %s but only %s are free in %s",
            human(all_bytes(d->job), needed), human(available, left), d->path);
    return err_hint(err, "make room, choose another folder, or ask for fewer points or fields");
}

static uint64_t room(const struct jobdir *d)
{
    struct statvfs fs;
    if (statvfs(d->path, &fs) != 0)
        return UINT64_MAX; /* reserving will tell */
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static int reserve(const struct jobdir *d, int fd, const char *path, uint64_t bytes,
                   struct err *err)
{
    if (d->disk->fallocate(fd, 0, 0, (off_t)bytes) == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOSYS) {
        log_warnx("no space can be reserved on this file system, a full disk will show late: %s",
                  path);
        if (ftruncate(fd, (off_t)bytes) == 0)
            return 0;
    }
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return too_small(d, room(d), err);
    return disk_fail(err, "reserve space for", path);
}

/* A new file that begins with data and has `total` bytes, the others 0. */
static int make(struct making *m, const char *name, const void *data, size_t len, uint64_t total,
                struct err *err)
{
    char path[PATH_MAX];
    jobdir_path(m->d, name, path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return disk_fail(err, "make", path);
    struct made *file = &m->files[m->count++];
    file->fd = fd;
    snprintf(file->name, sizeof file->name, "%s", name);
    if (total > len && reserve(m->d, fd, path, total, err) != 0)
        return -1;
    return disk_put(m->d->disk, fd, data, len, 0) == 0 ? 0 : disk_fail(err, "write", path);
}

static int make_constant(struct making *m, unsigned which, struct err *err)
{
    struct buf b = {0};
    const char *name = jobdir_constant(m->d->job, which, &b);
    int rc = make(m, name, b.data, b.len, b.len, err);
    buf_fini(&b);
    return rc;
}

static int make_slot(struct making *m, unsigned slot, struct err *err)
{
    const struct job *job = m->d->job;
    char name[JOBDIR_NAME], head[NPY_HEADER];
    size_t head_bytes = jobdir_head(job, slot, head);
    jobdir_name(job, slot, JOBDIR_PARTIAL, name);
    return make(m, name, head, head_bytes, jobdir_slot_bytes(job, slot), err);
}

/* Nothing depends on them, and a file of that name that is there already is somebody's own. */
static int make_loaders(struct making *m, struct err *err)
{
    int rc = 0;
    for (unsigned i = 0; i < LOADERS && rc == 0; i++) {
        char path[PATH_MAX];
        struct buf text = {0};
        jobdir_path(m->d, loader_name(i), path);
        loader_text(i, m->d->job, &text);
        if (access(path, F_OK) != 0)
            rc = make(m, loader_name(i), text.data, text.len, text.len, err);
        buf_fini(&text);
    }
    return rc;
}

static int make_all(struct making *m, struct err *err)
{
    const struct job *job = m->d->job;
    uint64_t available = room(m->d);
    if (available < all_bytes(job))
        return too_small(m->d, available, err);
    for (unsigned which = 0; which < JOBDIR_CONSTANTS; which++)
        if (make_constant(m, which, err) != 0)
            return -1;
    for (unsigned slot = 0; slot < jobdir_slots(job); slot++)
        if (jobdir_has_slot(job, slot) && make_slot(m, slot, err) != 0)
            return -1;
    if (make_loaders(m, err) != 0)
        return -1;
    for (size_t i = 0; i < m->count; i++)
        if (m->d->disk->fsync(m->files[i].fd) != 0)
            return disk_fail(err, "sync", m->files[i].name);
    return disk_sync_folder(m->d->disk, m->d->path, err);
}

struct look {
    const struct jobdir *d;
    struct err *err;
    int rc;
};

static void look_for(void *arg, const char *name)
{
    struct look *look = arg;
    char path[PATH_MAX];
    jobdir_path(look->d, name, path);
    if (look->rc != 0 || access(path, F_OK) != 0)
        return;
    look->rc = err_set(look->err, ERR_STORAGE, "%s exists already", path);
    err_hint(look->err, "the folder holds other results: move them away or choose another one");
}

int jobdir_vacant(const struct jobdir *d, struct err *err)
{
    struct look look = {d, err, 0};
    jobdir_names(d->job, look_for, &look);
    return look.rc;
}

int jobdir_create(struct jobdir *d, struct err *err)
{
    bool made_folder = false;
    if (disk_make_folder(d->disk, d->path, &made_folder, err) != 0) {
        rmdir(d->path);
        return -1;
    }
    struct making m = {
        .d = d,
        .files = mem_alloc(jobdir_slots(d->job) + JOBDIR_CONSTANTS + LOADERS, sizeof *m.files)};
    int rc = make_all(&m, err);
    for (size_t i = 0; i < m.count; i++) {
        char path[PATH_MAX];
        close(m.files[i].fd);
        jobdir_path(d, m.files[i].name, path);
        if (rc != 0)
            unlink(path);
    }
    if (rc != 0 && made_folder)
        rmdir(d->path);
    free(m.files);
    return rc;
}
