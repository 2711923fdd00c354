/* The audit log: who a route acts for, and GET /api/v1/audit. */
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/rest/internal.h"

#include "base/timefmt.h"

static span peer_address(const struct rest_call *c, char text[ADDR_TEXT_MAX])
{
    struct sockaddr_storage peer;
    text[0] = '\0';
    if (conn_peer(c->x->conn, &peer)) {
        addr_format_host(&peer, text);
    }
    return span_str(text);
}

struct actor rest_actor(const struct rest_call *c, char text[ADDR_TEXT_MAX])
{
    return (struct actor){.id = c->grant->principal, .address = peer_address(c, text)};
}

/* --- the list --- */

static void text_or_null(struct json_writer *w, const char *name, span text)
{
    if (text.len > 0) {
        json_member_string(w, name, text);
    } else {
        json_member_null(w, name);
    }
}

static void write_row(struct json_writer *w, const struct audit_row *row)
{
    char at[TIME_MS_LEN + 1];
    time_format_ms(row->at_ms, at);
    json_open(w, '{');
    json_member_string(w, "id", row->id);
    json_member_string(w, "timestamp", span_of(at, TIME_MS_LEN));
    text_or_null(w, "actor_id", row->actor_id);
    json_member_string(w, "actor_name", row->actor_name);
    json_member_string(w, "action", row->action);
    text_or_null(w, "target_kind", row->target_kind);
    text_or_null(w, "target_id", row->target);
    json_member_string(w, "outcome", row->outcome);
    text_or_null(w, "remote_addr", row->address);
    if (row->detail.len > 0) {
        json_member_raw(w, "detail", row->detail);
    }
    json_close(w, '}');
}

static void listed(void *owner, const struct audit_result *r)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (r->error == ERR_INVALID_REQUEST) {
        device_bad_query(c, "cursor", "is not one of ours");
        return;
    }
    if (r->error != ERR_NONE) {
        rest_error(c, r->error, NULL);
        return;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (unsigned i = 0; i < r->count; i++) {
        write_row(&w, &r->rows[i]);
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data), r->next);
}

void rest_audit_list(struct rest_call *c)
{
    uuid actor;
    struct audit_filter f = {.limit = rest_query_limit(c),
                             .actor = rest_query(c, "actor"),
                             .action = rest_query(c, "action"),
                             .target = rest_query(c, "target"),
                             .after = rest_query(c, "cursor")};
    if (f.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
    } else if (!rest_query_time(c, "from", 0, &f.from_ms)) {
        device_bad_query(c, "from", "must be a time");
    } else if (!rest_query_time(c, "to", REST_TIME_MS_MAX, &f.to_ms)) {
        device_bad_query(c, "to", "must be a time");
    } else if (f.actor.len > 0 && !uuid_parse(f.actor, &actor)) {
        device_bad_query(c, "actor", "must be a UUID");
    } else {
        rest_later(c);
        audit_list(c->edge->home, &f, listed, c);
    }
}
