/* Files in rooms, over several homes: scanned, released with their messages, held, blocked,
 * deleted. How their bytes come: chat_uploads_test.c. */
#include "chat_files_fixture.h"

#include <string.h>

static void a_file_is_released_with_its_message(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), eve = employee("Eve");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna), *two = socket_open(2, &ben);
    turns();
    uuid file = file_announce(room, &anna, "a.png", "image/png", 7, "PNG.abc", ERR_NONE);
    assert_non_null(strstr(t.members, "\"uploadUrl\":\"/api/v1/chat/files/"));
    turns();
    assert_heard(one, "chat:message:status {\"messageId\":");
    assert_not_heard(two, "chat:message:status");
    assert_heard(two, text_of("chat:file:uploaded {\"fileId\":\"%s\"", id_text(file)));
    assert_heard(two, "\"type\":\"image\"");
    file_is(file, &ben, CHAT_FILE_AVAILABLE);
    assert_int_equal(file_seen.seq, 1);
    file_find(file, &ben, CHAT_FILE_TO_READ, ERR_NONE);
    file_find(file, &eve, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    file_find(room, &anna, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED); /* no such file */
    chat_file_list(any_home(), room, SPAN_NONE, 10, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, id_text(file)));
    assert_int_equal(file_stats().transfers, 0);
    assert_int_equal(file_stats().bytes, 7);
}

static void what_runs_or_is_found_is_blocked(void **state)
{
    static const struct {
        const char *bytes, *why;
    } rows[] = {
        {"MZ......", "files that run are not taken"},
        {"EICAR-STANDARD-ANTIVIRUS-TEST-FILE", "the scanner found Eicar-Test-Signature"},
    };
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna), *two = socket_open(2, &ben);
    turns();
    for (unsigned i = 0; i < 2; i++) {
        uuid file = file_announce(room, &anna, "a.txt", "text/plain",
                                  (int64_t)strlen(rows[i].bytes), rows[i].bytes, ERR_NONE);
        turns();
        assert_heard(one, text_of("\"message\":\"%s\"", rows[i].why));
        file_is(file, &anna, CHAT_FILE_BLOCKED);
        file_find(file, &anna, CHAT_FILE_TO_READ, ERR_NOT_FOUND);
        file_find(file, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
        assert_false(file_on_disk(file));
    }
    assert_not_heard(two, "chat:error");
    assert_not_heard(two, "chat:file");
    assert_int_equal(file_stats().bytes, 0);
}

static void files_are_held_while_the_scanner_is_away(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna);
    turns();
    scan_twin_away(files.scanner, true);
    uuid first = file_announce(room, &anna, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    uuid second = file_announce(room, &anna, "b.txt", "text/plain", 3, "def", ERR_NONE);
    time_passes(5000);
    assert_int_equal(heard_count(one, "\"code\":\"FILE_HELD\""), 2); /* once each */
    assert_int_equal(file_stats().held, 2);
    assert_true(file_stats().away && file_stats().scanning);
    file_find(first, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    chat_restart(); /* and goes on from the rows */
    assert_int_equal(file_stats().held, 2);
    scan_twin_away(files.scanner, false);
    time_passes(3000);
    file_is(first, &ben, CHAT_FILE_AVAILABLE);
    file_is(second, &ben, CHAT_FILE_AVAILABLE);
    assert_int_equal(file_stats().held, 0);
    assert_false(file_stats().away);
}

static void files_wait_while_too_many_are_scanned(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    files.scans_full = true;
    uuid first = file_announce(room, &anna, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    uuid second = file_announce(room, &anna, "b.txt", "text/plain", 3, "def", ERR_NONE);
    time_passes(5000);
    assert_true(files.scans_refused >= 4);
    assert_int_equal(file_stats().held, 2);
    files.scans_full = false;
    time_passes(3000);
    file_is(first, &ben, CHAT_FILE_AVAILABLE);
    file_is(second, &ben, CHAT_FILE_AVAILABLE);
    assert_int_equal(file_stats().held, 0);
}

static void what_cannot_be_scanned_is_blocked_in_the_end(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = file_announce(room, &anna, "a.txt", "text/plain", 11, "UNSCANNABLE", ERR_NONE);
    file_is(file, &anna, CHAT_FILE_QUARANTINED);
    time_passes(5000);
    file_is(file, &anna, CHAT_FILE_BLOCKED);
}

static void what_was_released_before_a_crash_is_sent_after_it(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    scan_twin_away(files.scanner, true);
    uuid file = file_announce(room, &anna, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    assert_int_equal(files.disk->release(files.disk, file), ERR_NONE);
    scan_twin_away(files.scanner, false);
    chat_restart();
    file_is(file, &ben, CHAT_FILE_AVAILABLE);
    uuid lost;
    scan_twin_away(files.scanner, true);
    lost = file_announce(room, &anna, "b.txt", "text/plain", 3, "abc", ERR_NONE);
    assert_int_equal(files.disk->remove(files.disk, lost), ERR_NONE);
    chat_restart();
    file_is(lost, &anna, CHAT_FILE_BLOCKED);
}

static void a_deleted_file_goes_with_its_bytes(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = file_announce(room, &ben, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    uuid second = file_announce(room, &anna, "b.txt", "text/plain", 3, "abc", ERR_NONE);
    chat_file_delete(any_home(), second, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_file_delete(any_home(), file, &ben, on_told, &t);
    answered(ERR_NONE);
    chat_file_delete(any_home(), second, &sue, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_false(file_on_disk(file) || file_on_disk(second));
    file_find(file, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    assert_int_equal(file_stats().bytes, 0);
    scan_twin_away(files.scanner, true);
    file = file_announce(room, &ben, "c.txt", "text/plain", 3, "abc", ERR_NONE);
    chat_file_delete(any_home(), file, &ben, on_told, &t);
    answered(ERR_NONE);
    scan_twin_away(files.scanner, false);
    time_passes(3000);
    assert_false(file_on_disk(file));
    file_find(file, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
}

static void files_of_a_room_that_is_no_more_go(void **state)
{
    (void)state;
    uuid file = home_new_id(&w.homes[0]), none = home_new_id(&w.homes[0]);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_CHAT_FILE_INSERT, 1);
    for (unsigned p = 0; p < 10; p++) {
        if (p == 5 || p == 8 || p == 9) {
            store_set_int(req, 0, 0, p, p == 8 ? INT64_MAX : 5);
        } else if (p != 6) {
            store_set_text(req, 0, 0, p, span_str(id_text(p == 0 ? file : none)));
        }
    }
    assert_int_equal(store_run(w.store, req), ERR_NONE);
    store_req_free(req);
    assert_int_equal(files.disk->write(files.disk, file, 0, SPAN("bytes"), true), ERR_NONE);
    chat_restart();
    assert_false(file_on_disk(file));
    assert_int_equal(file_stats().bytes, 0);
}

static void who_has_left_sends_no_file(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna);
    turns();
    scan_twin_away(files.scanner, true);
    uuid file = file_announce(room, &ben, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    chat_leave(any_home(), room, &ben, NULL, on_told, &t);
    answered(ERR_NONE);
    scan_twin_away(files.scanner, false);
    time_passes(3000);
    assert_not_heard(one, "chat:file:uploaded");
    assert_false(file_on_disk(file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FILES(a_file_is_released_with_its_message),
        ON_FILES(what_runs_or_is_found_is_blocked),
        ON_FILES(files_are_held_while_the_scanner_is_away),
        ON_FILES(files_wait_while_too_many_are_scanned),
        ON_FILES(what_cannot_be_scanned_is_blocked_in_the_end),
        ON_FILES(what_was_released_before_a_crash_is_sent_after_it),
        ON_FILES(a_deleted_file_goes_with_its_bytes),
        ON_FILES(files_of_a_room_that_is_no_more_go),
        ON_FILES(who_has_left_sends_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
