/*
 * Rooms and who is in them. A room is a topic: its home knows how many are there, and each loop
 * who of its own. Pages are in the order of the names as topics write them, and of ids.
 */
#include "base/mem.h"
#include "edge/gather.h"
#include "edge/rest/devices.h"
#include "edge/rest/handlers.h"
#include "edge/socketio/emit.h"

#include <stdlib.h>

struct question {
    unsigned limit; /* rows of the page; one more is looked for */
    uint8_t nsp_len;
    uint8_t room_len;
    uint8_t after_len;
    char nsp[SIO_NAMESPACE_BYTES_MAX];
    char room[EMIT_ROOM_BYTES_MAX];
    char after[EMIT_ROOM_BYTES_MAX];
};

static span nsp_of(const struct question *q) { return span_of(q->nsp, q->nsp_len); }

/* What both lists ask for; NULL when the call was answered. */
static struct question *read_question(struct rest_call *c)
{
    unsigned limit = rest_query_limit(c);
    span nsp = rest_query(c, "namespace");
    span after = rest_query(c, "cursor");
    nsp = nsp.len == 0 ? SPAN("/") : nsp;
    if (limit == 0) {
        device_bad_query(c, "limit", "must be a whole number from 1");
    } else if (nsp.ptr[0] != '/' || nsp.len > SIO_NAMESPACE_BYTES_MAX) {
        device_bad_query(c, "namespace", "must begin with /");
    } else if (after.len > 0 && !emit_room_ok(nsp, after)) {
        device_bad_query(c, "cursor", "is not one of ours");
    } else {
        struct question *q = mem_calloc(1, sizeof *q);
        q->limit = limit;
        q->nsp_len = (uint8_t)nsp.len;
        q->after_len = (uint8_t)after.len;
        memcpy(q->nsp, nsp.ptr, nsp.len);
        if (after.len > 0) {
            memcpy(q->after, after.ptr, after.len);
        }
        return q;
    }
    return NULL;
}

/* The call of an answer, if its peer is still there and every loop answered. */
static struct rest_call *resume(void *owner, const buf *answers)
{
    struct rest_call *c = rest_resume(owner);
    if (c != NULL && answers == NULL) {
        rest_error(c, ERR_SERVER_ERROR, "not every loop answered in time");
        return NULL;
    }
    return c;
}

/* --- rooms --- */

/* At the topics' home: rows of hub_topics. */
static void look_for_rooms(struct edge *e, const void *in, buf *out)
{
    const struct question *q = in;
    char prefix[HUB_TOPIC_BYTES_MAX + 1], after[HUB_TOPIC_BYTES_MAX];
    if (loop_index(e->loop) != JOURNAL_HOME) {
        return;
    }
    span nsp = emit_topic(nsp_of(q), SPAN_NONE, prefix);
    prefix[nsp.len] = '/';
    span from = q->after_len == 0
                    ? SPAN_NONE
                    : emit_topic(nsp_of(q), span_of(q->after, q->after_len), after);
    struct hub_topic_row *rows = (void *)buf_reserve(out, (q->limit + 1) * sizeof *rows);
    out->len = hub_topics(e->hub, span_of(prefix, nsp.len + 1), from, rows, q->limit + 1) *
               sizeof *rows;
}

static unsigned hex(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

/* The room's name, as it was before emit_topic. */
static span room_of(const struct hub_topic_row *row, char out[HUB_TOPIC_BYTES_MAX])
{
    const char *slash = memrchr(row->name, '/', row->name_len);
    ASSERT(slash != NULL);
    size_t len = 0;
    for (const char *p = slash + 1; p < row->name + row->name_len; p++) {
        if (*p == '%') {
            out[len++] = (char)(hex(p[1]) << 4 | hex(p[2]));
            p += 2;
        } else {
            out[len++] = *p;
        }
    }
    return span_of(out, len);
}

static void rooms_found(void *owner, const buf *answers, unsigned count)
{
    (void)count;
    struct rest_call *c = resume(owner, answers);
    char name[HUB_TOPIC_BYTES_MAX];
    if (c == NULL) {
        return;
    }
    const struct hub_topic_row *rows = (const void *)answers[JOURNAL_HOME].ptr;
    size_t have = answers[JOURNAL_HOME].len / sizeof *rows;
    size_t limit = rest_query_limit(c);
    size_t shown = have < limit ? have : limit;
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (size_t i = 0; i < shown; i++) {
        json_open(&w, '{');
        json_member_string(&w, "room", room_of(&rows[i], name));
        json_member_u64(&w, "sockets", rows[i].subscribers);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data),
                 have > limit ? room_of(&rows[limit - 1], name) : SPAN_NONE);
}

void rest_socket_room_list(struct rest_call *c)
{
    struct question *q = read_question(c);
    if (q != NULL) {
        rest_later(c);
        gather(c->edge, q, look_for_rooms, rooms_found, c);
    }
}

/* --- members --- */

struct row {
    uint8_t sid[EIO_SID_LEN];
    bool known; /* it authenticated */
    uint8_t kind;
    uuid principal;
};

/* The first of a room's members on a loop, by their ids. */
struct page {
    struct edge *edge;
    const struct question *question;
    struct row *rows;
    unsigned count;
};

static int sid_cmp(const void *a, const void *b) { return memcmp(a, b, EIO_SID_LEN); }

static void add_member(struct page *p, const struct sio_socket *s)
{
    const struct question *q = p->question;
    const struct grant *g = s->session.grant;
    struct row row = {.known = g != NULL};
    memcpy(row.sid, s->sid, EIO_SID_LEN);
    if (q->after_len == EIO_SID_LEN && memcmp(row.sid, q->after, EIO_SID_LEN) <= 0) {
        return;
    }
    if (g != NULL) {
        row.kind = (uint8_t)g->kind;
        row.principal = g->principal;
    }
    unsigned at = p->count;
    while (at > 0 && sid_cmp(&row, &p->rows[at - 1]) < 0) {
        at--;
    }
    unsigned max = q->limit + 1;
    if (at < max) {
        p->count += p->count < max;
        memmove(&p->rows[at + 1], &p->rows[at], (p->count - 1 - at) * sizeof row);
        p->rows[at] = row;
    }
}

static void look_at_member(uint32_t member, void *arg)
{
    struct page *p = arg;
    const struct sio_socket *s = sio_of_member(p->edge, member, nsp_of(p->question));
    if (s != NULL) {
        add_member(p, s);
    }
}

static void look_for_members(struct edge *e, const void *in, buf *out)
{
    const struct question *q = in;
    char topic[HUB_TOPIC_BYTES_MAX];
    span room = span_of(q->room, q->room_len);
    struct row *rows = (void *)buf_reserve(out, (q->limit + 1) * sizeof *rows);
    struct page p = {.edge = e, .question = q, .rows = rows};
    hub_topic_members(e->hub, emit_topic(nsp_of(q), room, topic), look_at_member, &p);
    const struct sio_socket *own = room.len == EIO_SID_LEN ? sio_find(e, room) : NULL;
    if (own != NULL && span_eq(sio_nsp(own), nsp_of(q))) {
        add_member(&p, own);
    }
    out->len = p.count * sizeof *rows;
}

static void write_member(struct json_writer *w, const struct row *row)
{
    json_open(w, '{');
    json_member_string(w, "sid", span_of(row->sid, EIO_SID_LEN));
    if (row->known) {
        rest_member_uuid(w, "principal", row->principal);
        const char *kind = principal_kind_name((enum principal_kind)row->kind);
        json_member_string(w, "kind", span_str(kind));
    } else {
        json_member_null(w, "principal");
        json_member_null(w, "kind");
    }
    json_close(w, '}');
}

static void members_found(void *owner, const buf *answers, unsigned count)
{
    struct rest_call *c = resume(owner, answers);
    buf all = {0};
    if (c == NULL) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        buf_append_span(&all, buf_span(&answers[i]));
    }
    struct row *rows = (void *)all.ptr;
    size_t have = all.len / sizeof *rows;
    if (have > 1) {
        qsort(rows, have, sizeof *rows, sid_cmp);
    }
    size_t limit = rest_query_limit(c);
    struct json_writer w = json_writer_of(&c->data);
    json_open(&w, '[');
    for (size_t i = 0; i < have && i < limit; i++) {
        write_member(&w, &rows[i]);
    }
    json_close(&w, ']');
    rest_ok_list(c, buf_span(&c->data),
                 have > limit ? span_of(rows[limit - 1].sid, EIO_SID_LEN) : SPAN_NONE);
    buf_deinit(&all);
}

static void list_members(struct rest_call *c, span room)
{
    struct question *q = read_question(c);
    if (q == NULL) {
        return;
    }
    if (!emit_room_ok(nsp_of(q), room)) {
        mem_free(q);
        rest_error(c, ERR_NOT_FOUND, "there is no such room");
        return;
    }
    q->room_len = (uint8_t)room.len;
    memcpy(q->room, room.ptr, room.len);
    rest_later(c);
    gather(c->edge, q, look_for_members, members_found, c);
}

void rest_socket_member_list(struct rest_call *c) { list_members(c, c->texts[0]); }
void rest_socket_room_members(struct rest_call *c) { list_members(c, rest_query(c, "room")); }
