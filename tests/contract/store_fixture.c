#include "store_fixture.h"

#include "base/assert.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void on_send(struct post *self, unsigned loop, struct mail *m)
{
    struct inbox *in = CONTAINER_OF(self, struct inbox, post);
    m->next = NULL;
    pthread_mutex_lock(&in->lock);
    *in->tail = m;
    in->tail = &m->next;
    pthread_cond_signal(&in->arrived);
    pthread_mutex_unlock(&in->lock);
}

void inbox_init(struct inbox *in)
{
    *in = (struct inbox){.post = {.send = on_send, .loop_count = 1}};
    in->tail = &in->head;
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->arrived, NULL);
}

void inbox_run_until(struct inbox *in, const unsigned *count, unsigned wanted)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    while (*count < wanted) {
        pthread_mutex_lock(&in->lock);
        int late = 0;
        while (in->head == NULL && late == 0) {
            late = pthread_cond_timedwait(&in->arrived, &in->lock, &until);
        }
        struct mail *m = in->head;
        in->head = NULL;
        in->tail = &in->head;
        pthread_mutex_unlock(&in->lock);
        assert_non_null(m);
        while (m != NULL) {
            struct mail *next = m->next;
            m->run(m);
            m = next;
        }
    }
}

static void copy_text(char *out, size_t bytes, span s)
{
    snprintf(out, bytes, "%.*s", SPAN_FMT(s));
}

static void on_log(struct log *self, enum log_level level, const char *event,
                   const struct log_field *fields, unsigned count)
{
    struct test_log *l = CONTAINER_OF(self, struct test_log, log);
    pthread_mutex_lock(&l->lock);
    snprintf(l->event, sizeof l->event, "%s", event);
    l->failed += strcmp(event, "store.failed") == 0;
    l->recovered += strcmp(event, "store.recovered") == 0;
    l->settle_failed += strcmp(event, "store.settle_failed") == 0;
    l->index_failed += strcmp(event, "store.index_failed") == 0;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(fields[i].name, "why") == 0) {
            copy_text(l->why, sizeof l->why, fields[i].str);
        } else if (strcmp(fields[i].name, "error") == 0) {
            copy_text(l->error, sizeof l->error, fields[i].str);
        }
    }
    pthread_mutex_unlock(&l->lock);
}

void test_log_init(struct test_log *l)
{
    *l = (struct test_log){.log = {.write = on_log, .level_min = LOG_DEBUG}};
    pthread_mutex_init(&l->lock, NULL);
}

char *test_dir_new(void)
{
    char *dir = strdup("build/test-store-XXXXXX"); /* tests run in the source root */
    assert_non_null(mkdtemp(dir));
    return dir;
}

void test_dir_free(char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.') {
            char *path = test_path(dir, entry->d_name);
            unlink(path);
            free(path);
        }
    }
    closedir(d);
    rmdir(dir);
    free(dir);
}

char *test_path(const char *dir, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    return path;
}

static void add(struct store_req *req, unsigned step, enum query q, const char *types, va_list args)
{
    store_step_init(req, step, q, 1);
    for (unsigned p = 0; types[p] != '\0'; p++) {
        const char *text;
        switch (types[p]) {
        case 'i':
            store_set_int(req, step, 0, p, va_arg(args, int64_t));
            break;
        case 'r':
            store_set_real(req, step, 0, p, va_arg(args, double));
            break;
        case 't':
            text = va_arg(args, const char *);
            if (text != NULL) {
                store_set_text(req, step, 0, p, span_str(text));
            }
            break;
        case 'b':
            store_set_blob(req, step, 0, p, span_of(va_arg(args, const void *), 32));
            break;
        default:
            break;
        }
    }
}

struct store_req *req_make(enum query q, const char *types, ...)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    va_list args;
    va_start(args, types);
    add(req, 0, q, types, args);
    va_end(args);
    return req;
}

void req_add(struct store_req *req, unsigned step, enum query q, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    add(req, step, q, types, args);
    va_end(args);
}

void run_expect(struct store *s, struct store_req *req, err expected)
{
    assert_string_equal(err_name(store_run(s, req)), err_name(expected));
    store_req_free(req);
}

int64_t run_int(struct store *s, struct store_req *req)
{
    assert_string_equal(err_name(store_run(s, req)), "NONE");
    assert_int_equal(req->steps[0].row_count, 1);
    int64_t value = store_int(store_cell(req, 0, 0, 0));
    store_req_free(req);
    return value;
}

void fixture_device(struct store *s, const char *id)
{
    struct store_req *req = store_req_new(0, 2, NULL, NULL);
    req_add(req, 0, QUERY_PRINCIPAL_INSERT, "tttttti", id, "", id, "device", "d", "active",
            (int64_t)1);
    req_add(req, 1, QUERY_DEVICE_INSERT, "ttttttti", id, "d", "host", "active", "[]", "[]", "{}",
            (int64_t)1);
    run_expect(s, req, ERR_NONE);
}

struct store_req *metrics_req(const char *device, int64_t at, double cpu)
{
    return req_make(QUERY_METRICS_INSERT, "tiriirrriiir", device, at, cpu, (int64_t)2000000000,
                    (int64_t)8000000000, 10.0, 20.0, 0.5, (int64_t)100, (int64_t)1000, (int64_t)0,
                    40.0);
}

struct store_req *metrics_batch(const char *device, int64_t from, unsigned count)
{
    struct store_req *req = store_req_new(0, 1, NULL, NULL);
    store_step_init(req, 0, QUERY_METRICS_INSERT, count);
    for (unsigned i = 0; i < count; i++) {
        store_set_text(req, 0, i, 0, span_str(device));
        store_set_int(req, 0, i, 1, from + (int64_t)i * 60000);
        store_set_real(req, 0, i, 2, i);
        store_set_int(req, 0, i, 3, 1000 + i);
    }
    return req;
}

int64_t metrics_count(struct store *s, const char *device)
{
    struct store_req *req = req_make(QUERY_METRICS_LAST, "ti", device, (int64_t)100000);
    req->row_max = 100000;
    assert_string_equal(err_name(store_run(s, req)), "NONE");
    int64_t n = req->steps[0].row_count;
    store_req_free(req);
    return n;
}

#define SETTLE_SOON_MS 1

static int open_store(void **state, struct sqlite_store_conf conf)
{
    struct store_fixture *f = calloc(1, sizeof *f);
    inbox_init(&f->in);
    test_log_init(&f->log);
    f->dir = test_dir_new();
    char *path = test_path(f->dir, "s.db");
    conf.path = conf.path == NULL ? path : conf.path;
    conf.synchronous = STORE_SYNC_OFF;
    assert_int_equal(sqlite_store_open(&conf, &f->in.post, &f->log.log, &f->store), ERR_NONE);
    free(path);
    fixture_device(f->store, DEVICE_ID);
    f->settles = conf.settle_ms == SETTLE_SOON_MS;
    *state = f;
    return 0;
}

int fixture_file(void **state) { return open_store(state, (struct sqlite_store_conf){0}); }

int fixture_memory(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.path = ":memory:"});
}

int fixture_settling_file(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.settle_ms = SETTLE_SOON_MS,
                                                        .settle_slice_us = 1});
}

int fixture_settling_memory(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.path = ":memory:",
                                                        .settle_ms = SETTLE_SOON_MS,
                                                        .settle_slice_us = 1});
}

void wait_settled(struct store *s)
{
    struct store_stats stats;
    s->stats(s, &stats);
    for (unsigned i = 0; stats.unsettled > 0; i++) {
        assert_true(i < 200000);
        nanosleep(&(struct timespec){0, 100000}, NULL);
        s->stats(s, &stats);
    }
}

int fixture_small_file(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.queue_max = 4});
}

int fixture_small_memory(void **state)
{
    return open_store(state, (struct sqlite_store_conf){.path = ":memory:", .queue_max = 4});
}

int fixture_close(void **state)
{
    struct store_fixture *f = *state;
    if (f->store != NULL) {
        f->store->close(f->store);
    }
    test_dir_free(f->dir);
    free(f);
    return 0;
}
