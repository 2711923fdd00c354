/*
 * What a client of the Home wire says: its frame {type,data?,id?} as a call of dispatch, and this
 * wire's answers. Silent on success; a frame with an id gets one `result`, a refusal of one
 * without is `error`, and names the member.
 */
#include "edge/home/custom.h"
#include "edge/home/session.h"

#include "codec/json/read.h"
#include "codec/json/scan.h"

#include <stdio.h>

#define MESSAGE_MAX 200 /* of a refusal: a sentence, a member's name and why */

/* --- answers --- */

static void on_ok(const struct event_call *in, span members)
{
    home_result(in->peer, in->id, members);
}

/* Where a frame fails as a whole: as text, or as an object with a type. */
#define FRAME_TEXT NULL
#define FRAME_SHAPE ""

static const char *code_of(const struct event_call *in, err error)
{
    if (error == ERR_RATE_LIMIT_EXCEEDED) {
        return "rate_limited";
    }
    if (error == ERR_NOT_FOUND) {
        return "not_found";
    }
    if (error == ERR_PERMISSION_DENIED || error == ERR_SUBSCRIPTION_FAILED) {
        return "forbidden";
    }
    if (error != ERR_INVALID_MESSAGE_FORMAT) {
        return "server_error";
    }
    return in->bad != NULL && in->bad_member == FRAME_TEXT ? "invalid_json"
           : in->bad == NULL && in->row == NULL            ? "unknown_type"
                                                           : "invalid_message";
}

static const char *sentence_of(const char *code, err error)
{
    return strcmp(code, "invalid_json") == 0   ? "the frame is not a JSON document"
           : strcmp(code, "unknown_type") == 0 ? "there is no message of this type"
                                               : err_text(error);
}

static void on_refuse(const struct event_call *in, const struct event_refusal *r)
{
    char message[MESSAGE_MAX];
    const char *code = code_of(in, r->error);
    bool known = strcmp(code, "unknown_type") != 0;
    bool named = known && r->member != NULL && r->member[0] != '\0';
    bool said = known && r->why != NULL;
    (void)snprintf(message, sizeof message, "%s%s%s%s%s", sentence_of(code, r->error),
                   named || said ? ": " : "", named ? r->member : "", named && said ? " " : "",
                   said ? r->why : "");
    home_refuse(in->peer, in->id, &(struct home_refusal){.code = code, .message = message},
                r->error);
}

/* It never floods, while EVENT_FLOOD is more than HOME_REFUSALS_MAX. */
static const struct event_wire wire = {.stats = STATS_HOME,
                                       .name = "home",
                                       .name_member = "type",
                                       .ok = on_ok,
                                       .refuse = on_refuse,
                                       .flooding = raw_flooding,
                                       .again = raw_again,
                                       .unknown = custom_take};

/* --- reading a frame --- */

static void parse_members(struct event_call *in, span root)
{
    span id;
    if (json_type(root) != JSON_OBJECT) {
        raw_bad(in, FRAME_SHAPE, "a frame is an object");
        return;
    }
    if (json_get(root, "id", &id) && json_type(id) != JSON_NULL) {
        if (json_type(id) != JSON_STRING && json_type(id) != JSON_NUMBER) {
            raw_bad(in, "id", "must be a string or a number");
            return;
        }
        in->id = id;
    }
    if (raw_type(in, root) && json_get(root, "data", &in->data) &&
        json_type(in->data) == JSON_NULL) {
        in->data = SPAN_NONE;
    }
}

static void parse(struct event_call *in, span payload)
{
    struct shape_ctx ctx = {.arena = in->arena};
    size_t at;
    if (shape_json(payload, &ctx)) {
        parse_members(in, json_root(payload));
    } else if (json_check(payload, JSON_DEPTH_MAX, 0, &at) != 0) {
        raw_bad(in, FRAME_TEXT, ctx.why);
    } else { /* JSON, but what no payload may be: too deep, __proto__ */
        raw_bad(in, FRAME_SHAPE, ctx.why);
    }
}

void home_message(struct conn *c, enum ws_opcode op, span payload)
{
    struct home_client *m = ws_user(c);
    struct event_call in = {.wire = &wire,
                            .peer = m,
                            .kind = PEER_HOME,
                            .grant = m->session.grant,
                            .bucket = &m->bucket};
    (void)op;
    m->heard_s = (uint32_t)(loop_wall_ms(edge_of(c)->loop) / 1000);
    raw_message(c, payload, &in, parse); /* which may close it and free m */
}

/* --- what has no file of its own --- */

void event_home_ping(struct event_call *in, const struct shape_none *p)
{
    (void)p;
    raw_pong(&home_raw, ((struct home_client *)in->peer)->conn);
    event_ok(in, SPAN_NONE);
}
