#ifndef BROKER_SERVER_PRIVATE_H
#define BROKER_SERVER_PRIVATE_H

#include "assembly.h"
#include "catalogue.h"
#include "gate.h"
#include "json.h"
#include "lag.h"
#include "queue.h"
#include "routes.h"
#include "server.h"
#include "sink.h"
#include "uploads.h"
#include "verifications.h"
#include "wake.h"
#include "wire.h"
#include "zloop.h"

/* The parts of the server share this struct: server.c (life, loop, the queue's actions), events.c
 * (the sink's events), workers.c (messages of workers), telling.c (what they are told), tables.c,
 * clients.c (requests), roster.c, watchers.c, pages.c. */

enum { PATH_BYTES = 4096 };

/* A SUBMIT on its way to the disk. */
struct submission {
    struct submission *next;
    uint32_t job;
    struct route route;
    uint64_t tag;
};

struct server {
    const struct server_config *config;
    uv_loop_t loop;
    uv_timer_t timer, watchdog, crowd;
    bool holding; /* new connections wait: there are too many */
    struct wake sink_wake, gate_wake;
    uv_prepare_t turn_end;
    uv_idle_t more;                        /* there was no time to give out all work */
    uint64_t turn_ns, prepare_ns, idle_ns; /* turns.c */
    struct lag lag, dispatch;
    uv_signal_t signals[3];
    uv_poll_t lifeline;
    bool lifeline_open, stopping;
    void *zmq_ctx, *socket;
    struct gate *gate;
    unsigned key_turn; /* of the gate's key that the socket is bound under */
    struct zloop *zloop;
    uint64_t boot, store;
    uint32_t next_job;
    int64_t now_ms; /* read once per message or wake-up */
    struct queue *queue;
    struct sink *sink;
    struct assembly *assembly;
    struct routes *routes;
    struct catalogue *catalogue;
    struct uploads *uploads;
    struct submission *submissions;
    struct watchers *watchers;
    struct verifications *verifications;
    struct reading *readings; /* of files, for clients */
    struct buf out;           /* a frame being sent */
    uint64_t dropped;         /* malformed messages */
};

/* server.c. Nothing is sent to a user who may no more; in place of an answer to what he asked while
 * he might goes a REFUSED. 0, or -1 with errno. */
int server_send(struct server *s, const struct route *to, struct wire_msg *msg);
void server_send_worker(struct server *s, uint32_t worker, struct wire_msg *msg);

/* events.c: what the sink tells goes to the catalogue, the queue, and clients who wait for it */
void events_take(struct server *s, const struct sink_event *event);
void events_recover(struct server *s); /* at the start: what it found on disk */

/* turns.c: how long the loop is busy, for status --metrics */
void turns_open(struct server *s);

/* entrance.c: the socket, who is behind each message, and what he may */
int entrance_open(struct server *s, struct err *err);
void entrance_look(struct server *s);    /* every DOOR_LOOK_MS: is there a crowd? */
void entrance_changed(struct server *s); /* the gate's keys are others than before */
bool entrance_admits(struct server *s, const struct route *from, const struct wire_msg *msg);
void entrance_refuse(struct server *s, const struct route *to, uint64_t tag); /* the revoked */
uint64_t entrance_own(const struct route *from, uint64_t id); /* an id, distinct by user */
bool entrance_is(struct server *s, const struct route *from, unsigned roles);
bool entrance_owns(struct server *s, const struct route *from, const struct catalogue_job *job);

/* workers.c */
void workers_message(struct server *s, const struct route *from, const struct wire_msg *msg,
                     zmq_msg_t *frame);

/* telling.c */
void workers_action(struct server *s, const struct queue_action *action);
void workers_dismiss(struct server *s, uint32_t worker, const struct err *why);

/* tables.c: a job's document and drive table, in parts */
void tables_get_job(struct server *s, uint32_t worker, const struct wire_msg *msg);
void tables_get(struct server *s, uint32_t worker, const struct wire_msg *msg);
void tables_put(struct server *s, uint32_t worker, const struct wire_msg *msg);
void tables_send(struct server *s, uint32_t worker, const struct catalogue_job *job,
                 uint32_t offset);

/* clients.c */
void clients_message(struct server *s, const struct route *from, const struct wire_msg *msg);
void clients_submitted(struct server *s, uint32_t job,
                       const struct err *err); /* NULL err: durable */
struct json_out *clients_status(struct server *s, const struct catalogue_job *job);

/* roster.c: the workers that a word names (a number, a host, "all"), as JSON that is returned
 * owned; roster_wish is NULL with err when it names none or the percent is none. */
enum roster_wish { ROSTER_PAUSE, ROSTER_RESUME, ROSTER_LIMIT };
/* Those from place `from` on, some hundred; "next" is where to go on. */
struct json_out *roster_list(struct server *s, uint64_t from);
struct json_out *roster_wish(struct server *s, enum roster_wish wish, const struct json *args,
                             struct err *err);

/* watchers.c: NOTICE to those who watch a job */
struct watchers *watchers_create(void);
void watchers_destroy(struct watchers *w);
void watchers_add(struct server *s, const struct route *route, uint64_t tag, uint32_t job);
int64_t watchers_tick(struct server *s); /* sends what is due; the time of the next */

/* pages.c: FETCH, read in libuv's thread pool */
struct reading { /* a request of a client that the pool is at */
    struct reading *next;
    struct route route;
};
/* Whether there is room for one more, of pages and snapshots together: 0; 1: not now, ask again in
 * a second; -1 with err: this connection has enough of them. */
int reading_begin(struct server *s, struct reading *r, const struct route *from, struct err *err);
void reading_end(struct server *s, struct reading *r);
void pages_fetch(struct server *s, const struct route *from, const struct wire_msg *msg);
/* Opens a result file to read. path: as sink_file gave it; changed when the field has been given
 * its final name since. */
int pages_open(char *path);

/* why.c: the answer to `why` */
struct json_out *why_report(struct server *s, const struct catalogue_job *job);

/* snapshot.c: a field thinned out to q x a cells, read in the thread pool and answered by PAGE */
enum { SNAPSHOT_CELL = 5, SNAPSHOT_CELLS_MAX = WIRE_PART_MAX / SNAPSHOT_CELL };
int snapshot_take(struct server *s, const struct route *from, uint64_t tag,
                  const struct catalogue_job *job, const char *field, uint32_t q, uint32_t a,
                  struct err *err);

void reply_json(struct server *s, const struct route *to, uint64_t tag,
                struct json_out *json); /* takes */
void reply_error(struct server *s, const struct route *to, uint64_t tag, const struct err *err);
/* REFUSED; retry_ms: when to try again, 0: never. */
void reply_refused(struct server *s, const struct route *to, uint64_t tag, const struct err *why,
                   uint32_t retry_ms);

#endif
