/* What start-up does to the store before anybody is served. */
#include "domain/fleet.h"

#include "domain/device.h"
#include "shape/device.h"

/* Rows a request: a crash leaves at most as many open as there were connections. */
#define CLOSE_ROWS 10000
#define OFFLINE_ROWS 2000

static err close_open(struct store *s, int64_t now_ms, bool *more)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CONNECTION_CLOSE_OPEN, 1);
    store_set_int(req, 0, 0, 0, now_ms);
    store_set_text(req, 0, 0, 1, SPAN("crash"));
    store_set_int(req, 0, 0, 2, CLOSE_ROWS);
    err error = store_run(s, req);
    *more = error == ERR_NONE && req->steps[0].change_count > 0;
    store_req_free(req);
    return error;
}

struct reset {
    struct store *store;
    struct entropy *entropy;
    struct uuid_gen ids;
    int64_t now_ms;
};

static void put_text(struct store_req *req, unsigned step, unsigned set, unsigned p, uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    store_set_text(req, step, set, p, span_of(text, UUID_TEXT_LEN));
}

/* Set `set` of both steps; as journal_step, but many at once and before there is a gate. */
static void put_offline(struct reset *r, struct store_req *req, unsigned set, uuid id)
{
    char topic[DEVICE_EVENTS_TOPIC_MAX];
    uint8_t entropy[10];
    buf data = {0};
    put_text(req, 0, set, 0, id);
    entropy_fill(r->entropy, entropy, sizeof entropy);
    put_text(req, 1, set, 0, uuid_gen_next(&r->ids, r->now_ms, entropy));
    store_set_int(req, 1, set, 1, r->now_ms);
    store_set_text(req, 1, set, 2, span_str(event_name(EVENT_DEVICE_DISCONNECTED)));
    store_set_text(req, 1, set, 3, device_events_topic(id, topic));
    device_put_id(&data, id, "disconnectedAt", r->now_ms);
    store_set_text(req, 1, set, 4, buf_span(&data));
    buf_deinit(&data);
}

/* Those that follow `after`, which becomes the last of them. */
static err set_offline(struct reset *r, buf *after, bool *more)
{
    struct store_req *found = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(found, 0, QUERY_DEVICE_LIST_CONNECTED, 1);
    store_set_text(found, 0, 0, 0, buf_span(after));
    store_set_int(found, 0, 0, 1, OFFLINE_ROWS);
    err error = store_run(r->store, found);
    unsigned count = error == ERR_NONE ? found->steps[0].row_count : 0;
    if (count > 0) {
        struct store_req *req = store_req_new(STORE_LOOP_NONE, 2, NULL, NULL);
        store_step_init(req, 0, QUERY_DEVICE_SET_OFFLINE, count);
        store_step_init(req, 1, QUERY_EVENT_INSERT, count);
        for (unsigned i = 0; i < count; i++) {
            uuid id = {{0}};
            bool ok = uuid_parse(store_text(store_cell(found, 0, i, 0)), &id);
            ASSERT(ok);
            put_offline(r, req, i, id);
        }
        error = store_run(r->store, req);
        store_req_free(req);
        buf_clear(after);
        buf_append_span(after, store_text(store_cell(found, 0, count - 1, 0)));
    }
    *more = count == OFFLINE_ROWS;
    store_req_free(found);
    return error;
}

err fleet_reset(struct store *s, struct entropy *entropy, int64_t now_ms)
{
    struct reset r = {.store = s, .entropy = entropy, .now_ms = now_ms};
    buf after = {0};
    err error = ERR_NONE;
    buf_append_str(&after, "");
    for (bool more = true; error == ERR_NONE && more;) {
        error = set_offline(&r, &after, &more);
    }
    buf_deinit(&after);
    for (bool more = true; error == ERR_NONE && more;) {
        error = close_open(s, now_ms, &more);
    }
    return error;
}
