/*
 * Pages and records of the SQLite file format, as far as reading rows out of a damaged file needs
 * them (https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1). Pure: bytes in, values
 * out; whatever the bytes are, nothing outside them is read. Fuzz target: page_fuzz.c.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_PAGE_H
#define SB_ADAPTERS_STORE_SQLITE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"
#include "ports/store.h"

#define PAGE_BYTES_MIN 512
#define PAGE_BYTES_MAX 65536
#define PAGE_ONE_HEADER 100 /* page 1 begins with the file's header */
#define RECORD_VALUES_MAX 64 /* columns of a row; more is taken for damage */

/* Values are those of the format's flag byte. */
enum page_kind {
    PAGE_INDEX_INNER = 2,
    PAGE_TABLE_INNER = 5,
    PAGE_INDEX_LEAF = 10, /* also rows of tables WITHOUT ROWID, as PAGE_INDEX_INNER */
    PAGE_TABLE_LEAF = 13,
};

struct page {
    span bytes; /* its usable part, borrowed */
    enum page_kind kind;
    size_t pointers; /* where the cell pointers are */
    unsigned cell_count;
    uint32_t right; /* the last child of an inner page */
};

struct page_cell {
    uint32_t child;  /* inner pages */
    int64_t rowid;   /* table pages */
    uint64_t payload_bytes; /* 0: none (PAGE_TABLE_INNER) */
    span local;      /* the part of the payload in this page */
    uint32_t overflow; /* the page that has the rest; 0: there is none */
};

/* Has children; and has rowids. */
bool page_is_inner(enum page_kind k);
/* As above. */
bool page_is_table(enum page_kind k);
/* False when the bytes are no b-tree page. `first`: it is page 1. */
bool page_open(span bytes, bool first, struct page *out) MUST_CHECK;
/* Cell `i` (below cell_count); false when it is damaged. */
bool page_cell(const struct page *p, unsigned i, struct page_cell *out) MUST_CHECK;
/* A whole payload as values, texts and blobs borrowed from it; the number of values, or 0 when it
 * is no record: its parts do not fill it exactly, a text is not UTF-8, a number is none. */
unsigned record_read(span payload, struct store_value out[RECORD_VALUES_MAX]) MUST_CHECK;
/* Big-endian, as everything in the file. */
uint32_t page_u32(const uint8_t *p);

#endif
