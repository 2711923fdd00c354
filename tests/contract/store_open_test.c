/*
 * Which files are opened and which are refused: damage, other programs' files, newer schemas,
 * missing rights or space. A refused file keeps its bytes.
 */
#include "store_fixture.h"

#include "fault_vfs.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MINUTE_MS 60000

struct fixture {
    char *dir;
    char *path;
    struct test_log log;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    f->path = test_path(f->dir, "s.db");
    test_log_init(&f->log);
    fault_plan_clear();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fault_plan_clear();
    test_dir_free(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static err try_open(struct fixture *f, const char *vfs, struct store **out)
{
    struct sqlite_store_conf conf = {.path = f->path, .vfs = vfs, .busy_ms_max = 50};
    return sqlite_store_open(&conf, NULL, &f->log.log, out);
}

static struct store *must_open(struct fixture *f, const char *vfs)
{
    struct store *s = NULL;
    assert_string_equal(err_name(try_open(f, vfs, &s)), "NONE");
    return s;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

struct bytes {
    char *ptr;
    size_t len;
};

static struct bytes read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat st;
    fstat(fileno(file), &st);
    struct bytes b = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
    assert_int_equal(fread(b.ptr, 1, b.len, file), b.len);
    fclose(file);
    return b;
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

/* Opening fails with `expected`, says so in the log, and leaves the file as it was. */
static void assert_refused(struct fixture *f, err expected)
{
    struct bytes before = read_file(f->path);
    struct store *s = NULL;
    f->log.event[0] = '\0';
    err e = try_open(f, NULL, &s);
    assert_string_equal(err_name(e), err_name(expected));
    assert_string_equal(f->log.event, "store.refused");
    assert_string_equal(f->log.error, err_name(expected));
    assert_true(f->log.why[0] != '\0');
    struct bytes after = read_file(f->path);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    free(before.ptr);
    free(after.ptr);
}

/* A closed store of some pages. */
static void make_store(struct fixture *f)
{
    struct store *s = must_open(f, NULL);
    fixture_device(s, DEVICE_ID);
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_METRICS_INSERT, 500);
    for (unsigned set = 0; set < 500; set++) {
        store_set_text(req, 0, set, 0, SPAN(DEVICE_ID));
        store_set_int(req, 0, set, 1, (int64_t)set * MINUTE_MS);
    }
    run_expect(s, req, ERR_NONE);
    s->close(s);
}

static void a_new_file_is_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    umask(0);
    make_store(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct store *s = must_open(f, NULL); /* opens again and keeps its rows */
    assert_int_equal(metrics_count(s, DEVICE_ID), 500);
    assert_int_equal(run_int(s, req_make(QUERY_SCHEMA_VERSION, "")),
                     sqlite_store_schema_version());
    s->close(s);
}

static void an_empty_file_becomes_a_store(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "", 0);
    struct store *s = must_open(f, NULL);
    s->close(s);
}

static void what_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char noise[20000];
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (char)(i * 7919 >> 3);
    }
    const size_t lengths[] = {1, 50, 100, 4096, sizeof noise};
    for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
        write_file(f->path, noise, lengths[i]);
        assert_refused(f, ERR_STORE_CORRUPT);
        memcpy(noise, "SQLite format 3", 16); /* the name alone does not help */
    }
}

static void a_cut_file_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    struct bytes whole = read_file(f->path);
    for (size_t len = 4096; len < whole.len; len += whole.len / 7) {
        write_file(f->path, whole.ptr, len);
        assert_refused(f, ERR_STORE_CORRUPT);
    }
    free(whole.ptr);
}

static void a_damaged_page_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    struct bytes whole = read_file(f->path);
    char *damaged = malloc(whole.len);
    for (size_t page = 1; page < whole.len / 4096; page++) {
        memcpy(damaged, whole.ptr, whole.len);
        memset(damaged + page * 4096, 0xa5, 4096);
        write_file(f->path, damaged, whole.len);
        assert_refused(f, ERR_STORE_CORRUPT);
    }
    write_file(f->path, whole.ptr, whole.len);
    struct store *s = must_open(f, NULL);
    assert_int_equal(metrics_count(s, DEVICE_ID), 500);
    s->close(s);
    free(damaged);
    free(whole.ptr);
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    run_sql(f->path, "INSERT INTO schema_migration VALUES (9999, 'from the future', 1)");
    assert_refused(f, ERR_STORE_SCHEMA_NEWER);
    assert_non_null(strstr(f->log.why, "9999"));
}

static void another_programs_database_is_refused(void **state)
{
    struct fixture *f = *state;
    run_sql(f->path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
    assert_refused(f, ERR_STORE_CORRUPT);
}

static void a_file_that_another_writer_holds_is_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_refused(f, ERR_STORE_BUSY);
    sqlite3_close(db);
    struct store *s = must_open(f, NULL);
    s->close(s);
}

static void a_path_that_is_no_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    struct sqlite_store_conf conf = {.path = f->dir};
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_STORE_FAILED);
    conf.path = "/nowhere/at/all.db";
    assert_int_equal(sqlite_store_open(&conf, NULL, &f->log.log, &s), ERR_STORE_READ_ONLY);
    assert_string_equal(f->log.event, "store.refused");
}

static void a_disk_without_space_for_the_schema_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    for (int64_t space = 0; space < 60000; space += 9000) {
        fault_plan.space_bytes = space;
        assert_int_equal(try_open(f, FAULT_VFS, &s), ERR_STORE_FULL);
        assert_int_equal(access(f->path, F_OK), -1);
    }
    fault_plan_clear();
    s = must_open(f, FAULT_VFS);
    s->close(s);
}

#define EXIT_UNREACHABLE 250

/* Runs `open` as a user whom rights bind (root passes them by); the child's exit is the err. */
static err open_unprivileged(struct fixture *f)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(EXIT_UNREACHABLE);
        }
        if (access(f->dir, X_OK) != 0) {
            _exit(EXIT_UNREACHABLE); /* the checkout lies in a private directory */
        }
        struct store *s = NULL;
        err e = try_open(f, NULL, &s);
        if (e == ERR_NONE) {
            s->close(s);
        }
        _exit((int)e);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (err)WEXITSTATUS(status);
}

static void missing_rights_are_refused(void **state)
{
    struct fixture *f = *state;
    make_store(f);
    struct bytes before = read_file(f->path);
    chmod(f->dir, 0755);
    chmod(f->path, 0444); /* a read-only file */
    err e = open_unprivileged(f);
    if ((int)e == EXIT_UNREACHABLE) {
        free(before.ptr);
        skip();
    }
    assert_string_equal(err_name(e), "STORE_READ_ONLY");
    chmod(f->path, 0666);
    chmod(f->dir, 0555); /* a directory in which no log can be made */
    assert_string_equal(err_name(open_unprivileged(f)), "STORE_READ_ONLY");
    chmod(f->dir, 0777);
    struct bytes after = read_file(f->path);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.ptr, after.ptr, before.len);
    assert_string_equal(err_name(open_unprivileged(f)), "NONE");
    free(before.ptr);
    free(after.ptr);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    fault_vfs_register();
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_is_for_its_owner_only),
        TEST(an_empty_file_becomes_a_store),
        TEST(what_is_no_database_is_refused),
        TEST(a_cut_file_is_refused),
        TEST(a_damaged_page_is_refused),
        TEST(a_newer_schema_is_refused),
        TEST(another_programs_database_is_refused),
        TEST(a_file_that_another_writer_holds_is_refused),
        TEST(a_path_that_is_no_file_is_refused),
        TEST(a_disk_without_space_for_the_schema_leaves_nothing_behind),
        TEST(missing_rights_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
