/* Messages to bytes and back; see wire.h and PROTOCOL.md. The layout of each body stands once, in
 * `body`, which walks a message with a cursor that either writes or reads. */
#include "wire.h"

#include "crc32c.h"
#include "wire_cursor.h"

static void hello(struct cursor *c, struct wire_msg *m)
{
    cursor_u64(c, &m->hello.store);
    cursor_u16(c, &m->hello.threads);
    cursor_u32(c, &m->hello.hold_bytes);
    cursor_u32(c, &m->hello.self_test);
    cursor_u32(c, &m->hello.pid);
    uint8_t paused = m->hello.paused;
    cursor_u8(c, &paused);
    m->hello.paused = paused != 0;
    cursor_u8(c, &m->hello.limit_percent);
    cursor_str(c, &m->hello.version);
    cursor_str(c, &m->hello.host);
    cursor_str(c, &m->hello.isa);
    cursor_holdings(c, &m->hello.holdings);
}

static void result(struct cursor *c, struct wire_msg *m)
{
    uint8_t zero = 0;
    cursor_u32(c, &m->result.job);
    cursor_u32(c, &m->result.tile);
    cursor_u32(c, &m->result.first);
    cursor_u32(c, &m->result.count);
    cursor_token(c, &m->result.token);
    cursor_u16(c, &m->result.plane);
    cursor_u8(c, &m->result.coding);
    cursor_u8(c, &zero);
    cursor_u32(c, &m->result.plane_bytes);
    cursor_u32(c, &m->result.offset);
    cursor_u32(c, &m->result.solve_us);
    cursor_u32(c, &m->result.crc);
    cursor_rest(c, &m->result.data);
}

void wire_whole_add(struct buf *wholes, const struct wire_whole *whole)
{
    struct cursor c = {.out = wholes};
    struct wire_whole w = *whole;
    uint32_t len = (uint32_t)w.data.len;
    cursor_u32(&c, &w.tile);
    cursor_u32(&c, &w.solve_us);
    cursor_u32(&c, &len);
    cursor_u8(&c, &w.planes);
    buf_add(wholes, w.codings, w.planes);
    cursor_span(&c, &w.data, w.data.len);
}

bool wire_whole_next(struct wire_span *wholes, struct wire_whole *out)
{
    struct cursor c = {.in = wholes->data, .left = wholes->len};
    struct wire_span codings;
    uint32_t len = 0;
    if (wholes->len == 0)
        return false;
    cursor_u32(&c, &out->tile);
    cursor_u32(&c, &out->solve_us);
    cursor_u32(&c, &len);
    cursor_u8(&c, &out->planes);
    cursor_span(&c, &codings, out->planes);
    cursor_span(&c, &out->data, len);
    out->codings = codings.data;
    *wholes = (struct wire_span){c.in, c.left};
    return !c.bad;
}

static void results(struct cursor *c, struct wire_msg *m)
{
    struct wire_whole whole;
    uint32_t n = 0;
    cursor_u32(c, &m->results.job);
    cursor_token(c, &m->results.token);
    cursor_u32(c, &m->results.count);
    cursor_rest(c, &m->results.wholes);
    struct wire_span left = m->results.wholes;
    while (!c->out && wire_whole_next(&left, &whole))
        n++;
    if (!c->out && (n != m->results.count || left.len > 0))
        c->bad = true;
}

static void lease(struct cursor *c, struct wire_msg *m)
{
    cursor_u32(c, &m->lease.job);
    cursor_u32(c, &m->lease.first_tile);
    cursor_u32(c, &m->lease.tile_count);
    cursor_u32(c, &m->lease.first);
    cursor_u32(c, &m->lease.count);
    cursor_token(c, &m->lease.token);
    cursor_u16(c, &m->lease.flags);
}

static void welcome(struct cursor *c, struct wire_msg *m)
{
    cursor_u64(c, &m->welcome.store);
    cursor_u32(c, &m->welcome.worker);
    cursor_u64(c, &m->welcome.window);
    cursor_u16(c, &m->welcome.heartbeat_ms);
    cursor_str(c, &m->welcome.version);
}

static void part(struct cursor *c, struct wire_msg *m)
{
    if (m->type != WIRE_UPLOAD)
        cursor_u32(c, &m->part.job);
    cursor_u32(c, &m->part.total);
    cursor_u32(c, &m->part.offset);
    cursor_rest(c, &m->part.data);
}

/* The short bodies. */
static void small(struct cursor *c, struct wire_msg *m)
{
    switch (m->type) {
    case WIRE_HEARTBEAT:
        cursor_u32(c, &m->heartbeat.hold_bytes);
        cursor_u64(c, &m->heartbeat.sent_bytes);
        cursor_progress(c, &m->heartbeat.progress);
        break;
    case WIRE_GET_JOB:
    case WIRE_GET_TABLE:
        cursor_u32(c, &m->get.job);
        cursor_u32(c, &m->get.offset);
        break;
    case WIRE_RETURN:
        cursor_token(c, &m->give_back.token);
        cursor_u32(c, &m->give_back.job);
        cursor_u32(c, &m->give_back.first_tile);
        cursor_u32(c, &m->give_back.tile_count);
        cursor_str(c, &m->give_back.reason);
        break;
    case WIRE_JOB_FAIL:
        cursor_u32(c, &m->job_fail.job);
        cursor_u16(c, &m->job_fail.code);
        cursor_str(c, &m->job_fail.text);
        break;
    case WIRE_BYE:
        cursor_str(c, &m->bye.reason);
        break;
    case WIRE_REFUSED:
        cursor_u16(c, &m->refused.code);
        cursor_u32(c, &m->refused.retry_ms);
        cursor_str(c, &m->refused.text);
        break;
    case WIRE_PONG:
        cursor_u64(c, &m->pong.window);
        cursor_u8(c, &m->pong.paused);
        cursor_u8(c, &m->pong.limit_percent);
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
        cursor_u64(c, &m->tiles.window);
        cursor_tiles(c, &m->tiles.tiles);
        return true;
    case WIRE_DROP:
        cursor_tiles(c, &m->tiles.tiles);
        return true;
    case WIRE_REQUEST:
        cursor_str(c, &m->request.op);
        cursor_rest(c, &m->request.json);
        return true;
    case WIRE_FETCH:
        cursor_u32(c, &m->fetch.job);
        cursor_str(c, &m->fetch.file);
        cursor_u64(c, &m->fetch.offset);
        cursor_u32(c, &m->fetch.length);
        return true;
    case WIRE_REPLY:
        cursor_u16(c, &m->reply.code);
        cursor_rest(c, &m->reply.json);
        return true;
    case WIRE_NOTICE:
        cursor_rest(c, &m->reply.json);
        return true;
    case WIRE_PAGE:
        cursor_u64(c, &m->page.file_bytes);
        cursor_u8(c, &m->page.final);
        cursor_u64(c, &m->page.offset);
        cursor_rest(c, &m->page.data);
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
    cursor_u32(c, &h->magic);
    cursor_u16(c, &h->version);
    cursor_u16(c, &h->type);
    cursor_u64(c, &h->sender);
    cursor_u64(c, &h->tag);
    cursor_u32(c, &h->len);
    cursor_u32(c, &h->crc);
}

static uint32_t frame_crc(const unsigned char *frame, size_t len)
{
    uint32_t crc = crc32c(0, frame, WIRE_HEADER - 4);
    return crc32c(crc, frame + WIRE_HEADER, len - WIRE_HEADER);
}

/* The same of a decoded frame. The data of a RESULT are looked at once for two checksums: their own
 * is joined to that of what precedes them. */
static uint32_t decoded_crc(const unsigned char *frame, size_t len, struct wire_msg *m)
{
    if (m->type != WIRE_RESULT)
        return frame_crc(frame, len);
    size_t data = m->result.data.len;
    m->result.data_crc = crc32c(0, m->result.data.data, data);
    return crc32c_join(frame_crc(frame, len - data), m->result.data_crc, data);
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
    msg->type = (enum wire_type)h.type;
    bool known = body(&c, msg);
    if (h.crc != decoded_crc(frame, len, msg)) {
        *msg = (struct wire_msg){.sender = h.sender, .tag = h.tag};
        return err_set(err, ERR_OTHER, "checksum of the message is wrong");
    }
    if (!known)
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
