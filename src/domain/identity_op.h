/*
 * What the operations of identity_ops.h share: a task that begins by mail, may visit other homes,
 * and answers once at the home that asked. An operation's struct has the op as its first member;
 * it and everything in the op's arena is wiped when it is freed, for it held secrets.
 */
#ifndef SB_DOMAIN_IDENTITY_OP_H
#define SB_DOMAIN_IDENTITY_OP_H

#include "domain/audit.h"
#include "domain/identity_internal.h"

#include "base/buf.h"

#define OPAQUE_LEN 43 /* base64url of 32 bytes */

struct op {
    struct task task;
    struct home *origin;
    size_t bytes; /* of the whole struct */
    identity_done done;
    void *owner;
    struct identity_result result;
    buf access;         /* the access token of the result, if any */
    struct arena arena; /* arguments and what the result points to; no secrets */
};

/* A zeroed operation of `bytes`, which resumes first by mail: after the caller has filled it. */
void *op_new(struct home *h, size_t bytes, void (*resume)(struct task *t), identity_done done,
             void *owner);
#define OP_OF(t, type) CONTAINER_OF(CONTAINER_OF((t), struct op, task), type, op)

/* Answers at the origin and frees the operation: the caller's last act. */
void op_finish(struct op *o, err e, const char *reason);
static inline void op_finish_ok(struct op *o) { op_finish(o, ERR_NONE, NULL); }
/* Answers when the last store request failed: ERR_CONFLICT and the store's rows as they are. */
void op_finish_store(struct op *o);

/* Whose operation it is, copied into the arena. */
struct actor op_actor(struct op *o, const struct actor *who);
/* Step `step` of the task's request: an audit row, in the same transaction. */
void op_audit(struct op *o, unsigned step, const struct actor *who, const char *action,
              const char *target_kind, uuid target);

/* Parameters. */
void op_set_uuid(struct op *o, unsigned step, unsigned param, uuid id);
bool op_cell_uuid(const struct op *o, unsigned step, unsigned row, unsigned column, uuid *out);

/* Writes `prefix` and 43 characters for 32 random bytes, and its SHA-256 if hash is not NULL. */
void secret_make(struct home *h, const char *prefix, char *out, uint8_t *hash);
/* Puts an access token in the result. valid_after_ms is the principal's
 * tokens_valid_after: a token says whole seconds, and one made in the second of a revocation
 * must not seem older than it. */
struct access {
    uuid principal;
    enum principal_kind kind;
    int64_t valid_after_ms;
    int64_t lifetime_s;
    uuid room; /* of guests */
    uuid jti; /* nil: a new one */
};
void op_access(struct op *o, const struct access *a);
/* The home whose limiters know `key`. */
unsigned op_home_by(const struct home *h, span key);
/* Takes from a limiter of this home; false when the operation was answered with the refusal. */
bool op_limit(struct op *o, struct limiter *by, span key, const char *reason);
/* A copy with A-Z made lower case. */
span op_lower(struct arena *a, span text);
bool kind_parse(span text, enum principal_kind *out);

#endif
