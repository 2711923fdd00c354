/* The rooms of a socket: each from what was missed to what is live (chat_socket.h). */
#include "base/mem.h"
#include "codec/json/read.h"
#include "edge/socketio/chat_socket.h"
#include "edge/socketio/product.h"

#include <string.h>

#define PAGE_MESSAGES 200
/* Of one page: a quarter of the smallest outbox; what is above is read again. */
#define PAGE_BYTES 65536
#define RECEIVED SPAN("chat:message:received")

enum catch_state {
    CATCH_QUEUED,  /* for its turn */
    CATCH_PAGE,    /* a page is being read */
    CATCH_WRITING, /* for its socket to take one */
    CATCH_READING, /* by the journal */
};

struct chat_catch {
    struct chat_place *place;
    enum catch_state state;
    struct pos pos;   /* where the topic goes on */
    int64_t seq;      /* messages up to it are not sent; */
    bool paging;      /* else nothing is fetched */
    uint64_t token;   /* names it to a page that is under way */
    struct journal_reader reader;
};

static uint32_t member_of(const struct chat_socket *c)
{
    return conn_slot(sio_engine(c->socket)->conn);
}

struct chat_place *chat_place_of(const struct chat_socket *c, uuid room)
{
    LIST_EACH(it, &c->places) {
        struct chat_place *p = LIST_ITEM(it, struct chat_place, link);
        if (uuid_eq(p->room, room)) {
            return p;
        }
    }
    return NULL;
}

bool chat_is_changed(const struct blob *b)
{
    return b->pos != 0 && b->event == EVENT_CHAT_MESSAGE_UPDATED;
}

bool chat_wants(struct edge *e, uint32_t member, const struct blob *b)
{
    const struct sio_socket *s = sio_of_member(e, member, SPAN("/"));
    const struct chat_socket *c = s == NULL ? NULL : chat_socket_find(s);
    if (c == NULL || c->who.type != CHAT_GUEST || list_empty(&c->places)) {
        return true;
    }
    const struct chat_place *only = LIST_ITEM(c->places.next, struct chat_place, link);
    return chat_stored_seq(blob_payload(b)) > only->first_seq;
}

/* --- turns --- */

static void catch_begin(struct chat_catch *k);

static void next_turn(struct chat_socket *c)
{
    if (!c->open) {
        return;
    }
    LIST_EACH(it, &c->places) {
        struct chat_place *p = LIST_ITEM(it, struct chat_place, link);
        if (c->catching >= CHAT_CATCHING_MAX) {
            return;
        }
        if (p->catch != NULL && p->catch->state == CATCH_QUEUED) {
            c->catching++;
            catch_begin(p->catch);
        }
    }
}

/* It is over: live, or gone. */
static void catch_free(struct chat_catch *k)
{
    struct chat_place *p = k->place;
    bool counted = k->state != CATCH_QUEUED;
    p->chat->gave = p->chat->gave || k->reader.gave;
    journal_close(&k->reader);
    mem_free(k);
    p->catch = NULL;
    p->chat->catching -= counted;
    p->chat->behind--;
}

static void catch_new(struct chat_place *p, struct pos pos, int64_t since)
{
    struct chat_catch *k = mem_calloc(1, sizeof *k);
    k->place = p;
    k->pos = pos;
    k->seq = since;
    k->paging = since >= 0 && since < p->last_seq;
    p->catch = k;
    p->chat->behind++;
    chat_catching_from(p->chat, pos);
    next_turn(p->chat);
}

/* --- the journal --- */

static struct chat_catch *of_reader(struct journal_reader *r)
{
    return CONTAINER_OF(r, struct chat_catch, reader);
}

static void on_live(struct journal_reader *r)
{
    struct chat_place *p = of_reader(r)->place;
    struct chat_socket *c = p->chat;
    catch_free(p->catch); /* the topic stays */
    next_turn(c);
    if (c->behind == 0) {
        chat_caught_up(c);
    }
}

static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    sio_say_gap(of_reader(r)->place->chat->socket, from, to);
}

static void on_error(struct journal_reader *r, err error)
{
    struct sio_socket *s = of_reader(r)->place->chat->socket;
    LOG(loop_log(sio_edge(s)->loop), LOG_WARN, "error", LOG_STR("what", "chat replay"),
        LOG_STR("error", err_name(error)), LOG_U64("conn", conn_slot(sio_engine(s)->conn)));
    eio_close(sio_engine(s), CLOSE_SLOW); /* it has to come back */
}

static const struct journal_reader_ops reader_ops = {
    .on_gap = on_gap, .on_error = on_error, .on_live = on_live};

static void read_topic(struct chat_catch *k)
{
    struct chat_socket *c = k->place->chat;
    char topic[CHAT_TOPIC_MAX];
    k->state = CATCH_READING;
    k->reader.ops = &reader_ops;
    journal_open(sio_edge(c->socket)->home->journal, &k->reader, member_of(c), &k->pos);
    (void)journal_subscribe(&k->reader, chat_room_topic(k->place->room, topic));
}

/* --- stored messages --- */

/* A page under way; it may outlive the socket. */
struct page {
    struct edge *edge;
    uint8_t sid[EIO_SID_LEN];
    uuid room;
    uint64_t token;
};

static struct chat_catch *asker(const struct page *g)
{
    struct sio_socket *s = sio_find(g->edge, span_of(g->sid, sizeof g->sid));
    struct chat_socket *c = s == NULL ? NULL : chat_socket_find(s);
    struct chat_place *p = c == NULL ? NULL : chat_place_of(c, g->room);
    struct chat_catch *k = p == NULL ? NULL : p->catch;
    return k != NULL && k->state == CATCH_PAGE && k->token == g->token ? k : NULL;
}

/* Sends what may be sent at once; false: that was all there is up to last_seq. */
static bool send_page(struct chat_catch *k, span messages)
{
    struct sio_socket *s = k->place->chat->socket;
    struct json_iter it;
    span message, value;
    size_t bytes = 0;
    unsigned count = 0;
    int64_t seq;
    if (!json_array_begin(&it, messages)) {
        return false;
    }
    while (json_array_next(&it, &message)) {
        if (!json_get(message, "seq", &value) || !json_i64(value, &seq) ||
            seq > k->place->last_seq) {
            return false; /* the reader has it */
        }
        if (bytes > 0 && bytes + message.len > PAGE_BYTES) {
            return true;
        }
        bytes += message.len;
        chat_emit(s, RECEIVED, message, SPAN_NONE);
        k->seq = seq;
        count++;
    }
    return count == PAGE_MESSAGES && k->seq < k->place->last_seq;
}

static void read_page(struct chat_catch *k);

static bool took_all(const struct chat_socket *c)
{
    uint32_t messages;
    uint64_t bytes;
    hub_member_queue(sio_edge(c->socket)->hub, member_of(c), &messages, &bytes);
    return messages == 0;
}

static void say_page_failed(struct chat_socket *c, const struct chat_result *r)
{
    struct sio_answer nobody = {.conn = conn_ref_of(sio_engine(c->socket)->conn),
                                .socket = c->socket->number};
    chat_answer_refusal(sio_edge(c->socket), &nobody, SPAN_NONE,
                        &(struct event_refusal){.error = r->error,
                                                .member = "since",
                                                .retry_after_ms = r->retry_after_ms},
                        false);
}

static void on_page(void *owner, const struct chat_result *r)
{
    struct page *g = owner;
    struct chat_catch *k = asker(g);
    mem_free(g);
    if (k == NULL) {
        return;
    }
    if (r->error != ERR_NONE) {
        say_page_failed(k->place->chat, r); /* it is behind, and knows; live it is all the same */
        read_topic(k);
    } else if (!took_all(k->place->chat)) {
        k->state = CATCH_WRITING; /* the page is read again then */
    } else if (send_page(k, r->json)) {
        read_page(k);
    } else {
        read_topic(k);
    }
}

static void read_page(struct chat_catch *k)
{
    struct chat_socket *c = k->place->chat;
    struct edge *e = sio_edge(c->socket);
    struct page *g = mem_calloc(1, sizeof *g);
    struct chat_page page = {.way = CHAT_AFTER, .seq = k->seq, .limit = PAGE_MESSAGES};
    k->state = CATCH_PAGE;
    k->token = ++c->tokens;
    *g = (struct page){.edge = e, .room = k->place->room, .token = k->token};
    memcpy(g->sid, sio_sid(c->socket).ptr, sizeof g->sid);
    chat_messages(e->home, k->place->room, &page, &c->who, on_page, g);
}

static void catch_begin(struct chat_catch *k)
{
    if (k->paging) {
        read_page(k);
    } else {
        read_topic(k);
    }
}

void chat_places_writable(struct chat_socket *c)
{
    LIST_EACH(it, &c->places) {
        struct chat_catch *k = LIST_ITEM(it, struct chat_place, link)->catch;
        if (k != NULL && k->state == CATCH_READING) {
            journal_writable(&k->reader);
        } else if (k != NULL && k->state == CATCH_WRITING && took_all(c)) {
            read_page(k);
        }
    }
}

/* --- places --- */

static struct chat_place *place_new(struct chat_socket *c, const struct chat_arrival *a)
{
    struct chat_place *p = mem_calloc(1, sizeof *p);
    p->chat = c;
    p->room = a->room;
    p->last_seq = a->last_seq;
    p->first_seq = a->guest ? a->first_seq : 0;
    p->watching = a->watching;
    list_push(&c->places, &p->link);
    return p;
}

void chat_place_open(struct chat_socket *c, const struct chat_arrival *a, struct pos pos,
                     int64_t since)
{
    catch_new(place_new(c, a), pos, since);
}

void chat_place_share(struct chat_socket *c, const struct chat_arrival *a)
{
    char topic[CHAT_TOPIC_MAX];
    (void)place_new(c, a);
    (void)sio_subscribe(c->socket, JOURNAL_HOME, chat_room_topic(a->room, topic));
}

/* It leaves the topic where it is: of the session's own reader that is its start, at the worst. */
static struct pos stop(struct chat_place *p)
{
    struct edge *e = sio_edge(p->chat->socket);
    char topic[CHAT_TOPIC_MAX];
    span name = chat_room_topic(p->room, topic);
    struct pos pos = sio_is_replaying(p->chat->socket) ? sio_replay_at(p->chat->socket)
                                                       : journal_now(e->home->journal);
    if (p->catch == NULL) { /* of the session's reader, or live */
        (void)(sio_unsubscribe(p->chat->socket, JOURNAL_HOME, name) ||
               hub_unsubscribe(e->hub, member_of(p->chat), JOURNAL_HOME, name));
    } else if (p->catch->state == CATCH_READING) {
        pos = journal_reader_pos(&p->catch->reader);
        (void)journal_unsubscribe(&p->catch->reader, name);
    } else {
        pos = p->catch->pos;
    }
    return pos;
}

void chat_place_since(struct chat_place *p, int64_t since)
{
    if (since >= p->last_seq || (p->catch != NULL && p->catch->state != CATCH_READING)) {
        return; /* all above has come, or is being fetched already */
    }
    struct pos pos = stop(p);
    if (p->catch != NULL) {
        catch_free(p->catch);
    }
    catch_new(p, pos, since);
}

void chat_place_close(struct chat_place *p)
{
    struct chat_socket *c = p->chat;
    if (conn_is_open(sio_engine(c->socket)->conn)) { /* it stays a member, for other namespaces */
        (void)stop(p);
    }
    if (p->catch != NULL) {
        catch_free(p->catch);
    }
    list_remove(&p->link);
    mem_free(p);
    if (conn_is_open(sio_engine(c->socket)->conn)) {
        next_turn(c);
    }
}
