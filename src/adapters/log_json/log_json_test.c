/* Through pipes that are read late, never, or not at all any more. */
#include "adapters/log_json/log_json.h"

#include "adapters/clock_system/clock_system.h"
#include "base/assert.h"
#include "base/buf.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define THREADS 4
#define LINES 500

static struct log *open_on(int fd, size_t ring_bytes, unsigned flush_ms_max)
{
    return log_json_open(&(struct log_json_conf){.fd = fd, .node = "n1", .clock = clock_system(),
                                                 .level_min = LOG_INFO, .ring_bytes = ring_bytes,
                                                 .flush_ms_max = flush_ms_max});
}

static void read_to_end(int fd, buf *out)
{
    char bytes[4096];
    ssize_t n;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        buf_append(out, bytes, (size_t)n);
    }
    assert_int_equal(n, 0);
}

/* Cuts the next line off as JSON; NULL at the end. */
static json_t *next_line(span *rest)
{
    if (rest->len == 0) {
        return NULL;
    }
    span line = span_cut(rest, '\n');
    json_t *json = json_loadb((const char *)line.ptr, line.len, 0, NULL);
    assert_non_null(json);
    return json;
}

static const char *event_of(json_t *json)
{
    return json_string_value(json_object_get(json, "event"));
}

static int64_t number_of(json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

static void lines_below_the_level_are_left_out_and_close_flushes(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct log *log = open_on(fds[1], 0, 0);
    LOG(log, LOG_DEBUG, "msg.in", LOG_U64("n", 1));
    LOG(log, LOG_INFO, "conn.open", LOG_U64("n", 2));
    log_set_level(log, LOG_DEBUG);
    LOG(log, LOG_DEBUG, "msg.in", LOG_U64("n", 3));
    log_set_level(log, LOG_ERROR);
    LOG(log, LOG_WARN, "conn.close", LOG_U64("n", 4));
    LOG((struct log *)NULL, LOG_ERROR, "error", LOG_U64("n", 5));
    assert_int_equal(log_json_dropped(log), 0);
    log_json_close(log);
    close(fds[1]);
    buf out = {0};
    read_to_end(fds[0], &out);
    span rest = buf_span(&out);
    json_t *json = next_line(&rest);
    assert_int_equal(number_of(json, "n"), 2);
    assert_string_equal(json_string_value(json_object_get(json, "node")), "n1");
    json_decref(json);
    json = next_line(&rest);
    assert_int_equal(number_of(json, "n"), 3);
    json_decref(json);
    assert_null(next_line(&rest));
    buf_deinit(&out);
    close(fds[0]);
}

static struct log *shared;

static void *log_lines(void *arg)
{
    for (int64_t i = 0; i < LINES; i++) {
        LOG(shared, LOG_INFO, "perf", LOG_I64("thread", (int64_t)(intptr_t)arg), LOG_I64("n", i));
    }
    return NULL;
}

static void *collect(void *arg)
{
    int *fd = arg;
    buf *out = calloc(1, sizeof *out);
    read_to_end(*fd, out);
    return out;
}

static void threads_keep_their_own_order(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    shared = open_on(fds[1], 0, 0);
    pthread_t reader, threads[THREADS];
    assert_int_equal(pthread_create(&reader, NULL, collect, &fds[0]), 0);
    for (intptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    log_json_close(shared);
    close(fds[1]);
    void *result;
    pthread_join(reader, &result);
    buf *out = result;
    span rest = buf_span(out);
    int64_t expected[THREADS] = {0};
    for (json_t *json = next_line(&rest); json != NULL; json = next_line(&rest)) {
        int64_t thread = number_of(json, "thread");
        assert_int_equal(number_of(json, "n"), expected[thread]++);
        json_decref(json);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(expected[i], LINES);
    }
    buf_deinit(out);
    free(out);
    close(fds[0]);
}

static void nobody_blocks_on_a_pipe_that_nobody_reads_and_the_gap_is_told(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct log *log = open_on(fds[1], 16384, 60000);
    /* More than pipe and ring hold: this loop would never end if a call waited. */
    uint64_t logged = 0;
    while (log_json_dropped(log) < 100) {
        LOG(log, LOG_INFO, "perf", LOG_U64("n", logged));
        logged++;
    }
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, collect, &fds[0]), 0);
    log_json_close(log);
    close(fds[1]);
    void *result;
    pthread_join(reader, &result);
    buf *out = result;
    span rest = buf_span(out);
    uint64_t seen = 0, told = 0;
    for (json_t *json = next_line(&rest); json != NULL; json = next_line(&rest)) {
        if (strcmp(event_of(json), "log.dropped") == 0) {
            told += (uint64_t)number_of(json, "count");
        } else {
            seen++;
        }
        json_decref(json);
    }
    assert_int_equal(seen + told, logged);
    assert_true(told >= 100);
    buf_deinit(out);
    free(out);
    close(fds[0]);
}

static void close_gives_up_on_a_reader_that_never_reads(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct log *log = open_on(fds[1], 0, 20);
    while (log_json_dropped(log) == 0) {
        LOG(log, LOG_INFO, "perf", LOG_STR("text", "nobody will read this"));
    }
    log_json_close(log); /* returns */
    close(fds[0]);
    close(fds[1]);
}

static void a_reader_that_went_away_costs_the_lines_and_nothing_else(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    struct log *log = open_on(fds[1], 0, 0);
    while (log_json_dropped(log) < 3) { /* and no SIGPIPE ends the process */
        LOG(log, LOG_INFO, "perf", LOG_U64("n", 1));
    }
    log_json_close(log);
    close(fds[1]);
}

static void a_file_takes_everything(void **state)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    shared = open_on(fileno(f), 1 << 20, 0);
    log_lines(NULL);
    log_json_close(shared);
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    buf out = {0};
    read_to_end(fileno(f), &out);
    span rest = buf_span(&out);
    int lines = 0;
    for (json_t *json = next_line(&rest); json != NULL; json = next_line(&rest)) {
        lines++;
        json_decref(json);
    }
    assert_int_equal(lines, LINES);
    buf_deinit(&out);
    fclose(f);
}

static void a_line_after_a_sleep_wakes_the_writer(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct log *log = open_on(fds[1], 0, 0);
    char bytes[256];
    for (int i = 0; i < 100; i++) {
        LOG(log, LOG_INFO, "perf", LOG_I64("n", i));
        struct pollfd p = {.fd = fds[0], .events = POLLIN};
        assert_int_equal(poll(&p, 1, 10000), 1); /* a missed wake-up would end here */
        assert_true(read(fds[0], bytes, sizeof bytes) > 0);
    }
    log_json_close(log);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_below_the_level_are_left_out_and_close_flushes),
        cmocka_unit_test(threads_keep_their_own_order),
        cmocka_unit_test(nobody_blocks_on_a_pipe_that_nobody_reads_and_the_gap_is_told),
        cmocka_unit_test(close_gives_up_on_a_reader_that_never_reads),
        cmocka_unit_test(a_reader_that_went_away_costs_the_lines_and_nothing_else),
        cmocka_unit_test(a_file_takes_everything),
        cmocka_unit_test(a_line_after_a_sleep_wakes_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
