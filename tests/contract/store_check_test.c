/* Whether a copy would serve: sqlite_store_check tells good files from every kind of bad one. */
#include "store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR_MS 3600000

static struct sqlite_report report;

/* A backup of the fixture's store with some rows in it; owned by the caller (free). */
static char *backup(struct store_fixture *f)
{
    char *path = test_path(f->dir, "copy.db");
    run_expect(f->store, metrics_batch(DEVICE_ID, 0, 2000), ERR_NONE);
    assert_int_equal(f->store->backup(f->store, path), ERR_NONE);
    return path;
}

static int64_t rows_of(const char *table)
{
    for (unsigned i = 0; i < report.table_count; i++) {
        if (strcmp(report.tables[i].name, table) == 0) {
            return report.tables[i].rows;
        }
    }
    return -1;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_backup_is_sound_and_counted(void **state)
{
    struct store_fixture *f = *state;
    char *path = backup(f);
    assert_int_equal(sqlite_store_check(path, &report), ERR_NONE);
    assert_int_equal(report.schema, sqlite_store_schema_version());
    assert_int_equal(rows_of("devices"), 1);
    assert_int_equal(rows_of("device_metrics"), 2000);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(report.bytes, st.st_size);
    free(path);
}

static void a_store_in_use_is_checked_where_it_is(void **state)
{
    struct store_fixture *f = *state;
    char *path = test_path(f->dir, "s.db");
    run_expect(f->store, metrics_batch(DEVICE_ID, 0, 10), ERR_NONE);
    assert_int_equal(sqlite_store_check(path, &report), ERR_NONE);
    assert_int_equal(rows_of("device_metrics"), 10);
    run_expect(f->store, metrics_batch(DEVICE_ID, HOUR_MS, 10), ERR_NONE);
    assert_int_equal(metrics_count(f->store, DEVICE_ID), 20);
    free(path);
}

static void damage_anywhere_is_found(void **state)
{
    struct store_fixture *f = *state;
    char *path = backup(f);
    int fd = open(path, O_RDWR);
    uint8_t noise[4096];
    memset(noise, 0xa5, sizeof noise);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(pwrite(fd, noise, sizeof noise, st.st_size / 4096 / 2 * 4096), 4096);
    assert_int_equal(sqlite_store_check(path, &report), ERR_STORE_CORRUPT);
    assert_non_null(strstr(report.why, "it is damaged: "));
    assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
    assert_int_equal(sqlite_store_check(path, &report), ERR_STORE_CORRUPT);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, "not a database", 14, 0), 14);
    assert_int_equal(sqlite_store_check(path, &report), ERR_STORE_CORRUPT);
    close(fd);
    free(path);
}

static void a_missing_reference_is_found(void **state)
{
    struct store_fixture *f = *state;
    char *path = backup(f);
    run_sql(path, "PRAGMA foreign_keys = off; DELETE FROM devices");
    assert_int_equal(sqlite_store_check(path, &report), ERR_STORE_CORRUPT);
    assert_non_null(strstr(report.why, "refers to a row that is missing"));
    free(path);
}

static void files_of_others_and_of_newer_releases_are_told_apart(void **state)
{
    struct store_fixture *f = *state;
    char *path = backup(f);
    run_sql(path, "INSERT INTO schema_migration VALUES (9999, 'later', 0)");
    assert_int_equal(sqlite_store_check(path, &report), ERR_STORE_SCHEMA_NEWER);
    assert_int_equal(report.schema, 9999);
    char *other = test_path(f->dir, "other.db");
    run_sql(other, "CREATE TABLE t (a)");
    assert_int_equal(sqlite_store_check(other, &report), ERR_STORE_CORRUPT);
    assert_string_equal(report.why, "it is empty or belongs to another program");
    assert_int_equal(sqlite_store_check("/nowhere/a.db", &report), ERR_STORE_READ_ONLY);
    assert_string_equal(report.why, "No such file or directory");
    free(other);
    free(path);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, fixture_file, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FILE(a_backup_is_sound_and_counted),
        ON_FILE(a_store_in_use_is_checked_where_it_is),
        ON_FILE(damage_anywhere_is_found),
        ON_FILE(a_missing_reference_is_found),
        ON_FILE(files_of_others_and_of_newer_releases_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
