/* The routes as OpenAPI 3.1. */
#include "edge/spec/params.h"
#include "edge/spec/spec.h"

#include "tables/errors.h"
#include "tables/replies.h"

#include <string.h>

/* --- answers --- */

static void put_constant(struct json_writer *w, const char *name, bool value)
{
    json_member_open(w, name, '{');
    json_member_bool(w, "const", value);
    json_close(w, '}');
}

/* {success:true,data,next_cursor?,timestamp} (CONTRACT 7). */
static void put_envelope(struct json_writer *w, const struct reply_row *reply)
{
    json_open(w, '{');
    json_member_string(w, "type", SPAN("object"));
    json_member_open(w, "properties", '{');
    put_constant(w, "success", true);
    json_key(w, "data");
    if (reply->form == REPLY_LIST) {
        json_open(w, '{');
        json_member_string(w, "type", SPAN("array"));
        json_key(w, "items");
        spec_ref(w, answer_row(reply->answer));
        json_close(w, '}');
        json_member_open(w, "next_cursor", '{');
        json_member_string(w, "type", SPAN("string"));
        json_close(w, '}');
    } else {
        spec_ref(w, answer_row(reply->answer));
    }
    json_member_open(w, "timestamp", '{');
    json_member_string(w, "type", SPAN("string"));
    json_member_string(w, "format", SPAN("date-time"));
    json_close(w, '}');
    json_close(w, '}');
    json_member_open(w, "required", '[');
    json_write_string(w, SPAN("success"));
    json_write_string(w, SPAN("data"));
    json_write_string(w, SPAN("timestamp"));
    json_close(w, ']');
    json_close(w, '}');
}

static const char *content_type(enum reply_form form)
{
    switch (form) {
    case REPLY_DATA:
    case REPLY_LIST:
    case REPLY_BARE:
        return "application/json";
    case REPLY_STREAM:
        return "text/event-stream";
    case REPLY_TEXT:
        return "*/*";
    case REPLY_UNTOLD:
    case REPLY_NOTHING:
        break;
    }
    return NULL;
}

static void put_content(struct json_writer *w, const struct reply_row *reply)
{
    const char *type = content_type(reply->form);
    if (type == NULL) {
        return;
    }
    json_member_open(w, "content", '{');
    json_member_open(w, type, '{');
    json_key(w, "schema");
    if (reply->form == REPLY_DATA || reply->form == REPLY_LIST) {
        put_envelope(w, reply);
    } else {
        spec_ref(w, answer_row(reply->answer));
    }
    json_close(w, '}');
    json_close(w, '}');
}

static void put_refusal(struct json_writer *w, const char *status)
{
    buf path = {0};
    buf_printf(&path, "#/components/responses/%s", status);
    json_member_open(w, status, '{');
    json_member_string(w, "$ref", buf_span(&path));
    json_close(w, '}');
    buf_deinit(&path);
}

static const struct {
    const char *status;
    const char *text;
} refusals[] = {
    {"400", "the request is not well formed; `errors` names the members"},
    {"401", "sign in first, or the credential is worth nothing"},
    {"403", "this identity may not do that"},
    {"404", "there is nothing at this address that one may see"},
    {"409", "it conflicts with what is stored"},
    {"412", "the stored version is another one"},
    {"413", "the body is larger than the limit"},
    {"415", "the body must be application/json"},
    {"426", "this address speaks WebSocket version 13"},
    {"429", "too many; Retry-After says when to come back"},
    {"503", "the server cannot do this right now"},
};

static void put_success(struct json_writer *w, const struct route_row *route,
                        const struct reply_row *reply, unsigned status)
{
    char text[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10), '\0'};
    json_member_open(w, text, '{');
    json_member_string(w, "description", span_str(route->text));
    put_content(w, reply);
    json_close(w, '}');
}

static void put_responses(struct json_writer *w, const struct route_row *route,
                          const struct reply_row *reply, unsigned further, bool has_params)
{
    bool open = route->access.kind == ACCESS_PUBLIC;
    json_member_open(w, "responses", '{');
    put_success(w, route, reply, reply->status);
    if (further != 0) {
        put_success(w, route, reply, further);
    }
    if (!open) {
        put_refusal(w, "401");
        put_refusal(w, "403");
    }
    if (has_params) {
        put_refusal(w, "404");
    }
    if (route->body != BODY_EMPTY) {
        put_refusal(w, "400");
        put_refusal(w, "413");
        put_refusal(w, "415");
    }
    if (route->method == ROUTE_PATCH) {
        put_refusal(w, "412");
    }
    if (route->method == ROUTE_WS) {
        put_refusal(w, "426");
    }
    if (route->limit == LIMIT_REST) {
        put_refusal(w, "429");
    }
    json_member_open(w, "default", '{');
    json_member_string(w, "$ref", SPAN("#/components/responses/other"));
    json_close(w, '}');
    json_close(w, '}');
}

/* --- operations --- */

static void put_security(struct json_writer *w, struct route_access access)
{
    static const char *const schemes[] = {"bearer", "cookie", "query"};
    json_member_open(w, "security", '[');
    for (unsigned i = 0; access.kind != ACCESS_PUBLIC && i < 3; i++) {
        json_open(w, '{');
        json_member_open(w, schemes[i], '[');
        json_close(w, ']');
        json_close(w, '}');
    }
    if (access.kind == ACCESS_OPERATIONS) { /* this machine */
        json_open(w, '{');
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_permission(struct json_writer *w, struct route_access access)
{
    static const char *const scopes[] = {[ACCESS_MAY] = "global",
                                         [ACCESS_SOME] = "any",
                                         [ACCESS_DEVICE] = "device",
                                         [ACCESS_GROUP] = "group",
                                         [ACCESS_OPERATIONS] = "global, or this machine"};
    if (access.kind != ACCESS_PUBLIC && access.kind != ACCESS_SIGNED_IN) {
        json_member_string(w, "x-permission", span_str(permission_name(access.permission)));
        json_member_string(w, "x-scope", span_str(scopes[access.kind]));
    }
}

static void put_one_or_many(struct json_writer *w, const struct schema_row *shape)
{
    json_open(w, '{');
    json_member_open(w, "anyOf", '[');
    spec_ref(w, shape);
    json_open(w, '{');
    json_member_string(w, "type", SPAN("array"));
    json_key(w, "items");
    spec_ref(w, shape);
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
}

static void put_body(struct json_writer *w, const struct route_row *route,
                     const struct reply_row *reply)
{
    const struct schema_row *shape =
        reply->body != SCHEMA_none ? schema_row(reply->body) : answer_row(reply->body_shown);
    if (route->body == BODY_EMPTY) {
        return;
    }
    json_member_open(w, "requestBody", '{');
    json_member_bool(w, "required", route->body != BODY_JSON_OR_EMPTY);
    json_member_open(w, "content", '{');
    if (route->body == BODY_STREAM) {
        json_member_open(w, "application/octet-stream", '{');
        json_close(w, '}');
        json_close(w, '}');
        json_close(w, '}');
        return;
    }
    json_member_open(w, "application/json", '{');
    json_key(w, "schema");
    if (reply->body_many) {
        put_one_or_many(w, shape);
    } else {
        spec_ref(w, shape);
    }
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, '}');
}

/* Its first segment below /api/v1, for grouping. */
static span tag_of(const char *pattern)
{
    span rest = span_slice(span_str(pattern), 1, strlen(pattern));
    span segment = span_cut(&rest, '/');
    if (span_eq(segment, SPAN("api"))) {
        (void)span_cut(&rest, '/'); /* v1, or a document */
        segment = rest.len > 0 ? span_cut(&rest, '/') : SPAN("documents");
    }
    return segment.len > 0 ? segment : SPAN("console");
}

static void put_operation(struct json_writer *w, enum route r, const struct spec_path *path)
{
    static const char *const methods[] = {
        [ROUTE_GET] = "get",     [ROUTE_POST] = "post",     [ROUTE_PUT] = "put",
        [ROUTE_PATCH] = "patch", [ROUTE_DELETE] = "delete", [ROUTE_WS] = "get"};
    const struct route_row *route = route_row(r);
    const struct reply_row *reply = reply_row(r);
    json_member_open(w, methods[route->method], '{');
    json_member_string(w, "operationId", span_str(route->name));
    json_member_string(w, "summary", span_str(route->text));
    json_member_open(w, "tags", '[');
    json_write_string(w, tag_of(route->pattern));
    json_close(w, ']');
    put_security(w, route->access);
    put_permission(w, route->access);
    json_member_bool(w, "x-limited", route->limit == LIMIT_REST);
    if (route->method == ROUTE_WS) {
        json_member_bool(w, "x-websocket", true);
    }
    json_member_open(w, "parameters", '[');
    spec_params(w, r, path);
    json_close(w, ']');
    put_body(w, route, reply);
    put_responses(w, route, reply, reply_further_status(r), path->count > 0);
    json_close(w, '}');
}

static bool same_path(enum route a, enum route b)
{
    return strcmp(route_row(a)->pattern, route_row(b)->pattern) == 0;
}

static bool seen_before(enum route r)
{
    for (unsigned i = 0; i < r; i++) {
        if (same_path((enum route)i, r)) {
            return true;
        }
    }
    return false;
}

static void put_paths(struct json_writer *w)
{
    json_member_open(w, "paths", '{');
    for (unsigned first = 0; first < ROUTE_COUNT; first++) {
        struct spec_path path;
        if (seen_before((enum route)first)) {
            continue;
        }
        spec_path_of(route_row((enum route)first)->pattern, &path);
        json_key_span(w, buf_span(&path.text));
        json_open(w, '{');
        for (unsigned r = first; r < ROUTE_COUNT; r++) {
            if (same_path((enum route)first, (enum route)r)) {
                put_operation(w, (enum route)r, &path);
            }
        }
        json_close(w, '}');
        buf_deinit(&path.text);
    }
    json_close(w, '}');
}

/* --- components --- */

static void put_problem(struct json_writer *w, const char *name, const char *text)
{
    json_member_open(w, name, '{');
    json_member_string(w, "description", span_str(text));
    json_member_open(w, "content", '{');
    json_member_open(w, "application/problem+json", '{');
    json_key(w, "schema");
    spec_ref(w, answer_row(ANSWER_problem));
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, '}');
}

static void put_scheme(struct json_writer *w, const char *name, const char *const *pairs)
{
    json_member_open(w, name, '{');
    for (; pairs[0] != NULL; pairs += 2) {
        json_member_string(w, pairs[0], span_str(pairs[1]));
    }
    json_close(w, '}');
}

static void put_schemes(struct json_writer *w)
{
    json_member_open(w, "securitySchemes", '{');
    put_scheme(w, "bearer",
               (const char *const[]){"type", "http", "scheme", "bearer", "description",
                                     "a JWT, or a key of a device or for provisioning", NULL});
    put_scheme(w, "cookie",
               (const char *const[]){"type", "apiKey", "in", "cookie", "name", "sb_session",
                                     "description", "the console's session", NULL});
    put_scheme(w, "query",
               (const char *const[]){"type", "apiKey", "in", "query", "name", "token",
                                     "description", "for clients that can set no field", NULL});
    json_close(w, '}');
}

/* What `code` of a problem may be: several rows share one. */
static void put_codes(struct json_writer *w)
{
    json_member_open(w, "error_code", '{');
    json_member_string(w, "type", SPAN("string"));
    json_member_open(w, "enum", '[');
    for (unsigned e = ERR_NONE + 1; e < ERR_COUNT; e++) {
        bool known = false;
        for (unsigned i = ERR_NONE + 1; i < e; i++) {
            known = known || strcmp(err_code((err)i), err_code((err)e)) == 0;
        }
        if (!known) {
            json_write_string(w, span_str(err_code((err)e)));
        }
    }
    json_close(w, ']');
    json_close(w, '}');
}

static void put_components(struct json_writer *w)
{
    json_member_open(w, "components", '{');
    put_schemes(w);
    json_member_open(w, "responses", '{');
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        put_problem(w, refusals[i].status, refusals[i].text);
    }
    put_problem(w, "other", "any other refusal");
    json_close(w, '}');
    json_member_open(w, "schemas", '{');
    put_codes(w);
    spec_schemas(w);
    json_close(w, '}');
    json_close(w, '}');
}

void spec_openapi(buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "openapi", SPAN("3.1.0"));
    json_member_open(&w, "info", '{');
    json_member_string(&w, "title", SPAN("Signalbox"));
    json_member_string(&w, "version", SPAN(SIGNALBOX_VERSION));
    json_member_string(&w, "description",
                       SPAN("The HTTP routes. What the wires say is at /api/asyncapi.json."));
    json_member_open(&w, "license", '{');
    json_member_string(&w, "name", SPAN("Apache-2.0"));
    json_member_string(&w, "identifier", SPAN("Apache-2.0"));
    json_close(&w, '}');
    json_close(&w, '}');
    json_member_open(&w, "servers", '[');
    json_open(&w, '{');
    json_member_string(&w, "url", SPAN("/"));
    json_close(&w, '}');
    json_close(&w, ']');
    put_paths(&w);
    put_components(&w);
    json_close(&w, '}');
}
