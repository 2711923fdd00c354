/* Scenes (CONTRACT 4): seen by whoever may look at something of the house, without what is in rooms
 * that they may not see; changed by who may change all. */
#include "edge/rest/handlers.h"
#include "edge/rest/house.h"

#define NO_SCENE "there is no such scene"

static void answer_scene(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, NO_SCENE);
    if (c != NULL) {
        rest_etag_version(c, r->version);
        rest_ok(c, r->json);
    }
}

static void answer_nothing(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, NO_SCENE);
    if (c != NULL) {
        rest_no_content(c);
    }
}

static void listed(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, NO_SCENE);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

void rest_scene_list(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    unsigned limit = house_query_limit(c);
    if (limit > 0) {
        struct house_who who = house_caller(c, PERM_HOME_READ, address);
        rest_later(c);
        house_scene_list(c->edge->home, rest_query(c, "q"), rest_query(c, "cursor"), limit, &who,
                         listed, c);
    }
}

static void read_scene(struct rest_call *c, house_done done, void *owner)
{
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_HOME_READ, address);
    house_scene_get(c->edge->home, c->uuids[0], &who, done, owner);
}

void rest_scene_get(struct rest_call *c)
{
    rest_later(c);
    read_scene(c, answer_scene, c);
}

static void created(void *owner, const struct house_result *r)
{
    struct rest_call *c = house_answer_call(owner, r, NO_SCENE);
    span id;
    if (c != NULL) {
        bool has = json_get(r->json, "id", &id);
        ASSERT(has);
        id = json_string_in(id, &c->arena);
        rest_etag_version(c, r->version);
        rest_created(c, r->json,
                     span_str(rest_printf(c, "/api/v1/scenes/%.*s", (int)id.len,
                                          (const char *)id.ptr)));
    }
}

void rest_scene_create(struct rest_call *c)
{
    struct shape_scene_create in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_scene_create, &in)) {
        return;
    }
    struct house_scene_draft draft = {.name = in.name,
                                      .description = house_text(in.has_description, in.description),
                                      .icon = house_text(in.has_icon, in.icon),
                                      .items = in.has_items ? in.items : SPAN_NONE};
    struct house_who who = house_caller(c, PERM_SCENE_WRITE, address);
    rest_later(c);
    house_scene_create(c->edge->home, &draft, &who, created, c);
}

/* A change, or the end, of the version that If-Match names, if it names one. */
struct change {
    struct house_scene_draft in;
    int64_t version;
    bool ends;
};

static void change(struct rest_call *c, void *arg)
{
    const struct change *x = arg;
    char address[ADDR_TEXT_MAX];
    struct house_who who = house_caller(c, PERM_SCENE_WRITE, address);
    rest_later(c);
    if (x->ends) {
        house_scene_delete(c->edge->home, c->uuids[0], x->version, &who, answer_nothing, c);
    } else {
        house_scene_patch(c->edge->home, c->uuids[0], x->version, &x->in, &who, answer_scene, c);
    }
}

static void change_begin(struct rest_call *c, const struct change *in)
{
    struct change *x = ARENA_NEW(&c->arena, struct change);
    *x = *in;
    house_if_match(c, read_scene, NO_SCENE, &x->version, change, x);
}

void rest_scene_patch(struct rest_call *c)
{
    struct shape_scene_patch in;
    if (!device_body(c, SCHEMA_scene_patch, &in)) {
        return;
    }
    bool empties = house_patch_removes(c, "items");
    change_begin(c, &(struct change){
                        .version = in.has_version ? in.version : 0,
                        .in = {.name = in.has_name ? in.name : SPAN_NONE,
                               .description = house_patch_text(c, "description",
                                                               in.has_description, in.description),
                               .icon = house_patch_text(c, "icon", in.has_icon, in.icon),
                               .items = in.has_items ? in.items
                                        : empties    ? SPAN("[]")
                                                     : SPAN_NONE}});
}

void rest_scene_delete(struct rest_call *c) { change_begin(c, &(struct change){.ends = true}); }
