/* What the files of device groups share. Nobody else includes this. */
#ifndef SB_DOMAIN_DEVICE_GROUP_INTERNAL_H
#define SB_DOMAIN_DEVICE_GROUP_INTERNAL_H

#include "domain/device_group.h"
#include "domain/identity_ops.h"

/* One operation: one request of the store, from its call to its answer. */
struct group_op {
    struct mail mail; /* for what is refused without a request */
    struct home *home;
    struct store_req *req; /* owned */
    group_done done;
    void *owner;
    unsigned limit;   /* group_list */
    unsigned changed; /* group_add, group_remove */
    unsigned waiting; /* homes that have not answered group_settle */
    bool removing;    /* group_remove */
};

/* `answer` runs when the request is answered, with the op as its owner. */
struct group_op *group_op_new(struct home *h, unsigned steps, void (*answer)(struct store_req *),
                              group_done done, void *owner);
void group_op_submit(struct group_op *o);
/* Each answers, and frees the operation. */
void group_op_end(struct group_op *o, struct group_result *r);
void group_op_fail(struct group_op *o, err error, const char *why);

/* Parameter `p` of a set: an id as text. */
void group_set_uuid(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id);

/* Step `step`: who has a role in the group, for group_settle; bounded by SCOPE_BINDINGS_MAX. */
void group_principals_step(struct store_req *req, unsigned step, uuid group);
/* After the commit: the principals that step `step` found have other rights now. Answers when
 * every home has forgotten what it knew of them: who hears the answer finds the change in force. */
void group_settle(struct group_op *o, unsigned step);

#endif
