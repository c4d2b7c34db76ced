#ifndef CLIENT_SAVE_H
#define CLIENT_SAVE_H

#include "buf.h"
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file that appears whole or not at all: bytes go to a temporary name beside it; commit syncs and
 * renames it (file and directory). What is not a regular file (a pipe, /dev/stdout) and "-"
 * (standard output) are written directly. */
struct save {
    int fd;
    bool direct;
    bool resumed;     /* by save_resume, and not in another process's hands */
    bool reader_gone; /* the other end of a pipe was closed: not an error of ours */
    char *path, *temporary;
    struct buf pending;
};

int save_open(struct save *s, const char *path, struct err *err);

/* As save_open, but the temporary is PATH.XXXXXXXX.part (the identity in hexadecimal) and keeps
 * what an earlier one of that identity has left. While another process writes it: as save_open. */
int save_resume(struct save *s, const char *path, uint32_t identity, struct err *err);

/* Buffered up to a megabyte. ERR_STORAGE on failure, ERR_INTERRUPTED when the reader of a pipe has
 * gone away (the caller then ends quietly). */
int save_write(struct save *s, const void *data, size_t len, struct err *err);
int save_flush(struct save *s, struct err *err);
/* Whether there is room for a file of so many bytes, which another library is to write under the
 * temporary name and whose own words would not say what is wrong. */
int save_reserve(struct save *s, uint64_t bytes, struct err *err);

int save_commit(struct save *s, struct err *err); /* flush, sync, rename, close */
void save_abort(struct save *s);                  /* removes the temporary; harmless after commit */
void save_keep(struct save *s);                   /* leaves what was opened by save_resume */

#endif
