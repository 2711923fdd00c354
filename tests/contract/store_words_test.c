/*
 * The words of chat messages, which the store indexes behind (word_index.h): a search sees what was
 * acknowledged before it, whatever of it is indexed; nothing is forgotten by a crash, nothing is
 * left of what was changed or deleted.
 */
#include "adapters/store_sqlite/db.h"
#include "adapters/store_sqlite/state.h"
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM "01900000-0000-7000-8000-00000000000a"

static int64_t last_seq;

static void make_room(struct store *s)
{
    last_seq = 0;
    run_expect(s,
               req_make(QUERY_CHAT_ROOM_INSERT, "ttttnnni", ROOM, "group", "", "{}", (int64_t)1),
               ERR_NONE);
}

static void message_id(int64_t seq, char out[40])
{
    snprintf(out, 40, "01900000-0000-7000-8000-%012lld", (long long)seq);
}

static struct store_req *says(const char *text)
{
    char id[40], content[100];
    message_id(++last_seq, id);
    snprintf(content, sizeof content, "\"%s\"", text);
    return req_make(QUERY_CHAT_MESSAGE_INSERT, "tittntnnnnti", ROOM, last_seq, id, "chat", content,
                    "streaming", (int64_t)1);
}

static void say(struct store *s, const char *text) { run_expect(s, says(text), ERR_NONE); }

static struct store_req *looks_for(const char *words)
{
    char quoted[100];
    snprintf(quoted, sizeof quoted, "\"%s\"", words);
    return req_make(QUERY_CHAT_SEARCH, "ttitniii", quoted, DEVICE_ID, INT64_MAX, ROOM, (int64_t)0,
                    INT64_MAX, (int64_t)10000);
}

static unsigned found(struct store *s, const char *words)
{
    struct store_req *req = looks_for(words);
    req->row_max = 10000;
    assert_int_equal(store_run(s, req), ERR_NONE);
    unsigned n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

static void edit(struct store *s, int64_t seq, const char *text)
{
    char id[40], content[100];
    message_id(seq, id);
    snprintf(content, sizeof content, "\"%s\"", text);
    run_expect(s, req_make(QUERY_CHAT_MESSAGE_EDIT, "tti", id, content, (int64_t)2), ERR_NONE);
}

static void take_back(struct store *s, int64_t seq)
{
    char id[40];
    message_id(seq, id);
    run_expect(s, req_make(QUERY_CHAT_MESSAGE_DELETE, "ti", id, (int64_t)3), ERR_NONE);
}

/* --- files behind the store's back --- */

static void open_raw(const char *path, struct db *c)
{
    const struct sqlite_store_conf conf = {.path = path, .busy_ms_max = 2000};
    *c = (struct db){0};
    if (access(path, F_OK) != 0) {
        fclose(fopen(path, "we"));
    }
    assert_int_equal(db_open(c, &conf, DB_WRITER), ERR_NONE);
}

static void raw(const char *path, const char *sql)
{
    struct db c;
    open_raw(path, &c);
    assert_int_equal(db_exec(&c, sql), ERR_NONE);
    db_close(&c);
}

/* The index has the words of all messages and no others: it is sound, and when the messages go
 * nothing is left of it. The file is of no use behind that. */
static void assert_whole(const char *path)
{
    struct db c;
    int64_t behind, left;
    open_raw(path, &c);
    assert_int_equal(
        db_exec(&c, "INSERT INTO chat_search (chat_search) VALUES ('integrity-check')"), ERR_NONE);
    assert_true(db_int(&c, "SELECT count(*) FROM chat_message WHERE n > (SELECT upto FROM"
                           " chat_search_at)",
                       &behind));
    assert_int_equal(behind, 0);
    assert_int_equal(db_exec(&c, "DELETE FROM chat_message; CREATE VIRTUAL TABLE temp.words USING"
                                 " fts5vocab ('main', 'chat_search', 'row')"),
                     ERR_NONE);
    assert_true(db_int(&c, "SELECT count(*) FROM temp.words", &left));
    assert_int_equal(left, 0);
    db_close(&c);
}

#define RAW_MESSAGES(from, to)                                                                     \
    "WITH RECURSIVE k(n) AS (SELECT " #from " UNION ALL SELECT n + 1 FROM k WHERE n < " #to ")"    \
    " INSERT INTO chat_message (room_id, seq, id, type, content, delivery_status, created_at)"     \
    " SELECT '" ROOM "', n, printf('01900000-0000-7000-8000-%012d', n), 'chat',"                   \
    " '\"old number' || (n % 10) || ' all\"', 'delivered', 1 FROM k;"
#define RAW_ROOM                                                                                   \
    "INSERT INTO chat_room (id, type, name, settings, last_at, created_at, updated_at)"            \
    " VALUES ('" ROOM "', 'group', '', '{}', 1, 1, 1);"

static struct store *reopen(struct store_fixture *f, const char *path)
{
    const struct sqlite_store_conf conf = {.path = path, .busy_ms_max = 50};
    struct store *s = NULL;
    assert_int_equal(sqlite_store_open(&conf, &f->in.post, &f->log.log, &s), ERR_NONE);
    return s;
}

/* --- tests --- */

static void a_search_sees_what_was_acknowledged(void **state)
{
    struct store_fixture *f = *state;
    make_room(f->store);
    for (unsigned i = 1; i <= 50; i++) {
        say(f->store, i % 2 == 0 ? "an even word" : "an odd word");
        assert_int_equal(found(f->store, "word"), i);
        assert_int_equal(found(f->store, "even"), i / 2);
    }
    run_expect(f->store, req_make(QUERY_CHAT_MESSAGE_CLEAR, "ti", ROOM, (int64_t)20), ERR_NONE);
    assert_int_equal(found(f->store, "word"), 30);
}

static void changes_are_followed_on_both_sides_of_the_mark(void **state)
{
    struct store_fixture *f = *state;
    make_room(f->store);
    say(f->store, "first thought");
    say(f->store, "first again");
    assert_int_equal(found(f->store, "first"), 2); /* they are indexed */
    edit(f->store, 1, "changed mind");
    take_back(f->store, 2);
    say(f->store, "second thought"); /* these may not be */
    say(f->store, "second again");
    edit(f->store, 3, "changed once");
    edit(f->store, 3, "changed twice");
    take_back(f->store, 4);
    assert_int_equal(found(f->store, "first"), 0);
    assert_int_equal(found(f->store, "second"), 0);
    assert_int_equal(found(f->store, "once"), 0);
    assert_int_equal(found(f->store, "changed"), 2);
    edit(f->store, 3, "at last");
    assert_int_equal(found(f->store, "changed"), 1);
    run_expect(f->store, req_make(QUERY_CHAT_MESSAGE_CLEAR, "ti", ROOM, (int64_t)9), ERR_NONE);
    assert_int_equal(found(f->store, "changed"), 0);
    assert_int_equal(found(f->store, "last"), 0);
}

static void what_nobody_looks_for_is_indexed_too(void **state)
{
    struct store_fixture *f = *state;
    char *path = test_path(f->dir, "s.db");
    make_room(f->store);
    for (unsigned i = 0; i < 5; i++) {
        say(f->store, "a word");
    }
    struct db c;
    open_raw(path, &c);
    int64_t upto = 0;
    for (unsigned i = 0; upto < 5; i++) {
        assert_true(i < 20000);
        assert_true(db_int(&c, "SELECT upto FROM chat_search_at", &upto));
        usleep(1000);
    }
    db_close(&c);
    assert_whole(path);
    free(path);
}

static void a_store_of_schema_12_is_taken_over(void **state)
{
    struct store_fixture *f = *state;
    char *path = test_path(f->dir, "old.db");
    struct db c;
    open_raw(path, &c);
    assert_int_equal(migrate_run(&c, 12, &f->log.log), ERR_NONE);
    assert_int_equal(db_exec(&c, RAW_ROOM RAW_MESSAGES(1, 300)
                                 "DELETE FROM chat_message WHERE seq = 300"),
                     ERR_NONE);
    db_close(&c);
    struct store *s = reopen(f, path);
    assert_int_equal(run_int(s, req_make(QUERY_SCHEMA_VERSION, "")),
                     sqlite_store_schema_version());
    assert_int_equal(found(s, "all"), 299);
    assert_int_equal(found(s, "number3"), 30);
    last_seq = 300;
    say(s, "old and new");
    assert_int_equal(found(s, "old"), 300);
    edit(s, 3, "changed");
    take_back(s, 13);
    assert_int_equal(found(s, "number3"), 28);
    s->close(s);
    assert_whole(path);
    free(path);
}

static void what_a_crash_left_is_indexed_at_the_start(void **state)
{
    struct store_fixture *f = *state;
    char *path = test_path(f->dir, "crashed.db");
    struct store *s = reopen(f, path);
    s->close(s);
    raw(path, RAW_ROOM RAW_MESSAGES(1, 5000) /* committed, and then the process died */
        "DELETE FROM chat_message WHERE seq IN (7, 5000);"
        "UPDATE chat_message SET content = '\"new words all\"' WHERE seq = 8");
    s = reopen(f, path);
    assert_int_equal(found(s, "all"), 4998);
    assert_int_equal(found(s, "number7"), 499);
    assert_int_equal(found(s, "new words"), 1);
    s->close(s);
    assert_whole(path);
    free(path);
}

static void a_search_does_not_wait_for_a_store_that_stands_still(void **state)
{
    struct store_fixture *f = *state;
    char *path = test_path(f->dir, "still.db");
    struct store *s = reopen(f, path);
    struct db holder;
    s->close(s);
    raw(path, RAW_ROOM);
    s = reopen(f, path);
    last_seq = 0;
    open_raw(path, &holder);
    for (unsigned i = 0; f->log.index_failed == 0; i++) { /* held before it is indexed */
        assert_true(i < 100);
        say(s, "a word");
        assert_int_equal(db_exec(&holder, "BEGIN IMMEDIATE"), ERR_NONE);
        assert_true(found(s, "word") + 1 >= i); /* answered */
        usleep(300000);
        assert_int_equal(db_exec(&holder, "ROLLBACK"), ERR_NONE);
    }
    db_close(&holder);
    for (unsigned i = 0; found(s, "word") < (unsigned)last_seq; i++) { /* it goes on by itself */
        assert_true(i < 2000);
        usleep(10000);
    }
    s->close(s);
    assert_whole(path);
    free(path);
}

static void on_answer(struct store_req *req)
{
    ++*(unsigned *)req->owner;
    assert_int_equal(req->error, ERR_NONE);
    store_req_free(req);
}

static void searches_are_answered_when_the_store_closes(void **state)
{
    struct store_fixture *f = *state;
    char *path = test_path(f->dir, "end.db");
    struct store *s = reopen(f, path);
    unsigned answered = 0;
    make_room(s);
    for (unsigned i = 0; i < 100; i++) {
        struct store_req *req = i % 3 == 0 ? looks_for("word") : says("a word");
        req->done = on_answer;
        req->owner = &answered;
        req->row_max = 10000;
        s->submit(s, req);
    }
    s->close(s);
    inbox_run_until(&f->in, &answered, 100);
    s = reopen(f, path);
    assert_int_equal(found(s, "word"), 66);
    s->close(s);
    assert_whole(path);
    free(path);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, fixture_file, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH_SETTLED_TOO(a_search_sees_what_was_acknowledged),
        ON_BOTH_SETTLED_TOO(changes_are_followed_on_both_sides_of_the_mark),
        ON_FILE(what_nobody_looks_for_is_indexed_too),
        ON_FILE(a_store_of_schema_12_is_taken_over),
        ON_FILE(what_a_crash_left_is_indexed_at_the_start),
        ON_FILE(a_search_does_not_wait_for_a_store_that_stands_still),
        ON_FILE(searches_are_answered_when_the_store_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
