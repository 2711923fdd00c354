/*
 * What a client hears of the hub: ordered events of the rooms that it may see and what is for
 * everybody, and states of the rooms it has chosen, or of all it may see.
 *
 *     may see every room   home/event/+, home/private/+ (not anonymous)      home/state/+
 *     only some            home/event/all; home/event/N, home/private/N      home/state/N
 *
 * A change of that is made in two steps. A subscription counts from when its home knows of it, so
 * what it replaces is left only then: a fence travels behind it to that home and back. Members of
 * several topics that match get a message once, so nothing is doubled meanwhile.
 */
#include "base/mem.h"
#include "edge/home/session.h"

_Static_assert(HOUSE_HOME == JOURNAL_HOME, "one fence is behind both");

#define EVENTS_PREFIX "home/event/"
#define PRIVATE_PREFIX "home/private/"
#define STATES_PREFIX "home/state/"
#define ANY "+"

/* --- what it is to hear --- */

static bool states_wanted(const struct home_client *m, const struct house_rights *r, span of)
{
    uint64_t room;
    if (span_eq(of, SPAN(ANY))) {
        return m->rooms == NULL && r->all;
    }
    if (!span_u64(of, INT64_MAX, &room)) {
        return false;
    }
    return m->rooms == NULL ? !r->all && house_may(r, (int64_t)room, false)
                            : home_rooms_have(m, (int64_t)room);
}

static bool events_wanted(const struct house_rights *r, span of, bool private)
{
    uint64_t room;
    if (span_eq(of, SPAN(ANY))) {
        return r->all && !(private && r->open_only);
    }
    if (r->all) {
        return false; /* its patterns bring it */
    }
    return (!private && span_eq(of, SPAN("all"))) ||
           (span_u64(of, INT64_MAX, &room) && house_may(r, (int64_t)room, false));
}

/* What is not of these kinds is somebody else's. */
static bool is_wanted(const struct home_client *m, const struct house_rights *r, span topic)
{
    static const span states = {(const uint8_t *)STATES_PREFIX, sizeof STATES_PREFIX - 1};
    static const span events = {(const uint8_t *)EVENTS_PREFIX, sizeof EVENTS_PREFIX - 1};
    static const span private = {(const uint8_t *)PRIVATE_PREFIX, sizeof PRIVATE_PREFIX - 1};
    if (span_starts(topic, states)) {
        return states_wanted(m, r, span_slice(topic, states.len, topic.len));
    }
    if (span_starts(topic, events)) {
        return events_wanted(r, span_slice(topic, events.len, topic.len), false);
    }
    if (span_starts(topic, private)) {
        return events_wanted(r, span_slice(topic, private.len, topic.len), true);
    }
    return true;
}

/* --- the first step --- */

static void join_events(struct home_client *m, const struct house_rights *r)
{
    char text[HOUSE_TOPIC_MAX];
    if (r->all) {
        home_events_join(m, SPAN(HOUSE_EVENTS_OPEN));
        if (!r->open_only) {
            home_events_join(m, SPAN(HOUSE_EVENTS_PRIVATE));
        }
        return;
    }
    home_events_join(m, SPAN(HOUSE_EVENTS_ALL));
    for (unsigned i = 0; i < r->count; i++) {
        home_events_join(m, house_events_topic(r->rooms[i], false, text));
        home_events_join(m, house_events_topic(r->rooms[i], true, text));
    }
}

static void join_states(struct home_client *m, const struct house_rights *r)
{
    struct home *h = home_edge(m)->home;
    struct conn_ref ref = conn_ref_of(m->conn);
    const int64_t *rooms = m->rooms != NULL ? m->rooms->rooms : r->rooms;
    unsigned count = m->rooms != NULL ? m->rooms->count : r->count;
    if (m->rooms == NULL && r->all) {
        house_follow_all(h, ref.slot);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        house_follow(h, ref.slot, ref.gen, rooms[i], false);
    }
}

/* --- the second --- */

struct trim {
    const struct home_client *client;
    struct house_rights rights;
};

static void leave_unwanted(struct hub *h, uint32_t member, span topic, void *arg)
{
    struct trim *t = arg;
    if (!is_wanted(t->client, &t->rights, topic)) {
        (void)hub_unsubscribe(h, member, HOUSE_HOME, topic);
    }
}

static void trim(struct home_client *m)
{
    struct trim t = {.client = m};
    house_rights_of(m->session.grant, PERM_HOME_READ, &t.rights);
    hub_member_topics(home_edge(m)->hub, conn_slot(m->conn), leave_unwanted, &t);
}

struct fence {
    struct mail mail;
    struct edge *edge;
    struct conn_ref conn;
    uint16_t number;
    uint16_t ended; /* home_client.ended, when it was asked */
    int64_t room;
    const char *told; /* home_asked.ended */
    buf id;
};

static void answer(struct home_client *m, const struct fence *f)
{
    if (f->told != NULL) {
        home_tell_ended(m, f->room, f->told);
        return;
    }
    /* What it has given up itself meanwhile was done all the same. */
    if (f->room == 0 || home_rooms_have(m, f->room) || f->ended == m->ended) {
        home_result(m, buf_span(&f->id), SPAN_NONE);
    } else if (f->id.len > 0) {
        home_refuse(m, buf_span(&f->id),
                    &(struct home_refusal){.code = "not_found",
                                           .message = "there is no such room any more"},
                    ERR_NOT_FOUND);
    }
}

static void fence_is_back(struct mail *mail)
{
    struct fence *f = CONTAINER_OF(mail, struct fence, mail);
    struct conn *c = conn_find(f->edge->net, f->conn);
    if (c != NULL) {
        struct home_client *m = ws_user(c);
        if (f->number == m->fence) { /* else a newer one is behind what is new since */
            trim(m);
        }
        answer(m, f);
    }
    buf_deinit(&f->id);
    mem_free(f);
}

static void fence_arrives(struct mail *mail)
{
    struct fence *f = CONTAINER_OF(mail, struct fence, mail);
    mail->run = fence_is_back;
    post_mail(f->edge->home->post, f->conn.loop, mail);
}

void home_settle(struct home_client *m, const struct home_asked *asked)
{
    struct edge *e = home_edge(m);
    struct house_rights r;
    struct fence *f = mem_calloc(1, sizeof *f);
    house_rights_of(m->session.grant, PERM_HOME_READ, &r);
    join_events(m, &r);
    join_states(m, &r);
    *f = (struct fence){.edge = e, .conn = conn_ref_of(m->conn), .number = ++m->fence,
                        .ended = m->ended};
    if (asked != NULL) {
        buf_append_span(&f->id, asked->id);
        f->room = asked->room;
        f->told = asked->ended;
    }
    f->mail.run = fence_arrives;
    post_mail(e->home->post, HOUSE_HOME, &f->mail);
}
