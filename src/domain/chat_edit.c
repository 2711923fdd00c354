/*
 * Changes of what was said: edits, deletions, reactions. Each is an item of the room's queue: the
 * message is read as it is stored, the change decided, written with its event.
 *
 *     id --read--> room --ask--> its home: queue --read--> decide --write--> event, answer
 *
 * What was said before is kept, by who changed it and when; a deleted message keeps its place only.
 */
#include "domain/chat_delivery.h"
#include "domain/chat_history.h"

#include "shape/chat_history.h"

#define REVISIONS_MAX 100 /* of a message: nobody needs more, and each may be as large as it */

enum change_kind { CHANGE_EDIT, CHANGE_DELETE, CHANGE_REACT };

struct change {
    struct chat_ask ask; /* first */
    struct chat_item item;
    enum change_kind kind;
    uuid message;
    int64_t version; /* that must be stored; 0: any */
    span content; /* the ask's, as `emoji` */
    span emoji;
    bool on;
    struct chat_message_row row; /* as it will be; its texts are the ask's */
};

enum { READ_MESSAGE, READ_MORE, READ_STEPS };

/* --- the end --- */

static void over(struct change *x, err error, const char *why)
{
    struct chat_room *r = x->ask.room;
    chat_refuse(&x->ask, error, NULL, why);
    chat_item_over(r);
}

static void on_written(struct store_req *req)
{
    struct change *x = req->owner;
    struct chat_room *r = x->ask.room;
    err error = req->error;
    if (error == ERR_NONE) {
        chat_publish(r->chat, r, req);
        chat_result_message(&x->ask, &x->row);
        x->ask.result.created = true;
        x->ask.result.version++;
    } else if (error == ERR_CONFLICT) { /* retention was quicker */
        error = ERR_ROOM_ACCESS_DENIED;
    }
    store_req_free(req);
    over(x, error, NULL);
}

/* --- writing --- */

static void step_event(struct change *x, struct store_req *req, unsigned step)
{
    char topic[CHAT_TOPIC_MAX];
    struct chat_room *r = x->ask.room;
    chat_result_message(&x->ask, &x->row);
    chat_event_step(r->chat, req, step, EVENT_CHAT_MESSAGE_UPDATED, chat_room_topic(r->id, topic),
                    x->ask.result.json, &x->ask.origin);
}

/* What it says until now. */
static void step_revision(struct change *x, struct store_req *req, unsigned step, int64_t now_ms)
{
    store_step_init(req, step, QUERY_CHAT_REVISION_INSERT, 1);
    chat_set_uuid(req, step, 0, 0, x->message);
    chat_set_uuid(req, step, 0, 1, x->ask.who.actor.id);
    store_set_int(req, step, 0, 2, now_ms);
}

static struct store_req *write_edit(struct change *x, int64_t now_ms)
{
    struct home *h = x->ask.room->chat->home;
    struct store_req *req = store_req_new(h->index, 3, on_written, x);
    x->row.content = x->content;
    x->row.edited_ms = now_ms;
    step_revision(x, req, 0, now_ms);
    store_step_init(req, 1, QUERY_CHAT_MESSAGE_EDIT, 1);
    chat_set_uuid(req, 1, 0, 0, x->message);
    store_set_text(req, 1, 0, 1, x->content);
    store_set_int(req, 1, 0, 2, now_ms);
    req->steps[1].expect = STORE_SOME;
    step_event(x, req, 2);
    return req;
}

static void step_of_message(struct change *x, struct store_req *req, unsigned step, enum query q)
{
    store_step_init(req, step, q, 1);
    chat_set_uuid(req, step, 0, 0, x->message);
}

static struct store_req *write_delete(struct change *x, int64_t now_ms, bool others)
{
    struct chat_room *r = x->ask.room;
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, others ? 6 : 5, on_written, x);
    x->row.deleted_ms = now_ms;
    x->row.reactions = x->row.file_json = SPAN_NONE;
    step_revision(x, req, 0, now_ms);
    step_of_message(x, req, 1, QUERY_CHAT_FILE_OF_MESSAGE_GONE);
    store_set_int(req, 1, 0, 1, now_ms);
    step_of_message(x, req, 2, QUERY_CHAT_REACTIONS_DELETE);
    step_of_message(x, req, 3, QUERY_CHAT_MESSAGE_DELETE);
    store_set_int(req, 3, 0, 1, now_ms);
    req->steps[3].expect = STORE_SOME;
    step_event(x, req, 4);
    if (others) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(x->message, id);
        audit_step(h, req, 5,
                   &(struct audit_entry){.who = &x->ask.who.actor,
                                         .action = "chat.message.delete",
                                         .target_kind = "chat_message",
                                         .target = span_of(id, UUID_TEXT_LEN)});
    }
    return req;
}

static struct store_req *write_reaction(struct change *x, int64_t now_ms)
{
    struct home *h = x->ask.room->chat->home;
    struct store_req *req = store_req_new(h->index, 3, on_written, x);
    step_of_message(x, req, 0, x->on ? QUERY_CHAT_REACTION_PUT : QUERY_CHAT_REACTION_TAKE);
    store_set_text(req, 0, 0, 1, x->emoji);
    chat_set_uuid(req, 0, 0, 2, x->ask.who.actor.id);
    if (x->on) {
        store_set_int(req, 0, 0, 3, now_ms);
    }
    step_of_message(x, req, 1, QUERY_CHAT_MESSAGE_REACTIONS);
    if (x->row.reactions.ptr != NULL) {
        store_set_text(req, 1, 0, 1, x->row.reactions);
    }
    req->steps[1].expect = STORE_SOME;
    step_event(x, req, 2);
    return req;
}

/* --- deciding: the request, or NULL and the change is over --- */

static struct store_req *settle(struct change *x, err error, const char *why)
{
    if (error == ERR_NONE) {
        chat_result_message(&x->ask, &x->row);
    }
    over(x, error, why);
    return NULL;
}

static bool mine(const struct change *x)
{
    return !uuid_is_nil(x->row.sender) && uuid_eq(x->row.sender, x->ask.who.actor.id);
}

static struct store_req *decide_edit(struct change *x, int64_t revisions, int64_t now_ms)
{
    const struct domain_conf *conf = x->ask.room->chat->home->conf;
    if (!mine(x)) {
        return settle(x, ERR_PERMISSION_DENIED, "only who said it may change it");
    }
    if (x->row.deleted_ms != 0) {
        return settle(x, ERR_CONFLICT, "it was deleted");
    }
    if (now_ms - x->row.at_ms > conf->chat_edit_window_s * 1000) {
        return settle(x, ERR_PERMISSION_DENIED, "it is too long ago to be changed");
    }
    if (span_eq(x->row.content, x->content)) {
        return settle(x, ERR_NONE, NULL);
    }
    if (revisions >= REVISIONS_MAX) {
        return settle(x, ERR_CONFLICT, "it was changed too often");
    }
    return write_edit(x, now_ms);
}

/* In a direct room nobody stands above the other. */
static bool may_delete(const struct chat_ask *a, const struct chat_room *r, uuid sender)
{
    bool own = !uuid_is_nil(sender) && uuid_eq(sender, a->who.actor.id);
    return own || a->who.monitors || (r->type != CHAT_DIRECT && chat_moderates(a, r));
}

static struct store_req *decide_delete(struct change *x, int64_t now_ms)
{
    if (!may_delete(&x->ask, x->ask.room, x->row.sender)) {
        return settle(x, ERR_PERMISSION_DENIED, "only who said it and moderators may delete it");
    }
    return x->row.deleted_ms != 0 ? settle(x, ERR_NONE, NULL)
                                  : write_delete(x, now_ms, !mine(x));
}

/* Columns of CHAT_REACTIONS_OF. */
enum { REACTION_EMOJI, REACTION_WHO, REACTION_TOTAL };

static struct store_req *decide_reaction(struct change *x, const struct store_req *read,
                                         int64_t now_ms)
{
    struct chat_ask *a = &x->ask;
    unsigned count = read->steps[READ_MORE].row_count;
    struct chat_reaction *rows = ARENA_ARRAY(&a->arena, struct chat_reaction, count + 1);
    buf json = {0};
    for (unsigned i = 0; i < count; i++) {
        const struct store_value *c = store_cell(read, READ_MORE, i, 0);
        rows[i].emoji = store_text(&c[REACTION_EMOJI]);
        (void)chat_cell_uuid(&c[REACTION_WHO], &rows[i].who);
        rows[i].total = store_int(&c[REACTION_TOTAL]);
    }
    if (x->row.deleted_ms != 0) {
        return settle(x, ERR_CONFLICT, "it was deleted");
    }
    enum chat_reacted r =
        chat_react_json(rows, count, x->emoji, a->who.actor.id, x->on, &json);
    if (r == CHAT_REACTED) {
        x->row.reactions = json.len == 0 ? SPAN_NONE : chat_copy(a, buf_span(&json));
    }
    buf_deinit(&json);
    return r == CHAT_REACTED        ? write_reaction(x, now_ms)
           : r == CHAT_REACTED_SAME ? settle(x, ERR_NONE, NULL)
                                    : settle(x, ERR_CONFLICT, "it has 20 reactions already");
}

static void keep_texts(struct chat_ask *a, struct chat_message_row *row)
{
    row->content = chat_copy(a, row->content);
    row->client_id = chat_copy(a, row->client_id);
    row->metadata = chat_copy(a, row->metadata);
    row->reactions = chat_copy(a, row->reactions);
}

static void on_read(struct store_req *read)
{
    struct change *x = read->owner;
    struct chat_room *r = x->ask.room;
    struct home *h = r->chat->home;
    struct store_req *req = NULL;
    if (read->error != ERR_NONE || read->steps[READ_MESSAGE].row_count == 0) {
        over(x, read->error != ERR_NONE ? read->error : ERR_ROOM_ACCESS_DENIED, NULL);
        store_req_free(read);
        return;
    }
    x->ask.result.version =
        chat_row_read(store_cell(read, READ_MESSAGE, 0, 0), &x->ask.arena, &x->row);
    keep_texts(&x->ask, &x->row);
    x->row.delivery = chat_delivery_now(r, x->row.seq, x->row.delivery);
    int64_t now_ms = clock_wall_ms(h->clock);
    now_ms = now_ms > x->row.at_ms ? now_ms : x->row.at_ms;
    if (x->version != 0 && x->version != x->ask.result.version) {
        over(x, ERR_PRECONDITION_FAILED, NULL);
    } else if (x->kind == CHANGE_EDIT) {
        req = decide_edit(x, store_int(store_cell(read, READ_MORE, 0, 0)), now_ms);
    } else if (x->kind == CHANGE_DELETE) {
        req = decide_delete(x, now_ms);
    } else {
        req = decide_reaction(x, read, now_ms);
    }
    store_req_free(read);
    if (req != NULL) {
        h->store->submit(h->store, req);
    }
}

/* --- its turn --- */

/* Rights may have changed while it waited. */
static bool allowed(struct change *x, struct chat_room *r)
{
    struct chat_member_of *m;
    if (r != NULL && r->state != CHAT_ROOM_READY) {
        r = NULL;
    }
    if (x->kind == CHANGE_DELETE) {
        return chat_sees(&x->ask, r, &m);
    }
    bool robot = x->ask.who.kind == PRINCIPAL_ROBOT;
    const struct chat_draft as = {.type = robot ? CHAT_MESSAGE_ROBOT : CHAT_MESSAGE_CHAT};
    return chat_member_for(&x->ask, r) != NULL && chat_may_send(&x->ask, r, &as);
}

static void run(struct chat_item *item, struct chat_room *r)
{
    struct change *x = CONTAINER_OF(item, struct change, item);
    struct home *h = r->chat->home;
    chat_release(r); /* waiting; the queue holds it now */
    if (!allowed(x, r)) {
        chat_item_over(r);
        return;
    }
    bool more = x->kind != CHANGE_DELETE;
    struct store_req *req = store_req_new(h->index, more ? READ_STEPS : 1, on_read, x);
    req->row_max = 1 + CHAT_REACTIONS_MAX * (CHAT_REACTION_USERS_SHOWN + 2);
    step_of_message(x, req, READ_MESSAGE, QUERY_CHAT_MESSAGE_GET);
    if (x->kind == CHANGE_EDIT) {
        step_of_message(x, req, READ_MORE, QUERY_CHAT_REVISION_COUNT);
    } else if (x->kind == CHANGE_REACT) {
        step_of_message(x, req, READ_MORE, QUERY_CHAT_REACTIONS_OF);
        chat_set_uuid(req, READ_MORE, 0, 1, x->ask.who.actor.id);
        store_set_int(req, READ_MORE, 0, 2, CHAT_REACTION_USERS_SHOWN + 1);
    }
    h->store->submit(h->store, req);
}

static void at_home(struct chat_ask *a, struct chat_room *r)
{
    struct change *x = (struct change *)a;
    if (!allowed(x, r)) {
        return;
    }
    a->room = r;
    x->item.run = run;
    list_init(&x->item.link);
    chat_hold(r);
    chat_enqueue(r, &x->item);
}

static struct change *change_new(struct home *h, enum change_kind kind, uuid message,
                                 const struct chat_who *who, const struct chat_origin *origin,
                                 chat_done done, void *owner)
{
    struct change *x = chat_ask_new(h, sizeof *x, UUID_NIL, at_home, who, origin, done, owner);
    x->kind = kind;
    x->message = message;
    return x;
}

void chat_edit(struct home *h, uuid message, span content, bool object, const struct chat_who *who,
               const struct chat_origin *origin, chat_done done, void *owner)
{
    chat_edit_version(h, message, 0, content, object, who, origin, done, owner);
}

void chat_edit_version(struct home *h, uuid message, int64_t version, span content, bool object,
                       const struct chat_who *who, const struct chat_origin *origin,
                       chat_done done, void *owner)
{
    ASSERT(content.len >= 2 && (content.ptr[0] == '{') == object);
    struct change *x = change_new(h, CHANGE_EDIT, message, who, origin, done, owner);
    x->version = version;
    x->content = chat_copy(&x->ask, content);
    chat_ask_of_message(&x->ask, message);
}

void chat_delete(struct home *h, uuid message, const struct chat_who *who,
                 const struct chat_origin *origin, chat_done done, void *owner)
{
    chat_delete_version(h, message, 0, who, origin, done, owner);
}

void chat_delete_version(struct home *h, uuid message, int64_t version, const struct chat_who *who,
                         const struct chat_origin *origin, chat_done done, void *owner)
{
    struct change *x = change_new(h, CHANGE_DELETE, message, who, origin, done, owner);
    x->version = version;
    chat_ask_of_message(&x->ask, message);
}

void chat_react(struct home *h, uuid message, span emoji, bool on, const struct chat_who *who,
                const struct chat_origin *origin, chat_done done, void *owner)
{
    struct change *x = change_new(h, CHANGE_REACT, message, who, origin, done, owner);
    x->emoji = chat_copy(&x->ask, emoji);
    x->on = on;
    if (chat_is_reaction(emoji)) {
        chat_ask_of_message(&x->ask, message);
    } else {
        chat_refuse(&x->ask, ERR_INVALID_REQUEST, "emoji",
                    "must have 1 to 32 bytes, no blanks, quotes or backslashes");
    }
}

/* --- what it said before --- */

struct looking_back {
    struct chat_ask ask; /* first */
    uuid message;
};

/* Columns of CHAT_REVISIONS. */
enum { PAST_CONTENT, PAST_AT, PAST_BY };

static void put_revisions(struct chat_ask *a, const struct store_req *req)
{
    buf out = {0};
    buf_append_byte(&out, '[');
    for (unsigned i = 0; i < req->steps[READ_MORE].row_count; i++) {
        const struct store_value *c = store_cell(req, READ_MORE, i, 0);
        if (i > 0) {
            buf_append_byte(&out, ',');
        }
        chat_put_revision(&out, store_text(&c[PAST_CONTENT]), store_int(&c[PAST_AT]),
                          store_text(&c[PAST_BY]));
    }
    buf_append_byte(&out, ']');
    a->result.json = chat_copy(a, buf_span(&out));
    buf_deinit(&out);
}

static void on_revisions(struct store_req *req)
{
    struct looking_back *x = req->owner;
    struct chat_ask *a = &x->ask;
    struct chat_room *r = a->room;
    struct chat_message_row row;
    err error = req->error;
    const char *why = NULL;
    if (error == ERR_NONE && req->steps[READ_MESSAGE].row_count == 0) {
        error = ERR_ROOM_ACCESS_DENIED;
    }
    if (error == ERR_NONE) {
        a->result.version =
            chat_row_read(store_cell(req, READ_MESSAGE, 0, 0), &a->arena, &row);
        if (may_delete(a, r, row.sender)) {
            put_revisions(a, req);
        } else {
            error = ERR_PERMISSION_DENIED;
            why = "only who said it and moderators see what it said before";
        }
    }
    store_req_free(req);
    chat_refuse(a, error, NULL, why);
    chat_release(r);
}

static void at_home_revisions(struct chat_ask *a, struct chat_room *r)
{
    struct looking_back *x = (struct looking_back *)a;
    struct chat_member_of *m;
    if (!chat_sees(a, r, &m)) {
        return;
    }
    struct home *h = r->chat->home;
    struct store_req *req = store_req_new(h->index, READ_STEPS, on_revisions, x);
    a->room = r;
    chat_hold(r);
    req->row_max = 1 + REVISIONS_MAX + 1;
    store_step_init(req, READ_MESSAGE, QUERY_CHAT_MESSAGE_GET, 1);
    chat_set_uuid(req, READ_MESSAGE, 0, 0, x->message);
    store_step_init(req, READ_MORE, QUERY_CHAT_REVISIONS, 1);
    chat_set_uuid(req, READ_MORE, 0, 0, x->message);
    store_set_int(req, READ_MORE, 0, 1, REVISIONS_MAX + 1);
    h->store->submit(h->store, req);
}

void chat_revisions(struct home *h, uuid message, const struct chat_who *who, chat_done done,
                    void *owner)
{
    struct looking_back *x =
        chat_ask_new(h, sizeof *x, UUID_NIL, at_home_revisions, who, NULL, done, owner);
    x->message = message;
    chat_ask_of_message(&x->ask, message);
}
