/* The scanner port: one suite over its twin and over clamd with a signature database of our own, if
 * clamd is installed; then what only a broken clamd does, which is a thread of this test. */
#include "ports/scanner.h"

#include "adapters/scan_clamd/scan_clamd.h"
#include "adapters/scan_twin/scan_twin.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000 /* far above what a busy machine takes */
/* In two parts, so that no scanner takes this file for one. */
#define EICAR                                                                                      \
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-"                                                 \
    "ANTIVIRUS-TEST-FILE!$H+H*"

static struct {
    struct scanner *port;
    pid_t clamd; /* 0: the twin's world */
    char folder[128];
} w;

/* --- sources --- */

struct bytes {
    struct scan_source src;
    span left;
    size_t step; /* given at a time */
    bool fails;
};

static ptrdiff_t read_bytes(struct scan_source *self, uint8_t *out, size_t len)
{
    struct bytes *b = CONTAINER_OF(self, struct bytes, src);
    size_t n = b->left.len < len ? b->left.len : len;
    n = n < b->step ? n : b->step;
    if (b->fails) {
        return -1;
    }
    memcpy(out, b->left.ptr, n);
    b->left = span_slice(b->left, n, b->left.len);
    return (ptrdiff_t)n;
}

static struct scan_result scan_by(struct scanner *s, span bytes, size_t step)
{
    struct bytes b = {.src.read = read_bytes, .left = bytes, .step = step};
    struct scan_result r;
    memset(&r, 0xee, sizeof r);
    s->scan(s, &b.src, &r);
    return r;
}

static void expect(struct scan_result r, enum scan_verdict verdict)
{
    if (r.verdict != verdict) {
        fail_msg("%s (%s), expected %s", scan_verdict_name(r.verdict), r.what,
                 scan_verdict_name(verdict));
    }
}

/* --- the worlds --- */

static int open_twin(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.port = scan_twin_new();
    return 0;
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w.folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* clamd takes part of the text as its body; the file's other half is what this suite sends. */
static void write_signature(void)
{
    buf line = {0};
    buf_append_str(&line, "Eicar-Test-Signature:0:*:");
    for (const char *at = EICAR; *at != '\0'; at++) {
        buf_printf(&line, "%02x", (unsigned)(uint8_t)*at);
    }
    buf_append(&line, "\n", 2);
    write_file("db/test.ndb", (const char *)line.ptr);
    buf_deinit(&line);
}

/* Its socket is there a moment before it listens. */
static void await_answer(void)
{
    struct scan_result r = {.verdict = SCAN_AWAY};
    for (int ms = 0; ms < PATIENCE_MS && r.verdict == SCAN_AWAY; ms += 10) {
        usleep(10000);
        r = scan_by(w.port, SPAN("hello"), 100);
    }
    expect(r, SCAN_CLEAN);
}

static int open_clamd(void **state)
{
    char where[256], conf[512], path[256];
    (void)state;
    memset(&w, 0, sizeof w);
    snprintf(w.folder, sizeof w.folder, "build/tmp/clamd-XXXXXX");
    (void)mkdir("build/tmp", 0755);
    if (access("/usr/sbin/clamd", X_OK) != 0 || mkdtemp(w.folder) == NULL) {
        return 0; /* the test skips itself */
    }
    char *whole = realpath(w.folder, NULL);
    assert_true(whole != NULL && strlen(whole) < 90); /* sun_path holds 108 */
    snprintf(w.folder, sizeof w.folder, "%s", whole);
    free(whole);
    snprintf(path, sizeof path, "%s/db", w.folder);
    assert_int_equal(mkdir(path, 0755), 0);
    write_signature();
    snprintf(conf, sizeof conf,
             "Foreground yes\nLocalSocket %s/s\nDatabaseDirectory %s/db\nTemporaryDirectory %s\n"
             "StreamMaxLength 1M\n",
             w.folder, w.folder, w.folder);
    write_file("clamd.conf", conf);
    snprintf(path, sizeof path, "--config-file=%s/clamd.conf", w.folder);
    w.clamd = fork();
    if (w.clamd == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execl("/usr/sbin/clamd", "clamd", path, (char *)NULL);
        _exit(127);
    }
    snprintf(where, sizeof where, "unix:%s/s", w.folder);
    assert_true(scan_clamd_address_ok(where));
    w.port = scan_clamd_new(where, PATIENCE_MS);
    await_answer();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int close_world(void **state)
{
    (void)state;
    if (w.clamd == 0) {
        scan_twin_free(w.port);
        return 0;
    }
    scan_clamd_free(w.port);
    kill(w.clamd, SIGTERM);
    waitpid(w.clamd, NULL, 0);
    return nftw(w.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- the suite --- */

static void what_is_harmless_is_clean(void **state)
{
    (void)state;
    if (w.port == NULL) {
        skip();
    }
    expect(scan_by(w.port, SPAN("hello"), 100), SCAN_CLEAN);
    expect(scan_by(w.port, SPAN(""), 100), SCAN_CLEAN);
    buf big = {0};
    for (int i = 0; i < 100000; i++) {
        buf_printf(&big, "%d\n", i);
    }
    expect(scan_by(w.port, buf_span(&big), 1000000), SCAN_CLEAN);
    expect(scan_by(w.port, buf_span(&big), 777), SCAN_CLEAN);
    buf_deinit(&big);
}

static void what_is_harmful_is_found_and_named(void **state)
{
    (void)state;
    if (w.port == NULL) {
        skip();
    }
    buf far = {0};
    memset(buf_reserve(&far, 300000), ' ', 300000);
    far.len = 300000;
    buf_append_str(&far, EICAR);
    for (size_t step = 1; step < 100; step += 33) {
        struct scan_result r = scan_by(w.port, SPAN(EICAR), step);
        expect(r, SCAN_FOUND);
        assert_non_null(strstr(r.what, "Eicar-Test-Signature"));
    }
    expect(scan_by(w.port, buf_span(&far), 65536), SCAN_FOUND);
    buf_deinit(&far);
}

static void what_cannot_be_read_is_not_clean(void **state)
{
    struct bytes b = {.src.read = read_bytes, .step = 1, .fails = true};
    struct scan_result r;
    (void)state;
    if (w.port == NULL) {
        skip();
    }
    w.port->scan(w.port, &b.src, &r);
    expect(r, SCAN_FAILED);
    assert_true(r.what[0] != '\0');
}

static void the_twin_can_be_away(void **state)
{
    (void)state;
    scan_twin_away(w.port, true);
    expect(scan_by(w.port, SPAN("hello"), 100), SCAN_AWAY);
    scan_twin_away(w.port, false);
    expect(scan_by(w.port, SPAN("UNSCANNABLE"), 100), SCAN_FAILED);
    assert_int_equal(scan_twin_count(w.port), 2);
}

/* Over StreamMaxLength clamd answers and closes in the middle. */
static void what_is_too_large_for_clamd_is_not_clean(void **state)
{
    (void)state;
    if (w.port == NULL) {
        skip();
    }
    size_t len = 3u << 20;
    uint8_t *bytes = mem_calloc(1, len);
    expect(scan_by(w.port, span_of(bytes, len), len), SCAN_FAILED);
    mem_free(bytes);
}

/* --- a clamd that is broken --- */

struct odd {
    int listener;
    const char *answer;
    size_t len;
    bool greedy; /* reads the whole stream first */
    bool silent; /* and keeps the connection */
    buf got;
};

static void *odd_run(void *arg)
{
    struct odd *o = arg;
    uint8_t bytes[4096];
    int fd = accept(o->listener, NULL, NULL);
    ssize_t n = 1;
    while (n > 0 && (o->greedy || o->silent)) {
        n = recv(fd, bytes, sizeof bytes, 0);
        if (n > 0) {
            buf_append(&o->got, bytes, (size_t)n);
        }
        if (o->greedy && o->got.len >= 14 &&
            memcmp(o->got.ptr + o->got.len - 4, "\0\0\0\0", 4) == 0) {
            break;
        }
    }
    if (o->len > 0) {
        (void)send(fd, o->answer, o->len, MSG_NOSIGNAL);
    }
    close(fd);
    return NULL;
}

static struct scan_result ask_odd(struct odd *o, span bytes, uint32_t timeout_ms)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char where[160];
    pthread_t thread;
    static unsigned number;
    (void)mkdir("build/tmp", 0755);
    snprintf(at.sun_path, sizeof at.sun_path, "build/tmp/odd-%d-%u", (int)getpid(), number++);
    char *cwd = realpath("build/tmp", NULL);
    snprintf(where, sizeof where, "unix:%s/%s", cwd, at.sun_path + 10);
    free(cwd);
    o->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(o->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(o->listener, 1), 0);
    pthread_create(&thread, NULL, odd_run, o);
    struct scanner *s = scan_clamd_new(where, timeout_ms);
    struct scan_result r = scan_by(s, bytes, 65536);
    pthread_join(thread, NULL);
    scan_clamd_free(s);
    close(o->listener);
    unlink(at.sun_path);
    return r;
}

static void the_file_goes_in_chunks_behind_their_lengths(void **state)
{
    static const char wire[] = "zINSTREAM\0\0\0\0\5hello\0\0\0\0";
    struct odd o = {.answer = "stream: OK", .len = 11, .greedy = true};
    (void)state;
    expect(ask_odd(&o, SPAN("hello"), PATIENCE_MS), SCAN_CLEAN);
    assert_int_equal(o.got.len, sizeof wire - 1);
    assert_memory_equal(o.got.ptr, wire, o.got.len);
    buf_deinit(&o.got);
}

static void what_breaks_off_or_rambles_has_not_scanned(void **state)
{
    static char endless[4096];
    static const struct {
        const char *answer;
        size_t len;
        enum scan_verdict verdict;
    } rows[] = {
        {"", 0, SCAN_AWAY},
        {"stream: OK", 10, SCAN_AWAY}, /* without its NUL it may be a part */
        {"stream: OK ERROR", 17, SCAN_FAILED},
        {"COMMAND READ TIMED OUT ERROR", 29, SCAN_FAILED},
        {"\0", 1, SCAN_FAILED},
        {endless, sizeof endless, SCAN_AWAY},
    };
    (void)state;
    memset(endless, 'x', sizeof endless);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct odd o = {.answer = rows[i].answer, .len = rows[i].len, .greedy = true};
        struct scan_result r = ask_odd(&o, SPAN("hello"), PATIENCE_MS);
        expect(r, rows[i].verdict);
        assert_true(r.what[0] != '\0');
        buf_deinit(&o.got);
    }
}

static void an_answer_before_the_end_is_read(void **state)
{
    size_t len = 8u << 20;
    uint8_t *bytes = mem_calloc(1, len);
    struct odd o = {.answer = "INSTREAM size limit exceeded. ERROR", .len = 36};
    (void)state;
    struct scan_result r = ask_odd(&o, span_of(bytes, len), PATIENCE_MS);
    assert_true(r.verdict == SCAN_FAILED || r.verdict == SCAN_AWAY); /* a reset loses answers */
    mem_free(bytes);
}

static void one_that_says_nothing_is_away(void **state)
{
    struct odd o = {.silent = true};
    (void)state;
    expect(ask_odd(&o, SPAN("hello"), 50), SCAN_AWAY);
    buf_deinit(&o.got);
    struct scanner *s = scan_clamd_new("unix:/nonexistent/clamd", 50);
    expect(scan_by(s, SPAN("hello"), 5), SCAN_AWAY);
    scan_clamd_free(s);
    s = scan_clamd_new("127.0.0.1:1", 50);
    expect(scan_by(s, SPAN("hello"), 5), SCAN_AWAY);
    scan_clamd_free(s);
}

static void only_this_machine_is_an_address(void **state)
{
    (void)state;
    assert_true(scan_clamd_address_ok("unix:/run/clamav/clamd.ctl"));
    assert_true(scan_clamd_address_ok("127.0.0.1:3310"));
    assert_true(scan_clamd_address_ok("[::1]:3310"));
    assert_false(scan_clamd_address_ok("unix:clamd.ctl"));
    assert_false(scan_clamd_address_ok("192.0.2.1:3310"));
    assert_false(scan_clamd_address_ok("127.0.0.1:0"));
    assert_false(scan_clamd_address_ok("127.0.0.1"));
    assert_false(scan_clamd_address_ok("clamd.example:3310"));
    assert_false(scan_clamd_address_ok(""));
}

int main(void)
{
    const struct CMUnitTest suite[] = {
        cmocka_unit_test(what_is_harmless_is_clean),
        cmocka_unit_test(what_is_harmful_is_found_and_named),
        cmocka_unit_test(what_cannot_be_read_is_not_clean),
    };
    const struct CMUnitTest twin[] = {cmocka_unit_test(the_twin_can_be_away)};
    const struct CMUnitTest clamd[] = {
        cmocka_unit_test(what_is_too_large_for_clamd_is_not_clean)};
    const struct CMUnitTest odd[] = {
        cmocka_unit_test(the_file_goes_in_chunks_behind_their_lengths),
        cmocka_unit_test(what_breaks_off_or_rambles_has_not_scanned),
        cmocka_unit_test(an_answer_before_the_end_is_read),
        cmocka_unit_test(one_that_says_nothing_is_away),
        cmocka_unit_test(only_this_machine_is_an_address),
    };
    int failed = cmocka_run_group_tests_name("twin", suite, open_twin, close_world);
    failed += cmocka_run_group_tests_name("twin alone", twin, open_twin, close_world);
    failed += cmocka_run_group_tests_name("clamd", suite, open_clamd, close_world);
    failed += cmocka_run_group_tests_name("clamd alone", clamd, open_clamd, close_world);
    failed += cmocka_run_group_tests_name("odd", odd, NULL, NULL);
    return failed;
}
