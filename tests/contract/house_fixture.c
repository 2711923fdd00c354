#include "house_fixture.h"

#include "adapters/post_queue/post_queue.h"
#include "domain/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBER 1

struct told t;
struct house_who admin, anonymous;

static struct side {
    struct hub_sink sink;
    struct hub *hub;
    struct journal *journal;
    buf heard;
    buf roomed;
    buf shown;
} sides[HOMES_MAX];
static struct hub *hubs[HOMES_MAX];
static struct journal *journals[HOMES_MAX];

static size_t sink_send(struct hub_sink *self, uint32_t member, const struct iovec *iov, int count)
{
    struct side *side = CONTAINER_OF(self, struct side, sink);
    size_t sent = 0;
    assert_int_equal(member, MEMBER);
    for (int i = 0; i < count; i++) {
        buf_append(&side->heard, iov[i].iov_base, iov[i].iov_len);
        sent += iov[i].iov_len;
    }
    return sent;
}

static void sink_rest(struct hub_sink *self, uint32_t member, span bytes)
{
    (void)self;
    (void)member;
    assert_int_equal(bytes.len, 0);
}

static void sink_encode(struct hub_sink *self, unsigned wire, const struct blob *b, buf *out)
{
    (void)self;
    (void)wire;
    buf_append_span(out, blob_payload(b));
    buf_append_byte(out, '\n');
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

static void on_room(void *arg, int64_t room, int event)
{
    struct side *side = arg;
    static const char *const names[] = {"gone", "private", "open"};
    buf_printf(&side->roomed, "%lld %s\n", (long long)room, names[event]);
}

/* What a process is, on the store. */
static void start(void)
{
    struct pos at;
    assert_int_equal(journal_start(w.store, 1, &at), ERR_NONE);
    for (unsigned i = 0; i < w.count; i++) {
        struct side *side = &sides[i];
        struct home *h = &w.homes[i];
        side->sink = (struct hub_sink){.send = sink_send, .rest = sink_rest,
                                       .encode = sink_encode, .wants = sink_wants,
                                       .close = sink_close};
        h->hub = hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = h->post,
                                                      .sink = &side->sink,
                                                      .outbox_messages_max = 256,
                                                      .outbox_bytes_max = 1 << 20,
                                                      .peers = hubs});
        h->journal = journals[i] =
            journal_new(&(struct journal_conf){.hub = hubs[i], .post = h->post, .store = w.store,
                                               .clock = &w.clock, .loop = i, .peers = journals,
                                               .ring_events = 32, .ring_bytes = 1 << 16},
                        at);
        h->on_room = on_room;
        h->on_room_arg = side;
        (void)fleet_new(h);
        (void)house_new(h);
    }
    assert_int_equal(house_load(&w.homes[HOUSE_HOME]), ERR_NONE);
    for (unsigned i = 0; i < w.count; i++) {
        hub_member_open(hubs[i], MEMBER, 1, 0, 0);
        assert_true(hub_subscribe(hubs[i], MEMBER, JOURNAL_HOME, SPAN(HOUSE_EVENTS_OPEN)));
        assert_true(hub_subscribe(hubs[i], MEMBER, JOURNAL_HOME, SPAN(HOUSE_EVENTS_PRIVATE)));
        house_follow_all(&w.homes[i], MEMBER);
    }
    turns();
}

static void end(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        fleet_stop(w.homes[i].fleet);
        house_stop(w.homes[i].house);
    }
    turns();
    for (unsigned i = 0; i < w.count; i++) {
        assert_int_equal(house_asks(w.homes[i].house), 0);
        hub_member_close(hubs[i], MEMBER);
        journal_stop(journals[i]);
    }
    turns();
    for (unsigned i = 0; i < w.count; i++) {
        house_free(w.homes[i].house);
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

static int setup(void **state, int (*world)(void **))
{
    assert_int_equal(world(state), 0);
    w.conf.home_rooms_max = 50;
    w.conf.home_entities_max = 200;
    w.conf.home_scenes_max = 10;
    w.conf.retention_history_s = 86400;
    w.conf.retention_raw_s = w.conf.retention_minute_s = w.conf.retention_hour_s = 86400;
    w.conf.retention_log_s = w.conf.retention_events_s = 86400;
    w.conf.events_max = 100000;
    w.conf.timezone = "UTC";
    admin = anonymous = (struct house_who){.actor = somebody};
    admin.see.all = admin.may.all = true;
    anonymous.see.all = anonymous.may.all = true;
    anonymous.see.open_only = anonymous.may.open_only = true;
    start();
    return 0;
}

int house_setup_1(void **state) { return setup(state, world_setup_1); }
int house_setup_5(void **state) { return setup(state, world_setup_5); }

int house_teardown(void **state)
{
    end();
    for (unsigned i = 0; i < HOMES_MAX; i++) {
        buf_deinit(&sides[i].heard);
        buf_deinit(&sides[i].roomed);
        buf_deinit(&sides[i].shown);
    }
    return world_teardown(state);
}

void house_restart(void)
{
    end();
    start();
}

void turns(void)
{
    for (unsigned round = 0; round < 4; round++) {
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

void on_told(void *owner, const struct house_result *r)
{
    struct told *x = owner;
    assert_false(x->done);
    *x = (struct told){.done = true, .error = r->error, .created = r->created, .id = r->id,
                       .version = r->version};
    assert_true(r->json.len < sizeof x->json && r->next.len < sizeof x->next);
    snprintf(x->member, sizeof x->member, "%s", r->member == NULL ? "" : r->member);
    snprintf(x->why, sizeof x->why, "%s", r->why == NULL ? "" : r->why);
    snprintf(x->json, sizeof x->json, "%.*s", SPAN_FMT(r->json));
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

struct house_who bound_to(int64_t room)
{
    struct house_who who = {.actor = somebody};
    who.see.count = who.may.count = 1;
    who.see.rooms[0] = who.may.rooms[0] = room;
    return who;
}

int64_t room_make(const char *name, bool private)
{
    struct house_room_draft draft = {.name = span_str(name), .private = private};
    house_room_create(any_home(), &draft, &admin, on_told, &t);
    answered(ERR_NONE);
    return t.id;
}

void entity_made(const char *entity_id, int64_t room)
{
    struct house_entity_draft draft = {.entity_id = span_str(entity_id), .room = room};
    house_entity_create(any_home(), &draft, &admin, on_told, &t);
    answered(ERR_NONE);
}

void told_names(const char *member, buf *out)
{
    char look[32];
    int len = snprintf(look, sizeof look, "\"%s\":\"", member);
    for (const char *at = t.json; (at = strstr(at, look)) != NULL;) {
        at += len;
        buf_append(out, at, strcspn(at, "\""));
        buf_append_byte(out, ',');
    }
}

void assert_names(const char *member, const char *joined)
{
    buf found = {0};
    told_names(member, &found);
    buf_append_byte(&found, 0);
    assert_string_equal(found.ptr, joined);
    buf_deinit(&found);
}

static const char *take(struct side *side, buf *from)
{
    buf_clear(&side->shown);
    buf_append_span(&side->shown, buf_span(from));
    buf_append_byte(&side->shown, 0);
    buf_clear(from);
    return (const char *)side->shown.ptr;
}

const char *heard(unsigned loop) { return take(&sides[loop], &sides[loop].heard); }
const char *roomed(unsigned loop) { return take(&sides[loop], &sides[loop].roomed); }
