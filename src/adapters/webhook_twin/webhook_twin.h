/*
 * The webhook port without a network, for tests of what stands on it: one queue of what is to be
 * answered next. Any thread may call; the test's own programs it.
 */
#ifndef SB_ADAPTERS_WEBHOOK_TWIN_H
#define SB_ADAPTERS_WEBHOOK_TWIN_H

#include "ports/post.h"
#include "ports/webhook.h"

/* Answers 200 with nothing until it is told otherwise. */
struct webhook *webhook_twin_new(struct post *post);
/* Cancels what is held; the mail is still to be run. Later calls are refused. */
void webhook_twin_close(struct webhook *w);
/* Nothing is held (asserted). */
void webhook_twin_free(struct webhook *w);

/* What every later call is answered with. OK and STATUS follow from `status`; a `status` of 0 is
 * `result`. An answer longer than a call allows is TOO_LONG. */
void webhook_twin_answers(struct webhook *w, int status, const char *body,
                          enum webhook_result result);
/* What the answers' type is: static text; application/json until then. */
void webhook_twin_type(struct webhook *w, const char *type);
/* A piece of the oldest held call's answer; one with on_part (asserted). False: there is none any
 * more, or it was longer than its call allows and has ended so. */
bool webhook_twin_part(struct webhook *w, const char *data);
/* While true, calls wait; with false all that wait are answered, oldest first. */
void webhook_twin_hold(struct webhook *w, bool hold);
/* How many calls were made, and how many of them wait. */
unsigned webhook_twin_count(struct webhook *w);
unsigned webhook_twin_held(struct webhook *w);
/* The body of the last call, appended. */
void webhook_twin_last(struct webhook *w, buf *body);

#endif
