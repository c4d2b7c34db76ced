/* See page.h. */
#include "page.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_LEAST = 60 };

struct page page_on(FILE *out, size_t elsewhere, size_t most)
{
    struct winsize size = {0};
    bool asked = isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0;
    if (!asked || size.ws_col == 0)
        return (struct page){out, elsewhere};
    size_t width = size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col;
    return (struct page){out, width < most ? width : most};
}

void page_indent(const struct page *p, size_t columns)
{
    fprintf(p->out, "%*s", (int)columns, "");
}

void page_flow(const struct page *p, const char *text, size_t len, size_t at, size_t left)
{
    bool begins = true;
    for (const char *end = text + len; text < end;) {
        text += strspn(text, " \n");
        if (text >= end)
            break;
        size_t word = strcspn(text, " \n");
        if (word > (size_t)(end - text))
            word = (size_t)(end - text);
        if (!begins && at + 1 + word > p->width) {
            fputc('\n', p->out);
            page_indent(p, left);
            at = left;
        } else if (!begins) {
            fputc(' ', p->out);
            at++;
        }
        fwrite(text, 1, word, p->out);
        at += word;
        text += word;
        begins = false;
    }
    fputc('\n', p->out);
}

void page_line(FILE *out, const char *text, size_t left)
{
    const struct page page = page_on(out, 0, SIZE_MAX);
    size_t start = strspn(text, " ");
    if (page.width == 0) {
        fprintf(out, "%s\n", text);
        return;
    }
    page_indent(&page, start);
    page_flow(&page, text + start, strlen(text + start), start, left);
}

void page_paragraphs(const struct page *p, const char *text)
{
    while (*text) {
        const char *gap = strstr(text, "\n\n");
        size_t len = gap ? (size_t)(gap - text) : strlen(text);
        page_flow(p, text, len, 0, 0);
        text += len;
        if (gap)
            fputc('\n', p->out);
        text += strspn(text, "\n");
    }
}
