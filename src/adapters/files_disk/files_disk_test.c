/* Files on disk: what was acknowledged stays, what is behind it does not, names are ids. */
#include "adapters/files_disk/files_disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[128];
static struct files *f;
static uuid id;

static int setup(void **state)
{
    buf why = {0};
    (void)state;
    (void)mkdir("build/tmp", 0755);
    snprintf(folder, sizeof folder, "build/tmp/files-XXXXXX");
    assert_non_null(mkdtemp(folder));
    f = files_disk_new(folder, &why);
    assert_non_null(f);
    assert_true(uuid_parse(SPAN("01890a5d-ac96-774b-bcce-b302099a8057"), &id));
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    files_disk_free(f);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool holds(enum files_area area, uint64_t at, const char *text)
{
    uint8_t bytes[64];
    size_t got;
    assert_int_equal(f->read(f, area, id, at, bytes, sizeof bytes, &got), ERR_NONE);
    return span_eq(span_of(bytes, got), span_str(text));
}

static bool there(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0 && (st.st_mode & 077) == 0;
}

static void a_file_grows_in_quarantine_and_is_released(void **state)
{
    uint8_t byte;
    size_t got;
    (void)state;
    assert_int_equal(f->write(f, id, 0, SPAN("hello"), false), ERR_NONE);
    assert_int_equal(f->write(f, id, 5, SPAN(" world"), true), ERR_NONE);
    assert_true(there("quarantine/01890a5d-ac96-774b-bcce-b302099a8057"));
    assert_true(holds(FILES_QUARANTINE, 0, "hello world"));
    assert_true(holds(FILES_QUARANTINE, 6, "world"));
    assert_true(holds(FILES_QUARANTINE, 11, ""));
    assert_int_equal(f->read(f, FILES_AVAILABLE, id, 0, &byte, 1, &got), ERR_NOT_FOUND);
    assert_int_equal(f->release(f, id), ERR_NONE);
    assert_int_equal(f->release(f, id), ERR_NONE);
    assert_true(there("57/01890a5d-ac96-774b-bcce-b302099a8057"));
    assert_true(holds(FILES_AVAILABLE, 0, "hello world"));
    assert_int_equal(f->read(f, FILES_QUARANTINE, id, 0, &byte, 1, &got), ERR_NOT_FOUND);
    assert_int_equal(f->remove(f, id), ERR_NONE);
    assert_int_equal(f->remove(f, id), ERR_NONE);
    assert_int_equal(f->release(f, id), ERR_NOT_FOUND);
    assert_false(there("57/01890a5d-ac96-774b-bcce-b302099a8057"));
}

static void a_digest_is_of_the_whole_file(void **state)
{
    uint8_t digest[FILES_DIGEST_BYTES];
    (void)state;
    assert_int_equal(f->digest(f, id, digest), ERR_NOT_FOUND);
    assert_int_equal(f->write(f, id, 0, SPAN("abc"), false), ERR_NONE);
    assert_int_equal(f->digest(f, id, digest), ERR_NONE);
    assert_memory_equal(digest, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8); /* FIPS 180-2 B.1 */
}

static void what_was_not_acknowledged_is_dropped(void **state)
{
    (void)state;
    assert_int_equal(f->write(f, id, 0, SPAN("acknowledged, lost"), true), ERR_NONE);
    assert_int_equal(f->write(f, id, 12, SPAN("!"), true), ERR_NONE);
    assert_true(holds(FILES_QUARANTINE, 0, "acknowledged!"));
    assert_int_equal(f->write(f, id, 14, SPAN("gap"), false), ERR_CONFLICT);
    assert_int_equal(f->write(f, id, 0, SPAN_NONE, true), ERR_NONE);
    assert_true(holds(FILES_QUARANTINE, 0, ""));
    assert_int_equal(f->remove(f, id), ERR_NONE);
    assert_int_equal(f->write(f, id, 3, SPAN("x"), false), ERR_CONFLICT);
}

static void count(void *arg, uuid which)
{
    unsigned *n = arg;
    assert_true(uuid_eq(which, id));
    ++*n;
}

static void quarantine_is_listed(void **state)
{
    unsigned n = 0;
    (void)state;
    assert_int_equal(f->quarantined(f, count, &n), ERR_NONE);
    assert_int_equal(n, 0);
    assert_int_equal(f->write(f, id, 0, SPAN("x"), false), ERR_NONE);
    assert_int_equal(f->quarantined(f, count, &n), ERR_NONE);
    assert_int_equal(n, 1);
}

static void a_folder_that_cannot_be_made_is_said(void **state)
{
    buf why = {0};
    (void)state;
    assert_null(files_disk_new("/proc/no/such", &why));
    assert_true(why.len > 0);
    buf_deinit(&why);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_grows_in_quarantine_and_is_released),
        T(a_digest_is_of_the_whole_file),
        T(what_was_not_acknowledged_is_dropped),
        T(quarantine_is_listed),
        T(a_folder_that_cannot_be_made_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
