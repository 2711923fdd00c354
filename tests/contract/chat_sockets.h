/*
 * Sockets of chat that do what a wire does: a reader of their own topic, and for each arrival one
 * of the room's topic from the arrival's position.
 */
#ifndef SB_TESTS_CONTRACT_CHAT_SOCKETS_H
#define SB_TESTS_CONTRACT_CHAT_SOCKETS_H

#include "domain/chat.h"

/* A socket. What it hears is a line each: "EVENT PAYLOAD" for what is ordered and "~EVENT PAYLOAD"
 * for the rest, with an origin its sid and request behind; "joined ROOM
 * LASTSEQ UNREAD" and "watching ROOM LASTSEQ" for on_room, "out ROOM WHY" for on_out (left,
 * removed, gone), "listed". */
struct socket;
struct socket *socket_open(unsigned loop, const struct chat_who *who);
void socket_close(struct socket *s); /* those left are closed at the end */
/* A topic besides: chat/desk, chat/staff. */
void socket_follows(struct socket *s, const char *topic);
struct chat_client *socket_client(struct socket *s);
/* What it has heard since the last call; borrowed until the next. */
const char *heard(struct socket *s);
/* The same, asserted to contain, or not to contain, a text. Keeps what was heard. */
void assert_heard(struct socket *s, const char *text);
void assert_not_heard(struct socket *s, const char *text);
/* How often a text is in what it has heard. */
unsigned heard_count(struct socket *s, const char *text);

/* For the process: where a loop's hub sends what its sockets hear, and the end of all of them. */
struct hub_sink *sockets_sink(unsigned loop);
void sockets_close(void);

#endif
