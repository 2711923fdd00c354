/*
 * The events of the wires as AsyncAPI 3.0: a channel a wire, a message an event and direction,
 * each with the whole frame where a wire has frames. Operations are the server's: it receives what
 * peers say and sends what it says.
 */
#include "edge/spec/spec.h"

#include "tables/events.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_ID_MAX 128

/* A wire as peers share one (peers.def). */
struct wire {
    const char *id;      /* of its channel */
    const char *name;    /* peer_row.wire */
    const char *address;
    const char *text;
    const char *answer;  /* messages are {type,data,...}, and of this type is what answers one with
                            an id; NULL: data stands alone */
    bool stamped;        /* what the server says has a timestamp beside these */
};

static const struct wire wires[] = {
    {"socketio", "Socket.IO", "/socket.io/",
     "Socket.IO protocol 5, namespace /. An event has one argument, the payload. With an ack id it "
     "is answered {ok:true,...} or {ok:false,error}; without one a refusal is the event `error`. "
     "Names that begin `chat:` have the payload in an envelope {event,data,requestId?,version}; "
     "their acks repeat the requestId, and their refusals are the event `chat:error`.",
     NULL, false},
    {"monitor", "Monitor", "/api/v1/devices/{deviceUuid}/ws",
     "WebSocket, one JSON document a text frame: {type,data}. A frame with a top-level `id` of a "
     "device is answered by `ack`.",
     "ack", false},
    {"home", "Home", "/ws",
     "WebSocket, one JSON document a text frame: {type,data}, what the server says with an outer "
     "`timestamp` in whole seconds. A frame with a top-level `id` is answered by one `result`.",
     "result", true},
    {"stream", "SSE", "/api/v1/events",
     "Server-sent events: `event` is the name, `data` the payload, `id` the position.", NULL,
     false},
};

/* One row, of whichever table. */
struct message {
    const char *name;
    const char *text;
    const struct schema_row *payload;
    uint32_t peers;
    bool in;
    bool ordered;
    const struct event_in_row *row_in;
    const struct event_out_row *row_out;
};

/* The payload, or where many may come: it or an array of it. */
static void put_payload(struct json_writer *w, const struct message *m)
{
    if (!m->in || m->row_in->most == 0) {
        spec_ref(w, m->payload);
        return;
    }
    json_open(w, '{');
    json_member_open(w, "anyOf", '[');
    spec_ref(w, m->payload);
    json_open(w, '{');
    json_member_string(w, "type", SPAN("array"));
    json_key(w, "items");
    spec_ref(w, m->payload);
    json_member_i64(w, "minItems", 1);
    json_member_u64(w, "maxItems", m->row_in->most);
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
}

static bool on_wire(const struct wire *wire, uint32_t peers)
{
    for (unsigned p = 0; p < PEER_COUNT; p++) {
        if ((peers & 1u << p) != 0 && strcmp(peer_row((enum event_peer)p)->wire, wire->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether another row of what peers say has that name, for other peers of the wire. */
static bool has_namesake(const struct wire *wire, const struct message *m)
{
    for (unsigned i = 0; m->in && i < IN_COUNT; i++) {
        const struct event_in_row *row = event_in_row((enum event_in)i);
        if (row != m->row_in && strcmp(row->name, m->name) == 0 && on_wire(wire, row->from)) {
            return true;
        }
    }
    return false;
}

static unsigned first_peer(uint32_t peers)
{
    unsigned p = 0;
    while ((peers & 1u << p) == 0) {
        p++;
    }
    return p;
}

/* "socketio_in_device_subscribe", with its first peer behind it where that is not enough. */
static void name_message(const struct wire *wire, const struct message *m, char *out, size_t cap)
{
    int len = snprintf(out, cap, "%s_%s_%s%s%s", wire->id, m->in ? "in" : "out", m->name,
                       has_namesake(wire, m) ? "_" : "",
                       has_namesake(wire, m) ? peer_row(first_peer(m->peers))->name : "");
    ASSERT(len > 0 && (size_t)len < cap);
    for (char *c = out; *c != '\0'; c++) {
        if (*c == ':' || *c == '-') {
            *c = '_';
        }
    }
}

static bool row_is_spoken(unsigned event)
{
    return event_spoken((enum event)event) == (enum event)event;
}

/* Every message of a wire in turn. */
static void each(const struct wire *wire, struct json_writer *w,
                 void (*put)(struct json_writer *w, const struct wire *wire, const char *id,
                             const struct message *m))
{
    for (unsigned i = 0; i < IN_COUNT + OUT_COUNT + EVENT_COUNT; i++) {
        struct message m = {0};
        char id[MESSAGE_ID_MAX];
        if (i < IN_COUNT) {
            const struct event_in_row *row = event_in_row((enum event_in)i);
            m = (struct message){.name = row->name, .text = row->text,
                                 .payload = schema_row(row->schema), .peers = row->from,
                                 .in = true, .row_in = row};
        } else {
            bool ordered = i >= IN_COUNT + OUT_COUNT;
            const struct event_out_row *row =
                ordered ? event_row((enum event)(i - IN_COUNT - OUT_COUNT))
                        : event_out_row((enum event_out)(i - IN_COUNT));
            m = (struct message){.name = row->name, .text = row->text,
                                 .payload = answer_row(row->answer), .peers = row->to,
                                 .ordered = ordered, .row_out = row};
        }
        bool twice = !m.in && !m.ordered &&
                     event_by_name(m.name, strlen(m.name)) != EVENT_COUNT; /* told as logged, too */
        bool spoken = m.ordered ? row_is_spoken(i - IN_COUNT - OUT_COUNT) : !twice;
        if (spoken && on_wire(wire, m.peers)) {
            name_message(wire, &m, id, sizeof id);
            put(w, wire, id, &m);
        }
    }
}

static void put_string(struct json_writer *w, const char *name)
{
    json_member_open(w, name, '{');
    json_member_string(w, "type", SPAN("string"));
    json_close(w, '}');
}

/* What an ordered event has besides its payload. */
static void put_position(struct json_writer *w, const char *id)
{
    put_string(w, "pos");
    put_string(w, id);
}

/* Whether the device acknowledges it. */
static bool is_delivered(const struct message *m)
{
    return m->row_out == event_out_row(OUT_DEVICE_COMMAND) ||
           m->row_out == event_out_row(OUT_DEVICE_CONFIG_UPDATE);
}

static void put_frame(struct json_writer *w, const struct wire *wire, const struct message *m)
{
    bool stamped = wire->stamped && !m->in;
    bool channels = m->in && m->row_in->schema == SCHEMA_channels;
    json_open(w, '{');
    json_member_string(w, "type", SPAN("object"));
    json_member_open(w, "properties", '{');
    json_member_open(w, "type", '{');
    json_member_string(w, "const", span_str(m->name));
    json_close(w, '}');
    json_key(w, "data");
    put_payload(w, m);
    if (channels) { /* they stand beside `type` */
        json_key(w, m->payload->members[0].name);
        spec_member(w, &m->payload->members[0], SPEC_TAKEN);
    }
    if (m->in) {
        json_member_open(w, "id", '{');
        json_member_open(w, "type", '[');
        json_write_string(w, SPAN("number"));
        json_write_string(w, SPAN("string"));
        json_close(w, ']');
        json_close(w, '}');
    } else if (m->ordered) {
        put_position(w, "id");
    } else if (is_delivered(m)) {
        json_member_open(w, "id", '{');
        json_member_string(w, "type", SPAN("integer"));
        json_close(w, '}');
    }
    if (stamped) {
        put_string(w, "timestamp");
    }
    json_close(w, '}');
    json_member_open(w, "required", '[');
    json_write_string(w, SPAN("type"));
    if (!m->in) {
        json_write_string(w, SPAN("data"));
    }
    if (stamped) {
        json_write_string(w, SPAN("timestamp"));
    }
    json_close(w, ']');
    json_close(w, '}');
}

/* The payload with the members that its position adds (CONTRACT 8). */
static void put_ordered(struct json_writer *w, const struct message *m)
{
    json_open(w, '{');
    json_member_open(w, "allOf", '[');
    spec_ref(w, m->payload);
    json_open(w, '{');
    json_member_string(w, "type", SPAN("object"));
    json_member_open(w, "properties", '{');
    put_position(w, "eventId");
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, ']');
    json_close(w, '}');
}

static bool is_chat(const struct message *m) { return strncmp(m->name, "chat:", 5) == 0; }

static void put_const(struct json_writer *w, const char *name, const char *value)
{
    json_member_open(w, name, '{');
    json_member_string(w, "const", span_str(value));
    json_close(w, '}');
}

/* {event,data,requestId?,version}; what peers say may be the data alone (CONTRACT 5). */
static void put_envelope(struct json_writer *w, const struct message *m)
{
    static const char *const required[] = {"event", "data", "version"};
    if (m->in) {
        json_open(w, '{');
        json_member_open(w, "anyOf", '[');
    }
    json_open(w, '{');
    json_member_string(w, "type", SPAN("object"));
    json_member_open(w, "properties", '{');
    put_const(w, "event", m->name);
    json_key(w, "data");
    if (m->ordered && m->payload != NULL) {
        put_ordered(w, m);
    } else {
        put_payload(w, m);
    }
    put_string(w, "requestId");
    put_const(w, "version", "1.0");
    json_close(w, '}');
    json_member_open(w, "required", '[');
    for (size_t i = 0; i < ARRAY_LEN(required); i++) {
        json_write_string(w, span_str(required[i]));
    }
    json_close(w, ']');
    json_close(w, '}');
    if (m->in) {
        put_payload(w, m);
        json_close(w, ']');
        json_close(w, '}');
    }
}

static void put_peers(struct json_writer *w, const struct wire *wire, uint32_t peers)
{
    json_member_open(w, "x-peers", '[');
    for (unsigned p = 0; p < PEER_COUNT; p++) {
        if ((peers & 1u << p) != 0 && on_wire(wire, 1u << p)) {
            json_write_string(w, span_str(peer_row((enum event_peer)p)->text));
        }
    }
    json_close(w, ']');
}

static void put_rules(struct json_writer *w, const struct message *m)
{
    static const char *const scopes[] = {[EVENT_SCOPE_ALL] = "global",
                                         [EVENT_SCOPE_OWN] = "its device",
                                         [EVENT_SCOPE_SOME] = "any",
                                         [EVENT_SCOPE_deviceId] = "deviceId, or any"};
    if (!m->in) {
        json_member_string(w, "x-class", span_str(event_class_name(m->row_out->class)));
        return;
    }
    if (m->row_in->permission != PERM_ANYBODY) {
        json_member_string(w, "x-permission", span_str(permission_name(m->row_in->permission)));
        json_member_string(w, "x-scope", span_str(scopes[m->row_in->scope]));
    }
    json_member_bool(w, "x-limited", m->row_in->limit != EVENT_LIMIT_FREE);
    json_member_u64(w, "x-bytes-max", m->row_in->bytes_max);
}

static bool is_acked(const struct message *m)
{
    return m->in && m->row_in->acked != ANSWER_none;
}

/* The ack of an event, where it is no event itself: {ok:true,...} or {ok:false,error}. */
static void put_ack(struct json_writer *w, const char *id, const struct message *m)
{
    buf name = {0};
    buf_printf(&name, "%s_ack", id);
    json_key_span(w, buf_span(&name));
    buf_deinit(&name);
    json_open(w, '{');
    json_member_string(w, "name", SPAN("ack"));
    json_member_string(w, "title", span_str(m->name));
    json_member_string(w, "summary", SPAN("the acknowledgement's one argument"));
    json_member_open(w, "payload", '{');
    json_member_open(w, "anyOf", '[');
    spec_ref(w, answer_row(m->row_in->acked));
    spec_ref(w, answer_row(is_chat(m) ? ANSWER_chat_refused : ANSWER_refused));
    json_close(w, ']');
    json_close(w, '}');
    json_close(w, '}');
}

static void put_message(struct json_writer *w, const struct wire *wire, const char *id,
                        const struct message *m)
{
    json_member_open(w, id, '{');
    json_member_string(w, "name", span_str(m->name));
    json_member_string(w, "title", span_str(m->name));
    json_member_string(w, "summary", span_str(m->text));
    put_peers(w, wire, m->peers);
    put_rules(w, m);
    json_key(w, "payload");
    if (wire->answer != NULL) {
        put_frame(w, wire, m);
    } else if (is_chat(m) && strcmp(wire->id, "socketio") == 0) {
        put_envelope(w, m);
    } else if (m->ordered && m->payload != NULL) {
        put_ordered(w, m);
    } else {
        put_payload(w, m);
    }
    json_close(w, '}');
    if (is_acked(m) && wire->answer == NULL) {
        put_ack(w, id, m);
    }
}

static void put_reference(struct json_writer *w, const char *format, const char *a, const char *b)
{
    buf path = {0};
    buf_append_str(&path, format);
    buf_append_str(&path, a);
    if (b != NULL) {
        buf_append_str(&path, "/messages/");
        buf_append_str(&path, b);
    }
    json_open(w, '{');
    json_member_string(w, "$ref", buf_span(&path));
    json_close(w, '}');
    buf_deinit(&path);
}

static void put_channel_message(struct json_writer *w, const struct wire *wire, const char *id,
                                const struct message *m)
{
    char ack[MESSAGE_ID_MAX];
    json_key(w, id);
    put_reference(w, "#/components/messages/", id, NULL);
    if (is_acked(m) && wire->answer == NULL) {
        (void)snprintf(ack, sizeof ack, "%s_ack", id);
        json_key(w, ack);
        put_reference(w, "#/components/messages/", ack, NULL);
    }
}

static void put_reply(struct json_writer *w, const struct wire *wire, const char *id)
{
    char ack[MESSAGE_ID_MAX];
    if (wire->answer != NULL) {
        (void)snprintf(ack, sizeof ack, "%s_out_%s", wire->id, wire->answer);
    } else {
        (void)snprintf(ack, sizeof ack, "%s_ack", id);
    }
    json_member_open(w, "reply", '{');
    json_key(w, "channel");
    put_reference(w, "#/channels/", wire->id, NULL);
    json_member_open(w, "messages", '[');
    put_reference(w, "#/channels/", wire->id, ack);
    json_close(w, ']');
    json_close(w, '}');
}

static void put_operation(struct json_writer *w, const struct wire *wire, const char *id,
                          const struct message *m)
{
    json_member_open(w, id, '{');
    json_member_string(w, "action", m->in ? SPAN("receive") : SPAN("send"));
    json_member_string(w, "summary", span_str(m->text));
    json_key(w, "channel");
    put_reference(w, "#/channels/", wire->id, NULL);
    json_member_open(w, "messages", '[');
    put_reference(w, "#/channels/", wire->id, id);
    json_close(w, ']');
    if (is_acked(m)) {
        put_reply(w, wire, id);
    }
    json_close(w, '}');
}

static void put_channels(struct json_writer *w)
{
    json_member_open(w, "channels", '{');
    for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
        json_member_open(w, wires[i].id, '{');
        json_member_string(w, "address", span_str(wires[i].address));
        json_member_string(w, "title", span_str(wires[i].name));
        json_member_string(w, "description", span_str(wires[i].text));
        if (strchr(wires[i].address, '{') != NULL) {
            json_member_open(w, "parameters", '{');
            json_member_open(w, "deviceUuid", '{');
            json_member_string(w, "description", SPAN("the device; a device itself says `self`"));
            json_close(w, '}');
            json_close(w, '}');
        }
        json_member_open(w, "messages", '{');
        each(&wires[i], w, put_channel_message);
        json_close(w, '}');
        json_close(w, '}');
    }
    json_close(w, '}');
}

static void put_all(struct json_writer *w, const char *name,
                    void (*put)(struct json_writer *w, const struct wire *wire, const char *id,
                                const struct message *m))
{
    json_member_open(w, name, '{');
    for (size_t i = 0; i < ARRAY_LEN(wires); i++) {
        each(&wires[i], w, put);
    }
    json_close(w, '}');
}

void spec_asyncapi(buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "asyncapi", SPAN("3.0.0"));
    json_member_open(&w, "info", '{');
    json_member_string(&w, "title", SPAN("Signalbox"));
    json_member_string(&w, "version", SPAN(SIGNALBOX_VERSION));
    json_member_string(&w, "description",
                       SPAN("What is said on the wires. HTTP routes are at /api/openapi.json."));
    json_member_open(&w, "license", '{');
    json_member_string(&w, "name", SPAN("Apache-2.0"));
    json_close(&w, '}');
    json_close(&w, '}');
    json_member_string(&w, "defaultContentType", SPAN("application/json"));
    put_channels(&w);
    put_all(&w, "operations", put_operation);
    json_member_open(&w, "components", '{');
    put_all(&w, "messages", put_message);
    json_member_open(&w, "schemas", '{');
    spec_schemas(&w);
    json_close(&w, '}');
    json_close(&w, '}');
    json_close(&w, '}');
}
