/* See jobdir.h. */
#include "jobdir_private.h"

#include "buf.h"
#include "loaders.h"
#include "npy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

unsigned jobdir_slots(const struct job *job)
{
    return tile_status_plane(job) + 2;
}

bool jobdir_has_slot(const struct job *job, unsigned slot)
{
    return slot == tile_status_plane(job) + 1 || tile_has_plane(job, slot);
}

unsigned jobdir_record_slot(const struct jobdir *d)
{
    return tile_status_plane(d->job) + 1;
}

void jobdir_init(struct jobdir *d, const struct disk *disk, const char *path, const struct job *job)
{
    *d = (struct jobdir){.disk = disk, .path = mem_strdup(path), .job = job};
    d->fds = mem_alloc(jobdir_slots(job), sizeof *d->fds);
    d->direct = mem_alloc(jobdir_slots(job), sizeof *d->direct);
    for (unsigned i = 0; i < jobdir_slots(job); i++)
        d->fds[i] = d->direct[i] = -1;
}

void jobdir_fini(struct jobdir *d)
{
    if (!d->fds)
        return;
    jobdir_close_files(d);
    free(d->fds);
    free(d->direct);
    free(d->path);
    *d = (struct jobdir){0};
}

/* --- names ----------------------------------------------------------------------------------- */

void jobdir_name(const struct job *job, unsigned slot, enum jobdir_final final,
                 char name[JOBDIR_NAME])
{
    unsigned status = tile_status_plane(job);
    if (slot >= status)
        snprintf(name, JOBDIR_NAME, "%s", slot == status ? "status.npy" : "tiles.crc");
    else
        snprintf(name, JOBDIR_NAME, "%s%s", job->outputs[slot / 2].name,
                 slot % 2                  ? ".error.npy"
                 : final == JOBDIR_PARTIAL ? ".partial.npy"
                                           : ".npy");
}

void jobdir_names(const struct job *job, jobdir_name_fn *fn, void *arg)
{
    static const char *const fixed[] = {"job.json", "q.npy", "a.npy", "w.npy", "w.npy.tmp"};
    char name[JOBDIR_NAME];
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        fn(arg, fixed[i]);
    for (unsigned slot = 0; slot < jobdir_slots(job); slot++) {
        for (int final = JOBDIR_PARTIAL; final <= JOBDIR_FINAL; final++) {
            jobdir_name(job, slot, (enum jobdir_final) final, name);
            if (jobdir_has_slot(job, slot))
                fn(arg, name);
        }
    }
}

void jobdir_new_names(const struct jobdir *d, jobdir_name_fn *fn, void *arg)
{
    char path[PATH_MAX];
    jobdir_names(d->job, fn, arg);
    for (unsigned i = 0; i < LOADERS; i++) {
        jobdir_path(d, loader_name(i), path);
        if (access(path, F_OK) != 0)
            fn(arg, loader_name(i));
    }
}

void jobdir_path(const struct jobdir *d, const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", d->path, name) >= PATH_MAX)
        path[0] = '\0'; /* opening it fails */
}

void jobdir_slot_path(const struct jobdir *d, unsigned slot, enum jobdir_final final,
                      char path[PATH_MAX])
{
    char name[JOBDIR_NAME];
    jobdir_name(d->job, slot, final, name);
    jobdir_path(d, name, path);
}

uint64_t jobdir_slot_bytes(const struct job *job, unsigned slot)
{
    if (slot == tile_status_plane(job) + 1)
        return (uint64_t)job_tile_count(job) * TILE_RECORD_BYTES;
    return NPY_HEADER + job_points(job) * tile_element(job, slot);
}

#define STRETCH_BYTES (128u << 10) /* what is worth a request of its own to the disk */

/* --- writing --------------------------------------------------------------------------------- */

static int slot_missing(struct jobdir *d, const char *path, const char *what, struct err *err)
{
    d->lost = true;
    err_set(err, ERR_STORAGE, "%s is %s", path, what);
    return err_hint(err, "bring the file back and start the broker again, or delete the job");
}

/* A job that is being finished may have its final name already. */
static int open_slot(const struct jobdir *d, unsigned slot, int flags, char path[PATH_MAX])
{
    char named[PATH_MAX];
    jobdir_slot_path(d, slot, JOBDIR_PARTIAL, path);
    jobdir_slot_path(d, slot, JOBDIR_FINAL, named);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        fd = open(named, flags | O_CLOEXEC);
        if (fd >= 0)
            memcpy(path, named, PATH_MAX);
    }
    return fd;
}

/* The descriptor of a slot, or -1. */
int jobdir_open(struct jobdir *d, unsigned slot, struct err *err)
{
    if (d->fds[slot] >= 0)
        return d->fds[slot];
    char path[PATH_MAX];
    int fd = open_slot(d, slot, O_RDWR, path);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? slot_missing(d, path, "missing", err)
                                                   : disk_fail(err, "open", path);
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < jobdir_slot_bytes(d->job, slot)) {
        close(fd);
        return slot_missing(d, path, "shorter than it was made", err);
    }
    return d->fds[slot] = fd;
}

int jobdir_check(struct jobdir *d, struct err *err)
{
    int rc = 0;
    for (unsigned slot = 0; rc == 0 && slot < jobdir_slots(d->job); slot++)
        if (jobdir_has_slot(d->job, slot) && jobdir_open(d, slot, err) < 0)
            rc = -1;
    jobdir_close_files(d);
    return rc;
}

static int slot_put(struct jobdir *d, unsigned slot, const void *data, size_t len, uint64_t at,
                    struct err *err)
{
    if (disk_put(d->disk, d->fds[slot], data, len, at) == 0)
        return 0;
    char path[PATH_MAX];
    jobdir_slot_path(d, slot, JOBDIR_PARTIAL, path);
    return disk_fail(err, "write", path);
}

uint64_t jobdir_row(const struct jobdir *d, unsigned plane, size_t q)
{
    return NPY_HEADER + (uint64_t)q * d->job->a.count * tile_element(d->job, plane);
}

int jobdir_lend(struct jobdir *d, unsigned plane, int *fd, int *direct, struct err *err)
{
    enum { NONE = -2 };
    char path[PATH_MAX];
    *fd = jobdir_open(d, plane, err);
    if (*fd < 0)
        return -1;
    if (d->direct[plane] == -1) {
        int opened = open_slot(d, plane, O_WRONLY | O_DIRECT, path);
        d->direct[plane] = opened < 0 ? NONE : opened;
    }
    *direct = d->direct[plane] == NONE ? -1 : d->direct[plane];
    return 0;
}

bool jobdir_blame(const struct jobdir *d, int fd, const char *verb, int error, struct err *err)
{
    char path[PATH_MAX];
    for (unsigned slot = 0; slot < jobdir_slots(d->job); slot++) {
        if (d->fds[slot] != fd)
            continue;
        jobdir_slot_path(d, slot, JOBDIR_PARTIAL, path);
        errno = error;
        disk_fail(err, verb, path);
        return true;
    }
    return false;
}

int jobdir_write(struct jobdir *d, unsigned plane, const struct job_tile *band, const void *rows,
                 struct err *err)
{
    if (jobdir_open(d, plane, err) < 0)
        return -1;
    size_t element = tile_element(d->job, plane), all = d->job->a.count;
    size_t width = band->a1 - band->a0, height = band->q1 - band->q0;
    uint64_t at = jobdir_row(d, plane, band->q0) + band->a0 * element;
    if (width == all) { /* the rows follow one another in the file too */
        size_t len = height * width * element;
        if (slot_put(d, plane, rows, len, at, err) != 0)
            return -1;
        if (len >= STRETCH_BYTES)
            disk_start(d->disk, d->fds[plane], at, len);
        return 0;
    }
    for (size_t i = 0; i < height; i++, at += all * element)
        if (slot_put(d, plane, (const char *)rows + i * width * element, width * element, at,
                     err) != 0)
            return -1;
    return 0;
}

int jobdir_records(struct jobdir *d, uint32_t first, uint32_t count, const void *records,
                   struct err *err)
{
    unsigned slot = jobdir_record_slot(d);
    if (jobdir_open(d, slot, err) < 0)
        return -1;
    return slot_put(d, slot, records, (size_t)count * TILE_RECORD_BYTES,
                    (uint64_t)first * TILE_RECORD_BYTES, err);
}

static int sync_fail(const struct jobdir *d, unsigned slot, struct err *err)
{
    char path[PATH_MAX];
    jobdir_slot_path(d, slot, JOBDIR_PARTIAL, path);
    return disk_fail(err, "sync", path);
}

int jobdir_settle(struct jobdir *d, unsigned slot, struct err *err)
{
    if (d->fds[slot] < 0 || disk_settle(d->disk, d->fds[slot]) == 0)
        return 0;
    return sync_fail(d, slot, err);
}

int jobdir_sync(struct jobdir *d, unsigned slot, struct err *err)
{
    if (d->fds[slot] < 0 || d->disk->fdatasync(d->fds[slot]) == 0)
        return 0;
    return sync_fail(d, slot, err);
}

void jobdir_distrust(struct jobdir *d)
{
    for (unsigned i = 0; i < jobdir_slots(d->job); i++)
        if (d->fds[i] >= 0)
            posix_fadvise(d->fds[i], 0, 0, POSIX_FADV_DONTNEED);
}

void jobdir_close_files(struct jobdir *d)
{
    for (unsigned i = 0; i < jobdir_slots(d->job); i++) {
        if (d->fds[i] >= 0)
            close(d->fds[i]);
        if (d->direct[i] >= 0)
            close(d->direct[i]);
        d->fds[i] = d->direct[i] = -1;
    }
}

bool jobdir_has_open_files(const struct jobdir *d)
{
    for (unsigned i = 0; i < jobdir_slots(d->job); i++)
        if (d->fds[i] >= 0)
            return true;
    return false;
}

int jobdir_drive(struct jobdir *d, const void *table, size_t bytes, struct err *err)
{
    char path[PATH_MAX];
    struct buf b = {0};
    jobdir_samples(table, bytes, &b);
    jobdir_path(d, "w.npy", path);
    int rc = disk_replace(d->disk, path, b.data, b.len, err);
    if (rc != 0 && access(d->path, F_OK) != 0)
        d->lost = true;
    buf_fini(&b);
    return rc;
}

/* --- the end --------------------------------------------------------------------------------- */

static int give_final_name(struct jobdir *d, unsigned slot, struct err *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    jobdir_slot_path(d, slot, JOBDIR_PARTIAL, from);
    jobdir_slot_path(d, slot, JOBDIR_FINAL, to);
    if (d->disk->rename(from, to) == 0)
        return 0;
    if (errno == ENOENT && access(to, F_OK) == 0)
        return 0; /* it was interrupted after this one */
    if (errno == ENOENT)
        return slot_missing(d, from, "missing", err);
    return disk_fail(err, "rename", from);
}

int jobdir_finish(struct jobdir *d, struct err *err)
{
    for (unsigned slot = 0; slot < jobdir_slots(d->job); slot++) {
        if (!jobdir_has_slot(d->job, slot))
            continue;
        int fd = jobdir_open(d, slot, err);
        if (fd < 0)
            return -1;
        if (d->disk->fsync(fd) != 0)
            return disk_fail(err, "sync the results in", d->path);
    }
    for (unsigned slot = 0; slot < tile_status_plane(d->job); slot += 2)
        if (give_final_name(d, slot, err) != 0)
            return -1;
    return disk_sync_folder(d->disk, d->path, err);
}

static void remove_name(void *arg, const char *name)
{
    char path[PATH_MAX];
    jobdir_path(arg, name, path);
    unlink(path);
}

/* A script that is not as it was written is somebody's own. */
static void remove_loader(const struct jobdir *d, unsigned i)
{
    char path[PATH_MAX], had[8192];
    struct buf text = {0};
    loader_text(i, d->job, &text);
    jobdir_path(d, loader_name(i), path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, had, sizeof had) : -1;
    if (n >= 0 && (size_t)n == text.len && memcmp(had, text.data, text.len) == 0)
        unlink(path);
    if (fd >= 0)
        close(fd);
    buf_fini(&text);
}

void jobdir_remove(struct jobdir *d)
{
    jobdir_close_files(d);
    jobdir_names(d->job, remove_name, d);
    for (unsigned i = 0; i < LOADERS; i++)
        remove_loader(d, i);
    rmdir(d->path);
}
