#include "adapters/tokens_jose/key_set.h"

#include "base/mem.h"
#include "adapters/tokens_jose/jwk.h"
#include "adapters/tokens_jose/pem_keys.h"

#include <string.h>

struct entry {
    struct jose_key *key; /* a reference */
    int64_t until_ms;     /* 0: for good */
};

struct key_set {
    unsigned count;
    struct entry entries[KEY_SET_MAX];
};

struct key_set *key_set_new(void) { return mem_calloc(1, sizeof(struct key_set)); }

void key_set_free(struct key_set *s)
{
    for (unsigned i = 0; s != NULL && i < s->count; i++) {
        jose_key_unref(s->entries[i].key);
    }
    mem_free(s);
}

/* Takes the key over. */
static bool add(void *owner, struct jose_key *k)
{
    struct key_set *s = owner;
    if (s->count == KEY_SET_MAX) {
        jose_key_unref(k);
        return false;
    }
    s->entries[s->count++] = (struct entry){.key = k};
    return true;
}

static bool read_array(struct key_set *s, const json_t *keys, bool allow_secrets,
                       const char **why)
{
    size_t count = json_array_size(keys);
    bool any = false;
    *why = "no keys";
    for (size_t i = 0; i < count; i++) {
        struct jose_key *k = jwk_read(json_array_get(keys, i), allow_secrets, why);
        if (k != NULL && !add(s, k)) {
            *why = "more keys than fit";
            return false;
        }
        any = any || k != NULL;
    }
    return any;
}

static bool read_json(struct key_set *s, span text, bool allow_secrets, const char **why)
{
    json_t *o = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool ok = false;
    *why = "no JSON object";
    if (json_is_object(o) && json_object_get(o, "keys") != NULL) {
        ok = read_array(s, json_object_get(o, "keys"), allow_secrets, why);
    } else if (json_is_object(o)) {
        struct jose_key *k = jwk_read(o, allow_secrets, why);
        ok = k != NULL && add(s, k);
    }
    json_decref(o);
    return ok;
}

bool key_set_read(struct key_set *s, span text, bool allow_secrets, const char **why)
{
    size_t at = 0;
    while (at < text.len && strchr(" \t\r\n", text.ptr[at]) != NULL && text.ptr[at] != '\0') {
        at++;
    }
    if (at < text.len && text.ptr[at] == '{') {
        return read_json(s, text, allow_secrets, why);
    }
    return pem_read(text, add, s, why);
}

static bool has_key(const struct key_set *s, const struct jose_key *k)
{
    for (unsigned i = 0; i < s->count; i++) {
        if (jose_key_eq(s->entries[i].key, k)) {
            return true;
        }
    }
    return false;
}

unsigned key_set_count(const struct key_set *s) { return s->count; }

static bool is_valid(const struct entry *e, int64_t now_ms)
{
    return e->until_ms == 0 || now_ms < e->until_ms;
}

void key_set_add(struct key_set *s, const struct key_set *from, int64_t until_ms, int64_t now_ms)
{
    for (unsigned i = 0; i < from->count && s->count < KEY_SET_MAX; i++) {
        const struct entry *e = &from->entries[i];
        if (is_valid(e, now_ms) && !has_key(s, e->key)) {
            s->entries[s->count++] =
                (struct entry){.key = jose_key_ref(e->key),
                               .until_ms = e->until_ms != 0 ? e->until_ms : until_ms};
        }
    }
}

bool key_set_has_kid(const struct key_set *s, const char *kid, int64_t now_ms)
{
    for (unsigned i = 0; i < s->count; i++) {
        const char *own = jose_key_kid(s->entries[i].key);
        if (own != NULL && strcmp(own, kid) == 0 && is_valid(&s->entries[i], now_ms)) {
            return true;
        }
    }
    return false;
}

/* Whether the token's kid, or its lack, admits the key. */
static bool is_meant(const struct jose_key *k, const struct token_parts *parts, bool kid_known)
{
    const char *own = jose_key_kid(k);
    if (!parts->has_kid) {
        return true;
    }
    return kid_known ? own != NULL && strcmp(own, parts->kid) == 0 : own == NULL;
}

enum token_fault key_set_verify(const struct key_set *s, const struct token_parts *parts,
                                int64_t now_ms)
{
    enum jose_alg alg = jose_alg_find(parts->alg);
    bool kid_known = parts->has_kid && key_set_has_kid(s, parts->kid, now_ms);
    enum token_fault fault = TOKEN_UNKNOWN_KEY;
    unsigned tries = 0;
    if (alg == JOSE_ALG_COUNT) {
        return TOKEN_BAD_ALGORITHM;
    }
    for (unsigned i = 0; i < s->count && tries < KEY_TRIES_MAX; i++) {
        const struct jose_key *k = s->entries[i].key;
        if (!is_valid(&s->entries[i], now_ms) || !is_meant(k, parts, kid_known)) {
            continue;
        }
        if (!jose_key_allows(k, alg)) {
            fault = fault == TOKEN_UNKNOWN_KEY ? TOKEN_BAD_ALGORITHM : fault;
            continue;
        }
        if (jose_key_verify(k, alg, parts->signed_text,
                            span_of(parts->signature, parts->signature_len))) {
            return TOKEN_OK;
        }
        fault = TOKEN_BAD_SIGNATURE;
        tries++;
    }
    return fault;
}
