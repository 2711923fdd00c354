/*
 * The full text of chat (decision 0025) is written behind: chat_search_at says up to which message
 * (`n`) words are in the index, and the writer adds what came behind that, many messages in one
 * transaction of its own that moves the mark along. So a crash forgets nothing: a start goes on at
 * the mark. What is changed or deleted before the mark is changed in the index by triggers, in the
 * same transaction; behind it there is nothing to change yet.
 *
 * A search sees every message that was acknowledged before it, all the same: it asks the writer to
 * index now, and waits for that, unless the writer cannot (the store stands still or is full):
 * what is older than a second is not waited for.
 */
#ifndef SB_ADAPTERS_STORE_SQLITE_WORD_INDEX_H
#define SB_ADAPTERS_STORE_SQLITE_WORD_INDEX_H

#include "adapters/store_sqlite/db.h"

struct sqlite_store;
struct words;

/* These on the writer's thread, or before it is started and after it has ended. */
struct words *words_new(struct sqlite_store *s); /* borrowed */
void words_free(struct words *w); /* NULL is harmless. What is not indexed is the next start's */
/* Notes a request whose transaction has been committed. Before it is answered. */
void words_note(struct words *w, const struct store_req *req);
/* How long the writer may wait for requests, in ms: 0 when there is work, -1: for ever. */
int words_wait_ms(struct words *w);
/* Indexes for at most a slice (some 20 ms); longer only to keep up with what is being added. */
void words_work(struct words *w);
/* All of it, for a search that the writer is about to run itself (`:memory:`). */
void words_work_all(struct words *w);

/* Whether the request looks for words. Any thread. */
bool words_asked(const struct store_req *req);
/* Before such a request is run: returns when all that was noted by now is indexed, or cannot be
 * soon. Blocks. On readers' threads. */
void words_await(struct words *w);
/* The writer ends: nobody waits any more. Any thread. */
void words_stop(struct words *w);

#endif
