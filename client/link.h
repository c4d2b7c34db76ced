#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "buf.h"
#include "err.h"
#include "keys.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The client's conversation with a broker: requests and replies over one DEALER (PROTOCOL, section
 * 5). A request that is not answered within a second is sent again with the same tag. A broker that
 * has never answered is given up after the connect time-out, one that has answered after the
 * patience. */

struct link;

#define LINK_CONNECT_MS  3000
#define LINK_PATIENCE_MS 10000
#define LINK_FOREVER     INT64_MAX

/* `from` says where the endpoint was configured, for messages; all are copied; key NULL: none. Does
 * not wait. A door that stays shut (door.h) is ERR_NOT_AUTHORISED for whoever waits. */
int link_open(const char *endpoint, const char *from, const struct key *key, int64_t connect_ms,
              struct link **out, struct err *err);
void link_close(struct link *link); /* NULL is fine */

void link_set_patience(struct link *link, int64_t ms);
void link_set_connect(struct link *link, int64_t ms);

/* While the link waits it also watches fd; when that is readable fn is called, and its -1 (with
 * err) ends the call that waits. One watcher; fd -1 removes it. */
typedef int link_wake_fn(void *arg, struct err *err);
void link_watch(struct link *link, int fd, link_wake_fn *fn, void *arg);

/* While a request has had no answer for LINK_SILENCE_MS and more, fn is told now and then for how
 * long. NULL: nobody is. */
#define LINK_SILENCE_MS 2000
typedef void link_silence_fn(void *arg, int64_t ms);
void link_on_silence(struct link *link, link_silence_fn *fn, void *arg);

/* One request. *answer (cleared first) receives the JSON object of the reply, or, where the
 * operation says so, the data of a page. -1: the broker's own
 * error, ERR_UNREACHABLE, ERR_VERSION, or the watcher's. */
int link_call(struct link *link, const char *op, const char *json, struct buf *answer,
              struct err *err);

/* Whether the last call has had an answer, if only that it was refused. */
bool link_answered(const struct link *link);

/* As link_call with op "submit": the document is uploaded under key before each attempt. */
int link_submit(struct link *link, uint64_t key, const void *document, size_t len, const char *json,
                struct buf *answer, struct err *err);

struct link_page {
    uint64_t file_bytes;
    bool final;
};

/* Appends up to `length` bytes of a result file from offset on to out (fewer at the file's end),
 * several pages in flight. */
int link_fetch(struct link *link, uint32_t job, const char *file, uint64_t offset, size_t length,
               struct buf *out, struct link_page *page, struct err *err);

/* Waits ms, or until a NOTICE comes (or has come, during another call: then the newest one). 1:
 * *notice has its JSON; 0: time is over; -1: the watcher's err. */
int link_pause(struct link *link, int64_t ms, struct buf *notice, struct err *err);

#endif
