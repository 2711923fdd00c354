/* A repair under way; shared by its files. repair.c reads the old file and fills the new one,
 * repair_rules.c makes the new one keep the schema's rules. */
#ifndef SB_ADAPTERS_STORE_SQLITE_REPAIR_H
#define SB_ADAPTERS_STORE_SQLITE_REPAIR_H

#include "adapters/store_sqlite/aside.h"
#include "adapters/store_sqlite/db.h"
#include "adapters/store_sqlite/tree_shape.h"

struct repair {
    const char *to;
    struct image image;
    struct salvage salvage;
    struct trees trees;
    struct db db; /* the new file */
    struct aside aside;
    uint64_t refused[TREES_MAX];
    int64_t version;       /* newest step seen in the old file's schema_migration; 0: none */
    bool other_program;    /* its schema has tables, and none that we know */
    unsigned known_tables; /* roots found */
    sqlite3_stmt *insert;  /* into the table below, with so many columns */
    const struct tree *insert_into;
    unsigned insert_count;
    unsigned uncommitted;
    err error;             /* the first of the new file */
    struct sqlite_repair *out;
};

/* Puts the row aside and counts it. */
void repair_refuse(struct repair *r, const struct tree *t, const char *why,
                   const struct store_value *values, unsigned count);

/* Triggers would count what is counted already: dropped while rows are loaded, then made again
 * with the migrations' words. Rows that migrations made go: the old file's replace them. */
err repair_rules_off(struct repair *r);
err repair_rules_on(struct repair *r);
/* Rows whose parent is missing, and then theirs, go aside. */
err repair_parents(struct repair *r);
/* Settling begins anew: a sample that is settled leaves the tail, the mark is at the start, and the
 * next sample's id is above all there are. One of a device that is missing goes aside. */
err repair_telemetry(struct repair *r);
/* The search's index is made of the messages that there are. */
err repair_search(struct repair *r);

#endif
