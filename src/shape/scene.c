#include "shape/scene.h"

#include "base/timefmt.h"
#include "codec/json/read.h"
#include "codec/json/write.h"
#include "shape/device_states.h"
#include "shape/merge.h"
#include "tables/errors.h"

#define ACTION_MAX 64

bool house_action_ok(span a)
{
    bool ok = a.len > 0 && a.len <= ACTION_MAX && a.ptr[0] >= 'a' && a.ptr[0] <= 'z';
    for (size_t i = 1; ok && i < a.len; i++) {
        uint8_t c = a.ptr[i];
        ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    }
    return ok;
}

/* --- items --- */

static const char *misfit(const struct shape_scene_item *in)
{
    if (in->has_action && (in->has_state || in->has_attributes)) {
        return "must have an action or a state, not both";
    }
    if (!in->has_action && !in->has_state) {
        return "must have an action or a state";
    }
    if (in->has_action && !house_action_ok(in->action)) {
        return "must have an action of a-z, 0-9 and _";
    }
    return in->has_state && in->has_parameters ? "must have parameters of an action only" : NULL;
}

bool scene_items_read(span array, struct shape_ctx *ctx, struct house_scene_item **out,
                      unsigned *count)
{
    struct json_iter it;
    struct shape_scene_item in;
    size_t n = json_count(array);
    span value;
    *out = ARENA_ARRAY(ctx->arena, struct house_scene_item, n + 1);
    *count = 0;
    if (n > HOUSE_SCENE_ITEMS_MAX || !json_array_begin(&it, array)) {
        ctx->why = "must be an array of up to 100 items";
        return false;
    }
    while (json_array_next(&it, &value)) {
        if (!shape_decode(SCHEMA_scene_item, value, ctx, &in)) {
            return false;
        }
        ctx->why = misfit(&in);
        if (ctx->why != NULL) {
            return false;
        }
        (*out)[(*count)++] = (struct house_scene_item){
            .entity_id = in.entity_id,
            .action = in.has_action ? in.action : SPAN_NONE,
            .parameters = in.has_parameters ? in.parameters : SPAN_NONE,
            .state = in.has_state ? in.state : SPAN_NONE,
            .attributes = in.has_attributes ? in.attributes : SPAN_NONE,
        };
    }
    return true;
}

/* --- as JSON --- */

static void member_uuid(struct json_writer *w, const char *name, uuid value)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(value, text);
    json_member_string(w, name, span_of(text, UUID_TEXT_LEN));
}

static void member_second(struct json_writer *w, const char *name, int64_t epoch_ms)
{
    char text[TIME_S_LEN + 1];
    time_format_s(epoch_ms, text);
    json_member_string(w, name, span_of(text, TIME_S_LEN));
}

static void put_item(struct json_writer *w, const struct house_scene_item *i)
{
    json_open(w, '{');
    json_member_string(w, "entity_id", i->entity_id);
    if (i->action.len > 0) {
        json_member_string(w, "action", i->action);
        json_member_raw(w, "parameters", i->parameters.len > 0 ? i->parameters : SPAN("{}"));
    } else {
        json_member_string(w, "state", i->state);
        if (i->attributes.len > 0) {
            json_member_raw(w, "attributes", i->attributes);
        }
    }
    json_close(w, '}');
}

void scene_put(buf *out, const struct house_scene_row *row, const struct house_scene_item *items,
               unsigned count)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "id", row->id);
    json_member_string(&w, "name", row->name);
    json_member_string(&w, "description", row->description);
    json_member_string(&w, "icon", row->icon);
    json_member_open(&w, "items", '[');
    for (unsigned i = 0; i < count; i++) {
        put_item(&w, &items[i]);
    }
    json_close(&w, ']');
    member_second(&w, "created_at", row->created_ms);
    member_second(&w, "updated_at", row->updated_ms);
    json_member_i64(&w, "version", row->version);
    json_close(&w, '}');
}

void scene_put_outcomes(buf *out, uuid scene, const struct house_scene_outcome *of,
                        unsigned count)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    member_uuid(&w, "scene_id", scene);
    json_member_open(&w, "results", '[');
    for (unsigned i = 0; i < count; i++) {
        json_open(&w, '{');
        json_member_string(&w, "entity_id", of[i].entity_id);
        json_member_bool(&w, "ok", of[i].ok);
        if (!of[i].ok) {
            json_member_open(&w, "error", '{');
            json_member_string(&w, "code", span_str(of[i].code));
            json_member_string(&w, "message", span_str(of[i].why));
            if (of[i].reason != NULL) {
                json_member_string(&w, "reason", span_str(of[i].reason));
            }
            json_close(&w, '}');
        }
        if (of[i].command.len > 0) {
            json_member_raw(&w, "command", of[i].command);
        }
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
}

void action_put_result(buf *out, span entity_id, span action, const char *reason, span command)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "entity_id", entity_id);
    json_member_string(&w, "action", action);
    if (reason != NULL) {
        json_member_string(&w, "reason", span_str(reason));
    }
    if (command.len > 0) {
        json_member_raw(&w, "command", command);
    }
    json_close(&w, '}');
}

/* --- parameters --- */

static span kept(buf *json, struct arena *arena)
{
    span out = arena_dup(arena, buf_span(json));
    buf_deinit(json);
    return out;
}

span action_parameters(span parameters, span entity_id, span capability, struct arena *arena)
{
    buf json = {0};
    struct json_writer w = json_writer_of(&json);
    json_open(&w, '{');
    json_member_string(&w, "entity_id", entity_id);
    json_member_string(&w, "capability", capability);
    json_close(&w, '}');
    span ours = kept(&json, arena);
    return parameters.len == 0 ? ours : merge_apply(parameters, ours, arena);
}

span action_state_parameters(span state, span attributes, struct arena *arena)
{
    buf json = {0};
    struct json_writer w = json_writer_of(&json);
    json_open(&w, '{');
    if (state.ptr != NULL) {
        json_member_string(&w, "state", state);
    }
    if (attributes.len > 0) {
        json_member_raw(&w, "attributes", attributes);
    }
    json_close(&w, '}');
    return kept(&json, arena);
}

bool action_state_read(span parameters, struct shape_ctx *ctx, span *state, span *attributes)
{
    struct house_say say;
    span value;
    if (!json_get(parameters, "state", &value)) {
        ctx->why = "must have a state";
        return false;
    }
    if (!device_state_read(parameters, ctx, &say)) {
        return false;
    }
    *state = say.state;
    *attributes = say.attributes;
    return true;
}
