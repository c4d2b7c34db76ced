#ifndef BROKER_STORE_VFS_H
#define BROKER_STORE_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* Checksums for the pages of the database. SQLite has none: of a thousand single flipped bits in a
 * database a third change a row and nobody notices. So a VFS stands in front of the system's; it
 * puts the page's number and a CRC-32C into the last 8 bytes of each page that goes to the main
 * file (they are reserved when the database is made) and checks them on each page that comes from
 * there: a page that differs is SQLITE_IOERR_DATA. Frames of the WAL have checksums of SQLite's
 * own, which it checks when it recovers them; a frame that rots while the broker that wrote it is
 * still running is not noticed. */

#define STORE_PAGE         4096
#define STORE_PAGE_RESERVE 8

/* The name of the VFS, for sqlite3_open_v2. Stands before what is SQLite's default at the first
 * call. */
const char *store_vfs(void);

/* Whether every page of a database file that no connection has in use is as it was written, and the
 * file has whole pages. False also when it cannot be read; *page (from 1) tells where. */
bool store_pages_sound(const char *path, uint64_t *page);

#endif
