/*
 * Rows out of the b-trees of a damaged file. A tree is walked from its root; what cannot be
 * reached because a page above it is damaged is looked for among the pages that no tree and no
 * free list has, and taken for the one table whose rows look like it.
 *
 * Every page is looked at once, so loops of damaged pointers end; memory is one byte a page and a
 * page a level of a tree. One thread.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_SALVAGE_H
#define SB_ADAPTERS_STORE_SQLITE_SALVAGE_H

#include "adapters/store_sqlite/image.h"
#include "adapters/store_sqlite/page.h"
#include "base/buf.h"

/* What values a column may hold, by its declared type. */
enum salvage_type { SALVAGE_ANY, SALVAGE_INT, SALVAGE_REAL, SALVAGE_TEXT, SALVAGE_BLOB };

/* One b-tree: what its records look like, and what came of it. */
struct tree {
    char name[64];
    bool is_table;     /* else an index: only counted */
    bool by_rowid;     /* pages of kind PAGE_TABLE_*; else WITHOUT ROWID, or an index */
    bool shadow;       /* a table of the search's index: only counted, for it is made anew */
    uint32_t root;     /* 0: not known */
    unsigned count;    /* of columns as they are stored */
    struct tree_column {
        char name[64];
        enum salvage_type type;
        bool not_null;
        bool is_rowid; /* stored as NULL: the rowid is the value */
    } columns[RECORD_VALUES_MAX];
    /* Found: */
    bool damaged;         /* a page of it, or a pointer, could not be read */
    uint64_t rows;        /* given to the visitor; of an index, its entries */
    uint64_t bad_rows;    /* cells that are no row of this tree */
    uint64_t bad_pages;   /* pointers that lead to no page of this tree */
    uint64_t stray_pages; /* found outside the tree */
};

/* One row: values in the order of tree->columns, at most that many. Borrowed for the call. */
typedef void (*salvage_row)(void *ctx, struct tree *t, const struct store_value *values,
                            unsigned count);

struct salvage {
    struct image *image; /* borrowed */
    uint8_t *seen;       /* a byte a page: belongs to something */
    buf payload;         /* of a row that goes over several pages */
    unsigned look_pages; /* of such rows that may still be read before a page is taken */
    uint64_t unknown_pages; /* b-tree pages that fit no tree, or several */
    bool free_lost;      /* the free list is damaged: strays may be old rows */
};

/* Marks the pages of the free list. */
void salvage_init(struct salvage *s, struct image *image);
void salvage_deinit(struct salvage *s);
/* Walks one tree from its root; `row` may be NULL: only counts and marks. */
void salvage_tree(struct salvage *s, struct tree *t, salvage_row row, void *ctx);
/* After every tree with a known root was walked: the pages that are left, for damaged trees. */
void salvage_strays(struct salvage *s, struct tree *trees, unsigned count, salvage_row row,
                    void *ctx);
/* The rows of the schema: those reachable from page 1 and, when some are not, any page of such
 * rows. Marks nothing but page 1's tree. */
void salvage_schema(struct salvage *s, struct tree *schema, salvage_row row, void *ctx);

#endif
