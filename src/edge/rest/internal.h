/* What the files of edge/rest share. */
#ifndef SB_EDGE_REST_INTERNAL_H
#define SB_EDGE_REST_INTERNAL_H

#include "edge/rest/rest.h"

/* JSON depth of a body, as on every wire (CONTRACT 1). */
#define REST_JSON_DEPTH_MAX 16
/* The last millisecond that RFC 3339 can write. */
#define REST_TIME_MS_MAX 253402300799999

/* A zeroed call for a request, remembered as x->user; freed by its answer. */
struct rest_call *call_new(struct http_exchange *x);
/* For calls whose exchange is gone or answered. */
void call_free(struct rest_call *c);

/* rest_raw for an error: remembers its row for errors_total. */
void answer_error(struct rest_call *c, err e, unsigned status, const char *detail,
                  const struct rest_fault *faults, unsigned fault_count);
/* Answers OPTIONS: `allowed` has a bit per enum http1_method; a preflight allows `headers`, a valid
 * field, or if that is empty those of the API. */
void rest_options(struct rest_call *c, unsigned allowed, span headers);
/* An answer without a call: the request was refused before it could be read. */
void answer_refused(struct http_exchange *x, unsigned status, const char *why);
/* Since the request's head was complete. */
uint64_t answer_elapsed_us(const struct rest_call *c);

/* Whether the path is one of the Home system (CONTRACT 4), whose REST has times of whole seconds
 * (CONTRACT 1): /api/v1/ websocket, rooms, entities, scenes and what is below them, whether there
 * is a route or not. */
bool home_path(span path);
/* The document's sentence for a body that cannot be read: `error` of Home's answers. */
#define HOME_BAD_BODY "Invalid request body"

/* A refusal as it is answered. */
struct problem {
    err error;
    unsigned status;
    const char *detail; /* NULL: the error's sentence */
    const char *said;   /* the member `error`; NULL: the detail */
    span path;          /* that was asked for */
    const struct rest_fault *faults;
    unsigned fault_count;
    span details; /* a JSON object; empty: none */
};
/* Appends its body. */
void problem_write(buf *out, const struct problem *p, int64_t now_ms);
/* Appends {"success":true,"data":...}, the answer to what was asked at `path`. */
void envelope_write(buf *out, span path, span data, span next_cursor, int64_t now_ms);

/* Finds out who asks and goes on with admitted() or answers. Later, perhaps. */
void authenticate(struct rest_call *c, void (*admitted)(struct rest_call *c));
/* Whether the grant covers the route; else ERR_UNAUTHENTICATED, ERR_PERMISSION_DENIED,
 * ERR_DEVICE_NOT_FOUND. */
err permission_check(const struct rest_call *c);
/* Fills c->json, or says what is wrong with the body; *detail may stay NULL. */
err body_read(struct rest_call *c, const char **detail) MUST_CHECK;

#endif
