/*
 * Publishing emits, and finding those whom they are for.
 *
 * What has one room and nothing else goes to the room's topic; the hub knows its members and asks
 * nobody. With exceptions, its members are asked (emit_wants). What has several rooms, principals
 * or a socket's id goes to the namespace's topic, and each loop looks up who is meant (emit_among):
 * so it costs a mail a loop, and work for those who may be meant, not for all who are there.
 */
#include "edge/socketio/emit.h"

#include "base/mem.h"

struct emit_cache {
    struct blob *blob; /* one reference, so that its address is not used again; NULL: none */
    struct emit emit;
    struct arena arena;
    bool ok;
};

/* An id of a socket looks like this; so may a room's name. */
static bool like_sid(span room) { return room.len == EIO_SID_LEN; }

/* Whether the members of one room's topic are all that may be meant. */
static bool has_topic(const struct emit *m)
{
    return m->room_count == 1 && m->principal_count == 0 && !like_sid(m->rooms[0]);
}

static bool is_for_some(const struct emit *m)
{
    bool everybody = m->room_count == 0 && m->principal_count == 0;
    return m->kinds != 0 || m->except_count > 0 || !(everybody || has_topic(m));
}

static span topic_of(const struct emit *m, char out[HUB_TOPIC_BYTES_MAX])
{
    span topic = emit_topic(m->nsp, has_topic(m) ? m->rooms[0] : SPAN_NONE, out);
    ASSERT(topic.len > 0);
    return topic;
}

/* --- publishing --- */

void emit_now(struct edge *e, const struct emit *m, enum blob_class cls)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    bool some = is_for_some(m);
    buf payload = {0};
    emit_write(&payload, m);
    struct blob *b = blob_new(cls, EMIT_UNLOGGED, loop_wall_ms(e->loop), buf_span(&payload));
    b->some = some;
    buf_deinit(&payload);
    hub_publish(e->hub, JOURNAL_HOME, topic_of(m, topic), b);
}

void emit_set(struct edge *e, struct store_req *req, unsigned step, unsigned set,
              const struct emit *m)
{
    char topic[HUB_TOPIC_BYTES_MAX];
    buf payload = {0};
    emit_write(&payload, m);
    journal_set(req, step, set,
                &(struct journal_event){
                    .id = home_new_id(e->home),
                    .time_ms = loop_wall_ms(e->loop),
                    .event = is_for_some(m) ? EVENT_APP_EMIT_SOME : EVENT_APP_EMIT,
                    .topic = topic_of(m, topic),
                    .data = buf_span(&payload)});
    buf_deinit(&payload);
}

struct logging {
    struct edge *edge;
    void (*done)(void *owner, err error);
    void *owner;
};

static void logged(struct store_req *req)
{
    struct logging l = *(struct logging *)req->owner;
    if (req->error == ERR_NONE) {
        (void)journal_publish(l.edge->home->journal, req, 0);
    }
    err error = req->error;
    mem_free(req->owner);
    store_req_free(req);
    if (l.done != NULL) {
        l.done(l.owner, error);
    }
}

void emit_logged(struct edge *e, const struct emit *m, void (*done)(void *owner, err error),
                 void *owner)
{
    struct logging *l = mem_alloc(sizeof *l);
    *l = (struct logging){.edge = e, .done = done, .owner = owner};
    struct store_req *req = store_req_new(loop_index(e->loop), 1, logged, l);
    journal_steps(req, 0, 1);
    emit_set(e, req, 0, 0, m);
    e->home->store->submit(e->home->store, req);
}

/* --- delivering --- */

void emit_init(struct edge *e) { e->emit = mem_calloc(1, sizeof *e->emit); }

static void forget(struct emit_cache *c)
{
    arena_reset(&c->arena);
    blob_unref(c->blob);
    c->blob = NULL;
}

void emit_deinit(struct edge *e)
{
    if (e->emit != NULL) {
        forget(e->emit);
        mem_free(e->emit);
        e->emit = NULL;
    }
}

const struct emit *emit_of_blob(struct edge *e, const struct blob *b)
{
    struct emit_cache *c = e->emit;
    bool ours = b->pos == 0 ? b->event == EMIT_UNLOGGED
                            : b->event == EVENT_APP_EMIT || b->event == EVENT_APP_EMIT_SOME;
    if (!ours) {
        return NULL;
    }
    if (c->blob != b) {
        forget(c);
        c->blob = blob_ref((struct blob *)b);
        c->ok = emit_read(blob_payload(b), &c->arena, &c->emit);
    }
    return c->ok ? &c->emit : NULL;
}

static bool in_any(const struct sio_socket *s, const span *rooms, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (emit_in_room(s, rooms[i])) {
            return true;
        }
    }
    return false;
}

static bool is_any(const struct sio_socket *s, const uuid *principals, unsigned count)
{
    for (unsigned i = 0; i < count && s->session.grant != NULL; i++) {
        if (uuid_eq(s->session.grant->principal, principals[i])) {
            return true;
        }
    }
    return false;
}

static unsigned kind_of(const struct sio_socket *s)
{
    const struct grant *g = s->session.grant;
    return g != NULL && g->kind == PRINCIPAL_DEVICE ? EMIT_DEVICES : EMIT_CLIENTS;
}

bool emit_is_for(const struct sio_socket *s, const struct emit *m)
{
    if (m->kinds != 0 && (m->kinds & kind_of(s)) == 0) {
        return false;
    }
    bool named = (m->room_count == 0 && m->principal_count == 0) ||
                 in_any(s, m->rooms, m->room_count) ||
                 is_any(s, m->principals, m->principal_count);
    return named && !in_any(s, m->except, m->except_count);
}

static struct edge *of_sink(struct hub_sink *s) { return CONTAINER_OF(s, struct edge, sink); }

bool emit_wants(struct hub_sink *sink, uint32_t member, const struct blob *b)
{
    struct edge *e = of_sink(sink);
    const struct emit *m = emit_of_blob(e, b);
    const struct sio_socket *s = m == NULL ? NULL : sio_of_member(e, member, m->nsp);
    return s != NULL && emit_is_for(s, m);
}

static void pick(struct sio_socket *s, struct hub_picks *picks)
{
    if (s != NULL) {
        hub_pick(picks, conn_slot(sio_engine(s)->conn));
    }
}

static void pick_session(struct session *session, void *picks)
{
    pick(sio_of_session(session), picks);
}

bool emit_among(struct hub_sink *sink, const struct blob *b, struct hub_picks *picks)
{
    struct edge *e = of_sink(sink);
    const struct emit *m = emit_of_blob(e, b);
    char topic[HUB_TOPIC_BYTES_MAX];
    if (m == NULL) {
        return true; /* nobody */
    }
    if (has_topic(m) || (m->room_count == 0 && m->principal_count == 0)) {
        return false; /* its topic says so as well as can be */
    }
    for (unsigned i = 0; i < m->room_count; i++) {
        hub_pick_topic(picks, emit_topic(m->nsp, m->rooms[i], topic));
        pick(like_sid(m->rooms[i]) ? sio_find(e, m->rooms[i]) : NULL, picks);
    }
    for (unsigned i = 0; i < m->principal_count; i++) {
        session_each(e->home, m->principals[i], pick_session, picks);
    }
    return true;
}
