/*
 * Sending: who may say what where, and what may wait for the store. Each message is an item of its
 * room's queue; when its turn comes its sender's rights are asked again, for whoever was removed
 * meanwhile is out, and then it goes with the others that stand there (chat_batch.c).
 */
#include "domain/chat_outgoing.h"

#include "base/hash.h"
#include "base/mem.h"
#include "shape/decode.h"

/* What a message costs besides its texts. */
#define OVERHEAD_BYTES 1024

/* --- one message --- */

static span keep(struct chat_outgoing *m, span s)
{
    return s.ptr == NULL ? SPAN_NONE : arena_dup(&m->arena, s);
}

static uint64_t client_hash(const struct chat_outgoing *m)
{
    return hash_bytes(m->draft.client_id) ^ uuid_hash(m->sender);
}

struct chat_outgoing *chat_outgoing_new(struct chat_room *r, const struct chat_draft *in,
                                        uuid sender)
{
    struct chat_outgoing *m = mem_calloc(1, sizeof *m);
    list_init(&m->item.link);
    m->item.run = chat_messages_run;
    m->room = r;
    m->id = home_new_id(r->chat->home);
    m->sender = sender;
    m->draft = *in;
    m->draft.content = keep(m, in->content);
    m->draft.metadata = keep(m, in->metadata);
    m->draft.file_json = keep(m, in->file_json);
    if (in->client_id.ptr != NULL) {
        m->draft.client_id = keep(m, in->client_id);
        m->client_hash = client_hash(m);
    }
    m->bytes = in->content.len + in->metadata.len + OVERHEAD_BYTES;
    chat_hold(r);
    r->sending++;
    r->chat->sending_bytes += m->bytes;
    return m;
}

void chat_outgoing_origin(struct chat_outgoing *m, const struct chat_origin *origin)
{
    m->origin = (struct chat_origin){.sid = keep(m, origin->sid),
                                     .request_id = keep(m, origin->request_id)};
}

void chat_outgoing_free(struct chat_outgoing *m)
{
    struct chat_room *r = m->room;
    r->sending--;
    r->chat->sending_bytes -= m->bytes;
    arena_reset(&m->arena);
    mem_free(m);
    chat_release(r);
}

void chat_post(struct chat_outgoing *m) { chat_enqueue(m->room, &m->item); }

void chat_outgoing_row(const struct chat_outgoing *m, struct chat_message_row *out)
{
    *out = (struct chat_message_row){
        .id = m->id,
        .room = m->room->id,
        .sender = m->sender,
        .reply_to = m->draft.reply_to,
        .file = m->draft.file,
        .type = m->draft.type,
        .delivery = m->delivery,
        .seq = m->seq,
        .at_ms = m->at_ms,
        .content = m->draft.content,
        .client_id = m->draft.client_id,
        .metadata = m->draft.metadata,
        .file_json = m->draft.file_json,
    };
}

static span cell_text(const struct store_value *v)
{
    return v->type == STORE_NULL ? SPAN_NONE : store_text(v);
}

void chat_message_row_of(const struct store_req *req, unsigned step, unsigned row,
                         struct chat_message_row *out)
{
    const struct store_value *c = store_cell(req, step, row, 0);
    *out = (struct chat_message_row){
        .seq = store_int(&c[1]),
        .type = (enum chat_message_type)shape_chat_message_type_of(store_text(&c[3])),
        .content = store_text(&c[5]),
        .client_id = cell_text(&c[6]),
        .metadata = cell_text(&c[8]),
        .delivery = (enum chat_delivery)shape_chat_delivery_of(store_text(&c[10])),
        .at_ms = store_int(&c[11]),
        .edited_ms = store_int(&c[12]),
        .deleted_ms = store_int(&c[13]),
    };
    (void)chat_cell_uuid(&c[0], &out->room);
    (void)chat_cell_uuid(&c[2], &out->id);
    (void)chat_cell_uuid(&c[4], &out->sender);
    (void)chat_cell_uuid(&c[7], &out->reply_to);
    (void)chat_cell_uuid(&c[9], &out->file);
}

/* --- direct rooms that were hidden --- */

bool chat_has_hidden(const struct chat_room *r)
{
    for (struct map_node *n = NULL;
         r->type == CHAT_DIRECT && (n = map_next(&r->members, n)) != NULL;) {
        if (CONTAINER_OF(n, struct chat_member_of, node)->hidden) {
            return true;
        }
    }
    return false;
}

void chat_unhide(struct chat_room *r)
{
    for (struct map_node *n = NULL; (n = map_next(&r->members, n)) != NULL;) {
        struct chat_member_of *m = CONTAINER_OF(n, struct chat_member_of, node);
        if (m->hidden) {
            m->hidden = false;
            chat_spread_in(r, m->principal);
        }
    }
}

/* --- who may --- */

static const char *wrong_type(const struct chat_who *who, enum chat_message_type t)
{
    if (who->kind == PRINCIPAL_ROBOT) {
        return t == CHAT_MESSAGE_ROBOT || t == CHAT_MESSAGE_GRAPH
                   ? NULL
                   : "robots send robot and graph messages";
    }
    if (t == CHAT_MESSAGE_ROBOT || t == CHAT_MESSAGE_SYSTEM) {
        return "people send chat, file, image and graph messages";
    }
    return who->type == CHAT_GUEST && t == CHAT_MESSAGE_GRAPH
               ? "guests send chat, file and image messages"
               : NULL;
}

bool chat_may_send(struct chat_ask *a, struct chat_room *r, const struct chat_draft *in)
{
    struct chat_member_of *m;
    if (!chat_sees(a, r, &m)) {
        return false;
    }
    const char *why = wrong_type(&a->who, in->type);
    if (why == NULL && m != NULL && m->muted_until_ms != 0 && !a->who.monitors &&
        m->muted_until_ms > clock_wall_ms(r->chat->home->clock)) {
        why = "you are muted in this room";
    } else if (why == NULL && r->alone && a->who.type == CHAT_GUEST) {
        why = "the room is read-only until somebody who works here is back";
    } else if (why == NULL && m == NULL && r->type == CHAT_DIRECT) {
        why = "nobody else says anything in a direct room";
    }
    if (why != NULL) {
        chat_refuse(a, ERR_PERMISSION_DENIED, NULL, why);
    }
    return why == NULL;
}

/* --- sending --- */

struct send {
    struct chat_ask ask;
    struct chat_draft draft;
    bool made_member; /* who monitors was asked to be one */
};

static void send_done(struct chat_outgoing *m, err error, bool repeated)
{
    struct chat_ask *a = m->owner;
    if (error != ERR_NONE) {
        chat_refuse(a, error, m->why == NULL ? NULL : "replyTo", m->why);
        return;
    }
    struct chat_message_row row;
    buf json = {0};
    if (m->row != NULL) {
        row = *m->row;
    } else {
        chat_outgoing_row(m, &row);
    }
    chat_message_json(&row, &json);
    a->result.id = m->id;
    a->result.seq = m->seq;
    a->result.at_ms = m->at_ms;
    a->result.created = !repeated;
    a->result.json = arena_dup(&a->arena, buf_span(&json));
    buf_deinit(&json);
    chat_answer(a, ERR_NONE);
}

static bool still_allowed(struct chat_outgoing *m)
{
    struct chat_ask *a = m->owner;
    if (!chat_may_send(a, m->room, &m->draft)) {
        return false;
    }
    if (chat_member(m->room, m->sender) == NULL) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return false;
    }
    return true;
}

/* Too much waits already; then the ask was answered. */
static bool is_full(struct chat_ask *a, const struct chat_room *r)
{
    const struct home *h = r->chat->home;
    bool full = r->sending >= h->conf->chat_room_waiting_max ||
                r->chat->sending_bytes >= h->conf->chat_waiting_bytes_max / h->count;
    if (full) {
        chat_answer(a, ERR_STORE_BUSY);
    }
    return full;
}

static void at_home_send(struct chat_ask *a, struct chat_room *r);

static void member_made(void *owner, const struct chat_result *result)
{
    struct send *s = owner;
    struct chat_room *r = s->ask.room;
    s->made_member = true;
    if (result->error == ERR_NONE) {
        at_home_send(&s->ask, r);
    } else {
        chat_refuse(&s->ask, result->error, NULL, result->why);
    }
    chat_release(r);
}

/* It is there now, and says something: from here on it is a member (it intervenes). */
static void intervene(struct send *s, struct chat_room *r)
{
    struct chat_ask *a = &s->ask;
    if (s->made_member) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
        return;
    }
    a->room = r;
    chat_hold(r);
    chat_member_add(r->chat->home, r->id, a->who.actor.id, CHAT_MEMBER, &a->who, member_made, s);
}

static void at_home_send(struct chat_ask *a, struct chat_room *r)
{
    struct send *s = (struct send *)a;
    if (r == NULL || r->state != CHAT_ROOM_READY) {
        chat_answer(a, ERR_ROOM_ACCESS_DENIED);
    } else if (!chat_may_send(a, r, &s->draft) || is_full(a, r)) {
        return;
    } else if (chat_member(r, a->who.actor.id) == NULL) {
        intervene(s, r);
    } else {
        struct chat_outgoing *m = chat_outgoing_new(r, &s->draft, a->who.actor.id);
        chat_outgoing_origin(m, &a->origin);
        m->done = send_done;
        m->allowed = still_allowed;
        m->owner = a;
        chat_post(m);
    }
}

void chat_send(struct home *h, uuid room, const struct chat_draft *in, const struct chat_who *who,
               const struct chat_origin *origin, chat_done done, void *owner)
{
    struct send *s = chat_ask_new(h, sizeof *s, room, at_home_send, who, origin, done, owner);
    s->draft = *in;
    s->draft.content = chat_copy(&s->ask, in->content);
    s->draft.client_id = chat_copy(&s->ask, in->client_id);
    s->draft.metadata = chat_copy(&s->ask, in->metadata);
    chat_ask_start(&s->ask);
}

/* --- the server says something --- */

static void said(struct chat_outgoing *m, err error, bool repeated)
{
    struct home *h = m->room->chat->home;
    (void)repeated;
    if (error != ERR_NONE) {
        LOG(h->log, LOG_WARN, "error", LOG_STR("what", "a system message of chat"),
            LOG_STR("error", err_name(error)));
    }
}

void chat_post_system(struct chat_room *r, const char *code, span more)
{
    buf content = {0};
    chat_system_json(code, more, &content);
    struct chat_draft d = {
        .type = CHAT_MESSAGE_SYSTEM, .content = buf_span(&content), .object = true};
    struct chat_outgoing *m = chat_outgoing_new(r, &d, UUID_NIL);
    buf_deinit(&content);
    m->done = said;
    chat_post(m);
}

void chat_committed(struct chat_room *r, struct chat_outgoing *const *messages, unsigned count)
{
    _Atomic uint64_t *n = &r->chat->messages[r->type];
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + count,
                          memory_order_relaxed);
    for (unsigned i = 0; i < count; i++) {
        chat_robot_heard(r, messages[i]);
    }
}
