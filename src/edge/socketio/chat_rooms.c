/* The rooms of a socket: each from what was missed to what is live (chat_socket.h). */
#include "base/mem.h"
#include "edge/socketio/chat_socket.h"
#include "edge/socketio/product.h"

enum catch_state {
    CATCH_QUEUED,  /* for its turn */
    CATCH_READING, /* by the journal */
    CATCH_EARLY,   /* the gate has not got to its position yet: it is asked again */
};

struct chat_catch {
    struct chat_place *place;
    enum catch_state state;
    struct pos pos;   /* where the topic goes on */
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
    (void)since;
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

/* A room may know of what the gate has yet to publish, behind a number of somebody else's. */
static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    struct chat_catch *k = of_reader(r);
    struct chat_socket *c = k->place->chat;
    if (from.epoch == to.epoch && to.n < from.n) {
        k->state = CATCH_EARLY;
        journal_close(r);
        deadline_set(sio_edge(c->socket)->home, &c->early, 0);
    } else {
        sio_say_gap(c->socket, from, to);
    }
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

static void catch_begin(struct chat_catch *k) { read_topic(k); }

void chat_places_writable(struct chat_socket *c)
{
    LIST_EACH(it, &c->places) {
        struct chat_catch *k = LIST_ITEM(it, struct chat_place, link)->catch;
        if (k != NULL && k->state == CATCH_READING) {
            journal_writable(&k->reader);
        }
    }
}

void chat_places_early(struct chat_socket *c)
{
    LIST_EACH(it, &c->places) {
        struct chat_catch *k = LIST_ITEM(it, struct chat_place, link)->catch;
        if (k != NULL && k->state == CATCH_EARLY) {
            read_topic(k);
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
