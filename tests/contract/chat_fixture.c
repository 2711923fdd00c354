#include "chat_fixture.h"

#include "adapters/post_queue/post_queue.h"
#include "base/mem.h"
#include "domain/fleet.h"
#include "tables/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKETS_MAX 2000
#define READERS_MAX 64

struct told t;

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
static struct hub *hubs[HOMES_MAX];
static struct journal *journals[HOMES_MAX];
static struct pos began;

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

const char *id_text(uuid id)
{
    static char texts[8][UUID_TEXT_LEN + 1];
    static unsigned next;
    char *text = texts[next++ % 8];
    uuid_format(id, text);
    return text;
}

const char *text_of(const char *fmt, ...)
{
    static char texts[8][4096];
    static unsigned next;
    char *text = texts[next++ % 8];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof texts[0], fmt, args);
    va_end(args);
    return text;
}

/* --- the process --- */

static void start(void)
{
    assert_int_equal(journal_start(w.store, 1, &began), ERR_NONE);
    for (unsigned i = 0; i < w.count; i++) {
        struct side *side = &sides[i];
        struct home *h = &w.homes[i];
        side->sink = (struct hub_sink){.send = sink_send, .rest = sink_rest,
                                       .encode = sink_encode, .wants = sink_wants,
                                       .close = sink_close};
        h->hub = hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = h->post,
                                                      .sink = &side->sink,
                                                      .outbox_messages_max = 4096,
                                                      .outbox_bytes_max = 1 << 24,
                                                      .peers = hubs});
        h->journal = journals[i] =
            journal_new(&(struct journal_conf){.hub = hubs[i], .post = h->post, .store = h->store,
                                               .clock = &w.clock, .loop = i, .peers = journals,
                                               .ring_events = 32, .ring_bytes = 1 << 16},
                        began);
    }
    for (unsigned i = 0; i < w.count; i++) {
        struct store *later = w.homes[i].store;
        (void)fleet_new(&w.homes[i]);
        w.homes[i].store = w.store; /* what blocks when a process begins; a simulation cannot */
        (void)chat_new(&w.homes[i]);
        w.homes[i].store = later;
    }
    turns();
}

static void end(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        for (unsigned m = 0; m < SOCKETS_MAX; m++) {
            if (sides[i].sockets[m] != NULL) {
                socket_close(sides[i].sockets[m]);
            }
        }
    }
    turns();
    for (unsigned i = 0; i < w.count; i++) {
        struct chat_stats stats;
        fleet_stop(w.homes[i].fleet);
        chat_stop(w.homes[i].chat);
        turns();
        chat_stats(&w.homes[i], &stats);
        assert_int_equal(stats.asks, 0);
        assert_int_equal(stats.online, 0);
        journal_stop(journals[i]);
    }
    turns();
    for (unsigned i = 0; i < w.count; i++) {
        chat_free(w.homes[i].chat);
        fleet_free(w.homes[i].fleet);
        w.homes[i].fleet = NULL;
    }
    settle();
    for (unsigned i = 0; i < w.count; i++) {
        journal_free(journals[i]);
        hub_free(hubs[i]);
        w.homes[i].journal = NULL;
        w.homes[i].hub = NULL;
    }
}

static void configure(void)
{
    w.conf.retention_raw_s = w.conf.retention_minute_s = w.conf.retention_hour_s = 86400;
    w.conf.retention_log_s = w.conf.retention_events_s = w.conf.retention_history_s = 86400;
    w.conf.events_max = 100000;
    w.conf.chat_batch_messages_max = 250;
    w.conf.chat_batch_bytes_max = 524288;
    w.conf.chat_room_waiting_max = 2000;
    w.conf.chat_waiting_bytes_max = 67108864;
    w.conf.chat_receipts_members_max = 100;
    w.conf.chat_edit_window_s = 3600;
    w.conf.chat_typing_ms = 6000;
    w.conf.chat_presence_grace_ms = 5000;
    w.conf.timezone = "UTC";
    w.conf.chat_tier_ms[0] = 1800000;
    w.conf.chat_tier_ms[1] = 7200000;
    w.conf.chat_tier_ms[2] = 28800000;
    w.conf.chat_alone_ms = 60000;
    w.conf.chat_alone_queue_ms = 300000;
    w.conf.chat_guest_ms = 28800000;
    w.conf.chat_guests_max = 3;
    w.conf.chat_guest_keep_ms = 86400000;
    w.conf.chat_sweep_ms = 1000;
    w.conf.chat_room_members_max = 10000;
    w.conf.chat_rooms_max = 5000;
    w.conf.chat_rooms_owned_max = 2000;
    t = (struct told){0};
    start();
}

static int setup(void **state, int (*world)(void **))
{
    assert_int_equal(world(state), 0);
    configure();
    return 0;
}

void chat_setup_sim(unsigned count, uint64_t seed)
{
    world_setup_sim(count, seed);
    configure();
}

int chat_setup_1(void **state) { return setup(state, world_setup_1); }
int chat_setup_5(void **state) { return setup(state, world_setup_5); }

int chat_teardown(void **state)
{
    end();
    return world_teardown(state);
}

void chat_restart(void)
{
    end();
    start();
}

void turns(void)
{
    for (unsigned round = 0; round < 6; round++) {
        settle();
        for (unsigned i = 0; i < w.count; i++) {
            home_tick(&w.homes[i]);
            if (w.homes[i].hub != NULL) {
                journal_tick(journals[i]);
                hub_turn_end(hubs[i]);
            }
        }
    }
    settle();
}

void time_passes(int64_t ms)
{
    for (; ms > 0; ms -= 100) {
        w.now_ms += ms < 100 ? ms : 100;
        turns();
    }
}

/* --- answers --- */

void on_told(void *owner, const struct chat_result *r)
{
    struct told *x = owner;
    assert_false(x->done);
    *x = (struct told){.done = true, .error = r->error, .created = r->created, .id = r->id,
                       .room = r->room, .seq = r->seq, .at_ms = r->at_ms, .version = r->version,
                       .retry_after_ms = r->retry_after_ms};
    assert_true(r->json.len < sizeof x->json && r->next.len < sizeof x->next &&
                r->members.len < sizeof x->members);
    snprintf(x->member, sizeof x->member, "%s", r->member == NULL ? "" : r->member);
    snprintf(x->why, sizeof x->why, "%s", r->why == NULL ? "" : r->why);
    snprintf(x->json, sizeof x->json, "%.*s", SPAN_FMT(r->json));
    snprintf(x->members, sizeof x->members, "%.*s", SPAN_FMT(r->members));
    snprintf(x->next, sizeof x->next, "%.*s", SPAN_FMT(r->next));
}

void answered(err error)
{
    assert_false(t.done); /* never inside the call */
    for (unsigned i = 0; i < 100 && !t.done; i++) {
        turns();
    }
    assert_true(t.done);
    if (t.error != error) {
        fail_msg("%s (%s %s), not %s", err_name(t.error), t.member, t.why, err_name(error));
    }
    t.done = false;
}

int64_t stored(enum query q, const char *first, const char *second)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, q, 1);
    store_set_text(req, 0, 0, 0, span_str(first));
    if (second != NULL) {
        store_set_text(req, 0, 0, 1, span_str(second));
    }
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    int64_t value = req->steps[0].row_count == 0 ? -1 : store_int(store_cell(req, 0, 0, 0));
    store_req_free(req);
    return value;
}

/* --- people --- */

static struct chat_who person(const char *name, enum principal_kind kind, enum chat_user_type type)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    char id[UUID_TEXT_LEN + 1];
    uuid made = home_new_id(&w.homes[0]);
    uuid_format(made, id);
    store_step_init(req, 0, QUERY_PRINCIPAL_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(id));
    store_set_text(req, 0, 0, 1, SPAN(""));
    store_set_text(req, 0, 0, 2, span_str(id));
    store_set_text(req, 0, 0, 3, span_str(principal_kind_name(kind)));
    store_set_text(req, 0, 0, 4, span_str(name));
    store_set_text(req, 0, 0, 5, SPAN("active"));
    store_set_int(req, 0, 0, 6, w.now_ms);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    return (struct chat_who){.actor = {.id = made, .name = span_str(name)},
                             .kind = kind,
                             .type = type,
                             .monitors = type == CHAT_SUPERVISOR};
}

static void has_role(const struct chat_who *who, const char *role)
{
    struct store_req *req = store_req_new(STORE_LOOP_NONE, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_BINDING_INSERT, 1);
    store_set_text(req, 0, 0, 0, span_str(id_text(who->actor.id)));
    store_set_text(req, 0, 0, 1, span_str(role));
    store_set_text(req, 0, 0, 2, SPAN("global"));
    store_set_text(req, 0, 0, 3, SPAN(""));
    store_set_int(req, 0, 0, 4, w.now_ms);
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
}

struct chat_who employee(const char *name)
{
    struct chat_who who = person(name, PRINCIPAL_USER, CHAT_EMPLOYEE);
    has_role(&who, "employee");
    return who;
}

struct chat_who supervisor(const char *name)
{
    struct chat_who who = person(name, PRINCIPAL_USER, CHAT_SUPERVISOR);
    has_role(&who, "supervisor");
    return who;
}

struct chat_who guest(const char *name) { return person(name, PRINCIPAL_GUEST, CHAT_GUEST); }
struct chat_who robot(const char *name) { return person(name, PRINCIPAL_ROBOT, CHAT_EMPLOYEE); }

uuid room_made(enum chat_room_type type, const char *name, const struct chat_who *who,
               const struct chat_who *a, const struct chat_who *b, const struct chat_who *c)
{
    const struct chat_who *all[] = {a, b, c};
    uuid ids[3];
    struct chat_room_draft draft = {.name = span_str(name), .type = type, .members = ids};
    for (unsigned i = 0; i < 3 && all[i] != NULL; i++) {
        ids[draft.member_count++] = all[i]->actor.id;
    }
    chat_room_create(any_home(), &draft, who, NULL, on_told, &t);
    answered(ERR_NONE);
    return t.id;
}

void joins(uuid room, const struct chat_who *who, err error)
{
    chat_join(any_home(), room, &(struct chat_join){.watch = false}, who, NULL, on_told, &t);
    answered(error);
}
