/*
 * Sockets that come back (connection state recovery; CONTRACT 8). What is kept under a pid is the
 * socket's namespace, id, rooms and what its namespace has to keep. A client that shows the pid,
 * and the last offset it saw, is subscribed again at that place of the log: its CONNECT is
 * answered, what it missed follows, and what else is published begins behind that; so the offset
 * that it knows always covers everything it was sent, whenever it is cut off again. (The reference
 * sends what was missed before the answer. Official clients hold that back until the answer comes,
 * also that of an earlier connection that was cut off in between, and then have it twice.)
 *
 * Otherwise than the reference's: the window counts from the disconnect, a client that has heard
 * nothing yet can come back too (from where it had begun), and one whose old connection we still
 * believe in (takeover.c); another process may be the one that answers, and if the log does not
 * reach back far enough the client is told so: by `gap`, and by another pid, by which official
 * clients know that they were not recovered.
 */
#include "edge/socketio/emit.h"
#include "edge/socketio/internal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "codec/json/read.h"
#include "codec/json/scan.h"
#include "hub/pattern.h"

#define WIRE "socketio"
#define STATE_DEPTH_MAX 16

struct sio_replay {
    struct journal_reader reader;
    struct sio_socket *socket;
    buf later; /* subscriptions that begin behind it: home, length, name */
    buf held;  /* likewise, ordered ones of a reader that is held */
    bool holding;
    unsigned topics;
    struct pos start;
    uint64_t told; /* number of the last position in an event that is not of the log */
    bool gap;
    struct pos from; /* of the gap */
};

struct sio_resume {
    struct map_node by_pid;    /* in the loop's */
    struct sio_socket *socket;
    struct sio_replay *replay; /* owned; NULL: all was handed over */
    uint64_t start;            /* number of the position at which it began */
    bool taken;                /* another connection asks for it: it is kept, whatever ends it */
    bool over;                 /* it is not */
    char pid[RECOVERY_PID_LEN + 1];
};

/* Namespaces that authenticate nobody: to know the pid is to be it. */
static const uuid nobody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff}};

uuid sio_recovery_principal(const struct sio_socket *s)
{
    return s->session.grant == NULL ? nobody : s->session.grant->principal;
}

span sio_recovery_pid(const struct sio_socket *s)
{
    return s->resume == NULL ? SPAN_NONE : span_str(s->resume->pid);
}

size_t sio_offset(const struct sio_socket *s, char out[POS_TEXT_MAX])
{
    struct sio_replay *r = s->resume == NULL ? NULL : s->resume->replay;
    if (r == NULL) {
        return pos_text(journal_now(sio_edge(s)->home->journal), out);
    }
    struct pos at = journal_reader_pos(&r->reader);
    at.n = at.n > r->told ? at.n : r->told; /* a topic that came later begins now */
    r->told = at.n;
    return pos_text(at, out);
}

bool sio_recovery_ask(span payload, struct resume_ask *out)
{
    struct arena arena = {0};
    span pid, offset;
    *out = (struct resume_ask){0};
    (void)json_get(payload, "pid", &pid);
    (void)json_get(payload, "offset", &offset);
    bool ok = json_type(pid) == JSON_STRING &&
              (json_type(offset) == JSON_STRING || json_type(offset) == JSON_NONE) &&
              resume_ask_parse(json_string_in(offset, &arena), json_string_in(pid, &arena), out) &&
              out->pid[0] != '\0';
    arena_reset(&arena);
    return ok;
}

/* --- names --- */

static bool pid_eq(const struct map_node *node, const void *key)
{
    const struct sio_resume *r = CONTAINER_OF(node, struct sio_resume, by_pid);
    return span_eq(span_str(r->pid), *(const span *)key);
}

static void enter(struct sio_resume *r)
{
    map_put(&sio_loop_of(r->socket->sio)->by_pid, hash_bytes(span_str(r->pid)), &r->by_pid);
}

static void remove_name(struct sio_resume *r)
{
    map_remove(&sio_loop_of(r->socket->sio)->by_pid, &r->by_pid);
}

void sio_recovery_yield(struct sio_loop *l, span pid, uuid principal)
{
    struct map_node *node = map_get(&l->by_pid, hash_bytes(pid), pid_eq, &pid);
    struct sio_resume *r = node == NULL ? NULL : CONTAINER_OF(node, struct sio_resume, by_pid);
    if (r != NULL && uuid_eq(sio_recovery_principal(r->socket), principal)) {
        r->taken = true;
        sio_disconnect(r->socket, CLOSE_REPLACED, false);
    }
}

static struct sio_resume *resume_new(struct sio_socket *s, const char *pid, uint64_t start)
{
    struct sio_resume *r = mem_calloc(1, sizeof *r);
    r->socket = s;
    r->start = start;
    memcpy(r->pid, pid, sizeof r->pid);
    s->resume = r;
    enter(r);
    return r;
}

/* --- keeping --- */

static void put_state(const struct sio_socket *s, buf *out)
{
    struct json_writer w = json_writer_of(out);
    json_open(&w, '{');
    json_member_string(&w, "nsp", sio_nsp(s));
    json_member_string(&w, "sid", sio_sid(s));
    json_member_open(&w, "rooms", '[');
    unsigned count = emit_rooms(s, NULL, 0);
    span *rooms = mem_calloc(count, sizeof *rooms);
    (void)emit_rooms(s, rooms, count);
    for (unsigned i = 0; i < count; i++) {
        json_write_string(&w, rooms[i]);
    }
    mem_free(rooms);
    json_close(&w, ']');
    if (sio_ops(s)->keep != NULL) {
        json_member_open(&w, "state", '{');
        sio_ops(s)->keep(s, &w);
        json_close(&w, '}');
    }
    json_close(&w, '}');
}

void sio_keep(struct sio_socket *s)
{
    struct edge *e = sio_edge(s);
    buf state = {0};
    if (s->resume == NULL || s->state != SIO_CONNECTED) {
        return;
    }
    put_state(s, &state);
    struct pos start = journal_now(e->home->journal);
    start.n = s->resume->start;
    (void)recovery_save(e->home, sio_recovery_pid(s), sio_recovery_principal(s),
                        &(struct recovery_state){
                            .wire = WIRE, .state = buf_span(&state), .pos = start});
    buf_deinit(&state);
}

bool sio_recovery_offered(const struct sio_socket *s)
{
    const struct grant *g = s->session.grant;
    return sio_ops(s)->recovers && !s->sio->eio.v3 && (g == NULL || g->kind != PRINCIPAL_GUEST);
}

void sio_recovery_open(struct sio_socket *s)
{
    struct edge *e = sio_edge(s);
    if (sio_recovery_offered(s)) {
        char pid[RECOVERY_PID_LEN + 1];
        recovery_pid(e->home, pid);
        (void)resume_new(s, pid, journal_now(e->home->journal).n);
    }
}

static void replay_free(struct sio_resume *r)
{
    if (r->replay != NULL) {
        journal_close(&r->replay->reader);
        buf_deinit(&r->replay->later);
        buf_deinit(&r->replay->held);
        mem_free(r->replay);
        r->replay = NULL;
    }
}

void sio_recovery_close(struct sio_socket *s, close_reason reason, bool over)
{
    struct sio_resume *r = s->resume;
    struct edge *e = sio_edge(s);
    if (r == NULL) {
        return;
    }
    replay_free(r);
    remove_name(r);
    if (r->taken) {
        recovery_drop(e->home, sio_recovery_pid(s), sio_recovery_principal(s), NULL);
    } else if (over || r->over || close_reconnect_rule(reason) == RECONNECT_NEVER) {
        recovery_end(e->home, sio_recovery_pid(s), sio_recovery_principal(s));
    } else {
        recovery_drop(e->home, sio_recovery_pid(s), sio_recovery_principal(s), NULL);
    }
    mem_free(r);
    s->resume = NULL;
}

/* --- subscriptions --- */

static struct sio_replay *replaying(const struct sio_socket *s)
{
    return s->resume == NULL ? NULL : s->resume->replay;
}

bool sio_is_replaying(const struct sio_socket *s) { return replaying(s) != NULL; }

struct pos sio_replay_start(const struct sio_socket *s)
{
    const struct sio_replay *r = replaying(s);
    return r == NULL ? journal_now(sio_edge(s)->home->journal) : r->start;
}

struct pos sio_replay_at(const struct sio_socket *s)
{
    const struct sio_replay *r = replaying(s);
    return r == NULL ? journal_now(sio_edge(s)->home->journal) : journal_reader_pos(&r->reader);
}

struct later {
    unsigned home;
    size_t len;
};

/* The next of those that wait; false at the end. */
static bool later_next(span *rest, struct later *l, span *topic)
{
    if (rest->len == 0) {
        return false;
    }
    memcpy(l, rest->ptr, sizeof *l);
    *topic = span_slice(*rest, sizeof *l, l->len);
    *rest = span_slice(*rest, sizeof *l + l->len, rest->len);
    return true;
}

static bool later_drop(buf *list, span topic)
{
    span rest = buf_span(list), name;
    struct later l;
    while (later_next(&rest, &l, &name)) {
        if (span_eq(name, topic)) {
            size_t at = (size_t)(name.ptr - list->ptr) - sizeof l;
            memmove(list->ptr + at, rest.ptr, rest.len);
            list->len -= sizeof l + l.len;
            return true;
        }
    }
    return false;
}

static bool subscribe_later(buf *list, unsigned home, span topic)
{
    struct later l = {.home = home, .len = topic.len};
    buf_append(list, &l, sizeof l);
    buf_append_span(list, topic);
    return !pattern_is(topic) || pattern_allowed(topic);
}

bool sio_subscribe(struct sio_socket *s, unsigned home, span topic)
{
    struct sio_replay *r = replaying(s);
    if (r != NULL && home == JOURNAL_HOME) {
        r->topics++;
        return r->holding ? subscribe_later(&r->held, home, topic)
                          : journal_subscribe(&r->reader, topic);
    }
    return sio_subscribe_values(s, home, topic);
}

bool sio_subscribe_values(struct sio_socket *s, unsigned home, span topic)
{
    struct sio_replay *r = replaying(s);
    return r != NULL
               ? subscribe_later(&r->later, home, topic)
               : hub_subscribe(sio_edge(s)->hub, conn_slot(s->sio->eio.conn), home, topic);
}

bool sio_unsubscribe(struct sio_socket *s, unsigned home, span topic)
{
    struct sio_replay *r = replaying(s);
    if (r == NULL) {
        return hub_unsubscribe(sio_edge(s)->hub, conn_slot(s->sio->eio.conn), home, topic);
    }
    return (home == JOURNAL_HOME && journal_unsubscribe(&r->reader, topic)) ||
           later_drop(&r->held, topic) || later_drop(&r->later, topic);
}

void sio_recovery_writable(struct sio_socket *s)
{
    struct sio_replay *r = replaying(s);
    if (r != NULL) {
        journal_writable(&r->reader);
    }
}

/* --- coming back --- */

void sio_say_gap(struct sio_socket *s, struct pos from, struct pos to)
{
    char text[POS_TEXT_MAX];
    buf out = {0};
    struct json_writer w = json_writer_of(&out);
    json_open(&w, '[');
    json_write_string(&w, SPAN("gap"));
    json_open(&w, '{');
    json_member_string(&w, "from", span_of(text, pos_text(from, text)));
    json_member_string(&w, "to", span_of(text, pos_text(to, text)));
    json_close(&w, '}');
    json_close(&w, ']');
    sio_emit(s, buf_span(&out), NULL, 0, BLOB_ORDERED);
    buf_deinit(&out);
}

void sio_recovery_say(struct sio_socket *s)
{
    struct sio_replay *r = replaying(s);
    if (r != NULL && r->gap) {
        sio_say_gap(s, r->from, journal_reader_pos(&r->reader));
    }
}

/* The log has lost what we promised: the client comes back at once, as somebody new. */
static void on_gap(struct journal_reader *reader, struct pos from, struct pos to)
{
    struct sio_socket *s = CONTAINER_OF(reader, struct sio_replay, reader)->socket;
    s->resume->over = true;
    sio_say_gap(s, from, to);
    sio_disconnect(s, CLOSE_MOVED, true);
}

static void on_error(struct journal_reader *reader, err error)
{
    struct sio_socket *s = CONTAINER_OF(reader, struct sio_replay, reader)->socket;
    LOG(loop_log(sio_edge(s)->loop), LOG_WARN, "error", LOG_STR("what", "replay"),
        LOG_STR("error", err_name(error)), LOG_U64("conn", conn_slot(s->sio->eio.conn)));
    eio_close(&s->sio->eio, CLOSE_SLOW);
}

static void on_live(struct journal_reader *reader)
{
    struct sio_replay *r = CONTAINER_OF(reader, struct sio_replay, reader);
    struct sio_socket *s = r->socket;
    buf later = r->later;
    r->later = (buf){0};
    replay_free(s->resume); /* its topics stay */
    span rest = buf_span(&later), topic;
    struct later l;
    while (later_next(&rest, &l, &topic)) {
        (void)sio_subscribe(s, l.home, topic);
    }
    buf_deinit(&later);
    sio_keep(s);
}

static const struct journal_reader_ops reader_ops = {
    .on_gap = on_gap, .on_error = on_error, .on_live = on_live};

static bool fits(const struct sio_socket *s, span state, span *sid, struct arena *arena)
{
    span value;
    size_t at;
    if (json_check(state, STATE_DEPTH_MAX, JSON_REFUSE_PROTO, &at) < 0 ||
        !json_get(json_root(state), "nsp", &value) || !json_string_eq(value, sio_nsp(s)) ||
        !json_get(json_root(state), "sid", &value)) {
        return false;
    }
    *sid = json_string_in(value, arena);
    return sid->len == EIO_SID_LEN && !sio_sid_taken(sio_loop_of(s->sio), *sid);
}

static void restore(struct sio_socket *s, span state, struct arena *arena)
{
    struct json_iter it;
    char topic[HUB_TOPIC_BYTES_MAX];
    span value, room;
    if (sio_ops(s)->holds != NULL && json_get(state, "state", &value) &&
        sio_ops(s)->holds(s, value)) {
        replaying(s)->holding = true;
    }
    if (sio_ops(s)->rooms) {
        (void)sio_subscribe(s, JOURNAL_HOME, emit_topic(sio_nsp(s), SPAN_NONE, topic));
    }
    if (json_get(state, "rooms", &value) && json_array_begin(&it, value)) {
        while (json_array_next(&it, &room)) {
            (void)emit_join(s, json_string_in(room, arena)); /* a bound may have become lower */
        }
    }
    if (sio_ops(s)->restore != NULL && json_get(state, "state", &value)) {
        sio_ops(s)->restore(s, value);
    }
}

static void rename_pid(struct sio_socket *s)
{
    struct edge *e = sio_edge(s);
    recovery_end(e->home, sio_recovery_pid(s), sio_recovery_principal(s));
    remove_name(s->resume);
    recovery_pid(e->home, s->resume->pid);
    enter(s->resume);
}

/* Where the log begins for it; a position of another log is a gap. One that this loop has not heard
 * of yet may well exist: the gate knows (on_gap). */
static struct pos place(struct sio_replay *r, const struct resume_ask *ask, struct pos kept,
                        struct pos now)
{
    struct pos start = ask->has_since ? ask->since : kept;
    if (start.epoch != now.epoch) {
        r->gap = true;
        r->from = start;
        return now;
    }
    return start;
}

bool sio_recovery_restore(struct sio_socket *s, const struct resume_ask *ask, span state,
                          struct pos kept)
{
    struct edge *e = sio_edge(s);
    struct arena arena = {0};
    span sid;
    if (!fits(s, state, &sid, &arena)) {
        arena_reset(&arena);
        return false;
    }
    struct sio_replay *r = mem_calloc(1, sizeof *r);
    struct pos start = place(r, ask, kept, journal_now(e->home->journal));
    resume_new(s, ask->pid, kept.n)->replay = r;
    r->socket = s;
    r->start = start;
    r->reader.ops = &reader_ops;
    s->state = SIO_CONNECTED;
    s->recovered = !r->gap;
    if (r->gap) { /* the old name means a socket that missed nothing */
        rename_pid(s);
    }
    sio_socket_sid(s, sid);
    journal_open(e->home->journal, &r->reader, conn_slot(s->sio->eio.conn), &start);
    restore(s, json_root(state), &arena);
    sio_keep(s);
    arena_reset(&arena);
    return true;
}

void sio_recovery_begin(struct sio_socket *s)
{
    struct sio_replay *r = replaying(s);
    if (r != NULL && r->topics == 0 && !r->holding) { /* nothing that could be missed */
        on_live(&r->reader);
    }
}

bool sio_replay_is_held(const struct sio_socket *s)
{
    return replaying(s) != NULL && replaying(s)->holding;
}

void sio_release_replay(struct sio_socket *s)
{
    struct sio_replay *r = replaying(s);
    if (r == NULL || !r->holding) {
        return;
    }
    buf held = r->held;
    span rest = buf_span(&held), topic;
    struct later l;
    r->held = (buf){0};
    r->holding = false;
    while (later_next(&rest, &l, &topic)) {
        (void)journal_subscribe(&r->reader, topic);
    }
    buf_deinit(&held);
    sio_recovery_begin(s);
}
