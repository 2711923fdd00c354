/* Who comes into rooms and goes, by whom and with what rights, over one home and over several. */
#include "chat_fixture.h"

#include <string.h>

static void leaves(uuid room, const struct chat_who *who, err error)
{
    chat_leave(any_home(), room, who, NULL, on_told, &t);
    answered(error);
}

static void who_leaves_hears_nothing_more_and_an_heir_owns_the_room(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, NULL);
    struct socket *a = socket_open(0, &anna), *b = socket_open(w.count - 1, &ben);
    turns();
    (void)heard(a);
    (void)heard(b);
    leaves(room, &anna, ERR_NONE);
    turns();
    assert_heard(a, text_of("out %s left\n", id_text(room)));
    assert_not_heard(a, "chat:room:left");
    assert_heard(b, text_of("chat:room:left {\"roomId\":\"%s\",\"userId\":\"%s\","
                            "\"userType\":\"employee\"}",
                            id_text(room), id_text(anna.actor.id)));
    leaves(room, &anna, ERR_ROOM_ACCESS_DENIED);
    chat_room_get(any_home(), room, &cid, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
    assert_non_null(strstr(t.json, "\"memberCount\":2"));
    leaves(room, &cid, ERR_NONE);
    leaves(room, &ben, ERR_NONE);
    chat_restart();
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
}

static void a_direct_room_is_hidden_and_shown_again(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL);
    struct socket *a = socket_open(0, &anna);
    turns();
    assert_heard(a, "joined");
    leaves(room, &anna, ERR_NONE);
    assert_heard(a, text_of("out %s left\n", id_text(room)));
    leaves(room, &anna, ERR_NONE);
    struct socket *later = socket_open(0, &anna);
    turns();
    assert_string_equal(heard(later), "listed\n");
    joins(room, &anna, ERR_NONE);
    turns();
    assert_heard(later, "joined");
    leaves(room, &anna, ERR_NONE);
    assert_true(uuid_eq(room, room_made(CHAT_DIRECT, "", &anna, &ben, NULL, NULL)));
    turns();
    assert_int_equal(heard_count(later, "joined"), 2);
}

static void members_are_added_by_who_may(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    sue = supervisor("Sue"), gus = guest("Gus"), eve = employee("Eve");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid open = room_made(CHAT_PUBLIC, "Canteen", &anna, &ben, NULL, NULL);
    struct socket *c = socket_open(w.count - 1, &cid);
    turns();
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MEMBER, &eve, on_told, &t);
    answered(ERR_ROOM_ACCESS_DENIED);
    chat_member_add(any_home(), room, gus.actor.id, CHAT_MEMBER, &anna, on_told, &t);
    answered(ERR_INVALID_REQUEST);
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MODERATOR, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_add(any_home(), open, cid.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_true(t.created);
    turns();
    assert_heard(c, text_of("joined %s 0 0\n", id_text(room)));
    chat_member_add(any_home(), room, cid.actor.id, CHAT_MEMBER, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_false(t.created);
    chat_member_add(any_home(), room, sue.actor.id, CHAT_MEMBER, &sue, on_told, &t);
    answered(ERR_NONE); /* she intervenes */
    assert_non_null(strstr(t.json, "\"userType\":\"supervisor\""));
}

static void the_removed_hear_nothing_more_and_the_banned_stay_out(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    sue = supervisor("Sue");
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &anna, &ben, &cid, NULL);
    struct socket *b = socket_open(w.count - 1, &ben), *c = socket_open(0, &cid);
    turns();
    chat_member_remove(any_home(), room, ben.actor.id, 0, SPAN(""), &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_remove(any_home(), room, anna.actor.id, 0, SPAN(""), &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_remove(any_home(), room, ben.actor.id, 3600, SPAN("noise"), &anna, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_heard(b, text_of("out %s removed\n", id_text(room)));
    assert_not_heard(b, "chat:room:left");
    assert_heard(c, "chat:room:left");
    joins(room, &ben, ERR_ROOM_ACCESS_DENIED);
    w.now_ms += 3600 * 1000;
    joins(room, &ben, ERR_NONE);
    chat_member_remove(any_home(), room, ben.actor.id, -1, SPAN(""), &sue, on_told, &t);
    answered(ERR_NONE);
    w.now_ms += INT64_C(1000) * 86400 * 1000;
    joins(room, &ben, ERR_ROOM_ACCESS_DENIED);
    chat_member_remove(any_home(), room, ben.actor.id, 0, SPAN(""), &sue, on_told, &t);
    answered(ERR_NOT_FOUND);
    chat_member_add(any_home(), room, ben.actor.id, CHAT_MEMBER, &anna, on_told, &t);
    answered(ERR_NONE); /* thought better of it */
    chat_member_remove(any_home(), room, anna.actor.id, 0, SPAN(""), &sue, on_told, &t);
    answered(ERR_NONE);
    chat_room_get(any_home(), room, &cid, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
}

static void roles_and_mutes_are_told(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, NULL);
    struct socket *c = socket_open(0, &cid);
    turns();
    struct chat_member_change lead = {.role = CHAT_MODERATOR};
    struct chat_member_change mute = {.role = -1, .has_mute = true, .mute_s = 60};
    chat_member_patch(any_home(), room, ben.actor.id, &lead, &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_member_patch(any_home(), room, ben.actor.id, &lead, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"moderator\""));
    turns();
    assert_heard(c, "chat:room:updated");
    chat_member_patch(any_home(), room, cid.actor.id, &mute, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"mutedUntil\":\"20"));
    chat_member_patch(any_home(), room, cid.actor.id, &lead, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED); /* roles are the owner's */
    chat_restart();
    chat_room_get(any_home(), room, &cid, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"mutedUntil\":\"20"));
    assert_non_null(strstr(t.json, "\"role\":\"moderator\""));
    struct chat_member_change down = {.role = CHAT_MEMBER};
    chat_member_patch(any_home(), room, anna.actor.id, &down, &anna, on_told, &t);
    answered(ERR_CONFLICT);
}

/* The n-th value of a member of what was told. */
static void value_of(const char *member, char *out, size_t size)
{
    const char *at = strstr(t.json, member);
    assert_non_null(at);
    at += strlen(member);
    size_t len = strcspn(at, "\"");
    assert_true(len < size);
    memcpy(out, at, len);
    out[len] = '\0';
}

static void invites(uuid room, const struct chat_invitation_draft *in, const struct chat_who *who,
                    err error)
{
    chat_invite(any_home(), room, in, who, on_told, &t);
    answered(error);
}

static void comes_by(uuid room, const char *secret, const struct chat_who *who, err error)
{
    chat_join(any_home(), room, &(struct chat_join){.invitation = span_str(secret)}, who, NULL,
              on_told, &t);
    answered(error);
}

static void invitations_let_people_in(void **state)
{
    char secret[80];
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid"),
                    dan = employee("Dan"), gus = guest("Gus");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, NULL, NULL, NULL);
    uuid other = room_made(CHAT_GROUP, "Other", &anna, NULL, NULL, NULL);
    struct chat_invitation_draft named = {.principal = ben.actor.id, .uses = 1, .ttl_s = 3600};
    struct chat_invitation_draft open = {.uses = 1, .ttl_s = 3600};
    invites(room, &named, &ben, ERR_ROOM_ACCESS_DENIED);
    invites(room, &(struct chat_invitation_draft){.uses = 0, .ttl_s = 60}, &anna,
            ERR_INVALID_REQUEST);
    invites(room, &(struct chat_invitation_draft){.uses = 1, .ttl_s = 59}, &anna,
            ERR_INVALID_REQUEST);
    named.principal = home_new_id(&w.homes[0]);
    invites(room, &named, &anna, ERR_INVALID_REQUEST);
    named.principal = ben.actor.id;
    invites(room, &named, &anna, ERR_NONE);
    assert_null(strstr(t.json, "\"invitation\""));
    chat_room_list(any_home(), &(struct chat_room_filter){.type = -1, .limit = 5}, &ben, on_told,
                   &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"invited\":true"));
    joins(room, &cid, ERR_ROOM_ACCESS_DENIED);
    joins(room, &ben, ERR_NONE);
    assert_true(t.created);
    chat_leave(any_home(), room, &ben, NULL, on_told, &t);
    answered(ERR_NONE);
    joins(room, &ben, ERR_ROOM_ACCESS_DENIED); /* it was for once */
    invites(room, &open, &anna, ERR_NONE);
    value_of("\"invitation\":\"", secret, sizeof secret);
    comes_by(other, secret, &cid, ERR_ROOM_ACCESS_DENIED);
    comes_by(room, secret, &gus, ERR_ROOM_ACCESS_DENIED);
    comes_by(room, "sbi_guessed", &cid, ERR_ROOM_ACCESS_DENIED);
    comes_by(room, secret, &cid, ERR_NONE);
    comes_by(room, secret, &dan, ERR_ROOM_ACCESS_DENIED);
}

static void guests_come_by_invitations_of_their_own(void **state)
{
    char secret[80];
    (void)state;
    struct chat_who anna = employee("Anna"), cid = employee("Cid"), dan = employee("Dan"),
                    gus = guest("Gus"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &cid, NULL, NULL);
    uuid other = room_made(CHAT_GROUP, "Other", &anna, NULL, NULL, NULL);
    struct chat_invitation_draft open = {.uses = 1, .ttl_s = 3600};
    struct chat_invitation_draft guests = {.guest = true, .uses = 1, .ttl_s = 3600};
    invites(room, &guests, &cid, ERR_NONE);
    value_of("\"invitation\":\"", secret, sizeof secret);
    comes_by(room, secret, &dan, ERR_ROOM_ACCESS_DENIED);
    gus.only = other;
    comes_by(room, secret, &gus, ERR_ROOM_ACCESS_DENIED); /* its token is for another */
    gus.only = room;
    comes_by(room, secret, &gus, ERR_NONE);
    assert_non_null(strstr(t.members, "\"userType\":\"guest\""));
    invites(room, &guests, &gus, ERR_PERMISSION_DENIED);
    invites(room, &open, &sue, ERR_NONE);
    value_of("\"invitation\":\"", secret, sizeof secret);
    uuid id = t.id;
    chat_invitation_list(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "\"invitation\""));
    assert_non_null(strstr(t.json, "\"usesLeft\":0"));
    chat_invitation_list(any_home(), room, &gus, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_invitation_revoke(any_home(), room, id, &cid, on_told, &t);
    answered(ERR_NOT_FOUND); /* another's */
    chat_invitation_revoke(any_home(), room, id, &anna, on_told, &t);
    answered(ERR_NONE);
    comes_by(room, secret, &dan, ERR_ROOM_ACCESS_DENIED);
    chat_invitation_list(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"revokedAt\""));
}

/* Whether a list of public rooms, and the room's address, show it. */
static void finds_public(uuid room, const struct chat_who *who, bool there)
{
    const struct chat_room_filter f = {.type = -1, .public = true, .limit = 5};
    char id[UUID_TEXT_LEN + 1];
    uuid_format(room, id);
    chat_room_list(any_home(), &f, who, on_told, &t);
    answered(ERR_NONE);
    assert_int_equal(strstr(t.json, id) != NULL, there);
    chat_room_get(any_home(), room, who, on_told, &t);
    answered(there ? ERR_NONE : ERR_ROOM_ACCESS_DENIED);
}

static void bans_are_listed_and_lifted(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &anna, &cid, NULL, NULL);
    chat_member_remove(any_home(), room, ben.actor.id, -1, SPAN("noise"), &anna, on_told, &t);
    answered(ERR_NONE); /* who was never in */
    joins(room, &ben, ERR_ROOM_ACCESS_DENIED);
    finds_public(room, &ben, false);
    chat_ban_list(any_home(), room, &cid, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_ban_list(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"name\":\"Ben\",\"until\":null,\"reason\":\"noise\""));
    chat_ban_delete(any_home(), room, ben.actor.id, &anna, on_told, &t);
    answered(ERR_NONE);
    chat_ban_delete(any_home(), room, ben.actor.id, &anna, on_told, &t);
    answered(ERR_NOT_FOUND);
    finds_public(room, &ben, true);
    joins(room, &ben, ERR_NONE);
}

static void until_done(const struct told *all, unsigned count)
{
    for (unsigned tries = 0, left = count; tries < 50 && left > 0; tries++) {
        left = 0;
        for (unsigned i = 0; i < count; i++) {
            left += !all[i].done;
        }
        if (left > 0) {
            turns();
        }
    }
}

/* Everybody comes, goes and is thrown out at once; memory and the store agree in the end, and
 * whoever is in hears, and whoever is out does not. */
static void races_of_membership_end_in_what_is_stored(void **state)
{
    enum { PEOPLE = 6, ROUNDS = 40 };
    struct chat_who anna = employee("Anna"), all[PEOPLE];
    struct socket *sockets[PEOPLE];
    struct told answers[PEOPLE] = {{0}};
    static struct told kicks[PEOPLE];
    (void)state;
    uuid room = room_made(CHAT_PUBLIC, "Canteen", &anna, NULL, NULL, NULL);
    for (unsigned i = 0; i < PEOPLE; i++) {
        all[i] = employee(text_of("P%u", i));
        sockets[i] = socket_open(i % w.count, &all[i]);
    }
    turns();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PEOPLE; i++) {
            answers[i].done = kicks[i].done = false;
            unsigned what = (round * 7 + i * 13) % 5;
            if (what < 3) {
                chat_join(any_home(), room, &(struct chat_join){0}, &all[i], NULL, on_told,
                          &answers[i]);
            } else {
                chat_leave(any_home(), room, &all[i], NULL, on_told, &answers[i]);
            }
            chat_member_remove(any_home(), room, all[(i + round) % PEOPLE].actor.id, 0, SPAN(""),
                               &anna, on_told, &kicks[i]);
        }
        if (round % 3 == 0) {
            turns();
        }
        until_done(answers, PEOPLE);
        until_done(kicks, PEOPLE);
        for (unsigned i = 0; i < PEOPLE; i++) {
            assert_true(answers[i].done && kicks[i].done);
        }
    }
    joins(room, &all[0], ERR_NONE);
    turns();
    for (unsigned i = 0; i < PEOPLE; i++) {
        (void)heard(sockets[i]);
    }
    chat_room_patch(any_home(), room, &(struct chat_room_change){.name = SPAN("Bar")}, &anna,
                    on_told, &t);
    answered(ERR_NONE);
    turns();
    for (unsigned i = 0; i < PEOPLE; i++) {
        chat_member_list(any_home(), room, SPAN(""), 200, &anna, on_told, &t);
        answered(ERR_NONE);
        bool in = strstr(t.json, id_text(all[i].actor.id)) != NULL;
        assert_int_equal(heard_count(sockets[i], "chat:room:updated"), in ? 1 : 0);
        assert_int_equal(strstr(t.json, text_of("%s\",\"userType\":\"employee\",\"role\":\"member"
                                                "\",\"name\":\"P%u\",\"isOnline\":true",
                                                id_text(all[i].actor.id), i)) != NULL,
                         in);
    }
    static char before[sizeof t.json];
    memcpy(before, t.json, sizeof before);
    chat_restart();
    chat_member_list(any_home(), room, SPAN(""), 200, &anna, on_told, &t);
    answered(ERR_NONE);
    for (unsigned i = 0; i < PEOPLE; i++) {
        const char *id = id_text(all[i].actor.id);
        assert_int_equal(strstr(before, id) != NULL, strstr(t.json, id) != NULL);
    }
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, chat_setup_1, chat_teardown),                            \
        cmocka_unit_test_setup_teardown(test, chat_setup_5, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(who_leaves_hears_nothing_more_and_an_heir_owns_the_room),
        BOTH(a_direct_room_is_hidden_and_shown_again),
        BOTH(members_are_added_by_who_may),
        BOTH(the_removed_hear_nothing_more_and_the_banned_stay_out),
        BOTH(roles_and_mutes_are_told),
        BOTH(invitations_let_people_in),
        BOTH(guests_come_by_invitations_of_their_own),
        BOTH(bans_are_listed_and_lifted),
        BOTH(races_of_membership_end_in_what_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
