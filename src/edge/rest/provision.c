/* Provisioning keys, and the devices that register with one (CONTRACT 2). */
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

#include "domain/identity_ops.h"
#include "shape/device.h"

/* A key that nobody gave a life lives for a day: long enough for an afternoon's work. */
#define LIFE_DEFAULT_S 86400

/* --- keys --- */

void rest_provision_create(struct rest_call *c)
{
    struct shape_provision_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_provision_create, &in)) {
        return;
    }
    int64_t life_s = in.has_expires_in_s ? in.expires_in_s : LIFE_DEFAULT_S;
    const struct provision_args args = {
        .name = in.has_name ? in.name : SPAN(""),
        .uses = in.has_uses ? in.uses : 1,
        .expires_ms = loop_wall_ms(c->edge->loop) + life_s * 1000,
    };
    struct actor who = rest_actor(c, address);
    rest_later(c);
    identity_provision_make(c->edge->home, &args, &who, identity_answer_key, c);
}

static void keys_listed(void *owner, const struct identity_result *r)
{
    struct rest_call *c = identity_answer(owner, r);
    char next[UUID_TEXT_LEN + 1] = "";
    if (c == NULL) {
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < r->count; i++) {
        const struct key_row *k = &r->keys[i];
        json_open(&w, '{');
        rest_member_uuid(&w, "id", k->id);
        json_member_string(&w, "name", k->name);
        json_member_i64(&w, "uses_left", k->uses_left);
        rest_member_time(&w, "created_at", k->created_ms);
        rest_member_time(&w, "expires_at", k->expires_ms);
        rest_member_time(&w, "revoked_at", k->revoked_ms);
        rest_member_time(&w, "last_used_at", k->used_ms);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    if (r->more) {
        uuid_format(r->keys[r->count - 1].id, next);
    }
    rest_ok_list(c, buf_span(&c->data), span_str(next));
}

void rest_provision_list(struct rest_call *c)
{
    unsigned limit = rest_query_limit(c);
    span cursor = rest_query(c, "cursor");
    uuid after = UUID_NIL;
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
    } else if (cursor.len > 0 && !uuid_parse(cursor, &after)) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else {
        rest_later(c);
        identity_provision_list(c->edge->home, after, limit, keys_listed, c);
    }
}

static void key_revoked(void *owner, const struct identity_result *r)
{
    struct rest_call *c = identity_answer(owner, r);
    if (c != NULL) {
        rest_no_content(c);
    }
}

void rest_provision_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    identity_provision_revoke(c->edge->home, c->uuids[0], &who, key_revoked, c);
}

/* --- devices --- */

void device_provision(struct home *h, const struct grant *g, const struct shape_device_register *in,
                      struct arena *arena, span address, device_done done, void *owner)
{
    uuid id = in->has_deviceId ? in->deviceId : home_new_id(h);
    char name[UUID_TEXT_LEN + 1];
    uuid_format(id, name);
    const struct device_draft draft = {
        .id = id,
        .provision = g->credential,
        .name = in->has_name ? in->name : span_of(name, UUID_TEXT_LEN),
        .type = in->has_type ? in->type : SPAN_NONE,
        .status = DEVICE_ACTIVE,
        .capabilities = in->has_capabilities ? device_texts(in->capabilities, arena) : SPAN_NONE,
    };
    const struct actor who = {
        .id = g->principal, .name = SPAN("provisioning key"), .address = address};
    device_create(h, &draft, &who, done, owner);
}

static void registered(void *owner, const struct device_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        if (r->error == ERR_AUTHENTICATION_FAILED) {
            stats_name(&c->edge->stats.auth_failures, "used_up");
        }
        rest_error(c, r->error,
                   r->error == ERR_CONFLICT ? "a device of that id exists already" : NULL);
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_bool(&w, "ok", true);
    json_member_raw(&w, "device", r->json);
    json_member_string(&w, "key", r->key);
    json_close(&w, '}');
    c->cache = "no-store";
    rest_created(c, buf_span(&c->data), SPAN_NONE);
}

void rest_device_register(struct rest_call *c)
{
    struct shape_device_register in;
    char address[ADDR_TEXT_MAX];
    if (c->grant->kind != PRINCIPAL_PROVISIONER) {
        rest_error(c, ERR_PERMISSION_DENIED, "only a provisioning key registers a device");
        return;
    }
    if (!device_body(c, SCHEMA_device_register, &in)) {
        return;
    }
    rest_later(c);
    device_provision(c->edge->home, c->grant, &in, &c->arena, rest_actor(c, address).address,
                     registered, c);
}
