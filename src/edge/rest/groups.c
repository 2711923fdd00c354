/*
 * Device groups and their members (CONTRACT 3). To change them is to change rights, so it takes
 * device:group:write for everything; who has a role in a group alone may look at it.
 */
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

#include "domain/device_group.h"

static void put_group(struct json_writer *w, const struct group_row *row)
{
    json_open(w, '{');
    rest_member_uuid(w, "id", row->id);
    json_member_string(w, "name", row->name);
    json_member_string(w, "description", row->description);
    json_member_i64(w, "device_count", row->device_count);
    json_member_i64(w, "version", row->version);
    rest_member_time(w, "created_at", row->created_ms);
    rest_member_time(w, "updated_at", row->updated_ms);
    json_close(w, '}');
}

/* The call of an answer, if its peer is still there and nothing failed; else NULL (answered). */
static struct rest_call *answer(void *owner, const struct group_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && r->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "cursor", "is not one of ours");
        return NULL;
    }
    if (c != NULL && r->error != ERR_NONE) {
        rest_error(c, r->error, r->why);
        return NULL;
    }
    return c;
}

static void answer_nothing(void *owner, const struct group_result *r)
{
    struct rest_call *c = answer(owner, r);
    if (c != NULL) {
        rest_no_content(c);
    }
}

static void answer_group(void *owner, const struct group_result *r)
{
    struct rest_call *c = answer(owner, r);
    if (c != NULL) {
        struct json_writer w = json_writer_of(&c->data);
        put_group(&w, r->rows);
        rest_etag_version(c, r->rows->version);
        rest_ok(c, buf_span(&c->data));
    }
}

/* --- lists --- */

/* Groups that the caller may not see are left out of the page. */
static void listed(void *owner, const struct group_result *r)
{
    struct rest_call *c = answer(owner, r);
    if (c == NULL) {
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < r->count; i++) {
        if (rest_can(c, PERM_GROUP_READ, scope_group(r->rows[i].id))) {
            put_group(&w, &r->rows[i]);
        }
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data), r->next);
}

static void list(struct rest_call *c, uuid device)
{
    struct group_filter f = {.device = device,
                             .text = rest_query(c, "q"),
                             .after = rest_query(c, "cursor"),
                             .limit = rest_query_limit(c)};
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    rest_later(c);
    group_list(c->edge->home, &f, listed, c);
}

void rest_group_list(struct rest_call *c) { list(c, UUID_NIL); }

void rest_device_group_list(struct rest_call *c) { list(c, c->uuids[0]); }

static void found_for_devices(void *owner, const struct group_result *r)
{
    struct rest_call *c = answer(owner, r);
    if (c != NULL) {
        device_list_of(c, c->uuids[0]);
    }
}

void rest_group_device_list(struct rest_call *c)
{
    rest_later(c);
    group_get(c->edge->home, c->uuids[0], found_for_devices, c);
}

/* --- one group --- */

void rest_group_get(struct rest_call *c)
{
    rest_later(c);
    group_get(c->edge->home, c->uuids[0], answer_group, c);
}

static void created(void *owner, const struct group_result *r)
{
    struct rest_call *c = answer(owner, r);
    char id[UUID_TEXT_LEN + 1];
    if (c == NULL) {
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    put_group(&w, r->rows);
    uuid_format(r->rows->id, id);
    rest_etag_version(c, r->rows->version);
    rest_created(c, buf_span(&c->data), span_str(rest_printf(c, "/api/v1/groups/%s", id)));
}

void rest_group_create(struct rest_call *c)
{
    struct shape_group_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_group_create, &in)) {
        return;
    }
    struct actor who = rest_actor(c, address);
    rest_later(c);
    group_create(c->edge->home, in.name, in.has_description ? in.description : SPAN(""), &who,
                 created, c);
}

/* A change, or the end, of the version that If-Match names, if it names one. */
struct change {
    struct rest_call *call;
    struct group_change in;
    bool ends;
};

static void change(struct change *x)
{
    struct rest_call *c = x->call;
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    if (x->ends) {
        group_delete(c->edge->home, c->uuids[0], x->in.version, &who, answer_nothing, c);
    } else {
        group_patch(c->edge->home, c->uuids[0], &x->in, &who, answer_group, c);
    }
}

static void change_if_match(void *owner, const struct group_result *r)
{
    struct change *x = owner;
    struct rest_call *c = answer(x->call, r);
    if (c == NULL) {
        return;
    }
    err error = rest_if_match(c, r->rows->version);
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
        return;
    }
    x->in.version = r->rows->version;
    change(x);
}

static void change_begin(struct rest_call *c, const struct change *in)
{
    struct change *x = ARENA_NEW(&c->arena, struct change);
    *x = *in;
    x->call = c;
    if (http1_field(c->x->req, "If-Match").len > 0) {
        rest_later(c);
        group_get(c->edge->home, c->uuids[0], change_if_match, x);
    } else {
        change(x);
    }
}

void rest_group_patch(struct rest_call *c)
{
    struct shape_group_patch in;
    if (device_body(c, SCHEMA_group_patch, &in)) {
        change_begin(c, &(struct change){
                            .in = {.version = in.has_version ? in.version : 0,
                                   .name = in.has_name ? in.name : SPAN_NONE,
                                   .description = in.has_description && in.description.len == 0
                                                      ? SPAN("")
                                                  : in.has_description ? in.description
                                                                       : SPAN_NONE}});
    }
}

void rest_group_delete(struct rest_call *c)
{
    change_begin(c, &(struct change){.ends = true});
}

/* --- members --- */

/* Roles whose every permission the caller has for everything: nobody gives away more. */
static uint32_t may_give(const struct rest_call *c)
{
    uint32_t roles = 0;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        bool all = true;
        for (unsigned p = 0; all && p < PERM_COUNT; p++) {
            all = !role_may((enum role)r, (enum permission)p) ||
                  rest_can(c, (enum permission)p, SCOPE_ALL);
        }
        roles |= all ? 1u << r : 0;
    }
    return roles;
}

typedef void (*members_change)(struct home *h, const struct group_devices *in,
                               const struct actor *who, group_done done, void *owner);

static void change_members(struct rest_call *c, members_change what, const uuid *devices,
                           unsigned count, group_done done)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    struct group_devices in = {
        .group = c->uuids[0], .devices = devices, .count = count, .may_give = may_give(c)};
    rest_later(c);
    what(c->edge->home, &in, &who, done, c);
}

void rest_group_device_add(struct rest_call *c)
{
    change_members(c, group_add, &c->uuids[1], 1, answer_nothing);
}

void rest_group_device_remove(struct rest_call *c)
{
    change_members(c, group_remove, &c->uuids[1], 1, answer_nothing);
}

static void members_changed(void *owner, const struct group_result *r)
{
    struct rest_call *c = answer(owner, r);
    if (c != NULL) {
        struct json_writer w = json_writer_of(&c->data);
        json_open(&w, '{');
        json_member_i64(&w, "changed", r->changed);
        json_close(&w, '}');
        rest_ok(c, buf_span(&c->data));
    }
}

static void change_batch(struct rest_call *c, members_change what)
{
    struct shape_group_devices in;
    struct json_iter it;
    span value;
    unsigned count = 0;
    if (!device_body(c, SCHEMA_group_devices, &in)) {
        return;
    }
    uuid *devices = ARENA_ARRAY(&c->arena, uuid, GROUP_BATCH_MAX);
    bool ok = json_array_begin(&it, in.devices);
    while (ok && json_array_next(&it, &value)) {
        ok = count < GROUP_BATCH_MAX &&
             uuid_parse(json_string_in(value, &c->arena), &devices[count++]);
    }
    if (ok) {
        change_members(c, what, devices, count, members_changed);
    } else {
        struct rest_fault fault = {.member = "devices", .detail = "must be UUIDs"};
        rest_invalid(c, "devices must be UUIDs", &fault, 1);
    }
}

void rest_group_devices_add(struct rest_call *c) { change_batch(c, group_add); }

void rest_group_devices_remove(struct rest_call *c) { change_batch(c, group_remove); }
