/* See shelf.h. */
#include "shelf.h"

#include "log.h"
#include "wire.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum book_state {
    BOOK_FETCHING,
    BOOK_BUILDING,
    BOOK_TABLING,
    BOOK_ADOPTING,
    BOOK_READY,
    BOOK_FAILED,
    BOOK_GONE,
};

static const char *const state_names[] = {
    "fetching", "building", "waiting for its table", "adopting its table", "ready",
    "failed",   "gone",
};

/* Something that arrives in parts. */
struct blob {
    struct buf bytes;
    uint32_t total; /* 0: not known yet, or there is none */
    bool none;      /* the broker said that there is none */
    int64_t ask_ms; /* when to ask next */
};

struct book {
    uint32_t job;
    enum book_state state;
    bool tell; /* the state is to be handed out: BUILD, ADOPT, READY, FAILED, GONE */
    struct blob document, table;
    int64_t put_ms;
    struct recipe *recipe;
    unsigned lent;
    bool retired; /* not found any more; freed when nothing is lent */
    uint64_t used;
    struct err err;
};

struct shelf {
    unsigned threads;
    struct book **books;
    size_t count, room;
    uint64_t clock; /* of uses */
};

struct shelf *shelf_create(unsigned threads)
{
    struct shelf *s = mem_alloc(1, sizeof *s);
    s->threads = threads;
    return s;
}

static void book_destroy(struct book *b)
{
    assert(b->lent == 0);
    recipe_destroy(b->recipe);
    buf_fini(&b->document.bytes);
    buf_fini(&b->table.bytes);
    free(b);
}

void shelf_destroy(struct shelf *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        s->books[i]->lent = 0; /* tasks that were never collected ended with the pool */
        book_destroy(s->books[i]);
    }
    free(s->books);
    free(s);
}

static struct book *find(const struct shelf *s, uint32_t job)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->books[i]->job == job && !s->books[i]->retired)
            return s->books[i];
    return NULL;
}

/* The book of a recipe that was lent: it is on the shelf until it has come back. */
static struct book *find_recipe(const struct shelf *s, const struct recipe *recipe)
{
    size_t i = 0;
    while (i < s->count && s->books[i]->recipe != recipe)
        i++;
    assert(i < s->count);
    return s->books[i];
}

static void clear_out(struct shelf *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->books[i]->retired && s->books[i]->lent == 0)
            book_destroy(s->books[i]);
        else
            s->books[kept++] = s->books[i];
    }
    s->count = kept;
}

/* The one place where a book's state changes. */
static void turn(struct book *b, enum book_state to)
{
    log_debug("a job's state changes job=%u from=\"%s\" to=\"%s\"", b->job, state_names[b->state],
              state_names[to]);
    b->state = to;
    b->tell = to != BOOK_FETCHING && to != BOOK_TABLING;
}

void shelf_want(struct shelf *s, uint32_t job)
{
    struct book *b = find(s, job);
    if (!b) {
        if (s->count == s->room) {
            s->room = s->room ? 2 * s->room : 8;
            s->books = mem_resize(s->books, s->room, sizeof(struct book *));
        }
        b = s->books[s->count++] = mem_alloc(1, sizeof *b);
        b->job = job;
    }
    b->used = ++s->clock;
    if (b->state == BOOK_GONE)
        turn(b, BOOK_FETCHING);
    if (b->state == BOOK_READY || b->state == BOOK_FAILED)
        b->tell = true;
}

void shelf_clear(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++)
        s->books[i]->retired = true;
    clear_out(s);
}

void shelf_trim(struct shelf *s, shelf_used_fn *used, void *arg)
{
    for (;;) {
        struct book *oldest = NULL;
        size_t spare = 0;
        for (size_t i = 0; i < s->count; i++) {
            struct book *b = s->books[i];
            if (b->retired || used(arg, b->job))
                continue;
            spare++;
            if (!oldest || b->used < oldest->used)
                oldest = b;
        }
        if (spare <= SHELF_JOBS)
            break;
        oldest->retired = true;
    }
    clear_out(s);
}

struct recipe *shelf_recipe(const struct shelf *s, uint32_t job)
{
    const struct book *b = find(s, job);
    return b && b->state == BOOK_READY ? b->recipe : NULL;
}

/* --- what arrives --------------------------------------------------------------------------- */

static bool is_whole(const struct blob *blob)
{
    return blob->total > 0 && blob->bytes.len == blob->total;
}

/* Takes the part if it is the one that is missing; then the next may be asked for at once. */
static void take(struct blob *blob, const struct shelf_part *part)
{
    if (part->total > WIRE_BLOB_MAX || part->offset != blob->bytes.len || part->len == 0 ||
        part->len > part->total - part->offset || is_whole(blob))
        return;
    if (blob->total != part->total && blob->bytes.len > 0) {
        buf_clear(&blob->bytes); /* another table than the one begun */
        return;
    }
    blob->total = part->total;
    blob->none = false;
    buf_add(&blob->bytes, part->data, part->len);
    blob->ask_ms = 0;
}

void shelf_job_part(struct shelf *s, const struct shelf_part *part)
{
    struct book *b = find(s, part->job);
    if (!b || b->state != BOOK_FETCHING)
        return;
    if (part->total == 0) {
        turn(b, BOOK_GONE);
        return;
    }
    take(&b->document, part);
    if (!is_whole(&b->document))
        return;
    b->recipe = recipe_create(&b->document.bytes, s->threads);
    turn(b, BOOK_BUILDING);
}

/* With the recipe built and the job's table here: the same bytes need no adoption. */
static void compare(struct book *b)
{
    if (b->state != BOOK_TABLING || !is_whole(&b->table))
        return;
    const struct buf *own = recipe_table(b->recipe);
    bool same =
        own->len == b->table.bytes.len && memcmp(own->data, b->table.bytes.data, own->len) == 0;
    turn(b, same ? BOOK_READY : BOOK_ADOPTING);
    if (same)
        buf_fini(&b->table.bytes);
}

void shelf_table_part(struct shelf *s, const struct shelf_part *part)
{
    struct book *b = find(s, part->job);
    if (!b || b->state > BOOK_TABLING)
        return;
    if (part->total == 0) {
        b->table.none = b->table.bytes.len == 0;
        return;
    }
    take(&b->table, part);
    compare(b);
}

/* --- tasks ---------------------------------------------------------------------------------- */

void shelf_lend(struct shelf *s, struct recipe *recipe)
{
    find_recipe(s, recipe)->lent++;
}

void shelf_return(struct shelf *s, struct recipe *recipe)
{
    struct book *b = find_recipe(s, recipe);
    assert(b->lent > 0);
    b->lent--;
    clear_out(s);
}

static void fail(struct book *b, const struct err *failure)
{
    b->err = *failure;
    turn(b, BOOK_FAILED);
}

void shelf_built(struct shelf *s, struct recipe *recipe, const struct err *failure)
{
    struct book *b = find_recipe(s, recipe);
    if (b->state != BOOK_BUILDING)
        return;
    if (failure) {
        fail(b, failure);
        return;
    }
    turn(b, BOOK_TABLING);
    b->put_ms = 0;
    compare(b);
}

void shelf_adopted(struct shelf *s, struct recipe *recipe, const struct err *failure)
{
    struct book *b = find_recipe(s, recipe);
    if (b->state != BOOK_ADOPTING)
        return;
    if (failure)
        fail(b, failure);
    else
        turn(b, BOOK_READY);
}

/* --- what to do ----------------------------------------------------------------------------- */

void shelf_hurry(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct book *b = s->books[i];
        b->document.ask_ms = b->table.ask_ms = b->put_ms = 0;
    }
}

static int64_t document_deadline(const struct book *b)
{
    return b->state == BOOK_FETCHING ? b->document.ask_ms : INT64_MAX;
}

/* While the broker has no table and ours is not made, it is not asked again: putting ours will be
 * answered with the job's own. */
static int64_t table_deadline(const struct book *b)
{
    if (b->state > BOOK_TABLING || is_whole(&b->table) || b->table.none)
        return INT64_MAX;
    return b->table.ask_ms;
}

static int64_t put_deadline(const struct book *b)
{
    return b->state == BOOK_TABLING && b->table.none ? b->put_ms : INT64_MAX;
}

/* Hands out a state once. */
static void tell(struct book *b, struct shelf_action *out)
{
    static const enum shelf_type types[] = {
        [BOOK_BUILDING] = SHELF_BUILD, [BOOK_ADOPTING] = SHELF_ADOPT, [BOOK_READY] = SHELF_READY,
        [BOOK_FAILED] = SHELF_FAILED,  [BOOK_GONE] = SHELF_GONE,
    };
    b->tell = false;
    out->type = types[b->state];
    if (b->state == BOOK_FAILED)
        out->err = b->err;
    if (b->state == BOOK_ADOPTING) {
        out->table = b->table.bytes;
        b->table.bytes = (struct buf){0};
    }
}

static bool book_next(struct book *b, int64_t now_ms, struct shelf_action *out)
{
    *out = (struct shelf_action){.job = b->job, .recipe = b->recipe};
    if (b->tell) {
        tell(b, out);
    } else if (document_deadline(b) <= now_ms) {
        out->type = SHELF_ASK_JOB;
        out->offset = (uint32_t)b->document.bytes.len;
        b->document.ask_ms = now_ms + SHELF_AGAIN_MS;
    } else if (table_deadline(b) <= now_ms) {
        out->type = SHELF_ASK_TABLE;
        out->offset = (uint32_t)b->table.bytes.len;
        b->table.ask_ms = now_ms + SHELF_AGAIN_MS;
    } else if (put_deadline(b) <= now_ms) {
        out->type = SHELF_PUT_TABLE;
        b->put_ms = now_ms + SHELF_AGAIN_MS;
    } else {
        return false;
    }
    return true;
}

bool shelf_next(struct shelf *s, int64_t now_ms, struct shelf_action *out)
{
    for (size_t i = 0; i < s->count; i++)
        if (!s->books[i]->retired && book_next(s->books[i], now_ms, out))
            return true;
    return false;
}

int64_t shelf_deadline(const struct shelf *s)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < s->count; i++) {
        const struct book *b = s->books[i];
        if (b->retired)
            continue;
        int64_t due[] = {document_deadline(b), table_deadline(b), put_deadline(b)};
        for (size_t k = 0; k < 3; k++)
            if (due[k] < at)
                at = due[k];
    }
    return at;
}
