/*
 * Who is on the other end, and what they may do. A principal (user, device, guest, robot,
 * service) is one row with one id; its status and rights are cached at its home loop and
 * invalidated by mail. What an edge holds is a `grant`: an immutable snapshot for one session.
 *
 * Rules (CONTRACT 2): the algorithm of a token comes from the key; a key stands wherever a token
 * may; revocation, disabling and changed rights reach live sessions of every loop within 1 s.
 */
#ifndef SB_DOMAIN_IDENTITY_H
#define SB_DOMAIN_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/span.h"
#include "base/uuid.h"
#include "domain/home.h"
#include "tables/errors.h"
#include "tables/permissions.h"

enum principal_kind {
    PRINCIPAL_USER,
    PRINCIPAL_DEVICE,
    PRINCIPAL_GUEST,
    PRINCIPAL_ROBOT,
    PRINCIPAL_SERVICE,
    PRINCIPAL_ANONYMOUS, /* the loopback client without a token; has no row */
    PRINCIPAL_PROVISIONER, /* who shows a provisioning key: its id is the key's; has no row */
};

const char *principal_kind_name(enum principal_kind kind); /* "user" */

enum scope_kind {
    SCOPE_GLOBAL,
    SCOPE_DEVICE,
    SCOPE_DEVICE_GROUP,
    SCOPE_HOME_ROOM,
    SCOPE_CHAT_ROOM,
};

/* What a permission is asked for. Home rooms are integers, held in the id's last 8 bytes; the store
 * has their decimal digits. */
struct scope {
    enum scope_kind kind;
    uuid id;
};
#define SCOPE_ALL ((struct scope){.kind = SCOPE_GLOBAL})
static inline struct scope scope_device(uuid id)
{
    return (struct scope){.kind = SCOPE_DEVICE, .id = id};
}
static inline struct scope scope_group(uuid id)
{
    return (struct scope){.kind = SCOPE_DEVICE_GROUP, .id = id};
}
static inline struct scope scope_room(int64_t room) /* of the house */
{
    struct scope s = {.kind = SCOPE_HOME_ROOM};
    for (unsigned i = 0; i < 8; i++) {
        s.id.bytes[15 - i] = (uint8_t)((uint64_t)room >> 8 * i);
    }
    return s;
}

static inline int64_t scope_room_of(struct scope s)
{
    uint64_t room = 0;
    for (unsigned i = 8; i < 16; i++) {
        room = room << 8 | s.id.bytes[i];
    }
    return (int64_t)room;
}

struct binding {
    enum role role;
    struct scope scope;
};

/* What bindings to device groups come to for one device. */
struct device_roles {
    uuid device;
    uint32_t roles; /* bit per enum role; not 0 */
};

/* Devices that the groups of one principal's bindings reach, a row for each role: what a large
 * fleet's regional operator has, and 400 KiB a session at most. What is beyond, by the order of
 * their ids, is not granted, which is logged (identity.bindings_cut). */
#define GRANT_DEVICES_MAX 20000

/* What was shown to get the grant. */
enum proof_kind { PROOF_NONE, PROOF_TOKEN, PROOF_KEY, PROOF_SESSION, PROOF_PROVISION };

/* A session's rights; owned by the session, freed with grant_free. */
struct grant {
    uuid principal;         /* nil for anonymous */
    uuid room;              /* of a guest: the one chat room that its token is good for */
    uuid credential;        /* key's id, token's jti, or the first half of a cookie's hash; nil
                               when none */
    int64_t expires_ms;     /* epoch ms; 0: never (device keys) */
    int64_t issued_ms;      /* epoch ms; compared with tokens_valid_after, but for keys */
    uint32_t seen;          /* private: changes this loop had seen when the proof was checked */
    uint32_t live;          /* private: live sessions of the principal then, over all loops */
    uint32_t claim_roles;   /* private: those of an outside issuer's token, for its life */
    uint32_t global_roles;  /* bit per enum role; claim_roles among them */
    uint16_t binding_count; /* scoped bindings that follow */
    uint32_t device_count;
    const struct device_roles *devices; /* of the groups bound; by id; behind the bindings */
    enum principal_kind kind : 8;
    enum proof_kind proof : 8;
    struct binding bindings[];
};

/* Frees a grant that no session owns; NULL is allowed. */
void grant_free(struct grant *g);
/* The only permission check. Global roles first, then bindings whose scope is `s`; a device has
 * its own data only (role device within scope_device(its id), and no stored binding counts);
 * anonymous and provisioning keys have what tables/permissions.def marks for them. A binding to a
 * device group holds for the group and for each device in it. */
bool can(const struct grant *g, enum permission p, struct scope s);
/* Whether one of these roles (a bit each) has it. */
bool roles_may(uint32_t roles, enum permission p);
/* In any scope at all: what a list may be asked for, whose rows are then checked one by one. */
bool can_somewhere(const struct grant *g, enum permission p);
/* Every permission that the grant holds globally, in the order of the table, for /auth/me; those
 * of a device, which holds nothing globally, are its own. Returns how many (at most max). */
unsigned grant_permissions(const struct grant *g, enum permission *out, unsigned max);

/* One authentication, in flight. The caller owns it until done. */
struct auth {
    struct home *home;      /* private: where done runs */
    span credential;        /* token or key text (copied at start; not valid in done) */
    bool is_session;        /* credential is the console's cookie */
    err error;              /* ERR_NONE, ERR_AUTHENTICATION_FAILED or ERR_SERVER_ERROR */
    const char *reason;     /* metric label of a refusal: "expired", "unknown_key", "disabled"... */
    struct grant *grant;    /* on success; the callee of done owns it */
    void (*done)(struct auth *a);
    void *owner;
};
/* Starts; done runs on this home's loop, exactly once, later or before this returns (cached). Any
 * kind of credential: a cookie (is_session), a device key (`sbk_...`), a provisioning key
 * (`sbp_...`; whether a use is left is only known when one is taken), else a JWT. There is no
 * cancelling: `a` must live until done. Costs one HMAC or SHA-256 (tokens of other issuers: one
 * signature, and a fetch of their keys when a new one appears), and a store read the first time.
 * Reasons: "malformed", "unknown_key", "revoked", "expired", "disabled", "unknown_principal",
 * "superseded" (older than tokens_valid_after), "bad_claim" (a guest with another kind's token, or
 * the other way round), those of token_fault_name; with ERR_SERVER_ERROR
 * (the store failed, or too many unknown proofs at once): "store", "busy". */
void auth_start(struct home *h, struct auth *a);
/* The grant of a client without credentials when the anonymous rule admits it (the edge has
 * checked addresses and headers), else NULL. */
struct grant *auth_anonymous(struct home *h);

/* A live session of a principal, embedded in the edge's; registered on the session's own loop. */
enum session_change {
    SESSION_REVOKED,   /* close 4000 */
    SESSION_DISABLED,  /* close 4002 */
    SESSION_RIGHTS,    /* s->grant has been replaced: check subscriptions again */
    SESSION_EXPIRING,  /* 60 s before the token ends: say auth_expiring */
    SESSION_EXPIRED,   /* close 4100 */
};
struct session {
    struct list link;       /* private */
    struct deadline expiry; /* private */
    struct home *home;      /* the session's loop; NULL while not open */
    struct grant *grant;    /* owned by the session */
    /* Runs on the session's loop, never inside session_open; may close the session. */
    void (*on_change)(struct session *s, enum session_change change);
};
/* Registers; takes the grant over (also when it answers false: then it is freed). `s` is zeroed
 * but for on_change. False when the principal holds connections_per_principal_max sessions: this
 * loop's own count is exact, what other loops hold is known as of the authentication, so sessions
 * that open on several loops within one hop may exceed the limit by the number of loops. Clients
 * without a principal are not counted here. */
bool session_open(struct home *h, struct session *s, struct grant *grant) MUST_CHECK;
void session_close(struct session *s); /* frees the grant; harmless when not open */
/* In-band refresh: the new token's grant must be of the same principal, else false and nothing
 * changes (the edge closes). Takes the grant over on success. */
bool session_refresh(struct session *s, struct grant *fresh) MUST_CHECK;

/* Calls visit for each session of the principal that is open on this loop, which neither opens nor
 * closes any. */
void session_each(struct home *h, uuid principal,
                  void (*visit)(struct session *s, void *arg), void *arg);

/* The identities of one home; owned by the caller, made before sessions are served. */
struct identity *identity_new(struct home *h);
/* Frees the caches; sessions must be closed. */
void identity_free(struct identity *id);

#endif
