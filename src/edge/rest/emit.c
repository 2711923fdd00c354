/* POST /api/v1/emit: events from any back end to sockets (CONTRACT 7). */
#include "base/utf8.h"
#include "edge/monitor/viewers.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/rest/idempotency.h"
#include "edge/socketio/emit.h"
#include "edge/socketio/names.h"

/* Events of one request: one transaction, some 10 ms of the writer at most. */
#define BATCH_MAX 100

/* One event of the request; in the call's arena, as what it points to. */
struct item {
    struct emit emit;
    bool viewers; /* to those of `device`, as a frame; else emit */
    uuid device;
    span frame;
};

struct batch {
    struct rest_call *call;
    struct item *items;
    unsigned count;
    unsigned logged; /* of them */
};

/* Where a fault is: which event of a batch. */
struct place {
    struct rest_call *call;
    bool batch;
    unsigned index;
};

static bool refuse(const struct place *at, const char *member, const char *why)
{
    struct rest_call *c = at->call;
    const char *path = at->batch
                           ? rest_printf(c, "[%u]%s%s", at->index, member[0] ? "." : "", member)
                           : member;
    struct rest_fault fault = {.member = path, .detail = why};
    rest_invalid(c, rest_printf(c, "%s %s", path[0] == '\0' ? "the body" : path, why), &fault, 1);
    return false;
}

/* --- whom --- */

struct rooms {
    span list[EMIT_ROOMS_MAX];
    unsigned count;
};

static bool add_room(const struct place *at, span nsp, const char *member, span room,
                     struct rooms *out)
{
    if (!emit_room_ok(nsp, room)) {
        return refuse(at, member, "is no room's name");
    }
    if (out->count == EMIT_ROOMS_MAX) {
        return refuse(at, member, "is one room too many");
    }
    out->list[out->count++] = room;
    return true;
}

static bool add_rooms(const struct place *at, span nsp, const char *member, span texts,
                      struct rooms *out)
{
    struct json_iter it;
    span value;
    (void)json_array_begin(&it, texts);
    while (json_array_next(&it, &value)) {
        if (!add_room(at, nsp, member, json_string_in(value, &at->call->arena), out)) {
            return false;
        }
    }
    return true;
}

static const span *keep_rooms(const struct place *at, const struct rooms *r)
{
    span *list = ARENA_ARRAY(&at->call->arena, span, r->count + 1);
    memcpy(list, r->list, r->count * sizeof *list);
    return list;
}

static bool read_rooms(const struct place *at, const struct shape_emit *in, struct emit *m)
{
    struct rooms to = {0}, except = {0};
    if ((in->has_room && !add_room(at, m->nsp, "room", in->room, &to)) ||
        (in->has_topic && !add_room(at, m->nsp, "topic", in->topic, &to)) ||
        (in->has_rooms && !add_rooms(at, m->nsp, "rooms", in->rooms, &to)) ||
        (in->has_except && !add_rooms(at, m->nsp, "except", in->except, &except))) {
        return false;
    }
    m->rooms = keep_rooms(at, &to);
    m->room_count = to.count;
    m->except = keep_rooms(at, &except);
    m->except_count = except.count;
    return true;
}

static bool read_principals(const struct place *at, const struct shape_emit *in, struct emit *m)
{
    struct json_iter it;
    span value;
    uuid *list = ARENA_ARRAY(&at->call->arena, uuid, EMIT_ROOMS_MAX + 2);
    if (in->has_principal) {
        list[m->principal_count++] = in->principal;
    }
    if (in->has_device) {
        list[m->principal_count++] = in->device;
    }
    if (in->has_principals) {
        (void)json_array_begin(&it, in->principals);
        while (json_array_next(&it, &value)) {
            span text = json_string_in(value, &at->call->arena);
            if (!uuid_parse(text, &list[m->principal_count++])) {
                return refuse(at, "principals", "must be UUIDs");
            }
        }
    }
    if (m->principal_count > EMIT_ROOMS_MAX) {
        return refuse(at, "principals", "has too many elements");
    }
    m->principals = list;
    return true;
}

static bool read_targets(const struct place *at, const struct shape_emit *in, struct item *item)
{
    struct emit *m = &item->emit;
    bool devices = in->has_devices && in->devices;
    bool clients = in->has_clients && in->clients;
    if (!read_rooms(at, in, m) || !read_principals(at, in, m)) {
        return false;
    }
    bool named = m->room_count > 0 || m->principal_count > 0;
    item->viewers = in->has_viewers;
    item->device = in->viewers;
    if (in->has_viewers) {
        bool alone = !named && !devices && !clients && m->except_count == 0 && !in->has_namespace;
        return alone || refuse(at, "viewers", "stands alone");
    }
    if (!named && !devices && !clients) {
        return refuse(at, "",
                      "names nobody: rooms, principals, device, clients, devices or viewers");
    }
    m->kinds = devices == clients ? 0 : devices ? EMIT_DEVICES : EMIT_CLIENTS;
    return true;
}

/* --- what --- */

static bool one_line(span text)
{
    return utf8_storable(text) && span_find(text, '\n') < 0 && span_find(text, '\t') < 0;
}

static bool read_name(const struct place *at, const struct shape_emit *in, const struct item *item)
{
    if (!one_line(in->event) || in->event.len > SIO_EVENT_NAME_BYTES_MAX) {
        return refuse(at, "event", "is no event's name");
    }
    if (item->viewers) {
        return !viewers_name_is_product(in->event) ||
               refuse(at, "event", "is a name of the product's own");
    }
    if (sio_event_reserved(in->event)) {
        return refuse(at, "event", "is reserved");
    }
    bool ours = span_eq(item->emit.nsp, SPAN("/")) && sio_name_is_product(in->event);
    return !ours || refuse(at, "event", "is a name of the product's own");
}

/* The event's JSON array: its name, then the arguments. */
static span put_args(struct rest_call *c, const struct shape_emit *in)
{
    buf out = {0};
    struct json_iter it;
    span value;
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '[');
    json_write_string(&w, in->event);
    if (in->has_args && json_array_begin(&it, in->args)) {
        while (json_array_next(&it, &value)) {
            json_write_raw(&w, value);
        }
    } else if (in->has_data) {
        json_write_raw(&w, in->data);
    }
    json_close(&w, ']');
    span args = arena_dup(&c->arena, buf_span(&out));
    buf_deinit(&out);
    return args;
}

static bool read_what(const struct place *at, const struct shape_emit *in, struct item *item)
{
    struct rest_call *c = at->call;
    if (in->has_args && in->has_data) {
        return refuse(at, "data", "stands in place of args");
    }
    if (in->has_args && json_type(in->args) != JSON_ARRAY) {
        return refuse(at, "args", "must be an array");
    }
    if (!item->viewers) {
        item->emit.args = put_args(c, in);
        return true;
    }
    if (in->has_args) {
        return refuse(at, "args", "is not for viewers, who get data");
    }
    buf out = {0};
    viewers_frame(&out, in->event, in->has_data ? in->data : SPAN("{}"));
    item->frame = arena_dup(&c->arena, buf_span(&out));
    buf_deinit(&out);
    return true;
}

static bool read_volatile(const struct place *at, span object, struct item *item)
{
    span value;
    if (!json_get(object, "volatile", &value) || json_type(value) == JSON_NULL) {
        return true;
    }
    return json_bool(value, &item->emit.volatile_) ||
           refuse(at, "volatile", "must be true or false");
}

static bool read_item(const struct place *at, span object, struct item *item)
{
    struct rest_call *c = at->call;
    struct shape_ctx ctx = {.arena = &c->arena, .now_ms = loop_wall_ms(c->edge->loop)};
    struct shape_emit in;
    if (!shape_decode(SCHEMA_emit, object, &ctx, &in)) {
        return refuse(at, rest_printf(c, "%s", ctx.path), ctx.why);
    }
    item->emit.nsp = in.has_namespace ? in.namespace : SPAN("/");
    if (item->emit.nsp.ptr[0] != '/' || item->emit.nsp.len > SIO_NAMESPACE_BYTES_MAX ||
        !one_line(item->emit.nsp)) {
        return refuse(at, "namespace", "must begin with /");
    }
    return read_targets(at, &in, item) && read_name(at, &in, item) &&
           read_what(at, &in, item) && read_volatile(at, object, item);
}

static bool read_batch(struct rest_call *c, struct batch *b)
{
    struct json_iter it;
    span object;
    struct place at = {.call = c, .batch = json_type(c->json) == JSON_ARRAY};
    size_t count = at.batch ? json_count(c->json) : 1;
    if (count == 0 || count > BATCH_MAX) {
        rest_invalid(c, "a batch has 1 to 100 events", NULL, 0);
        return false;
    }
    b->items = ARENA_ARRAY(&c->arena, struct item, count);
    if (!at.batch) {
        b->count = 1;
        return read_item(&at, c->json, b->items);
    }
    (void)json_array_begin(&it, c->json);
    for (; b->count < count && json_array_next(&it, &object); b->count++) {
        at.index = b->count;
        if (!read_item(&at, object, &b->items[b->count])) {
            return false;
        }
    }
    return true;
}

/* --- doing it --- */

static bool is_logged(const struct item *item) { return !item->viewers && !item->emit.volatile_; }

/* Those that are not logged, when those that are have been. */
static void publish_rest(struct edge *e, const struct batch *b)
{
    for (unsigned i = 0; i < b->count; i++) {
        const struct item *item = &b->items[i];
        enum blob_class cls = item->emit.volatile_ ? BLOB_EPHEMERAL : BLOB_ORDERED;
        if (item->viewers) {
            viewers_publish(e, item->device, item->frame, cls);
        } else if (item->emit.volatile_) {
            emit_now(e, &item->emit, cls);
        }
    }
}

static span response_of(struct rest_call *c, const struct batch *b)
{
    return span_str(rest_printf(c, "{\"accepted\":%u}", b->count));
}

static void stored(struct store_req *req)
{
    struct batch *b = req->owner;
    struct edge *e = b->call->edge;
    struct pos pos = {0};
    err error = req->error;
    if (error == ERR_NONE) {
        if (b->logged > 0) {
            pos = journal_publish(e->home->journal, req, 0);
        }
        publish_rest(e, b);
    }
    store_req_free(req);
    idem_end(b->call);
    struct rest_call *c = rest_resume(b->call);
    if (c == NULL) {
        return;
    }
    if (error != ERR_NONE) {
        rest_error(c, error, NULL);
    } else {
        idem_ok(c, response_of(c, b), b->logged > 0 ? &pos : NULL);
    }
}

static void run(struct rest_call *c)
{
    const struct batch *b = c->user;
    unsigned steps = (b->logged > 0) + idem_steps(c);
    if (steps == 0) {
        publish_rest(c->edge, b);
        idem_ok(c, response_of(c, b), NULL);
        return;
    }
    struct store_req *req = store_req_new(loop_index(c->edge->loop), steps, stored, c->user);
    if (b->logged > 0) {
        journal_steps(req, 0, b->logged);
    }
    unsigned set = 0;
    for (unsigned i = 0; i < b->count; i++) {
        if (is_logged(&b->items[i])) {
            emit_set(c->edge, req, 0, set++, &b->items[i].emit);
        }
    }
    if (idem_steps(c) > 0) {
        idem_step(c, req, steps - 1, response_of(c, b), b->logged > 0);
    }
    rest_later(c);
    c->edge->home->store->submit(c->edge->home->store, req);
}

void rest_emit(struct rest_call *c)
{
    struct batch *b = ARENA_NEW(&c->arena, struct batch);
    b->call = c;
    if (!read_batch(c, b)) {
        return;
    }
    for (unsigned i = 0; i < b->count; i++) {
        b->logged += is_logged(&b->items[i]);
    }
    c->user = b;
    idem_begin(c, run);
}
