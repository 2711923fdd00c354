/*
 * WebSocket conversation of one direction, receiving: frames become messages, pings and a close
 * (RFC 6455 5.4-5.6, 7, 8.1). Sans-IO; owns no memory. Between messages it is three bits
 * (ws_session_rest), which is what a connection at rest keeps. One thread at a time.
 *
 *     while (at < len) {
 *         ptrdiff_t n = ws_session_feed(&ws, &limits, in + at, len - at, &ev);
 *         if (n < 0) { fail the connection with close code -n; break; }
 *         if (n == 0) { keep in[at..len) (< WS_FEED_BYTES_MIN) in front of the next read; break; }
 *         at += n;
 *         switch (ev.type) ...
 *     }
 *
 * A whole unfragmented message is one MESSAGE whose payload lies in `in`: no copy. Anything else
 * comes as FRAGMENT pieces, as much as is there, so the receive buffer never has to hold a
 * message: the caller appends the pieces to a buffer of its own, and `last` completes it. Text is
 * validated as it arrives and fails at the first impossible byte (8.1). A compressed message is
 * handed out as it came: the caller inflates it (ws/deflate.h), and only then applies the limit of
 * bytes and validates text; here it may be a little larger, for compression can make it so.
 */
#ifndef SB_CODEC_WS_SESSION_H
#define SB_CODEC_WS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/span.h"
#include "codec/ws/frame.h"

/* The caller's receive buffer must be able to offer this much at once: a whole control frame. */
#define WS_FEED_BYTES_MIN 256

enum ws_role {
    WS_SERVER, /* we are the server: the peer's frames are masked */
    WS_CLIENT,
};

struct ws_limits {
    uint32_t message_bytes_max; /* over it: 1009, as soon as a header announces it; > 0 */
    uint16_t fragments_max;     /* frames of one message; over it: 1008; 0 is any number */
};

struct ws_session { /* fields are private to session.c */
    uint32_t left;      /* payload bytes of the current data frame still to come */
    uint32_t bytes;     /* announced by the frames of the unfinished message so far */
    uint8_t key[4];     /* of the current frame, turned so that key[0] masks the next byte */
    uint32_t utf8;      /* utf8_state.state of the unfinished text message */
    uint16_t fragments; /* frames of the unfinished message, saturating */
    uint8_t opcode;     /* of the unfinished message; 0 between messages */
    uint8_t flags;
};

enum ws_event_type {
    WS_EVENT_NONE,     /* bytes were consumed, there is nothing to do */
    WS_EVENT_MESSAGE,  /* a whole message: opcode, payload */
    WS_EVENT_FRAGMENT, /* the next piece of a message: opcode, payload (may be empty), last */
    WS_EVENT_PING,     /* payload: answer with a pong that carries the same */
    WS_EVENT_PONG,     /* payload */
    WS_EVENT_CLOSE,    /* code (1005 without one), payload is the reason. The session is over. */
};

struct ws_event {
    enum ws_event_type type;
    uint8_t opcode;  /* MESSAGE, FRAGMENT: WS_OP_TEXT or WS_OP_BINARY, on every piece */
    bool last;       /* FRAGMENT: the message is complete; MESSAGE: always true */
    bool compressed; /* the payload is to be inflated (RFC 7692), on every piece */
    uint16_t code;   /* CLOSE: 1000-4999, or 1005 */
    span payload;    /* unmasked, inside the input; valid as long as the input is */
    const char *why; /* after a negative return: the rule that was broken, for logs */
};

/* Makes `s` ready for the first frame after the handshake; zeroed memory is a ready WS_SERVER. */
void ws_session_init(struct ws_session *s, enum ws_role role);

/* permessage-deflate was agreed: RSV1 marks a compressed message, on its first frame. Before it,
 * and always in other frames, RSV1 is a protocol error. */
void ws_session_allow_deflate(struct ws_session *s);
bool ws_session_deflates(const struct ws_session *s);

/*
 * Takes the next event from `in` (mutable: payloads are unmasked in place; bytes that are not
 * consumed are left as they were). Returns the bytes consumed (> 0, *ev is set), 0 when more
 * bytes are needed (at most WS_FEED_BYTES_MIN - 1 are ever left over), or the close code to fail
 * with, negative: -1002 protocol, -1007 not UTF-8, -1008 too many fragments, -1009 too big (ev->why
 * names the rule). After CLOSE or an error the session is over: it consumes everything given and
 * reports NONE (5.5.1, 7.1.7).
 * Cost: one pass over the payload to unmask, one to validate text. Fuzzed by ws_session.
 */
MUST_CHECK ptrdiff_t ws_session_feed(struct ws_session *s, const struct ws_limits *limits,
                                     uint8_t *in, size_t len, struct ws_event *ev);

/* What of the session outlives its messages, in WS_REST_BITS bits: keep it in place of the session
 * while ws_session_in_message() is false, and wake another one from it for the next bytes. */
#define WS_REST_BITS 3
uint8_t ws_session_rest(const struct ws_session *s);
void ws_session_wake(struct ws_session *s, uint8_t rest);
/* As ws_session_is_over and ws_session_deflates. */
bool ws_rest_is_over(uint8_t rest);
bool ws_rest_deflates(uint8_t rest);

/* Is a message unfinished (so that a timer should watch it)? */
static inline bool ws_session_in_message(const struct ws_session *s) { return s->opcode != 0; }
/* Has a close frame come, or an error? */
bool ws_session_is_over(const struct ws_session *s);

#endif
