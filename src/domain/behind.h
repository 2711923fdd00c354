/*
 * Writing behind: objects change in memory, and their newest state follows into the store, many
 * in one transaction. However fast an object changes, one write of it is on its way at most, and
 * the next takes what is true by then. Nobody waits for it. A store that fails is tried again,
 * all that changed meanwhile included, so nothing is forgotten while the process lives.
 */
#ifndef SB_DOMAIN_BEHIND_H
#define SB_DOMAIN_BEHIND_H

#include <stdbool.h>

#include "base/list.h"
#include "domain/home.h"

#define BEHIND_ITEMS_MAX 256 /* objects in one transaction: some milliseconds of the writer */

/* Embedded in the object; zeroed but for the link, which list_init makes. */
struct behind_item {
    struct list link;
    bool writing;
    bool again; /* changed while it was being written */
};

struct behind;
struct behind_batch {
    struct behind *behind;
    unsigned count;
    struct behind_item *items[BEHIND_ITEMS_MAX];
};

struct behind_ops {
    /* Takes objects (behind_first, behind_take), at least one, and makes the request of their
     * changes with `batch` as its owner; NULL when they turn out to need none. */
    struct store_req *(*fill)(struct behind *b, struct behind_batch *batch);
    /* The transaction is on disk; before the items are told. May be NULL. */
    void (*committed)(struct behind *b, struct store_req *req);
    /* An item's write ended. After an error it is queued again. `rests`: it is neither queued nor
     * written any more, and may be freed. */
    void (*written)(struct behind *b, struct behind_item *it, err error, bool rests);
};

struct behind {
    const struct behind_ops *ops;
    const char *what; /* for the log line of a failure */
    struct home *home;
    void *owner;
    struct list dirty;
    unsigned flying;  /* requests on their way, */
    unsigned flying_max; /* and at most; behind_init sets what suits most */
    bool filling;
    struct deadline retry;
};

/* `ops` and `owner` are borrowed, `what` is of static duration; nothing is written yet. */
void behind_init(struct behind *b, struct home *h, const struct behind_ops *ops, const char *what,
                 void *owner);
/* Nothing may be on its way; what is queued is not written. */
void behind_deinit(struct behind *b);

/* The object changed. */
void behind_touch(struct behind *b, struct behind_item *it);
/* Queued or being written. */
static inline bool behind_pending(const struct behind_item *it)
{
    return it->writing || list_linked(&it->link);
}
/* No write of it is wanted any more; one on its way ends as usual. */
void behind_forget(struct behind_item *it);

/* For fill: the longest waiting object, NULL when there is none or the batch is full; and taking
 * it. */
struct behind_item *behind_first(struct behind *b, const struct behind_batch *batch);
void behind_take(struct behind *b, struct behind_batch *batch);

#endif
