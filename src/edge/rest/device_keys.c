/* Keys of a device: make (rotating), list, revoke (CONTRACT 2, 3). */
#include "edge/rest/devices.h"
#include "edge/rest/audit.h"
#include "edge/rest/handlers.h"

#include "domain/identity_ops.h"

struct rest_call *identity_answer(void *owner, const struct identity_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && r->error != ERR_NONE) {
        rest_error(c, r->error, NULL);
        return NULL;
    }
    return c;
}

void identity_answer_key(void *owner, const struct identity_result *r)
{
    struct rest_call *c = identity_answer(owner, r);
    if (c == NULL) {
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    rest_member_uuid(&w, "id", r->credential);
    json_member_string(&w, "key", r->secret);
    json_close(&w, '}');
    c->cache = "no-store"; /* the key is shown once */
    rest_created(c, buf_span(&c->data), SPAN_NONE);
}

void rest_device_credential_create(struct rest_call *c)
{
    struct shape_credential_create in;
    if (device_body(c, SCHEMA_credential_create, &in)) {
        char address[ADDR_TEXT_MAX];
        struct actor who = rest_actor(c, address);
        span name = in.has_name ? in.name : SPAN("");
        rest_later(c);
        identity_key_rotate(c->edge->home, c->uuids[0], name, &who, identity_answer_key, c);
    }
}

static void keys_listed(void *owner, const struct identity_result *r)
{
    struct rest_call *c = identity_answer(owner, r);
    if (c == NULL) {
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < r->count; i++) {
        json_open(&w, '{');
        rest_member_uuid(&w, "id", r->keys[i].id);
        json_member_string(&w, "name", r->keys[i].name);
        rest_member_time(&w, "created_at", r->keys[i].created_ms);
        rest_member_time(&w, "revoked_at", r->keys[i].revoked_ms);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data), SPAN_NONE);
}

void rest_device_credential_list(struct rest_call *c)
{
    rest_later(c);
    identity_key_list(c->edge->home, c->uuids[0], keys_listed, c);
}

static void key_revoked(void *owner, const struct identity_result *r)
{
    struct rest_call *c = identity_answer(owner, r);
    if (c != NULL) {
        rest_no_content(c);
    }
}

void rest_device_credential_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    identity_key_revoke(c->edge->home, c->uuids[0], c->uuids[1], &who, key_revoked, c);
}
