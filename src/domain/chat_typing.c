/*
 * Who types, and who has come or gone, as others in the room are told: ephemeral, in memory only.
 *
 * Typing is told when it begins and when it ends, however often a client repeats itself; it ends by
 * itself, when the member says something, and when its last socket has gone. Presence is told in
 * rooms of up to chat_receipts_members_max members; that somebody has gone after a grace, within
 * which it may come back unnoticed.
 */
#include "domain/chat_internal.h"

#include "base/mem.h"

/* At once in a room: a line under the messages has no place for more, and in a large room each of
 * them costs a message to everybody. Others type without being told of. */
#define TYPING_MAX 20

/* Of a room in which somebody types or is about to be told gone; it holds the room. */
struct chat_moods {
    struct chat_room *room;
    struct list typing;  /* struct chat_member_of, who ends first first */
    unsigned typing_count;
    struct list leaving; /* likewise */
    struct deadline due;
};

static int64_t now_of(const struct chat_room *r) { return clock_mono_ms(r->chat->home->clock); }

static void tell(struct chat_room *r, uuid who, enum event_out e, const char *member, bool on)
{
    char topic[CHAT_TOPIC_MAX], room[UUID_TEXT_LEN + 1], id[UUID_TEXT_LEN + 1];
    buf data = {0};
    if (list_empty(&r->clients)) {
        return; /* nobody is there to hear of it */
    }
    uuid_format(r->id, room);
    uuid_format(who, id);
    buf_printf(&data, "{\"roomId\":\"%s\",\"userId\":\"%s\",\"%s\":%s}", room, id, member,
               on ? "true" : "false");
    chat_tell(r->chat, e, chat_room_topic(r->id, topic), buf_span(&data));
    buf_deinit(&data);
}

static void tell_typing(struct chat_room *r, const struct chat_member_of *m, bool on)
{
    tell(r, m->principal, OUT_CHAT_TYPING, "isTyping", on);
}

static void tell_presence(struct chat_room *r, const struct chat_member_of *m, bool online)
{
    if (r->member_count <= r->chat->home->conf->chat_receipts_members_max) {
        tell(r, m->principal, OUT_CHAT_PRESENCE, "isOnline", online);
    }
}

/* --- what is due --- */

static struct chat_member_of *typist(struct list *l)
{
    return CONTAINER_OF(l, struct chat_member_of, typing);
}

static struct chat_member_of *leaver(struct list *l)
{
    return CONTAINER_OF(l, struct chat_member_of, leaving);
}

/* The next one, or nobody is left; then the room may go with its moods. */
static void arm(struct chat_moods *x)
{
    struct chat_room *r = x->room;
    int64_t first = INT64_MAX;
    if (!list_empty(&x->typing)) {
        first = typist(x->typing.next)->typing_until_ms;
    }
    if (!list_empty(&x->leaving) && leaver(x->leaving.next)->leaves_ms < first) {
        first = leaver(x->leaving.next)->leaves_ms;
    }
    deadline_clear(&x->due);
    if (first != INT64_MAX) {
        int64_t left = first - now_of(r);
        deadline_set(r->chat->home, &x->due, left > 0 ? left : 0);
        return;
    }
    r->moods = NULL;
    mem_free(x);
    chat_release(r);
}

static void take_typist(struct chat_moods *x, struct chat_member_of *m)
{
    list_remove(&m->typing);
    m->typing_until_ms = 0;
    x->typing_count--;
}

static void due(struct deadline *d)
{
    struct chat_moods *x = CONTAINER_OF(d, struct chat_moods, due);
    int64_t now_ms = now_of(x->room);
    while (!list_empty(&x->typing) && typist(x->typing.next)->typing_until_ms <= now_ms) {
        struct chat_member_of *m = typist(x->typing.next);
        take_typist(x, m);
        tell_typing(x->room, m, false);
    }
    while (!list_empty(&x->leaving) && leaver(x->leaving.next)->leaves_ms <= now_ms) {
        struct chat_member_of *m = leaver(x->leaving.next);
        list_remove(&m->leaving);
        tell_presence(x->room, m, false);
    }
    arm(x);
}

static struct chat_moods *moods_of(struct chat_room *r)
{
    if (r->moods == NULL) {
        r->moods = mem_calloc(1, sizeof *r->moods);
        r->moods->room = r;
        r->moods->due.fire = due;
        list_init(&r->moods->typing);
        list_init(&r->moods->leaving);
        chat_hold(r);
    }
    return r->moods;
}

/* --- typing --- */

static void begin(struct chat_room *r, struct chat_member_of *m)
{
    struct chat_moods *x = moods_of(r);
    bool known = list_linked(&m->typing);
    if (known) {
        list_remove(&m->typing);
    } else if (x->typing_count == TYPING_MAX) {
        return;
    } else {
        x->typing_count++;
    }
    m->typing_until_ms = now_of(r) + r->chat->home->conf->chat_typing_ms;
    list_push(&x->typing, &m->typing);
    if (!known) {
        tell_typing(r, m, true);
    }
    arm(x);
}

void chat_typing_ends(struct chat_room *r, struct chat_member_of *m)
{
    if (list_linked(&m->typing)) {
        take_typist(r->moods, m);
        tell_typing(r, m, false);
        arm(r->moods);
    }
}

struct typing {
    struct chat_ask ask; /* first */
    bool on;
};

static void at_home(struct chat_ask *a, struct chat_room *r)
{
    const struct chat_draft as = {
        .type = a->who.kind == PRINCIPAL_ROBOT ? CHAT_MESSAGE_ROBOT : CHAT_MESSAGE_CHAT};
    struct chat_member_of *m = chat_member_for(a, r);
    bool on = ((struct typing *)a)->on;
    if (m == NULL || (on && !chat_may_send(a, r, &as))) {
        return;
    }
    if (on) {
        begin(r, m);
    } else {
        chat_typing_ends(r, m);
    }
    chat_answer(a, ERR_NONE);
}

void chat_typing(struct home *h, uuid room, bool on, const struct chat_who *who, chat_done done,
                 void *owner)
{
    struct typing *x = chat_ask_new(h, sizeof *x, room, at_home, who, NULL, done, owner);
    x->on = on;
    chat_ask_start(&x->ask);
}

/* --- presence --- */

void chat_presence_tell(struct chat_room *r, struct chat_member_of *m, bool online)
{
    bool leaving = list_linked(&m->leaving);
    if (!online) {
        chat_typing_ends(r, m);
        struct chat_moods *x = moods_of(r);
        m->leaves_ms = now_of(r) + r->chat->home->conf->chat_presence_grace_ms;
        list_push(&x->leaving, &m->leaving);
        arm(x);
    } else if (leaving) { /* back, and nobody knew */
        list_remove(&m->leaving);
        arm(r->moods);
    } else {
        tell_presence(r, m, true);
    }
}

void chat_moods_forget(struct chat_room *r, struct chat_member_of *m)
{
    chat_typing_ends(r, m);
    if (list_linked(&m->leaving)) {
        list_remove(&m->leaving);
        arm(r->moods);
    }
}

void chat_typing_free(struct chat_room *r)
{
    if (r->moods != NULL) {
        deadline_clear(&r->moods->due);
        mem_free(r->moods);
        r->moods = NULL;
    }
}
