/* A small HTTP/1.1 server on 127.0.0.1 for tests of what calls receivers: a thread a connection,
 * kept open between requests, and one answer for all until it is changed. */
#ifndef SB_TESTS_HTTP_RECEIVER_H
#define SB_TESTS_HTTP_RECEIVER_H

#include "base/buf.h"

#define RECEIVER_PATH "/hook"

struct receiver;

/* Listens on a free port and answers 204. */
struct receiver *receiver_start(void);
void receiver_stop(struct receiver *r); /* closes every connection, joins, frees */
int receiver_port(const struct receiver *r);
/* What later requests are answered with: `status` such as "200 OK", header lines each ending in
 * CRLF, and a body. */
void receiver_answers(struct receiver *r, const char *status, const char *headers, span body);
/* Later requests get these bytes, whatever they are, and the end of the connection. */
void receiver_says(struct receiver *r, span bytes);
/* While true, requests are read and not answered. */
void receiver_hold(struct receiver *r, bool hold);
/* So many bytes of each answer are sent before it is held, while requests are. */
void receiver_hold_after(struct receiver *r, size_t bytes);
/* Waits until so many requests have come. */
void receiver_await(struct receiver *r, unsigned requests);
unsigned receiver_requests(struct receiver *r);
unsigned receiver_connections(struct receiver *r); /* accepted so far */
/* The last request's head and body, appended. */
void receiver_last(struct receiver *r, buf *head, buf *body);

#endif
