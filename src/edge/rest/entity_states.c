/*
 * States of entities as integrations set them, and those of the past (CONTRACT 4). A state that is
 * answered is on disk.
 */
#include "edge/rest/entities.h"
#include "edge/rest/handlers.h"
#include "edge/rest/internal.h"

#define HISTORY_DEFAULT_MS 86400000 /* without `from`: the day before `to` */

/* --- setting --- */

static void is_set(void *owner, const struct house_result *r)
{
    struct rest_call *c = entity_answer_call(owner, r);
    if (c != NULL) {
        entity_answer_with(c, r, r->created);
    }
}

void rest_entity_state_set(struct rest_call *c)
{
    struct shape_entity_state in;
    char address[ADDR_TEXT_MAX];
    if (!device_body(c, SCHEMA_entity_state, &in)) {
        return;
    }
    if (!in.has_state && !in.has_attributes) {
        device_bad_query(c, "state", "is missing, and so is attributes");
        return;
    }
    struct house_state_change change = {.entity_id = c->texts[0],
                                        .state = house_text(in.has_state, in.state),
                                        .attributes = in.attributes,
                                        .create = true};
    struct house_who who = house_caller(c, PERM_ENTITY_WRITE, address);
    rest_later(c);
    house_state_set(c->edge->home, &change, &who, is_set, c);
}

/* --- the past --- */

static void shown(void *owner, const struct house_result *r)
{
    struct rest_call *c = entity_answer_call(owner, r);
    if (c != NULL) {
        rest_ok_list(c, r->json, r->next);
    }
}

static bool query_range(struct rest_call *c, struct house_history_filter *f)
{
    if (!rest_query_time(c, "to", loop_wall_ms(c->edge->loop) + 1, &f->to_ms)) {
        device_bad_query(c, "to", "must be a time");
        return false;
    }
    int64_t fallback = f->after.len > 0 ? 0 : f->to_ms - HISTORY_DEFAULT_MS;
    if (!rest_query_time(c, "from", fallback, &f->from_ms)) {
        device_bad_query(c, "from", "must be a time");
        return false;
    }
    f->from_ms = f->from_ms < 0 ? 0 : f->from_ms;
    if (f->from_ms >= f->to_ms) {
        device_bad_query(c, "from", "must be before to");
        return false;
    }
    return true;
}

void rest_entity_history(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct house_history_filter f = {.limit = house_query_limit(c)};
    if (f.limit == 0) {
        return;
    }
    f.entity_id = c->texts[0];
    f.after = rest_query(c, "cursor");
    if (!query_range(c, &f)) {
        return;
    }
    struct house_who who = house_caller(c, PERM_HOME_READ, address);
    rest_later(c);
    house_history(c->edge->home, &f, &who, shown, c);
}
