/*
 * Principals of outside issuers. One is known by (iss, sub), and its id is made of a hash of both
 * (UUIDv8, RFC 9562 5.8): so every loop knows the id and its home without asking, two first uses
 * at once make one row, and no `sub` can be chosen that is the id of a local principal, which is
 * of version 7. Its roles come from each token's claims, capped by a setting, and are joined with
 * what an admin bound to it; `kind` is that of the row once it is made.
 */
#include "domain/identity_internal.h"

#include "base/mem.h"

#include <string.h>

/* Tokens without `iss` count as this issuer's: the empty text is that of our own principals. */
#define NO_ISSUER "-"

/* The first half of SHA-256(iss NUL text): neither holds a NUL. */
static uuid hashed(struct home *h, const char *iss, const char *text)
{
    uint8_t hash[HASH_BYTES];
    char both[2 * (TOKEN_TEXT_MAX + 1)];
    size_t iss_len = strlen(iss) + 1;
    size_t text_len = strlen(text);
    uuid id;
    memcpy(both, iss, iss_len);
    memcpy(both + iss_len, text, text_len);
    h->tokens->sha256(h->tokens, span_of(both, iss_len + text_len), hash);
    memcpy(id.bytes, hash, sizeof id.bytes);
    id.bytes[6] = (id.bytes[6] & 0x0f) | 0x80; /* version 8 */
    id.bytes[8] = (id.bytes[8] & 0x3f) | 0x80; /* variant */
    return id;
}

static uint32_t roles_of(const struct token_claims *claims)
{
    uint32_t roles = 0;
    for (unsigned i = 0; i < claims->role_count; i++) {
        enum role role;
        if (role_parse(claims->roles[i], &role)) {
            roles |= 1u << role;
        }
    }
    return roles;
}

struct outsider *outsider_new(struct home *h, const struct token_claims *claims, uuid *principal,
                              uuid *credential)
{
    if (strcmp(claims->kind, "user") != 0 && strcmp(claims->kind, "service") != 0) {
        return NULL;
    }
    struct outsider *o = mem_calloc(1, sizeof *o);
    const char *iss = claims->iss[0] == '\0' ? NO_ISSUER : claims->iss;
    memcpy(o->iss, iss, strlen(iss) + 1);
    memcpy(o->sub, claims->sub, strlen(claims->sub) + 1);
    memcpy(o->kind, claims->kind, sizeof o->kind);
    o->roles = roles_of(claims) & h->conf->issuer_roles;
    *principal = hashed(h, o->iss, o->sub);
    /* Hashed even if it is a UUID: an issuer must not revoke another's token by its jti. */
    *credential = claims->jti[0] == '\0' ? UUID_NIL : hashed(h, o->iss, claims->jti);
    return o;
}

bool outsider_may_be_made(struct outsider *o)
{
    bool first = !o->asked;
    o->asked = true; /* a row that vanishes as soon as it is made is not chased */
    return first;
}

void outsider_make(struct task *t, const struct outsider *o, uuid principal)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(principal, id);
    struct store_req *req = task_req(t, 1);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT_NEW, 1);
    const char *texts[] = {id, o->iss, o->sub, o->kind, o->sub, "active"};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        store_set_text(req, 0, 0, i, span_str(texts[i]));
    }
    store_set_int(req, 0, 0, 6, clock_wall_ms(t->home->clock));
    task_store(t);
}
