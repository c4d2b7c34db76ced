/* See joblist.h. The newest come first: each page has those before the oldest one of the page
 * before. */
#include "joblist.h"

#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct pages {
    struct json **page;
    size_t count;
};

/* Asks for those before a number; *before becomes the number to go on with, 0: that was all. */
static int fetch_page(struct link *link, struct pages *p, int64_t *before, struct err *err)
{
    static const struct json_limits LIMITS = {1u << 20, 1u << 17, 1u << 16};
    char request[48];
    struct buf text = {0};
    struct json *root;
    snprintf(request, sizeof request, "{\"before\": %" PRId64 "}", *before);
    if (link_call(link, "list", request, &text, err)) {
        buf_fini(&text);
        return -1;
    }
    int rc = json_parse((const char *)text.data, text.len, &LIMITS, &root, err);
    buf_fini(&text);
    if (rc)
        return err_prefix(err, "the broker's answer cannot be read");
    const struct json *jobs = json_get(root, "jobs"), *first = jobs ? json_first(jobs) : NULL;
    int64_t oldest = first ? json_get_integer(first, "id", 0) : 0;
    bool more = json_get_integer(root, "left_off", 0) > 0 && oldest > 0 && oldest < *before;
    *before = more ? oldest : 0;
    p->page = mem_resize(p->page, p->count + 1, sizeof(struct json *));
    p->page[p->count++] = root;
    return 0;
}

static void print_all(const struct pages *p, struct buf *out)
{
    struct json_out *all = json_object(), *list = json_put_array(all, "jobs");
    for (size_t i = p->count; i > 0; i--) {
        const struct json *jobs = json_get(p->page[i - 1], "jobs");
        for (const struct json *v = jobs ? json_first(jobs) : NULL; v; v = json_next(v))
            json_add(list, json_copy(v));
    }
    json_put_integer(all, "left_off", 0);
    json_print(all, false, out);
    json_out_destroy(all);
}

int joblist_fetch(struct link *link, struct buf *out, struct err *err)
{
    struct pages pages = {0};
    int64_t before = (int64_t)UINT32_MAX + 1;
    int rc;
    do
        rc = fetch_page(link, &pages, &before, err);
    while (rc == 0 && before > 0);
    if (rc == 0)
        print_all(&pages, out);
    for (size_t i = 0; i < pages.count; i++)
        json_destroy(pages.page[i]);
    free(pages.page);
    return rc;
}
