/* What the routes of rooms, entities and scenes share. */
#ifndef SB_EDGE_REST_HOUSE_H
#define SB_EDGE_REST_HOUSE_H

#include "domain/house.h"
#include "edge/rest/devices.h"
#include "edge/rest/rest.h"
#include "loop/addr.h"

/* The caller, for an operation that needs `p`. The address is written into `text`, which the
 * answer borrows. */
struct house_who house_caller(const struct rest_call *c, enum permission p,
                              char text[ADDR_TEXT_MAX]);
/* The call of an answer, if its peer is still there and nothing failed; else NULL (answered).
 * `missing` is what ERR_NOT_FOUND says: "there is no such room". */
struct rest_call *house_answer_call(void *owner, const struct house_result *r,
                                    const char *missing);
/* Runs change(c, arg), which may send it later (rest_later). With If-Match it is first held to the
 * version that is stored, which `read` brings and `*version` then is; one that does not fit is
 * answered. */
typedef void (*house_read)(struct rest_call *c, house_done done, void *owner);
void house_if_match(struct rest_call *c, house_read read, const char *missing, int64_t *version,
                    void (*change)(struct rest_call *c, void *arg), void *arg);
/* Whether a JSON Merge Patch takes the member away (RFC 7396): null. */
bool house_patch_removes(const struct rest_call *c, const char *member);
/* A text member that may be absent: ptr NULL; an empty one has a ptr. */
static inline span house_text(bool has, span text)
{
    return !has ? SPAN_NONE : text.len > 0 ? text : SPAN("");
}
/* The same of a merge patch, which empties what it takes away. */
span house_patch_text(const struct rest_call *c, const char *member, bool has, span text);
/* `limit`; 0 when it was bad and is answered. */
unsigned house_query_limit(struct rest_call *c);

#endif
