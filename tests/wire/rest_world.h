/*
 * One loop with everything behind it but real files: net, edge, domain, SQLite in memory. The
 * test is the client, on a real socket, and turns the loop while it waits for an answer.
 */
#ifndef SB_TESTS_WIRE_REST_WORLD_H
#define SB_TESTS_WIRE_REST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "domain/identity_ops.h"
#include "edge/ops/ops.h"
#include "edge/rest/rest.h"

struct world {
    const struct http_handler *handler;
    struct loop *loops[1];
    struct post *post;
    struct log log;
    buf log_text; /* every line, fields as name=value */
    struct store *store;
    struct tokens *tokens;
    struct offload *offload;
    struct domain_conf domain_conf;
    struct edge_conf edge_conf;
    struct net_limits limits;
    struct net_shared *shared;
    struct home home;
    struct home *homes[1];
    struct edge edge;
    struct edge *edges[1];
    struct hub *hubs[1];
    struct journal *journals[1];
    struct ops ops;
    struct sockaddr_storage bound;
    unsigned port;
    char password[128]; /* of the user `admin` */
};

/* Starts on a free port of 127.0.0.1 with the user admin, and without a fleet and recovery:
 * home.fleet and home.recovery are the test's to make, and world_close's to free. */
void world_open(struct world *w);
/* The same with another handler of requests, without a user. */
void world_open_with(struct world *w, const struct http_handler *handler);
void world_close(struct world *w);
/* Turns the loop once, waiting a moment at most. */
void world_turn(struct world *w);

struct answer {
    int status;
    char head[8192]; /* status line and fields, NUL-terminated */
    char body[262144];
    size_t body_len;
};

/* Sends `request` (Host and the rest are the caller's; {port} is replaced) on a new connection
 * and waits for one whole answer. */
void world_ask(struct world *w, const char *request, struct answer *out);
/* A connected socket that has sent `request`, for peers that go away. */
int world_send(struct world *w, const char *request);
/* The value of the answer's first field of that name, or "" ; valid until the next call. */
const char *answer_field(const struct answer *a, const char *name);
/* A string member of data ("data.access_token" is asked for as "access_token"), or "". */
const char *answer_data(const struct answer *a, const char *member);
/* A string member of the whole body, or "". */
const char *answer_member(const struct answer *a, const char *member);

#endif
