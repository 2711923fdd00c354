/* Uploads of files into rooms, over several homes: in pieces, begun anew, too long, too many, onto
 * a disk that is full, never finished. */
#include "chat_files_fixture.h"

#define SHA_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static err wrote;

static void on_written(void *owner, err error)
{
    (void)owner;
    wrote = error;
}

/* Writes through an upload that is open. */
static void write_piece(const char *bytes, bool last, err error)
{
    wrote = ERR_COUNT;
    chat_upload_write(file_seen.upload, span_str(bytes), last, on_written, NULL);
    turns();
    assert_string_equal(err_name(wrote), err_name(error));
}

static void open_upload(uuid file, const struct chat_who *who, int64_t at)
{
    files.upload_at = at;
    file_find(file, who, CHAT_FILE_TO_UPLOAD, ERR_NONE);
}

static void close_upload(void)
{
    chat_upload_close(file_seen.upload);
    turns();
}

static void an_upload_keeps_what_came(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = file_announce(room, &anna, "a.txt", "text/plain", 10, NULL, ERR_NONE);
    files.upload_at = -1;
    file_find(file, &ben, CHAT_FILE_TO_UPLOAD, ERR_ROOM_ACCESS_DENIED);
    open_upload(file, &anna, -1);
    struct chat_upload *u = file_seen.upload;
    file_find(file, &anna, CHAT_FILE_TO_UPLOAD, ERR_CONFLICT); /* one at a time */
    file_seen.upload = u;
    assert_int_equal(file_stats().transfers, 1);
    write_piece("0123", false, ERR_NONE);
    write_piece("too much of it", false, ERR_BODY_TOO_LARGE);
    close_upload();
    assert_int_equal(file_stats().transfers, 0);
    file_is(file, &anna, CHAT_FILE_ANNOUNCED);
    assert_int_equal(file_seen.received, 4);
    open_upload(file, &anna, -1);
    assert_int_equal(chat_upload_at(file_seen.upload), 4);
    write_piece("456789", true, ERR_NONE);
    close_upload();
    file_is(file, &ben, CHAT_FILE_AVAILABLE);
    file_find(file, &anna, CHAT_FILE_TO_UPLOAD, ERR_CONFLICT);
    file = file_announce(room, &anna, "b.txt", "text/plain", 4, NULL, ERR_NONE);
    open_upload(file, &anna, -1);
    write_piece("xx", true, ERR_NONE);
    close_upload();
    open_upload(file, &anna, 0); /* anew */
    write_piece("good", true, ERR_NONE);
    close_upload();
    file_is(file, &ben, CHAT_FILE_AVAILABLE);
    open_upload(file_announce(room, &anna, "c.txt", "text/plain", 4, NULL, ERR_NONE), &anna, -1);
    chat_upload_close(file_seen.upload);
    turns();
    assert_int_equal(file_stats().transfers, 0);
}

static void a_digest_that_is_another_begins_anew(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct chat_file_draft d = {.name = SPAN("a.txt"), .mime = SPAN("text/plain"), .size = 3,
                                .sha256 = SPAN(SHA_OF_ABC)};
    chat_file_announce(any_home(), room, &d, &anna, NULL, on_told, &t);
    answered(ERR_NONE);
    uuid file = t.id;
    open_upload(file, &anna, -1);
    write_piece("abd", true, ERR_INVALID_REQUEST);
    close_upload();
    file_is(file, &anna, CHAT_FILE_ANNOUNCED);
    assert_int_equal(file_seen.received, 0);
    open_upload(file, &anna, -1);
    write_piece("abc", true, ERR_NONE);
    close_upload();
    file_is(file, &ben, CHAT_FILE_AVAILABLE);
}

static void a_full_disk_is_said_and_nothing_is_lost(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = file_announce(room, &anna, "a.txt", "text/plain", 6, NULL, ERR_NONE);
    open_upload(file, &anna, -1);
    write_piece("abc", true, ERR_NONE);
    files.write_error = ERR_STORE_FULL;
    write_piece("def", true, ERR_STORE_FULL);
    close_upload();
    file_announce(room, &anna, "b.txt", "text/plain", 3, "abc", ERR_STORE_FULL);
    files.write_error = ERR_NONE;
    file_is(file, &anna, CHAT_FILE_ANNOUNCED);
    assert_int_equal(file_seen.received, 3);
    open_upload(file, &anna, -1);
    write_piece("def", true, ERR_NONE);
    close_upload();
    file_is(file, &ben, CHAT_FILE_AVAILABLE);
}

static void limits_refuse(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), eve = employee("Eve");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    file_announce(room, &eve, "a.txt", "text/plain", 3, NULL, ERR_ROOM_ACCESS_DENIED);
    file_announce(room, &eve, "a.exe", "text/plain", 3, NULL, ERR_ROOM_ACCESS_DENIED);
    file_announce(room, &anna, "a.exe", "text/plain", 3, NULL, ERR_INVALID_REQUEST);
    file_announce(room, &anna, "a.txt", "text/plain", (1 << 20) + 1, NULL, ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "size");
    file_announce(room, &anna, "a.txt", "text/plain", 4, "abc", ERR_INVALID_REQUEST);
    for (unsigned i = 0; i < 4; i++) {
        file_announce(room, &anna, "a.txt", "text/plain", 1 << 20, NULL, ERR_NONE);
    }
    file_announce(room, &anna, "a.txt", "text/plain", 1, NULL, ERR_STORE_FULL);
    time_passes(130000); /* they never came: their room is free again */
    assert_int_equal(file_stats().bytes, 0);
    uuid file = UUID_NIL;
    for (unsigned i = 0; i < 20; i++) {
        file = file_announce(room, &anna, "a.txt", "text/plain", 1, NULL, ERR_NONE);
    }
    file_announce(room, &anna, "a.txt", "text/plain", 1, NULL, ERR_RATE_LIMIT_EXCEEDED);
    uuid other = file_announce(room, &ben, "a.txt", "text/plain", 1, "x", ERR_NONE);
    w.conf.chat_transfers_max = 0;
    files.upload_at = -1;
    file_find(file, &anna, CHAT_FILE_TO_UPLOAD, ERR_SERVER_ERROR);
    file_find(other, &anna, CHAT_FILE_TO_READ, ERR_SERVER_ERROR);
    w.conf.chat_transfers_max = 8;
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].files = NULL;
    }
    file_announce(room, &ben, "a.txt", "text/plain", 1, NULL, ERR_SERVER_ERROR);
    files_give_ports();
}

static void uploads_that_never_come_expire(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = file_announce(room, &anna, "a.txt", "text/plain", 6, NULL, ERR_NONE);
    open_upload(file, &anna, -1);
    write_piece("abc", true, ERR_NONE);
    assert_true(file_on_disk(file));
    time_passes(130000);
    write_piece("def", true, ERR_CONFLICT); /* it took too long */
    close_upload();
    time_passes(61000);
    file_find(file, &anna, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    uuid stray = home_new_id(&w.homes[0]);
    assert_int_equal(files.disk->write(files.disk, stray, 0, SPAN("stray"), true), ERR_NONE);
    chat_restart();
    assert_false(file_on_disk(stray));
    assert_false(file_on_disk(file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FILES(an_upload_keeps_what_came),
        ON_FILES(a_digest_that_is_another_begins_anew),
        ON_FILES(a_full_disk_is_said_and_nothing_is_lost),
        ON_FILES(limits_refuse),
        ON_FILES(uploads_that_never_come_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
