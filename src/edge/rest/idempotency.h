/*
 * Idempotency-Key on POST (CONTRACT 7): what was done under a key is done once, for a day per
 * principal and route, also over a restart.
 *
 *     rest_emit(c)  ... reads the request; idem_begin(c, run)
 *     run(c)        req = store_req_new(..., steps + idem_steps(c)); idem_step(c, req, ...);
 *                   rest_later(c); submit
 *     done(req)     idem_end(c); c = rest_resume(c); idem_ok(c, response, pos)
 *
 * The answer is stored in the transaction of the work itself: both are on disk or neither is. (Or
 * behind it, where the work is harmless when it is repeated: idem_name.) While
 * it is under way the key is held at its principal's home, so that a second request hears of it
 * (409) wherever it came in. A failure stores nothing: the request may be sent again.
 */
#ifndef SB_EDGE_REST_IDEMPOTENCY_H
#define SB_EDGE_REST_IDEMPOTENCY_H

#include "edge/rest/rest.h"
#include "ports/store.h"

#define IDEM_KEY_BYTES_MAX 200

/* Calls proceed(c), at once when the request has no key; or answers: what was stored for the key,
 * 422 when that was for another body, 409 while the first is under way, 400 for a key that is
 * empty, longer than IDEM_KEY_BYTES_MAX or holds other than visible ASCII. The call has a grant
 * with a principal. */
void idem_begin(struct rest_call *c, void (*proceed)(struct rest_call *c));
/* Whether the request's key may be one; else it was answered 400. For routes that remember by
 * themselves what was done. */
bool idem_key_ok(struct rest_call *c, span key) MUST_CHECK;
/* Steps that the work's transaction needs for it: 0 or 1. */
unsigned idem_steps(const struct rest_call *c);
/* Fills step `step`, behind those that record events, where idem_steps says so: `response` is the
 * answer's data, a JSON object. `logged`: the answer has `pos` besides, the newest position of the
 * transaction. */
void idem_step(const struct rest_call *c, struct store_req *req, unsigned step, span response,
               bool logged);
/* For work that commits by itself, before the answer is stored: a name that every repeat of the
 * request has, and no other request, so that the work can be done again without harm. Of
 * IDEM_NAME_LEN characters, in `out`; empty without a key. */
#define IDEM_NAME_LEN 32
span idem_name(const struct rest_call *c, char out[IDEM_NAME_LEN]);
/* The work is done or has failed. Before rest_resume. */
void idem_end(struct rest_call *c);
/* Answers 200 with the response, and `pos` when there is one. */
void idem_ok(struct rest_call *c, span response, const struct pos *pos);

/* Of an edge: keys that are held. */
void idem_deinit(struct edge *e);

#endif
