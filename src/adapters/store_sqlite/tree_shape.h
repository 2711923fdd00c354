/* What the b-trees of a schema look like, learnt from a sound file of that schema. */
#ifndef SB_ADAPTERS_STORE_SQLITE_TREE_SHAPE_H
#define SB_ADAPTERS_STORE_SQLITE_TREE_SHAPE_H

#include "adapters/store_sqlite/db.h"
#include "adapters/store_sqlite/salvage.h"

#define TREES_MAX 192

struct trees {
    struct tree list[TREES_MAX];
    unsigned table_of[TREES_MAX]; /* an index's table, by its place in list */
    bool partial[TREES_MAX];      /* an index that leaves rows out */
    unsigned count;
};

/* Every table and index, sqlite_sequence too, tables first, roots unknown. False: the file's
 * schema cannot be read, or has more of them than TREES_MAX. */
bool trees_learn(struct db *c, struct trees *out) MUST_CHECK;
/* The tree of that name, or NULL. */
struct tree *trees_find(struct trees *t, span name);
/* The shape of the schema's own tree. */
void trees_schema(struct tree *out);

#endif
