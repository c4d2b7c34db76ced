/* See jobcopy.h. */
#include "jobcopy.h"

#include "crc32c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOB_MAGIC   0x314a5348u /* "HSJ1" */
#define DRIVE_MAGIC 0x31445348u /* "HSD1" */
#define HEAD        16
#define BYTES_MAX   (64u << 20)
#define TEXT_MAX    4096

static int copy_path(const char *data, uint32_t job, const char *ending, char path[PATH_MAX],
                     struct err *err)
{
    if (snprintf(path, PATH_MAX, "%s/copies/%" PRIu32 ".%s", data, job, ending) < PATH_MAX)
        return 0;
    return err_set(err, ERR_STORAGE, "the path of the data folder is too long");
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void put(struct buf *b, uint64_t value, unsigned bytes)
{
    unsigned char *out = buf_grow(b, bytes);
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> 8 * i);
}

static void put_run(struct buf *b, const void *data, size_t bytes)
{
    put(b, bytes, 4);
    buf_add(b, data, bytes);
}

static void put_text(struct buf *b, const char *text)
{
    put_run(b, text ? text : "", text ? strlen(text) + 1 : 1); /* with its end */
}

static uint64_t get(const unsigned char *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)in[i] << 8 * i;
    return value;
}

struct reader {
    const unsigned char *at;
    size_t left;
    bool bad;
};

static uint64_t take(struct reader *r, unsigned bytes)
{
    r->bad = r->bad || r->left < bytes;
    if (r->bad)
        return 0;
    uint64_t value = get(r->at, bytes);
    r->at += bytes;
    r->left -= bytes;
    return value;
}

static const void *take_run(struct reader *r, size_t *bytes)
{
    *bytes = take(r, 4);
    r->bad = r->bad || r->left < *bytes;
    if (r->bad)
        return NULL;
    const void *run = r->at;
    r->at += *bytes;
    r->left -= *bytes;
    return run;
}

static const char *take_text(struct reader *r)
{
    size_t bytes;
    const char *text = take_run(r, &bytes);
    r->bad = r->bad || bytes == 0 || bytes > TEXT_MAX || text[bytes - 1] != '\0';
    return r->bad ? "" : text;
}

/* --- files ----------------------------------------------------------------------------------- */

/* Room for the head, which comes when the contents are there. */
static void begin(struct buf *b)
{
    memset(buf_grow(b, HEAD), 0, HEAD);
}

static void seal(struct buf *b, uint32_t magic)
{
    struct buf head = {0};
    put(&head, magic, 4);
    put(&head, b->len - HEAD, 4);
    put(&head, crc32c(0, b->data + HEAD, b->len - HEAD), 4);
    put(&head, crc32c(0, head.data, 12), 4);
    memcpy(b->data, head.data, HEAD);
    buf_fini(&head);
}

static int write_copy(const struct disk *disk, const char *data, uint32_t job, const char *ending,
                      const struct buf *b, struct err *err)
{
    char path[PATH_MAX], folder[PATH_MAX];
    if (copy_path(data, job, ending, path, err) != 0 ||
        disk_make_folder(disk, disk_folder_of(path, folder), NULL, err) != 0)
        return -1;
    return disk_replace(disk, path, b->data, b->len, err);
}

static bool sealed(const struct buf *b, uint32_t magic)
{
    return b->len >= HEAD && get(b->data, 4) == magic && get(b->data + 4, 4) == b->len - HEAD &&
           get(b->data + 8, 4) == crc32c(0, b->data + HEAD, b->len - HEAD) &&
           get(b->data + 12, 4) == crc32c(0, b->data, 12);
}

/* The contents go to out, without the head. What cannot be read counts as damaged. */
static enum jobcopy_found read_copy(const struct disk *disk, const char *data, uint32_t job,
                                    const char *ending, struct buf *out, uint32_t magic)
{
    char path[PATH_MAX];
    struct stat st;
    buf_clear(out);
    if (copy_path(data, job, ending, path, NULL) != 0)
        return JOBCOPY_NONE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? JOBCOPY_NONE : JOBCOPY_DAMAGED;
    ssize_t n = -1;
    if (fstat(fd, &st) == 0 && st.st_size <= (off_t)BYTES_MAX) {
        n = disk_get(disk, fd, buf_grow(out, (size_t)st.st_size), (size_t)st.st_size, 0);
        out->len = n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (n < 0 || !sealed(out, magic))
        return JOBCOPY_DAMAGED;
    memmove(out->data, out->data + HEAD, out->len - HEAD);
    out->len -= HEAD;
    return JOBCOPY_SOUND;
}

/* --- a job ----------------------------------------------------------------------------------- */

static void encode(const struct store_job *row, struct buf *b)
{
    begin(b);
    put(b, row->id, 4);
    put(b, row->key, 8);
    put(b, (uint32_t)row->state, 4);
    put(b, (uint32_t)row->priority, 4);
    put(b, (uint64_t)row->submitted_s, 8);
    put(b, (uint64_t)row->finished_s, 8);
    put(b, row->points_failed, 8);
    put(b, row->q_blocks, 4);
    put(b, row->a_blocks, 4);
    put_text(b, row->reason);
    put_text(b, row->owner);
    put_run(b, row->document, row->document_bytes);
    seal(b, JOB_MAGIC);
}

static bool decode(const struct buf *b, struct store_job *row)
{
    struct reader r = {b->data, b->len, false};
    *row = (struct store_job){.id = (uint32_t)take(&r, 4)};
    row->key = take(&r, 8);
    row->state = (int)(uint32_t)take(&r, 4);
    row->priority = (int32_t)(uint32_t)take(&r, 4);
    row->submitted_s = (int64_t)take(&r, 8);
    row->finished_s = (int64_t)take(&r, 8);
    row->points_failed = take(&r, 8);
    row->q_blocks = (uint32_t)take(&r, 4);
    row->a_blocks = (uint32_t)take(&r, 4);
    row->reason = take_text(&r);
    row->owner = take_text(&r);
    row->document = take_run(&r, &row->document_bytes);
    return !r.bad && r.left == 0;
}

int jobcopy_write(const struct disk *disk, const char *data, const struct store_job *row,
                  struct err *err)
{
    struct buf b = {0};
    encode(row, &b);
    int rc = write_copy(disk, data, row->id, "job", &b, err);
    buf_fini(&b);
    return rc;
}

enum jobcopy_found jobcopy_read(const struct disk *disk, const char *data, uint32_t job,
                                struct store_job *row, struct buf *memory)
{
    enum jobcopy_found found = read_copy(disk, data, job, "job", memory, JOB_MAGIC);
    if (found == JOBCOPY_SOUND && (!decode(memory, row) || row->id != job))
        found = JOBCOPY_DAMAGED;
    return found;
}

/* --- a drive --------------------------------------------------------------------------------- */

int jobcopy_write_drive(const struct disk *disk, const char *data, uint32_t job, const void *drive,
                        size_t bytes, struct err *err)
{
    struct buf b = {0};
    begin(&b);
    put(&b, job, 4);
    buf_add(&b, drive, bytes);
    seal(&b, DRIVE_MAGIC);
    int rc = write_copy(disk, data, job, "drive", &b, err);
    buf_fini(&b);
    return rc;
}

enum jobcopy_found jobcopy_read_drive(const struct disk *disk, const char *data, uint32_t job,
                                      struct buf *drive)
{
    enum jobcopy_found found = read_copy(disk, data, job, "drive", drive, DRIVE_MAGIC);
    if (found != JOBCOPY_SOUND)
        return found;
    if (drive->len < 4 || get(drive->data, 4) != job)
        return JOBCOPY_DAMAGED;
    memmove(drive->data, drive->data + 4, drive->len - 4);
    drive->len -= 4;
    return JOBCOPY_SOUND;
}

/* --- the folder ------------------------------------------------------------------------------ */

int jobcopy_remove(const struct disk *disk, const char *data, uint32_t job, struct err *err)
{
    static const char *const endings[] = {"job", "drive"};
    char path[PATH_MAX], folder[PATH_MAX];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (copy_path(data, job, endings[i], path, err) != 0)
            return -1;
        if (unlink(path) != 0 && errno != ENOENT)
            return disk_fail(err, "remove", path);
    }
    disk_folder_of(path, folder);
    return access(folder, F_OK) == 0 ? disk_sync_folder(disk, folder, err) : 0;
}

int jobcopy_each(const char *data, jobcopy_fn *fn, void *arg, struct err *err)
{
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s/copies", data) >= PATH_MAX)
        return err_set(err, ERR_STORAGE, "the path of the data folder is too long");
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? 0 : disk_fail(err, "read folder", folder);
    int rc = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir));) {
        char *end;
        unsigned long job = strtoul(e->d_name, &end, 10);
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && !strcmp(end, ".job") && job < UINT32_MAX)
            rc = fn(arg, (uint32_t)job);
    }
    closedir(dir);
    return rc;
}
