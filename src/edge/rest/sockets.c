/* Socket.IO sockets from outside: rooms, members, disconnecting, over all loops (CONTRACT 7). */
#include "base/mem.h"
#include "edge/gather.h"
#include "edge/rest/audit.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/socketio/emit.h"

/* --- doing something to sockets --- */

enum act { ACT_JOIN, ACT_LEAVE, ACT_DISCONNECT };

/* What every loop is told; it points to nothing. */
struct order {
    enum act act;
    bool close;
    bool by_sid;
    uuid principal;
    uint8_t sid[EIO_SID_LEN];
    uint8_t nsp_len; /* 0: any */
    char nsp[SIO_NAMESPACE_BYTES_MAX];
    unsigned room_count;
    struct {
        uint8_t len;
        char name[EMIT_ROOM_BYTES_MAX];
    } rooms[EMIT_ROOMS_MAX];
};

/* What a loop did. */
struct done {
    uint32_t sockets;
    uint32_t refused; /* would be in too many rooms */
};

/* Sockets by their ids, for what is done to one may end others. */
struct found {
    const struct order *order;
    buf sids;
};

static bool in_namespace(const struct sio_socket *s, const struct order *o)
{
    return o->nsp_len == 0 || span_eq(sio_nsp(s), span_of(o->nsp, o->nsp_len));
}

static void find(struct session *session, void *arg)
{
    struct found *f = arg;
    const struct sio_socket *s = sio_of_session(session);
    if (s != NULL && in_namespace(s, f->order)) {
        buf_append_span(&f->sids, sio_sid(s));
    }
}

static void act_on(struct sio_socket *s, const struct order *o, struct done *d)
{
    bool good = true;
    d->sockets++;
    if (o->act == ACT_DISCONNECT) {
        sio_disconnect(s, CLOSE_KICKED, o->close);
        return;
    }
    for (unsigned i = 0; i < o->room_count; i++) {
        span room = span_of(o->rooms[i].name, o->rooms[i].len);
        if (o->act == ACT_LEAVE) {
            emit_leave(s, room);
        } else {
            good = emit_join(s, room) && good;
        }
    }
    d->refused += !good;
}

static void obey(struct edge *e, const void *in, buf *out)
{
    const struct order *o = in;
    struct found f = {.order = o};
    struct done d = {0};
    if (o->by_sid) {
        buf_append(&f.sids, o->sid, EIO_SID_LEN);
    } else {
        session_each(e->home, o->principal, find, &f);
    }
    for (size_t at = 0; at < f.sids.len; at += EIO_SID_LEN) {
        struct sio_socket *s = sio_find(e, span_of(f.sids.ptr + at, EIO_SID_LEN));
        if (s != NULL && in_namespace(s, o)) {
            act_on(s, o, &d);
        }
    }
    buf_deinit(&f.sids);
    buf_append(out, &d, sizeof d);
}

static void obeyed(void *owner, const buf *answers, unsigned count)
{
    struct rest_call *c = rest_resume(owner);
    struct done sum = {0};
    if (c == NULL) {
        return;
    }
    if (answers == NULL) {
        rest_error(c, ERR_SERVER_ERROR, "not every loop answered in time");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        struct done d;
        memcpy(&d, answers[i].ptr, sizeof d);
        sum.sockets += d.sockets;
        sum.refused += d.refused;
    }
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '{');
    json_member_u64(&w, "sockets", sum.sockets);
    if (c->route_index == ROUTE_socket_join) {
        json_member_u64(&w, "refused", sum.refused);
    }
    json_close(&w, '}');
    rest_ok(c, buf_span(&c->data));
}

static void noted(void *owner)
{
    struct rest_call *c = owner;
    /* Who has been answered finds the rooms changed: emits and lists pass the topics' home, too. */
    gather_via(c->edge, JOURNAL_HOME, c->user, obey, obeyed, c);
}

/* Who orders it is in the audit log before it is done, however many sockets there are. */
static void tell(struct rest_call *c, struct order *o)
{
    static const char *const actions[] = {"socket.join", "socket.leave", "socket.disconnect"};
    char address[ADDR_TEXT_MAX], principal[UUID_TEXT_LEN + 1];
    struct actor who = rest_actor(c, address);
    uuid_format(o->principal, principal);
    struct audit_entry entry = {.who = &who,
                                .action = actions[o->act],
                                .target_kind = o->by_sid ? "socket" : "principal",
                                .target = o->by_sid ? span_of(o->sid, EIO_SID_LEN)
                                                    : span_of(principal, UUID_TEXT_LEN)};
    c->user = o;
    rest_later(c);
    audit_note(c->edge->home, &entry, noted, c);
}

/* Whom an order is for; members of both schemas. */
struct whom {
    bool has_principal, has_sid, has_namespace;
    uuid principal;
    span sid;
    span nsp;
};

static bool bad(struct rest_call *c, const char *member, const char *why)
{
    device_bad_query(c, member, why);
    return false;
}

static bool read_whom(struct rest_call *c, const struct whom *in, struct order *o)
{
    if (in->has_principal == in->has_sid) {
        return bad(c, in->has_sid ? "sid" : "principal",
                   in->has_sid ? "stands in place of principal" : "is missing; or name a sid");
    }
    if (in->has_sid && in->sid.len != EIO_SID_LEN) {
        return bad(c, "sid", "is no socket's id");
    }
    if (in->nsp.len > 0 && (in->nsp.ptr[0] != '/' || in->nsp.len > sizeof o->nsp)) {
        return bad(c, "namespace", "must begin with /");
    }
    o->by_sid = in->has_sid;
    o->principal = in->principal;
    if (in->has_sid) {
        memcpy(o->sid, in->sid.ptr, EIO_SID_LEN);
    }
    o->nsp_len = (uint8_t)in->nsp.len;
    if (in->nsp.len > 0) {
        memcpy(o->nsp, in->nsp.ptr, in->nsp.len);
    }
    return true;
}

static bool read_rooms(struct rest_call *c, span list, struct order *o)
{
    struct json_iter it;
    span value;
    (void)json_array_begin(&it, list);
    while (json_array_next(&it, &value) && o->room_count < EMIT_ROOMS_MAX) {
        span room = json_string_in(value, &c->arena);
        if (!emit_room_ok(span_of(o->nsp, o->nsp_len), room)) {
            return bad(c, rest_printf(c, "rooms[%u]", o->room_count), "is no room's name");
        }
        o->rooms[o->room_count].len = (uint8_t)room.len;
        memcpy(o->rooms[o->room_count++].name, room.ptr, room.len);
    }
    return true;
}

static void change_rooms(struct rest_call *c, enum act act)
{
    struct shape_socket_rooms in;
    if (!device_body(c, SCHEMA_socket_rooms, &in)) {
        return;
    }
    struct order *o = mem_calloc(1, sizeof *o);
    o->act = act;
    const struct whom whom = {.has_principal = in.has_principal,
                              .has_sid = in.has_sid,
                              .principal = in.principal,
                              .sid = in.sid,
                              .nsp = in.has_namespace ? in.namespace : SPAN("/")};
    if (read_whom(c, &whom, o) && read_rooms(c, in.rooms, o)) {
        tell(c, o);
    } else {
        mem_free(o);
    }
}

void rest_socket_join(struct rest_call *c) { change_rooms(c, ACT_JOIN); }
void rest_socket_leave(struct rest_call *c) { change_rooms(c, ACT_LEAVE); }

void rest_socket_disconnect(struct rest_call *c)
{
    struct shape_socket_disconnect in;
    if (!device_body(c, SCHEMA_socket_disconnect, &in)) {
        return;
    }
    struct order *o = mem_calloc(1, sizeof *o);
    o->act = ACT_DISCONNECT;
    o->close = in.has_close && in.close;
    const struct whom whom = {.has_principal = in.has_principal,
                              .has_sid = in.has_sid,
                              .principal = in.principal,
                              .sid = in.sid,
                              .nsp = in.has_namespace ? in.namespace : SPAN_NONE};
    if (read_whom(c, &whom, o)) {
        tell(c, o);
    } else {
        mem_free(o);
    }
}
