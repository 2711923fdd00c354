/* A device's connections as connection_logs has them (CONTRACT 3). */
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

#include "base/timefmt.h"

#include <stdio.h>

/* Columns of CONNECTION_LIST. */
enum {
    ID,
    SOCKET_ID,
    CLIENT_TYPE,
    CONNECTED_AT,
    DISCONNECTED_AT,
    DURATION,
    USER_ID,
    WIRE,
    REMOTE_ADDR,
    CLOSE_REASON,
};

static void member_text(struct json_writer *w, const char *name, const struct store_value *v)
{
    if (v->type == STORE_NULL) {
        json_member_null(w, name);
    } else {
        json_member_string(w, name, store_text(v));
    }
}

static void member_time(struct json_writer *w, const char *name, const struct store_value *v)
{
    char text[TIME_MS_LEN + 1];
    if (v->type == STORE_NULL) {
        json_member_null(w, name);
        return;
    }
    time_format_ms(store_int(v), text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void put_row(struct json_writer *w, const struct store_value *row)
{
    json_open(w, '{');
    member_text(w, "id", &row[ID]);
    member_text(w, "socketId", &row[SOCKET_ID]);
    member_text(w, "clientType", &row[CLIENT_TYPE]);
    member_time(w, "connectedAt", &row[CONNECTED_AT]);
    member_time(w, "disconnectedAt", &row[DISCONNECTED_AT]);
    if (row[DURATION].type == STORE_NULL) {
        json_member_null(w, "durationSeconds");
    } else {
        json_member_i64(w, "durationSeconds", store_int(&row[DURATION]));
    }
    member_text(w, "userId", &row[USER_ID]);
    member_text(w, "wire", &row[WIRE]);
    member_text(w, "remoteAddr", &row[REMOTE_ADDR]);
    member_text(w, "closeReason", &row[CLOSE_REASON]);
    json_close(w, '}');
}

static void answer(struct rest_call *c, const struct store_req *req)
{
    const struct store_step *list = &req->steps[1];
    unsigned limit = rest_query_limit(c);
    unsigned count = list->row_count < limit ? list->row_count : limit;
    char next[24] = "";
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < count; i++) {
        put_row(&w, store_cell(req, 1, i, 0));
    }
    json_close(&w, ']');
    if (list->row_count > limit) { /* one more was asked for, to know */
        snprintf(next, sizeof next, "%lld",
                 (long long)store_int(store_cell(req, 1, count - 1, CONNECTED_AT)));
    }
    rest_ok_list(c, buf_span(&c->data), span_str(next));
}

static void loaded(struct store_req *req)
{
    struct rest_call *c = rest_resume(req->owner);
    if (c == NULL) {
        store_req_free(req);
        return;
    }
    if (req->error != ERR_NONE) {
        rest_error(c, req->error, NULL);
    } else if (req->steps[0].row_count == 0) {
        rest_error(c, ERR_DEVICE_NOT_FOUND, NULL);
    } else {
        answer(c, req);
    }
    store_req_free(req);
}

/* The cursor is the time of the last row shown. */
void rest_device_connections(struct rest_call *c)
{
    struct home *h = c->edge->home;
    char id[UUID_TEXT_LEN + 1];
    uint64_t before = INT64_MAX;
    unsigned limit = rest_query_limit(c);
    span cursor = rest_query(c, "cursor");
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (cursor.len > 0 && !span_u64(cursor, INT64_MAX, &before)) {
        device_bad_query(c, "cursor", "is not one of ours");
        return;
    }
    uuid_format(c->uuids[0], id);
    struct store_req *req = store_req_new(h->index, 2, loaded, c);
    req->row_max = limit + 2;
    store_step_init(req, 0, QUERY_DEVICE_GET, 1);
    store_set_text(req, 0, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_step_init(req, 1, QUERY_CONNECTION_LIST, 1);
    store_set_text(req, 1, 0, 0, span_of(id, UUID_TEXT_LEN));
    store_set_int(req, 1, 0, 1, (int64_t)before);
    store_set_int(req, 1, 0, 2, (int64_t)limit + 1);
    rest_later(c);
    h->store->submit(h->store, req);
}
