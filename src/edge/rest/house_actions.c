/*
 * Actions of entities and the activation of scenes (CONTRACT 4). Both may wait for devices; who
 * goes away is forgotten, what was begun is not.
 */
#include "edge/rest/house_actions.h"
#include "edge/rest/commands.h"
#include "edge/rest/handlers.h"
#include "edge/rest/house.h"

#include "base/mem.h"

#define NO_ENTITY "there is no such entity"
#define NO_SCENE "there is no such scene"

/* Who waits; in edge.house_waits until the house has answered, even when the call is gone. */
struct waiter {
    struct list link;
    struct rest_call *call; /* NULL: gone */
};

static void waiter_free(struct waiter *w)
{
    list_remove(&w->link);
    mem_free(w);
}

void house_actions_init(struct edge *e) { list_init(&e->house_waits); }

void house_actions_deinit(struct edge *e)
{
    while (!list_empty(&e->house_waits)) {
        waiter_free(LIST_ITEM(e->house_waits.next, struct waiter, link));
    }
}

static void abandoned(struct rest_call *c) { ((struct waiter *)c->user)->call = NULL; }

static struct waiter *wait_begin(struct rest_call *c)
{
    struct waiter *w = mem_alloc(sizeof *w);
    *w = (struct waiter){.call = c};
    list_init(&w->link);
    list_push(&c->edge->house_waits, &w->link);
    rest_wait(c, abandoned, w);
    return w;
}

/* The call of an answer, if its peer is still there and nothing failed; else NULL. */
static struct rest_call *wait_over(void *owner, const struct house_result *r, const char *missing)
{
    struct waiter *w = owner;
    struct rest_call *c = w->call;
    waiter_free(w);
    return c == NULL ? NULL : house_answer_call(c, r, missing);
}

/* --- actions --- */

static span text_member(struct rest_call *c, span object, const char *name)
{
    span value;
    return json_get(object, name, &value) ? json_string_in(value, &c->arena) : SPAN("");
}

static void answer_action(struct rest_call *c, span json)
{
    span command;
    if (!json_get(json, "command", &command) ||
        !span_eq(text_member(c, command, "status"), SPAN("pending"))) {
        rest_ok(c, json);
        return;
    }
    span device = text_member(c, command, "deviceId"), id = text_member(c, command, "commandId");
    rest_accepted(c, json,
                  span_str(rest_printf(c, "/api/v1/devices/%.*s/commands/%.*s", (int)device.len,
                                       (const char *)device.ptr, (int)id.len,
                                       (const char *)id.ptr)));
}

static void acted(void *owner, const struct house_result *r)
{
    struct rest_call *c = wait_over(owner, r, NO_ENTITY);
    if (c != NULL) {
        answer_action(c, arena_dup(&c->arena, r->json));
    }
}

void rest_entity_action(struct rest_call *c)
{
    struct shape_entity_action in = {0};
    char address[ADDR_TEXT_MAX];
    struct house_action act = {.entity_id = c->texts[0], .action = c->texts[1]};
    if ((c->json.len > 0 && !device_body(c, SCHEMA_entity_action, &in)) ||
        !commands_wait_ms(c, &act.wait_ms)) {
        return;
    }
    if (!house_action_ok(act.action)) {
        device_bad_query(c, "action", "must be up to 64 of a-z, 0-9 and _");
        return;
    }
    act.parameters = in.has_parameters ? in.parameters : SPAN_NONE;
    struct house_who who = house_caller(c, PERM_ENTITY_CONTROL, address);
    house_act(c->edge->home, &act, &who, acted, wait_begin(c));
}

static void activated(void *owner, const struct house_result *r)
{
    struct rest_call *c = wait_over(owner, r, NO_SCENE);
    if (c != NULL) {
        rest_ok(c, r->json);
    }
}

void rest_scene_activate(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    uint32_t wait_ms;
    if (!commands_wait_ms(c, &wait_ms)) {
        return;
    }
    struct house_who who = house_caller(c, PERM_ENTITY_CONTROL, address);
    house_scene_activate(c->edge->home, c->uuids[0], wait_ms, &who, activated, wait_begin(c));
}
