/* Files in rooms, over several homes, with a scanner's twin and a disk that can be made to fail. */
#include "chat_fixture.h"

#include "adapters/files_disk/files_disk.h"
#include "adapters/scan_twin/scan_twin.h"
#include "base/mem.h"
#include "domain/chat_file.h"
#include "ports/files.h"
#include "ports/sniff.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SHA_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct {
    char folder[64];
    struct files *disk;
    struct files files;  /* before it: what fails */
    err write_error;
    struct scanner *scanner;
    struct sniff sniff;
    struct offload scans; /* before w's: what has no room for more */
    bool scans_full;
    unsigned scans_refused;
} x;

/* --- the world --- */

static err failing_write(struct files *self, uuid id, uint64_t at, span bytes, bool sync)
{
    (void)self;
    return x.write_error != ERR_NONE ? x.write_error : x.disk->write(x.disk, id, at, bytes, sync);
}

static err pass_read(struct files *self, enum files_area a, uuid id, uint64_t at, uint8_t *out,
                     size_t len, size_t *got)
{
    (void)self;
    return x.disk->read(x.disk, a, id, at, out, len, got);
}

static err pass_digest(struct files *self, uuid id, uint8_t out[FILES_DIGEST_BYTES])
{
    (void)self;
    return x.disk->digest(x.disk, id, out);
}

static err pass_release(struct files *self, uuid id)
{
    (void)self;
    return x.disk->release(x.disk, id);
}

static err pass_remove(struct files *self, uuid id)
{
    (void)self;
    return x.disk->remove(x.disk, id);
}

static err pass_quarantined(struct files *self, void (*visit)(void *, uuid), void *arg)
{
    (void)self;
    return x.disk->quarantined(x.disk, visit, arg);
}

static bool sniff_type(struct sniff *self, span head, char out[SNIFF_TYPE_MAX])
{
    (void)self;
    const char *type = span_starts(head, SPAN("PNG"))  ? "image/png"
                       : span_starts(head, SPAN("MZ")) ? "application/x-dosexec"
                                                       : "text/plain";
    snprintf(out, SNIFF_TYPE_MAX, "%s", type);
    return true;
}

static bool scans_submit(struct offload *self, struct job *j)
{
    (void)self;
    if (x.scans_full) {
        assert_true(++x.scans_refused < 100); /* nobody may ask again at once */
        return false;
    }
    return offload_submit(w.homes[0].offload, j);
}

static void give_ports(void)
{
    for (unsigned i = 0; i < w.count; i++) {
        struct home *h = &w.homes[i];
        h->files = &x.files;
        h->sniff = &x.sniff;
        h->scanner = x.scanner;
        h->disk = h->offload;
        h->scans = &x.scans;
    }
}

static int setup(void **state)
{
    buf why = {0};
    assert_int_equal(chat_setup_5(state), 0);
    memset(&x, 0, sizeof x);
    (void)mkdir("build/tmp", 0755);
    snprintf(x.folder, sizeof x.folder, "build/tmp/chat-files-XXXXXX");
    assert_non_null(mkdtemp(x.folder));
    x.disk = files_disk_new(x.folder, &why);
    assert_non_null(x.disk);
    x.files = (struct files){.write = failing_write, .read = pass_read, .digest = pass_digest,
                             .release = pass_release, .remove = pass_remove,
                             .quarantined = pass_quarantined};
    x.scanner = scan_twin_new();
    x.sniff.type = sniff_type;
    x.scans.submit = scans_submit;
    w.conf.chat_file_bytes_max = 1 << 20;
    w.conf.chat_files_bytes_max = 4 << 20;
    w.conf.chat_transfers_max = 8;
    w.conf.chat_upload_s = 60;
    w.conf.chat_scan_retry_ms = 1000;
    give_ports();
    chat_restart();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    int rc = chat_teardown(state);
    files_disk_free(x.disk);
    scan_twin_free(x.scanner);
    return rc != 0 ? rc : nftw(x.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- helpers --- */

static uuid announce(uuid room, const struct chat_who *who, const char *name, const char *mime,
                     int64_t size, const char *bytes, err error)
{
    struct chat_file_draft d = {.name = span_str(name), .mime = span_str(mime), .size = size};
    if (bytes != NULL) {
        d.bytes = span_str(bytes);
    }
    chat_file_announce(any_home(), room, &d, who, NULL, on_told, &t);
    answered(error);
    return t.id;
}

static struct seen {
    bool done;
    err error;
    enum chat_file_state state;
    int64_t received, seq;
    uuid room;
    struct chat_upload *upload;
} s;

static enum chat_file_for purpose;
static int64_t begin_at;
static struct home *there;

static void on_found(void *owner, const struct chat_result *r, const struct chat_file *f)
{
    (void)owner;
    s = (struct seen){.done = true, .error = r->error};
    if (f != NULL) {
        s.state = f->state;
        s.received = f->received;
        s.seq = f->seq;
    }
    if (r->error == ERR_NONE && purpose == CHAT_FILE_TO_UPLOAD) {
        s.upload = chat_upload_new(there, f, begin_at < 0 ? f->received : begin_at);
    } else if (r->error == ERR_NONE && purpose == CHAT_FILE_TO_READ) {
        chat_file_read_over(there);
    }
}

static void find(uuid file, const struct chat_who *who, enum chat_file_for what, err error)
{
    s.done = false;
    purpose = what;
    there = any_home();
    chat_file_find(there, file, what, who, on_found, NULL);
    turns();
    assert_true(s.done);
    assert_string_equal(err_name(s.error), err_name(error));
}

static void is(uuid file, const struct chat_who *who, enum chat_file_state state)
{
    find(file, who, CHAT_FILE_TO_SEE, ERR_NONE);
    assert_string_equal(chat_file_state_name(s.state), chat_file_state_name(state));
}

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
    chat_upload_write(s.upload, span_str(bytes), last, on_written, NULL);
    turns();
    assert_string_equal(err_name(wrote), err_name(error));
}

static void open_upload(uuid file, const struct chat_who *who, int64_t at)
{
    begin_at = at;
    find(file, who, CHAT_FILE_TO_UPLOAD, ERR_NONE);
}

static void close_upload(void)
{
    chat_upload_close(s.upload);
    turns();
}

static bool on_disk(uuid file)
{
    uint8_t byte;
    size_t got;
    return x.disk->read(x.disk, FILES_QUARANTINE, file, 0, &byte, 1, &got) == ERR_NONE ||
           x.disk->read(x.disk, FILES_AVAILABLE, file, 0, &byte, 1, &got) == ERR_NONE;
}

static struct chat_file_stats stats(void)
{
    struct chat_file_stats out;
    chat_file_stats(&w.homes[0], &out);
    return out;
}

/* --- tests --- */

static void a_file_is_released_with_its_message(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), eve = employee("Eve");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna), *two = socket_open(2, &ben);
    turns();
    uuid file = announce(room, &anna, "a.png", "image/png", 7, "PNG.abc", ERR_NONE);
    assert_non_null(strstr(t.members, "\"uploadUrl\":\"/api/v1/chat/files/"));
    turns();
    assert_heard(one, "chat:message:status {\"messageId\":");
    assert_not_heard(two, "chat:message:status");
    assert_heard(two, text_of("chat:file:uploaded {\"fileId\":\"%s\"", id_text(file)));
    assert_heard(two, "\"type\":\"image\"");
    is(file, &ben, CHAT_FILE_AVAILABLE);
    assert_int_equal(s.seq, 1);
    find(file, &ben, CHAT_FILE_TO_READ, ERR_NONE);
    find(file, &eve, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    find(room, &anna, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED); /* no such file */
    chat_file_list(any_home(), room, SPAN_NONE, 10, &ben, on_told, &t);
    answered(ERR_NONE);
    assert_non_null(strstr(t.json, id_text(file)));
    assert_int_equal(stats().transfers, 0);
    assert_int_equal(stats().bytes, 7);
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
        uuid file = announce(room, &anna, "a.txt", "text/plain", (int64_t)strlen(rows[i].bytes),
                             rows[i].bytes, ERR_NONE);
        turns();
        assert_heard(one, text_of("\"message\":\"%s\"", rows[i].why));
        is(file, &anna, CHAT_FILE_BLOCKED);
        find(file, &anna, CHAT_FILE_TO_READ, ERR_NOT_FOUND);
        find(file, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
        assert_false(on_disk(file));
    }
    assert_not_heard(two, "chat:error");
    assert_not_heard(two, "chat:file");
    assert_int_equal(stats().bytes, 0);

}

static void files_are_held_while_the_scanner_is_away(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna);
    turns();
    scan_twin_away(x.scanner, true);
    uuid first = announce(room, &anna, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    uuid second = announce(room, &anna, "b.txt", "text/plain", 3, "def", ERR_NONE);
    time_passes(5000);
    assert_int_equal(heard_count(one, "\"code\":\"FILE_HELD\""), 2); /* once each */
    assert_int_equal(stats().held, 2);
    assert_true(stats().away && stats().scanning);
    find(first, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    chat_restart(); /* and goes on from the rows */
    assert_int_equal(stats().held, 2);
    scan_twin_away(x.scanner, false);
    time_passes(3000);
    is(first, &ben, CHAT_FILE_AVAILABLE);
    is(second, &ben, CHAT_FILE_AVAILABLE);
    assert_int_equal(stats().held, 0);
    assert_false(stats().away);
}

static void files_wait_while_too_many_are_scanned(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    x.scans_full = true;
    uuid first = announce(room, &anna, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    uuid second = announce(room, &anna, "b.txt", "text/plain", 3, "def", ERR_NONE);
    time_passes(5000);
    assert_true(x.scans_refused >= 4);
    assert_int_equal(stats().held, 2);
    x.scans_full = false;
    time_passes(3000);
    is(first, &ben, CHAT_FILE_AVAILABLE);
    is(second, &ben, CHAT_FILE_AVAILABLE);
    assert_int_equal(stats().held, 0);
}

static void what_cannot_be_scanned_is_blocked_in_the_end(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = announce(room, &anna, "a.txt", "text/plain", 11, "UNSCANNABLE", ERR_NONE);
    is(file, &anna, CHAT_FILE_QUARANTINED);
    time_passes(5000);
    is(file, &anna, CHAT_FILE_BLOCKED);
}

static void what_was_released_before_a_crash_is_sent_after_it(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    scan_twin_away(x.scanner, true);
    uuid file = announce(room, &anna, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    assert_int_equal(x.disk->release(x.disk, file), ERR_NONE);
    scan_twin_away(x.scanner, false);
    chat_restart();
    is(file, &ben, CHAT_FILE_AVAILABLE);
    uuid lost;
    scan_twin_away(x.scanner, true);
    lost = announce(room, &anna, "b.txt", "text/plain", 3, "abc", ERR_NONE);
    assert_int_equal(x.disk->remove(x.disk, lost), ERR_NONE);
    chat_restart();
    is(lost, &anna, CHAT_FILE_BLOCKED);
}

static void an_upload_keeps_what_came(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = announce(room, &anna, "a.txt", "text/plain", 10, NULL, ERR_NONE);
    begin_at = -1;
    find(file, &ben, CHAT_FILE_TO_UPLOAD, ERR_ROOM_ACCESS_DENIED);
    open_upload(file, &anna, -1);
    struct chat_upload *u = s.upload;
    find(file, &anna, CHAT_FILE_TO_UPLOAD, ERR_CONFLICT); /* one at a time */
    s.upload = u;
    assert_int_equal(stats().transfers, 1);
    write_piece("0123", false, ERR_NONE);
    write_piece("too much of it", false, ERR_BODY_TOO_LARGE);
    close_upload();
    assert_int_equal(stats().transfers, 0);
    is(file, &anna, CHAT_FILE_ANNOUNCED);
    assert_int_equal(s.received, 4);
    open_upload(file, &anna, -1);
    assert_int_equal(chat_upload_at(s.upload), 4);
    write_piece("456789", true, ERR_NONE);
    close_upload();
    is(file, &ben, CHAT_FILE_AVAILABLE);
    find(file, &anna, CHAT_FILE_TO_UPLOAD, ERR_CONFLICT);
    file = announce(room, &anna, "b.txt", "text/plain", 4, NULL, ERR_NONE);
    open_upload(file, &anna, -1);
    write_piece("xx", true, ERR_NONE);
    close_upload();
    open_upload(file, &anna, 0); /* anew */
    write_piece("good", true, ERR_NONE);
    close_upload();
    is(file, &ben, CHAT_FILE_AVAILABLE);
    open_upload(announce(room, &anna, "c.txt", "text/plain", 4, NULL, ERR_NONE), &anna, -1);
    chat_upload_close(s.upload);
    turns();
    assert_int_equal(stats().transfers, 0);
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
    is(file, &anna, CHAT_FILE_ANNOUNCED);
    assert_int_equal(s.received, 0);
    open_upload(file, &anna, -1);
    write_piece("abc", true, ERR_NONE);
    close_upload();
    is(file, &ben, CHAT_FILE_AVAILABLE);
}

static void a_full_disk_is_said_and_nothing_is_lost(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = announce(room, &anna, "a.txt", "text/plain", 6, NULL, ERR_NONE);
    open_upload(file, &anna, -1);
    write_piece("abc", true, ERR_NONE);
    x.write_error = ERR_STORE_FULL;
    write_piece("def", true, ERR_STORE_FULL);
    close_upload();
    announce(room, &anna, "b.txt", "text/plain", 3, "abc", ERR_STORE_FULL);
    x.write_error = ERR_NONE;
    is(file, &anna, CHAT_FILE_ANNOUNCED);
    assert_int_equal(s.received, 3);
    open_upload(file, &anna, -1);
    write_piece("def", true, ERR_NONE);
    close_upload();
    is(file, &ben, CHAT_FILE_AVAILABLE);
}

static void limits_refuse(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), eve = employee("Eve");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    announce(room, &eve, "a.txt", "text/plain", 3, NULL, ERR_ROOM_ACCESS_DENIED);
    announce(room, &eve, "a.exe", "text/plain", 3, NULL, ERR_ROOM_ACCESS_DENIED);
    announce(room, &anna, "a.exe", "text/plain", 3, NULL, ERR_INVALID_REQUEST);
    announce(room, &anna, "a.txt", "text/plain", (1 << 20) + 1, NULL, ERR_INVALID_REQUEST);
    assert_string_equal(t.member, "size");
    announce(room, &anna, "a.txt", "text/plain", 4, "abc", ERR_INVALID_REQUEST);
    for (unsigned i = 0; i < 4; i++) {
        announce(room, &anna, "a.txt", "text/plain", 1 << 20, NULL, ERR_NONE);
    }
    announce(room, &anna, "a.txt", "text/plain", 1, NULL, ERR_STORE_FULL);
    time_passes(130000); /* they never came: their room is free again */
    assert_int_equal(stats().bytes, 0);
    uuid file = UUID_NIL;
    for (unsigned i = 0; i < 20; i++) {
        file = announce(room, &anna, "a.txt", "text/plain", 1, NULL, ERR_NONE);
    }
    announce(room, &anna, "a.txt", "text/plain", 1, NULL, ERR_RATE_LIMIT_EXCEEDED);
    uuid other = announce(room, &ben, "a.txt", "text/plain", 1, "x", ERR_NONE);
    w.conf.chat_transfers_max = 0;
    begin_at = -1;
    find(file, &anna, CHAT_FILE_TO_UPLOAD, ERR_SERVER_ERROR);
    find(other, &anna, CHAT_FILE_TO_READ, ERR_SERVER_ERROR);
    w.conf.chat_transfers_max = 8;
    struct home *h = &w.homes[1];
    for (unsigned i = 0; i < w.count; i++) {
        w.homes[i].files = NULL;
    }
    announce(room, &ben, "a.txt", "text/plain", 1, NULL, ERR_SERVER_ERROR);
    (void)h;
    give_ports();
}

static void uploads_that_never_come_expire(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = announce(room, &anna, "a.txt", "text/plain", 6, NULL, ERR_NONE);
    open_upload(file, &anna, -1);
    write_piece("abc", true, ERR_NONE);
    assert_true(on_disk(file));
    time_passes(130000);
    write_piece("def", true, ERR_CONFLICT); /* it took too long */
    close_upload();
    time_passes(61000);
    find(file, &anna, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    uuid stray = home_new_id(&w.homes[0]);
    assert_int_equal(x.disk->write(x.disk, stray, 0, SPAN("stray"), true), ERR_NONE);
    chat_restart();
    assert_false(on_disk(stray));
    assert_false(on_disk(file));
}

static void a_deleted_file_goes_with_its_bytes(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben"), sue = supervisor("Sue");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    uuid file = announce(room, &ben, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    uuid second = announce(room, &anna, "b.txt", "text/plain", 3, "abc", ERR_NONE);
    chat_file_delete(any_home(), second, &ben, on_told, &t);
    answered(ERR_PERMISSION_DENIED);
    chat_file_delete(any_home(), file, &ben, on_told, &t);
    answered(ERR_NONE);
    chat_file_delete(any_home(), second, &sue, on_told, &t);
    answered(ERR_NONE);
    turns();
    assert_false(on_disk(file) || on_disk(second));
    find(file, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
    assert_int_equal(stats().bytes, 0);
    scan_twin_away(x.scanner, true);
    file = announce(room, &ben, "c.txt", "text/plain", 3, "abc", ERR_NONE);
    chat_file_delete(any_home(), file, &ben, on_told, &t);
    answered(ERR_NONE);
    scan_twin_away(x.scanner, false);
    time_passes(3000);
    assert_false(on_disk(file));
    find(file, &ben, CHAT_FILE_TO_SEE, ERR_ROOM_ACCESS_DENIED);
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
    assert_int_equal(x.disk->write(x.disk, file, 0, SPAN("bytes"), true), ERR_NONE);
    chat_restart();
    assert_false(on_disk(file));
    assert_int_equal(stats().bytes, 0);
}

static void who_has_left_sends_no_file(void **state)
{
    (void)state;
    struct chat_who anna = employee("Anna"), ben = employee("Ben");
    uuid room = room_made(CHAT_GROUP, "Team", &anna, &ben, NULL, NULL);
    struct socket *one = socket_open(1, &anna);
    turns();
    scan_twin_away(x.scanner, true);
    uuid file = announce(room, &ben, "a.txt", "text/plain", 3, "abc", ERR_NONE);
    chat_leave(any_home(), room, &ben, NULL, on_told, &t);
    answered(ERR_NONE);
    scan_twin_away(x.scanner, false);
    time_passes(3000);
    assert_not_heard(one, "chat:file:uploaded");
    assert_false(on_disk(file));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_is_released_with_its_message),
        T(what_runs_or_is_found_is_blocked),
        T(files_are_held_while_the_scanner_is_away),
        T(files_wait_while_too_many_are_scanned),
        T(what_cannot_be_scanned_is_blocked_in_the_end),
        T(what_was_released_before_a_crash_is_sent_after_it),
        T(an_upload_keeps_what_came),
        T(a_digest_that_is_another_begins_anew),
        T(a_full_disk_is_said_and_nothing_is_lost),
        T(limits_refuse),
        T(uploads_that_never_come_expire),
        T(a_deleted_file_goes_with_its_bytes),
        T(files_of_a_room_that_is_no_more_go),
        T(who_has_left_sends_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
