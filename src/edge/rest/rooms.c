/*
 * Rooms of the house (CONTRACT 4): list, create, get, change, delete. What one may not see is not
 * there, and the house decides that, for rights may be bound to single rooms.
 *
 * The ETag names the version of what people say about a room; how many entities are in it is none
 * of that, so If-None-Match is not answered with 304.
 */
#include "edge/rest/handlers.h"
#include "edge/rest/house.h"

static const char missing[] = "there is no such room";

static void answer_room(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, missing);
    if (c != NULL) {
        rest_etag_version(c, r->version);
        rest_ok(c, r->json);
    }
}

/* --- list --- */

static void listed(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, missing);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

void rest_room_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct house_room_filter f = {.limit = house_query_limit(c)};
    if (f.limit == 0) {
        return;
    }
    f.floor = rest_query(c, "floor");
    f.text = rest_query(c, "q");
    f.after = rest_query(c, "cursor");
    struct house_who who = house_caller(c, PERM_HOME_READ, address);
    rest_later(c);
    house_room_list(c->edge->home, &f, &who, listed, c);
}

/* --- one room --- */

static void created(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, missing);
    if (c != NULL) {
        rest_etag_version(c, r->version);
        rest_created(c, r->json,
                     span_str(rest_printf(c, "/api/v1/rooms/%lld", (long long)r->id)));
    }
}

void rest_room_create(struct rest_call *c)
{
    struct shape_room_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_room_create, &in)) {
        return;
    }
    struct house_room_draft draft = {.name = in.name,
                                     .description = in.description,
                                     .icon = in.icon,
                                     .floor = in.floor,
                                     .sort = in.sort,
                                     .private = in.private};
    struct house_who who = house_caller(c, PERM_HOME_WRITE, address);
    rest_later(c);
    house_room_create(c->edge->home, &draft, &who, created, c);
}

static void read_room(struct rest_call *c, house_done done, void *owner)
{
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_HOME_READ, address);
    house_room_get(c->edge->home, c->ints[0], &who, done, owner);
}

void rest_room_get(struct rest_call *c)
{
    rest_later(c);
    read_room(c, answer_room, c);
}

static void change(struct rest_call *c, void *in)
{
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_HOME_WRITE, address);
    rest_later(c);
    house_room_patch(c->edge->home, c->ints[0], in, &who, answer_room, c);
}

void rest_room_patch(struct rest_call *c)
{
    struct shape_room_patch in;
    if (!device_body(c, SCHEMA_room_patch, &in)) {
        return;
    }
    if (house_patch_removes(c, "name")) {
        device_bad_query(c, "name", "must not be empty");
        return;
    }
    struct house_room_change *kept = ARENA_NEW(&c->arena, struct house_room_change);
    *kept = (struct house_room_change){
        .version = in.has_version ? in.version : 0,
        .name = in.has_name ? in.name : SPAN_NONE,
        .description = house_patch_text(c, "description", in.has_description, in.description),
        .icon = house_patch_text(c, "icon", in.has_icon, in.icon),
        .floor = house_patch_text(c, "floor", in.has_floor, in.floor),
        .has_sort = in.has_sort || house_patch_removes(c, "sort"),
        .sort = in.sort,
        .has_private = in.has_private || house_patch_removes(c, "private"),
        .private = in.private,
    };
    house_if_match(c, read_room, missing, &kept->version, change, kept);
}

/* --- delete --- */

struct ending {
    int64_t version;
    bool force;
};

static void deleted(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, missing);
    if (c != NULL) {
        rest_no_content(c);
    }
}

static void end(struct rest_call *c, void *arg)
{
    const struct ending *e = arg;
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_HOME_WRITE, address);
    rest_later(c);
    house_room_delete(c->edge->home, c->ints[0], e->version, e->force, &who, deleted, c);
}

void rest_room_delete(struct rest_call *c)
{
    span force = rest_query(c, "force");
    bool yes = span_eq(force, SPAN("1"));
    if (force.len > 0 && !yes && !span_eq(force, SPAN("0"))) {
        device_bad_query(c, "force", "must be 0 or 1");
        return;
    }
    struct ending *e = ARENA_NEW(&c->arena, struct ending);
    *e = (struct ending){.force = yes};
    house_if_match(c, read_room, missing, &e->version, end, e);
}
