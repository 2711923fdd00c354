/* What the routes of devices and of their hosts share. */
#ifndef SB_EDGE_REST_DEVICES_H
#define SB_EDGE_REST_DEVICES_H

#include "domain/device.h"
#include "domain/identity_ops.h"
#include "edge/rest/rest.h"
#include "shape/decode.h"

/* Reads the body by its schema; false when a member is bad (answered 400, naming it). */
bool device_body(struct rest_call *c, enum schema schema, void *out) MUST_CHECK;
/* The call of an answer, if its peer is still there and nothing failed; else NULL (answered). */
struct rest_call *device_answer(void *owner, const struct device_result *r);
/* A device_done that answers 200 with the result's JSON. */
void device_answer_json(void *owner, const struct device_result *r);
/* As device_answer. */
struct rest_call *identity_answer(void *owner, const struct identity_result *r);
/* An identity_done that answers 201 with a key that was made and its id; never cached. */
void identity_answer_key(void *owner, const struct identity_result *r);
/* device_create for who shows a provisioning key (PRINCIPAL_PROVISIONER), which pays with a use. */
void device_provision(struct home *h, const struct grant *g, const struct shape_device_register *in,
                      struct arena *arena, span address, device_done done, void *owner);
/* Answers a page of the devices that the caller may list, by the query's filters: of those in the
 * group, or of all (nil). */
void device_list_of(struct rest_call *c, uuid group);
/* Runs change(c, arg), which may send it later (rest_later). With If-Match it is first held to the
 * version that is stored, which `read` (device_get or its like) brings and `*version` then is; one
 * that does not fit is answered. */
void device_if_match(struct rest_call *c,
                     void (*read)(struct home *h, uuid id, device_done done, void *owner),
                     int64_t *version, void (*change)(struct rest_call *c, void *arg), void *arg);
/* Answers 400 about one query parameter. */
void device_bad_query(struct rest_call *c, const char *name, const char *why);

#endif
