/* Changes of what was said, who types, who has come and gone, what does not stay. */
#include "chat_says.h"

#include <string.h>

static struct chat_who anna, ben, eve, sue;
static struct socket *at_ben;
static uuid room;

/* Ben listens. */
static void team(enum chat_room_type type)
{
    anna = employee("Anna");
    ben = employee("Ben");
    eve = employee("Eve");
    sue = supervisor("Sue");
    room = room_made(type, type == CHAT_DIRECT ? "" : "Team", &anna, &ben,
                     type == CHAT_DIRECT ? NULL : &eve, NULL);
    at_ben = socket_open(0, &ben);
    turns();
    heard(at_ben);
}

static void edits(uuid message, const struct chat_who *who, const char *json, err error)
{
    const struct chat_origin origin = {.sid = SPAN("sock"), .request_id = SPAN("r1")};
    chat_edit(any_home(), message, span_str(json), json[0] == '{', who, &origin, on_told, &t);
    answered(error);
    turns();
}

static void deletes(uuid message, const struct chat_who *who, err error)
{
    chat_delete(any_home(), message, who, NULL, on_told, &t);
    answered(error);
    turns();
}

static void reacts(uuid message, const struct chat_who *who, const char *emoji, bool on, err error)
{
    chat_react(any_home(), message, span_str(emoji), on, who, NULL, on_told, &t);
    answered(error);
    turns();
}

static void who_said_it_changes_it_and_what_it_said_is_kept(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    uuid message = says(room, &anna, "one");
    turns();
    heard(at_ben);
    edits(message, &ben, "\"mine\"", ERR_PERMISSION_DENIED);
    edits(message, &sue, "\"mine\"", ERR_ROOM_ACCESS_DENIED); /* she is no member */
    edits(home_new_id(&w.homes[0]), &anna, "\"x\"", ERR_ROOM_ACCESS_DENIED);
    assert_string_equal(heard(at_ben), "");
    w.now_ms += 1000;
    edits(message, &anna, "\"two\"", ERR_NONE);
    assert_int_equal(t.version, 2);
    assert_int_equal(t.seq, 1);
    assert_non_null(strstr(t.json, "\"content\":\"two\""));
    assert_non_null(strstr(t.json, "\"editedAt\":\""));
    assert_heard(at_ben, text_of("chat:message:updated {\"id\":\"%s\"", id_text(message)));
    assert_heard(at_ben, "\"content\":\"two\"");
    assert_heard(at_ben, "sock");
    heard(at_ben);
    edits(message, &anna, "\"two\"", ERR_NONE); /* it says so already */
    assert_string_equal(heard(at_ben), "");
    edits(message, &anna, "{\"three\":3}", ERR_NONE);
    assert_int_equal(t.version, 3);
    chat_revisions(any_home(), message, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "[{\"content\":\"one\",\"editedAt\":\""));
    assert_non_null(strstr(t.json, text_of("\"editedBy\":\"%s\"},{\"content\":\"two\"",
                                           id_text(anna.actor.id))));
    chat_revisions(any_home(), message, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_revisions(any_home(), message, &sue, on_told, &t);
    answered(ERR_NONE);
    chat_message_get(any_home(), message, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"content\":{\"three\":3}"));
    assert_int_equal(t.version, 3);
}

static void what_was_said_long_ago_stays(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    uuid message = says(room, &anna, "one");
    time_passes(w.conf.chat_edit_window_s * 1000);
    edits(message, &anna, "\"two\"", ERR_NONE);
    time_passes(100);
    edits(message, &anna, "\"three\"", ERR_PERMISSION_DENIED);
    deletes(message, &anna, ERR_NONE);
}

static void a_change_names_the_version_that_it_is_of(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    uuid message = says(room, &anna, "one");
    chat_edit_version(any_home(), message, 2, SPAN("\"x\""), false, &anna, NULL, on_told, &t);
    answered(ERR_PRECONDITION_FAILED);
    chat_edit_version(any_home(), message, 1, SPAN("\"x\""), false, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    chat_delete_version(any_home(), message, 1, &anna, NULL, on_told, &t);
    answered(ERR_PRECONDITION_FAILED);
    chat_delete_version(any_home(), message, 2, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(t.version, 3);
}

static unsigned pending;

static void on_change(void *owner, const struct chat_result *r)
{
    assert_int_equal(r->error, ERR_NONE);
    pending--;
    *(int64_t *)owner = r->version;
}

static void changes_at_once_happen_one_after_the_other(void **state)
{
    int64_t versions[20];
    (void)state;
    team(CHAT_GROUP);
    uuid message = says(room, &anna, "start");
    turns();
    heard(at_ben);
    for (unsigned i = 0; i < 10; i++) {
        const char *text = text_of("\"text %u\"", i);
        pending += 2;
        chat_edit(&w.homes[0], message, span_str(text), false, &anna, NULL, on_change,
                  &versions[2 * i]);
        chat_react(&w.homes[0], message, span_str(text_of("e%u", i)), true, &ben, NULL, on_change,
                   &versions[2 * i + 1]);
        if (i % 3 == 0) {
            const struct chat_draft draft = {.type = CHAT_MESSAGE_CHAT, .content = SPAN("\"x\"")};
            chat_send(&w.homes[0], room, &draft, &eve, NULL, NULL, NULL);
        }
    }
    for (unsigned i = 0; i < 1000 && pending > 0; i++) {
        turns();
    }
    assert_int_equal(pending, 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(versions[i], 2 + i);
    }
    assert_int_equal(heard_count(at_ben, "chat:message:updated"), 20);
    chat_revisions(any_home(), message, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "[{\"content\":\"start\""));
    assert_non_null(strstr(t.json, "\"content\":\"text 8\""));
    assert_null(strstr(t.json, "\"content\":\"text 9\""));
}

/* --- deletions --- */

static void a_deleted_message_keeps_its_place_only(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    uuid message = says(room, &anna, "secret");
    says(room, &anna, "next");
    reacts(message, &ben, "+1", true, ERR_NONE);
    heard(at_ben);
    deletes(message, &ben, ERR_PERMISSION_DENIED);
    deletes(message, &anna, ERR_NONE);
    assert_heard(at_ben, text_of("chat:message:updated {\"id\":\"%s\"", id_text(message)));
    assert_heard(at_ben, "\"content\":null");
    assert_heard(at_ben, "\"deleted\":true");
    assert_not_heard(at_ben, "secret");
    assert_not_heard(at_ben, "+1");
    heard(at_ben);
    deletes(message, &anna, ERR_NONE); /* it is */
    assert_string_equal(heard(at_ben), "");
    edits(message, &anna, "\"again\"", ERR_CONFLICT);
    reacts(message, &ben, "+1", true, ERR_CONFLICT);
    chat_messages(any_home(), room, &(struct chat_page){.way = CHAT_BEFORE, .limit = 5}, &ben,
                  on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(told_seqs(), "1 2");
    assert_null(strstr(t.json, "secret"));
    chat_revisions(any_home(), message, &sue, on_told, &t); /* who moderates may see why */
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"content\":\"secret\""));
}

static unsigned counted;

static void on_audit(void *owner, const struct audit_result *r)
{
    (void)owner;
    counted = r->count;
}

static void moderators_delete_what_others_say(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    uuid bens = says(room, &ben, "rude"), eves = says(room, &eve, "rude");
    deletes(eves, &ben, ERR_PERMISSION_DENIED);
    deletes(bens, &anna, ERR_NONE); /* the room is hers */
    deletes(eves, &sue, ERR_NONE);  /* who watches */
    audit_list(any_home(), &(struct audit_filter){.action = SPAN("chat.message.delete"),
                                                  .to_ms = INT64_MAX, .limit = 5},
               on_audit, NULL);
    turns();
    assert_int_equal(counted, 2);
}

static void nobody_stands_above_the_other_in_a_direct_room(void **state)
{
    (void)state;
    team(CHAT_DIRECT);
    uuid bens = says(room, &ben, "mine");
    deletes(bens, &anna, ERR_PERMISSION_DENIED);
    deletes(bens, &ben, ERR_NONE);
}

/* --- reactions --- */

static void reactions_come_and_go(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    uuid message = says(room, &anna, "good news");
    turns();
    heard(at_ben);
    reacts(message, &ben, "\xf0\x9f\x91\x8d", true, ERR_NONE);
    reacts(message, &eve, "\xf0\x9f\x91\x8d", true, ERR_NONE);
    assert_non_null(strstr(t.json, text_of("\"reactions\":[{\"emoji\":\"\xf0\x9f\x91\x8d\","
                                           "\"count\":2,\"userIds\":[\"%s\",\"%s\"]}]",
                                           id_text(ben.actor.id), id_text(eve.actor.id))));
    assert_int_equal(heard_count(at_ben, "chat:message:updated"), 2);
    heard(at_ben);
    reacts(message, &eve, "\xf0\x9f\x91\x8d", true, ERR_NONE); /* once is once */
    assert_string_equal(heard(at_ben), "");
    reacts(message, &ben, "\xf0\x9f\x91\x8d", false, ERR_NONE);
    reacts(message, &eve, "\xf0\x9f\x91\x8d", false, ERR_NONE);
    assert_null(strstr(t.json, "reactions"));
    reacts(message, &eve, "no blanks", true, ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "emoji");
    reacts(message, &sue, "x", true, ERR_ROOM_ACCESS_DENIED); /* she would be seen */
    for (unsigned i = 0; i < 20; i++) {
        reacts(message, &ben, text_of("e%u", i), true, ERR_NONE);
    }
    reacts(message, &ben, "more", true, ERR_CONFLICT);
    reacts(message, &eve, "e7", true, ERR_NONE);
    chat_message_get(any_home(), message, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "{\"emoji\":\"e7\",\"count\":2"));
}

/* --- who types, who is there --- */

static void types(const struct chat_who *who, bool on, err error)
{
    chat_typing(any_home(), room, on, who, on_told, &t);
    answered(error);
    turns();
}

static const char *typing_of(const struct chat_who *who, bool on)
{
    return text_of("~chat:user:typing {\"roomId\":\"%s\",\"userId\":\"%s\",\"isTyping\":%s}",
                   id_text(room), id_text(who->actor.id), on ? "true" : "false");
}

static void typing_is_told_once_and_ends_by_itself(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    types(&anna, true, ERR_NONE);
    assert_heard(at_ben, typing_of(&anna, true));
    types(&anna, true, ERR_NONE);
    assert_int_equal(heard_count(at_ben, "chat:user:typing"), 1);
    heard(at_ben);
    time_passes(4000);
    types(&anna, true, ERR_NONE); /* still */
    time_passes(4000);
    assert_string_equal(heard(at_ben), "");
    time_passes(2500);
    assert_heard(at_ben, typing_of(&anna, false));
    assert_int_equal(heard_count(at_ben, "chat:user:typing"), 1);
    heard(at_ben);
    types(&anna, false, ERR_NONE); /* nobody thought so */
    assert_string_equal(heard(at_ben), "");
    types(&anna, true, ERR_NONE);
    types(&eve, true, ERR_NONE);
    types(&anna, false, ERR_NONE);
    assert_heard(at_ben, typing_of(&anna, false));
    assert_not_heard(at_ben, typing_of(&eve, false));
    heard(at_ben);
    says(room, &eve, "done");
    turns();
    assert_heard(at_ben, typing_of(&eve, false));
    types(&sue, true, ERR_ROOM_ACCESS_DENIED); /* she is not to be seen */
}

static void who_leaves_does_not_type(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    types(&anna, true, ERR_NONE);
    types(&eve, true, ERR_NONE);
    struct socket *at_eve = socket_open(0, &eve);
    turns();
    heard(at_ben);
    socket_close(at_eve);
    turns();
    assert_heard(at_ben, typing_of(&eve, false));
    heard(at_ben);
    chat_leave(any_home(), room, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_heard(at_ben, typing_of(&anna, false));
}

static const char *presence_of(const struct chat_who *who, bool on)
{
    return text_of("~chat:user:presence {\"roomId\":\"%s\",\"userId\":\"%s\",\"isOnline\":%s}",
                   id_text(room), id_text(who->actor.id), on ? "true" : "false");
}

static void who_comes_back_soon_was_not_away(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    struct socket *at_eve = socket_open(0, &eve);
    turns();
    assert_heard(at_ben, presence_of(&eve, true));
    heard(at_ben);
    socket_close(at_eve);
    time_passes(4000);
    at_eve = socket_open(0, &eve);
    time_passes(10000);
    assert_not_heard(at_ben, "presence");
    struct socket *second = socket_open(0, &eve);
    turns();
    socket_close(at_eve);
    time_passes(10000);
    assert_not_heard(at_ben, "presence"); /* one is still there */
    socket_close(second);
    time_passes(6000);
    assert_heard(at_ben, presence_of(&eve, false));
    heard(at_ben);
    struct socket *watching = socket_open(0, &sue);
    chat_watch(socket_client(watching), room, on_told, &t);
    answered(ERR_NONE);
    time_passes(1000);
    assert_not_heard(at_ben, "presence"); /* who watches is not seen */
}

static void presence_is_not_told_in_large_rooms(void **state)
{
    (void)state;
    w.conf.chat_receipts_members_max = 2;
    team(CHAT_GROUP);
    struct socket *at_eve = socket_open(0, &eve);
    turns();
    types(&eve, true, ERR_NONE);
    assert_not_heard(at_ben, "presence");
    assert_heard(at_ben, typing_of(&eve, true));
    socket_close(at_eve);
    time_passes(6000);
    assert_not_heard(at_ben, "presence");
}

static void many_may_type_but_few_are_told_of(void **state)
{
    struct chat_who crowd[25];
    (void)state;
    team(CHAT_PUBLIC);
    for (unsigned i = 0; i < 25; i++) {
        crowd[i] = employee(text_of("P%u", i));
        joins(room, &crowd[i], ERR_NONE);
    }
    heard(at_ben);
    for (unsigned i = 0; i < 25; i++) {
        types(&crowd[i], true, ERR_NONE);
    }
    assert_int_equal(heard_count(at_ben, "\"isTyping\":true"), 20);
    time_passes(7000);
    assert_int_equal(heard_count(at_ben, "\"isTyping\":false"), 20);
}

/* --- what does not stay --- */

static unsigned messages_of(uuid id)
{
    unsigned n = 0;
    chat_messages(any_home(), id, &(struct chat_page){.way = CHAT_AFTER, .limit = 200}, &anna,
                  on_told, &t);
    answered(ERR_NONE);
    for (const char *at = t.json; (at = strstr(at, "\"seq\":")) != NULL; at++) {
        n++;
    }
    return n;
}

static void rooms_that_keep_for_some_days_lose_what_is_older(void **state)
{
    (void)state;
    team(CHAT_GROUP);
    struct chat_room_draft draft = {.name = SPAN("Short"), .type = CHAT_GROUP,
                                    .settings = SPAN("{\"retentionDays\":2}")};
    chat_room_create(any_home(), &draft, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    uuid brief = t.id;
    for (unsigned i = 0; i < 150; i++) {
        says(brief, &anna, "brief");
        says(brief, &anna, "brief");
    }
    uuid old = says(room, &anna, "long");
    w.now_ms += 3 * 86400000ll;
    says(brief, &anna, "new");
    time_passes(700000);
    assert_int_equal(messages_of(brief), 1);
    assert_string_equal(told_seqs(), "301");
    assert_string_equal(t.members, "\"lastSeq\":301");
    assert_int_equal(messages_of(room), 1);
    assert_false(uuid_is_nil(old));
    chat_search(any_home(), &(struct chat_search){.text = SPAN("brief"), .to_ms = INT64_MAX,
                                                  .limit = 5},
                &anna, on_told, &t);
    answered(ERR_NONE);
    assert_string_equal(t.json, "[]");
    says(brief, &anna, "and goes on");
    assert_int_equal(t.seq, 302);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_said_it_changes_it_and_what_it_said_is_kept, chat_setup_5),
        TEST(what_was_said_long_ago_stays, chat_setup_1),
        TEST(a_change_names_the_version_that_it_is_of, chat_setup_1),
        TEST(changes_at_once_happen_one_after_the_other, chat_setup_5),
        TEST(a_deleted_message_keeps_its_place_only, chat_setup_5),
        TEST(moderators_delete_what_others_say, chat_setup_5),
        TEST(nobody_stands_above_the_other_in_a_direct_room, chat_setup_1),
        TEST(reactions_come_and_go, chat_setup_5),
        TEST(typing_is_told_once_and_ends_by_itself, chat_setup_5),
        TEST(who_leaves_does_not_type, chat_setup_5),
        TEST(who_comes_back_soon_was_not_away, chat_setup_1),
        TEST(presence_is_not_told_in_large_rooms, chat_setup_1),
        TEST(many_may_type_but_few_are_told_of, chat_setup_1),
        TEST(rooms_that_keep_for_some_days_lose_what_is_older, chat_setup_5),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
