/* Rules of chat: mutes and their reasons. */
#include "chat_fixture.h"

#include <string.h>

static void why_somebody_is_muted_is_stored_and_told_to_whom_it_concerns(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), cid = employee("Cid");
    struct chat_who dan = employee("Dan"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, &cid, &dan);
    struct chat_member_change lead = {.role = CHAT_MODERATOR};
    struct chat_member_change mute = {
        .role = -1, .has_mute = true, .mute_s = -1, .reason = SPAN("\"noise\" & more")};
    struct chat_member_change role = {.role = CHAT_MEMBER};
    struct chat_member_change speak = {.role = -1, .has_mute = true, .reason = SPAN("enough")};
    struct socket *a = socket_open(0, &anna), *b = socket_open(0, &ben);
    struct socket *c = socket_open(0, &cid), *d = socket_open(0, &dan);
    chat_member_patch(any_home(), room, ben.actor.id, &lead, &anna, on_told, &t);
    answered(ERR_NONE);
    chat_member_patch(any_home(), room, cid.actor.id, &mute, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"muteReason\":\"\\\"noise\\\" & more\""));
    turns();
    assert_heard(c, "\"code\":\"muted\"");
    assert_heard(c, "\"until\":\"9999-12-31T23:59:59.999Z\",\"reason\":\"\\\"noise\\\" & more\"");
    assert_heard(a, "\"code\":\"member_muted\"");
    assert_heard(a, id_text(cid.actor.id));
    assert_not_heard(b, "member_muted"); /* who did it was answered */
    assert_not_heard(d, "noise");
    assert_heard(d, "\"mutedUntil\"");
    chat_member_patch(any_home(), room, cid.actor.id, &role, &anna, on_told, &t);
    answered(ERR_NONE); /* changes nothing of it */
    chat_restart();
    const struct chat_who *see[] = {&anna, &ben, &cid, &sue};
    for (unsigned i = 0; i < 4; i++) {
        chat_room_get(any_home(), room, see[i], on_told, &t);
        answered(ERR_NONE);
        assert_non_null(strstr(t.json, "noise"));
        chat_member_list(any_home(), room, SPAN_NONE, 10, see[i], on_told, &t);
        answered(ERR_NONE);
        assert_non_null(strstr(t.json, "noise"));
    }
    chat_room_get(any_home(), room, &dan, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "noise"));
    assert_non_null(strstr(t.json, "\"mutedUntil\""));
    c = socket_open(0, &cid);
    turns();
    chat_member_patch(any_home(), room, cid.actor.id, &speak, &sue, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "mute"));
    turns();
    assert_heard(c, "\"code\":\"unmuted\"");
    assert_heard(c, "\"reason\":\"enough\"");
    chat_restart();
    chat_room_get(any_home(), room, &anna, on_told, &t);
    answered(ERR_NONE);
    assert_null(strstr(t.json, "muteReason"));
}

/* An owner by inheritance stays as muted as it was. */
static void who_inherits_a_room_is_muted_as_before(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct chat_member_change mute = {
        .role = -1, .has_mute = true, .mute_s = 600, .reason = SPAN("noise")};
    chat_member_patch(any_home(), room, ben.actor.id, &mute, &anna, on_told, &t);
    answered(ERR_NONE);
    chat_leave(any_home(), room, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    chat_restart();
    chat_room_get(any_home(), room, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, "\"role\":\"owner\""));
    assert_non_null(strstr(t.json, "\"muteReason\":\"noise\""));
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, chat_setup_1, chat_teardown),                            \
        cmocka_unit_test_setup_teardown(test, chat_setup_5, chat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(why_somebody_is_muted_is_stored_and_told_to_whom_it_concerns),
        BOTH(who_inherits_a_room_is_muted_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
