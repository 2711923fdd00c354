/*
 * The inbox of one loop: many threads push, the owner takes everything at once. It is one atomic
 * word, a stack of mail with the newest on top; the owner reverses what it takes, so mail from
 * one sender keeps its order. The same word says that the owner is about to sleep, so a push and
 * a decision to sleep can never miss each other, and a push to an awake loop needs no wake-up.
 *
 *     NULL    empty, the owner is awake        push -> mail
 *     ASLEEP  empty, the owner sleeps          push -> mail, and the pusher wakes the owner
 *     mail    newest -> ... -> oldest -> NULL  take -> NULL
 */
#ifndef SB_LOOP_MAILBOX_H
#define SB_LOOP_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/mail.h"

struct mailbox {
    _Atomic(struct mail *) top; /* zero-initialised is empty */
};

/* Puts a chain linked newest -> ... -> oldest on top. True when the owner sleeps: the caller
 * must wake it. Any thread; cost O(1), lock-free. */
bool mailbox_push(struct mailbox *b, struct mail *newest, struct mail *oldest) MUST_CHECK;
/* Everything pushed so far, oldest first, NULL when none; the owner counts as awake again.
 * Owner only; cost O(mail). */
struct mail *mailbox_take(struct mailbox *b);
/* Announces that the owner is about to sleep; false when there is mail: then it must not. */
bool mailbox_sleep(struct mailbox *b) MUST_CHECK;
bool mailbox_empty(const struct mailbox *b);
/* Turns a chain round in place and returns its new head. */
struct mail *mail_reverse(struct mail *m);

#endif
