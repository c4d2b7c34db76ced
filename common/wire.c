/* Messages to bytes and back; see wire.h and PROTOCOL.md.
 *
 * The layout of each body stands once, in `body`, which walks a message with a cursor that either
 * writes or reads: what is encoded cannot differ from what is decoded. A reading cursor that runs
 * out of bytes goes bad and reads zeros from then on; the caller looks at the end. */
#include "wire.h"

#include "crc32c.h"
#include <assert.h>
#include <string.h>

struct cursor {
    struct buf *out;         /* writing when not NULL */
    const unsigned char *in; /* reading */
    size_t left;
    bool bad;
};

static void bytes(struct cursor *c, void *value, size_t n)
{
    if (c->out) {
        buf_add(c->out, value, n);
        return;
    }
    if (c->bad || c->left < n) {
        c->bad = true;
        memset(value, 0, n);
        return;
    }
    memcpy(value, c->in, n);
    c->in += n;
    c->left -= n;
}

/* Integers are little-endian on the wire and, so far, on every machine this is built for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");

static void u8(struct cursor *c, uint8_t *v)
{
    bytes(c, v, 1);
}

static void u16(struct cursor *c, uint16_t *v)
{
    bytes(c, v, 2);
}

static void u32(struct cursor *c, uint32_t *v)
{
    bytes(c, v, 4);
}

static void u64(struct cursor *c, uint64_t *v)
{
    bytes(c, v, 8);
}

static void token(struct cursor *c, struct token *t)
{
    u64(c, &t->hi);
    u64(c, &t->lo);
}

static void span(struct cursor *c, struct wire_span *s, size_t len)
{
    if (c->out) {
        buf_add(c->out, s->data, s->len);
        return;
    }
    if (c->bad || c->left < len) {
        c->bad = true;
        *s = (struct wire_span){"", 0};
        return;
    }
    *s = (struct wire_span){c->in, len};
    c->in += len;
    c->left -= len;
}

static void str(struct cursor *c, struct wire_span *s)
{
    uint16_t len = 0;
    if (c->out) {
        assert(s->len <= UINT16_MAX);
        len = (uint16_t)s->len;
    }
    u16(c, &len);
    span(c, s, len);
}

/* The rest of the body. */
static void rest(struct cursor *c, struct wire_span *s)
{
    span(c, s, c->left);
}

static void holding(struct cursor *c, struct wire_holding *h)
{
    u32(c, &h->job);
    u32(c, &h->first_tile);
    u32(c, &h->tile_count);
    u32(c, &h->first);
    u32(c, &h->count);
    token(c, &h->token);
    uint8_t solved = h->solved;
    u8(c, &solved);
    h->solved = solved != 0;
}

static void progress(struct cursor *c, struct wire_progress *p)
{
    token(c, &p->token);
    u64(c, &p->points_done);
    u32(c, &p->cpu_ms);
}

static void tiles(struct cursor *c, struct wire_tiles *t)
{
    u32(c, &t->job);
    u32(c, &t->first_tile);
    u32(c, &t->tile_count);
}

enum { HOLDING_BYTES = 37, PROGRESS_BYTES = 28, TILES_BYTES = 12 };

static void list_item(struct cursor *c, const struct wire_list *l, size_t item_bytes, uint32_t i)
{
    switch (item_bytes) {
    case HOLDING_BYTES: {
        struct wire_holding h = ((const struct wire_holding *)l->items)[i];
        holding(c, &h);
        break;
    }
    case PROGRESS_BYTES: {
        struct wire_progress p = ((const struct wire_progress *)l->items)[i];
        progress(c, &p);
        break;
    }
    default: {
        struct wire_tiles t = ((const struct wire_tiles *)l->items)[i];
        tiles(c, &t);
    }
    }
}

static void list(struct cursor *c, struct wire_list *l, size_t item_bytes)
{
    u32(c, &l->count);
    if (c->out) {
        for (uint32_t i = 0; i < l->count; i++)
            list_item(c, l, item_bytes, i);
        return;
    }
    struct wire_span s;
    if (l->count > WIRE_FRAME_MAX / item_bytes) {
        c->bad = true;
        l->count = 0;
    }
    span(c, &s, l->count * item_bytes);
    l->raw = s.data;
    l->items = NULL;
    if (c->bad)
        l->count = 0;
}

struct wire_holding wire_holding_at(const struct wire_list *l, uint32_t i)
{
    assert(i < l->count);
    struct wire_holding h = {0};
    if (!l->raw)
        return ((const struct wire_holding *)l->items)[i];
    holding(&(struct cursor){.in = l->raw + (size_t)i * HOLDING_BYTES, .left = HOLDING_BYTES}, &h);
    return h;
}

struct wire_progress wire_progress_at(const struct wire_list *l, uint32_t i)
{
    assert(i < l->count);
    struct wire_progress p = {0};
    if (!l->raw)
        return ((const struct wire_progress *)l->items)[i];
    progress(&(struct cursor){.in = l->raw + (size_t)i * PROGRESS_BYTES, .left = PROGRESS_BYTES},
             &p);
    return p;
}

struct wire_tiles wire_tiles_at(const struct wire_list *l, uint32_t i)
{
    assert(i < l->count);
    struct wire_tiles t = {0};
    if (!l->raw)
        return ((const struct wire_tiles *)l->items)[i];
    tiles(&(struct cursor){.in = l->raw + (size_t)i * TILES_BYTES, .left = TILES_BYTES}, &t);
    return t;
}

static void hello(struct cursor *c, struct wire_msg *m)
{
    u64(c, &m->hello.store);
    u16(c, &m->hello.threads);
    u32(c, &m->hello.hold_bytes);
    u32(c, &m->hello.self_test);
    u32(c, &m->hello.pid);
    uint8_t paused = m->hello.paused;
    u8(c, &paused);
    m->hello.paused = paused != 0;
    u8(c, &m->hello.limit_percent);
    str(c, &m->hello.version);
    str(c, &m->hello.host);
    str(c, &m->hello.isa);
    list(c, &m->hello.holdings, HOLDING_BYTES);
}

static void result(struct cursor *c, struct wire_msg *m)
{
    uint8_t zero = 0;
    u32(c, &m->result.job);
    u32(c, &m->result.tile);
    u32(c, &m->result.first);
    u32(c, &m->result.count);
    token(c, &m->result.token);
    u16(c, &m->result.plane);
    u8(c, &m->result.coding);
    u8(c, &zero);
    u32(c, &m->result.plane_bytes);
    u32(c, &m->result.offset);
    u32(c, &m->result.solve_us);
    u32(c, &m->result.crc);
    rest(c, &m->result.data);
}

void wire_whole_add(struct buf *wholes, const struct wire_whole *whole)
{
    struct cursor c = {.out = wholes};
    struct wire_whole w = *whole;
    uint32_t len = (uint32_t)w.data.len;
    u32(&c, &w.tile);
    u32(&c, &w.solve_us);
    u32(&c, &len);
    u8(&c, &w.planes);
    buf_add(wholes, w.codings, w.planes);
    span(&c, &w.data, w.data.len);
}

bool wire_whole_next(struct wire_span *wholes, struct wire_whole *out)
{
    struct cursor c = {.in = wholes->data, .left = wholes->len};
    struct wire_span codings;
    uint32_t len = 0;
    if (wholes->len == 0)
        return false;
    u32(&c, &out->tile);
    u32(&c, &out->solve_us);
    u32(&c, &len);
    u8(&c, &out->planes);
    span(&c, &codings, out->planes);
    span(&c, &out->data, len);
    out->codings = codings.data;
    *wholes = (struct wire_span){c.in, c.left};
    return !c.bad;
}

static void results(struct cursor *c, struct wire_msg *m)
{
    struct wire_whole whole;
    uint32_t n = 0;
    u32(c, &m->results.job);
    token(c, &m->results.token);
    u32(c, &m->results.count);
    rest(c, &m->results.wholes);
    struct wire_span left = m->results.wholes;
    while (!c->out && wire_whole_next(&left, &whole))
        n++;
    if (!c->out && (n != m->results.count || left.len > 0))
        c->bad = true;
}

static void lease(struct cursor *c, struct wire_msg *m)
{
    u32(c, &m->lease.job);
    u32(c, &m->lease.first_tile);
    u32(c, &m->lease.tile_count);
    u32(c, &m->lease.first);
    u32(c, &m->lease.count);
    token(c, &m->lease.token);
    u16(c, &m->lease.flags);
}

static void welcome(struct cursor *c, struct wire_msg *m)
{
    u64(c, &m->welcome.store);
    u32(c, &m->welcome.worker);
    u64(c, &m->welcome.window);
    u16(c, &m->welcome.heartbeat_ms);
    str(c, &m->welcome.version);
}

static void part(struct cursor *c, struct wire_msg *m)
{
    if (m->type != WIRE_UPLOAD)
        u32(c, &m->part.job);
    u32(c, &m->part.total);
    u32(c, &m->part.offset);
    rest(c, &m->part.data);
}

/* The short bodies. */
static void small(struct cursor *c, struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_HEARTBEAT:
        u32(c, &m->heartbeat.hold_bytes);
        u64(c, &m->heartbeat.sent_bytes);
        list(c, &m->heartbeat.progress, PROGRESS_BYTES);
        break;
    case WIRE_GET_JOB:
    case WIRE_GET_TABLE:
        u32(c, &m->get.job);
        u32(c, &m->get.offset);
        break;
    case WIRE_RETURN:
        token(c, &m->give_back.token);
        u32(c, &m->give_back.job);
        u32(c, &m->give_back.first_tile);
        u32(c, &m->give_back.tile_count);
        str(c, &m->give_back.reason);
        break;
    case WIRE_JOB_FAIL:
        u32(c, &m->job_fail.job);
        u16(c, &m->job_fail.code);
        str(c, &m->job_fail.text);
        break;
    case WIRE_BYE:
        str(c, &m->bye.reason);
        break;
    case WIRE_REFUSED:
        u16(c, &m->refused.code);
        u32(c, &m->refused.retry_ms);
        str(c, &m->refused.text);
        break;
    case WIRE_PONG:
        u64(c, &m->pong.window);
        u8(c, &m->pong.paused);
        u8(c, &m->pong.limit_percent);
        break;
    default:
        break;
    }
}

static bool body(struct cursor *c, struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_HELLO:
        hello(c, m);
        return true;
    case WIRE_RESULT:
        result(c, m);
        return true;
    case WIRE_RESULTS:
        results(c, m);
        return true;
    case WIRE_LEASE:
        lease(c, m);
        return true;
    case WIRE_WELCOME:
        welcome(c, m);
        return true;
    case WIRE_PUT_TABLE:
    case WIRE_JOB_PART:
    case WIRE_TABLE_PART:
    case WIRE_UPLOAD:
        part(c, m);
        return true;
    case WIRE_ACK:
        u64(c, &m->tiles.window);
        list(c, &m->tiles.tiles, TILES_BYTES);
        return true;
    case WIRE_DROP:
        list(c, &m->tiles.tiles, TILES_BYTES);
        return true;
    case WIRE_REQUEST:
        str(c, &m->request.op);
        rest(c, &m->request.json);
        return true;
    case WIRE_FETCH:
        u32(c, &m->fetch.job);
        str(c, &m->fetch.file);
        u64(c, &m->fetch.offset);
        u32(c, &m->fetch.length);
        return true;
    case WIRE_REPLY:
        u16(c, &m->reply.code);
        rest(c, &m->reply.json);
        return true;
    case WIRE_NOTICE:
        rest(c, &m->reply.json);
        return true;
    case WIRE_PAGE:
        u64(c, &m->page.file_bytes);
        u8(c, &m->page.final);
        u64(c, &m->page.offset);
        rest(c, &m->page.data);
        return true;
    case WIRE_HEARTBEAT:
    case WIRE_GET_JOB:
    case WIRE_GET_TABLE:
    case WIRE_RETURN:
    case WIRE_JOB_FAIL:
    case WIRE_BYE:
    case WIRE_REFUSED:
    case WIRE_WHO:
    case WIRE_PONG:
        small(c, m);
        return true;
    }
    return false;
}

struct header {
    uint32_t magic;
    uint16_t version, type;
    uint64_t sender, tag;
    uint32_t len, crc;
};

static void header(struct cursor *c, struct header *h)
{
    u32(c, &h->magic);
    u16(c, &h->version);
    u16(c, &h->type);
    u64(c, &h->sender);
    u64(c, &h->tag);
    u32(c, &h->len);
    u32(c, &h->crc);
}

static uint32_t frame_crc(const unsigned char *frame, size_t len)
{
    uint32_t crc = crc32c(0, frame, WIRE_HEADER - 4);
    return crc32c(crc, frame + WIRE_HEADER, len - WIRE_HEADER);
}

void wire_encode(const struct wire_msg *msg, struct buf *out)
{
    size_t start = out->len;
    struct header h = {WIRE_MAGIC, WIRE_VERSION, (uint16_t)msg->type, msg->sender, msg->tag, 0, 0};
    struct wire_msg m = *msg; /* the walk takes pointers to what it could read into */
    struct cursor c = {.out = out};
    header(&c, &h);
    bool known = body(&c, &m);
    assert(known);
    size_t len = out->len - start;
    assert(len <= WIRE_FRAME_MAX);
    uint32_t body_len = (uint32_t)(len - WIRE_HEADER);
    memcpy(out->data + start + 24, &body_len, 4);
    uint32_t crc = frame_crc(out->data + start, len);
    memcpy(out->data + start + 28, &crc, 4);
}

int wire_decode(const void *frame, size_t len, struct wire_msg *msg, struct err *err)
{
    memset(msg, 0, sizeof *msg);
    if (len < WIRE_HEADER || len > WIRE_FRAME_MAX)
        return err_set(err, ERR_OTHER, "a frame of %zu bytes", len);
    struct header h;
    struct cursor c = {.in = frame, .left = len};
    header(&c, &h);
    if (h.magic != WIRE_MAGIC)
        return err_set(err, ERR_OTHER, "not a hillsweep message");
    msg->sender = h.sender;
    msg->tag = h.tag;
    if (h.version != WIRE_VERSION)
        return err_set(err, ERR_VERSION, "the peer speaks protocol version %u, this side %u",
                       h.version, WIRE_VERSION);
    if (h.len != len - WIRE_HEADER)
        return err_set(err, ERR_OTHER, "a body of %u bytes in a frame of %zu", h.len, len);
    if (h.crc != frame_crc(frame, len))
        return err_set(err, ERR_OTHER, "checksum of the message is wrong");
    msg->type = (enum wire_type)h.type;
    if (!body(&c, msg))
        return err_set(err, ERR_OTHER, "message type %u is not known", h.type);
    if (c.bad || c.left > 0)
        return err_set(err, ERR_OTHER, "%s: the body does not fit its fields",
                       wire_type_name(msg->type));
    return 0;
}

struct wire_span wire_str(const char *s)
{
    return (struct wire_span){s, strlen(s)};
}

const char *wire_type_name(enum wire_type type)
{
    static const struct {
        enum wire_type type;
        const char *name;
    } names[] = {
        {WIRE_HELLO, "HELLO"},
        {WIRE_HEARTBEAT, "HEARTBEAT"},
        {WIRE_GET_JOB, "GET_JOB"},
        {WIRE_GET_TABLE, "GET_TABLE"},
        {WIRE_PUT_TABLE, "PUT_TABLE"},
        {WIRE_RESULT, "RESULT"},
        {WIRE_RETURN, "RETURN"},
        {WIRE_JOB_FAIL, "JOB_FAIL"},
        {WIRE_BYE, "BYE"},
        {WIRE_RESULTS, "RESULTS"},
        {WIRE_WELCOME, "WELCOME"},
        {WIRE_REFUSED, "REFUSED"},
        {WIRE_WHO, "WHO"},
        {WIRE_JOB_PART, "JOB_PART"},
        {WIRE_TABLE_PART, "TABLE_PART"},
        {WIRE_LEASE, "LEASE"},
        {WIRE_ACK, "ACK"},
        {WIRE_DROP, "DROP"},
        {WIRE_PONG, "PONG"},
        {WIRE_REQUEST, "REQUEST"},
        {WIRE_UPLOAD, "UPLOAD"},
        {WIRE_FETCH, "FETCH"},
        {WIRE_REPLY, "REPLY"},
        {WIRE_PAGE, "PAGE"},
        {WIRE_NOTICE, "NOTICE"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].type == type)
            return names[i].name;
    return "?";
}
