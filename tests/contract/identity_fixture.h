/*
 * Identity over a real store (SQLite in memory), with the time in the test's hand, any number of
 * homes whose mail the test runs itself, and a password hash that costs nothing.
 */
#ifndef SB_TESTS_CONTRACT_IDENTITY_FIXTURE_H
#define SB_TESTS_CONTRACT_IDENTITY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/audit.h"
#include "domain/identity.h"
#include "domain/identity_ops.h"

#define HOMES_MAX 8
#define START_MS INT64_C(1800000000000)

struct world {
    unsigned count;
    struct home homes[HOMES_MAX];
    struct home *peers[HOMES_MAX];
    struct domain_conf conf;
    struct clock clock;
    int64_t now_ms;
    struct entropy entropy;
    uint64_t seed;
    struct post *post;
    struct store *store;
    struct tokens *tokens;
    struct password password;
    struct offload *offload;
    unsigned hashed; /* passwords hashed or verified */
    struct sim *sim; /* NULL: mail in the order posted, the store on its own thread */
    err store_error; /* with a sim: what the store answers instead; ERR_NONE: it works */
};

extern struct world w;

/* cmocka setup and teardown; 1 home and 5 homes. */
int world_setup_1(void **state);
int world_setup_5(void **state);
int world_teardown(void **state);
/* One thread; the seed chooses which loop runs its next mail and when the store answers. */
void world_setup_sim(unsigned count, uint64_t seed);
/* One step of it; false when nothing is left to do. */
bool sim_step(void);
/* Reads that were submitted to its store so far. */
unsigned sim_reads(void);

/* Runs mail until the flag is set; false when nothing more comes. */
bool run_until(const bool *flag);
/* A home other than the last one taken: tests visit them all in turn. */
struct home *any_home(void);
/* Runs mail until nothing comes for a moment. */
void settle(void);
/* Moves the time on, fires deadlines, settles. */
void pass_ms(int64_t ms);

/* The last answer of an operation, copied. */
struct answer {
    bool done;
    err error;
    char reason[64];
    uint32_t retry_after_ms;
    uuid principal;
    uuid credential;
    char username[128];
    char secret[128];
    char access[4096];
    int64_t access_expires_ms;
    char refresh[128];
    char session[128];
    int64_t session_expires_ms;
    unsigned count;
    bool more;
    struct user_row users[200];
    char names[200][128];
    struct key_row keys[100];
};
extern const struct actor somebody; /* who changes keys */
void on_answer(void *owner, const struct identity_result *r); /* identity_done; owner: an answer */
void wait_answer(struct answer *a);

/* One operation each, awaited; the error is asserted. */
uuid user_new(const char *name, const char *password, enum role role);
uuid device_new(void);                       /* a principal of kind device */
void device_row_new(uuid device);            /* its row in devices */
uuid group_new(const char *name);            /* a device group */
int64_t room_new(int64_t id);                /* a home room, in the store only; returns the id */
void key_new(uuid device, struct answer *a); /* a->secret, a->credential */
void login_as(struct answer *a, const char *name, const char *password, unsigned wants);
void expect(const struct answer *a, err error, const char *reason);

/* Authenticates, waits; the reason in `reason` (64 bytes, may be NULL). NULL when refused. */
struct grant *auth_wait(struct home *h, const char *text, bool is_session, char *reason);
#define auth_text(text, reason) auth_wait(any_home(), (text), false, (reason))
#define auth_cookie(text, reason) auth_wait(any_home(), (text), true, (reason))
/* Asserts the refusal and its reason. */
void expect_refused(const char *text, bool is_session, const char *reason);
void expect_accepted(const char *text, bool is_session);

/* A live session that counts what it is told. */
struct probe {
    struct session session;
    unsigned told[5];
    bool keep_open; /* else it closes when it is revoked, disabled or expired */
};
void probe_open(struct probe *p, struct home *h, const char *text, bool is_session);
unsigned probe_total(const struct probe *p);

#endif
