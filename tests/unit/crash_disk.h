#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

/* A record of what a program did to its files, and every disk that a crash may leave of it.
 *
 * The model is POSIX's, not that of one file system. What was written to a file is there for sure
 * once that file was synced; names (made, renamed, removed) once their folder was synced. Of what
 * was not, anything may be there: any of the writes, parts of a write in sectors of 512 bytes, and
 * of the changes of names all up to some moment. `crash_disk_make` builds one such disk for a crash
 * after the first `upto` calls. */

#include "buf.h"
#include "syscalls.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

enum { CRASH_SECTOR = 512, CRASH_NODES = 4096, CRASH_BYTES = 1 << 22 };

enum crash_kind { CRASH_KILL, CRASH_SYNCED_ONLY, CRASH_RANDOM };

struct crash_step {
    enum sys_kind kind;
    uint32_t node; /* of a file or folder */
    char *path, *to;
    unsigned char *data;
    size_t len;
    off_t at;
    bool grow;
};

struct crash_name { /* in the present */
    char *path;
    uint32_t node;
};

static struct crash_step *crash_steps;
static size_t crash_count, crash_room;
static struct crash_name crash_names[CRASH_NODES];
static uint32_t crash_name_count, crash_nodes;

static uint32_t crash_node(const char *path)
{
    for (uint32_t i = 0; i < crash_name_count; i++)
        if (crash_names[i].path && strcmp(crash_names[i].path, path) == 0)
            return crash_names[i].node;
    return UINT32_MAX;
}

static void crash_forget(const char *path)
{
    for (uint32_t i = 0; i < crash_name_count; i++) {
        if (crash_names[i].path && strcmp(crash_names[i].path, path) == 0) {
            free(crash_names[i].path);
            crash_names[i].path = NULL;
        }
    }
}

static void crash_know(const char *path, uint32_t node)
{
    assert(crash_name_count < CRASH_NODES);
    crash_names[crash_name_count++] = (struct crash_name){mem_strdup(path), node};
}

/* A sys_after. */
static void crash_record(const struct sys_call *c)
{
    struct crash_step s = {.kind = c->kind, .len = c->len, .at = c->at, .grow = c->grow};
    if (c->kind == SYS_CREATE || c->kind == SYS_MKDIR)
        crash_know(c->path, crash_nodes++);
    s.node = crash_node(c->path);
    if (s.node == UINT32_MAX && c->kind != SYS_SYNC)
        return; /* the root's own folder */
    s.path = mem_strdup(c->path);
    if (c->kind == SYS_WRITE) {
        s.data = mem_alloc(c->len, 1);
        memcpy(s.data, c->data, c->len);
    }
    if (c->kind == SYS_RENAME) {
        s.to = mem_strdup(c->to);
        crash_forget(c->to);
        crash_know(c->to, s.node);
    }
    if (c->kind == SYS_RENAME || c->kind == SYS_UNLINK || c->kind == SYS_RMDIR)
        crash_forget(c->path);
    if (crash_count == crash_room) {
        crash_room = crash_room ? 2 * crash_room : 1024;
        crash_steps = mem_resize(crash_steps, crash_room, sizeof *crash_steps);
    }
    crash_steps[crash_count++] = s;
}

static void crash_reset(void)
{
    for (size_t i = 0; i < crash_count; i++) {
        free(crash_steps[i].path);
        free(crash_steps[i].to);
        free(crash_steps[i].data);
    }
    for (uint32_t i = 0; i < crash_name_count; i++)
        free(crash_names[i].path);
    free(crash_steps);
    crash_steps = NULL;
    crash_count = crash_room = 0;
    crash_name_count = crash_nodes = 0;
}

/* --- a disk ---------------------------------------------------------------------------------- */

struct crash_file {
    unsigned char *bytes;
    size_t len;
    bool folder, named;
};

static uint64_t crash_draw(uint64_t *seed, uint64_t below)
{
    *seed += 0x9e3779b97f4a7c15u;
    uint64_t x = (*seed ^ *seed >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (x ^ x >> 31) % below;
}

static bool crash_is_name(enum sys_kind kind)
{
    return kind != SYS_WRITE && kind != SYS_SIZE && kind != SYS_SYNC;
}

/* Whether `folder` holds `path` itself. */
static bool crash_holds(const char *folder, const char *path)
{
    size_t n = strlen(folder);
    return strncmp(folder, path, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* Whether a later sync among the first `upto` steps makes step i last. */
static bool crash_synced(size_t i, size_t upto)
{
    const struct crash_step *s = &crash_steps[i];
    for (size_t k = i + 1; k < upto; k++) {
        const struct crash_step *sync = &crash_steps[k];
        if (sync->kind != SYS_SYNC)
            continue;
        if (!crash_is_name(s->kind) && sync->node == s->node)
            return true;
        if (crash_is_name(s->kind) && crash_holds(sync->path, s->path) &&
            (!s->to || crash_holds(sync->path, s->to)))
            return true;
    }
    return false;
}

static void crash_size(struct crash_file *f, size_t len)
{
    assert(len <= CRASH_BYTES);
    f->bytes = mem_resize(f->bytes, len + 1, 1);
    if (len > f->len)
        memset(f->bytes + f->len, 0, len - f->len);
    f->len = len;
}

static void crash_write(struct crash_file *f, const struct crash_step *s, bool torn, uint64_t *seed)
{
    for (size_t from = 0, n; from < s->len; from += n) {
        n = CRASH_SECTOR - (size_t)(s->at + (off_t)from) % CRASH_SECTOR;
        n = n < s->len - from ? n : s->len - from;
        if (torn && crash_draw(seed, 2))
            continue;
        size_t end = (size_t)s->at + from + n;
        if (end > f->len)
            crash_size(f, end);
        memcpy(f->bytes + s->at + from, s->data + from, n);
    }
}

/* The names on the disk. */
struct crash_tree {
    struct crash_name names[CRASH_NODES];
    uint32_t count;
};

static void tree_drop(struct crash_tree *t, const char *path)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->names[i].path, path) == 0)
            t->names[i--] = t->names[--t->count];
}

static void tree_apply(struct crash_tree *t, const struct crash_step *s)
{
    char *at = s->kind == SYS_RENAME ? s->to : s->path;
    tree_drop(t, s->path);
    if (s->kind == SYS_UNLINK || s->kind == SYS_RMDIR)
        return;
    tree_drop(t, at);
    t->names[t->count++] = (struct crash_name){at, s->node};
}

static void tree_write(const struct crash_tree *t, struct crash_file *files)
{
    for (size_t left = t->count, before = 0; left != before;) { /* folders before what is in them */
        before = left;
        left = 0;
        for (uint32_t i = 0; i < t->count; i++)
            if (files[t->names[i].node].folder && mkdir(t->names[i].path, 0700) != 0 &&
                errno != EEXIST)
                left++;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        const struct crash_file *f = &files[t->names[i].node];
        int fd = f->folder ? -1 : open(t->names[i].path, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (fd < 0)
            continue; /* its folder is not there */
        if (f->len > 0 && pwrite(fd, f->bytes, f->len, 0) != (ssize_t)f->len)
            abort();
        close(fd);
    }
}

/* Writes such a disk below sys_root's place (which must be empty; nothing is recorded). */
static void crash_disk_make(size_t upto, enum crash_kind kind, uint64_t seed)
{
    struct crash_file *files = mem_alloc(crash_nodes, sizeof *files);
    struct crash_tree *tree = mem_alloc(1, sizeof *tree);
    size_t names_until = kind == CRASH_RANDOM && upto ? crash_draw(&seed, upto + 1) : 0;
    for (size_t i = 0; i < upto; i++) {
        const struct crash_step *s = &crash_steps[i];
        if (s->kind == SYS_SYNC)
            continue;
        struct crash_file *f = &files[s->node];
        f->folder = f->folder || s->kind == SYS_MKDIR;
        bool there = kind == CRASH_KILL || crash_synced(i, upto), torn = false;
        if (!there && kind == CRASH_RANDOM) {
            there = crash_is_name(s->kind) ? i < names_until : crash_draw(&seed, 2);
            torn = crash_draw(&seed, 2);
        }
        if (!there)
            continue;
        if (crash_is_name(s->kind))
            tree_apply(tree, s);
        else if (s->kind == SYS_WRITE)
            crash_write(f, s, torn, &seed);
        else if (!s->grow || (size_t)s->at > f->len)
            crash_size(f, (size_t)s->at);
    }
    tree_write(tree, files);
    for (uint32_t i = 0; i < crash_nodes; i++)
        free(files[i].bytes);
    free(files);
    free(tree);
}

#endif
