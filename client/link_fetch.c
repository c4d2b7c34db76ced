/* Files of the broker, in pages; see link.h. */
#include "link_private.h"

#include "answer.h"
#include "clock.h"

#include <stdlib.h>
#include <string.h>

enum { PAGES_MAX = 4 /* in flight: hides 50 ms of latency at 20 MB/s */ };

/* A run of pages on its way. */
struct fetch {
    uint32_t job;
    const char *file;
    uint64_t offset, first_tag;
    size_t length, page_count, done_count, in_flight;
    struct page_state {
        int64_t sent_ms; /* 0: not asked for yet */
        bool done;
    } * pages;
    unsigned char *data;
    size_t got; /* bytes up to the file's end */
};

static int ask_for_page(struct link *link, struct fetch *f, size_t i, int64_t deadline,
                        struct err *err)
{
    size_t at = i * WIRE_PART_MAX;
    struct wire_msg ask = {.type = WIRE_FETCH, .sender = link->sender, .tag = f->first_tag + i};
    ask.fetch.job = f->job;
    ask.fetch.file = wire_str(f->file);
    ask.fetch.offset = f->offset + at;
    ask.fetch.length = (uint32_t)(f->length - at < WIRE_PART_MAX ? f->length - at : WIRE_PART_MAX);
    if (f->pages[i].sent_ms == 0)
        f->in_flight++;
    f->pages[i].sent_ms = clock_ms();
    return link_transmit(link, &ask, deadline, err);
}

static int ask_for_pages(struct link *link, struct fetch *f, int64_t deadline, struct err *err)
{
    int64_t now = clock_ms();
    for (size_t i = 0; i < f->page_count; i++) {
        const struct page_state *p = &f->pages[i];
        bool fresh = p->sent_ms == 0 && f->in_flight < PAGES_MAX;
        bool lost = p->sent_ms != 0 && !p->done && now >= p->sent_ms + LINK_REPEAT_MS;
        if ((fresh || lost) && ask_for_page(link, f, i, deadline, err))
            return -1;
        if (p->sent_ms == 0)
            break;
    }
    return 0;
}

static void take_page(struct fetch *f, const struct wire_msg *msg, struct link_page *page)
{
    uint64_t i = msg->tag - f->first_tag;
    size_t at = (size_t)i * WIRE_PART_MAX, n = msg->page.data.len;
    if (i >= f->page_count || f->pages[i].done || msg->page.offset != f->offset + at ||
        n > f->length - at)
        return;
    memcpy(f->data + at, msg->page.data.data, n);
    if (n > 0 && at + n > f->got)
        f->got = at + n;
    *page = (struct link_page){msg->page.file_bytes, msg->page.final};
    f->pages[i].done = true;
    f->done_count++;
    f->in_flight--;
}

static int fetch_pages(struct link *link, struct fetch *f, struct link_page *page, struct err *err)
{
    int64_t deadline = link_deadline(link);
    struct wire_msg msg;
    while (f->done_count < f->page_count) {
        if (ask_for_pages(link, f, deadline, err))
            return -1;
        int64_t repeat = link_later(clock_ms(), LINK_REPEAT_MS);
        int got = link_receive(link, repeat < deadline ? repeat : deadline, &msg, err);
        if (got < 0)
            return -1;
        if (got == 0 && clock_ms() >= deadline)
            return link_unreachable(link, err);
        if (got == 0 || msg.tag - f->first_tag >= f->page_count)
            continue;
        if (msg.type == WIRE_REPLY && msg.reply.code != 0)
            return answer_error(msg.reply.json.data, msg.reply.json.len, msg.reply.code, err);
        if (msg.type == WIRE_PAGE)
            take_page(f, &msg, page);
        deadline = link_deadline(link);
    }
    return 0;
}

int link_fetch(struct link *link, uint32_t job, const char *file, uint64_t offset, size_t length,
               struct buf *out, struct link_page *page, struct err *err)
{
    struct err scratch;
    size_t start = out->len;
    struct fetch f = {.job = job, .file = file, .offset = offset, .length = length};
    f.page_count = (length + WIRE_PART_MAX - 1) / WIRE_PART_MAX;
    f.pages = mem_alloc(f.page_count + 1, sizeof *f.pages);
    f.data = buf_grow(out, length);
    f.first_tag = link->next_tag;
    link->next_tag += f.page_count;
    int rc = fetch_pages(link, &f, page, err ? err : &scratch);
    out->len = start + (rc == 0 ? f.got : 0);
    free(f.pages);
    return rc;
}
