/* See npyhead.h. The dictionary is Python's repr of three keys; the reader looks for each key and
 * refuses what it does not know rather than guess. */
#include "npyhead.h"

#include <stdlib.h>
#include <string.h>

static int broken(struct err *err, const char *why)
{
    return err_set(err, ERR_STORAGE, "not a .npy file of results: %s", why);
}

/* The characters after "'key':" and its blanks; NULL when the key is missing. */
static const char *value_of(const char *dict, const char *key)
{
    const char *at = strstr(dict, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " ");
}

static int read_type(const char *dict, struct npyhead *out, struct err *err)
{
    const char *d = value_of(dict, "'descr'");
    if (!d || d[0] != '\'' || !strchr("<|", d[1]) || d[1] == '\0' || !strchr("fui", d[2]))
        return broken(err, "its type");
    out->kind = d[2];
    if (d[3] < '1' || d[3] > '8' || d[4] != '\'')
        return broken(err, "the size of its items");
    out->item_bytes = (size_t)(d[3] - '0');
    const char *order = value_of(dict, "'fortran_order'");
    if (!order || strncmp(order, "False", 5) != 0)
        return broken(err, "it is not in C order");
    return 0;
}

static int read_shape(const char *dict, struct npyhead *out, struct err *err)
{
    const char *s = value_of(dict, "'shape'");
    if (!s || *s++ != '(')
        return broken(err, "its shape");
    out->shape[0] = out->shape[1] = 1;
    out->dimensions = 0;
    for (;;) {
        s += strspn(s, ", ");
        if (*s == ')')
            break;
        char *end;
        if (*s < '0' || *s > '9' || out->dimensions == 2)
            return broken(err, "its shape");
        out->shape[out->dimensions++] = strtoull(s, &end, 10);
        s = end;
    }
    uint64_t items;
    if (out->dimensions == 0 || __builtin_mul_overflow(out->shape[0], out->shape[1], &items) ||
        __builtin_mul_overflow(items, (uint64_t)out->item_bytes, &out->data_bytes) ||
        out->data_bytes > INT64_MAX - NPYHEAD_MAX) /* no file is that long */
        return broken(err, "its shape");
    return 0;
}

int npyhead_parse(const void *head, size_t len, struct npyhead *out, struct err *err)
{
    const unsigned char *b = head;
    if (len < 12 || memcmp(b, "\x93NUMPY", 6) != 0)
        return broken(err, "it does not begin with \\x93NUMPY");
    size_t start = b[6] == 1 ? 10 : 12;
    size_t dict_len = b[8] | (size_t)b[9] << 8;
    if (b[6] != 1)
        dict_len |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (b[6] < 1 || b[6] > 3 || dict_len > len - start || dict_len >= NPYHEAD_MAX)
        return broken(err, "its head");
    char dict[NPYHEAD_MAX];
    memcpy(dict, b + start, dict_len);
    dict[dict_len] = '\0';
    out->data_offset = start + dict_len;
    return read_type(dict, out, err) ? -1 : read_shape(dict, out, err);
}
