/*
 * The worlds of the webhook port's tests: the adapter with libcurl, whose receiver is a thread of
 * the test, and its twin; and calls, made and awaited in either.
 */
#ifndef SB_TESTS_CONTRACT_WEBHOOK_FIXTURE_H
#define SB_TESTS_CONTRACT_WEBHOOK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "ports/webhook.h"

#include "http_receiver.h"

#define LONG_MS 600000 /* longer than a test */
#define ANSWER_MAX 1000
#define SECRET SPAN("correct horse battery staple")

/* What the suite needs of an adapter's world. */
struct webhook_world {
    struct post *post;
    struct webhook *port;
    struct receiver *receiver; /* NULL: the twin's world */
    char url[64];
};
extern struct webhook_world w;

/* cmocka setups, one a world, and their teardown. */
int world_open_http(void **state);
int world_open_twin(void **state);
int world_close(void **state);
#define ON_HTTP(test) {"http/" #test, test, world_open_http, world_close, NULL}
#define ON_TWIN(test) {"twin/" #test, test, world_open_twin, world_close, NULL}
#define ON_BOTH(test) ON_HTTP(test), ON_TWIN(test)

/* The port ends all its calls; the world stays. */
void world_close_port(void);
/* What later calls are answered with; `text` stands behind the status of HTTP. */
void world_answers(int status, const char *text, const char *body);
/* While true, calls are taken and not answered. */
void world_hold(bool on);
/* Waits until so many calls have come. */
void world_await(unsigned count);

struct made {
    struct webhook_call call;
    unsigned told;
    buf parts;      /* what came in pieces, with a | behind each */
    unsigned count; /* of them */
};

/* Makes a call; false when the port takes no more. */
bool call_make(struct made *m, const char *body);
/* The same call, answered in pieces. */
void call_make_parted(struct made *m);
/* Runs mail until it is told, once, or until so many pieces have come. */
void call_await(struct made *m);
void call_await_parts(struct made *m, unsigned count);
void call_cancel(struct made *m);
void call_free(struct made *m); /* what came of it */
/* The `done` of a call that a test makes itself; it is in a struct made. */
void on_call_done(struct webhook_call *c);
/* One call, from beginning to end. */
void call_expect(enum webhook_result result, int status, const char *answer);

#endif
