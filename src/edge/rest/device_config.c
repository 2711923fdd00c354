/* A device's configuration (CONTRACT 3): reading it, and changing what is desired. */
#include "domain/device_config.h"

#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "loop/addr.h"

static void answer_config(void *owner, const struct device_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error == ERR_NONE) {
        rest_etag_version(c, r->version);
        rest_ok(c, r->json);
    } else {
        rest_error(c, r->error,
                   r->error == ERR_BODY_TOO_LARGE
                       ? rest_printf(c, "what is desired would be longer than %u bytes",
                                     (unsigned)CONFIG_BYTES_MAX)
                       : NULL);
    }
}

void rest_config_get(struct rest_call *c)
{
    rest_later(c);
    device_config_get(c->edge->home, c->uuids[0], answer_config, c);
}

static void change(struct rest_call *c, void *in)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    rest_later(c);
    device_config_patch(c->edge->home, c->uuids[0], in, &who, answer_config, c);
}

static bool bad_member(struct rest_call *c, span name)
{
    device_bad_query(c, rest_printf(c, "%.*s", SPAN_FMT(name)),
                     "stands beside desired; a patch of a member desired is one of desired");
    return false;
}

/* A patch of the resource has `desired`, and a version at most beside it; any other body is one of
 * what is desired. */
static bool read_patch(struct rest_call *c, struct config_change *out)
{
    struct shape_ctx ctx = {.arena = &c->arena, .now_ms = loop_wall_ms(c->edge->loop)};
    struct shape_config_patch in;
    struct json_iter it;
    span key, value, root = c->json;
    if (json_type(root) == JSON_OBJECT && !json_get(root, "desired", &value)) {
        buf whole = {0};
        buf_append_str(&whole, "{\"desired\":");
        buf_append_span(&whole, root);
        buf_append_byte(&whole, '}');
        root = arena_dup(&c->arena, buf_span(&whole));
        buf_deinit(&whole);
    } else if (json_object_begin(&it, root)) {
        while (json_object_next(&it, &key, &value)) {
            if (!json_string_eq(key, SPAN("desired")) && !json_string_eq(key, SPAN("version"))) {
                return bad_member(c, json_string_in(key, &c->arena));
            }
        }
    }
    if (!shape_decode(SCHEMA_config_patch, root, &ctx, &in)) {
        device_bad_query(c, ctx.path[0] == '\0' ? "the body" : rest_printf(c, "%s", ctx.path),
                         ctx.why);
        return false;
    }
    if (!in.has_desired) {
        device_bad_query(c, "desired", "must be an object");
        return false;
    }
    *out = (struct config_change){.version = in.has_version ? in.version : -1,
                                  .patch = in.desired};
    return true;
}

void rest_config_patch(struct rest_call *c)
{
    struct config_change *in = ARENA_NEW(&c->arena, struct config_change);
    if (read_patch(c, in)) {
        device_if_match(c, device_config_get, &in->version, change, in);
    }
}
