/* What a handler reads of its request: body, query parameters, times. */
#include "edge/rest/internal.h"

#include "base/timefmt.h"
#include "codec/http1/target.h"
#include "codec/json/scan.h"

/* application/json or any +json type; parameters do not matter (RFC 8259 11, RFC 6839 3.1). */
static bool type_is_json(span value)
{
    span type = span_trim(span_cut(&value, ';'));
    if (span_ieq(type, SPAN("application/json"))) {
        return true;
    }
    return type.len > 17 && span_ieq(span_slice(type, 0, 12), SPAN("application/")) &&
           span_ieq(span_slice(type, type.len - 5, 5), SPAN("+json"));
}

err body_read(struct rest_call *c, const char **detail)
{
    const struct http_exchange *x = c->x;
    size_t at = 0;
    if (c->route->body == BODY_EMPTY || c->route->body == BODY_STREAM ||
        (c->route->body == BODY_JSON_OR_EMPTY && x->body.len == 0)) {
        return ERR_NONE;
    }
    if (x->req->content_length < 0 && !x->req->chunked) {
        return ERR_LENGTH_REQUIRED;
    }
    span coding = http1_field(x->req, "Content-Encoding");
    if (coding.ptr != NULL && !span_ieq(coding, SPAN("identity"))) {
        *detail = "the body may not be compressed";
        return ERR_UNSUPPORTED_MEDIA_TYPE;
    }
    if (!type_is_json(http1_field(x->req, "Content-Type"))) {
        return ERR_UNSUPPORTED_MEDIA_TYPE;
    }
    int rc = json_check(x->body, REST_JSON_DEPTH_MAX, JSON_REFUSE_PROTO, &at);
    if (rc < 0) {
        *detail = rest_printf(c, "the body is not valid JSON: %s at byte %zu", json_error_name(rc),
                              at);
        c->said = home_path(x->path) ? HOME_BAD_BODY : NULL;
        return ERR_INVALID_REQUEST;
    }
    c->json = json_root(x->body);
    return ERR_NONE;
}

span rest_query(struct rest_call *c, const char *key)
{
    buf value = {0};
    if (!http1_query_get(c->query, span_str(key), &value)) {
        return SPAN_NONE;
    }
    span text = arena_dup(&c->arena, buf_span(&value));
    buf_deinit(&value);
    return text;
}

unsigned rest_query_limit(struct rest_call *c)
{
    uint64_t limit;
    span text = rest_query(c, "limit");
    if (text.ptr == NULL) {
        return REST_PAGE_DEFAULT;
    }
    if (!span_u64(text, UINT32_MAX, &limit)) {
        return 0;
    }
    return limit > REST_PAGE_MAX ? REST_PAGE_MAX : (unsigned)limit;
}

bool rest_query_time(struct rest_call *c, const char *key, int64_t fallback, int64_t *out)
{
    uint64_t ms;
    span text = rest_query(c, key);
    *out = fallback;
    if (text.ptr == NULL) {
        return true;
    }
    if (span_u64(text, REST_TIME_MS_MAX, &ms)) {
        *out = (int64_t)ms;
        return true;
    }
    return time_parse(text, out);
}

span rest_text(struct rest_call *c, const char *member)
{
    span value;
    if (!json_get(c->json, member, &value)) {
        return SPAN_NONE;
    }
    return json_string_in(value, &c->arena);
}
