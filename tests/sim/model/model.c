/* Virtual time, the servers, and one play of the model. */
#include "model.h"

#include <stdlib.h>

const char *const server_names[SERVERS] = {"workers", "wire", "I/O", "loop", "sink", "disk"};

int64_t model_ms(int64_t ns)
{
    return ns / 1000000;
}

uint64_t model_random(void *model)
{
    struct model *m = model;
    m->random ^= m->random << 13, m->random ^= m->random >> 7, m->random ^= m->random << 17;
    return m->random; /* xorshift64 */
}

/* --- events ---------------------------------------------------------------------------------- */

static bool is_before(const struct event *x, const struct event *y)
{
    return x->at_ns != y->at_ns ? x->at_ns < y->at_ns : x->order < y->order;
}

struct event *model_at(struct model *m, int64_t at_ns, enum event_type type, uint32_t worker)
{
    if (m->heap_count == m->heap_cap) {
        m->heap_cap = m->heap_cap ? 2 * m->heap_cap : 1024;
        m->heap = mem_resize(m->heap, m->heap_cap, sizeof *m->heap);
    }
    struct event e = {.at_ns = at_ns, .order = m->order++, .type = type, .worker = worker};
    size_t i = m->heap_count++;
    for (; i > 0 && is_before(&e, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = e;
    return &m->heap[i];
}

static struct event take_first(struct model *m)
{
    struct event first = m->heap[0], last = m->heap[--m->heap_count];
    size_t i = 0;
    for (size_t k; (k = 2 * i + 1) < m->heap_count; i = k) {
        if (k + 1 < m->heap_count && is_before(&m->heap[k + 1], &m->heap[k]))
            k++;
        if (!is_before(&m->heap[k], &last))
            break;
        m->heap[i] = m->heap[k];
    }
    m->heap[i] = last;
    return first;
}

struct packet *packet_new(struct model *m, enum wire_type type, uint32_t worker, double bytes)
{
    struct packet *p = m->spare;
    if (p)
        m->spare = p->next;
    else
        p = mem_alloc(1, sizeof *p);
    *p = (struct packet){.type = type, .worker = worker, .bytes = (uint32_t)bytes};
    m->messages++;
    return p;
}

void packet_free(struct model *m, struct packet *p)
{
    p->next = m->spare;
    m->spare = p;
}

/* --- servers --------------------------------------------------------------------------------- */

int64_t model_serve(struct model *m, enum server server, double ns)
{
    int64_t *free_ns = &m->free_ns[server];
    if (*free_ns < m->now_ns)
        *free_ns = m->now_ns;
    *free_ns += (int64_t)ns;
    m->busy_ns[server] += (int64_t)ns;
    return *free_ns;
}

static int64_t io_end(struct model *m, const struct packet *p)
{
    const struct costs *c = &m->setup.costs;
    double crowd = 1 + c->io_crowd * m->setup.workers / 1000;
    return model_serve(m, SERVER_IO, 1e3 * (c->io_message * crowd + p->bytes * c->io_byte));
}

static void io_up(struct model *m, struct packet *p)
{
    int64_t at_ns = io_end(m, p);
    struct event *e = model_at(m, at_ns, EV_COMES, p->worker);
    e->packet = p;
}

static void io_down(struct model *m, struct packet *p)
{
    int64_t at_ns = io_end(m, p);
    if (m->down_free_ns < at_ns)
        m->down_free_ns = at_ns;
    m->down_free_ns += (int64_t)(1e9 * p->bytes / m->setup.wire_bytes_per_s);
    struct event *e = model_at(m, m->down_free_ns + m->setup.latency_ns, EV_HEARS, p->worker);
    e->packet = p;
}

static void happen(struct model *m, const struct event *e)
{
    switch (e->type) {
    case EV_JOIN:
        hand_join(m, e->worker);
        break;
    case EV_TICK:
        hand_tick(m, e->worker);
        break;
    case EV_SOLVED:
        hand_solved(m, e->worker);
        break;
    case EV_SEND:
        hand_send(m, e->worker);
        break;
    case EV_HEARS:
        hand_hears(m, e->packet);
        break;
    case EV_UP:
        io_up(m, e->packet);
        break;
    case EV_DOWN:
        io_down(m, e->packet);
        break;
    case EV_COMES:
        house_comes(m, e->packet);
        break;
    case EV_TURN:
        house_turn(m);
        break;
    case EV_DUE:
        house_look(m);
        break;
    case EV_GROUP:
        house_group(m);
        break;
    }
}

static void run_until(struct model *m, int64_t until_ns)
{
    while (m->heap_count > 0 && m->heap[0].at_ns < until_ns) {
        struct event e = take_first(m);
        m->now_ns = e.at_ns;
        happen(m, &e);
    }
    m->now_ns = until_ns;
}

/* --- one play -------------------------------------------------------------------------------- */

static void close_model(struct model *m)
{
    while (m->inbox.first) {
        struct packet *p = m->inbox.first;
        m->inbox.first = p->next;
        free(p);
    }
    for (size_t i = 0; i < m->heap_count; i++)
        free(m->heap[i].packet);
    while (m->spare) {
        struct packet *p = m->spare;
        m->spare = p->next;
        free(p);
    }
    for (uint32_t i = 0; i < m->setup.workers; i++)
        free(m->hands[i].leases);
    free(m->hands);
    free(m->heap);
    house_close(m);
    free(m);
}

static void quantiles(const struct lag *lag, double out[3])
{
    out[0] = lag_quantile(lag, 0.5);
    out[1] = lag_quantile(lag, 0.99);
    out[2] = lag_quantile(lag, 0.999);
}

struct outcome model_play(const struct setup *setup)
{
    enum { JOIN_NS = 1000000000, WARM_NS = 3 };
    struct model *m = mem_alloc(1, sizeof *m);
    struct outcome o = {0};
    m->setup = *setup;
    m->random = 88172645463325252u;
    m->tile_points = setup->kind->side * setup->kind->side;
    m->answer_bytes = (uint32_t)(m->tile_points * setup->kind->wire_bytes + 0.999);
    m->hands = mem_alloc(setup->workers, sizeof *m->hands);
    house_open(m);
    for (uint32_t i = 0; i < setup->workers; i++) {
        m->hands[i].idle = setup->threads;
        model_at(m, (int64_t)((double)JOIN_NS * i / setup->workers), EV_JOIN, i);
    }
    run_until(m, (int64_t)WARM_NS * 1000000000);
    uint64_t durable = m->durable, messages = m->messages;
    int64_t busy_ns[SERVERS];
    for (int i = 0; i < SERVERS; i++)
        busy_ns[i] = m->busy_ns[i];
    m->dispatch = m->turn = (struct lag){0};
    run_until(m, m->now_ns + (int64_t)(1e9 * setup->seconds));
    o.tiles_per_s = (double)(m->durable - durable) / setup->seconds;
    o.messages_per_s = (double)(m->messages - messages) / setup->seconds;
    for (int i = 0; i < SERVERS; i++)
        o.busy[i] = (double)(m->busy_ns[i] - busy_ns[i]) * 1e-9 / setup->seconds;
    o.busy[SERVER_WORKERS] /= (double)setup->workers * setup->threads;
    o.twice = m->twice;
    quantiles(&m->dispatch, o.dispatch_s);
    quantiles(&m->turn, o.turn_s);
    close_model(m);
    return o;
}

enum server outcome_full(const struct outcome *o)
{
    enum server full = SERVER_WORKERS;
    for (enum server i = SERVER_WORKERS; i < SERVERS; i++)
        if (o->busy[i] > o->busy[full])
            full = i;
    return full;
}
