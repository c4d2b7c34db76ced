/* See roster.h. */
#include "roster.h"

#include <stdio.h>

const struct json_limits ROSTER_LIMITS = {16u << 20, 1u << 19, 1u << 16};

/* Moves the workers of one answer into the list; *next is where to go on, 0: that was all. */
static int take_page(const struct buf *page, struct json_out *list, int64_t *next, struct err *err)
{
    static const struct json_limits LIMITS = {1u << 20, 1u << 17, 1u << 16};
    struct json *root;
    if (json_parse((const char *)page->data, page->len, &LIMITS, &root, err))
        return err_prefix(err, "the broker's answer cannot be read");
    const struct json *workers = json_get(root, "workers");
    for (const struct json *w = workers ? json_first(workers) : NULL; w; w = json_next(w))
        json_add(list, json_copy(w));
    int64_t from = *next;
    *next = json_get_integer(root, "next", 0);
    if (*next <= from)
        *next = 0;
    json_destroy(root);
    return 0;
}

int roster_fetch(struct link *link, struct buf *out, struct err *err)
{
    struct json_out *all = json_object(), *list = json_put_array(all, "workers");
    struct buf page = {0};
    char request[48];
    int64_t next = 0;
    int rc;
    do {
        snprintf(request, sizeof request, "{\"from\": %lld}", (long long)next);
        buf_clear(&page);
        rc = link_call(link, "workers", request, &page, err);
        if (rc == 0)
            rc = take_page(&page, list, &next, err);
    } while (rc == 0 && next > 0);
    if (rc == 0)
        json_print(all, false, out);
    buf_fini(&page);
    json_out_destroy(all);
    return rc;
}
