#include "chat_sockets.h"

#include "base/mem.h"
#include "chat_fixture.h"
#include "tables/events.h"

#include <stdio.h>
#include <string.h>

#define SOCKETS_MAX 2000
#define READERS_MAX 64

struct reader {
    struct journal_reader reader;
    struct socket *socket;
    uuid room; /* nil: its own topic */
    bool open;
};

struct socket {
    struct chat_client client;
    struct home *home;
    uint32_t member;
    bool open;
    buf heard, shown;
    struct reader own, rooms[READERS_MAX];
};

static struct side {
    struct hub_sink sink;
    struct socket *sockets[SOCKETS_MAX];
} sides[HOMES_MAX];

/* --- the outer world of a hub --- */

static size_t sink_send(struct hub_sink *self, uint32_t member, const struct iovec *iov, int count)
{
    struct side *side = CONTAINER_OF(self, struct side, sink);
    size_t sent = 0;
    for (int i = 0; i < count; i++) {
        buf_append(&side->sockets[member]->heard, iov[i].iov_base, iov[i].iov_len);
        sent += iov[i].iov_len;
    }
    return sent;
}

static void sink_rest(struct hub_sink *self, uint32_t member, span bytes)
{
    struct side *side = CONTAINER_OF(self, struct side, sink);
    buf_append_span(&side->sockets[member]->heard, bytes);
}

static void sink_encode(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out)
{
    span data = blob_payload(b);
    (void)self;
    (void)wire;
    if (b->pos != 0) { /* [payload,"sid","request"] */
        buf_printf(out, "%s %.*s\n", event_name((enum event)b->event), (int)data.len - 2,
                   (const char *)data.ptr + 1);
    } else {
        buf_printf(out, "~%s %.*s\n", event_out_row((enum event_out)b->event)->name,
                   SPAN_FMT(data));
    }
}

static bool sink_wants(struct hub_sink *self, uint32_t member, const struct blob *b)
{
    (void)self;
    (void)member;
    (void)b;
    return true;
}

static void sink_close(struct hub_sink *self, uint32_t member, close_reason reason)
{
    (void)self;
    (void)member;
    (void)reason;
    fail();
}

struct hub_sink *sockets_sink(unsigned loop)
{
    struct side *side = &sides[loop];
    side->sink = (struct hub_sink){.send = sink_send, .rest = sink_rest,
                                   .encode = sink_encode, .wants = sink_wants,
                                   .close = sink_close};
    return &side->sink;
}

/* --- sockets --- */

static void on_gap(struct journal_reader *r, struct pos from, struct pos to)
{
    (void)r;
    fail_msg("a gap from %llu to %llu", (unsigned long long)from.n, (unsigned long long)to.n);
}

static void on_error(struct journal_reader *r, err error)
{
    (void)r;
    fail_msg("%s", err_name(error));
}

static void on_live(struct journal_reader *r)
{
    struct reader *x = CONTAINER_OF(r, struct reader, reader);
    if (!uuid_is_nil(x->room)) { /* the topic stays */
        journal_close(r);
    }
}

static const struct journal_reader_ops reader_ops = {
    .on_gap = on_gap, .on_error = on_error, .on_live = on_live};

static void read_topic(struct socket *s, struct reader *x, span topic, struct pos from)
{
    x->reader.ops = &reader_ops;
    x->socket = s;
    x->open = true;
    journal_open(s->home->journal, &x->reader, s->member, &from);
    assert_true(journal_subscribe(&x->reader, topic));
}

static struct reader *reader_of(struct socket *s, uuid room)
{
    for (unsigned i = 0; i < READERS_MAX; i++) {
        if (s->rooms[i].open && uuid_eq(s->rooms[i].room, room)) {
            return &s->rooms[i];
        }
    }
    return NULL;
}

/* In order with what the hub has for it. */
static void say(struct socket *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct socket *s, const char *fmt, ...)
{
    char line[128];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    assert_in_range(len, 1, sizeof line - 1);
    hub_send_bytes(s->home->hub, s->member, span_of(line, (size_t)len), BLOB_ORDERED);
}

static void on_room(struct chat_client *c, const struct chat_arrival *a)
{
    struct socket *s = CONTAINER_OF(c, struct socket, client);
    char topic[CHAT_TOPIC_MAX];
    if (a->watching) {
        say(s, "watching %s %lld\n", id_text(a->room), (long long)a->last_seq);
    } else {
        say(s, "joined %s %lld %lld\n", id_text(a->room), (long long)a->last_seq,
                   (long long)a->unread);
    }
    if (reader_of(s, a->room) != NULL) {
        return; /* its topic is there */
    }
    for (unsigned i = 0; i < READERS_MAX; i++) {
        if (!s->rooms[i].open) {
            s->rooms[i].room = a->room;
            read_topic(s, &s->rooms[i], chat_room_topic(a->room, topic), a->pos);
            return;
        }
    }
    fail();
}

static void on_out(struct chat_client *c, uuid room, enum chat_out why)
{
    static const char *const names[] = {"left", "removed", "gone"};
    struct socket *s = CONTAINER_OF(c, struct socket, client);
    struct reader *x = reader_of(s, room);
    char topic[CHAT_TOPIC_MAX];
    say(s, "out %s %s\n", id_text(room), names[why]);
    if (x != NULL) {
        x->open = false;
        journal_close(&x->reader);
        (void)hub_unsubscribe(s->home->hub, s->member, JOURNAL_HOME, chat_room_topic(room, topic));
    }
}

static void on_listed(struct chat_client *c, err error)
{
    struct socket *s = CONTAINER_OF(c, struct socket, client);
    say(s, "%s", error == ERR_NONE ? "listed\n" : "not listed\n");
}

static const struct chat_client_ops client_ops = {
    .on_room = on_room, .on_out = on_out, .on_listed = on_listed};

struct socket *socket_open(unsigned loop, const struct chat_who *who)
{
    struct home *h = &w.homes[loop];
    uint32_t member = 0;
    char topic[CHAT_TOPIC_MAX];
    while (sides[loop].sockets[member] != NULL) {
        member++;
    }
    assert_in_range(member, 0, SOCKETS_MAX - 1);
    struct socket *s = mem_calloc(1, sizeof *s);
    s->client.ops = &client_ops;
    s->home = h;
    s->member = member;
    s->open = true;
    sides[loop].sockets[member] = s;
    hub_member_open(h->hub, member, 1, 0, 0);
    read_topic(s, &s->own, chat_user_topic(who->actor.id, topic), journal_now(h->journal));
    chat_client_open(h, &s->client, who);
    return s;
}

void socket_close(struct socket *s)
{
    chat_client_close(&s->client);
    journal_close(&s->own.reader);
    for (unsigned i = 0; i < READERS_MAX; i++) {
        journal_close(&s->rooms[i].reader);
    }
    hub_member_close(s->home->hub, s->member);
    sides[s->home->index].sockets[s->member] = NULL;
    buf_deinit(&s->heard);
    buf_deinit(&s->shown);
    mem_free(s);
}

void sockets_close(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        for (unsigned m = 0; m < SOCKETS_MAX; m++) {
            if (sides[i].sockets[m] != NULL) {
                socket_close(sides[i].sockets[m]);
            }
        }
    }
}

void socket_follows(struct socket *s, const char *topic)
{
    for (unsigned i = 0; i < READERS_MAX; i++) {
        if (!s->rooms[i].open) {
            s->rooms[i].room = home_new_id(s->home); /* none of a room */
            read_topic(s, &s->rooms[i], span_str(topic), journal_now(s->home->journal));
            return;
        }
    }
    fail();
}

struct chat_client *socket_client(struct socket *s) { return &s->client; }

const char *heard(struct socket *s)
{
    buf was = s->shown;
    buf_append_byte(&s->heard, '\0');
    s->shown = s->heard;
    s->heard = was;
    buf_clear(&s->heard);
    return (const char *)s->shown.ptr;
}

static const char *now(struct socket *s)
{
    buf_append_byte(&s->heard, '\0');
    s->heard.len--;
    return (const char *)s->heard.ptr;
}

unsigned heard_count(struct socket *s, const char *text)
{
    unsigned n = 0;
    for (const char *at = now(s); (at = strstr(at, text)) != NULL; at += strlen(text)) {
        n++;
    }
    return n;
}

void assert_heard(struct socket *s, const char *text)
{
    if (heard_count(s, text) == 0) {
        fail_msg("not \"%s\" in:\n%s", text, now(s));
    }
}

void assert_not_heard(struct socket *s, const char *text)
{
    if (heard_count(s, text) > 0) {
        fail_msg("\"%s\" in:\n%s", text, now(s));
    }
}
