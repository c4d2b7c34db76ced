/* Folders in the making or unmaking. DATA/jobs/N is ours as a whole: one without a row is removed
 * at start. The folder of `results` is the user's: before files are made there or taken away, their
 * names are noted in DATA/pending; a note whose job has no row is carried out at start. The note
 * protects against a killed broker; after a power cut it may be missing, and then what a half-made
 * submission left is in the way of the next one, which is refused and says so. */
#include "sink_private.h"

#include "buf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void pending_path(const struct sink *s, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/pending", s->data);
}

static void add_name(void *arg, const char *name)
{
    buf_printf(arg, "%s\n", name);
}

int sink_note_pending(struct sink *s, const struct live *l, struct err *err)
{
    char path[PATH_MAX];
    struct buf note = {0};
    pending_path(s, path);
    buf_printf(&note, "%" PRIu32 "\n%s\n", l->id, l->dir.path);
    jobdir_new_names(&l->dir, add_name, &note);
    int rc = 0, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || disk_put(s->disk, fd, note.data, note.len, 0) != 0)
        rc = disk_fail(err, "write", path);
    if (fd >= 0)
        close(fd);
    buf_fini(&note);
    return rc;
}

void sink_clear_pending(struct sink *s)
{
    char path[PATH_MAX];
    pending_path(s, path);
    unlink(path);
}

static char *read_note(const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    enum { MOST = 1 << 16 };
    char *text = mem_alloc(MOST, 1);
    text[fread(text, 1, MOST - 1, f)] = '\0';
    fclose(f);
    return text;
}

static char *next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    *text = end + 1;
    return line;
}

static void carry_out(struct sink *s, char *text)
{
    char *number = next_line(&text), *folder = number ? next_line(&text) : NULL;
    if (!folder || sink_live(s, (uint32_t)strtoul(number, NULL, 10)))
        return;
    for (char *name; (name = next_line(&text));) {
        char path[PATH_MAX];
        if (!strchr(name, '/') &&
            snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path)
            unlink(path);
    }
    rmdir(folder);
}

static void remove_whole(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        unlinkat(dirfd(dir), e->d_name, 0); /* not "." and "..", and no folder of anyone's */
    closedir(dir);
    rmdir(folder);
}

static int sweep_jobs(struct sink *s, const char *jobs, struct err *err)
{
    DIR *dir = opendir(jobs);
    if (!dir)
        return errno == ENOENT ? 0 : disk_fail(err, "read folder", jobs);
    for (struct dirent *e; (e = readdir(dir));) {
        char *end, path[PATH_MAX];
        unsigned long id = strtoul(e->d_name, &end, 10);
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || *end || id > UINT32_MAX ||
            sink_live(s, (uint32_t)id))
            continue;
        if (snprintf(path, sizeof path, "%s/%s", jobs, e->d_name) < (int)sizeof path)
            remove_whole(path);
    }
    closedir(dir);
    return 0;
}

int sink_sweep(struct sink *s, struct err *err)
{
    char path[PATH_MAX];
    pending_path(s, path);
    char *note = read_note(path);
    if (note) {
        carry_out(s, note);
        free(note);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/jobs", s->data);
    return sweep_jobs(s, path, err);
}
