/*
 * Who is connected, over all loops: a page at a time, and ended one by one (CONTRACT 7). Each
 * loop writes its own rows (edge/clients.h), at most a page of them and from at most
 * CLIENTS_WALK_MAX slots a call: some milliseconds of a loop at worst, usually microseconds. The
 * cursor is a place: loop, slot, and the socket within the connection.
 */
#include "base/mem.h"
#include "base/timefmt.h"
#include "edge/clients.h"
#include "edge/gather.h"
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"

#include <stdio.h>

/* Topics shown of one row; more are only counted. */
#define TOPICS_MAX 100
#define SOCKET_ID_MAX 64

/* --- a page --- */

/* What every loop is asked; it points to nothing. */
struct question {
    unsigned loop; /* those before it are done */
    struct clients_at at;
    unsigned limit;
    int wire;   /* -1: any, as below */
    int client; /* enum stats_client */
    bool has_device, has_user;
    uuid device;
    uuid user;
};

/* Before each row of a loop's answer, and at its end, where `len` is one of these. */
struct mark {
    struct clients_at at; /* behind the row */
    uint32_t len;
};
#define MARK_MORE UINT32_MAX /* there are more behind `at` */
#define MARK_END (UINT32_MAX - 1)

struct paging {
    struct edge *edge;
    const struct question *q;
    unsigned rows;
    buf *out;
};

struct topics {
    struct json_writer *w;
    span nsp;
    unsigned count;
};

/* The room of a topic "io/<nsp>/<room>"; an empty one is everybody's in the namespace. False: a
 * topic of another kind. */
static bool room_of(span topic, span nsp, span *room, bool *other)
{
    const span head = SPAN("io/");
    if (!span_starts(topic, head)) {
        return false;
    }
    span rest = span_slice(topic, head.len, topic.len);
    *other = !span_starts(rest, nsp);
    *room = span_slice(rest, nsp.len, rest.len);
    if (room->len > 0) {
        *other = *other || room->ptr[0] != '/';
        *room = span_slice(*room, 1, room->len);
    }
    return true;
}

static void put_topic(struct hub *h, uint32_t member, span topic, void *arg)
{
    struct topics *t = arg;
    span room = topic;
    bool other = t->nsp.len > 0 && !span_eq(t->nsp, SPAN("/"));
    (void)h;
    (void)member;
    if (room_of(topic, t->nsp, &room, &other) && room.len == 0) {
        return;
    }
    if (!other && ++t->count <= TOPICS_MAX) {
        json_write_string(t->w, room);
    }
}

static void member_time(struct json_writer *w, const char *name, int64_t ms)
{
    char text[TIME_MS_LEN + 1];
    time_format_ms(ms, text);
    json_member_string(w, name, span_of(text, TIME_MS_LEN));
}

static void member_id(struct json_writer *w, const char *name, uuid id)
{
    if (uuid_is_nil(id)) {
        json_member_null(w, name);
    } else {
        rest_member_uuid(w, name, id);
    }
}

static void put_permissions(struct json_writer *w, const struct grant *g)
{
    enum permission held[PERM_COUNT];
    unsigned count = grant_permissions(g, held, PERM_COUNT);
    json_member_open(w, "permissions", '[');
    for (unsigned i = 0; i < count; i++) {
        json_write_string(w, span_str(permission_name(held[i])));
    }
    json_close(w, ']');
}

static void put_queue(struct json_writer *w, struct edge *e, const struct conn *c)
{
    uint32_t messages = 0;
    uint64_t bytes = 0;
    hub_member_queue(e->hub, conn_slot(c), &messages, &bytes);
    json_member_u64(w, "queuedMessages", messages);
    json_member_u64(w, "queuedBytes", bytes + conn_pending_bytes(c));
}

static void put_row(struct edge *e, const struct client_seen *seen, buf *out)
{
    const struct client_row *row = seen->row;
    const struct grant *g = row->grant;
    struct json_writer w = json_writer_of(out);
    struct topics topics = {.w = &w, .nsp = row->nsp};
    char address[ADDR_TEXT_MAX] = "";
    struct sockaddr_storage addr;
    int64_t heard_ms = (int64_t)row->heard_s * 1000;
    bool device = g->kind == PRINCIPAL_DEVICE;
    if (conn_peer(seen->conn, &addr)) {
        addr_format_host(&addr, address);
    }
    json_open(&w, '{');
    json_member_string(&w, "socketId", row->socket_id);
    json_member_string(&w, "clientType",
                       span_str(stats_client_name(device ? STATS_DEVICE : STATS_CLIENT)));
    member_id(&w, "deviceId", row->device);
    member_id(&w, "userId", device ? (uuid){{0}} : g->principal);
    json_member_string(&w, "userType", span_str(client_type_name(seen->type)));
    put_permissions(&w, g);
    json_member_open(&w, "roomSubscriptions", '[');
    hub_member_topics(e->hub, conn_slot(seen->conn), put_topic, &topics);
    json_close(&w, ']');
    json_member_u64(&w, "subscriptionCount", topics.count);
    member_time(&w, "connectedAt", seen->opened_ms);
    member_time(&w, "lastActivity", heard_ms > seen->opened_ms ? heard_ms : seen->opened_ms);
    json_member_string(&w, "wire", span_str(stats_wire_name(seen->ops->wire)));
    if (row->nsp.len > 0) {
        json_member_string(&w, "namespace", row->nsp);
    }
    json_member_string(&w, "remoteAddr", span_str(address));
    json_member_string(&w, "node", span_str(e->conf->node));
    put_queue(&w, e, seen->conn);
    json_close(&w, '}');
}

static bool fits(const struct question *q, const struct client_seen *seen)
{
    const struct grant *g = seen->row->grant;
    bool device = g->kind == PRINCIPAL_DEVICE;
    return (q->wire < 0 || q->wire == (int)seen->ops->wire) &&
           (q->client < 0 || (q->client == STATS_DEVICE) == device) &&
           (!q->has_device || uuid_eq(q->device, seen->row->device)) &&
           (!q->has_user || (!device && uuid_eq(q->user, g->principal)));
}

static bool take(void *arg, const struct client_seen *seen)
{
    struct paging *p = arg;
    if (!fits(p->q, seen)) {
        return true;
    }
    if (p->rows == p->q->limit) {
        return false;
    }
    p->rows++;
    buf json = {0};
    put_row(p->edge, seen, &json);
    struct mark m = {.at = {.slot = conn_slot(seen->conn), .number = seen->row->number},
                     .len = (uint32_t)json.len};
    buf_append(p->out, &m, sizeof m);
    buf_append_span(p->out, buf_span(&json));
    buf_deinit(&json);
    return true;
}

static void ask_page(struct edge *e, const void *in, buf *out)
{
    const struct question *q = in;
    unsigned loop = loop_index(e->loop);
    struct paging p = {.edge = e, .q = q, .out = out};
    struct mark end = {.len = MARK_END};
    if (loop == q->loop) {
        end.at = q->at;
    }
    if (loop >= q->loop && !clients_walk(e, &end.at, take, &p)) {
        end.len = MARK_MORE;
    }
    buf_append(out, &end, sizeof end);
}

/* The answers in order, as far as the page goes. */
struct joined {
    buf *out;
    unsigned rows, limit;
    unsigned loop;
    struct clients_at at; /* behind what was joined */
    bool more;
};

static void join_answer(struct joined *j, const buf *answer)
{
    struct mark m;
    for (size_t from = 0;; from += m.len) {
        memcpy(&m, answer->ptr + from, sizeof m);
        from += sizeof m;
        if (m.len == MARK_END) {
            return;
        }
        if (m.len == MARK_MORE || j->rows == j->limit) {
            if (m.len == MARK_MORE) {
                j->at = m.at;
            }
            j->more = true;
            return;
        }
        if (j->rows++ > 0) {
            buf_append_byte(j->out, ',');
        }
        buf_append(j->out, answer->ptr + from, m.len);
        j->at = m.at;
    }
}

static void paged(void *owner, const buf *answers, unsigned count)
{
    struct rest_call *c = rest_resume(owner);
    if (c == NULL) {
        return;
    }
    if (answers == NULL) {
        rest_error(c, ERR_SERVER_ERROR, "not every loop answered in time");
        return;
    }
    const struct question *q = c->user; /* a copy in the call's arena */
    struct joined j = {.out = &c->data, .limit = q->limit, .at = q->at};
    char next[40] = "";
    buf_append_byte(&c->data, '[');
    for (j.loop = q->loop; j.loop < count && !j.more; j.loop++) {
        if (j.loop > q->loop) {
            j.at = (struct clients_at){0};
        }
        join_answer(&j, &answers[j.loop]);
        if (j.more) {
            snprintf(next, sizeof next, "%u-%u-%u", j.loop, j.at.slot, j.at.number);
        }
    }
    buf_append_byte(&c->data, ']');
    rest_ok_list(c, buf_span(&c->data), span_str(next));
}

static bool read_cursor(span text, struct question *q)
{
    uint64_t loop = 0, slot = 0, number = 0;
    if (text.len > 0 && (!span_u64(span_cut(&text, '-'), LOOP_COUNT_MAX, &loop) ||
                         !span_u64(span_cut(&text, '-'), UINT32_MAX, &slot) ||
                         !span_u64(text, UINT32_MAX, &number))) {
        return false;
    }
    q->loop = (unsigned)loop;
    q->at = (struct clients_at){.slot = (uint32_t)slot, .number = (uint32_t)number};
    return true;
}

static bool read_choice(struct rest_call *c, const char *name, unsigned count,
                        const char *(*name_of)(unsigned), int *out)
{
    span text = rest_query(c, name);
    *out = -1;
    for (unsigned i = 0; text.len > 0 && i < count; i++) {
        *out = span_eq(text, span_str(name_of(i))) ? (int)i : *out;
    }
    if (text.len > 0 && *out < 0) {
        device_bad_query(c, name, "is none of the choices");
        return false;
    }
    return true;
}

static bool read_id(struct rest_call *c, const char *name, bool *has, uuid *out)
{
    span text = rest_query(c, name);
    *has = text.len > 0;
    if (*has && !uuid_parse(text, out)) {
        device_bad_query(c, name, "must be a UUID");
        return false;
    }
    return true;
}

static const char *wire_name(unsigned i) { return stats_wire_name((enum stats_wire)i); }
static const char *client_kind_name(unsigned i) { return stats_client_name((enum stats_client)i); }

void rest_connection_list(struct rest_call *c)
{
    struct question q = {.limit = rest_query_limit(c)};
    if (q.limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
        return;
    }
    if (!read_choice(c, "wire", STATS_WIRE_COUNT, wire_name, &q.wire) ||
        !read_choice(c, "client_type", STATS_CLIENT_COUNT, client_kind_name, &q.client) ||
        !read_id(c, "device_id", &q.has_device, &q.device) ||
        !read_id(c, "user_id", &q.has_user, &q.user)) {
        return;
    }
    if (!read_cursor(rest_query(c, "cursor"), &q)) {
        device_bad_query(c, "cursor", "is not one of ours");
        return;
    }
    struct question *kept = ARENA_NEW(&c->arena, struct question);
    struct question *asked = mem_alloc(sizeof *asked);
    *kept = *asked = q;
    c->user = kept;
    rest_later(c);
    gather(c->edge, asked, ask_page, paged, c);
}

/* --- ending one --- */

struct kick {
    size_t len;
    uint8_t id[SOCKET_ID_MAX];
};

static void ask_kick(struct edge *e, const void *in, buf *out)
{
    const struct kick *k = in;
    buf_append_byte(out, clients_kick(e, span_of(k->id, k->len)));
}

static void kicked(void *owner, const buf *answers, unsigned count)
{
    struct rest_call *c = rest_resume(owner);
    bool found = false;
    if (c == NULL) {
        return;
    }
    if (answers == NULL) {
        rest_error(c, ERR_SERVER_ERROR, "not every loop answered in time");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        found = found || answers[i].ptr[0] != 0;
    }
    if (found) {
        rest_no_content(c);
    } else {
        rest_error(c, ERR_NOT_FOUND, "no such connection");
    }
}

static void noted(void *owner)
{
    struct rest_call *c = owner;
    gather(c->edge, c->user, ask_kick, kicked, c);
}

/* Who orders it is in the audit log before it is done. */
void rest_connection_delete(struct rest_call *c)
{
    char address[ADDR_TEXT_MAX];
    struct actor who = rest_actor(c, address);
    span id = c->texts[0];
    if (id.len > SOCKET_ID_MAX) {
        rest_error(c, ERR_NOT_FOUND, "no such connection");
        return;
    }
    struct kick *k = mem_calloc(1, sizeof *k);
    k->len = id.len;
    memcpy(k->id, id.ptr, id.len);
    c->user = k;
    rest_later(c);
    audit_note(c->edge->home,
               &(struct audit_entry){.who = &who,
                                     .action = "connection.disconnect",
                                     .target_kind = "connection",
                                     .target = span_of(k->id, k->len)},
               noted, c);
}
