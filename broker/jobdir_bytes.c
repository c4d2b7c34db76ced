/* The bytes of a job's files that follow from the job and its drive table alone, and the mending of
 * files whose bytes are others; reading tiles back. See jobdir.h. */
#include "jobdir_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- what must be there ---------------------------------------------------------------------- */

static void add_axis(const struct job_values *axis, struct buf *out)
{
    const uint64_t shape[1] = {axis->count};
    npy_header(buf_grow(out, NPY_HEADER), "<f8", 1, shape);
    job_values_write(axis, buf_grow(out, axis->count * sizeof(double)));
}

const char *jobdir_constant(const struct job *job, unsigned which, struct buf *out)
{
    switch (which) {
    case 0:
        job_format(job, out);
        return "job.json";
    case 1:
        add_axis(&job->q, out);
        return "q.npy";
    default:
        assert(which == 2);
        add_axis(&job->a, out);
        return "a.npy";
    }
}

size_t jobdir_head(const struct job *job, unsigned slot, char head[NPY_HEADER])
{
    static const char *const dtypes[] = {"|u1", "<f4", "<f8"};
    const uint64_t shape[2] = {job->q.count, job->a.count};
    if (slot > tile_status_plane(job))
        return 0;
    npy_header(head, dtypes[tile_element(job, slot) / 4], 2, shape);
    return NPY_HEADER;
}

void jobdir_samples(const void *table, size_t bytes, struct buf *out)
{
    const size_t sample = 2 * sizeof(double);
    uint32_t count = 0;
    if (bytes >= sizeof count)
        memcpy(&count, table, sizeof count);
    if (bytes < sizeof count || count > (bytes - sizeof count) / sample)
        count = 0; /* a worker's nonsense: the header alone */
    const uint64_t shape[2] = {count, 2};
    npy_header(buf_grow(out, NPY_HEADER), "<f8", 2, shape);
    buf_add(out, (const char *)table + sizeof count, count * sample);
}

/* --- mending --------------------------------------------------------------------------------- */

struct mending {
    struct jobdir *d;
    jobdir_name_fn *fn;
    void *arg;
};

/* Whether the file has these bytes and no others. What cannot be read has not. */
static bool same_file(const struct disk *disk, const char *path, const struct buf *right)
{
    struct buf there = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool same =
        fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size == right->len &&
        disk_get(disk, fd, buf_grow(&there, right->len), right->len, 0) == (ssize_t)right->len &&
        memcmp(there.data, right->data, right->len) == 0;
    if (fd >= 0)
        close(fd);
    buf_fini(&there);
    return same;
}

static int mend_file(const struct mending *m, const char *name, const struct buf *right,
                     struct err *err)
{
    char path[PATH_MAX];
    jobdir_path(m->d, name, path);
    if (same_file(m->d->disk, path, right))
        return 0;
    if (disk_replace(m->d->disk, path, right->data, right->len, err) != 0)
        return -1;
    m->fn(m->arg, name);
    return 0;
}

static int mend_head(const struct mending *m, unsigned slot, struct err *err)
{
    char right[NPY_HEADER], there[NPY_HEADER], name[JOBDIR_NAME];
    size_t bytes = jobdir_head(m->d->job, slot, right);
    int fd = jobdir_open(m->d, slot, err);
    if (fd < 0)
        return -1;
    if (disk_get(m->d->disk, fd, there, bytes, 0) == (ssize_t)bytes &&
        memcmp(there, right, bytes) == 0)
        return 0;
    jobdir_name(m->d->job, slot, JOBDIR_FINAL, name);
    if (disk_put(m->d->disk, fd, right, bytes, 0) != 0)
        return disk_fail(err, "write", name);
    m->fn(m->arg, name);
    return 0;
}

int jobdir_mend(struct jobdir *d, const void *table, size_t bytes, jobdir_name_fn *fn, void *arg,
                struct err *err)
{
    const struct mending m = {d, fn, arg};
    struct buf right = {0};
    int rc = 0;
    for (unsigned which = 0; rc == 0 && which < JOBDIR_CONSTANTS; which++) {
        buf_clear(&right);
        const char *name = jobdir_constant(d->job, which, &right);
        rc = mend_file(&m, name, &right, err);
    }
    if (rc == 0 && table) {
        buf_clear(&right);
        jobdir_samples(table, bytes, &right);
        rc = mend_file(&m, "w.npy", &right, err);
    }
    for (unsigned slot = 0; rc == 0 && slot < jobdir_slots(d->job); slot++)
        if (jobdir_has_slot(d->job, slot))
            rc = mend_head(&m, slot, err);
    buf_fini(&right);
    return rc;
}

/* --- reading back ---------------------------------------------------------------------------- */

static int slot_get(struct jobdir *d, unsigned slot, void *out, size_t len, uint64_t at,
                    struct err *err)
{
    ssize_t n = disk_get(d->disk, d->fds[slot], out, len, at);
    if (n == (ssize_t)len)
        return 0;
    char path[PATH_MAX];
    jobdir_slot_path(d, slot, JOBDIR_PARTIAL, path);
    errno = n < 0 ? errno : EIO;
    return disk_fail(err, "read", path);
}

int jobdir_read(struct jobdir *d, unsigned plane, const struct job_tile *band, void *rows,
                struct err *err)
{
    if (jobdir_open(d, plane, err) < 0)
        return -1;
    size_t element = tile_element(d->job, plane), all = d->job->a.count;
    size_t width = band->a1 - band->a0, height = band->q1 - band->q0;
    uint64_t at = NPY_HEADER + ((uint64_t)band->q0 * all + band->a0) * element;
    if (width == all)
        return slot_get(d, plane, rows, height * width * element, at, err);
    for (size_t i = 0; i < height; i++, at += all * element)
        if (slot_get(d, plane, (char *)rows + i * width * element, width * element, at, err) != 0)
            return -1;
    return 0;
}

int jobdir_read_records(struct jobdir *d, uint32_t first, uint32_t count, void *records,
                        struct err *err)
{
    unsigned slot = jobdir_record_slot(d);
    if (jobdir_open(d, slot, err) < 0)
        return -1;
    return slot_get(d, slot, records, (size_t)count * TILE_RECORD_BYTES,
                    (uint64_t)first * TILE_RECORD_BYTES, err);
}
