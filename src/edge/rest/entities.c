/*
 * Entities of the house (CONTRACT 4): list, create, get, change, delete. An entity answers to the
 * names it had before, too; the answer shows the present one, and Content-Location where that is.
 *
 * The ETag names the version of what people say about an entity: changes of state do not change
 * it, so that a state between reading and writing is no conflict, and If-None-Match is not answered
 * with 304.
 *
 * An entity with a device shows what the device says to all who see the room and makes commands of
 * what they do, so who gives it one must be allowed both for the device.
 */
#include "edge/rest/entities.h"

#include "edge/rest/handlers.h"

#define PATCH_TRIES_MAX 4 /* against changes between reading and writing, before 412 */

static const char missing[] = "there is no such entity";

/* --- answers --- */

struct rest_call *entity_answer_call(void *owner, const struct house_result *r)
{
    return house_answer_call(owner, r, missing);
}

static span entity_location(struct rest_call *c, const struct house_result *r)
{
    span id = SPAN_NONE;
    (void)json_get(r->json, "entity_id", &id);
    id = json_string_in(id, &c->arena);
    return span_str(rest_printf(c, "/api/v1/entities/%.*s", SPAN_FMT(id)));
}

void entity_answer_with(struct rest_call *c, const struct house_result *r, bool made)
{
    span location = entity_location(c, r);
    rest_etag_version(c, r->version);
    if (made) {
        rest_created(c, r->json, location);
        return;
    }
    if (!span_starts(c->x->path, location) ||
        (c->x->path.len > location.len && c->x->path.ptr[location.len] != '/')) {
        rest_header(c, "Content-Location", location);
    }
    rest_ok(c, r->json);
}

static void answer_entity(void *owner, const struct house_result *r)
{
    struct rest_call *c = entity_answer_call(owner, r);
    if (c != NULL) {
        entity_answer_with(c, r, false);
    }
}

/* --- list --- */

static void listed(void *owner, const struct house_result *r)
{
    struct rest_call *c = entity_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

static bool query_room(struct rest_call *c, int64_t *room)
{
    uint64_t n = 0;
    span text = rest_query(c, "room_id");
    if (text.len == 0) {
        *room = -1;
    } else if (span_eq(text, SPAN("none"))) {
        *room = 0;
    } else if (span_u64(text, ROUTE_INT_MAX, &n) && n > 0) {
        *room = (int64_t)n;
    } else {
        device_bad_query(c, "room_id", "must be a room's id or none");
        return false;
    }
    return true;
}

void rest_entity_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct house_entity_filter f = {.limit = house_query_limit(c)};
    if (f.limit == 0 || !query_room(c, &f.room)) {
        return;
    }
    span device = rest_query(c, "device_id");
    if (device.len > 0 && (!uuid_parse(device, &f.device) || uuid_is_nil(f.device))) {
        device_bad_query(c, "device_id", "must be a UUID");
        return;
    }
    f.domain = rest_query(c, "domain");
    f.text = rest_query(c, "q");
    f.state = rest_query(c, "state");
    f.after = rest_query(c, "cursor");
    struct house_who who = house_caller(c, PERM_HOME_READ, address);
    rest_later(c);
    house_entity_list(c->edge->home, &f, &who, listed, c);
}

/* --- one entity --- */

static void read_entity(struct rest_call *c, house_done done, void *owner)
{
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_HOME_READ, address);
    house_entity_get(c->edge->home, c->texts[0], &who, done, owner);
}

void rest_entity_get(struct rest_call *c)
{
    rest_later(c);
    read_entity(c, answer_entity, c);
}

/* Whether the caller may let an entity speak for that device and command it; else answered. */
static bool may_back(struct rest_call *c, uuid device)
{
    struct scope s = scope_device(device);
    if (!rest_can(c, PERM_DEVICE_READ, s)) {
        rest_error(c, ERR_DEVICE_NOT_FOUND, NULL);
    } else if (!rest_can(c, PERM_TELEMETRY_READ, s) || !rest_can(c, PERM_COMMAND_SEND, s)) {
        rest_error(c, ERR_PERMISSION_DENIED,
                   "device_id is a device that this identity may not read and command");
    } else {
        return true;
    }
    return false;
}

/* Both or neither; else answered. */
static bool backing_whole(struct rest_call *c, bool has_device, bool has_capability)
{
    if (has_device && !has_capability) {
        device_bad_query(c, "capability", "is missing: device_id needs one");
    } else if (has_capability && !has_device) {
        device_bad_query(c, "device_id", "is missing: capability needs one");
    }
    return has_device == has_capability;
}

static void created(void *owner, const struct house_result *r)
{
    struct rest_call *c = entity_answer_call(owner, r);
    if (c != NULL) {
        entity_answer_with(c, r, true);
    }
}

void rest_entity_create(struct rest_call *c)
{
    struct shape_entity_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_entity_create, &in) ||
        !backing_whole(c, in.has_device_id, in.has_capability) ||
        (in.has_device_id && !may_back(c, in.device_id))) {
        return;
    }
    struct house_entity_draft draft = {
        .entity_id = in.entity_id,
        .name = in.name,
        .room = in.room_id,
        .device = in.device_id,
        .capability = in.capability,
        .state = house_text(in.has_state, in.state),
        .attributes = in.attributes};
    struct house_who who = house_caller(c, PERM_ENTITY_WRITE, address);
    rest_later(c);
    house_entity_create(c->edge->home, &draft, &who, created, c);
}

/* --- change --- */

struct patch {
    struct rest_call *call;
    struct house_entity_change in;
    bool fits_any;       /* without a version of the client's: it is read for the backing alone */
    bool needs_device;   /* the patch has one of both: the other is the stored one */
    bool needs_capability;
    unsigned tries;
};

static void patch_read(struct patch *p);

static void patched(void *owner, const struct house_result *r)
{
    struct patch *p = owner;
    if (r->error == ERR_PRECONDITION_FAILED && p->fits_any && p->in.version != 0 &&
        ++p->tries < PATCH_TRIES_MAX) {
        struct rest_call *c = rest_resume(p->call);
        if (c != NULL) {
            patch_read(p);
        }
        return;
    }
    answer_entity(p->call, r);
}

static void patch(struct patch *p)
{
    struct rest_call *c = p->call;
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_ENTITY_WRITE, address);
    rest_later(c);
    house_entity_patch(c->edge->home, c->texts[0], &p->in, &who, patched, p);
}

/* What the patch leaves of the device behind the entity, from the entity as it is. */
static void patch_take_backing(struct patch *p, span entity)
{
    span value = SPAN_NONE;
    if (p->needs_device) {
        p->in.device = UUID_NIL;
        if (json_get(entity, "device_id", &value)) {
            (void)uuid_parse(json_string_in(value, &p->call->arena), &p->in.device);
        }
    }
    if (p->needs_capability) {
        (void)json_get(entity, "capability", &value);
        p->in.capability = arena_dup(&p->call->arena,
                                     json_string_in(value, &p->call->arena));
    }
}

static void patch_go_on(void *owner, const struct house_result *r)
{
    struct patch *p = owner;
    struct rest_call *c = entity_answer_call(p->call, r);
    if (c == NULL) {
        return;
    }
    err error = rest_if_match(c, r->version);
    if (error != ERR_NONE || (p->in.version != 0 && !p->fits_any && p->in.version != r->version)) {
        rest_error(c, ERR_PRECONDITION_FAILED, NULL);
        return;
    }
    p->in.version = r->version;
    patch_take_backing(p, r->json);
    bool has_device = !uuid_is_nil(p->in.device);
    if (p->in.has_backing &&
        (!backing_whole(c, has_device, p->in.capability.len > 0) ||
         (has_device && !may_back(c, p->in.device)))) {
        return;
    }
    patch(p);
}

static void patch_read(struct patch *p)
{
    rest_later(p->call);
    read_entity(p->call, patch_go_on, p);
}

/* Null of one is null of both: an entity has a device with a capability, or none. */
static bool read_backing(struct patch *p, const struct shape_entity_patch *in)
{
    struct rest_call *c = p->call;
    bool removes = house_patch_removes(c, "device_id") || house_patch_removes(c, "capability");
    if (removes && (in->has_device_id || in->has_capability)) {
        return backing_whole(c, in->has_device_id, in->has_capability);
    }
    p->in.has_backing = removes || in->has_device_id || in->has_capability;
    p->in.device = in->device_id;
    p->in.capability = in->capability;
    p->needs_device = in->has_capability && !in->has_device_id;
    p->needs_capability = in->has_device_id && !in->has_capability;
    return true;
}

void rest_entity_patch(struct rest_call *c)
{
    struct shape_entity_patch in;
    if (!device_body(c, SCHEMA_entity_patch, &in)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        static const char *const kept[] = {"entity_id", "name"};
        if (house_patch_removes(c, kept[i])) {
            device_bad_query(c, kept[i], "must not be empty");
            return;
        }
    }
    struct patch *p = ARENA_NEW(&c->arena, struct patch);
    *p = (struct patch){
        .call = c,
        .fits_any = !in.has_version && http1_field(c->x->req, "If-Match").len == 0,
        .in = {.version = in.has_version ? in.version : 0,
               .entity_id = in.has_entity_id ? in.entity_id : SPAN_NONE,
               .name = in.has_name ? in.name : SPAN_NONE,
               .has_room = in.has_room_id || house_patch_removes(c, "room_id"),
               .room = in.room_id}};
    if (!read_backing(p, &in)) {
        return;
    }
    bool whole = !p->needs_device && !p->needs_capability;
    if (whole && p->in.has_backing && !uuid_is_nil(p->in.device) && !may_back(c, p->in.device)) {
        return;
    }
    if (whole && http1_field(c->x->req, "If-Match").len == 0) {
        patch(p);
    } else {
        patch_read(p);
    }
}

/* --- delete --- */

static void deleted(void *owner, const struct house_result *r)
{
    struct rest_call *c = entity_answer_call(owner, r);
    if (c != NULL) {
        rest_no_content(c);
    }
}

static void end(struct rest_call *c, void *version)
{
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_ENTITY_WRITE, address);
    rest_later(c);
    house_entity_delete(c->edge->home, c->texts[0], *(const int64_t *)version, &who, deleted, c);
}

void rest_entity_delete(struct rest_call *c)
{
    int64_t *version = ARENA_NEW(&c->arena, int64_t);
    *version = 0;
    house_if_match(c, read_entity, missing, version, end, version);
}
