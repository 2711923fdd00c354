/*
 * What the files of identity share. One `struct identity` a home; four caches in it:
 *
 *   proofs      at the home a hash chooses: device keys and console cookies by their SHA-256
 *   principals  at home_of(id): status, tokens_valid_after, bindings, number of live sessions
 *   revoked     at every home: jtis that were revoked and have not expired
 *   live        at every home: the sessions that are open on this loop, by principal
 *
 * A credential is checked along loop -> proof's home -> principal's home -> loop. A change that
 * was committed goes to the home that caches it, which forgets, reads again and then tells every
 * loop. A check that was under way meanwhile may carry the old rights: so each loop numbers the
 * changes it was told of, a check notes the number at its beginning, and what it brings is
 * compared with the changes that came since, when its session opens.
 */
#ifndef SB_DOMAIN_IDENTITY_INTERNAL_H
#define SB_DOMAIN_IDENTITY_INTERNAL_H

#include "base/map.h"
#include "domain/identity.h"
#include "domain/identity_ops.h"
#include "domain/identity_task.h"
#include "hub/ratelimit.h"

#define HASH_BYTES 32

/* Changes a loop remembers for checks that are under way: they take milliseconds, so this many
 * changes meanwhile are an exception. A session that is older than all of them is told
 * SESSION_REVOKED, and its client comes back. */
#define CHANGES_MAX 1024

/* --- principals (principal.c) --- */

struct principal_state {
    uuid id;
    bool known;
    bool active;
    enum principal_kind kind;
    int64_t valid_after_ms;
    uint32_t global_roles;
    uint16_t binding_count;
    struct binding *bindings; /* scoped ones; owned */
    uint32_t device_count;
    struct device_roles *devices; /* of the groups among them, by id; owned */
};

struct principal;
struct principal_wait {
    struct list link;
    /* p is NULL when the store failed; never keeps p. `waited`: called while others are
     * answered, so nothing of the caller's callers may run inside. */
    void (*ready)(struct principal_wait *w, const struct principal_state *p, uint32_t live,
                  bool waited);
};

/* At the principal's home: calls ready, at once when cached. */
void principal_want(struct identity *id, uuid principal, struct principal_wait *w);
/* Sessions opened (+1) or closed (-1); from any home. */
void principal_count(struct home *h, uuid principal, int delta);
/* Has the principal's home tell this loop's sessions the state once more; by mail. */
void principal_tell(struct home *h, uuid principal);
void principals_free(struct identity *id);

/* Why the principal refuses a proof made at issued_ms, or NULL. */
const char *principal_refusal(const struct principal_state *p, enum proof_kind proof,
                              int64_t issued_ms);
/* The rights of p for a proof; credential and times are the caller's to fill. */
struct grant *principal_grant(const struct principal_state *p);

/* --- principals of outside issuers (identity_outside.c) --- */

struct outsider {
    char iss[TOKEN_TEXT_MAX + 1];
    char sub[TOKEN_TEXT_MAX + 1];
    char kind[16];
    uint32_t roles; /* of the token, capped by jwt_issuer_roles; bit per enum role */
    bool asked;     /* whether it may be made: once a check */
};

/* The caller's, freed with mem_free; NULL unless the token's kind is user or service: a device
 * must exist here already, guests are invited by us. Fills the id of its principal, and of the
 * token (nil without jti). */
struct outsider *outsider_new(struct home *h, const struct token_claims *claims, uuid *principal,
                              uuid *credential);
/* Whether the row is to be made: true the first time. */
bool outsider_may_be_made(struct outsider *o);
/* Submits the row, if there is none yet; the task resumes when it is stored. */
void outsider_make(struct task *t, const struct outsider *o, uuid principal);

/* --- proofs (credential.c) --- */

struct proof {
    enum proof_kind kind; /* PROOF_NONE: unknown */
    uuid credential;
    uuid principal;
    int64_t created_ms;
    int64_t expires_ms;   /* 0: never */
    bool revoked;
};

struct proof_wait {
    struct list link;
    uint8_t hash[HASH_BYTES];
    enum proof_kind kind; /* PROOF_KEY, PROOF_PROVISION or PROOF_SESSION */
    /* p is NULL when the store failed or too many are being read; `waited` as above. */
    void (*ready)(struct proof_wait *w, const struct proof *p, bool waited);
};

/* The first half of a secret's hash: the credential of a cookie's session, which has no other id,
 * and the jti of the access token that was handed out with a refresh token. */
uuid hash_half(const uint8_t hash[HASH_BYTES]);
/* The index of the home that caches the proof of this hash. */
unsigned proof_home(const struct home *h, const uint8_t hash[HASH_BYTES]);
/* At the proof's home: calls ready, at once when cached. */
void proof_want(struct identity *id, struct proof_wait *w);
/* From any home, after the row was revoked or deleted. */
void proof_revoked(struct home *h, const uint8_t hash[HASH_BYTES], uuid principal,
                   uuid credential);
void proofs_free(struct identity *id);

/* Keys begin with one of these, of KEY_PREFIX_LEN characters. */
#define KEY_PREFIX_DEVICE "sbk_"
#define KEY_PREFIX_PROVISION "sbp_"
#define KEY_PREFIX_LEN 4
/* The grant of a provisioning key, the caller's (credential_provision.c). */
struct grant *provision_grant(uuid key, int64_t issued_ms, int64_t expires_ms);

/* --- revoked tokens (identity_revoked.c) --- */

uuid jti_id(struct home *h, span jti); /* a UUID is itself; other text is hashed */
/* False until the table is read; then the task resumes when it is, or when reading failed. */
struct revoked_wait {
    struct list link;
    struct task *task;
};
bool revoked_ready(struct identity *id, struct revoked_wait *w, struct task *t);
bool revoked_has(struct identity *id, uuid jti);
/* False when the table is full: the token cannot be revoked alone. */
bool revoked_add(struct identity *id, uuid jti, int64_t exp_ms);
/* Forgets what has expired; costs a walk over the table. */
void revoked_purge(struct identity *id);
void revoked_start(struct identity *id);
void revoked_free(struct identity *id);

/* --- live sessions and changes (session.c) --- */

struct change {
    struct mail mail;
    struct home *home;            /* who is told */
    uuid principal;
    uuid credential;              /* that ended; nil: the principal changed */
    struct principal_state state; /* then its state; its lists owned by the change */
    int64_t revoked_until_ms;     /* the credential is a jti, to refuse until then; 0: not */
    bool repeated;                /* told to one loop again: no change to be numbered */
};

/* Copies `c` and posts it, from h's thread: to one loop, or to every loop. */
void change_tell(struct home *h, unsigned loop, const struct change *c);
void changes_tell(struct home *h, const struct change *c);
/* How many changes this loop was told of. */
uint32_t changes_seen(const struct identity *id);
/* What was told after `seen` about the principal or the credential. */
enum change_kind { CHANGE_NONE, CHANGE_PRINCIPAL, CHANGE_CREDENTIAL, CHANGE_FORGOTTEN };
enum change_kind changes_since(const struct identity *id, uint32_t seen, uuid principal,
                               uuid credential);
void live_free(struct identity *id);

/* --- the whole --- */

struct identity {
    struct home *home;
    struct map principals;
    struct list principals_used; /* least recently used first */
    struct map proofs;
    struct list proofs_used;
    unsigned proofs_loading;
    struct {
        struct map map;
        struct list waiting;
        bool ready;
        bool loading;
        int64_t after_ms; /* the page being read begins after it */
        struct task task;
    } revoked;
    struct map live;
    uint32_t change_count;
    struct {
        uuid principal;
        uuid credential;
    } changes[CHANGES_MAX];
    struct limiter *by_address; /* logins and device tokens */
    struct limiter *by_account;
    struct deadline housekeeping;
};

#endif
