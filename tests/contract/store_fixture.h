/*
 * What the store's contract tests share: a store of each kind, a post port whose mail the test
 * runs itself, a log that remembers its last line, and short ways to make requests.
 */
#ifndef SB_TESTS_CONTRACT_STORE_FIXTURE_H
#define SB_TESTS_CONTRACT_STORE_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/store_sqlite/store_sqlite.h"

/* A fixed device that fixture_device() makes. */
#define DEVICE_ID "01900000-0000-7000-8000-000000000001"

struct inbox {
    struct post post;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct mail *head;
    struct mail **tail;
};

/* Makes it empty; never fails. */
void inbox_init(struct inbox *in);
/* Runs mail as it comes until `*count` is at least `wanted`; fails the test after 20 s. */
void inbox_run_until(struct inbox *in, const unsigned *count, unsigned wanted);

struct test_log {
    struct log log;
    pthread_mutex_t lock;
    char event[64];  /* of the last line */
    char why[300];   /* its field `why` */
    char error[64];  /* its field `error` */
    unsigned failed; /* lines `store.failed` */
    unsigned recovered;
    unsigned settle_failed; /* lines `store.settle_failed` */
    unsigned index_failed;  /* lines `store.index_failed` */
};
void test_log_init(struct test_log *l);

/* A new directory under build/; test_dir_free() removes it with its files. */
char *test_dir_new(void);
void test_dir_free(char *dir);
char *test_path(const char *dir, const char *name); /* owned by the caller (free) */

/* A store of one kind with DEVICE_ID in it, for suites that run on every adapter. */
struct store_fixture {
    struct store *store;
    struct inbox in;
    struct test_log log;
    char *dir; /* its file is s.db in there */
    bool settles; /* telemetry is settled as soon as it is there */
};
/* cmocka setups: a file, memory, and both with a queue of 4; and their teardown. */
int fixture_file(void **state);
int fixture_memory(void **state);
int fixture_small_file(void **state);
int fixture_small_memory(void **state);
int fixture_settling_file(void **state); /* telemetry is settled at once, some rows a slice */
int fixture_settling_memory(void **state);
int fixture_close(void **state);
/* Waits until no telemetry is unsettled; fails the test after 20 s. */
void wait_settled(struct store *s);

#define ON_BOTH(test)                                                                              \
    {"file: " #test, test, fixture_file, fixture_close, NULL},                                     \
        {"memory: " #test, test, fixture_memory, fixture_close, NULL}

/* And with telemetry both in the tail and settled. */
#define ON_SETTLING(test)                                                                          \
    {"file, settled: " #test, test, fixture_settling_file, fixture_close, NULL},                   \
        {"memory, settled: " #test, test, fixture_settling_memory, fixture_close, NULL}
#define ON_BOTH_SETTLED_TOO(test) ON_BOTH(test), ON_SETTLING(test)

/* A request of one write or read; parameters by format: 'i' int64_t, 'r' double, 't' const char *
 * (NULL is NULL), 'b' 32 bytes, 'n' nothing (NULL). */
struct store_req *req_make(enum query q, const char *types, ...);
void req_add(struct store_req *req, unsigned step, enum query q, const char *types, ...);
/* Runs with store_run, asserts the error, frees. */
void run_expect(struct store *s, struct store_req *req, err expected);
/* Runs a read with one row and one integer column. */
int64_t run_int(struct store *s, struct store_req *req);
/* A principal and its device. */
void fixture_device(struct store *s, const char *id);
struct store_req *metrics_req(const char *device, int64_t at, double cpu);
/* `count` rows a minute apart; CPU counts up from 0, memory from 1,000. */
struct store_req *metrics_batch(const char *device, int64_t from, unsigned count);
int64_t metrics_count(struct store *s, const char *device);

#endif
