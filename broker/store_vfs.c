/* See store_vfs.h. Only the main file is stood before: journals, WAL and temporary files are opened
 * by the system's VFS in our place. */
#include "store_vfs.h"

#include "crc32c.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_NUMBER (STORE_PAGE - STORE_PAGE_RESERVE)
#define AT_CRC    (STORE_PAGE - 4)
#define HEADER    100 /* SQLite reads the file's header before it knows the size of a page */

static sqlite3_vfs *system_vfs; /* constant after registration */
static sqlite3_vfs checked_vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* --- pages ----------------------------------------------------------------------------------- */

static void put32(unsigned char *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(v >> 8 * i);
}

static void page_seal(unsigned char page[STORE_PAGE], uint64_t number)
{
    put32(page + AT_NUMBER, (uint32_t)number);
    put32(page + AT_CRC, crc32c(0, page, AT_CRC));
}

/* A page of zeros was allocated but never written; no single damage makes one. */
static bool page_empty(const unsigned char page[STORE_PAGE])
{
    return page[0] == 0 && memcmp(page, page + 1, STORE_PAGE - 1) == 0;
}

static bool page_sound(const unsigned char page[STORE_PAGE], uint64_t number)
{
    unsigned char seal[STORE_PAGE_RESERVE];
    put32(seal, (uint32_t)number);
    put32(seal + 4, crc32c(0, page, AT_CRC));
    return memcmp(seal, page + AT_NUMBER, sizeof seal) == 0 || page_empty(page);
}

bool store_pages_sound(const char *path, uint64_t *page)
{
    enum { BATCH = 64 * STORE_PAGE };
    unsigned char *pages = malloc(BATCH);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool sound = pages && fd >= 0;
    ssize_t n = 1;
    *page = 1;
    for (off_t at = 0; sound && n > 0; at += n) {
        n = pread(fd, pages, BATCH, at);
        if (n < 0 && errno == EINTR) {
            n = 0;
            continue;
        }
        sound = n >= 0 && n % STORE_PAGE == 0;
        for (ssize_t i = 0; sound && i < n; i += STORE_PAGE, *page += sound)
            sound = page_sound(pages + i, *page);
    }
    if (fd >= 0)
        close(fd);
    free(pages);
    return sound;
}

/* --- the main file --------------------------------------------------------------------------- */

struct checked_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct checked_file *)f)->real;
}

static int file_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    int rc = real_of(f)->pMethods->xRead(real_of(f), out, n, at);
    if (rc != SQLITE_OK || n <= HEADER)
        return rc;
    if (n != STORE_PAGE || at % STORE_PAGE != 0) /* the header lies about the size of pages */
        return SQLITE_IOERR_DATA;
    return page_sound(out, (uint64_t)(at / STORE_PAGE) + 1) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

static int file_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
    unsigned char page[STORE_PAGE];
    assert(n == STORE_PAGE && at % STORE_PAGE == 0);
    memcpy(page, data, STORE_PAGE);
    page_seal(page, (uint64_t)(at / STORE_PAGE) + 1);
    return real_of(f)->pMethods->xWrite(real_of(f), page, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* Version 1: no shared memory (an EXCLUSIVE connection needs none) and no mapping past the checks.
 */
static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    (void)vfs;
    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return system_vfs->xOpen(system_vfs, name, f, flags, out);
    struct checked_file *file = (struct checked_file *)f;
    file->real = (sqlite3_file *)(file + 1);
    int rc = system_vfs->xOpen(system_vfs, name, file->real, flags, out);
    file->base.pMethods = file->real->pMethods ? &file_methods : NULL;
    return rc;
}

static void vfs_register(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    assert(system_vfs);
    checked_vfs = *system_vfs;
    checked_vfs.zName = "hillsweep";
    checked_vfs.szOsFile = (int)sizeof(struct checked_file) + system_vfs->szOsFile;
    checked_vfs.xOpen = vfs_open;
    checked_vfs.pNext = NULL;
    sqlite3_vfs_register(&checked_vfs, 0);
}

const char *store_vfs(void)
{
    pthread_once(&once, vfs_register);
    return checked_vfs.zName;
}
