/*
 * The post port without loops: one queue of mail from any thread, run by whoever calls
 * post_queue_run, whatever loop the mail names. For the command line, which drives the domain
 * with one home and no event loop, and for tests.
 */
#ifndef SB_ADAPTERS_POST_QUEUE_H
#define SB_ADAPTERS_POST_QUEUE_H

#include <stdbool.h>

#include "ports/post.h"

/* Takes mail for loops 0 to loop_count - 1 (asserted). */
struct post *post_queue_new(unsigned loop_count);
void post_queue_free(struct post *p); /* asserts that nothing waits */
/* Runs what waits, in the order posted; when nothing does, sleeps up to wait_ms_max for the first.
 * False when nothing came. One thread. */
bool post_queue_run(struct post *p, int wait_ms_max);
/* Runs mail until *flag is true; false after wait_ms_max without any mail. */
bool post_queue_until(struct post *p, const bool *flag, int wait_ms_max);

#endif
