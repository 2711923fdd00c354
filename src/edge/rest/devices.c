/* Devices: list, create, get, change, delete, enable, disable (CONTRACT 3). */
#include "edge/rest/devices.h"
#include "edge/rest/audit.h"
#include "edge/rest/handlers.h"
#include "edge/rest/internal.h"

#include "loop/addr.h"
#include "shape/device.h"

bool device_body(struct rest_call *c, enum schema schema, void *out)
{
    struct shape_ctx ctx = {.arena = &c->arena, .now_ms = loop_wall_ms(c->edge->loop)};
    if (shape_decode(schema, c->json.len > 0 ? c->json : SPAN("{}"), &ctx, out)) {
        return true;
    }
    struct rest_fault fault = {.member = ctx.path, .detail = ctx.why};
    c->said = ctx.path[0] == '\0' && home_path(c->x->path) ? HOME_BAD_BODY : NULL;
    rest_invalid(c, rest_printf(c, "%s %s", ctx.path[0] == '\0' ? "the body" : ctx.path, ctx.why),
                 &fault, 1);
    return false;
}

void device_bad_query(struct rest_call *c, const char *name, const char *why)
{
    struct rest_fault fault = {.member = name, .detail = why};
    rest_invalid(c, rest_printf(c, "%s %s", name, why), &fault, 1);
}

struct rest_call *device_answer(void *owner, const struct device_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && r->error != ERR_NONE) {
        rest_error(c, r->error, NULL);
        return NULL;
    }
    return c;
}

void device_answer_json(void *owner, const struct device_result *r)
{
    struct rest_call *c = device_answer(owner, r);
    if (c != NULL) {
        rest_ok(c, r->json);
    }
}

static void answer_device(void *owner, const struct device_result *r)
{
    struct rest_call *c = device_answer(owner, r);
    if (c != NULL) {
        rest_etag_version(c, r->version);
        rest_ok(c, r->json);
    }
}

/* --- list --- */

static bool choice(struct rest_call *c, const char *name, int (*of)(span), int *out)
{
    span text = rest_query(c, name);
    *out = text.len == 0 ? -1 : of(text);
    if (text.len > 0 && *out < 0) {
        device_bad_query(c, name, "is none of the choices");
        return false;
    }
    return true;
}

static void listed(void *owner, const struct device_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else if (r->error != ERR_NONE) {
        rest_error(c, r->error, NULL);
    } else {
        rest_ok_list(c, r->json, r->next);
    }
}

static bool visible(void *owner, uuid id)
{
    return rest_can(owner, PERM_DEVICE_LIST, scope_device(id));
}

void device_list_of(struct rest_call *c, uuid group)
{
    struct device_filter f = {.limit = rest_query_limit(c), .group = group, .visible = visible};
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (!choice(c, "status", shape_device_status_of, &f.status) ||
        !choice(c, "connection", shape_connection_status_of, &f.connection)) {
        return;
    }
    f.type = rest_query(c, "type");
    f.tag = rest_query(c, "tag");
    f.text = rest_query(c, "q");
    f.after = rest_query(c, "cursor");
    rest_later(c);
    device_list(c->edge->home, &f, listed, c);
}

void rest_device_list(struct rest_call *c)
{
    uuid group = UUID_NIL;
    span text = rest_query(c, "group");
    if (text.len > 0 && (!uuid_parse(text, &group) || uuid_is_nil(group))) {
        device_bad_query(c, "group", "must be a UUID");
    } else if (text.len > 0 && !rest_can(c, PERM_GROUP_READ, scope_group(group))) {
        rest_error(c, ERR_NOT_FOUND, "there is no such group");
    } else {
        device_list_of(c, group);
    }
}

/* --- create --- */

static void created(void *owner, const struct device_result *r)
{
    struct rest_call *c = device_answer(owner, r);
    char id[UUID_TEXT_LEN + 1];
    if (c == NULL) {
        return;
    }
    uuid_format(r->id, id);
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_raw(&w, "device", r->json);
    json_member_string(&w, "key", r->key);
    json_close(&w, '}');
    rest_etag_version(c, r->version);
    c->cache = "no-store"; /* the key is shown once */
    rest_created(c, buf_span(&c->data), span_str(rest_printf(c, "/api/v1/devices/%s", id)));
}

void rest_device_create(struct rest_call *c)
{
    struct shape_device_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_device_create, &in)) {
        return;
    }
    struct device_draft draft = {
        .name = in.name,
        .type = in.has_type ? in.type : SPAN_NONE,
        .status = in.has_status ? (enum device_status)in.status : DEVICE_ACTIVE,
        .capabilities =
            in.has_capabilities ? device_texts(in.capabilities, &c->arena) : SPAN_NONE,
        .tags = in.has_tags ? device_texts(in.tags, &c->arena) : SPAN_NONE,
        .metadata = in.has_metadata ? in.metadata : SPAN_NONE,
    };
    struct actor who = rest_actor(c, address);
    rest_later(c);
    device_create(c->edge->home, &draft, &who, created, c);
}

/* --- one device --- */

void rest_device_get(struct rest_call *c)
{
    rest_later(c);
    device_get(c->edge->home, c->uuids[0], answer_device, c);
}

struct matching {
    struct rest_call *call;
    int64_t *version;
    void (*change)(struct rest_call *c, void *arg);
    void *arg;
};

/* If-Match names a version that only the device's home knows. */
static void matched(void *owner, const struct device_result *r)
{
    struct matching *m = owner;
    struct rest_call *c = device_answer(m->call, r);
    if (c == NULL) {
        return;
    }
    err error = rest_if_match(c, r->version);
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
        return;
    }
    *m->version = r->version;
    m->change(c, m->arg);
}

void device_if_match(struct rest_call *c,
                     void (*read)(struct home *h, uuid id, device_done done, void *owner),
                     int64_t *version, void (*change)(struct rest_call *c, void *arg), void *arg)
{
    if (http1_field(c->x->req, "If-Match").len == 0) {
        change(c, arg);
        return;
    }
    struct matching *m = ARENA_NEW(&c->arena, struct matching);
    *m = (struct matching){.call = c, .version = version, .change = change, .arg = arg};
    rest_later(c);
    read(c->edge->home, c->uuids[0], matched, m);
}

static void change(struct rest_call *c, void *in)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    device_patch(c->edge->home, c->uuids[0], in, &who, answer_device, c);
}

static void change_begin(struct rest_call *c, const struct device_change *in)
{
    struct device_change *kept = ARENA_NEW(&c->arena, struct device_change);
    *kept = *in;
    device_if_match(c, device_get, &kept->version, change, kept);
}

void rest_device_patch(struct rest_call *c)
{
    struct shape_device_patch in;
    if (!device_body(c, SCHEMA_device_patch, &in)) {
        return;
    }
    change_begin(c, &(struct device_change){
                        .version = in.has_version ? in.version : 0,
                        .has_name = in.has_name,
                        .has_type = in.has_type,
                        .has_status = in.has_status,
                        .has_capabilities = in.has_capabilities,
                        .has_tags = in.has_tags,
                        .name = in.name,
                        .type = in.type,
                        .status = (enum device_status)in.status,
                        .capabilities = in.has_capabilities
                                            ? device_texts(in.capabilities, &c->arena)
                                            : SPAN_NONE,
                        .tags = in.has_tags ? device_texts(in.tags, &c->arena) : SPAN_NONE,
                        .metadata_patch = in.has_metadata ? in.metadata : SPAN_NONE,
                    });
}

void rest_device_enable(struct rest_call *c)
{
    change_begin(c, &(struct device_change){.has_status = true, .status = DEVICE_ACTIVE});
}

void rest_device_disable(struct rest_call *c)
{
    change_begin(c, &(struct device_change){.has_status = true, .status = DEVICE_DISABLED});
}

static void deleted(void *owner, const struct device_result *r)
{
    struct rest_call *c = device_answer(owner, r);
    if (c != NULL) {
        rest_no_content(c);
    }
}

void rest_device_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    device_delete(c->edge->home, c->uuids[0], &who, deleted, c);
}
