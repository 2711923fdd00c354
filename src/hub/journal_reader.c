/* Readers of ordered topics. */
#include "base/assert.h"
#include "hub/journal_internal.h"

void journal_open(struct journal *j, struct journal_reader *r, uint32_t member,
                  const struct pos *since)
{
    (void)since;
    ASSERT(r->ops != NULL && r->journal == NULL);
    r->journal = j;
    r->state = NULL;
    r->member = member;
}

void journal_close(struct journal_reader *r) { r->journal = NULL; }

void journal_subscribe(struct journal_reader *r, span topic)
{
    hub_subscribe(r->journal->conf.hub, r->member, JOURNAL_HOME, topic);
}

bool journal_unsubscribe(struct journal_reader *r, span topic)
{
    return hub_unsubscribe(r->journal->conf.hub, r->member, JOURNAL_HOME, topic);
}

void journal_writable(struct journal_reader *r) { (void)r; }

struct pos journal_reader_pos(const struct journal_reader *r) { return journal_now(r->journal); }
