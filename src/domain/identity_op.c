#include "domain/identity_op.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {"user", "device", "guest", "robot", "service"};

bool kind_parse(span text, enum principal_kind *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        if (span_eq(text, span_str(kinds[i]))) {
            *out = (enum principal_kind)i;
            return true;
        }
    }
    return false;
}

void *op_new(struct home *h, size_t bytes, void (*resume)(struct task *t), identity_done done,
             void *owner)
{
    ASSERT(bytes >= sizeof(struct op) && done != NULL);
    struct op *o = mem_calloc(1, bytes);
    o->task = (struct task){.home = h, .resume = resume};
    o->origin = h;
    o->bytes = bytes;
    o->done = done;
    o->owner = owner;
    task_later(&o->task);
    return o;
}

static void answer(struct task *t)
{
    struct op *o = CONTAINER_OF(t, struct op, task);
    o->done(o->owner, &o->result);
    task_deinit(t);
    arena_reset(&o->arena);
    if (o->access.len > 0) {
        explicit_bzero(o->access.ptr, o->access.len);
    }
    buf_deinit(&o->access);
    explicit_bzero(o, o->bytes);
    mem_free(o);
}

void op_finish(struct op *o, err e, const char *reason)
{
    o->result.error = e;
    o->result.reason = reason;
    o->task.resume = answer;
    task_go(&o->task, o->origin->index);
}

void op_finish_store(struct op *o)
{
    err e = o->task.req->error;
    bool taken = e == ERR_CONFLICT || e == ERR_STORE_CONSTRAINT;
    op_finish(o, taken ? ERR_CONFLICT : e, taken ? "conflict" : "store");
}

struct actor op_actor(struct op *o, const struct actor *who)
{
    return (struct actor){.id = who->id,
                          .name = arena_dup(&o->arena, who->name),
                          .address = arena_dup(&o->arena, who->address)};
}

void op_audit(struct op *o, unsigned step, const struct actor *who, const char *action,
              const char *target_kind, uuid target)
{
    char id[UUID_TEXT_LEN + 1];
    uuid_format(target, id);
    audit_step(o->task.home, o->task.req, step,
               &(struct audit_entry){.who = who,
                                     .action = action,
                                     .target_kind = target_kind,
                                     .target = span_of(id, UUID_TEXT_LEN)});
}

void op_set_uuid(struct op *o, unsigned step, unsigned param, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(o->task.req, step, 0, param, span_str(text));
}

bool op_cell_uuid(const struct op *o, unsigned step, unsigned row, unsigned column, uuid *out)
{
    return uuid_parse(store_text(store_cell(o->task.req, step, row, column)), out);
}

void secret_make(struct home *h, const char *prefix, char *out, uint8_t *hash)
{
    uint8_t bytes[HASH_BYTES];
    size_t at = strlen(prefix);
    entropy_fill(h->entropy, bytes, sizeof bytes);
    memcpy(out, prefix, at);
    at += base64url_encode(span_of(bytes, sizeof bytes), out + at);
    out[at] = '\0';
    if (hash != NULL) {
        h->tokens->sha256(h->tokens, span_of(out, at), hash);
    }
    explicit_bzero(bytes, sizeof bytes);
}

void identity_key_generate(struct home *h, char key[DEVICE_KEY_LEN + 1], uint8_t hash[32])
{
    secret_make(h, "sbk_", key, hash);
}

void op_access(struct op *o, const struct access *a)
{
    struct home *h = o->task.home;
    int64_t now_s = clock_wall_ms(h->clock) / 1000;
    int64_t after_s = (a->valid_after_ms + 999) / 1000;
    struct token_claims c = {.iat_s = now_s > after_s ? now_s : after_s,
                             .exp_s = now_s + a->lifetime_s};
    uuid_format(a->principal, c.sub);
    uuid_format(uuid_is_nil(a->jti) ? home_new_id(h) : a->jti, c.jti);
    snprintf(c.kind, sizeof c.kind, "%s", kinds[a->kind]);
    if (a->kind == PRINCIPAL_DEVICE) {
        uuid_format(a->principal, c.device_id);
    }
    if (a->kind == PRINCIPAL_GUEST) {
        uuid_format(a->room, c.room_id);
    }
    h->tokens->issue(h->tokens, &c, &o->access);
    o->result.access_token = buf_span(&o->access);
    o->result.access_expires_ms = c.exp_s * 1000;
}

unsigned op_home_by(const struct home *h, span key)
{
    return (unsigned)(hash_bytes(key) % h->count);
}

bool op_limit(struct op *o, struct limiter *by, span key, const char *reason)
{
    int64_t now_ms = clock_mono_ms(o->task.home->clock);
    if (limiter_take(by, key, now_ms, &o->result.retry_after_ms)) {
        return true;
    }
    op_finish(o, ERR_RATE_LIMIT_EXCEEDED, reason);
    return false;
}

span op_lower(struct arena *a, span text)
{
    uint8_t *out = arena_alloc(a, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? text.ptr[i] | 0x20 : text.ptr[i];
    }
    return span_of(out, text.len);
}
