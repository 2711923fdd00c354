#include "chat_fixture.h"

#include "domain/fleet.h"

#include <stdio.h>

struct told t;

static struct hub *hubs[HOMES_MAX];
static struct journal *journals[HOMES_MAX];
static struct pos began;

/* --- the process --- */

static void start(void)
{
    assert_int_equal(journal_start(w.store, 1, &began), ERR_NONE);
    for (unsigned i = 0; i < w.count; i++) {
        struct home *h = &w.homes[i];
        h->hub = hubs[i] = hub_new(&(struct hub_conf){.loop = i, .post = h->post,
                                                      .sink = sockets_sink(i),
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
    sockets_close();
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

/* --- answers, texts, and what is stored --- */

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
