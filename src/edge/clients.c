#include "edge/clients.h"

#include "base/mem.h"
#include "domain/connection_log.h"
#include "edge/socketio/socketio.h"
#include "loop/addr.h"

#include <stdio.h>
#include <string.h>

#define MINUTE_S 60

struct client {
    const struct client_ops *ops;
    void *peer; /* the wire's */
    struct conn *conn;
    int64_t opened_ms;
    enum client_type type;
    struct client_log log;
};

/* What came and went in a second, of the newest minute. */
struct second {
    int64_t at_s; /* monotonic */
    uint32_t joined;
    uint32_t left;
};

struct clients {
    struct client **by_slot; /* owned, as is each */
    uint32_t cap;
    struct clients_count count;
    struct second seconds[MINUTE_S + 1];
};

static const char *const type_names[CLIENT_TYPE_COUNT] = {
    [CLIENT_SUPERVISOR] = "supervisor", [CLIENT_EMPLOYEE] = "employee",
    [CLIENT_GUEST] = "guest",           [CLIENT_USER] = "user",
    [CLIENT_DEVICE] = "device",         [CLIENT_SERVICE] = "service",
    [CLIENT_ANONYMOUS] = "anonymous",   [CLIENT_PROVISIONER] = "provisioner"};

const char *client_type_name(enum client_type t) { return type_names[t]; }

static bool has_role(const struct grant *g, enum role role)
{
    return (g->global_roles & 1u << role) != 0;
}

enum client_type client_type_of(const struct grant *g)
{
    switch (g->kind) {
    case PRINCIPAL_DEVICE:
        return CLIENT_DEVICE;
    case PRINCIPAL_GUEST:
        return CLIENT_GUEST;
    case PRINCIPAL_ROBOT:
        return CLIENT_EMPLOYEE;
    case PRINCIPAL_SERVICE:
        return CLIENT_SERVICE;
    case PRINCIPAL_ANONYMOUS:
        return CLIENT_ANONYMOUS;
    case PRINCIPAL_PROVISIONER:
        return CLIENT_PROVISIONER;
    case PRINCIPAL_USER:
        break;
    }
    return has_role(g, ROLE_ADMIN) || has_role(g, ROLE_SUPERVISOR) ? CLIENT_SUPERVISOR
           : has_role(g, ROLE_EMPLOYEE)                            ? CLIENT_EMPLOYEE
                                                                   : CLIENT_USER;
}

span client_name(const struct conn *c, char out[CLIENT_NAME_MAX])
{
    struct conn_ref ref = conn_ref_of(c);
    int len = snprintf(out, CLIENT_NAME_MAX, "%u-%u-%u", ref.loop, ref.slot, ref.gen);
    return span_of(out, (size_t)len);
}

/* --- coming and going --- */

static struct second *second_now(struct edge *e)
{
    struct clients *all = e->clients;
    int64_t now_s = (int64_t)(loop_now_ns(e->loop) / 1000000000);
    struct second *s = &all->seconds[now_s % (MINUTE_S + 1)];
    if (s->at_s != now_s) {
        *s = (struct second){.at_s = now_s};
    }
    return s;
}

static uint32_t *count_of(struct clients *all, const struct client *c)
{
    return &all->count.by[c->ops->wire][c->type];
}

static void note_active(struct edge *e, const struct client *c)
{
    stats_set(&e->stats.active_ms[c->ops->wire], (uint64_t)loop_wall_ms(e->loop));
}

static struct client *find(const struct edge *e, uint32_t slot)
{
    return slot < e->clients->cap ? e->clients->by_slot[slot] : NULL;
}

static void make_room(struct clients *all, uint32_t slot)
{
    uint32_t cap = all->cap == 0 ? 64 : all->cap;
    while (cap <= slot) {
        cap *= 2;
    }
    if (cap > all->cap) {
        all->by_slot = mem_realloc(all->by_slot, cap * sizeof *all->by_slot);
        memset(all->by_slot + all->cap, 0, (cap - all->cap) * sizeof *all->by_slot);
        all->cap = cap;
    }
}

static void log_open(struct edge *e, struct client *c, const struct grant *grant, span socket_id)
{
    char address[ADDR_TEXT_MAX] = "";
    struct sockaddr_storage addr;
    if (conn_peer(c->conn, &addr)) {
        addr_format_host(&addr, address);
    }
    client_log_open(e->home, &c->log,
                    &(struct client_log_conf){.wire = stats_wire_name(c->ops->wire),
                                              .socket_id = socket_id,
                                              .remote_address = span_str(address),
                                              .user = grant->principal});
}

void clients_join(struct edge *e, struct conn *conn, const struct client_ops *ops, void *peer,
                  const struct grant *grant, span socket_id)
{
    struct clients *all = e->clients;
    uint32_t slot = conn_slot(conn);
    if (find(e, slot) != NULL) {
        return;
    }
    make_room(all, slot);
    struct client *c = all->by_slot[slot] = mem_calloc(1, sizeof *c);
    c->ops = ops;
    c->peer = peer;
    c->conn = conn;
    c->opened_ms = loop_wall_ms(e->loop);
    c->type = client_type_of(grant);
    ++*count_of(all, c);
    second_now(e)->joined++;
    note_active(e, c);
    if (c->type != CLIENT_DEVICE) { /* whose home logs it */
        log_open(e, c, grant, socket_id);
    }
}

void clients_rights(struct edge *e, const struct conn *conn, const struct grant *grant)
{
    struct client *c = find(e, conn_slot(conn));
    if (c != NULL) {
        --*count_of(e->clients, c);
        c->type = client_type_of(grant);
        ++*count_of(e->clients, c);
    }
}

void clients_leave(struct edge *e, const struct conn *conn, close_reason reason)
{
    struct client *c = find(e, conn_slot(conn));
    if (c == NULL) {
        return;
    }
    e->clients->by_slot[conn_slot(conn)] = NULL;
    --*count_of(e->clients, c);
    second_now(e)->left++;
    note_active(e, c);
    client_log_close(&c->log, reason);
    mem_free(c);
}

/* --- walking --- */

struct walk {
    struct clients_at *at;
    struct client_seen seen;
    bool (*take)(void *arg, const struct client_seen *seen);
    void *arg;
    bool full;
};

static void show(void *arg, const struct client_row *row)
{
    struct walk *w = arg;
    if (w->full || row->number <= w->at->number || row->grant == NULL) {
        return;
    }
    w->seen.row = row;
    w->seen.type = client_type_of(row->grant);
    if (w->take(w->arg, &w->seen)) {
        w->at->number = row->number;
    } else {
        w->full = true;
    }
}

bool clients_walk(struct edge *e, struct clients_at *at,
                  bool (*take)(void *arg, const struct client_seen *seen), void *arg)
{
    const struct clients *all = e->clients;
    struct walk w = {.at = at, .take = take, .arg = arg};
    for (uint32_t passed = 0; at->slot < all->cap; passed++) {
        const struct client *c = all->by_slot[at->slot];
        if (passed == CLIENTS_WALK_MAX) {
            return false;
        }
        if (c != NULL) {
            w.seen = (struct client_seen){
                .ops = c->ops, .conn = c->conn, .opened_ms = c->opened_ms};
            c->ops->each(c->peer, show, &w);
            if (w.full) {
                return false;
            }
        }
        at->slot++;
        at->number = 0;
    }
    return true;
}

void *clients_peer(const struct edge *e, enum stats_wire wire, uint32_t slot)
{
    const struct client *c = find(e, slot);
    return c != NULL && c->ops->wire == wire ? c->peer : NULL;
}

void clients_slots(const struct edge *e, enum stats_wire wire, uint32_t phase, uint32_t of,
                   buf *out)
{
    for (uint32_t slot = phase; slot < e->clients->cap; slot += of) {
        if (clients_peer(e, wire, slot) != NULL) {
            buf_append(out, &slot, sizeof slot);
        }
    }
}

struct sought {
    span socket_id;
    bool found;
};

static void compare(void *arg, const struct client_row *row)
{
    struct sought *s = arg;
    s->found = s->found || span_eq(row->socket_id, s->socket_id);
}

/* Of a client with a UUID (Home): somebody who is ended by hand may cost a walk. */
static struct client *find_shown(struct edge *e, span socket_id)
{
    struct sought sought = {.socket_id = socket_id};
    for (uint32_t slot = 0; slot < e->clients->cap; slot++) {
        struct client *c = e->clients->by_slot[slot];
        if (c != NULL && c->ops->wire == STATS_HOME) {
            c->ops->each(c->peer, compare, &sought);
            if (sought.found) {
                return c;
            }
        }
    }
    return NULL;
}

/* A name is that of client_name, a Socket.IO socket's id, or a client's UUID. */
static struct client *find_named(struct edge *e, span socket_id)
{
    struct sio_socket *s = sio_find(e, socket_id);
    if (s != NULL) {
        return find(e, conn_slot(sio_engine(s)->conn));
    }
    uint64_t slot;
    uuid id;
    span rest = socket_id;
    char name[CLIENT_NAME_MAX];
    if (uuid_parse(socket_id, &id)) {
        return find_shown(e, socket_id);
    }
    (void)span_cut(&rest, '-');
    if (!span_u64(span_cut(&rest, '-'), UINT32_MAX, &slot)) {
        return NULL;
    }
    struct client *c = find(e, (uint32_t)slot);
    return c != NULL && c->ops->wire != STATS_SOCKETIO &&
                   span_eq(client_name(c->conn, name), socket_id)
               ? c
               : NULL;
}

bool clients_kick(struct edge *e, span socket_id)
{
    struct client *c = find_named(e, socket_id);
    if (c == NULL) {
        return false;
    }
    c->ops->kick(c->peer);
    return true;
}

/* --- counting --- */

void clients_count(struct edge *e, struct clients_count *out)
{
    const struct clients *all = e->clients;
    int64_t now_s = (int64_t)(loop_now_ns(e->loop) / 1000000000);
    *out = all->count;
    for (unsigned i = 0; i < ARRAY_LEN(all->seconds); i++) {
        const struct second *s = &all->seconds[i];
        if (s->at_s < now_s && s->at_s >= now_s - MINUTE_S) {
            out->joined_min += s->joined;
            out->left_min += s->left;
        }
    }
}

void clients_init(struct edge *e) { e->clients = mem_calloc(1, sizeof *e->clients); }

void clients_deinit(struct edge *e)
{
    struct clients *all = e->clients;
    for (uint32_t i = 0; all != NULL && i < all->cap; i++) {
        ASSERT(all->by_slot[i] == NULL);
    }
    if (all != NULL) {
        mem_free(all->by_slot);
        mem_free(all);
        e->clients = NULL;
    }
}
