/* See json_scan.h. A recursive descent over RFC 8259's grammar, at most JSON_DEPTH_MAX deep. It
 * knows where it is (a stack of frames), so that a complaint can name the path as well as the
 * place. */
#include "json_scan.h"

#include <string.h>

static struct json *node(const struct json_scanner *s, size_t i)
{
    return &s->d->nodes[i];
}

static int new_node(struct json_scanner *s, enum json_type type, size_t *index)
{
    struct json_document *d = s->d;
    if (d->node_count >= s->limits->values)
        return json_scan_fail(s, s->at, NULL, "more than %zu values", s->limits->values);
    if (d->node_count == d->node_cap) {
        d->node_cap = d->node_cap ? 2 * d->node_cap : 64;
        d->nodes = mem_resize(d->nodes, d->node_cap, sizeof d->nodes[0]);
    }
    *index = d->node_count++;
    d->nodes[*index] = (struct json){.document = d, .type = (uint8_t)type, .at = (uint32_t)s->at};
    return 0;
}

static int push_number(struct json_scanner *s, double value)
{
    struct json_document *d = s->d;
    if (d->number_count >= s->limits->numbers)
        return json_scan_fail(s, s->at, NULL, "more than %zu numbers in lists", s->limits->numbers);
    if (d->number_count == d->number_cap) {
        d->number_cap = d->number_cap ? 2 * d->number_cap : 64;
        d->numbers = mem_resize(d->numbers, d->number_cap, sizeof d->numbers[0]);
    }
    d->numbers[d->number_count++] = value;
    return 0;
}

static int scan_value(struct json_scanner *s, size_t *index);

/* A new innermost frame. */
static int enter(struct json_scanner *s, bool array)
{
    if (s->depth == JSON_DEPTH_MAX)
        return json_scan_fail(s, s->at, NULL, "more than %d levels of [ and {", JSON_DEPTH_MAX);
    s->frames[s->depth++] = (struct json_frame){.array = array};
    s->at++;
    json_scan_blanks(s);
    return 0;
}

/* The next element of array `a`. While all elements are numbers they are also written down as
 * numbers; from the JSON_SHORT_LIST-th on, only so, and the nodes made until then are given back.
 */
static int scan_element(struct json_scanner *s, size_t a)
{
    struct json_document *d = s->d;
    int c = json_scan_peek(s);
    bool number = c == '-' || (c >= '0' && c <= '9');
    if (!number && node(s, a)->separate)
        return json_scan_unexpected(s, "a number, as all before it in this list,", NULL);
    if (!number && node(s, a)->listed) {
        node(s, a)->listed = false;
        d->number_count = node(s, a)->numbers;
    }
    if (number && node(s, a)->listed && node(s, a)->count == JSON_SHORT_LIST) {
        node(s, a)->separate = true;
        d->node_count = a + 1;
    }
    double value;
    if (node(s, a)->separate)
        return json_scan_number(s, &value) || push_number(s, value) ? -1 : 0;
    size_t element;
    if (scan_value(s, &element))
        return -1;
    node(s, element)->parent = (uint32_t)(element - a);
    return node(s, a)->listed ? push_number(s, node(s, element)->number) : 0;
}

static int scan_elements(struct json_scanner *s, size_t a)
{
    struct json_frame *f = &s->frames[s->depth - 1];
    if (json_scan_peek(s) == ']')
        return 0;
    for (;;) {
        size_t previous = s->d->node_count;
        if (scan_element(s, a))
            return -1;
        node(s, a)->count++;
        json_scan_blanks(s);
        if (json_scan_peek(s) == ']')
            return 0;
        if (json_scan_peek(s) != ',')
            return json_scan_unexpected(s, "a comma or ]", "is a comma missing before it?");
        s->at++;
        json_scan_blanks(s);
        if (json_scan_peek(s) == ']')
            return json_scan_fail(s, s->at, "take the last comma out", "a comma before ]");
        f->index++;
        if (!node(s, a)->separate)
            node(s, previous)->next = (uint32_t)(s->d->node_count - previous);
    }
}

static int scan_array(struct json_scanner *s, size_t *index)
{
    if (new_node(s, JSON_ARRAY, index))
        return -1;
    struct json *a = node(s, *index);
    a->listed = true;
    a->numbers = s->d->number_count;
    if (enter(s, true) || scan_elements(s, *index))
        return -1;
    a = node(s, *index);
    if (a->separate) {
        buf_add(&s->d->skeleton, s->text + s->copied, a->at + 1 - s->copied);
        s->copied = s->at;
    }
    s->at++;
    s->depth--;
    return 0;
}

static int scan_member(struct json_scanner *s, size_t object)
{
    struct json_frame *f = &s->frames[s->depth - 1];
    size_t key_at = s->at, value;
    if (json_scan_peek(s) != '"')
        return json_scan_unexpected(s, "a key in double quotes", "write \"key\": value");
    if (json_scan_string(s))
        return -1;
    f->key_at = key_at + 1;
    f->key_len = s->at - key_at - 2;
    json_scan_blanks(s);
    if (json_scan_peek(s) != ':')
        return json_scan_unexpected(s, "a colon after the key", "write \"key\": value");
    s->at++;
    json_scan_blanks(s);
    if (scan_value(s, &value))
        return -1;
    node(s, value)->parent = (uint32_t)(value - object);
    node(s, value)->keyed = true;
    node(s, value)->key_at = (uint32_t)key_at;
    return 0;
}

static int scan_object(struct json_scanner *s, size_t *index)
{
    if (new_node(s, JSON_OBJECT, index) || enter(s, false))
        return -1;
    while (json_scan_peek(s) != '}') {
        size_t previous = s->d->node_count;
        if (scan_member(s, *index))
            return -1;
        node(s, *index)->count++;
        json_scan_blanks(s);
        if (json_scan_peek(s) == '}')
            break;
        if (json_scan_peek(s) != ',')
            return json_scan_unexpected(s, "a comma or }", "is a comma missing before it?");
        s->at++;
        json_scan_blanks(s);
        if (json_scan_peek(s) == '}')
            return json_scan_fail(s, s->at, "take the last comma out", "a comma before }");
        node(s, previous)->next = (uint32_t)(s->d->node_count - previous);
    }
    s->at++;
    s->depth--;
    return 0;
}

static int scan_word(struct json_scanner *s, size_t *index)
{
    static const struct {
        const char *text;
        enum json_type type;
        bool truth;
    } words[] = {
        {"true", JSON_BOOL, true}, {"false", JSON_BOOL, false}, {"null", JSON_NULL, false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!json_scan_starts(s, words[i].text))
            continue;
        if (new_node(s, words[i].type, index))
            return -1;
        node(s, *index)->truth = words[i].truth;
        s->at += strlen(words[i].text);
        return 0;
    }
    return json_scan_unexpected(s, "a value", "a string needs double quotes");
}

static int scan_value(struct json_scanner *s, size_t *index)
{
    int c = json_scan_peek(s);
    if (c == '{')
        return scan_object(s, index);
    if (c == '[')
        return scan_array(s, index);
    if (c == '"')
        return new_node(s, JSON_STRING, index) || json_scan_string(s) ? -1 : 0;
    if (c != '-' && (c < '0' || c > '9'))
        return scan_word(s, index);
    double value;
    if (new_node(s, JSON_NUMBER, index) || json_scan_number(s, &value))
        return -1;
    node(s, *index)->number = value;
    return 0;
}

int json_scan(struct json_document *document, const struct json_limits *limits, struct err *err)
{
    struct json_scanner s = {.d = document,
                             .limits = limits,
                             .err = err,
                             .text = (const char *)document->text.data,
                             .len = document->text.len};
    size_t root;
    if (json_scan_starts(&s, "\xEF\xBB\xBF"))
        return json_scan_fail(&s, 0, "save the file as UTF-8 without one", "a byte-order mark");
    if (json_scan_starts(&s, "\xFF\xFE") || json_scan_starts(&s, "\xFE\xFF"))
        return json_scan_fail(&s, 0, "save the file as UTF-8", "this text is UTF-16");
    json_scan_blanks(&s);
    if (s.at == s.len)
        return json_scan_fail(&s, 0, NULL, "the text is empty");
    if (scan_value(&s, &root))
        return -1;
    json_scan_blanks(&s);
    if (s.at < s.len)
        return json_scan_unexpected(&s, "the end of the text", "one document is one value");
    buf_add(&document->skeleton, s.text + s.copied, s.len - s.copied);
    buf_text(&document->skeleton);
    return 0;
}
