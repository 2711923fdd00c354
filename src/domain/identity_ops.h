/*
 * What changes identities: signing in and out, users, roles, device keys, tokens. Every operation
 * may be started on any home loop; its answer comes exactly once, on that loop, never inside the
 * call. Arguments are copied; results are borrowed for the call of `done`. An owner that may
 * vanish meanwhile (a connection) is given as a handle that `done` can recognise as stale.
 *
 * What is committed reaches every live session of every loop (identity.h: on_change) within a
 * store read and a hop; `done` may run slightly before.
 *
 * The command line uses the same calls with one home (count 1) whose mail it runs itself.
 */
#ifndef SB_DOMAIN_IDENTITY_OPS_H
#define SB_DOMAIN_IDENTITY_OPS_H

#include "domain/identity.h"

struct actor; /* domain/audit.h */

#define USERNAME_BYTES_MAX 100  /* 1-100 of a-z 0-9 . _ - @ +; stored in lower case */
#define PASSWORD_BYTES_MIN 8    /* NIST SP 800-63B 5.1.1.2 */
#define PASSWORD_BYTES_MAX 1024 /* bounds the work of hashing what strangers send */
#define DEVICE_KEYS_MAX 2       /* valid at a time, so that a key can be rotated */

/* One user of a list. */
struct user_row {
    uuid principal;
    span username;
    span display_name;
    bool active;
    int64_t created_ms;
    int64_t last_login_ms; /* 0: never */
    span roles; /* of a list: "operator,viewer@room:7,viewer@device:0190..." */
};

/* One key of a device; the key itself is not kept. */
struct key_row {
    uuid id;
    span name;
    int64_t created_ms;
    int64_t revoked_ms; /* 0: valid */
    int64_t expires_ms; /* 0: never; of provisioning keys only, as what follows */
    int64_t uses_left;
    int64_t used_ms;    /* last; 0: never */
};

struct identity_result {
    /* ERR_NONE; ERR_AUTHENTICATION_FAILED (wrong name, password, key or token; disabled);
     * ERR_RATE_LIMIT_EXCEEDED (with retry_after_ms); ERR_INVALID_REQUEST (a name, password or
     * text out of bounds); ERR_CONFLICT (exists already; last admin; two keys valid);
     * ERR_NOT_FOUND (no such principal or key); ERR_SERVER_ERROR and the store's rows. */
    err error;
    const char *reason;      /* of a refusal, a metric label: "wrong_password", "reused"...; never
                                shown to the peer */
    uint32_t retry_after_ms;
    uuid principal;
    uuid credential;         /* of a key that was made */
    span username;           /* login, user_add, first_admin */
    span secret;             /* a made password or device key: shown once, kept nowhere */
    span access_token;       /* a JWT */
    int64_t access_expires_ms;
    span refresh_token;      /* opaque, of one use */
    int64_t refresh_expires_ms;
    span session;            /* the console's cookie value */
    int64_t session_expires_ms;
    const struct user_row *users;
    const struct key_row *keys;
    unsigned count;          /* of users or keys */
    bool more;               /* the list goes on after the last username */
};

typedef void (*identity_done)(void *owner, const struct identity_result *r);

/* --- signing in and out --- */

enum login_wants { LOGIN_TOKENS = 1, LOGIN_SESSION = 2 };

struct login_args {
    span username;    /* any case */
    span password;
    unsigned wants;   /* bits of enum login_wants */
    span address;     /* of the peer, as text: the key of its limit (5 a minute); empty: no limit */
    span user_agent;  /* kept with the console session; cut to 300 bytes */
};

/* Unknown, wrong and disabled cost the same time and give the same error; `reason` differs.
 * Limits: 5 a minute an address, 10 a minute an account. Costs one argon2id on a worker. */
void identity_login(struct home *h, const struct login_args *in, identity_done done, void *owner);
/* A new pair for a refresh token, which is spent. One that was spent before (or is revoked) ends
 * the whole family it belongs to: reason "reused". Then the access tokens that were handed out
 * with it end too, and live sessions by them (SESSION_REVOKED); after more than 100 refreshes
 * within their life, every token of the principal. */
void identity_refresh(struct home *h, span refresh_token, identity_done done, void *owner);

struct logout_args {
    const struct grant *grant; /* of the access token that asks, or NULL: its jti is revoked */
    span refresh_token;        /* may be empty: its family is revoked */
    span session;              /* the cookie value; may be empty: deleted */
};
/* Live sessions by that token or cookie end (SESSION_REVOKED). Unknown ones are ignored. */
void identity_logout(struct home *h, const struct logout_args *in, identity_done done,
                     void *owner);
/* An access token of kind device for a device key. Limited like logins. */
void identity_device_token(struct home *h, span key, span address, identity_done done,
                           void *owner);
/* An access token for a principal without further proof: for the command line (`token`) and for
 * tests. lifetime_s 0: the configured one. ERR_NOT_FOUND; ERR_PERMISSION_DENIED if disabled. */
void identity_issue(struct home *h, uuid principal, int64_t lifetime_s, identity_done done,
                    void *owner);
/* The same for a guest, whose token names the one room that it is good for. ERR_INVALID_REQUEST if
 * it is none, as above for a guest. */
void identity_issue_guest(struct home *h, uuid principal, uuid room, int64_t lifetime_s,
                          identity_done done, void *owner);
/* Takes one of the address's tries at a secret, of which sign-ins and device tokens have theirs;
 * empty: no limit. ERR_RATE_LIMIT_EXCEEDED. */
void identity_take_try(struct home *h, span address, identity_done done, void *owner);

/* --- users and roles --- */

/* Result: principal, username; an empty password makes one (in `secret`). `roles` are global. */
void identity_user_add(struct home *h, span username, span password, const enum role *roles,
                       unsigned role_count, identity_done done, void *owner);
/* Makes user `admin` (or `admin2`... when a user of that name is none) with a made password, in
 * `secret`, when there is no active admin; else ERR_NONE with an empty secret. */
void identity_first_admin(struct home *h, identity_done done, void *owner);
/* By username; result: users[0]. ERR_NOT_FOUND. */
void identity_user_get(struct home *h, span username, identity_done done, void *owner);
/* By username, after `after` (empty: from the start), at most `limit` (1-200). The roles are the
 * first USER_LIST_ROLES_MAX of all together; who has more is shown with "..." at the end. */
#define USER_LIST_ROLES_MAX 10000
void identity_user_list(struct home *h, span after, unsigned limit, identity_done done,
                        void *owner);
/* Also ends the principal's tokens, refresh tokens and console sessions. */
void identity_set_password(struct home *h, uuid principal, span password, identity_done done,
                           void *owner);
/* Disabling ends every live session (SESSION_DISABLED). The last active admin: ERR_CONFLICT. */
void identity_set_active(struct home *h, uuid principal, bool active, identity_done done,
                         void *owner);
/* Every token, refresh token and console session made before now ends; device keys stay. */
void identity_revoke_tokens(struct home *h, uuid principal, identity_done done, void *owner);
/* Principals that may be bound to one device group or home room, a role each: whoever they are is
 * told when a group's members change or when it is deleted, in the transaction of the change. */
#define SCOPE_BINDINGS_MAX 1000
/* Adding one that exists and removing one that does not are no errors. ERR_NOT_FOUND for a device
 * group or a home room that does not exist, or that has SCOPE_BINDINGS_MAX already. */
void identity_bind(struct home *h, uuid principal, enum role role, struct scope scope,
                   identity_done done, void *owner);
/* The last active admin's role: ERR_CONFLICT. */
void identity_unbind(struct home *h, uuid principal, enum role role, struct scope scope,
                     identity_done done, void *owner);

/* --- device keys: `sbk_` and 43 characters of base64url; SHA-256 is stored ---
 * Each change and its audit row (by `who`, of the device) are one transaction. */

/* The device's principal must exist. Result: credential, secret. Two valid: ERR_CONFLICT. */
void identity_key_make(struct home *h, uuid device, span name, const struct actor *who,
                       identity_done done, void *owner);
/* As key_make, but of the keys valid so far only the newest stays valid. */
void identity_key_rotate(struct home *h, uuid device, span name, const struct actor *who,
                         identity_done done, void *owner);
/* Live sessions by it end (SESSION_REVOKED). ERR_NOT_FOUND unless it is a valid key of `device`. */
void identity_key_revoke(struct home *h, uuid device, uuid key, const struct actor *who,
                         identity_done done, void *owner);
/* Result: keys, oldest first. */
void identity_key_list(struct home *h, uuid device, identity_done done, void *owner);

/* --- provisioning keys: `sbp_` and 43 characters; each registers so many devices, no more --- */

#define PROVISION_USES_MAX 1000000 /* a production run; more is another key */

struct provision_args {
    span name;          /* up to 100 characters */
    int64_t uses;       /* 1 to PROVISION_USES_MAX */
    int64_t expires_ms; /* epoch ms, later than now */
};
/* Result: credential, secret. `who` makes it; when that principal goes, its keys go.
 * ERR_INVALID_REQUEST (reason: the member); ERR_NOT_FOUND (no such principal). */
void identity_provision_make(struct home *h, const struct provision_args *in,
                             const struct actor *who, identity_done done, void *owner);
/* Result: keys after that id (nil: from the oldest), at most `limit` (1-200); more. */
void identity_provision_list(struct home *h, uuid after, unsigned limit, identity_done done,
                             void *owner);
/* ERR_NOT_FOUND unless it is a valid provisioning key. Devices that it made stay. */
void identity_provision_revoke(struct home *h, uuid key, const struct actor *who,
                               identity_done done, void *owner);

/* For other domain code, after it committed a change of a principal's row (a device deleted or
 * disabled) or bindings: drops what is cached and tells live sessions. Any home loop. */
void identity_changed(struct home *h, uuid principal);
/* A key and its stored hash, for transactions that make a device and its key together:
 * CREDENTIAL_INSERT takes the hash, kind "device_key". */
#define DEVICE_KEY_LEN 47
void identity_key_generate(struct home *h, char key[DEVICE_KEY_LEN + 1], uint8_t hash[32]);

#endif
