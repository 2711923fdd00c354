/*
 * Repair of damaged files: intact rows come back, the original keeps its bytes, and what comes out
 * is a sound store that opens. Damage is made at places chosen by a printed seed, too.
 */
#include "store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define ROWS 6000 /* of metrics: a tree of three levels' worth of pages */
#define EVENTS 300
#define SECOND_DEVICE "01900000-0000-7000-8000-000000000002"
#define ROUNDS 24

static struct sqlite_repair result;
static struct sqlite_report report;

struct files {
    char *damaged;
    char *fixed;
    char *aside;
    uint8_t *bytes; /* of the damaged file, before the repair */
    off_t size;
};

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) {
        fail_msg("%s", why);
    }
    sqlite3_close(db);
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

/* Events with payloads from a few bytes to several pages. */
static void add_events(const char *path)
{
    run_sql(path,
            "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 300)"
            " INSERT INTO event_log (id, ts, type, topic, data) SELECT"
            " printf('01900000-0000-7000-8000-%012d', n), n, 'device:updated',"
            " 'device/' || n % 7, '{\"pad\":\"' || substr(printf('%09000d', n), 1, n * 30) ||"
            " '\"}' FROM k;"
            "DELETE FROM event_log WHERE n > 290");
}

/* A closed, compact store of two devices, metrics and events, to be damaged by the test. */
static void make(struct store_fixture *f, struct files *out)
{
    out->damaged = test_path(f->dir, "damaged.db");
    out->fixed = test_path(f->dir, "fixed.db");
    out->aside = test_path(f->dir, "aside.jsonl");
    fixture_device(f->store, SECOND_DEVICE);
    run_expect(f->store, metrics_batch(DEVICE_ID, 0, ROWS / 2), ERR_NONE);
    run_expect(f->store, metrics_batch(SECOND_DEVICE, 0, ROWS / 2), ERR_NONE);
    assert_int_equal(f->store->backup(f->store, out->damaged), ERR_NONE);
    add_events(out->damaged);
    run_sql(out->damaged, "PRAGMA journal_mode = delete");
}

static void release(struct files *f)
{
    free(f->damaged);
    free(f->fixed);
    free(f->aside);
}

static void load(struct files *f)
{
    struct stat st;
    int fd = open(f->damaged, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    f->size = st.st_size;
    f->bytes = malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, f->bytes, (size_t)st.st_size), st.st_size);
    close(fd);
}

static void assert_untouched(struct files *f)
{
    struct files now = {.damaged = f->damaged};
    load(&now);
    assert_int_equal(now.size, f->size);
    assert_memory_equal(now.bytes, f->bytes, (size_t)f->size);
    free(now.bytes);
}

/* Repairs; the result passes the check, opens as a store and takes rows. */
static void repair(struct files *f)
{
    unlink(f->fixed);
    unlink(f->aside);
    load(f);
    err e = sqlite_store_repair(f->damaged, f->fixed, f->aside, &result);
    if (e != ERR_NONE) {
        fail_msg("%s: %s", err_name(e), result.why);
    }
    assert_untouched(f);
    free(f->bytes);
    e = sqlite_store_check(f->fixed, &report);
    if (e != ERR_NONE) {
        fail_msg("after the repair: %s", report.why);
    }
    assert_int_equal(report.schema, sqlite_store_schema_version());
    struct sqlite_store_conf conf = {.path = f->fixed};
    struct store *s = NULL;
    assert_int_equal(sqlite_store_open(&conf, NULL, NULL, &s), ERR_NONE);
    fixture_device(s, "01900000-0000-7000-8000-00000000000f");
    run_expect(s, metrics_req("01900000-0000-7000-8000-00000000000f", 1, 1.0), ERR_NONE);
    s->close(s);
}

static const struct sqlite_repair_table *table(const char *name)
{
    for (unsigned i = 0; i < result.table_count; i++) {
        if (strcmp(result.tables[i].name, name) == 0) {
            return &result.tables[i];
        }
    }
    fail_msg("no table %s", name);
    return NULL;
}

static void overwrite(const struct files *f, off_t at, const void *bytes, size_t len)
{
    int fd = open(f->damaged, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

static void wipe(const struct files *f, int64_t page)
{
    static const uint8_t zeros[PAGE];
    overwrite(f, (page - 1) * PAGE, zeros, PAGE);
}

static int64_t root_of(const struct files *f, const char *name)
{
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_master WHERE name = '%s'", name);
    return ask(f->damaged, sql);
}

/* The last leaf page of a table or index. */
static int64_t leaf_of(const struct files *f, const char *name)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "SELECT pageno FROM dbstat WHERE name = '%s' AND pagetype = 'leaf'"
             " ORDER BY path DESC LIMIT 1",
             name);
    return ask(f->damaged, sql);
}

/* Rows of the leaf, so that the test knows what a wiped one costs. */
static int64_t cells_of(const struct files *f, int64_t page)
{
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT ncell FROM dbstat WHERE pageno = %lld", (long long)page);
    return ask(f->damaged, sql);
}

static void assert_whole(const struct files *f)
{
    assert_int_equal(table("devices")->rows, 2);
    assert_int_equal(table("principal")->rows, 2);
    assert_int_equal(table("device_metrics")->rows, ROWS);
    assert_int_equal(table("event_log")->rows, 290);
    assert_int_equal(result.refused, 0);
    assert_int_equal(ask(f->fixed, "SELECT sum(length(data)) FROM event_log"),
                     ask(f->fixed, "SELECT sum(n * 30 + 10) FROM event_log"));
    /* Rollups are as they were, not counted again. */
    assert_int_equal(ask(f->fixed, "SELECT sum(n) FROM device_metrics_rollup"
                                   " WHERE resolution_ms = 3600000 AND device_uuid NOT LIKE '%f'"),
                     ROWS);
}

static void a_sound_file_comes_out_whole(void **state)
{
    struct files f;
    make(*state, &f);
    repair(&f);
    assert_whole(&f);
    assert_int_equal(table("device_metrics")->lost, 0);
    /* Numbers of deleted events are not given again. */
    assert_int_equal(ask(f.fixed, "SELECT seq FROM sqlite_sequence WHERE name = 'event_log'"), 300);
    assert_int_not_equal(access(f.aside, F_OK), 0);
    release(&f);
}

static void nothing_is_overwritten(void **state)
{
    struct files f;
    make(*state, &f);
    assert_int_equal(sqlite_store_repair(f.damaged, f.damaged, f.aside, &result), ERR_CONFLICT);
    assert_int_equal(sqlite_store_check(f.damaged, &report), ERR_NONE);
    run_sql(f.aside, "CREATE TABLE other (a)");
    assert_int_equal(sqlite_store_repair(f.damaged, f.fixed, f.aside, &result), ERR_CONFLICT);
    assert_int_not_equal(access(f.fixed, F_OK), 0);
    release(&f);
}

static void a_lost_header_or_first_page_costs_nothing(void **state)
{
    struct files f;
    make(*state, &f);
    overwrite(&f, 0, "this was a disk", 16);
    repair(&f);
    assert_true(result.header_lost);
    assert_whole(&f);
    wipe(&f, 1);
    repair(&f);
    assert_int_equal(table("device_metrics")->rows, ROWS);
    assert_int_equal(table("event_log")->rows, 290);
    assert_int_equal(table("devices")->rows, 2);
    release(&f);
}

static void a_lost_leaf_costs_its_rows(void **state)
{
    struct files f;
    make(*state, &f);
    int64_t leaf = leaf_of(&f, "device_metrics");
    int64_t rows = cells_of(&f, leaf);
    wipe(&f, leaf);
    repair(&f);
    assert_int_equal(table("device_metrics")->rows, ROWS - rows);
    assert_int_equal(table("device_metrics")->lost, rows); /* the index by time tells */
    assert_int_equal(table("event_log")->rows, 290);
    release(&f);
}

static void a_lost_root_costs_what_is_in_it(void **state)
{
    static const char *const tables[] = {"device_metrics", "event_log", "device_metrics_rollup"};
    struct files f;
    make(*state, &f);
    load(&f);
    for (unsigned i = 0; i < ARRAY_LEN(tables); i++) {
        if (i > 0) {
            overwrite(&f, 0, f.bytes, (size_t)f.size);
        }
        int64_t root = root_of(&f, tables[i]);
        int64_t in_root = cells_of(&f, root);
        wipe(&f, root);
        uint8_t *sound = f.bytes;
        repair(&f);
        f.bytes = sound;
        /* Inner pages of a table without rowid hold rows, too. */
        assert_int_equal(table("device_metrics")->rows, ROWS - (i == 0 ? in_root : 0));
        assert_int_equal(table("event_log")->rows, 290);
        assert_true(table(tables[i])->strays > 0);
    }
    free(f.bytes);
    release(&f);
}

static void a_lost_index_costs_nothing(void **state)
{
    struct files f;
    make(*state, &f);
    int64_t root = root_of(&f, "device_metrics_time");
    int64_t leaf = leaf_of(&f, "event_log_topic");
    wipe(&f, root);
    wipe(&f, leaf);
    repair(&f);
    assert_whole(&f);
    release(&f);
}

static void a_cut_file_keeps_what_is_there(void **state)
{
    struct files f;
    struct stat st;
    make(*state, &f);
    assert_int_equal(stat(f.damaged, &st), 0);
    assert_int_equal(truncate(f.damaged, st.st_size * 3 / 4 + 100), 0);
    repair(&f);
    assert_true(table("device_metrics")->rows + table("event_log")->rows > ROWS / 4);
    assert_int_equal(table("devices")->rows, 2);
    release(&f);
}

static void rows_without_their_parent_are_kept_aside(void **state)
{
    struct files f;
    make(*state, &f);
    run_sql(f.damaged, "PRAGMA foreign_keys = off; DELETE FROM devices"
                       " WHERE id = '" SECOND_DEVICE "'");
    repair(&f);
    assert_int_equal(table("device_metrics")->rows, ROWS / 2);
    assert_int_equal(table("device_metrics")->refused, ROWS / 2);
    FILE *file = fopen(f.aside, "r");
    assert_non_null(file);
    char line[4096];
    uint64_t lines = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        assert_non_null(strstr(line, "{\"table\":\""));
        assert_non_null(strstr(line, "refers to a row of devices that is missing"));
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, result.refused);
    release(&f);
}

static void copy(const char *from, const char *to)
{
    struct files f = {.damaged = (char *)from};
    load(&f);
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(f.bytes, 1, (size_t)f.size, file), f.size);
    fclose(file);
    free(f.bytes);
}

/* The log with the newest rows, as a crash leaves it; then cut in the middle. */
static void the_log_is_read_as_far_as_it_is_whole(void **state)
{
    struct files f;
    struct store_fixture *fixture = *state;
    char *wal = test_path(fixture->dir, "damaged.db-wal");
    char *live = test_path(fixture->dir, "live.db");
    char *live_wal = test_path(fixture->dir, "live.db-wal");
    sqlite3 *db;
    make(fixture, &f);
    copy(f.damaged, live);
    assert_int_equal(sqlite3_open(live, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0;"
                                  "INSERT INTO event_log VALUES (301, '01900000-0000-7000-8000-"
                                  "000000000301', 1, 'a', 'b', '{}');"
                                  "INSERT INTO event_log VALUES (302, '01900000-0000-7000-8000-"
                                  "000000000302', 1, 'a', 'b', '{}');",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    copy(live, f.damaged);
    copy(live_wal, wal);
    sqlite3_close(db);
    repair(&f);
    assert_int_equal(table("event_log")->rows, 292);
    assert_true(result.log_frames > 0);
    struct stat st;
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(truncate(wal, st.st_size - 100), 0);
    repair(&f);
    assert_int_equal(table("event_log")->rows, 291);
    assert_int_equal(truncate(wal, 0), 0);
    repair(&f);
    assert_int_equal(table("event_log")->rows, 290);
    unlink(wal);
    free(wal);
    free(live);
    free(live_wal);
    release(&f);
}

static void what_cannot_be_saved_is_said(void **state)
{
    struct store_fixture *fixture = *state;
    struct files f;
    make(fixture, &f);
    char *other = test_path(fixture->dir, "other.db");
    assert_int_equal(sqlite_store_repair("/nowhere/a.db", f.fixed, f.aside, &result),
                     ERR_STORE_READ_ONLY);
    run_sql(other, "CREATE TABLE t (a)");
    assert_int_equal(sqlite_store_repair(other, f.fixed, f.aside, &result), ERR_STORE_CORRUPT);
    assert_string_equal(result.why, "it belongs to another program");
    assert_int_equal(truncate(other, 0), 0);
    assert_int_equal(sqlite_store_repair(other, f.fixed, f.aside, &result), ERR_STORE_CORRUPT);
    run_sql(f.damaged, "INSERT INTO schema_migration VALUES (9999, 'later', 0)");
    assert_int_equal(sqlite_store_repair(f.damaged, f.fixed, f.aside, &result),
                     ERR_STORE_SCHEMA_NEWER);
    assert_int_not_equal(access(f.fixed, F_OK), 0);
    free(other);
    release(&f);
}

/* --- any damage --- */

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void damage(const struct files *f, uint64_t *seed, off_t size)
{
    uint8_t noise[PAGE];
    for (unsigned i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)next(seed);
    }
    if (next(seed) % 3 == 0) {
        memset(noise, next(seed) % 2 == 0 ? 0 : 0xff, sizeof noise);
    }
    size_t len = next(seed) % 2 == 0 ? PAGE : 1 + next(seed) % 64;
    off_t at = len == PAGE ? (off_t)(next(seed) % (uint64_t)(size / PAGE)) * PAGE
                           : (off_t)(next(seed) % (uint64_t)(size - PAGE));
    overwrite(f, at, noise, len);
}

static void any_damage_leaves_a_sound_store(void **state)
{
    struct files f;
    const char *given = getenv("SIGNALBOX_SEED");
    uint64_t seed = given == NULL ? 20261121 : strtoull(given, NULL, 10);
    print_message("seed %llu\n", (unsigned long long)seed);
    make(*state, &f);
    load(&f);
    uint8_t *sound = f.bytes;
    off_t size = f.size;
    for (unsigned round = 0; round < ROUNDS; round++) {
        overwrite(&f, 0, sound, (size_t)size);
        unsigned places = 1 + (unsigned)(next(&seed) % 12);
        for (unsigned i = 0; i < places; i++) {
            damage(&f, &seed, size);
        }
        repair(&f);
        /* A place costs at most its own page's rows (about 60), and each row's parents. */
        assert_true(table("device_metrics")->rows + table("device_metrics")->refused >=
                    ROWS - places * 100);
    }
    free(sound);
    release(&f);
}

static void put_samples(struct store *s, const char *device, unsigned count)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_TELEMETRY_APPEND, count);
    for (unsigned i = 0; i < count; i++) {
        store_set_text(req, 0, i, 0, span_str(device));
        store_set_text(req, 0, i, 1, SPAN("temp"));
        store_set_real(req, 0, i, 2, i);
        store_set_text(req, 0, i, 3, SPAN("C"));
        store_set_int(req, 0, i, 5, 1000 + i);
        store_set_int(req, 0, i, 6, 2000);
    }
    run_expect(s, req, ERR_NONE);
}

/* Of DEVICE_ID, and of the second device. */
static void put_more_samples(const char *path, unsigned settle_ms, unsigned n, unsigned second)
{
    struct sqlite_store_conf conf = {.path = path, .settle_ms = settle_ms};
    struct store *s = NULL;
    assert_int_equal(sqlite_store_open(&conf, NULL, NULL, &s), ERR_NONE);
    put_samples(s, DEVICE_ID, n);
    if (second > 0) {
        put_samples(s, SECOND_DEVICE, second);
    }
    if (settle_ms == 1) {
        wait_settled(s);
    }
    s->close(s);
}

/* Settled ones, some in the tail, and the mark between them lost. */
static void telemetry_is_there_once_and_settled_once(void **state)
{
    struct store_fixture *f = *state;
    struct files files;
    put_samples(f->store, DEVICE_ID, 200);
    wait_settled(f->store);
    make(f, &files);
    put_more_samples(files.damaged, 600000, 50, 7);
    wipe(&files, root_of(&files, "telemetry_settling"));
    run_sql(files.damaged, "PRAGMA foreign_keys = off; PRAGMA cell_size_check = off;"
                           "DELETE FROM principal WHERE id = '" SECOND_DEVICE "';"
                           "PRAGMA journal_mode = delete");
    repair(&files);
    assert_int_equal(table("telemetry_sample")->rows, 200);
    assert_int_equal(table("telemetry_tail")->refused, 7);
    assert_int_equal(ask(files.fixed, "SELECT count(DISTINCT id) FROM telemetry_data"), 250);
    put_more_samples(files.fixed, 1, 3, 0);
    assert_int_equal(ask(files.fixed, "SELECT count(*) FROM telemetry_unsettled"), 0);
    assert_int_equal(ask(files.fixed, "SELECT count(DISTINCT id) FROM telemetry_data"), 253);
    assert_int_equal(ask(files.fixed, "SELECT sum(n) FROM telemetry_rollup"
                                      " WHERE resolution_ms = 60000"),
                     253);
    release(&files);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, fixture_file, fixture_close)

/* The words of messages are not loaded: they are made anew of what the messages say. */
static void messages_are_found_again(void **state)
{
    struct files f;
    make(*state, &f);
    run_sql(f.damaged,
            "INSERT INTO chat_room (id, type, name, settings, last_seq, last_at, created_at,"
            " updated_at) VALUES ('r', 'group', '', '{}', 400, 1, 1, 1);"
            "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 400)"
            " INSERT INTO chat_message (room_id, seq, id, type, content, delivery_status,"
            " created_at) SELECT 'r', n, 'm' || n, 'chat', '\"word' || (n % 10) || ' all\"',"
            " 'delivered', n FROM k;"
            "DELETE FROM chat_message WHERE seq % 10 = 3");
    repair(&f);
    assert_int_equal(table("chat_message")->rows, 360);
    assert_int_equal(result.unknown_pages, 0);
    assert_int_equal(ask(f.fixed, "SELECT count(*) FROM chat_search('\"all\"')"), 360);
    assert_int_equal(ask(f.fixed, "SELECT count(*) FROM chat_search('\"word3\"')"), 0);
    assert_int_equal(ask(f.fixed, "SELECT count(*) FROM chat_search('\"word4\"')"), 40);
    run_sql(f.fixed, "INSERT INTO chat_search (chat_search) VALUES ('integrity-check')");
    release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FILE(a_sound_file_comes_out_whole),
        ON_FILE(nothing_is_overwritten),
        ON_FILE(a_lost_header_or_first_page_costs_nothing),
        ON_FILE(a_lost_leaf_costs_its_rows),
        ON_FILE(a_lost_root_costs_what_is_in_it),
        ON_FILE(a_lost_index_costs_nothing),
        ON_FILE(a_cut_file_keeps_what_is_there),
        ON_FILE(rows_without_their_parent_are_kept_aside),
        ON_FILE(the_log_is_read_as_far_as_it_is_whole),
        ON_FILE(what_cannot_be_saved_is_said),
        ON_FILE(any_damage_leaves_a_sound_store),
        cmocka_unit_test_setup_teardown(telemetry_is_there_once_and_settled_once,
                                        fixture_settling_file, fixture_close),
        cmocka_unit_test_setup_teardown(messages_are_found_again,
                                        fixture_settling_file, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
