/* A broker's DATA with any bytes changed, cut or missing, in the database, tile records, statuses,
 * fields and copies of jobs: it opens with jobs that hold together, or says why not. Each input is
 * a list of edits of a sound DATA that is made once. */
#include "fuzz.h"

#include "../unit/sink_rig.h"
#include "log.h"
#include <assert.h>

enum { FILES_MAX = 64, PATH_SIZE = 512 };

static struct file {
    char path[PATH_SIZE]; /* below the folder */
    struct buf bytes;
} files[FILES_MAX];
static size_t file_count, root_len;
static char work[64];

static int collect(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F)
        return 0;
    assert(file_count < FILES_MAX);
    struct file *f = &files[file_count++];
    snprintf(f->path, sizeof f->path, "%s", path + root_len);
    FILE *in = fopen(path, "re");
    f->bytes.len = fread(buf_grow(&f->bytes, (size_t)st->st_size + 1), 1, (size_t)st->st_size, in);
    fclose(in);
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* Three jobs: one half done, one done, one cancelled. */
static void make_data(void)
{
    void *state;
    int rc = rig_setup(&state);
    assert(rc == 0);
    struct rig *r = state;
    const struct content content = {.salt = 1};
    rig_open(r);
    for (uint32_t id = 1; id <= 3; id++) {
        struct job *job = make_job(6, 5, 2, id != 2, 1e5);
        rig_submit(r, id, job);
        uint32_t tiles = job_tile_count(job), some = id == 2 ? tiles : tiles / 2;
        sink_table(r->sink, id,
                   "\1\0\0\0"
                   "0123456789abcdef"
                   "rest",
                   24);
        rig_wait(r, SINK_TABLE);
        for (uint32_t tile = 0; tile < some; tile++) {
            sink_store(r->sink, make_result(job, id, tile, &content, tile));
            rig_wait(r, SINK_DURABLE);
        }
        rig_settle(r, id);
        if (id == 2) {
            sink_finish(r->sink, id);
            rig_wait(r, SINK_FINISHED);
        }
        job_destroy(job);
    }
    sink_job_state(r->sink, 3, JOB_CANCELLED, "enough");
    rig_close(r);
    root_len = strlen(r->data);
    nftw(r->data, collect, 16, FTW_PHYS);
    qsort(files, file_count, sizeof *files, by_path); /* an input means the same everywhere */
    rig_teardown(&state);
}

static void remove_work(void)
{
    nftw(work, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static void prepare(void)
{
    log_open("recover_fuzz", LOG_WARN);
    snprintf(work, sizeof work, "%s/recover-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    make_data();
    char *made = mkdtemp(work);
    assert(made);
    atexit(remove_work);
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + strlen(work) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

static void put_file(const struct file *f, const struct buf *bytes)
{
    char path[PATH_SIZE + 96];
    snprintf(path, sizeof path, "%s/data%s", work, f->path);
    make_folders(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert(fd >= 0);
    ssize_t n = write(fd, bytes->data, bytes->len);
    assert(n == (ssize_t)bytes->len);
    close(fd);
}

/* One edit: file, what, where (as a share of its length), how long, bytes. Returns what is left. */
static const uint8_t *edit(struct buf *bytes, const uint8_t *at, const uint8_t *end, bool *gone)
{
    uint8_t what = *at++ % 5;
    size_t where = ((size_t)at[0] | (size_t)at[1] << 8) * (bytes->len + 1) >> 16;
    size_t n = at[2], left = (size_t)(end - at - 3);
    at += 3;
    n = n < left ? n : left;
    if (what == 0) { /* changed in place */
        n = n < bytes->len - where ? n : bytes->len - where;
        for (size_t i = 0; i < n; i++)
            bytes->data[where + i] ^= at[i];
    } else if (what == 1) { /* cut */
        bytes->len = where;
    } else if (what == 2) { /* longer */
        buf_add(bytes, at, n);
    } else if (what == 3) { /* zeros, as after a power cut */
        memset(bytes->data + where, 0, bytes->len - where < 4096 ? bytes->len - where : 4096);
        n = 0;
    } else {
        *gone = true;
        n = 0;
    }
    return at + n;
}

static void lay_out(const uint8_t *data, size_t size)
{
    static struct buf bytes[FILES_MAX];
    bool gone[FILES_MAX] = {0};
    for (size_t i = 0; i < file_count; i++) {
        buf_clear(&bytes[i]);
        buf_add(&bytes[i], files[i].bytes.data, files[i].bytes.len);
    }
    for (const uint8_t *end = data + size; end - data >= 5;) {
        size_t file = data[0] % file_count;
        data = edit(&bytes[file], data + 1, end, &gone[file]);
    }
    for (size_t i = 0; i < file_count; i++)
        if (!gone[i])
            put_file(&files[i], &bytes[i]);
}

static void look_at(const struct sink_job *job, struct sink *s)
{
    assert(job->job && job->id >= 1 && job->id < sink_next_job(s));
    uint32_t tiles = job_tile_count(job->job);
    assert(job->frontier <= tiles || !job->tile_done);
    assert(job->points_failed <= job_points(job->job));
    for (uint32_t i = 0; job->tile_done && i < tiles; i++)
        assert(job->tile_done[i] <= 1);
    assert(memchr(job->owner, '\0', sizeof job->owner));
    assert(memchr(job->reason, '\0', sizeof job->reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[96];
    sem_t woken;
    struct sink *s = NULL;
    struct err err = {0};
    if (file_count == 0)
        prepare();
    snprintf(folder, sizeof folder, "%s/data", work);
    lay_out(data, size);
    sem_init(&woken, 0, 0);
    struct sink_config config = {
        .data = folder, .wake = rig_wake, .wake_arg = &woken, .retry_ms = 1};
    if (sink_open(&config, &s, &err)) {
        assert(err.code && *err.text);
    } else {
        for (size_t i = 0; i < sink_job_count(s); i++)
            look_at(sink_job(s, i), s);
        sink_close(s);
    }
    sem_destroy(&woken);
    nftw(folder, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
