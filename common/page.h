#ifndef COMMON_PAGE_H
#define COMMON_PAGE_H

#include <stddef.h>
#include <stdio.h>

/* Text in lines of the reader's width: words go to the next line where they would not fit, and a
 * word that is longer than a line stays whole. */
struct page {
    FILE *out;
    size_t width;
};

/* As wide as the terminal, from 60 to `most` columns; where `out` is none, `elsewhere`. */
struct page page_on(FILE *out, size_t elsewhere, size_t most);

void page_indent(const struct page *p, size_t columns);

/* The words of text[0 .. len), the first one at column `at`, where the caller has stopped, further
 * lines from column `left` on; ends the line. */
void page_flow(const struct page *p, const char *text, size_t len, size_t at, size_t left);

/* A line as it is; on a terminal folded, with further lines from column `left` on. */
void page_line(FILE *out, const char *text, size_t left);

/* An empty line of the text stays one; other line ends are of no importance. */
void page_paragraphs(const struct page *p, const char *text);

#endif
